//! REGISTER until 200, the digest round included (RFC 3261 §10.2).

use super::behaviour::Reaction;
use super::ops::{Detail, Record};
use super::targets::Walk;
use super::{Phone, Purpose};
use crate::evidence::history::Step;
use crate::units::{RunTime, Span};
use crate::wire::sip::Draft;
use crate::wire::sip::Message;
use crate::wire::sip::digest::Credentials;

/// What all REGISTERs of one phone share.
#[derive(Debug)]
pub(super) struct Registration {
    call_id: String,
    sequence: u32,
    /// Lifetime and patience of the last commanded one: a lost connection is repaired the same way.
    wanted: Option<(u32, Span)>,
}

impl Registration {
    pub(super) fn new(call_id: String) -> Registration {
        Registration { call_id, sequence: 0, wanted: None }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.is_some_and(|(expires_s, _)| expires_s > 0)
    }
}

/// A REGISTER under way.
#[derive(Debug)]
pub(super) struct Registering {
    record: Record,
    expires_s: u32,
    pub(super) deadline: RunTime,
    call_id: String,
    tag: String,
    /// `None` while the connection is being made.
    client: Option<u64>,
    rounds: u8,
    retransmissions: u32,
    /// The flow that it is for, where the phone stays registered by itself.
    flow: Option<usize>,
    walk: Walk,
}

/// What a REGISTER begins with.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) record: Record,
    pub(super) expires_s: u32,
    pub(super) deadline: RunTime,
    pub(super) flow: Option<usize>,
    pub(super) walk: Walk,
}

impl Phone {
    pub(super) fn register(&mut self, now: RunTime, op: u64, planned: RunTime, expires_s: u32, patience: Span) {
        self.registration.wanted = Some((expires_s, patience));
        let record = Record { op, kind: self.config.register_kind, planned, call: None };
        let deadline = planned + patience;
        for target in 0..self.targets.len().min(self.config.everywhere.len().max(1)) {
            let op = if target == 0 { op } else { self.numbers.next() };
            let (record, walk) = (Record { op, ..record }, Walk::only(target));
            self.begin_register(now, Start { record, expires_s, deadline, flow: None, walk });
        }
    }

    pub(super) fn begin_register(&mut self, now: RunTime, start: Start) {
        // §10.2 wants one after the other; users who try again meanwhile get a Call-ID of their own, because
        // a registrar refuses numbers of one Call-ID that arrive out of order.
        if !self.registering.is_empty() {
            self.registration.call_id = self.tokens.name();
        }
        let Start { record, expires_s, deadline, flow, walk } = start;
        let (call_id, tag) = (self.registration.call_id.clone(), self.tokens.name());
        let (client, rounds, retransmissions, target) = (None, 0, 0, walk.current());
        let started =
            Registering { record, expires_s, deadline, call_id, tag, client, rounds, retransmissions, flow, walk };
        self.registering.insert(record.op, started);
        self.invoke(now, record);
        if self.reach_out_to(target) {
            self.send_register(now, record.op);
        }
    }

    /// Registers without being told to, after a lost connection.
    pub(super) fn register_again(&mut self, now: RunTime) {
        if let Some((expires_s, patience)) = self.registration.wanted {
            let op = self.numbers.next();
            self.register(now, op, now, expires_s, patience);
        }
    }

    pub(super) fn waiting_registers(&self) -> Vec<u64> {
        self.registering.iter().filter(|(_, one)| one.client.is_none()).map(|(&op, _)| op).collect()
    }

    pub(super) fn start_waiting_registers(&mut self, now: RunTime) {
        for op in self.waiting_registers() {
            self.send_register(now, op);
        }
    }

    fn send_register(&mut self, now: RunTime, op: u64) {
        self.registration.sequence += 1;
        let Some(one) = self.registering.get(&op) else { return };
        let (own, uri) = (self.own_uri(), format!("sip:{}", self.config.domain));
        let draft = Draft::request(rsip::Method::Register, &uri)
            .max_forwards(70)
            .from(&own, &one.tag)
            .to(&own, None)
            .call_id(&one.call_id)
            .cseq(self.registration.sequence)
            .raw("Contact", &self.bound_contact(one.flow))
            .raw("Expires", &one.expires_s.to_string());
        let to = self.peer_of(one.walk.current());
        let draft = self.authorized(draft, "REGISTER", &uri);
        let sent_by = self.sent_by();
        let client = self.layer.request(now, to, &sent_by, draft);
        self.purposes.insert(client, Purpose::Register(op));
        if let Some(one) = self.registering.get_mut(&op) {
            one.client = Some(client);
        }
    }

