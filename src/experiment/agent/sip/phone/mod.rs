//! One phone: it registers, calls, answers, hangs up and probes, and writes down what became of each.
//!
//! [`Phone::handle`] takes what happened, [`Phone::poll`] gives what to do, [`Phone::wake_at`] says when to
//! call [`Phone::tick`]. Give inputs in the order in which they happened; poll until empty after each.

pub mod behaviour;
mod describing;
mod incoming;
mod interface;
mod keepalive;
mod link;
mod ops;
mod outgoing;
mod probe;
mod registering;
mod standing;
mod staying;
mod targets;
#[cfg(test)]
mod tests;
mod wallet;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

pub use interface::{Command, Input, Media, MediaCommand, Output, PhoneConfig, Transport, VideoMedia};

use self::incoming::Ringing;
use self::link::Link;
use self::ops::Numbers;
use self::outgoing::Outgoing;
use self::probe::Probe;
use self::registering::{Registering, Registration};
use self::standing::{Leaving, Standing};
use self::staying::Flow;
use self::targets::Targets;
use self::wallet::Wallet;
use crate::experiment::agent::sip::Tokens;
use crate::experiment::agent::sip::transaction::{Action, Indication, Layer, Peer};
use crate::units::RunTime;
use crate::wire::sip::Message;

/// The number of the phone's one connection in its transaction layer.
const FLOW: u64 = 0;

/// What a client transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Register(u64),
    Invite(u64),
    Bye(u64),
    Ping,
}

/// A UUID in the form of version 4, from the seed.
fn instance(tokens: &mut Tokens) -> String {
    let (high, low) = (tokens.number(), tokens.number());
    let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xfff);
    let (d, e) = ((low >> 48) & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
    format!("urn:uuid:{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}")
}

/// A SIP phone.
#[derive(Debug)]
pub struct Phone {
    config: PhoneConfig,
    tokens: Tokens,
    layer: Layer,
    wallet: Wallet,
    link: Link,
    targets: Targets,
    flows: Vec<Flow>,
    /// URN of the instance (RFC 5626 §4.1).
    instance: String,
    numbers: Numbers,
    registration: Registration,
    purposes: HashMap<u64, Purpose>,
    registering: BTreeMap<u64, Registering>,
    outgoing: BTreeMap<u64, Outgoing>,
    expected: HashMap<String, (u64, Media)>,
    ringing: Vec<Ringing>,
    standing: Vec<Standing>,
    leaving: BTreeMap<u64, Leaving>,
    probes: Vec<Probe>,
    outputs: VecDeque<Output>,
}

