//! Chatters against the reference server on loopback, in one process.

use std::collections::BTreeSet;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::sync::oneshot;

use super::*;
use crate::evidence::history::{Event, MessageMark, Seen, Session, SessionState, What};
use crate::experiment::cluster::Passwords;
use crate::experiment::cluster::reference::xmpp::{Certificates, Server, ServerConfig, issue, serve};
use crate::experiment::run::clock::Clock;
use crate::experiment::run::recorder::Record;

const DOMAIN: &str = "lab.test";

/// Only a broken test waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A floating address: it outlives the nodes that serve it, and holds the clients' connections open when a
/// node dies, as a network does.
struct Address {
    listener: TcpListener,
    held: Arc<Mutex<Vec<TcpStream>>>,
    certificates: Certificates,
}

impl Address {
    fn new() -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Address { listener, held: Arc::default(), certificates: issue(&[DOMAIN.to_owned()]).unwrap() }
    }

    fn node(&self) -> Node {
        let config = ServerConfig {
            domain: DOMAIN.to_owned(),
            users: vec!["alice".to_owned(), "bob".to_owned()],
            password_prefix: "pw-".to_owned(),
            certificate_pem: self.certificates.certificate_pem.clone(),
            key_pem: self.certificates.key_pem.clone(),
            stream_management: true,
            wall_now: || 1_764_000_000_000_000_000,
        };
        let server = Server::new(config).unwrap();
        let (listener, held) = (self.listener.try_clone().unwrap(), self.held.clone());
        let (power, off) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            runtime().unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let accept = async {
                    loop {
                        let stream = listener.accept().await.unwrap().0.into_std().unwrap();
                        held.lock().unwrap().push(stream.try_clone().unwrap());
                        tokio::spawn(serve(tokio::net::TcpStream::from_std(stream).unwrap(), server.clone()));
                    }
                };
                tokio::select! { () = accept => {}, _ = off => {} }
            });
        });
        Node { power: Some(power), thread: Some(thread) }
    }

    /// The network resets the `count` oldest connections.
    fn let_go(&self, count: usize) {
        for stream in self.held.lock().unwrap().drain(..count) {
            stream.shutdown(Shutdown::Both).unwrap();
        }
    }
}

/// A node; dropped, it is off, and its clients' connections stay half-open.
struct Node {
    power: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.power.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

struct Trial {
    driver: Option<ChatDriver>,
    recorder: Recorder,
    records: Receiver<Record>,
    events: Vec<Event>,
    tapped: Vec<(bool, String)>,
}

impl Trial {
    fn start(address: &Address, receiver: &str, messages_ms: &[i64], stream_management: bool) -> Trial {
        let config = chat_config(address, stream_management);
        let messages = messages_ms.iter().enumerate().map(|(seq, after)| Planned {
            message: 100 + seq as u64,
            seq: seq as u32,
            after: Span::from_millis(*after),
        });
        let pair = PairPlan {
            pair: 3,
            sender: "alice".to_owned(),
            receiver: receiver.to_owned(),
            messages: messages.collect(),
        };
        let (recorder, records) = Recorder::new(Clock::start());
        let driver = ChatDriver::start(config, ChatPlan { pairs: vec![pair] }, recorder.clone()).unwrap();
        Trial { driver: Some(driver), recorder, records, events: vec![], tapped: vec![] }
    }

    fn begin(&self) {
        self.driver.as_ref().unwrap().begin(self.recorder.clock().now());
    }

    /// Reads on until `count` events are such.
    fn wait_for(&mut self, count: usize, is_such: impl Fn(&What) -> bool) {
        while self.events.iter().filter(|event| is_such(&event.what)).count() < count {
            match self.records.recv_timeout(PATIENCE) {
                Ok(record) => self.take(record),
                Err(_) => panic!("waited in vain after {:#?}", self.events),
            }
        }
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Event(event) => self.events.push(event),
            Record::Tap(packet) => self.tapped.push((packet.outbound, String::from_utf8(packet.payload).unwrap())),
            Record::Mark(_) => {}
        }
    }

    fn wait_up(&mut self, count: usize) {
        self.wait_for(count, |what| session(what).is_some_and(|s| s.state == SessionState::Up));
    }