    /// Adds credentials if a challenge is known.
    pub(super) fn authorized(&mut self, draft: Draft, method: &str, uri: &str) -> Draft {
        let client_nonce = self.tokens.name();
        let who = Credentials { user: &self.config.user, password: &self.config.password };
        match self.wallet.header(who, method, uri, &client_nonce) {
            Some((name, value)) => draft.raw(name, &value),
            None => draft,
        }
    }

    pub(super) fn register_responded(&mut self, now: RunTime, op: u64, code: u16, response: &Message<'_>) {
        if code < 200 {
            return;
        }
        self.finish_register_round(op);
        let Some(one) = self.registering.get_mut(&op) else { return };
        if self.wallet.learn(code, response, &mut one.rounds) {
            return self.send_register(now, op);
        }
        if code == 503 && self.register_elsewhere(now, op, Some(response)) {
            return;
        }
        let Some(one) = self.registering.remove(&op) else { return };
        self.link.proved();
        match one.flow {
            Some(flow) if code < 300 => self.flow_registered(now, flow, one.walk.current(), response),
            Some(flow) => {
                let rest = if code == 503 { self.rest(now, one.walk.current(), response) } else { None };
                self.flow_failed(now, flow, rest);
            }
            None => {}
        }
        let step = if code < 300 { Step::Ok } else { Step::Fail };
        self.emit(now, one.record, step, Detail::response(code, response, one.retransmissions));
    }

    /// Adds up the retransmissions of the transaction that ended.
    fn finish_register_round(&mut self, op: u64) {
        let Some(one) = self.registering.get_mut(&op) else { return };
        if let Some(client) = one.client {
            one.retransmissions += self.layer.retransmissions(client);
            self.purposes.remove(&client);
        }
    }

    /// The target did not answer: another one may, or the phone tries again later.
    pub(super) fn register_unanswered(&mut self, now: RunTime, op: u64, reason: &str) {
        self.finish_register_round(op);
        if self.register_elsewhere(now, op, None) {
            return;
        }
        let flow = self.registering.get(&op).and_then(|one| one.flow);
        self.register_failed(now, op, reason);
        if let Some(flow) = flow {
            self.forget_link(reason);
            self.flow_failed(now, flow, None);
        }
    }

    /// Sends the same REGISTER to the next target, if the phone does that and there is one.
    fn register_elsewhere(&mut self, now: RunTime, op: u64, refused: Option<&Message<'_>>) -> bool {
        let next = self.register_reaction(refused.is_some()) == Reaction::NextTarget;
        let Some(one) = self.registering.get_mut(&op).filter(|_| next) else { return false };
        let left = one.walk.current();
        if !one.walk.advance() {
            return false;
        }
        if let Some(client) = one.client.take() {
            self.layer.stop_retransmitting(client);
        }
        one.rounds = 0;
        let target = one.walk.current();
        if let Some(response) = refused {
            self.rest(now, left, response);
        }
        if self.reach_out_to(target) {
            self.send_register(now, op);
        }
        true
    }

    /// Ends an operation in whose place another one begins.
    pub(super) fn abandon_register(&mut self, now: RunTime, op: u64, reason: &str) {
        self.register_failed(now, op, reason);
    }

    /// The Contact to bind; outbound adds its parameters (RFC 5626 §4.2.1).
    fn bound_contact(&self, flow: Option<usize>) -> String {
        let contact = self.contact();
        let outbound = self.config.behaviour.as_ref().is_some_and(|behaviour| behaviour.flows > 0);
        match flow.filter(|_| outbound) {
            Some(flow) => format!("<{contact}>;reg-id={};+sip.instance=\"<{}>\"", flow + 1, self.instance),
            None => format!("<{contact}>"),
        }
    }

    pub(super) fn register_failed(&mut self, now: RunTime, op: u64, reason: &str) {
        self.finish_register_round(op);
        let Some(one) = self.registering.remove(&op) else { return };
        if let Some(client) = one.client {
            self.layer.stop_retransmitting(client);
        }
        self.emit(now, one.record, Step::Fail, Detail::reason(reason, one.retransmissions));
    }

    pub(super) fn lose_patience_registering(&mut self, now: RunTime) {
        let due = self.registering.iter().filter(|(_, one)| one.deadline <= now).map(|(&op, _)| op);
        let due: Vec<_> = due.collect();
        for &op in &due {
            self.register_failed(now, op, "patience");
        }
        if !due.is_empty() {
            self.distrust_link(now);
        }
    }
}