impl Phone {
    /// A phone that has done nothing yet.
    #[must_use]
    pub fn new(config: PhoneConfig) -> Phone {
        let owner = format!("{} {}", config.user, config.local);
        let mut tokens = Tokens::new(config.seed, &owner);
        Phone {
            layer: Layer::new(config.timers, config.seed, &owner),
            wallet: Wallet::default(),
            link: Link::new(config.transport, config.local),
            targets: config.behaviour.as_ref().map_or_else(
                || {
                    if config.everywhere.is_empty() {
                        Targets::single(config.server)
                    } else {
                        Targets::fixed(&config.everywhere)
                    }
                },
                |behaviour| Targets::of(behaviour, config.server),
            ),
            flows: Vec::new(),
            instance: instance(&mut Tokens::new(config.seed, &format!("instance of {owner}"))),
            numbers: Numbers::new(config.op_base),
            registration: Registration::new(tokens.name()),
            tokens,
            config,
            purposes: HashMap::new(),
            registering: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            expected: HashMap::new(),
            ringing: Vec::new(),
            standing: Vec::new(),
            leaving: BTreeMap::new(),
            probes: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: RunTime, input: Input<'_>) {
        match input {
            Input::Datagram { from, bytes } => self.receive(now, Peer::Udp(from), bytes),
            Input::Stream { bytes } => self.receive_stream(now, bytes),
            Input::Connected { local } => self.connected(now, local),
            Input::Disconnected { reason } => self.disconnected(now, reason),
            Input::Unreachable { to } => self.unreachable(now, Peer::Udp(to)),
            Input::Command(command) => self.obey(now, command),
        }
        self.settle(now);
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: RunTime) {
        self.layer.tick(now);
        self.settle(now);
        self.lose_patience_registering(now);
        self.lose_patience_calling(now);
        self.answer_due(now);
        self.give_up_probes(now);
        self.reconnect_due(now);
        self.keep_alive(now);
        self.register_due_flows(now);
        self.settle(now);
        self.purposes.retain(|&client, _| self.layer.sent(client).is_some());
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Phone::tick`] must be called next.
    #[must_use]
    pub fn wake_at(&self) -> Option<RunTime> {
        let registering = self.registering.values().map(|registering| registering.deadline);
        let calling = self.outgoing.values().filter_map(Outgoing::wake_at);
        let ringing = self.ringing.iter().map(|ringing| ringing.answer_at);
        let probes = self.probes.iter().map(|probe| probe.deadline);
        let single = self.layer.wake_at().into_iter().chain(self.link.retry_at).chain(self.flows_wake_at());
        single.chain(registering).chain(calling).chain(ringing).chain(probes).min()
    }

    fn obey(&mut self, now: RunTime, command: Command) {
        match command {
            Command::Register { op, planned, .. } if self.config.behaviour.is_some() => {
                self.stay_registered(now, op, planned);
            }
            Command::Register { op, planned, expires_s, patience } => {
                self.register(now, op, planned, expires_s, patience);
            }
            Command::Call { op, call, kind, planned, callee, media, patience } => {
                let record = ops::Record { op, kind, planned, call: Some(call) };
                self.call(now, record, call, callee, media, patience);
            }
            Command::Expect { call, from_user, media } => {
                self.expected.insert(from_user, (call, media));
            }
            Command::HangUp { op, call, planned } => self.hang_up(now, op, call, planned),
            Command::Options { op, planned, deadline } => self.probe(now, op, planned, deadline),
        }
    }

    fn receive(&mut self, now: RunTime, from: Peer, octets: &[u8]) {
        self.heard(from);
        if !self.probe_answered(now, octets) {
            self.layer.receive(now, from, octets);
        }
    }

    /// Carries out what the transaction layer wants until it wants no more.
    fn settle(&mut self, now: RunTime) {
        while let Some(action) = self.layer.poll() {
            match action {
                Action::Send { to, octets } => self.send(to, octets),
                Action::Indicate(indication) => self.indicate(now, indication),
            }
        }
    }

    fn send(&mut self, to: Peer, octets: Vec<u8>) {
        match to {
            Peer::Udp(to) => self.outputs.push_back(Output::Datagram { to, bytes: octets }),
            Peer::Flow(_) if self.link.is_up() => self.outputs.push_back(Output::Stream { bytes: octets }),
            // A retransmission for a connection that is gone: nobody could read it.
            Peer::Flow(_) => {}
        }
    }

    fn indicate(&mut self, now: RunTime, indication: Indication) {
        match indication {
            Indication::Response { client, octets } => self.responded(now, client, &octets),
            Indication::TimedOut { client } => self.ended(now, client, "timer_b", "timer_f"),
            Indication::Broken { client } => {
                let reason = self.link.lost_by.clone();
                self.ended(now, client, &reason, &reason);
            }
            Indication::Request { server, octets, cancels, .. } => self.requested(now, server, &octets, cancels),
            Indication::Acked { server, octets } => self.acked(server, &octets),
            Indication::NeverAcked { server } => self.never_acked(now, server),
        }
    }

    fn responded(&mut self, now: RunTime, client: u64, octets: &[u8]) {
        let Ok(response) = Message::parse(octets) else { return };
        let Some(code) = response.status() else { return };
        match self.purposes.get(&client) {
            Some(&Purpose::Register(op)) => self.register_responded(now, op, code, &response),
            Some(&Purpose::Invite(call)) => self.invite_responded(now, call, client, code, &response),
            Some(&Purpose::Bye(key)) => self.bye_responded(now, key, code, &response),
            Some(&Purpose::Ping) | None => {}
        }
    }

    /// A client transaction ended without a final response.
    fn ended(&mut self, now: RunTime, client: u64, invite_reason: &str, reason: &str) {
        match self.purposes.remove(&client) {
            Some(Purpose::Register(op)) if self.config.behaviour.is_some() => self.register_unanswered(now, op, reason),
            Some(Purpose::Register(op)) => {
                self.register_failed(now, op, reason);
                self.distrust_link(now);
            }
            Some(Purpose::Invite(call)) => self.invite_unanswered(now, call, invite_reason),
            Some(Purpose::Bye(key)) => self.bye_unknown(now, key, reason),
            Some(Purpose::Ping) | None => {}
        }
    }

    /// Where a request inside a dialog goes: an address that the dialog names, or the server. A connection is kept
    /// to.
    fn route(&self, next_hop: Option<SocketAddr>) -> Peer {
        match self.config.transport {
            Transport::Udp => Peer::Udp(next_hop.unwrap_or_else(|| self.targets.address(self.usual_target()))),
            Transport::Tcp => Peer::Flow(FLOW),
        }
    }

    /// Where a request outside of dialogs goes.
    fn peer_of(&self, target: usize) -> Peer {
        match self.config.transport {
            Transport::Udp => Peer::Udp(self.targets.address(target)),
            Transport::Tcp => Peer::Flow(FLOW),
        }
    }

    /// The target that worked last, else the first one.
    fn usual_target(&self) -> usize {
        self.targets.worked.unwrap_or(0)
    }

    fn own_uri(&self) -> String {
        format!("sip:{}@{}", self.config.user, self.config.domain)
    }

    fn contact(&self) -> String {
        let suffix = if self.config.transport == Transport::Tcp { ";transport=tcp" } else { "" };
        format!("sip:{}@{}{suffix}", self.config.user, self.link.local)
    }

    fn sent_by(&self) -> String {
        self.link.local.to_string()
    }
}
