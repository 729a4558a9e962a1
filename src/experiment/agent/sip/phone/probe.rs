//! The OPTIONS probe: one datagram, no transaction; whether the server answers at all.

use super::Phone;
use super::ops::{Detail, Record};
use crate::evidence::history::{OpKind, Step};
use crate::units::{RunTime, Span};
use crate::wire::sip::{Draft, Message};

/// A probe without answer.
#[derive(Debug)]
pub(super) struct Probe {
    record: Record,
    pub(super) deadline: RunTime,
    /// Empty while the connection is being made.
    call_id: String,
}

impl Phone {
    pub(super) fn probe(&mut self, now: RunTime, op: u64, planned: RunTime, deadline: Span) {
        let record = Record { op, kind: OpKind::Options, planned, call: None };
        self.probes.push(Probe { record, deadline: planned + deadline, call_id: String::new() });
        self.invoke(now, record);
        if self.reach_out() {
            self.start_waiting_probes();
        }
    }

    pub(super) fn start_waiting_probes(&mut self) {
        for at in 0..self.probes.len() {
            if self.probes[at].call_id.is_empty() {
                self.probes[at].call_id = self.tokens.name();
                self.send_probe(at);
            }
        }
    }

    fn send_probe(&mut self, at: usize) {
        let (own, tag) = (self.own_uri(), self.tokens.name());
        let uri = format!("sip:{}", self.config.domain);
        let draft = Draft::request(rsip::Method::Options, &uri)
            .max_forwards(70)
            .from(&own, &tag)
            .to(&uri, None)
            .call_id(&self.probes[at].call_id)
            .cseq(1)
            .contact(&self.contact())
            .raw("Accept", "application/sdp");
        let (to, sent_by) = (self.peer_of(self.usual_target()), self.sent_by());
        let octets = self.layer.with_via(to, &sent_by, draft).to_bytes();
        self.send(to, octets);
    }

    /// Whether `octets` answer a probe. Late answers have no probe any more and mean nothing.
    pub(super) fn probe_answered(&mut self, now: RunTime, octets: &[u8]) -> bool {
        if self.probes.is_empty() {
            return false;
        }
        let Ok(message) = Message::parse(octets) else { return false };
        let Some(code) = message.status().filter(|&code| code >= 200) else { return false };
        let at = self.probes.iter().position(|probe| message.call_id() == Some(&probe.call_id));
        let Some(probe) = at.map(|at| self.probes.remove(at)) else { return false };
        if probe.deadline < now {
            self.emit(now, probe.record, Step::Fail, Detail::reason("deadline", 0));
        } else {
            let reason = None;
            let detail = Detail { reason, ..Detail::response(code, &message, 0) };
            self.emit(now, probe.record, Step::Ok, detail);
        }
        true
    }

    pub(super) fn give_up_probes(&mut self, now: RunTime) {
        self.fail_probes(now, "deadline", |probe| probe.deadline <= now);
    }

    pub(super) fn fail_waiting_probes(&mut self, now: RunTime, reason: &str) {
        self.fail_probes(now, reason, |probe| probe.call_id.is_empty());
    }

    fn fail_probes(&mut self, now: RunTime, reason: &str, over: impl Fn(&Probe) -> bool) {
        let (failed, kept): (Vec<_>, Vec<_>) = self.probes.drain(..).partition(over);
        self.probes = kept;
        for probe in failed {
            self.emit(now, probe.record, Step::Fail, Detail::reason(reason, 0));
        }
    }
}
