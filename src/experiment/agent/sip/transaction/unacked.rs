//! A 2xx to an INVITE that waits for its ACK (RFC 3261 §13.3.1.4): repeated on every transport.

use super::client::Fired;
use super::{Peer, Timers};
use crate::units::{RunTime, Span};
use crate::wire::sip::Message;

/// A 2xx on its way.
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) peer: Peer,
    pub(super) response: Vec<u8>,
    call_id: String,
    local_tag: String,
    sequence: u32,
    timers: Timers,
    interval: Span,
    resend_at: RunTime,
    ends_at: RunTime,
}

impl Unacked {
    /// `None` where the response lacks what an ACK is matched by.
    pub(super) fn new(now: RunTime, timers: Timers, peer: Peer, response: Vec<u8>) -> Option<Unacked> {
        let message = Message::parse(&response).ok()?;
        let call_id = message.call_id()?.to_owned();
        let local_tag = message.to_tag()?.to_owned();
        let sequence = message.cseq()?.0;
        let (resend_at, ends_at) = (now + timers.t1, now + timers.timeout());
        Some(Unacked { peer, response, call_id, local_tag, sequence, timers, interval: timers.t1, resend_at, ends_at })
    }

    pub(super) fn is_acked_by(&self, ack: &Message<'_>) -> bool {
        ack.call_id() == Some(&self.call_id)
            && ack.to_tag() == Some(&self.local_tag)
            && ack.cseq().is_some_and(|(sequence, _)| sequence == self.sequence)
    }

    pub(super) fn wake_at(&self) -> RunTime {
        self.resend_at.min(self.ends_at)
    }

    pub(super) fn fire(&mut self, now: RunTime) -> Fired {
        if self.ends_at <= now {
            return Fired::TimedOut;
        }
        if self.resend_at > now {
            return Fired::Nothing;
        }
        self.interval = self.timers.next_up_to_t2(self.interval);
        self.resend_at += self.interval;
        Fired::Resend
    }
}
