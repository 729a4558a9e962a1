//! Chatters and their messages: sessions, deliveries, fates.

use std::collections::{BTreeMap, BTreeSet};

use super::attempts::{self, Attempt, Of};
use super::faults::Faults;
use crate::analysis::measure::model::{
    ChatterMeasured, Estimates, MessageFate, MessageMeasured, Outage, ServiceUsers, Window,
};
use crate::evidence::history::{ChatRole, Event, MessageMark, OpKind, Seen, Session, SessionState, Step, What};
use crate::units::{RunTime, Span};

/// All that the history tells of chatting.
#[derive(Debug, Default)]
pub(super) struct Chat {
    chatters: BTreeMap<String, Chatter>,
    messages: BTreeMap<u64, Message>,
}

#[derive(Debug)]
struct Chatter {
    role: ChatRole,
    states: Vec<(RunTime, SessionState)>,
    /// Instants at which the server was heard.
    signs: Vec<RunTime>,
}

#[derive(Debug)]
struct Message {
    pair: u32,
    seq: u32,
    planned: RunTime,
    seen: Vec<(RunTime, Seen, Option<String>)>,
}

/// What the judgement of a trial's chats rests on.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) faults: &'a Faults,
    pub(super) window: Window,
    pub(super) validate: Span,
    pub(super) late_after: Span,
    /// Pause between attempts to log in.
    pub(super) reconnect: Span,
}

/// A time without a session.
struct Down {
    /// Last sign of the server before it.
    start: RunTime,
    end: Option<RunTime>,
}

impl Chat {
    pub(super) fn of(events: &[Event]) -> Chat {
        let mut chat = Chat::default();
        for event in events {
            match &event.what {
                What::Session(session) => chat.session(event.t_ns, session),
                What::Message(mark) => chat.message(event.t_ns, mark),
                What::Op(op) if op.kind == OpKind::Ping && op.step == Step::Ok => chat.sign(&op.actor, event.t_ns),
                _ => {}
            }
        }
        chat
    }

    fn session(&mut self, at: RunTime, session: &Session) {
        let fresh = || Chatter { role: session.role, states: Vec::new(), signs: Vec::new() };
        let chatter = self.chatters.entry(session.chatter.clone()).or_insert_with(fresh);
        chatter.states.push((at, session.state));
        if matches!(session.state, SessionState::Up | SessionState::Resumed) {
            chatter.signs.push(at);
        }
    }

    fn message(&mut self, at: RunTime, mark: &MessageMark) {
        let fresh = || Message { pair: mark.pair, seq: mark.seq, planned: mark.planned_ns, seen: Vec::new() };
        let message = self.messages.entry(mark.message).or_insert_with(fresh);
        message.seen.push((at, mark.seen, mark.reason.clone()));
        match mark.seen {
            Seen::Acked | Seen::Receipt | Seen::Bounced => self.sign(&format!("{}-a", pair_name(mark.pair)), at),
            Seen::Delivered => self.sign(&format!("{}-b", pair_name(mark.pair)), at),
            Seen::Sent | Seen::NotStarted => {}
        }
    }

    fn sign(&mut self, chatter: &str, at: RunTime) {
        if let Some(chatter) = self.chatters.get_mut(chatter) {
            chatter.signs.push(at);
        }
    }

    /// Each chatter: its name, the states of its session, and when its server was heard.
    pub(super) fn sessions(&self) -> impl Iterator<Item = (&str, &[(RunTime, SessionState)], &[RunTime])> {
        self.chatters.iter().map(|(name, chatter)| (&name[..], &chatter.states[..], &chatter.signs[..]))
    }

    pub(super) fn outages(&self, frame: Frame<'_>) -> Vec<Outage> {
        let mut outages = Vec::new();
        for (name, chatter) in &self.chatters {
            let deaf = self.deaf_since(name, chatter, frame).map(|start| Down { start, end: None });
            let downs = chatter.downs(frame).into_iter().chain(deaf);
            outages.extend(downs.map(|down| session_outage(name, &down, frame)));
        }
        for (pair, attempts) in self.deliveries() {
            let Window { start_ns: start, end_ns: end } = frame.window;
            let rule = attempts::Rule { start, end, validate: frame.validate, of: Of::One };
            let vain = attempts::vain(&attempts, rule);
            outages.extend(vain.iter().map(|v| v.outage("chat_delivery", &pair_name(pair), frame.faults, end)));
        }
        outages
    }

