//! How losses cluster, from the fate of every expected packet in sequence order.
//!
//! Three views of the same slots: loss runs with the Gilbert model and the burst ratio ([`Runs`]), bursts and
//! gaps slot by slot ([`Stretches`]), and the counters that RTCP XR reports ([`rfc3611`]). A stream that
//! stops and never resumes ends in a loss run only if the *expected* slots go on to the end of the call:
//! then [`Runs::terminal_run`] shows it, while RFC 3611 has no counter for it.

pub mod rfc3611;
mod runs;
mod stretches;

use serde::Serialize;

pub use runs::{Gilbert, Runs};
pub use stretches::{Burst, Stretches};

/// Received packets that separate two bursts (RFC 3611 §4.7.2 recommends 16).
pub const GMIN: u64 = 16;

/// The fate of one expected packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// Played out.
    Received,
    /// Never arrived.
    Lost,
    /// Arrived, but too late (or too early) for the de-jitter buffer.
    Discarded,
}

impl Slot {
    /// Whether the listener missed it.
    #[must_use]
    pub const fn is_missing(self) -> bool {
        !matches!(self, Slot::Received)
    }
}

#[cfg(test)]
pub(crate) fn slots(runs: &[(Slot, usize)]) -> Vec<Slot> {
    runs.iter().flat_map(|(slot, n)| std::iter::repeat_n(*slot, *n)).collect()
}

/// The patterns of the golden tables.
#[cfg(test)]
pub(crate) mod patterns {
    use super::Slot::{self, Lost as L, Received as R};
    use super::slots;

    pub fn no_loss() -> Vec<Slot> {
        slots(&[(R, 1000)])
    }

    pub fn isolated() -> Vec<Slot> {
        slots(&[(R, 49), (L, 1)]).repeat(20)
    }

    pub fn outage() -> Vec<Slot> {
        slots(&[(R, 1000), (L, 85), (R, 1915)])
    }

    pub fn alternating() -> Vec<Slot> {
        [slots(&[(R, 100)]), slots(&[(L, 1), (R, 1)]).repeat(4), slots(&[(R, 100), (L, 1), (R, 100)])].concat()
    }

    pub fn two_bursts() -> Vec<Slot> {
        slots(&[(R, 200), (L, 5), (R, 20), (L, 3), (R, 200)])
    }

    pub fn terminal() -> Vec<Slot> {
        slots(&[(R, 1000), (L, 85)])
    }
}
