//! One chatter: what it decides and what it counts, without sockets.
//!
//! The chatter alone decides when to connect, when to ping, when a silent session is dead, what goes out and
//! what is sent again; whoever drives it only carries that out. Its policy is that of a plain client:
//!
//! - It logs in again after a fixed pause, for ever.
//! - It pings at planned instants ([XEP-0199]); a ping without an answer in time ends the session. A chatter
//!   that does not ping learns of a dead server only from its own TCP.
//! - What the user types while there is no session goes out when there is one again, in order, and keeps its
//!   planned instant.
//! - It watches whether the other one of its pair is there, and lets itself be watched (RFC 6121).
//! - After a resumption ([XEP-0198]) everything unacknowledged is sent again; after a failed one nothing is,
//!   so an unacknowledged message is the server's to lose.
//!
//! [XEP-0198]: https://xmpp.org/extensions/xep-0198.html
//! [XEP-0199]: https://xmpp.org/extensions/xep-0199.html

mod acks;
mod stanza;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use tokio_xmpp::jid::BareJid;
use tokio_xmpp::minidom::Element;
use tokio_xmpp::parsers::presence::{Presence, Type};
use tokio_xmpp::parsers::sm;

use crate::evidence::history::{
    ChatRole, MessageMark, Op, OpKind, Presence as Sight, Seen, Session, SessionState, Step, What,
};
use crate::units::{RunTime, Span};
pub use acks::Acks;
pub use stanza::{Meaning, Tag, is_stanza};

/// What a chatter is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name in the history: `chat-03-a`.
    pub name: String,
    /// Its role in the pair.
    pub role: ChatRole,
    /// Number of the pair.
    pub pair: u32,
    /// The other one of the pair.
    pub peer: BareJid,
    /// The server that is pinged.
    pub domain: BareJid,
    /// Any number that no other trial has: tells this trial's messages from older ones.
    pub run: u64,
    /// When the first login starts.
    pub start: RunTime,
    /// Pause between two pings; zero or less: it never pings.
    pub ping_interval: Span,
    /// How long an answer to a ping is waited for.
    pub ping_timeout: Span,
    /// How long a login may take, all steps together.
    pub login_timeout: Span,
    /// Pause after a lost session or a failed login.
    pub reconnect: Span,
}

/// A message that the user will want to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Unique within the trial.
    pub message: u64,
    /// Number within the pair, from 0.
    pub seq: u32,
    /// When, counted from the instant that [`Input::Begin`] names.
    pub after: Span,
}

/// What happens to a chatter.
#[derive(Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// The planned messages count from this instant.
    Begin(RunTime),
    /// The login that [`Output::Connect`] asked for succeeded.
    LoggedIn(Login),
    /// It did not; why, in a few words.
    LoginFailed(String),
    /// An element came in.
    Received(Element),
    /// The connection broke; how, in a few words.
    Broken(String),
    /// The trial is over.
    Stop,
}

/// How a login ended.
#[derive(Debug, Default)]
pub struct Login {
    /// What stream management came to.
    pub management: Management,
    /// How long the steps took, for the history.
    pub steps: String,
}

/// What stream management (XEP-0198) came to in a login.
#[derive(Debug, Default)]
pub enum Management {
    /// Not wanted or not offered; for a session that should have been resumed, what the server said.
    #[default]
    Off,
    /// A new session with counting; its name when it can be resumed.
    Enabled {
        /// Name of the session.
        resumption: Option<String>,
        /// Why the old session was not resumed, where that was tried.
        failed: Option<String>,
        /// Stanzas that the server says to have handled in the old session.
        handled: Option<u32>,
    },
    /// The old session goes on; so many of our stanzas had been handled.
    Resumed(u32),
}

/// A session that a login should try to resume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// Its name, from the server.
    pub name: String,
    /// How many stanzas we handled in it.
    pub handled: u32,
}

/// What a chatter wants done.
#[derive(Debug)]
pub enum Output {
    /// Connect and log in; resume this session if possible.
    Connect(Option<Resumption>),
    /// Put this on the stream.
    Send(Element),
    /// Drop the connection or the login attempt: it is dead.
    Abandon,
    /// Close the stream in order and be done.
    Close,
    /// Write this into the history, now.
    Record(What),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting { until: RunTime },
    LoggingIn { deadline: RunTime },
    Up,
    Over,
}

