//! The reference cluster's SIP server: a registrar and a back-to-back user agent (RFC 7092) with media relay.
//!
//! It behaves as real pairs do: registrations and answered calls are copied to the other nodes, calls that
//! are being set up are not, nonces are not, and connections cannot be. A node that takes the address over
//! carries on from the copies when it is told to ([`Server::activate`]).

mod auth;
mod bridge;
mod interface;
mod ports;
mod registrar;
mod replica;
mod session;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

pub use interface::{Input, Output, RelayCommand, RelayLeg, ServerConfig};

use self::auth::Nonces;
use self::bridge::Setup;
use self::ports::Ports;
use self::registrar::Binding;
use self::session::Session;
use crate::experiment::agent::sip::Tokens;
use crate::experiment::agent::sip::transaction::{Action, Indication, Layer, Peer, Timers, response_target};
use crate::units::RunTime;
use crate::wire::sip::{Draft, Frame, Framer, Message};

/// A node's SIP server.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    tokens: Tokens,
    layer: Layer,
    nonces: Nonces,
    ports: Ports,
    /// Open connections; `None` for one whose stream makes no sense any more.
    flows: BTreeMap<u64, Option<Framer>>,
    bindings: BTreeMap<String, Binding>,
    setups: Vec<Setup>,
    sessions: BTreeMap<u64, Session>,
    outputs: VecDeque<Output>,
}

impl Server {
    /// A server that knows nobody.
    #[must_use]
    pub fn new(config: ServerConfig) -> Server {
        let mut tokens = Tokens::new(config.seed, &config.node);
        Server {
            layer: Layer::new(Timers::default(), config.seed, &config.node),
            nonces: Nonces::new(tokens.name()),
            ports: Ports::new(config.media_ports.clone()),
            tokens,
            config,
            flows: BTreeMap::new(),
            bindings: BTreeMap::new(),
            setups: Vec::new(),
            sessions: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: RunTime, input: Input<'_>) {
        match input {
            Input::Datagram { from, bytes } => self.receive(now, Peer::Udp(from), bytes),
            Input::Stream { conn, bytes } => self.receive_stream(now, conn, bytes),
            Input::Closed { conn } => self.closed(conn),
            Input::Replica { bytes } => self.copied(bytes),
        }
        self.settle(now);
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: RunTime) {
        self.layer.tick(now);
        self.settle(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Server::tick`] must be called next.
    #[must_use]
    pub fn wake_at(&self) -> Option<RunTime> {
        self.layer.wake_at()
    }

    /// The node holds the address now: it relays the calls that it has copies of.
    pub fn activate(&mut self, now: RunTime) {
        for session in self.sessions.values() {
            self.outputs.push_back(Output::Relay(session.open()));
        }
        self.settle(now);
    }

    fn receive_stream(&mut self, now: RunTime, conn: u64, octets: &[u8]) {
        let Some(framer) = self.flows.entry(conn).or_insert_with(|| Some(Framer::default())) else { return };
        framer.push(octets);
        loop {
            let frame = self.flows.get_mut(&conn).and_then(Option::as_mut).map(Framer::next_frame);
            match frame {
                Some(Ok(Some(Frame::Message(octets)))) => self.receive(now, Peer::Flow(conn), &octets),
                Some(Ok(Some(Frame::Ping))) => self.send(Peer::Flow(conn), b"\r\n".to_vec()),
                Some(Err(_)) => drop(self.flows.insert(conn, None)),
                Some(Ok(None)) | None => return,
            }
        }
    }

    fn closed(&mut self, conn: u64) {
        self.flows.remove(&conn);
        self.layer.flow_lost(conn);
        for binding in self.bindings.values_mut().filter(|binding| binding.peer == Some(Peer::Flow(conn))) {
            binding.peer = None;
        }
    }

    fn receive(&mut self, now: RunTime, from: Peer, octets: &[u8]) {
        let Ok(message) = Message::parse(octets) else { return };
        if message.method() == Some("OPTIONS") {
            self.answer_options(from, &message);
        } else {
            self.layer.receive(now, from, octets);
        }
    }

    /// A stateless answer (RFC 3261 §8.2.7): probes come often and a transaction would keep each for 32 s.
    fn answer_options(&mut self, from: Peer, request: &Message<'_>) {
        let Some((to, source)) = response_target(from, request) else { return };
        let allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER";
        let draft = self.reply(request, 200, "options").raw("Allow", allow);
        let draft = source.into_iter().fold(draft, Draft::received_from);
        self.send(to, draft.to_bytes());
    }

    fn settle(&mut self, now: RunTime) {
        while let Some(action) = self.layer.poll() {
            match action {
                Action::Send { to, octets } => self.send(to, octets),
                Action::Indicate(indication) => self.indicate(now, indication),
            }
        }
    }

    fn send(&mut self, to: Peer, bytes: Vec<u8>) {
        match to {
            Peer::Udp(to) => self.outputs.push_back(Output::Datagram { to, bytes }),
            Peer::Flow(conn) if self.flows.contains_key(&conn) => {
                self.outputs.push_back(Output::Stream { conn, bytes });
            }
            Peer::Flow(_) => {}
        }
    }

    fn indicate(&mut self, now: RunTime, indication: Indication) {
        match indication {
            Indication::Response { client, octets } => self.responded(now, client, &octets),
            Indication::TimedOut { client } => self.setup_failed(now, client, 408),
            Indication::Broken { client } => self.setup_failed(now, client, 480),
            Indication::Request { server, from, octets, cancels } => {
                self.requested(now, server, from, &octets, cancels);
            }
            Indication::Acked { server, .. } => self.acked(server),
            Indication::NeverAcked { server } => self.never_acked(now, server),
        }
    }

    fn requested(&mut self, now: RunTime, server: u64, from: Peer, octets: &[u8], cancels: Option<u64>) {
        let Ok(request) = Message::parse(octets) else { return };
        match (request.method().unwrap_or_default(), request.to_tag().is_some()) {
            ("REGISTER", _) => self.registered(now, server, from, &request),
            ("INVITE", false) => self.invited(now, server, from, &request, octets),
            ("INVITE", true) => self.reinvited(now, server, &request),
            ("BYE", _) => self.bye_received(now, server, &request),
            ("CANCEL", _) => self.cancel_received(now, server, &request, cancels),
            ("INFO" | "NOTIFY" | "UPDATE", true) => self.respond(now, server, &request, 481),
            _ => self.respond(now, server, &request, 405),
        }
    }

    /// A response that names the node.
    fn reply(&self, request: &Message<'_>, code: u16, to_tag: &str) -> Draft {
        Draft::reply(request, code, to_tag).raw("X-Node", &self.config.node)
    }

    fn respond(&mut self, now: RunTime, server: u64, request: &Message<'_>, code: u16) {
        let tag = self.tokens.name();
        let draft = self.reply(request, code, &tag);
        self.layer.respond(now, server, draft);
    }

    /// The Contact that leads back to the floating address.
    fn contact(&self, peer: Peer) -> String {
        let suffix = if peer.is_reliable() { ";transport=tcp" } else { "" };
        format!("sip:{}{suffix}", self.config.address)
    }

    fn sent_by(&self) -> String {
        self.config.address.to_string()
    }
}