    /// Planned messages of each pair as attempts: good when they arrive in time.
    fn deliveries(&self) -> BTreeMap<u32, Vec<Attempt>> {
        let mut pairs: BTreeMap<u32, Vec<Attempt>> = BTreeMap::new();
        for message in self.messages.values() {
            let given_up = message.seen.iter().find(|(_, seen, _)| matches!(seen, Seen::Bounced | Seen::NotStarted));
            pairs.entry(message.pair).or_default().push(Attempt {
                planned: message.planned,
                success: message.first_delivery(),
                given_up: given_up.map(|(at, _, _)| *at),
            });
        }
        pairs
    }

    /// Since when a chatter whose session claims to be up has heard nothing although it should have: its pair's
    /// messages were sent after a fault, long enough ago, and nothing came in any more.
    fn deaf_since(&self, name: &str, chatter: &Chatter, frame: Frame<'_>) -> Option<RunTime> {
        let up = chatter.states.iter().rev().find(|(at, _)| *at <= frame.window.end_ns)?;
        if !matches!(up.1, SessionState::Up | SessionState::Resumed) {
            return None;
        }
        let last_sign = chatter.signs.iter().filter(|at| **at <= frame.window.end_ns).max().copied()?;
        let cut_off = frame.faults.list.iter().map(|fault| fault.command_start_ns).find(|at| *at >= last_sign)?;
        let ripe = frame.window.end_ns - frame.late_after;
        let missed = self.messages.values().any(|message| {
            name.starts_with(&pair_name(message.pair))
                && message.seen.iter().any(|(at, seen, _)| *seen == Seen::Sent && *at > cut_off && *at < ripe)
        });
        missed.then_some(last_sign)
    }

    pub(super) fn chatters(&self, frame: Frame<'_>) -> Vec<ChatterMeasured> {
        let half_open = |name: &str, chatter: &Chatter| self.deaf_since(name, chatter, frame).is_some();
        let all = self.chatters.iter();
        all.map(|(name, chatter)| chatter.measured(name, half_open(name, chatter), frame.window.end_ns)).collect()
    }

    pub(super) fn users(&self, frame: Frame<'_>) -> Vec<ServiceUsers> {
        let mut all = Vec::new();
        for (fault, start, end) in super::spans(frame.faults, frame.window) {
            for role in [ChatRole::Sender, ChatRole::Receiver] {
                let of_role = self.chatters.iter().filter(|(_, chatter)| chatter.role == role);
                let names: BTreeSet<String> = of_role.map(|(name, _)| name.clone()).collect();
                let users = super::service_users("chat_session", fault, names);
                all.extend(users.map(|users| ServiceUsers { role: Some(role), ..users }));
            }
            let due = self.messages.values().filter(|m| m.planned >= start && m.planned < end);
            let pairs: BTreeSet<String> = due.map(|message| pair_name(message.pair)).collect();
            all.extend(super::service_users("chat_delivery", fault, pairs));
        }
        all
    }

    /// The fate of every message that was due in the window.
    pub(super) fn fates(&self, frame: Frame<'_>) -> Vec<MessageMeasured> {
        let mut latest: BTreeMap<u32, Vec<(RunTime, u32)>> = BTreeMap::new();
        for message in self.messages.values() {
            if let Some(at) = message.first_delivery() {
                latest.entry(message.pair).or_default().push((at, message.seq));
            }
        }
        let overtaken = |message: &Message, at: RunTime| {
            let others = latest.get(&message.pair).into_iter().flatten();
            others.into_iter().any(|(other, seq)| *other < at && *seq > message.seq)
        };
        let due = self
            .messages
            .iter()
            .filter(|(_, message)| message.planned >= frame.window.start_ns && message.planned < frame.window.end_ns);
        due.map(|(number, message)| {
            let first = message.first_delivery();
            MessageMeasured {
                message: *number,
                pair: message.pair,
                planned_ns: message.planned,
                latency_ms: first.map(|at| (at - message.planned).as_millis_f64()),
                fate: message.fate(first.is_some_and(|at| overtaken(message, at)), frame),
            }
        })
        .collect()
    }
}

/// The name that the chatters of a pair begin with.
fn pair_name(pair: u32) -> String {
    format!("chat-{pair:02}")
}

