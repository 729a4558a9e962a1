//! What the declared timers of a cluster engine make of an outage: laws that a measurement can be held against.
//!
//! VRRP (RFC 5798 section 6.1; version 2: RFC 3768): a backup takes the address when it has heard nothing for the
//! master-down interval, three adverts and its skew time. A crash comes at any phase of the adverts, so the outage
//! is no constant but uniform over one advert interval. A master that resigns sends an advert of priority 0, and
//! then only the skew time is waited.
//!
//! Corosync (corosync.conf(5); totemsrp.c): a node that has not seen the token for `token` asks who is left, waits
//! `consensus` for an answer of everybody, and goes on without those who gave none. An idle ring's token rests with one
//! node for its hold time, so that the last one before a crash was seen up to that time ago.
//!
//! Heartbeat (ha.cf(5); heartbeat.c): a node of which nothing was heard for `deadtime` is dead. It looks when it
//! is awake and its last look is 250 ms ago; alone it wakes to send its own messages, and every 500 ms.
//! The last message was sent up to one `keepalive` ago.

use serde::{Deserialize, Serialize};

use crate::units::Span;

/// Timers of VRRP as the adverts themselves declare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VrrpTimers {
    /// 2 or 3.
    pub version: u8,
    /// Advertisement interval.
    pub advert: Span,
    /// Priority of the node that takes over, 1 to 254: its skew time counts.
    pub priority: u8,
}

/// A law of the time from a fault to the takeover.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// Any value between two is as likely as any other.
    Uniform {
        /// The least, in milliseconds.
        low_ms: f64,
        /// The largest, in milliseconds.
        high_ms: f64,
    },
    /// The sum of two independent uniform times and a constant: two timers that know nothing of each other.
    Sum {
        /// The least, in milliseconds.
        low_ms: f64,
        /// Width of the first, in milliseconds.
        first_ms: f64,
        /// Width of the second, in milliseconds.
        second_ms: f64,
    },
    /// Always the same.
    Constant {
        /// The value, in milliseconds.
        ms: f64,
    },
}

/// keepalived without any settings of its own: VRRP version 2, one second, priority 100.
pub const DEFAULT_VRRP: VrrpTimers = VrrpTimers { version: 2, advert: Span::from_secs(1), priority: 100 };

impl VrrpTimers {
    /// What a backup waits beyond the adverts, so that the one with the highest priority is first. Version 3 scales
    /// it with the interval, version 2 does not.
    #[must_use]
    pub fn skew(self) -> Span {
        let unit = if self.version == 2 { Span::from_secs(1) } else { self.advert };
        Span(unit.as_nanos() / 256 * (256 - i64::from(self.priority)))
    }

    /// How long a backup hears nothing before it takes over.
    #[must_use]
    pub fn master_down(self) -> Span {
        Span(self.advert.as_nanos().saturating_mul(3)) + self.skew()
    }

    /// The law after a crash at a random phase of the adverts.
    #[must_use]
    pub fn crash(self) -> Law {
        let high = self.master_down();
        Law::Uniform { low_ms: (high - self.advert).as_millis_f64(), high_ms: high.as_millis_f64() }
    }

    /// The law after the master has resigned.
    #[must_use]
    pub fn resignation(self) -> Law {
        Law::Constant { ms: self.skew().as_millis_f64() }
    }
}

/// Timers of Corosync's ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotemTimers {
    /// Token timeout in force.
    pub token: Span,
    /// Consensus timeout.
    pub consensus: Span,
    /// How long an idle ring's token rests.
    pub hold: Span,
}

impl TotemTimers {
    /// How long a survivor hears nothing until the new membership stands.
    #[must_use]
    pub fn membership(self) -> Span {
        self.token + self.consensus
    }

    /// The law from a crash at a random phase of the token to the new membership.
    #[must_use]
    pub fn crash(self) -> Law {
        let high = self.membership();
        Law::Uniform { low_ms: (high - self.hold).as_millis_f64(), high_ms: high.as_millis_f64() }
    }
}

/// Heartbeat looks who has been silent for too long no sooner than this after its last look (heartbeat.c,
/// `POLL_INTERVAL`). It sets no timer for it: a look waits until something else wakes the process.
const LEAST_LOOK: Span = Span::from_millis(250);
/// What wakes it at the latest (heartbeat.c, `Gmain_update_msgfree_count`).
const MOST_ASLEEP: Span = Span::from_millis(500);

/// Timers of Heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatTimers {
    /// Interval of a node's messages.
    pub keepalive: Span,
    /// Silence that is a death.
    pub deadtime: Span,
}

impl HeartbeatTimers {
    /// The longest time from look to look of a node that hears nobody: until the first of its own messages which comes
    /// after 250 ms, and 500 ms at most.
    #[must_use]
    pub fn looks(self) -> Span {
        let keepalive = self.keepalive.as_nanos().max(1);
        let messages = (LEAST_LOOK.as_nanos() + keepalive - 1) / keepalive;
        Span(messages.saturating_mul(keepalive)).min(MOST_ASLEEP)
    }

    /// How long after the last message a survivor finds the node dead, on average.
    #[must_use]
    pub fn death(self) -> Span {
        self.deadtime + Span(self.looks().as_nanos() / 2)
    }