    fn stop(&mut self) {
        self.driver.take().unwrap().stop();
        while let Ok(record) = self.records.try_recv() {
            self.take(record);
        }
    }

    fn states(&self, chatter: &str) -> Vec<SessionState> {
        let sessions = self.events.iter().filter_map(|event| session(&event.what));
        sessions.filter(|session| session.chatter == chatter).map(|session| session.state).collect()
    }

    fn seen(&self, seen: Seen) -> Vec<(u64, Option<&str>)> {
        let marks = self.events.iter().filter_map(|event| message(&event.what)).filter(|mark| mark.seen == seen);
        marks.map(|mark| (mark.message, mark.reason.as_deref())).collect()
    }
}

fn chat_config(address: &Address, stream_management: bool) -> ChatConfig {
    ChatConfig {
        server: address.listener.local_addr().unwrap(),
        domain: DOMAIN.to_owned(),
        ca_pem: address.certificates.ca_pem.clone(),
        passwords: Passwords::behind("pw-"),
        client: "127.0.0.1".parse().unwrap(),
        netns: None,
        ping_interval: Span::from_millis(50),
        receiver_ping_interval: Span::ZERO,
        ping_timeout: Span::from_secs(1),
        reconnect: Span::from_millis(20),
        stream_management,
    }
}

fn session(what: &What) -> Option<&Session> {
    if let What::Session(session) = what { Some(session) } else { None }
}

fn message(what: &What) -> Option<&MessageMark> {
    if let What::Message(mark) = what { Some(mark) } else { None }
}

fn is_seen(seen: Seen) -> impl Fn(&What) -> bool {
    move |what| message(what).is_some_and(|mark| mark.seen == seen)
}

fn is_lost(chatter: &'static str) -> impl Fn(&What) -> bool {
    move |what| session(what).is_some_and(|s| s.state == SessionState::Lost && s.chatter == chatter)
}

#[test]
fn messages_arrive_once_with_receipts_and_the_taps_have_them_in_clear() {
    use SessionState::{Closed, Connecting, Up};
    let address = Address::new();
    let _node = address.node();
    let mut trial = Trial::start(&address, "bob", &[0, 20, 40, 60, 80], true);
    trial.wait_up(2);
    assert!(trial.driver.as_ref().unwrap().all_up());
    let sees =
        |who: &'static str| move |what: &What| matches!(what, What::Presence(of) if of.chatter == who && of.available);
    trial.wait_for(1, sees("chat-03-a"));
    trial.wait_for(1, sees("chat-03-b"));
    trial.begin();
    trial.wait_for(5, is_seen(Seen::Receipt));
    trial.wait_for(5, is_seen(Seen::Acked));
    trial.stop();
    let all: Vec<_> = (100..105).map(|message| (message, None)).collect();
    for seen in [Seen::Sent, Seen::Acked, Seen::Delivered, Seen::Receipt] {
        assert_eq!(trial.seen(seen), all, "{seen:?}");
    }
    for chatter in ["chat-03-a", "chat-03-b"] {
        assert_eq!(trial.states(chatter), [Connecting, Up, Closed]);
    }
    for outbound in [true, false] {
        let text: String = trial.tapped.iter().filter(|tap| tap.0 == outbound).map(|tap| tap.1.as_str()).collect();
        assert_eq!(text.matches("<body").count(), 5, "outbound {outbound}");
        assert_eq!(text.matches("</stream:stream>").count(), if outbound { 2 } else { 0 });
    }
}