impl Chatter {
    /// Times without a session inside the window, after the first login.
    fn downs(&self, frame: Frame<'_>) -> Vec<Down> {
        let mut downs: Vec<Down> = Vec::new();
        let mut lost: Option<RunTime> = None;
        for (at, state) in self.states.iter().filter(|(at, _)| *at <= frame.window.end_ns) {
            match state {
                SessionState::Lost => lost = lost.or(Some(*at)),
                SessionState::Up | SessionState::Resumed => {
                    if let Some(noticed) = lost.take() {
                        self.push_down(&mut downs, noticed, Some(*at), frame);
                    }
                }
                SessionState::Connecting | SessionState::Refused | SessionState::Closed => {}
            }
        }
        if let Some(noticed) = lost {
            self.push_down(&mut downs, noticed, None, frame);
        }
        downs
    }

    fn push_down(&self, downs: &mut Vec<Down>, noticed: RunTime, end: Option<RunTime>, frame: Frame<'_>) {
        if end.is_some_and(|end| end < frame.window.start_ns) {
            return;
        }
        let start = self.signs.iter().filter(|at| **at <= noticed).max().copied().unwrap_or(noticed);
        match downs.last_mut() {
            Some(last) if last.end.is_some_and(|end| noticed - end < frame.validate) => last.end = end,
            _ => downs.push(Down { start, end }),
        }
    }

    fn measured(&self, name: &str, half_open: bool, end: RunTime) -> ChatterMeasured {
        let mut sessions: Vec<(RunTime, Option<RunTime>)> = Vec::new();
        let inside = || self.states.iter().filter(|(at, _)| *at <= end);
        let count = |wanted: SessionState| inside().filter(|(_, state)| *state == wanted).count() as u32;
        for (at, state) in inside() {
            match (state, sessions.last_mut()) {
                (SessionState::Up | SessionState::Resumed, last) if last.as_ref().is_none_or(|s| s.1.is_some()) => {
                    sessions.push((*at, None));
                }
                (SessionState::Lost | SessionState::Closed, Some(last)) if last.1.is_none() => last.1 = Some(*at),
                _ => {}
            }
        }
        ChatterMeasured {
            chatter: name.to_owned(),
            sessions,
            resumed: count(SessionState::Resumed),
            attempts: count(SessionState::Connecting),
            half_open,
        }
    }
}

fn session_outage(name: &str, down: &Down, frame: Frame<'_>) -> Outage {
    let until = down.end.unwrap_or(frame.window.end_ns);
    let start = frame.faults.anchor(down.start, until);
    Outage {
        service: "chat_session".to_owned(),
        scope: name.to_owned(),
        direction: None,
        fault: frame.faults.of_outage(start, until),
        start_ns: start,
        end_ns: down.end,
        duration_ms: (until - start).as_millis_f64(),
        censored: down.end.is_none(),
        left: false,
        method: "timestamp".to_owned(),
        error_ms: frame.reconnect.as_millis_f64(),
        estimates: Estimates::default(),
    }
}

impl Message {
    fn deliveries(&self) -> impl Iterator<Item = &(RunTime, Seen, Option<String>)> {
        self.seen.iter().filter(|(_, seen, _)| *seen == Seen::Delivered)
    }

    fn first_delivery(&self) -> Option<RunTime> {
        self.deliveries().map(|(at, _, _)| *at).min()
    }

    fn has(&self, wanted: Seen) -> bool {
        self.seen.iter().any(|(_, seen, _)| *seen == wanted)
    }

    fn fate(&self, overtaken: bool, frame: Frame<'_>) -> MessageFate {
        let Some(first) = self.first_delivery() else { return self.fate_undelivered(frame) };
        let offline = |reason: &Option<String>| reason.as_deref().is_some_and(|reason| reason.contains("offline"));
        if self.deliveries().count() > 1 {
            MessageFate::Duplicated
        } else if self.deliveries().any(|(_, _, reason)| offline(reason)) {
            MessageFate::RecoveredOffline
        } else if overtaken {
            MessageFate::Reordered
        } else if first - self.planned > frame.late_after {
            MessageFate::Late
        } else {
            MessageFate::DeliveredOnce
        }
    }

    fn fate_undelivered(&self, frame: Frame<'_>) -> MessageFate {
        if self.has(Seen::Bounced) {
            MessageFate::Bounced
        } else if self.has(Seen::NotStarted) && !self.has(Seen::Sent) {
            MessageFate::NotStarted
        } else if frame.window.end_ns - self.planned < frame.late_after {
            MessageFate::Unknown
        } else if self.has(Seen::Acked) {
            MessageFate::AcknowledgedLost
        } else {
            MessageFate::UnacknowledgedLost
        }
    }
}