#[derive(Debug)]
struct OpenPing {
    op: u64,
    id: String,
    planned: RunTime,
    deadline: RunTime,
}

/// The state machine of one chatter.
pub struct Chatter {
    settings: Settings,
    next_op: Box<dyn FnMut() -> u64 + Send>,
    state: State,
    begun: Option<RunTime>,
    due: VecDeque<Planned>,
    sent: HashMap<u64, Tag>,
    next_ping: RunTime,
    pings: VecDeque<OpenPing>,
    acks: Option<Acks>,
    /// Whether the other one is there, as far as this session has been told.
    peer_there: Option<bool>,
    outputs: VecDeque<Output>,
}

impl Chatter {
    /// A chatter that has not logged in yet. `planned` is in the order of time (empty for a receiver);
    /// `next_op` gives operation numbers that nobody else in the trial uses.
    #[must_use]
    pub fn new(settings: Settings, planned: Vec<Planned>, next_op: Box<dyn FnMut() -> u64 + Send>) -> Chatter {
        Chatter {
            state: State::Waiting { until: settings.start },
            settings,
            next_op,
            begun: None,
            due: planned.into(),
            sent: HashMap::new(),
            next_ping: RunTime::ZERO,
            pings: VecDeque::new(),
            acks: None,
            peer_there: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened, and does what is due at `now`.
    pub fn handle(&mut self, now: RunTime, input: Input) {
        match input {
            Input::Tick => {}
            Input::Begin(offset) => self.begun = Some(offset),
            Input::LoggedIn(login) => self.logged_in(now, login),
            Input::LoginFailed(reason) => self.refused(now, reason),
            Input::Received(element) => self.received(now, &element),
            Input::Broken(reason) => self.lost(now, reason),
            Input::Stop => self.stop(now),
        }
        self.act(now);
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due.
    #[must_use]
    pub fn wake_at(&self) -> Option<RunTime> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::LoggingIn { deadline } => Some(deadline),
            State::Up => {
                let ping = self.pings_at_all().then_some(self.next_ping);
                let unanswered = self.pings.front().map(|ping| ping.deadline);
                [ping, unanswered, self.next_message_at()].into_iter().flatten().min()
            }
            State::Over => None,
        }
    }

    /// Whether the chatter has been stopped.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    fn act(&mut self, now: RunTime) {
        match self.state {
            State::Waiting { until } if now >= until => self.connect(now),
            State::LoggingIn { deadline } if now >= deadline => {
                self.outputs.push_back(Output::Abandon);
                self.refused(now, "login timeout".to_owned());
            }
            State::Up => {
                // A session that is already dead gets nothing more.
                self.judge_pings(now);
                self.send_messages(now);
                self.send_ping(now);
            }
            State::Waiting { .. } | State::LoggingIn { .. } | State::Over => {}
        }
    }

    // Sessions

    fn connect(&mut self, now: RunTime) {
        self.state = State::LoggingIn { deadline: now + self.settings.login_timeout };
        self.record_session(SessionState::Connecting, None);
        let resumption = self.acks.as_ref().and_then(|acks| {
            let name = acks.resumption.clone()?;
            Some(Resumption { name, handled: acks.handled() })
        });
        self.outputs.push_back(Output::Connect(resumption));
    }

    fn refused(&mut self, now: RunTime, reason: String) {
        if matches!(self.state, State::LoggingIn { .. }) {
            self.record_session(SessionState::Refused, Some(reason));
            self.state = State::Waiting { until: now + self.settings.reconnect };
        }
    }

    fn logged_in(&mut self, now: RunTime, login: Login) {
        if !matches!(self.state, State::LoggingIn { .. }) {
            return;
        }
        self.state = State::Up;
        self.next_ping = now + self.settings.ping_interval;
        match login.management {
            Management::Resumed(handled) => self.resume(handled, &login.steps),
            Management::Off => self.begin_session(None, None, login.steps),
            Management::Enabled { resumption, failed, handled } => {
                if let (Some(acks), Some(handled)) = (&mut self.acks, handled) {
                    let messages = acks.acknowledge(handled);
                    self.record_acked(messages);
                }
                self.begin_session(Some(Acks::new(resumption)), failed, login.steps);
            }
        }
    }

