//! What the declared timers of a cluster engine make of an outage: laws that a measurement can be held against.
//!
//! VRRP (RFC 5798 section 6.1; version 2: RFC 3768): a backup takes the address when it has heard nothing for the
//! master-down interval, three adverts and its skew time. A crash comes at any phase of the adverts, so the outage
//! is no constant but uniform over one advert interval. A master that resigns sends an advert of priority 0, and
//! then only the skew time is waited.

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

impl Law {
    /// Probability of a value up to `ms`.
    #[must_use]
    pub fn cdf(self, ms: f64) -> f64 {
        match self {
            Law::Uniform { low_ms, high_ms } => ((ms - low_ms) / (high_ms - low_ms)).clamp(0.0, 1.0),
            Law::Constant { ms: only } => f64::from(u8::from(ms >= only)),
        }
    }

    /// Its least and its largest value, in milliseconds.
    #[must_use]
    pub fn bounds_ms(self) -> (f64, f64) {
        match self {
            Law::Uniform { low_ms, high_ms } => (low_ms, high_ms),
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

    #[test]
    fn a_law_says_how_likely_a_value_is() {
        let law = Law::Uniform { low_ms: 200.0, high_ms: 300.0 };
        assert_eq!([law.cdf(100.0), law.cdf(250.0), law.cdf(400.0)], [0.0, 0.5, 1.0]);
        assert_eq!(law.bounds_ms(), (200.0, 300.0));
        assert_eq!(Law::Constant { ms: 5.0 }.cdf(5.0), 1.0);
    }
}