#[test]
fn a_dead_node_is_noticed_by_ping_alone_and_an_idle_receiver_waits_for_the_reset() {
    let address = Address::new();
    let alpha = address.node();
    let mut trial = Trial::start(&address, "bob", &[0, 1], true);
    trial.wait_up(2);
    drop(alpha);
    trial.wait_for(1, is_lost("chat-03-a"));
    let lost = trial.events.iter().filter_map(|event| session(&event.what)).find(|s| s.state == SessionState::Lost);
    assert_eq!(lost.unwrap().reason.as_deref(), Some("ping timeout"));
    // Typed while there is no session.
    trial.begin();
    let _beta = address.node();
    trial.wait_for(2, is_seen(Seen::Acked));
    assert_eq!(trial.states("chat-03-b"), [SessionState::Connecting, SessionState::Up]);
    let ups: Vec<_> =
        trial.events.iter().filter_map(|event| session(&event.what)).filter(|s| s.state == SessionState::Up).collect();
    let reason = ups.last().unwrap().reason.as_deref().unwrap();
    assert!(reason.contains("not resumed: item-not-found"), "{reason}");
    // The sender is served by the new node; what he wrote waits there for the other one.
    address.let_go(2);
    trial.wait_for(2, is_seen(Seen::Receipt));
    trial.stop();
    assert_eq!(trial.seen(Seen::Delivered), [(100, Some("offline")), (101, Some("offline"))]);
    assert!(trial.seen(Seen::NotStarted).is_empty());
}

#[test]
fn a_cut_connection_is_resumed_on_the_same_node_without_loss() {
    let address = Address::new();
    let _node = address.node();
    let mut trial = Trial::start(&address, "bob", &(0..40).map(|n| 10 * n).collect::<Vec<_>>(), true);
    trial.wait_up(2);
    trial.begin();
    trial.wait_for(10, is_seen(Seen::Delivered));
    address.let_go(2);
    trial.wait_for(40, is_seen(Seen::Receipt));
    trial.stop();
    for chatter in ["chat-03-a", "chat-03-b"] {
        assert!(trial.states(chatter).contains(&SessionState::Resumed), "{:?}", trial.states(chatter));
    }
    let delivered: BTreeSet<u64> = trial.seen(Seen::Delivered).iter().map(|seen| seen.0).collect();
    assert_eq!(delivered.len(), 40);
}

#[test]
fn a_message_to_nobody_bounces_and_nobody_cannot_log_in() {
    let address = Address::new();
    let _node = address.node();
    let mut trial = Trial::start(&address, "nobody", &[0], false);
    trial.wait_up(1);
    assert!(!trial.driver.as_ref().unwrap().all_up());
    trial.begin();
    trial.wait_for(1, is_seen(Seen::Bounced));
    trial.wait_for(1, |what| {
        session(what).is_some_and(|s| {
            s.state == SessionState::Refused && s.reason.as_deref().is_some_and(|reason| reason.starts_with("sasl: "))
        })
    });
    trial.stop();
    assert_eq!(trial.seen(Seen::Bounced), [(100, Some("service-unavailable"))]);
    assert!(trial.seen(Seen::Acked).is_empty());
}

#[test]
fn a_second_login_of_the_same_account_ends_the_first() {
    let address = Address::new();
    let _node = address.node();
    let mut first = Trial::start(&address, "bob", &[], false);
    first.wait_up(2);
    let mut second = Trial::start(&address, "bob", &[], false);
    second.wait_up(2);
    first.wait_for(1, |what| session(what).is_some_and(|s| s.reason.as_deref() == Some("stream error: conflict")));
    first.stop();
    second.stop();
}

#[test]
fn an_authority_that_did_not_sign_is_told() {
    let address = Address::new();
    let _node = address.node();
    let mut stranger = Address::new();
    stranger.listener = address.listener.try_clone().unwrap();
    let mut trial = Trial::start(&stranger, "bob", &[], false);
    trial.wait_for(1, |what| {
        session(what).is_some_and(|s| s.reason.as_deref().is_some_and(|reason| reason.starts_with("tls: ")))
    });
    trial.stop();
}

#[test]
fn what_cannot_be_started_is_told_with_its_name() {
    let address = Address::new();
    let start = |config: ChatConfig| {
        let (recorder, _records) = Recorder::new(Clock::start());
        ChatDriver::start(config, ChatPlan::default(), recorder).unwrap_err().to_string()
    };
    let config = chat_config(&address, true);
    let error = start(ChatConfig { netns: Some("/nowhere/netns".into()), ..config.clone() });
    assert!(error.contains("/nowhere/netns"), "{error}");
    let error = start(ChatConfig { ca_pem: "no PEM".into(), ..config.clone() });
    assert!(error.contains("no certificate"), "{error}");
    let error = start(ChatConfig { domain: "not a domain".into(), ..config });
    assert!(error.contains("not a domain"), "{error}");
}