    /// The law from a crash at a random phase of the messages to the survivor's finding.
    #[must_use]
    pub fn crash(self) -> Law {
        Law::Sum {
            low_ms: (self.deadtime - self.keepalive).as_millis_f64(),
            first_ms: self.keepalive.as_millis_f64(),
            second_ms: self.looks().as_millis_f64(),
        }
    }
}

/// Distribution of the sum of two uniform times from 0 to `a` and from 0 to `b`.
fn sum_cdf(at: f64, a: f64, b: f64) -> f64 {
    let (a, b) = (a.min(b), a.max(b));
    let corner = |left: f64| left * left / (2.0 * a * b);
    if at <= 0.0 {
        0.0
    } else if at < a {
        corner(at)
    } else if at <= b {
        (at - a / 2.0) / b
    } else if at < a + b {
        1.0 - corner(a + b - at)
    } else {
        1.0
    }
}

impl Law {
    /// Probability of a value up to `ms`.
    #[must_use]
    pub fn cdf(self, ms: f64) -> f64 {
        match self {
            Law::Uniform { low_ms, high_ms } => ((ms - low_ms) / (high_ms - low_ms)).clamp(0.0, 1.0),
            Law::Sum { low_ms, first_ms, second_ms } => sum_cdf(ms - low_ms, first_ms, second_ms),
            Law::Constant { ms: only } => f64::from(u8::from(ms >= only)),
        }
    }

    /// Its least and its largest value, in milliseconds.
    #[must_use]
    pub fn bounds_ms(self) -> (f64, f64) {
        match self {
            Law::Uniform { low_ms, high_ms } => (low_ms, high_ms),
            Law::Sum { low_ms, first_ms, second_ms } => (low_ms, low_ms + first_ms + second_ms),
            Law::Constant { ms } => (ms, ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arithmetic of RFC 3768 section 5.3.2 with priority 100: (256 − 100) / 256 = 0.609375 s, and
    /// 3 · 1 s + 0.609375 s = 3.609375 s, of which the last advert was sent up to 1 s ago.
    #[test]
    fn the_default_timers_of_version_2() {
        assert_eq!(DEFAULT_VRRP.skew().as_millis_f64(), 609.375);
        assert_eq!(DEFAULT_VRRP.crash(), Law::Uniform { low_ms: 2609.375, high_ms: 3609.375 });
        assert_eq!(DEFAULT_VRRP.resignation(), Law::Constant { ms: 609.375 });
    }

    /// RFC 5798 section 6.1: the skew time is a share of the interval. At 100 ms and priority 100: 60.9375 ms.
    #[test]
    fn version_3_scales_the_skew_with_the_interval() {
        let timers = VrrpTimers { version: 3, advert: Span::from_millis(100), priority: 100 };
        assert_eq!(timers.crash(), Law::Uniform { low_ms: 260.9375, high_ms: 360.9375 });
        assert_eq!(timers.resignation(), Law::Constant { ms: 60.9375 });
        // A priority of 254 waits 2/256 of an interval.
        assert_eq!(VrrpTimers { priority: 254, ..timers }.skew(), Span(781_250));
    }

    /// Token 1650 ms, consensus 1980 ms, hold 303 ms as `corosync-cmapctl` showed them for a token of 1 s and three
    /// nodes: 1650 + 1980 = 3630 ms after the last token.
    #[test]
    fn a_lost_token_and_the_consensus_are_waited_from_the_last_token_on() {
        let ms = Span::from_millis;
        let timers = TotemTimers { token: ms(1650), consensus: ms(1980), hold: ms(303) };
        assert_eq!(timers.crash(), Law::Uniform { low_ms: 3327.0, high_ms: 3630.0 });
    }

    /// Two dice of 200 and 400 ms above 800 ms: half lies below the middle, 1100 ms; below 900 ms lies the corner
    /// 100² / (2 · 200 · 400) = 0.0625; below 1010 ms (210 − 100) / 400 = 0.275.
    #[test]
    fn a_death_is_found_at_the_next_look_after_the_dead_time() {
        let law = HeartbeatTimers { keepalive: Span::from_millis(200), deadtime: Span::from_secs(1) }.crash();
        assert_eq!(law.bounds_ms(), (800.0, 1400.0));
        let shares = [(800.0, 0.0), (900.0, 0.0625), (1010.0, 0.275), (1100.0, 0.5), (1300.0, 0.9375), (1400.0, 1.0)];
        for (ms, share) in shares {
            assert!((law.cdf(ms) - share).abs() < 1e-12, "{ms}: {}", law.cdf(ms));
        }
        for (keepalive, looks) in [(50, 250), (100, 300), (200, 400), (250, 250), (300, 300), (2000, 500)] {
            let timers = HeartbeatTimers { keepalive: Span::from_millis(keepalive), deadtime: Span::from_secs(30) };
            assert_eq!(timers.looks(), Span::from_millis(looks), "keepalive {keepalive} ms");
        }
    }

    #[test]
    fn a_law_says_how_likely_a_value_is() {
        let law = Law::Uniform { low_ms: 200.0, high_ms: 300.0 };
        assert_eq!([law.cdf(100.0), law.cdf(250.0), law.cdf(400.0)], [0.0, 0.5, 1.0]);
        assert_eq!(law.bounds_ms(), (200.0, 300.0));
        assert_eq!(Law::Constant { ms: 5.0 }.cdf(5.0), 1.0);
    }
}
