//! Calls that we place: INVITE until 200, or until the user has had enough.

use super::behaviour::Reaction;
use super::ops::{Detail, Record};
use super::standing::{Remote, Standing};
use super::targets::Walk;
use super::{Media, Phone, Purpose};
use crate::evidence::history::{Direction, Step};
use crate::experiment::agent::sip::dialog::Dialog;
use crate::units::{RunTime, Span};
use crate::wire::sip::sdp::Description;
use crate::wire::sip::{Draft, Message};

/// A call that is not answered yet.
#[derive(Debug)]
pub(super) struct Outgoing {
    record: Record,
    callee: String,
    media: Media,
    deadline: RunTime,
    call_id: String,
    tag: String,
    sequence: u32,
    session: u64,
    /// `None` while the connection is being made.
    client: Option<u64>,
    rounds: u8,
    retransmissions: u32,
    /// First provisional answer other than 100.
    status: Option<RunTime>,
    /// The operation has ended; what still comes is only cleaned up.
    given_up: bool,
    walk: Walk,
}

impl Outgoing {
    pub(super) fn wake_at(&self) -> Option<RunTime> {
        (!self.given_up).then_some(self.deadline)
    }
}

impl Phone {
    pub(super) fn call(
        &mut self,
        now: RunTime,
        record: Record,
        call: u64,
        callee: String,
        media: Media,
        patience: Span,
    ) {
        let outgoing = Outgoing {
            record,
            callee,
            media,
            deadline: record.planned + patience,
            call_id: self.tokens.name(),
            tag: self.tokens.name(),
            sequence: 0,
            session: self.tokens.number() >> 1,
            client: None,
            rounds: 0,
            retransmissions: 0,
            status: None,
            given_up: false,
            walk: self.call_walk(now),
        };
        self.outgoing.insert(call, outgoing);
        self.invoke(now, record);
        if self.reach_out() {
            self.begin_invite(now, call);
        }
    }

    pub(super) fn waiting_calls(&self) -> Vec<u64> {
        self.outgoing.iter().filter(|(_, one)| one.client.is_none()).map(|(&call, _)| call).collect()
    }

    pub(super) fn start_waiting_calls(&mut self, now: RunTime) {
        for call in self.waiting_calls() {
            self.begin_invite(now, call);
        }
    }

    /// Sends a new INVITE: the first one, or the one with credentials.
    fn begin_invite(&mut self, now: RunTime, call: u64) {
        if let Some(one) = self.outgoing.get_mut(&call) {
            one.sequence += 1;
        }
        self.send_invite(now, call);
    }

    fn send_invite(&mut self, now: RunTime, call: u64) {
        let (own, contact) = (self.own_uri(), self.contact());
        let Some(one) = self.outgoing.get(&call) else { return };
        let to = self.peer_of(one.walk.current());
        let uri = format!("sip:{}@{}", one.callee, self.config.domain);
        let draft = Draft::request(rsip::Method::Invite, &uri)
            .max_forwards(70)
            .from(&own, &one.tag)
            .to(&uri, None)
            .call_id(&one.call_id)
            .cseq(one.sequence)
            .contact(&contact)
            .raw("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, INFO")
            .body("application/sdp", one.media.describe().write(one.session, 0));
        let draft = self.authorized(draft, "INVITE", &uri);
        let sent_by = self.sent_by();
        let client = self.layer.request(now, to, &sent_by, draft);
        self.purposes.insert(client, Purpose::Invite(call));
        if let Some(one) = self.outgoing.get_mut(&call) {
            (one.client, one.status) = (Some(client), None);
        }
    }

    pub(super) fn invite_responded(&mut self, now: RunTime, call: u64, client: u64, code: u16, response: &Message<'_>) {
        match code {
            ..200 => self.invite_provisional(now, call, client, code),
            200..300 => self.invite_accepted(now, call, client, code, response),
            _ => self.invite_refused(now, call, client, code, response),
        }
    }

    /// A call that was given up before anybody answered could not be cancelled then; it can now (§9.1).
    fn invite_provisional(&mut self, now: RunTime, call: u64, client: u64, code: u16) {
        if let Some(one) = self.outgoing.get_mut(&call).filter(|_| code > 100) {
            one.status = one.status.or(Some(now));
        }
        if self.outgoing.get(&call).is_some_and(|one| one.given_up) {
            self.layer.cancel(now, client);
        }
    }

    fn invite_refused(&mut self, now: RunTime, call: u64, client: u64, code: u16, response: &Message<'_>) {
        self.purposes.remove(&client);
        self.finish_invite_round(call);
        let Some(one) = self.outgoing.get_mut(&call) else { return };
        if !one.given_up && self.wallet.learn(code, response, &mut one.rounds) {
            return self.begin_invite(now, call);
        }
        let elsewhere = code == 503 || code == 404 && self.config.behaviour.as_ref().is_some_and(|of| of.seeks);
        if elsewhere && self.invite_elsewhere(now, call, Some(response)) {
            return;
        }
        let Some(one) = self.outgoing.remove(&call) else { return };
        if !one.given_up {
            let detail = Detail::response(code, response, one.retransmissions);
            self.emit(now, one.record, Step::Fail, detail.told(one.status.or(Some(now))));
        }
    }

