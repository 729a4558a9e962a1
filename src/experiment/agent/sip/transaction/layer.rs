//! All transactions of one element: matching (RFC 3261 §17.1.3, §17.2.3) and dispatch.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use super::client::{Client, Fired, cancel};
use super::server::Server;
use super::unacked::Unacked;
use super::{Peer, Timers};
use crate::experiment::agent::sip::Tokens;
use crate::units::RunTime;
use crate::wire::sip::{DEFAULT_PORT, Draft, MAGIC_COOKIE, Message};

/// What the layer wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put these octets on the wire.
    Send {
        /// Where.
        to: Peer,
        /// One message.
        octets: Vec<u8>,
    },
    /// Tell the user above.
    Indicate(Indication),
}

/// What the user above must know. Numbers are those that [`Layer::request`] and `Request` gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Indication {
    /// A response that is not a mere copy; several 2xx can come to one INVITE.
    Response {
        /// The client transaction.
        client: u64,
        /// The response.
        octets: Vec<u8>,
    },
    /// No final response in time: timer B or F.
    TimedOut {
        /// The client transaction.
        client: u64,
    },
    /// The connection broke before a final response.
    Broken {
        /// The client transaction.
        client: u64,
    },
    /// A new request (never an ACK).
    Request {
        /// The server transaction to respond on.
        server: u64,
        /// Who sent it.
        from: Peer,
        /// The request.
        octets: Vec<u8>,
        /// For a CANCEL: the transaction of its INVITE, if that is still unanswered.
        cancels: Option<u64>,
    },
    /// The ACK to our 2xx came.
    Acked {
        /// The server transaction of the INVITE.
        server: u64,
        /// The ACK.
        octets: Vec<u8>,
    },
    /// No ACK to our 2xx in 64·T1.
    NeverAcked {
        /// The server transaction of the INVITE.
        server: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ServerKey {
    branch: String,
    sent_by: String,
    method: String,
}

/// The transactions of one element.
#[derive(Debug)]
pub struct Layer {
    timers: Timers,
    tokens: Tokens,
    clients: BTreeMap<u64, Client>,
    branches: HashMap<(String, String), u64>,
    servers: BTreeMap<u64, (ServerKey, Server)>,
    keys: HashMap<ServerKey, u64>,
    unacked: BTreeMap<u64, Unacked>,
    actions: VecDeque<Action>,
    last_number: u64,
}

impl Layer {
    /// An element without transactions. `owner` keeps its branches apart from those of others.
    #[must_use]
    pub fn new(timers: Timers, seed: u64, owner: &str) -> Layer {
        Layer {
            timers,
            tokens: Tokens::new(seed, &format!("transactions of {owner}")),
            clients: BTreeMap::new(),
            branches: HashMap::new(),
            servers: BTreeMap::new(),
            keys: HashMap::new(),
            unacked: BTreeMap::new(),
            actions: VecDeque::new(),
            last_number: 0,
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Layer::tick`] must be called next.
    #[must_use]
    pub fn wake_at(&self) -> Option<RunTime> {
        let clients = self.clients.values().filter_map(Client::wake_at);
        let servers = self.servers.values().filter_map(|(_, server)| server.wake_at());
        clients.chain(servers).chain(self.unacked.values().map(Unacked::wake_at)).min()
    }

    /// Sends a request in a new client transaction, with a Via for `sent_by` (`host:port`).
    pub fn request(&mut self, now: RunTime, to: Peer, sent_by: &str, draft: Draft) -> u64 {
        let octets = self.with_via(to, sent_by, draft).to_bytes();
        self.start_client(now, to, octets)
    }

    /// A Via of our own: what a stateless request or the ACK to a 2xx needs as well.
    pub fn with_via(&mut self, to: Peer, sent_by: &str, draft: Draft) -> Draft {
        let branch = self.tokens.name();
        let via = format!("SIP/2.0/{} {sent_by};branch={MAGIC_COOKIE}{branch};rport", to.via_transport());
        draft.first(rsip::Header::Other("Via".into(), via))
    }

    fn start_client(&mut self, now: RunTime, to: Peer, octets: Vec<u8>) -> u64 {
        self.last_number += 1;
        let message = Message::parse(&octets);
        let message = message.as_ref();
        let branch = message.ok().and_then(|message| message.branch()).unwrap_or_default().to_owned();
        let method = message.ok().and_then(|message| message.method()).unwrap_or_default().to_owned();
        let client = Client::new(now, self.timers, to, method == "INVITE", octets.clone());
        self.branches.insert((branch, method), self.last_number);
        self.clients.insert(self.last_number, client);
        self.actions.push_back(Action::Send { to, octets });
        self.last_number
    }

    /// The request of a client transaction as it was sent.
    #[must_use]
    pub fn sent(&self, client: u64) -> Option<&[u8]> {
        Some(&self.clients.get(&client)?.request)
    }

    /// How often a client transaction sent its request again.
    #[must_use]
    pub fn retransmissions(&self, client: u64) -> u32 {
        self.clients.get(&client).map_or(0, |client| client.retransmissions)
    }

    /// Sends a CANCEL for an INVITE that got a provisional response; otherwise does nothing and says so.
    pub fn cancel(&mut self, now: RunTime, client: u64) -> bool {
        let Some(invite) = self.clients.get_mut(&client).filter(|invite| invite.is_proceeding()) else { return false };
        invite.limit(now);
        let (peer, octets) = (invite.peer, cancel(&invite.request));
        if let Some(octets) = octets {
            self.start_client(now, peer, octets);
        }
        true
    }

    /// Sends no more copies of a request; a response is still waited for.
    pub fn stop_retransmitting(&mut self, client: u64) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.stop_retransmitting();
        }
    }

    /// Sends the ACK to the 2xx with `to_tag`, and again whenever that 2xx comes again.
    pub fn acknowledge(&mut self, client: u64, to: Peer, sent_by: &str, to_tag: &str, draft: Draft) {
        let octets = self.with_via(to, sent_by, draft).to_bytes();
        if let Some(client) = self.clients.get_mut(&client) {
            client.keep_ack(to_tag, to, octets.clone());
        }
        self.actions.push_back(Action::Send { to, octets });
    }

    /// Responds to a request. A 2xx to an INVITE is repeated until its ACK comes.
    pub fn respond(&mut self, now: RunTime, server: u64, draft: Draft) {
        let Some((key, transaction)) = self.servers.get_mut(&server).filter(|(_, server)| server.is_open()) else {
            return;
        };
        let draft = match transaction.source {
            Some(source) => draft.received_from(source),
            None => draft,
        };
        let octets = draft.to_bytes();
        let code = Message::parse(&octets).ok().and_then(|message| message.status()).unwrap_or(500);
        let to = transaction.peer;
        transaction.on_respond(now, code, octets.clone());
        if key.method == "INVITE" && (200..300).contains(&code) {
            let unacked = Unacked::new(now, self.timers, to, octets.clone());
            self.unacked.extend(unacked.map(|unacked| (server, unacked)));
        }
        self.actions.push_back(Action::Send { to, octets });
    }

    /// Repeats a 2xx no longer.
    pub fn stop_repeating(&mut self, server: u64) {
        self.unacked.remove(&server);
    }

    /// A connection broke: what was under way on it gets no answer.
    pub fn flow_lost(&mut self, flow: u64) {
        self.peer_lost(Peer::Flow(flow));
    }

    /// The transport cannot reach this far end: what was under way to it gets no answer.
    pub fn peer_lost(&mut self, peer: Peer) {
        for (&id, client) in self.clients.iter_mut().filter(|(_, client)| client.peer == peer) {
            if client.end() {
                self.actions.push_back(Action::Indicate(Indication::Broken { client: id }));
            }
        }
    }

    /// Takes in one message. Octets that are no SIP message are dropped.
    pub fn receive(&mut self, now: RunTime, from: Peer, octets: &[u8]) {
        let Ok(message) = Message::parse(octets) else { return };
        match message.status() {
            Some(code) => self.receive_response(now, &message, code, octets),
            None => self.receive_request(now, from, &message, octets),
        };
    }

    fn receive_response(&mut self, now: RunTime, message: &Message<'_>, code: u16, octets: &[u8]) -> Option<()> {
        let key = (message.branch()?.to_owned(), message.cseq()?.1.to_owned());
        let &id = self.branches.get(&key)?;
        let reaction = self.clients.get_mut(&id)?.on_response(now, message, code);
        self.actions.extend(reaction.send.map(|(to, octets)| Action::Send { to, octets }));
        if reaction.pass {
            self.actions.push_back(Action::Indicate(Indication::Response { client: id, octets: octets.to_vec() }));
        }
        Some(())
    }

    fn receive_request(&mut self, now: RunTime, from: Peer, message: &Message<'_>, octets: &[u8]) -> Option<()> {
        let method = message.method()?;
        // What cannot be answered or told apart is dropped (§8.2.6.2 needs all of these).
        let (_, _, _, _) = (message.call_id()?, message.cseq()?, message.from()?, message.to()?);
        if method == "ACK" {
            return self.receive_ack(now, message, octets);
        }
        let key = server_key(message, method)?;
        if let Some((_, server)) = self.keys.get(&key).and_then(|id| self.servers.get(id)) {
            let (to, response) = (server.peer, server.on_retransmission());
            self.actions.extend(response.map(|octets| Action::Send { to, octets }));
            return Some(());
        }
        let (peer, source) = response_target(from, message)?;
        self.last_number += 1;
        let server = Server::new(self.timers, peer, source, method == "INVITE");
        self.keys.insert(key.clone(), self.last_number);
        self.servers.insert(self.last_number, (key, server));
        let cancels = (method == "CANCEL").then(|| self.cancelled(message)).flatten();
        let octets = octets.to_vec();
        let indication = Indication::Request { server: self.last_number, from, octets, cancels };
        self.actions.push_back(Action::Indicate(indication));
        Some(())
    }

    fn cancelled(&self, message: &Message<'_>) -> Option<u64> {
        let id = *self.keys.get(&server_key(message, "INVITE")?)?;
        self.servers.get(&id).is_some_and(|(_, server)| server.is_open()).then_some(id)
    }

    fn receive_ack(&mut self, now: RunTime, message: &Message<'_>, octets: &[u8]) -> Option<()> {
        let id = server_key(message, "INVITE").and_then(|key| self.keys.get(&key).copied());
        if let Some((_, server)) = id.and_then(|id| self.servers.get_mut(&id))
            && server.on_ack(now)
        {
            return Some(());
        }
        let (&server, _) = self.unacked.iter().find(|(_, unacked)| unacked.is_acked_by(message))?;
        self.unacked.remove(&server);
        self.actions.push_back(Action::Indicate(Indication::Acked { server, octets: octets.to_vec() }));
        Some(())
    }

    /// Lets timers fire that are due.
    pub fn tick(&mut self, now: RunTime) {
        self.tick_clients(now);
        self.tick_servers(now);
        self.tick_unacked(now);
    }

    fn tick_clients(&mut self, now: RunTime) {
        let mut ended = Vec::new();
        for (&id, client) in &mut self.clients {
            match client.fire(now) {
                Fired::Nothing => {}
                Fired::Resend => {
                    self.actions.push_back(Action::Send { to: client.peer, octets: client.request.clone() });
                }
                Fired::TimedOut => self.actions.push_back(Action::Indicate(Indication::TimedOut { client: id })),
                Fired::Gone => ended.push(id),
            }
        }
        for client in ended {
            self.remove_client(client);
        }
    }

    fn remove_client(&mut self, id: u64) {
        let Some(client) = self.clients.remove(&id) else { return };
        if let Ok(message) = Message::parse(&client.request)
            && let (Some(branch), Some(method)) = (message.branch(), message.method())
        {
            self.branches.remove(&(branch.to_owned(), method.to_owned()));
        }
    }

    fn tick_servers(&mut self, now: RunTime) {
        let mut ended = Vec::new();
        for (&id, (_, server)) in &mut self.servers {
            match server.fire(now) {
                Fired::Resend => {
                    let octets = server.response.clone();
                    self.actions.extend(octets.map(|octets| Action::Send { to: server.peer, octets }));
                }
                Fired::Gone => ended.push(id),
                Fired::Nothing | Fired::TimedOut => {}
            }
        }
        for id in ended {
            let removed = self.servers.remove(&id);
            removed.and_then(|(key, _)| self.keys.remove(&key));
        }
    }

    fn tick_unacked(&mut self, now: RunTime) {
        let actions = &mut self.actions;
        self.unacked.retain(|&server, unacked| match unacked.fire(now) {
            Fired::Resend => {
                actions.push_back(Action::Send { to: unacked.peer, octets: unacked.response.clone() });
                true
            }
            Fired::TimedOut => {
                actions.push_back(Action::Indicate(Indication::NeverAcked { server }));
                false
            }
            Fired::Nothing | Fired::Gone => true,
        });
    }
}

fn server_key(message: &Message<'_>, method: &str) -> Option<ServerKey> {
    let via = message.via()?;
    let branch = match via.branch() {
        Some(branch) if branch.starts_with(MAGIC_COOKIE) => branch.to_owned(),
        // RFC 2543 elements: enough of §17.2.3 to tell their requests apart.
        other => format!("{:?} {:?} {:?} {:?}", other, message.call_id(), message.from_tag(), message.cseq()?.0),
    };
    let sent_by = format!("{}:{}", via.host, via.port.unwrap_or(DEFAULT_PORT));
    Some(ServerKey { branch, sent_by, method: method.to_owned() })
}

/// Where the responses to a request go (§18.2.2, RFC 3581 §4), and the source to write down in the Via.
#[must_use]
pub fn response_target(from: Peer, message: &Message<'_>) -> Option<(Peer, Option<SocketAddr>)> {
    let Peer::Udp(source) = from else { return Some((from, None)) };
    let via = message.via()?;
    let to = match via.parameter("rport") {
        Some(_) => source,
        None => SocketAddr::new(source.ip(), via.port.unwrap_or(DEFAULT_PORT)),
    };
    Some((Peer::Udp(to), Some(source)))
}
