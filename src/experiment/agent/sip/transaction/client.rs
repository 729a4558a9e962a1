//! Client transactions: figures 5 and 6 of RFC 3261, with the accepted state of RFC 6026.

use super::{Peer, Timers, doubled};
use crate::units::{RunTime, Span};
use crate::wire::sip::{Draft, Message};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing heard yet: Calling, or Trying.
    Waiting,
    Proceeding,
    /// A final response came; late copies are absorbed.
    Completed,
    /// INVITE only: a 2xx came, more may.
    Accepted,
}

/// A request that we sent.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) request: Vec<u8>,
    pub(super) peer: Peer,
    pub(super) invite: bool,
    pub(super) retransmissions: u32,
    state: State,
    timers: Timers,
    interval: Span,
    resend_at: Option<RunTime>,
    ends_at: Option<RunTime>,
    ack: Option<Ack>,
}

/// The ACK to the failure or the 2xx with this To tag.
#[derive(Debug)]
struct Ack {
    to_tag: String,
    peer: Peer,
    octets: Vec<u8>,
}

/// What a response leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reaction {
    /// The user must see it.
    pub(super) pass: bool,
    /// An ACK to send.
    pub(super) send: Option<(Peer, Vec<u8>)>,
}

/// What a timer leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fired {
    Nothing,
    Resend,
    TimedOut,
    Gone,
}

impl Client {
    pub(super) fn new(now: RunTime, timers: Timers, peer: Peer, invite: bool, request: Vec<u8>) -> Client {
        Client {
            request,
            peer,
            invite,
            retransmissions: 0,
            state: State::Waiting,
            timers,
            interval: timers.t1,
            resend_at: (!peer.is_reliable()).then_some(now + timers.t1),
            ends_at: Some(now + timers.request_timeout()),
            ack: None,
        }
    }

    pub(super) fn wake_at(&self) -> Option<RunTime> {
        self.resend_at.into_iter().chain(self.ends_at).min()
    }

    /// Whether a final response came.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.state, State::Completed | State::Accepted)
    }

    /// Whether a provisional response came and no final one: a CANCEL makes sense (§9.1).
    pub(super) fn is_proceeding(&self) -> bool {
        self.state == State::Proceeding
    }

    pub(super) fn stop_retransmitting(&mut self) {
        self.resend_at = None;
    }

    /// Ends after another 64·T1 even if no final response comes (§9.1, for a cancelled INVITE).
    pub(super) fn limit(&mut self, now: RunTime) {
        self.ends_at = Some(now + self.timers.timeout());
    }

    /// No answer is waited for any more; `false` if there was one. It stays until the next tick, so that the
    /// user can still ask for its figures.
    pub(super) fn end(&mut self) -> bool {
        let open = !self.is_final();
        self.state = State::Completed;
        self.resend_at = None;
        self.ends_at = Some(RunTime(i64::MIN));
        open
    }

    pub(super) fn keep_ack(&mut self, to_tag: &str, peer: Peer, octets: Vec<u8>) {
        self.ack = Some(Ack { to_tag: to_tag.to_owned(), peer, octets });
    }

    pub(super) fn fire(&mut self, now: RunTime) -> Fired {
        if self.ends_at.is_some_and(|at| at <= now) {
            return if self.end() { Fired::TimedOut } else { Fired::Gone };
        }
        let Some(due) = self.resend_at.filter(|&at| at <= now) else { return Fired::Nothing };
        self.interval = match (self.invite, self.state) {
            (true, _) => doubled(self.interval),
            (false, State::Proceeding) => self.timers.t2,
            (false, _) => self.timers.next_up_to_t2(self.interval),
        };
        // Counted from the due time, so that a late wake-up does not shift the whole series.
        self.resend_at = Some(due + self.interval);
        self.retransmissions += 1;
        Fired::Resend
    }

    pub(super) fn on_response(&mut self, now: RunTime, response: &Message<'_>, code: u16) -> Reaction {
        match (self.state, code) {
            (State::Waiting | State::Proceeding, ..200) => self.on_provisional(),
            (State::Waiting | State::Proceeding, _) => self.on_final(now, response, code),
            (State::Completed, 300..) if self.invite => self.repeat_ack(None),
            (State::Accepted, 200..300) => self.repeat_ack(response.to_tag()),
            _ => Reaction::default(),
        }
    }

    fn on_provisional(&mut self) -> Reaction {
        self.state = State::Proceeding;
        if self.invite {
            (self.resend_at, self.ends_at) = (None, None);
        }
        Reaction { pass: true, send: None }
    }

    fn on_final(&mut self, now: RunTime, response: &Message<'_>, code: u16) -> Reaction {
        self.resend_at = None;
        if self.invite && code < 300 {
            self.state = State::Accepted;
            self.ends_at = Some(now + self.timers.timeout());
            return Reaction { pass: true, send: None };
        }
        self.state = State::Completed;
        let linger = if self.invite { self.timers.timeout() } else { self.timers.t4 };
        self.ends_at = Some(if self.peer.is_reliable() { now } else { now + linger });
        let ack = self.invite.then(|| failure_ack(&self.request, response)).flatten();
        if let Some(octets) = &ack {
            self.keep_ack(response.to_tag().unwrap_or_default(), self.peer, octets.clone());
        }
        Reaction { pass: true, send: ack.map(|octets| (self.peer, octets)) }
    }

    /// A final response came again. A 2xx with a foreign tag is another fork: the user must see it.
    fn repeat_ack(&self, accepted_tag: Option<&str>) -> Reaction {
        match &self.ack {
            Some(ack) if accepted_tag.is_none_or(|tag| tag == ack.to_tag) => {
                Reaction { pass: false, send: Some((ack.peer, ack.octets.clone())) }
            }
            _ => Reaction { pass: accepted_tag.is_some(), send: None },
        }
    }
}

/// The ACK to a failure (§17.1.1.3): the request's own Via, the response's To.
fn failure_ack(request: &[u8], response: &Message<'_>) -> Option<Vec<u8>> {
    let request = Message::parse(request).ok()?;
    let draft = hop_request(rsip::Method::Ack, &request)?;
    Some(draft.raw("To", &response.header("To")?).to_bytes())
}

/// The CANCEL of a request (§9.1).
pub(super) fn cancel(request: &[u8]) -> Option<Vec<u8>> {
    let request = Message::parse(request).ok()?;
    let draft = hop_request(rsip::Method::Cancel, &request)?;
    Some(draft.raw("To", &request.header("To")?).to_bytes())
}

fn hop_request(method: rsip::Method, request: &Message<'_>) -> Option<Draft> {
    let draft = Draft::request(method, request.request_uri()?)
        .raw("Via", &request.header("Via")?)
        .max_forwards(70)
        .raw("From", &request.header("From")?)
        .call_id(request.call_id()?)
        .cseq(request.cseq()?.0);
    Some(request.all("Route").fold(draft, |draft, route| draft.raw("Route", &route)))
}
