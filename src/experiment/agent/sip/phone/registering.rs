//! REGISTER until 200, the digest round included (RFC 3261 §10.2).

use super::ops::{Detail, Record};
use super::{Phone, Purpose};
use crate::evidence::history::{OpKind, Step};
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
}

impl Phone {
    pub(super) fn register(&mut self, now: RunTime, op: u64, planned: RunTime, expires_s: u32, patience: Span) {
        self.registration.wanted = Some((expires_s, patience));
        // §10.2 wants one after the other; users who try again meanwhile get a Call-ID of their own, because
        // a registrar refuses numbers of one Call-ID that arrive out of order.
        if !self.registering.is_empty() {
            self.registration.call_id = self.tokens.name();
        }
        let record = Record { op, kind: OpKind::Register, planned, call: None };
        let (call_id, tag) = (self.registration.call_id.clone(), self.tokens.name());
        let deadline = planned + patience;
        let started =
            Registering { record, expires_s, deadline, call_id, tag, client: None, rounds: 0, retransmissions: 0 };
        self.registering.insert(op, started);
        self.invoke(now, record);
        if self.reach_out() {
            self.send_register(now, op);
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
            .contact(&self.contact())
            .raw("Expires", &one.expires_s.to_string());
        let draft = self.authorized(draft, "REGISTER", &uri);
        let (to, sent_by) = (self.route(None), self.sent_by());
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
        let Some(one) = self.registering.remove(&op) else { return };
        self.link.proved();
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
