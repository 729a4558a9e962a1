//! How a phone stays registered and what it does when a server does not answer, as values.

use std::net::SocketAddr;

use crate::units::Span;

/// One server that a phone may use: what a DNS SRV record says (RFC 2782), resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its address.
    pub address: SocketAddr,
    /// Lower ones are tried first.
    pub priority: u16,
    /// Share of the requests among those of one priority.
    pub weight: u16,
}

/// In which order a phone tries its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// By priority, drawn by weight within one (RFC 2782), anew for each request.
    Srv,
    /// As listed.
    Listed,
    /// The first one alone; the others are never tried.
    First,
}

/// What a phone does when a target does not answer, or answers 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// The request has failed.
    GiveUp,
    /// The same request goes to the next target in a new transaction (RFC 3263 §4.3).
    NextTarget,
}

/// Reactions of one kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reactions {
    /// To no final response in time, and to a transport error.
    pub timeout: Reaction,
    /// To 503.
    pub unavailable: Reaction,
}

/// When a failed registration is tried again: `min(max, base · growth^failures)`, drawn from its `shortest` share
/// up to all of it, and moved by up to `plus_minus`, but never below nothing. With growth 2 and shortest 0.5 it is RFC 5626 §4.5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// Wait after the first failure, where it differs.
    pub first: Option<Span>,
    /// Base time when no flow is left.
    pub base: Span,
    /// Base time when another flow still stands.
    pub base_with_flow: Span,
    /// Longest wait.
    pub max: Span,
    /// Factor for each failure in a row; 1 for a constant wait.
    pub growth: f64,
    /// Smallest share of the wait, 0 to 1.
    pub shortest: f64,
    /// Random part on both sides.
    pub plus_minus: Span,
}

/// What a phone sends to see whether its server is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// Double CRLF (RFC 5626 §4.4.1). Over UDP nobody answers it.
    CrLf,
    /// OPTIONS in a transaction.
    Options,
}

/// The keepalive of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// What is sent.
    pub ping: Ping,
    /// How often.
    pub interval: Span,
    /// A flow on which nothing came back by then has failed and is registered anew; absent: nobody waits for an
    /// answer.
    pub answer_within: Option<Span>,
}

/// A phone's behaviour.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// Servers, in the order of the list.
    pub targets: Vec<Target>,
    /// How they are chosen.
    pub selection: Selection,
    /// Whether a target that worked is kept to; otherwise each request begins with the best one again.
    pub keeps_target: bool,
    /// Registrations at once, each to a target of its own with its `reg-id` (RFC 5626); 0: a plain registration.
    pub flows: u32,
    /// Lifetime that is asked for, in seconds.
    pub expires_s: u32,
    /// Share of the granted lifetime after which the phone registers again …
    pub refresh_share: f64,
    /// … and so much before that.
    pub refresh_before: Span,
    /// After a failed registration.
    pub retry: Retry,
    /// Of REGISTER.
    pub register: Reactions,
    /// Of INVITE.
    pub call: Reactions,
    /// Whether a call that one server answers with 404 goes to the next one: the instrument's, which looks for a phone
    /// wherever it is registered.
    pub seeks: bool,
    /// Whether Retry-After of a 503 is waited for, and its server left alone until then.
    pub honours_retry_after: bool,
    /// Whether it asks if its server is there.
    pub keepalive: Option<Keepalive>,
    /// As a phone that has been up for long: the first refresh and the first ping fall anywhere in their interval.
    pub long_up: bool,
}

impl Behaviour {
    /// How long after a success with this granted lifetime the phone registers again. Where that would be at once,
    /// half of the lifetime.
    pub(super) fn refresh_after(&self, granted: Span) -> Span {
        let wanted = Span((granted.as_nanos() as f64 * self.refresh_share) as i64) - self.refresh_before;
        if wanted > Span::ZERO { wanted } else { Span(granted.as_nanos() / 2) }
    }
}

impl Retry {
    /// How long to wait after so many failures in a row; `draw` and `shift` are drawn evenly from 0 to 1.
    pub(super) fn wait(&self, failures: u32, other_flow: bool, draw: f64, shift: f64) -> Span {
        let base = if other_flow { self.base_with_flow } else { self.base };
        let steps = f64::from(failures.min(64));
        let grown = (base.as_nanos() as f64 * self.growth.powf(steps)).min(self.max.as_nanos() as f64);
        let full = match self.first.filter(|_| failures <= 1) {
            Some(first) => first.as_nanos() as f64,
            None => grown * (self.shortest + (1.0 - self.shortest) * draw),
        };
        let around = self.plus_minus.as_nanos() as f64;
        let least = (full - around).max(0.0);
        Span((least + (full + around - least) * shift) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTBOUND: Retry = Retry {
        first: None,
        base: Span::from_secs(30),
        base_with_flow: Span::from_secs(90),
        max: Span::from_secs(1800),
        growth: 2.0,
        shortest: 0.5,
        plus_minus: Span::ZERO,
    };

    /// RFC 5626, table of appendix A: 1 failure 30–60 s (90–180 s with another flow), 2 60–120 (180–360),
    /// 3 120–240 (360–720), 4 240–480 (720–1440), 5 480–960 (900–1800), 6 and more 900–1800 (900–1800).
    #[test]
    fn the_wait_is_the_table_of_rfc_5626() {
        let alone = [(30, 60), (60, 120), (120, 240), (240, 480), (480, 960), (900, 1800), (900, 1800)];
        let other = [(90, 180), (180, 360), (360, 720), (720, 1440), (900, 1800), (900, 1800), (900, 1800)];
        for (failures, (alone, other)) in (1u32..).zip(alone.into_iter().zip(other)) {
            let ends = |flow| [0.0, 1.0].map(|draw| OUTBOUND.wait(failures, flow, draw, 0.5).as_secs_f64());
            assert_eq!(ends(false), [f64::from(alone.0), f64::from(alone.1)], "{failures}");
            assert_eq!(ends(true), [f64::from(other.0), f64::from(other.1)], "{failures}");
        }
    }

    #[test]
    fn a_constant_wait_may_begin_at_once_and_is_moved_a_little() {
        let (first, plus_minus) = (Some(Span::ZERO), Span::from_secs(10));
        let (base, growth, shortest) = (Span::from_secs(300), 1.0, 1.0);
        let pjsua = Retry { first, plus_minus, base, growth, shortest, ..OUTBOUND };
        assert_eq!(pjsua.wait(1, false, 0.3, 0.5), Span::from_secs(5));
        assert_eq!(pjsua.wait(1, false, 0.3, 0.0), Span::ZERO);
        assert_eq!(pjsua.wait(2, false, 0.3, 0.0), Span::from_secs(290));
        assert_eq!(pjsua.wait(9, false, 0.3, 1.0), Span::from_secs(310));
    }
}
