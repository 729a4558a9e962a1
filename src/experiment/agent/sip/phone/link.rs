//! The way to the server: nothing to keep for datagrams, one connection for TCP.

use std::net::SocketAddr;

use super::{FLOW, Output, Phone, Transport};
use crate::experiment::agent::sip::transaction::Peer;
use crate::units::{RunTime, Span};
use crate::wire::sip::{Frame, Framer};

const FIRST_RETRY: Span = Span::from_secs(1);
const LONGEST_RETRY: Span = Span::from_secs(8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down,
    Connecting,
    Up,
}

/// The way to the server.
#[derive(Debug)]
pub(super) struct Link {
    state: State,
    framer: Framer,
    backoff: Span,
    /// The target that the connection is to.
    target: usize,
    /// Own address: what Via and Contact say.
    pub(super) local: SocketAddr,
    /// Why the last connection ended: what was under way on it ends for the same reason.
    pub(super) lost_by: String,
    /// When an idle phone connects again by itself.
    pub(super) retry_at: Option<RunTime>,
}

impl Link {
    pub(super) fn new(transport: Transport, local: SocketAddr) -> Link {
        let state = if transport == Transport::Udp { State::Up } else { State::Down };
        Link {
            state,
            framer: Framer::default(),
            backoff: FIRST_RETRY,
            target: 0,
            local,
            lost_by: String::new(),
            retry_at: None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// The server answered: the next loss is the first one again.
    pub(super) fn proved(&mut self) {
        self.backoff = FIRST_RETRY;
        self.retry_at = None;
    }

    fn back_off(&mut self, now: RunTime) {
        self.retry_at = Some(now + self.backoff);
        self.backoff = Span(self.backoff.0 * 2).min(LONGEST_RETRY);
    }
}

impl Phone {
    /// Whether requests can go out now; if not, a connection is asked for and [`Phone::connected`] goes on.
    pub(super) fn reach_out(&mut self) -> bool {
        if self.link.state == State::Down {
            self.link.state = State::Connecting;
            self.outputs.push_back(Output::Connect { to: self.targets.address(self.link.target) });
        }
        self.link.is_up()
    }

    pub(super) fn connected(&mut self, now: RunTime, local: SocketAddr) {
        if self.config.transport == Transport::Udp {
            return;
        }
        self.link.state = State::Up;
        self.link.local = local;
        self.link.framer = Framer::default();
        self.start_waiting_registers(now);
        self.start_waiting_calls(now);
        self.start_waiting_byes(now);
        self.start_waiting_probes();
    }

    pub(super) fn disconnected(&mut self, now: RunTime, reason: &str) {
        if self.config.transport == Transport::Udp {
            return;
        }
        self.link.state = State::Down;
        reason.clone_into(&mut self.link.lost_by);
        self.fail_waiting(now, reason);
        self.layer.flow_lost(FLOW);
        self.settle(now);
        self.schedule_reconnect(now);
    }

    /// Whether a request can go out to `target` now. A connection to another one is dropped first.
    pub(super) fn reach_out_to(&mut self, target: usize) -> bool {
        if self.config.transport == Transport::Tcp && self.link.target != target {
            self.forget_link("connection given up");
            self.link.target = target;
        }
        self.reach_out()
    }

    /// The next need makes a new connection; what was under way on this one gets no answer.
    pub(super) fn forget_link(&mut self, reason: &str) {
        if self.config.transport == Transport::Tcp && self.link.state != State::Down {
            self.link.state = State::Down;
            reason.clone_into(&mut self.link.lost_by);
            self.layer.flow_lost(FLOW);
        }
    }

    /// A connection on which the server does not answer is given up, so that the next need makes a new one.
    pub(super) fn distrust_link(&mut self, now: RunTime) {
        if self.config.transport == Transport::Tcp && self.link.state != State::Down {
            self.disconnected(now, "connection given up");
        }
    }

    /// What waited for the connection fails with it.
    fn fail_waiting(&mut self, now: RunTime, reason: &str) {
        for op in self.waiting_registers() {
            self.register_unanswered(now, op, reason);
        }
        for call in self.waiting_calls() {
            self.invite_ended(now, call, reason);
        }
        for key in self.waiting_byes() {
            self.bye_unsent(now, key, reason);
        }
        self.fail_waiting_probes(now, reason);
    }

    fn schedule_reconnect(&mut self, now: RunTime) {
        if self.config.behaviour.is_some() {
            self.flow_lost(now, 0);
        } else if self.registration.is_wanted() {
            self.link.back_off(now);
        }
    }

    pub(super) fn reconnect_due(&mut self, now: RunTime) {
        if self.link.retry_at.is_some_and(|at| at <= now) {
            self.link.retry_at = None;
            // A REGISTER that is under way connects as well, and schedules again if it fails.
            if self.registering.is_empty() {
                self.register_again(now);
            }
        }
    }

    pub(super) fn receive_stream(&mut self, now: RunTime, octets: &[u8]) {
        self.link.framer.push(octets);
        loop {
            match self.link.framer.next_frame() {
                Ok(None) => return,
                Ok(Some(Frame::Ping)) => self.send(Peer::Flow(FLOW), b"\r\n".to_vec()),
                Ok(Some(Frame::Message(octets))) => {
                    self.receive(now, Peer::Flow(FLOW), &octets);
                    self.settle(now);
                }
                Err(_) => {
                    self.link.framer = Framer::default();
                    return self.disconnected(now, "the server's stream is not SIP");
                }
            }
        }
    }
}
