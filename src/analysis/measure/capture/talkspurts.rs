//! Pauses that the sender means: comfort noise (RFC 3389), or a new talkspurt (RFC 3551 §4.1).
//!
//! A pause is meant when no number is missing, the media's clock ran on with the wall's, and the sender says so:
//! the packet before is comfort noise, or the packet after has the marker. It is no outage, no jitter and no loss,
//! and what follows is numbered anew so that a de-jitter buffer starts again with it.

use crate::analysis::measure::model::Caveat;
use crate::analysis::measure::track::Arrival;
use crate::units::Span;

/// Shorter pauses need no excuse: they are no outage anyway.
pub(super) const LEAST: Span = Span::from_millis(100);

/// The media's clock and the wall's may differ by this share of a pause, but at least by [`LEAST`].
const AGREEMENT: i64 = 10;

/// Pauses of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pauses {
    /// How many.
    pub(super) count: u64,
    /// Those that only a marker tells.
    pub(super) by_marker: u64,
    /// The longest.
    pub(super) longest: Option<Span>,
}

impl Pauses {
    /// Those of two streams that are one.
    pub(super) fn and(self, other: Pauses) -> Pauses {
        Pauses {
            count: self.count + other.count,
            by_marker: self.by_marker + other.by_marker,
            longest: self.longest.max(other.longest),
        }
    }
}

/// Finds the pauses and renumbers what follows them. `markers` are the marker bits of the arrivals.
pub(super) fn mark(arrivals: &mut [Arrival], markers: &[bool]) -> Pauses {
    let mut pauses = Pauses::default();
    let mut added = 0;
    for place in 1..arrivals.len() {
        let (before, after) = (arrivals[place - 1], arrivals[place]);
        let numbered_on = before.segment == after.segment + added && after.index == before.index + 1;
        let said = before.pause || markers.get(place).copied().unwrap_or(false);
        if numbered_on && said && is_pause(&before, &after) {
            pauses.count += 1;
            pauses.by_marker += u64::from(!before.pause);
            pauses.longest = pauses.longest.max(Some(after.at - before.at));
            arrivals[place - 1].pause = true;
            added += 1;
        }
        arrivals[place].segment += added;
    }
    pauses
}

/// A sender that froze and went on looks like one that was silent on purpose, where only a marker tells.
pub(super) fn caveat<'a>(pauses: impl Iterator<Item = &'a Pauses>) -> Option<Caveat> {
    let all = pauses.filter(|pauses| pauses.by_marker > 0).copied().reduce(Pauses::and)?;
    let longest = all.longest.unwrap_or_default();
    Some(Caveat {
        text: format!(
            "pauses ({}, the longest {longest}) without a missing number that end with a marker are taken for silence \
             suppression (RFC 3551 §4.1); a sender that froze looks the same",
            all.by_marker
        ),
        remedy: "switch silence suppression off, or compare with what the sender was given".to_owned(),
        voids: false,
    })
}

fn is_pause(before: &Arrival, after: &Arrival) -> bool {
    let elapsed = after.at - before.at;
    if elapsed <= LEAST {
        return false;
    }
    // Comfort noise has no media instant of its own; where the clock rate is unknown nothing has.
    let Some((from, to)) = before.media.zip(after.media) else { return true };
    let off = ((to - from) - elapsed).as_nanos().abs();
    off <= LEAST.as_nanos().max(elapsed.as_nanos() / AGREEMENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::RunTime;

    fn arrival(at_ms: i64, index: i64, media_ms: i64) -> Arrival {
        let media = Some(Span::from_millis(media_ms));
        Arrival { at: RunTime::from_millis(at_ms), segment: 0, index, media, pause: false }
    }

    #[test]
    fn a_talkspurt_needs_its_marker_a_whole_numbering_and_a_clock_that_ran_on() {
        let meant = [arrival(0, 0, 0), arrival(20, 1, 20), arrival(1020, 2, 1020), arrival(1040, 3, 1040)];
        let marker = [false, false, true, false];
        let mut track = meant;
        let pauses = mark(&mut track, &marker);
        assert_eq!(pauses, Pauses { count: 1, by_marker: 1, longest: Some(Span::from_secs(1)) });
        assert_eq!(
            track.map(|arrival| (arrival.segment, arrival.pause)),
            [(0, false), (0, true), (1, false), (1, false)]
        );

        let unmarked = mark(&mut meant.clone(), &[false; 4]);
        let mut missing = meant;
        missing[2].index = 3;
        missing[3].index = 4;
        let mut stalled = meant;
        stalled[2].media = Some(Span::from_millis(40));
        for pauses in [unmarked, mark(&mut missing, &marker), mark(&mut stalled, &marker)] {
            assert_eq!(pauses, Pauses::default());
        }
    }
}