    fn invite_accepted(&mut self, now: RunTime, call: u64, client: u64, code: u16, response: &Message<'_>) {
        let Some(dialog) = self.dialog_of(client, response) else { return };
        self.acknowledge(client, &dialog);
        self.finish_invite_round(call);
        if let Some(one) = self.outgoing.get(&call).filter(|_| self.flows.len() <= 1) {
            self.targets.worked = Some(one.walk.current());
        }
        // The transaction stays for copies of the 2xx, the call goes on as a dialog.
        let Some(one) = self.outgoing.remove(&call) else { return self.leave_silently(now, dialog) };
        if one.given_up {
            return self.leave_silently(now, dialog);
        }
        let answer = Description::read(response.body);
        let agreed = answer.and_then(|answer| Some((one.media.agreed_with(&answer)?, Remote::of(&answer))));
        let Some((agreed, remote)) = agreed else {
            let reason = Some("no usable media in the answer".to_owned());
            let detail = Detail { reason, ..Detail::response(code, response, one.retransmissions) };
            self.emit(now, one.record, Step::Fail, detail.told(one.status.or(Some(now))));
            return self.leave_silently(now, dialog);
        };
        let detail = Detail::response(code, response, one.retransmissions);
        self.emit(now, one.record, Step::Ok, detail.told(one.status.or(Some(now))));
        let media = one.media.settled(agreed);
        let direction = Direction::ToCallee;
        self.stand(Standing::new(call, dialog, media, direction, remote, one.session, None));
    }

    fn dialog_of(&self, client: u64, response: &Message<'_>) -> Option<Dialog> {
        Dialog::of_response(&Message::parse(self.layer.sent(client)?).ok()?, response)
    }

    fn acknowledge(&mut self, client: u64, dialog: &Dialog) {
        let (to, sent_by) = (self.route(dialog.next_hop()), self.sent_by());
        self.layer.acknowledge(client, to, &sent_by, &dialog.remote_tag, dialog.ack(dialog.local_sequence));
    }

    fn finish_invite_round(&mut self, call: u64) {
        let Some(one) = self.outgoing.get_mut(&call) else { return };
        if let Some(client) = one.client {
            one.retransmissions += self.layer.retransmissions(client);
        }
    }

    /// The target did not answer; another one may.
    pub(super) fn invite_unanswered(&mut self, now: RunTime, call: u64, reason: &str) {
        self.finish_invite_round(call);
        if let Some(one) = self.outgoing.get_mut(&call) {
            one.client = None;
        }
        if !self.invite_elsewhere(now, call, None) {
            self.invite_ended(now, call, reason);
        }
    }

    /// Sends the same INVITE to the next target, if the phone does that and there is one: a new branch, and nothing
    /// else (RFC 3263 §4.3).
    fn invite_elsewhere(&mut self, now: RunTime, call: u64, refused: Option<&Message<'_>>) -> bool {
        let next = self.call_reaction(refused.is_some()) == Reaction::NextTarget;
        let Some(one) = self.outgoing.get_mut(&call).filter(|one| next && !one.given_up) else { return false };
        let left = one.walk.current();
        if !one.walk.advance() {
            return false;
        }
        one.rounds = 0;
        if let Some(response) = refused {
            self.rest(now, left, response);
        }
        self.send_invite(now, call);
        true
    }

    /// The INVITE ended without a final response, or never went out.
    pub(super) fn invite_ended(&mut self, now: RunTime, call: u64, reason: &str) {
        self.finish_invite_round(call);
        let Some(one) = self.outgoing.remove(&call) else { return };
        if !one.given_up {
            self.emit(now, one.record, Step::Fail, Detail::reason(reason, one.retransmissions).told(one.status));
        }
    }

    pub(super) fn lose_patience_calling(&mut self, now: RunTime) {
        let due = self.outgoing.iter().filter(|(_, one)| one.wake_at().is_some_and(|at| at <= now));
        for call in due.map(|(&call, _)| call).collect::<Vec<_>>() {
            self.give_up(now, call, "patience");
        }
    }

    /// The user waits no longer. Whether the call can be cancelled depends on what came so far; an answer
    /// that comes all the same is acknowledged and ended.
    pub(super) fn give_up(&mut self, now: RunTime, call: u64, reason: &str) {
        let Some(one) = self.outgoing.get_mut(&call).filter(|one| !one.given_up) else { return };
        one.given_up = true;
        let (record, client, status) = (one.record, one.client, one.status);
        let so_far = one.retransmissions + client.map_or(0, |client| self.layer.retransmissions(client));
        match client {
            Some(client) if !self.layer.cancel(now, client) => self.layer.stop_retransmitting(client),
            Some(_) => {}
            None => drop(self.outgoing.remove(&call)),
        }
        self.emit(now, record, Step::Fail, Detail::reason(reason, so_far).told(status));
    }
}