    fn begin_session(&mut self, acks: Option<Acks>, failed: Option<String>, steps: String) {
        let left = self.acks.take().map_or(0, |old| old.unacknowledged().len());
        let reason = match failed {
            Some(failed) => format!("{steps}; not resumed: {failed}, {left} unacknowledged"),
            None => steps,
        };
        self.acks = acks;
        self.record_session(SessionState::Up, Some(reason));
        self.peer_there = None;
        self.send(Presence::available().into(), None);
        self.send(stanza::subscription(&self.settings.peer), None);
    }

    fn resume(&mut self, handled: u32, steps: &str) {
        let Some(acks) = &mut self.acks else { return };
        let messages = acks.acknowledge(handled);
        let again: Vec<Element> = acks.unacknowledged().cloned().collect();
        self.record_session(SessionState::Resumed, Some(format!("{steps}; {} sent again", again.len())));
        self.record_acked(messages);
        self.record_sight();
        self.outputs.extend(again.into_iter().map(Output::Send));
        self.request_ack();
    }

    fn lost(&mut self, now: RunTime, reason: String) {
        if self.state != State::Up {
            return self.refused(now, reason);
        }
        self.record_session(SessionState::Lost, Some(reason));
        self.end_pings("session lost");
        self.outputs.push_back(Output::Abandon);
        self.state = State::Waiting { until: now + self.settings.reconnect };
    }

    fn stop(&mut self, now: RunTime) {
        match self.state {
            State::Over => return,
            State::Up => {
                self.end_pings("end of the trial");
                self.send(Presence::new(Type::Unavailable).into(), None);
                self.outputs.push_back(Output::Close);
                self.record_session(SessionState::Closed, None);
            }
            State::Waiting { .. } | State::LoggingIn { .. } => self.outputs.push_back(Output::Abandon),
        }
        self.state = State::Over;
        let Some(offset) = self.begun else { return };
        for planned in std::mem::take(&mut self.due) {
            let tag = self.tag(offset, planned);
            let reason = if tag.planned <= now { "no session" } else { "the trial ended before" };
            self.record_message(tag, Seen::NotStarted, Some(reason.to_owned()));
        }
    }

    // Messages

    fn next_message_at(&self) -> Option<RunTime> {
        Some(self.begun? + self.due.front()?.after)
    }

    fn send_messages(&mut self, now: RunTime) {
        while self.state == State::Up && self.next_message_at().is_some_and(|at| at <= now) {
            let (Some(offset), Some(planned)) = (self.begun, self.due.pop_front()) else { return };
            let tag = self.tag(offset, planned);
            self.sent.insert(tag.message, tag);
            self.record_message(tag, Seen::Sent, None);
            self.send(stanza::message(&self.settings.peer, &tag), Some(tag.message));
        }
    }

    fn tag(&self, offset: RunTime, planned: Planned) -> Tag {
        let Planned { message, seq, after } = planned;
        Tag { run: self.settings.run, message, pair: self.settings.pair, seq, planned: offset + after }
    }

    fn received(&mut self, now: RunTime, element: &Element) {
        if self.state != State::Up {
            return;
        }
        if let Some(acks) = self.acks.as_mut().filter(|_| is_stanza(element)) {
            acks.received();
        }
        match Meaning::of(element) {
            Meaning::Delivered { tag, delayed, receipt_to } => {
                self.delivered(tag, delayed);
                if let Some(to) = receipt_to {
                    self.send(stanza::receipt(to, &tag.id()), None);
                }
            }
            Meaning::Receipt(id) => self.came_back(&id, Seen::Receipt, None),
            Meaning::Bounced { id, condition } => self.came_back(&id, Seen::Bounced, Some(condition)),
            Meaning::Answer(id) => self.answered(&id),
            Meaning::Question(answer) => self.send(answer, None),
            Meaning::Ack(handled) => {
                let messages = self.acks.as_mut().map_or_else(Vec::new, |acks| acks.acknowledge(handled));
                self.record_acked(messages);
            }
            Meaning::AckRequest => {
                if let Some(acks) = &self.acks {
                    self.outputs.push_back(Output::Send(sm::A::new(acks.handled()).into()));
                }
            }
            Meaning::Presence { of, available } => self.saw(&of, available),
            Meaning::Subscription(of) if of == self.settings.peer => self.send(stanza::approval(&of), None),
            Meaning::StreamError(condition) => self.lost(now, format!("stream error: {condition}")),
            Meaning::Subscription(_) | Meaning::Nothing => {}
        }
    }

    fn saw(&mut self, of: &BareJid, available: bool) {
        if *of == self.settings.peer && self.peer_there.replace(available) != Some(available) {
            self.record_sight();
        }
    }

