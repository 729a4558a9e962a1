//! Two nodes behind one address in simulated time, and phones that know nothing of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::evidence::history::{Op, OpKind, Step, What};
use crate::experiment::agent::sip::phone::{
    Command, Input as PhoneInput, Media, MediaCommand, Output as PhoneOutput, Phone, PhoneConfig, Transport, VideoMedia,
};
use crate::experiment::agent::sip::transaction::Timers;
use crate::experiment::cluster::reference::sip::{Input, Output, RelayCommand, Server, ServerConfig};
use crate::units::{RunTime, Span};
use crate::wire::video::Codec;
use crate::wire::video::h264::Mode;

const FLOATING: &str = "10.0.0.10:5060";
const DELAY: Span = Span::from_millis(5);

/// Something on its way.
enum Flight {
    ToPhone(String, Vec<u8>),
    ToNode(SocketAddr, Vec<u8>),
    StreamToPhone(String, u64, Vec<u8>),
    StreamToNode(String, u64, Vec<u8>),
    Connect(String),
    Copy(usize, Vec<u8>),
}

pub struct World {
    pub now: RunTime,
    pub nodes: Vec<Server>,
    owner: Option<usize>,
    alive: Vec<bool>,
    phones: BTreeMap<String, Phone>,
    /// The connection of each TCP phone, and the node that accepted it.
    connections: BTreeMap<String, (u64, usize)>,
    flying: BTreeMap<(RunTime, u64), Flight>,
    count: u64,
    pub ops: Vec<(RunTime, Op)>,
    pub media: Vec<(String, MediaCommand)>,
    pub relay: Vec<(usize, RelayCommand)>,
}

pub fn ms(millis: i64) -> RunTime {
    RunTime::from_millis(millis)
}

pub fn floating() -> SocketAddr {
    FLOATING.parse().unwrap()
}

pub fn node_config(node: &str, seed: u64) -> ServerConfig {
    ServerConfig {
        node: node.into(),
        domain: "lab.test".into(),
        address: floating(),
        password_prefix: "secret".into(),
        share_registrations: true,
        media_ports: 20_000..20_100,
        seed,
    }
}

/// Where a phone lives: user 1003 at 10.0.1.3.
fn home(user: &str) -> SocketAddr {
    let number: u8 = user.trim_start_matches('1').parse().unwrap();
    SocketAddr::from(([10, 0, 1, number], 5060))
}

pub fn media_of(user: &str) -> Media {
    let ip = home(user).ip();
    let video = VideoMedia {
        address: (ip, 4002).into(),
        codec: Codec::H264,
        mode: Mode::NonInterleaved,
        profile_level_id: "42e01e".into(),
        payload_type: 99,
        picture_loss_indication: true,
    };
    let address = (ip, 4000).into();
    Media { address, codec: "PCMA".into(), payload_type: 8, ptime_ms: 20, video: Some(video) }
}

impl World {
    pub fn new() -> World {
        World {
            now: RunTime::ZERO,
            nodes: vec![Server::new(node_config("alpha", 1)), Server::new(node_config("beta", 2))],
            owner: Some(0),
            alive: vec![true, true],
            phones: BTreeMap::new(),
            connections: BTreeMap::new(),
            flying: BTreeMap::new(),
            count: 0,
            ops: Vec::new(),
            media: Vec::new(),
            relay: Vec::new(),
        }
    }

    pub fn add_phone(&mut self, user: &str, transport: Transport, password: &str) {
        let config = PhoneConfig {
            name: user.into(),
            user: user.into(),
            password: password.into(),
            domain: "lab.test".into(),
            server: floating(),
            local: home(user),
            transport,
            ring: Span::from_millis(100),
            timers: Timers::default(),
            op_base: 1_000_000,
            behaviour: None,
            everywhere: Vec::new(),
            register_kind: OpKind::Register,
            seed: 3,
        };
        self.phones.insert(user.into(), Phone::new(config));
    }

    pub fn command(&mut self, user: &str, command: Command) {
        self.phones.get_mut(user).unwrap().handle(self.now, PhoneInput::Command(command));
        self.drain();
    }

    pub fn register(&mut self, user: &str, op: u64) {
        self.register_for(user, op, 60);
    }

    pub fn register_for(&mut self, user: &str, op: u64, expires_s: u32) {
        let (planned, patience) = (self.now, Span::from_secs(5));
        self.command(user, Command::Register { op, planned, expires_s, patience });
    }

    pub fn call(&mut self, caller: &str, callee: &str, number: u64) {
        self.expect(caller, callee, number);
        self.call_unexpected(caller, callee, number);
    }

    pub fn expect(&mut self, caller: &str, callee: &str, call: u64) {
        let media = media_of(callee);
        self.command(callee, Command::Expect { call, from_user: caller.into(), media });
    }

    /// The operation has the number of the call.
    pub fn call_unexpected(&mut self, caller: &str, callee: &str, number: u64) {
        let (planned, media, callee) = (self.now, media_of(caller), callee.to_owned());
        let patience = Span::from_secs(10);
        self.command(
            caller,
            Command::Call { op: number, call: number, kind: OpKind::NewCall, planned, callee, media, patience },
        );
    }

    pub fn hang_up(&mut self, user: &str, op: u64, call: u64) {
        self.command(user, Command::HangUp { op, call, planned: self.now });
    }

    pub fn kill_owner(&mut self) {
        let dead = self.owner.take().unwrap();
        self.alive[dead] = false;
    }

    pub fn take_over(&mut self, node: usize) {
        self.owner = Some(node);
        self.nodes[node].activate(self.now);
        self.drain();
    }

