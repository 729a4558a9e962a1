//! Server transactions: figures 7 and 8 of RFC 3261, with the accepted state of RFC 6026.

use std::net::SocketAddr;

use super::client::Fired;
use super::{Peer, Timers};
use crate::units::{RunTime, Span};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No final response yet: Trying or Proceeding.
    Open,
    /// INVITE only: 2xx sent; copies of the INVITE are absorbed.
    Accepted,
    Completed,
    /// INVITE only: the ACK to our failure came.
    Confirmed,
}

/// A request that we got.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) peer: Peer,
    pub(super) source: Option<SocketAddr>,
    pub(super) response: Option<Vec<u8>>,
    invite: bool,
    state: State,
    timers: Timers,
    interval: Span,
    resend_at: Option<RunTime>,
    ends_at: Option<RunTime>,
}

impl Server {
    pub(super) fn new(timers: Timers, peer: Peer, source: Option<SocketAddr>, invite: bool) -> Server {
        Server {
            peer,
            source,
            response: None,
            invite,
            state: State::Open,
            timers,
            interval: timers.t1,
            resend_at: None,
            ends_at: None,
        }
    }

    pub(super) fn wake_at(&self) -> Option<RunTime> {
        self.resend_at.into_iter().chain(self.ends_at).min()
    }

    /// Whether the user may still answer.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// What to send when the request comes again.
    pub(super) fn on_retransmission(&self) -> Option<Vec<u8>> {
        self.response.clone().filter(|_| matches!(self.state, State::Open | State::Completed))
    }

    pub(super) fn on_respond(&mut self, now: RunTime, code: u16, response: Vec<u8>) {
        self.response = Some(response);
        let timeout = now + self.timers.timeout();
        match code {
            ..200 => {}
            200..300 if self.invite => {
                self.state = State::Accepted;
                self.ends_at = Some(timeout);
            }
            _ => {
                self.state = State::Completed;
                let unreliable = !self.peer.is_reliable();
                self.resend_at = (self.invite && unreliable).then_some(now + self.timers.t1);
                self.ends_at = Some(if self.invite || unreliable { timeout } else { now });
            }
        }
    }

    /// An ACK on the same branch: the one to a failure.
    pub(super) fn on_ack(&mut self, now: RunTime) -> bool {
        if self.state != State::Completed {
            return false;
        }
        self.state = State::Confirmed;
        self.resend_at = None;
        self.ends_at = Some(if self.peer.is_reliable() { now } else { now + self.timers.t4 });
        true
    }

    pub(super) fn fire(&mut self, now: RunTime) -> Fired {
        if self.ends_at.is_some_and(|at| at <= now) {
            return Fired::Gone;
        }
        let Some(due) = self.resend_at.filter(|&at| at <= now) else { return Fired::Nothing };
        self.interval = self.timers.next_up_to_t2(self.interval);
        self.resend_at = Some(due + self.interval);
        Fired::Resend
    }
}
