//! Keepalives: whether the server is there while nobody calls.

use super::behaviour::{Keepalive, Ping};
use super::{FLOW, Phone, Purpose, Transport};
use crate::experiment::agent::sip::transaction::Peer;
use crate::units::{RunTime, Span};
use crate::wire::sip::Draft;

/// Pings of one flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watch {
    next: Option<RunTime>,
    /// A ping is out, and something must come back by then.
    answer_by: Option<RunTime>,
}

impl Watch {
    /// The first ping comes after this share of the interval.
    pub(super) fn begin(now: RunTime, keepalive: Option<Keepalive>, share: f64) -> Watch {
        let first = |keepalive: Keepalive| now + Span((keepalive.interval.as_nanos() as f64 * share) as i64);
        Watch { next: keepalive.map(first), answer_by: None }
    }

    /// The server was heard: nothing is missed.
    pub(super) fn proved(self) -> Watch {
        Watch { answer_by: None, ..self }
    }

    pub(super) fn wake_at(&self) -> Option<RunTime> {
        self.next.into_iter().chain(self.answer_by).min()
    }
}

impl Phone {
    /// Sends the pings that are due and notices those that nobody answered.
    pub(super) fn keep_alive(&mut self, now: RunTime) {
        let Some(keepalive) = self.config.behaviour.as_ref().and_then(|behaviour| behaviour.keepalive) else { return };
        for flow in 0..self.flows.len() {
            let watch = self.flows[flow].watch;
            if watch.answer_by.is_some_and(|by| by <= now) {
                self.flow_lost(now, flow);
                self.forget_link("keepalive unanswered");
            } else if watch.next.is_some_and(|next| next <= now) {
                let state = &mut self.flows[flow].watch;
                state.next = Some(now + keepalive.interval);
                state.answer_by = watch.answer_by.or(keepalive.answer_within.map(|within| now + within));
                self.ping(now, flow, keepalive.ping);
            }
        }
    }

    fn ping(&mut self, now: RunTime, flow: usize, ping: Ping) {
        let to = match (self.config.transport, self.flows[flow].target) {
            (Transport::Tcp, _) => Peer::Flow(FLOW),
            (Transport::Udp, Some(target)) => Peer::Udp(self.targets.address(target)),
            (Transport::Udp, None) => return,
        };
        match ping {
            Ping::CrLf => self.send(to, b"\r\n\r\n".to_vec()),
            Ping::Options => self.ping_by_options(now, to),
        }
    }

    fn ping_by_options(&mut self, now: RunTime, to: Peer) {
        let (own, uri) = (self.own_uri(), format!("sip:{}", self.config.domain));
        let (tag, call_id) = (self.tokens.name(), self.tokens.name());
        let draft = Draft::request(rsip::Method::Options, &uri)
            .max_forwards(70)
            .from(&own, &tag)
            .to(&uri, None)
            .call_id(&call_id)
            .cseq(1)
            .contact(&self.contact());
        let sent_by = self.sent_by();
        let client = self.layer.request(now, to, &sent_by, draft);
        self.purposes.insert(client, Purpose::Ping);
    }

    /// Anything that comes from a server proves the flow to it.
    pub(super) fn heard(&mut self, from: Peer) {
        for flow in &mut self.flows {
            let same = match from {
                Peer::Udp(from) => flow.target.is_some_and(|target| self.targets.address(target) == from),
                Peer::Flow(_) => true,
            };
            if same {
                flow.watch.answer_by = None;
            }
        }
    }
}
