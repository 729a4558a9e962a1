//! From the stamps of capture files to run time.

use crate::analysis::measure::model::Caveat;
use crate::evidence::history::{Event, What};
use crate::units::{RunTime, Span};

/// A wall clock that moves by more than this between two samples was stepped.
const STEP: Span = Span::from_millis(1);
/// What reading the two clocks one after the other may cost.
const READING: Span = Span(10_000);
/// The kernel slews its clock by at most this much (adjtime: 500 ppm).
const MOST_SLEW: f64 = 500e-6;

/// The map between Unix time and run time, sampled through the trial.
#[derive(Clone, Debug)]
pub(super) struct ClockMap {
    /// Run time and how far the wall clock had moved against it since the first sample.
    drift: Vec<(RunTime, Span)>,
    epoch_unix_ns: i64,
}

impl ClockMap {
    /// From the history; `None` when it has no sample.
    ///
    /// The two clocks are read one after the other, and the reader may be held up in between: one sample that
    /// differs from both its neighbours is such a hold-up (a step of the clock stays), so each sample is
    /// replaced by the median of itself and its neighbours.
    pub(super) fn of(events: &[Event]) -> Option<ClockMap> {
        let samples: Vec<(RunTime, i64)> = events
            .iter()
            .filter_map(|event| match event.what {
                What::Clock { wall_unix_ns } => Some((event.t_ns, wall_unix_ns.saturating_sub(event.t_ns.as_nanos()))),
                _ => None,
            })
            .collect();
        let epochs: Vec<i64> = (0..samples.len()).map(|place| median_around(&samples, place)).collect();
        let epoch_unix_ns = *epochs.first()?;
        let moved = epochs.iter().map(|epoch| Span(epoch.saturating_sub(epoch_unix_ns)));
        Some(ClockMap { drift: samples.iter().map(|(at, _)| *at).zip(moved).collect(), epoch_unix_ns })
    }

    /// The run time of a stamp that was made on the run clock and written as Unix time (what we sent).
    pub(super) fn written(&self, unix_ns: i64) -> RunTime {
        RunTime(unix_ns.saturating_sub(self.epoch_unix_ns))
    }

    /// The run time of a stamp of the kernel's wall clock (what was received or captured).
    pub(super) fn stamped(&self, unix_ns: i64) -> RunTime {
        let raw = self.written(unix_ns);
        raw - self.drift_at(raw)
    }

    fn drift_at(&self, at: RunTime) -> Span {
        let next = self.drift.partition_point(|(sample, _)| *sample <= at);
        let Some((before, start)) = next.checked_sub(1).and_then(|place| self.drift.get(place)) else {
            return Span::ZERO;
        };
        let Some((after, end)) = self.drift.get(next) else { return *start };
        let share = (at - *before).as_secs_f64() / (*after - *before).as_secs_f64();
        Span(start.as_nanos() + ((*end - *start).as_nanos() as f64 * share).round() as i64)
    }

    /// How far a difference of a received and a sent stamp may be wrong: what the wall clock moved between
    /// two samples, or could have moved where nobody looked.
    pub(super) fn error(&self, end: RunTime) -> Span {
        let sampled = self.moves().map(|(_, moved)| moved).max().unwrap_or_default();
        let unsampled = self.drift.last().map_or(Span::ZERO, |(last, _)| end - *last).max(Span::ZERO);
        sampled + Span((unsampled.as_nanos() as f64 * MOST_SLEW) as i64) + READING
    }

    /// One for each step of the wall clock.
    pub(super) fn caveats(&self) -> Vec<Caveat> {
        let steps = self.moves().filter(|(_, moved)| *moved > STEP);
        steps
            .map(|(at, moved)| Caveat {
                text: format!("the wall clock stepped by {moved} before {at}: delays around it are off by as much"),
                remedy: "stop time synchronization for the run, or let it slew".to_owned(),
                voids: false,
            })
            .collect()
    }

    fn moves(&self) -> impl Iterator<Item = (RunTime, Span)> {
        self.drift.windows(2).map(|pair| (pair[1].0, Span((pair[1].1 - pair[0].1).as_nanos().saturating_abs())))
    }
}

/// The middle one of a sample and its neighbours; at the edges, of the three nearest.
fn median_around(samples: &[(RunTime, i64)], place: usize) -> i64 {
    let start = place.saturating_sub(1).min(samples.len().saturating_sub(3));
    let mut near: Vec<i64> = samples.iter().skip(start).take(3).map(|(_, epoch)| *epoch).collect();
    near.sort_unstable();
    // Of two, the smaller: a hold-up only ever adds.
    near.get((near.len().saturating_sub(1)) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(samples: &[(i64, i64)]) -> ClockMap {
        let events: Vec<Event> = samples
            .iter()
            .map(|(at, wall)| Event { t_ns: RunTime(*at), what: What::Clock { wall_unix_ns: *wall } })
            .collect();
        ClockMap::of(&events).unwrap()
    }

    #[test]
    fn a_drift_is_taken_out_of_what_the_kernel_stamped() {
        // The wall clock gains 1 ms in 10 s: 500.05 µs at 5.0005 s.
        let map = map(&[(0, 1_000), (0, 1_000), (10_000_000_000, 10_001_001_000), (10_000_000_000, 10_001_001_000)]);
        assert_eq!(map.written(6_000), RunTime(5_000));
        assert_eq!(map.stamped(5_000_501_000), RunTime(4_999_999_950));
        assert_eq!(map.error(RunTime(10_000_000_000)), Span(1_010_000));
        assert!(map.caveats().is_empty());
    }

    #[test]
    fn a_step_is_told_and_a_held_up_reading_is_not() {
        let seconds = |late: [i64; 5]| {
            let samples =
                late.iter().zip(0..).map(|(late, k)| (k * 1_000_000_000, k * 1_000_000_000 + late * 1_000_000));
            map(&samples.collect::<Vec<_>>()).caveats().len()
        };
        assert_eq!((seconds([0, 0, 0, 5, 5]), seconds([0, 0, 5, 0, 0]), seconds([5, 0, 0, 0, 0])), (1, 0, 0));
    }

    #[test]
    fn where_nobody_looked_the_clock_may_have_slewed() {
        // 2 s at 500 ppm are 1 ms.
        assert_eq!(map(&[(0, 0)]).error(RunTime(2_000_000_000)), Span(1_010_000));
    }
}