    /// How operation `op` ended: step, code, node.
    pub fn end(&self, op: u64) -> (Step, Option<u16>, Option<&str>) {
        let ends: Vec<_> = self.ops.iter().filter(|(_, one)| one.op == op && one.step != Step::Invoke).collect();
        assert_eq!(ends.len(), 1, "operation {op} ended {} times", ends.len());
        (ends[0].1.step, ends[0].1.code, ends[0].1.node.as_deref())
    }

    pub fn ended_at(&self, op: u64) -> RunTime {
        self.ops.iter().find(|(_, one)| one.op == op && one.step != Step::Invoke).unwrap().0
    }

    pub fn remote_ends(&self, user: &str) -> Vec<u64> {
        let is = |op: &Op| op.actor == user && op.step == Step::RemoteEnd;
        self.ops.iter().filter(|(_, op)| is(op)).map(|(_, op)| op.call.unwrap()).collect()
    }

    pub fn run_until(&mut self, end: RunTime) {
        loop {
            let phones = self.phones.values().filter_map(Phone::wake_at);
            let alive = self.nodes.iter().zip(&self.alive).filter(|&(_, &alive)| alive);
            let nodes = alive.filter_map(|(node, _)| node.wake_at());
            let arrival = self.flying.keys().next().map(|&(at, _)| at);
            let Some(next) = phones.chain(nodes).chain(arrival).min().filter(|&next| next <= end) else { break };
            self.now = self.now.max(next);
            while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let flight = entry.remove();
                self.land(flight);
            }
            self.phones.values_mut().for_each(|phone| phone.tick(self.now));
            for (node, _) in self.nodes.iter_mut().zip(&self.alive).filter(|&(_, &alive)| alive) {
                node.tick(self.now);
            }
            self.drain();
        }
        self.now = end;
    }

    fn fly(&mut self, flight: Flight) {
        self.count += 1;
        self.flying.insert((self.now + DELAY, self.count), flight);
    }

    fn land(&mut self, flight: Flight) {
        let now = self.now;
        match flight {
            Flight::ToPhone(user, bytes) => {
                let input = PhoneInput::Datagram { from: floating(), bytes: &bytes };
                self.phones.get_mut(&user).unwrap().handle(now, input);
            }
            Flight::ToNode(from, bytes) => {
                if let Some(owner) = self.owner {
                    self.nodes[owner].handle(now, Input::Datagram { from, bytes: &bytes });
                }
            }
            Flight::StreamToPhone(user, conn, bytes) => {
                if self.connections.get(&user).is_some_and(|&(open, _)| open == conn) {
                    self.phones.get_mut(&user).unwrap().handle(now, PhoneInput::Stream { bytes: &bytes });
                }
            }
            Flight::StreamToNode(user, conn, bytes) => self.stream_to_node(&user, conn, &bytes),
            Flight::Connect(user) => {
                let Some(owner) = self.owner else { return };
                self.count += 1;
                self.connections.insert(user.clone(), (self.count, owner));
                let local = SocketAddr::new(home(&user).ip(), 40_000);
                self.phones.get_mut(&user).unwrap().handle(now, PhoneInput::Connected { local });
            }
            Flight::Copy(node, bytes) => {
                if self.alive[node] {
                    self.nodes[node].handle(now, Input::Replica { bytes: &bytes });
                }
            }
        }
        self.drain();
    }

    /// A node that did not accept the connection answers with a reset, as TCP does.
    fn stream_to_node(&mut self, user: &str, conn: u64, bytes: &[u8]) {
        let (Some(&(open, node)), Some(owner)) = (self.connections.get(user), self.owner) else { return };
        if open == conn && node == owner {
            return self.nodes[owner].handle(self.now, Input::Stream { conn, bytes });
        }
        self.connections.remove(user);
        let input = PhoneInput::Disconnected { reason: "connection reset" };
        self.phones.get_mut(user).unwrap().handle(self.now, input);
    }

    fn drain(&mut self) {
        let users: Vec<_> = self.phones.keys().cloned().collect();
        for user in users {
            while let Some(output) = self.phones.get_mut(&user).unwrap().poll() {
                self.phone_output(&user, output);
            }
        }
        for node in 0..self.nodes.len() {
            while let Some(output) = self.nodes[node].poll() {
                if self.alive[node] {
                    self.node_output(node, output);
                }
            }
        }
    }

    fn phone_output(&mut self, user: &str, output: PhoneOutput) {
        match output {
            PhoneOutput::Datagram { to, bytes } => {
                assert_eq!(to, floating(), "everything goes through the server");
                self.fly(Flight::ToNode(home(user), bytes));
            }
            PhoneOutput::Stream { bytes } => {
                if let Some(&(conn, _)) = self.connections.get(user) {
                    self.fly(Flight::StreamToNode(user.into(), conn, bytes));
                }
            }
            PhoneOutput::Connect { .. } => self.fly(Flight::Connect(user.into())),
            PhoneOutput::Event { t, what: What::Op(op) } => self.ops.push((t, op)),
            PhoneOutput::Event { .. } => {}
            PhoneOutput::Media(media) => self.media.push((user.into(), media)),
        }
    }

    fn node_output(&mut self, node: usize, output: Output) {
        match output {
            Output::Datagram { to, bytes } => {
                let user = self.phones.keys().find(|user| home(user) == to).unwrap().clone();
                self.fly(Flight::ToPhone(user, bytes));
            }
            Output::Stream { conn, bytes } => {
                let user = self.connections.iter().find(|(_, (open, _))| *open == conn).map(|(user, _)| user.clone());
                if let Some(user) = user {
                    self.fly(Flight::StreamToPhone(user, conn, bytes));
                }
            }
            Output::Relay(command) => self.relay.push((node, command)),
            Output::Replicate(bytes) => self.fly(Flight::Copy(1 - node, bytes)),
        }
    }
}
