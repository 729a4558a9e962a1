//! Quantities that every layer shares: run time, spans and ratios.
//!
//! There is one time axis in a run, [`RunTime`]: history, captures and faults are all on it. Wall-clock
//! time appears only where a run is labelled and where a capture file wants Unix time.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant: signed nanoseconds since the run's epoch (the start of the trial's clock).
///
/// In a foreign capture the epoch is the Unix epoch, so that the same code measures both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunTime(pub i64);

/// A signed distance between two instants, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub i64);

impl RunTime {
    /// The epoch itself.
    pub const ZERO: RunTime = RunTime(0);

    /// Seconds since the epoch, for axes and messages.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The instant `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> RunTime {
        RunTime(millis * 1_000_000)
    }

    /// The instant `secs` seconds after the epoch, rounded to the nanosecond.
    #[must_use]
    pub fn from_secs_f64(secs: f64) -> RunTime {
        RunTime((secs * 1e9).round() as i64)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// A span of whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Span {
        Span(millis * 1_000_000)
    }

    /// A span of whole seconds.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Span {
        Span(secs * 1_000_000_000)
    }

    /// A span of seconds, rounded to the nanosecond.
    #[must_use]
    pub fn from_secs_f64(secs: f64) -> Span {
        Span((secs * 1e9).round() as i64)
    }

    /// Milliseconds, with fraction.
    #[must_use]
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Seconds, with fraction.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The same span for the standard library; a negative span becomes zero.
    #[must_use]
    pub fn to_duration(self) -> Duration {
        Duration::from_nanos(self.0.max(0).unsigned_abs())
    }
}

impl From<Duration> for Span {
    /// Saturates at 292 years.
    fn from(duration: Duration) -> Span {
        Span(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl Sub for RunTime {
    type Output = Span;
    fn sub(self, earlier: RunTime) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for RunTime {
    type Output = RunTime;
    fn add(self, span: Span) -> RunTime {
        RunTime(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for RunTime {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub<Span> for RunTime {
    type Output = RunTime;
    fn sub(self, span: Span) -> RunTime {
        RunTime(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Neg for Span {
    type Output = Span;
    fn neg(self) -> Span {
        Span(self.0.saturating_neg())
    }
}

impl fmt::Display for RunTime {
    /// Seconds with milliseconds: `10.213 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.as_secs_f64())
    }
}

impl fmt::Display for Span {
    /// Milliseconds below one second, seconds above: `701 ms`, `1.62 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.as_millis_f64();
        if millis.abs() < 10.0 {
            write!(f, "{millis:.1} ms")
        } else if millis.abs() < 1000.0 {
            write!(f, "{millis:.0} ms")
        } else {
            write!(f, "{:.2} s", millis / 1000.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_print_in_the_unit_that_reads_best() {
        assert_eq!(Span(300_000).to_string(), "0.3 ms");
        assert_eq!(Span::from_millis(701).to_string(), "701 ms");
        assert_eq!(Span::from_millis(1622).to_string(), "1.62 s");
    }

    #[test]
    fn instants_and_spans_add_up() {
        let fault = RunTime::from_millis(10_000);
        assert_eq!((fault + Span::from_millis(700)) - fault, Span::from_millis(700));
        assert_eq!(Span::from(Duration::from_millis(20)).as_nanos(), 20_000_000);
    }
}