    fn delivered(&mut self, tag: Tag, delayed: bool) {
        let ours = tag.run == self.settings.run && tag.pair == self.settings.pair;
        if ours && self.settings.role == ChatRole::Receiver {
            self.record_message(tag, Seen::Delivered, delayed.then(|| "offline".to_owned()));
        }
    }

    fn came_back(&mut self, id: &str, seen: Seen, reason: Option<String>) {
        let tag = Tag::message_of(self.settings.run, id).and_then(|message| self.sent.get(&message)).copied();
        if let Some(tag) = tag {
            self.record_message(tag, seen, reason);
        }
    }

    // Pings

    fn pings_at_all(&self) -> bool {
        self.settings.ping_interval > Span::ZERO
    }

    fn send_ping(&mut self, now: RunTime) {
        if self.state != State::Up || !self.pings_at_all() || now < self.next_ping {
            return;
        }
        let op = (self.next_op)();
        let id = format!("ping-{:x}-{op}", self.settings.run);
        let ping = OpenPing { op, id: id.clone(), planned: self.next_ping, deadline: now + self.settings.ping_timeout };
        self.record_ping(&ping, Step::Invoke, None);
        self.pings.push_back(ping);
        self.send(stanza::ping(&self.settings.domain, &id), None);
        // A driver that slept too long owes one ping, not a burst of them.
        while self.next_ping <= now {
            self.next_ping += self.settings.ping_interval;
        }
    }

    fn answered(&mut self, id: &str) {
        let place = self.pings.iter().position(|ping| ping.id == id);
        if let Some(ping) = place.and_then(|place| self.pings.remove(place)) {
            self.record_ping(&ping, Step::Ok, None);
        }
    }

    fn judge_pings(&mut self, now: RunTime) {
        if self.pings.front().is_some_and(|ping| now >= ping.deadline) {
            if let Some(ping) = self.pings.pop_front() {
                self.record_ping(&ping, Step::Fail, Some("timeout"));
            }
            self.lost(now, "ping timeout".to_owned());
        }
    }

    fn end_pings(&mut self, reason: &str) {
        for ping in std::mem::take(&mut self.pings) {
            self.record_ping(&ping, Step::Info, Some(reason));
        }
    }

    // Out

    fn send(&mut self, element: Element, message: Option<u64>) {
        let wants_ack = element.name() == "message";
        if let Some(acks) = &mut self.acks {
            acks.sent(element.clone(), message);
        }
        self.outputs.push_back(Output::Send(element));
        if wants_ack {
            self.request_ack();
        }
    }

    fn request_ack(&mut self) {
        if self.acks.is_some() {
            self.outputs.push_back(Output::Send(sm::R.into()));
        }
    }

    fn record_session(&mut self, state: SessionState, reason: Option<String>) {
        let Settings { name, role, .. } = &self.settings;
        let session = Session { chatter: name.clone(), role: *role, state, reason };
        self.outputs.push_back(Output::Record(What::Session(session)));
    }

    /// What this session has been shown of the other one; it holds on where it is resumed.
    fn record_sight(&mut self) {
        let Some(available) = self.peer_there else { return };
        let sight = Sight { chatter: self.settings.name.clone(), available };
        self.outputs.push_back(Output::Record(What::Presence(sight)));
    }

    fn record_message(&mut self, tag: Tag, seen: Seen, reason: Option<String>) {
        let Tag { message, pair, seq, planned: planned_ns, .. } = tag;
        let mark = MessageMark { message, pair, seq, planned_ns, seen, reason };
        self.outputs.push_back(Output::Record(What::Message(mark)));
    }

    fn record_acked(&mut self, messages: Vec<u64>) {
        let tags: Vec<Tag> = messages.iter().filter_map(|message| self.sent.get(message).copied()).collect();
        for tag in tags {
            self.record_message(tag, Seen::Acked, None);
        }
    }

    fn record_ping(&mut self, ping: &OpenPing, step: Step, reason: Option<&str>) {
        let op = Op {
            op: ping.op,
            kind: OpKind::Ping,
            step,
            actor: self.settings.name.clone(),
            planned_ns: ping.planned,
            call: None,
            code: None,
            status_ns: None,
            node: None,
            retransmissions: None,
            reason: reason.map(str::to_owned),
        };
        self.outputs.push_back(Output::Record(What::Op(op)));
    }
}
