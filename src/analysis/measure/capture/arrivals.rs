//! The arrivals of one logical stream in little room: they are spread out while they are worked on, and only then.

use super::packed::{Packed, Row, Run};
use super::plain::Plain;
use crate::analysis::measure::track::{Arrival, Train};
use crate::units::{RunTime, Span};

/// Bits of the kind; the segment is above them.
const PAUSE: u64 = 1;
const ON_MEDIA_CLOCK: u64 = 2;
const SEGMENT: u32 = 2;

/// The packets of a stream in order of arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    rows: Rows,
    first: Option<RunTime>,
    last: Option<RunTime>,
    /// Above all segments.
    segments: u32,
}

#[derive(Clone, Debug)]
enum Rows {
    Packed(Packed),
    /// As they were captured: what else there is to know of them is worked out each time.
    Plain(Box<Plain>),
}

impl Default for Rows {
    fn default() -> Rows {
        Rows::Packed(Packed::default())
    }
}

impl FromIterator<Arrival> for Arrivals {
    fn from_iter<T: IntoIterator<Item = Arrival>>(arrivals: T) -> Arrivals {
        let mut packed = Arrivals::default();
        packed.extend(arrivals);
        packed
    }
}

impl From<Plain> for Arrivals {
    fn from(plain: Plain) -> Arrivals {
        let (first, last) = plain.ends();
        Arrivals { rows: Rows::Plain(Box::new(plain)), first: Some(first), last: Some(last), segments: 1 }
    }
}

impl Arrivals {
    fn extend(&mut self, arrivals: impl IntoIterator<Item = Arrival>) {
        if let Rows::Plain(_) = self.rows {
            *self = self.unpack().into_iter().collect();
        }
        let Rows::Packed(rows) = &mut self.rows else { return };
        for arrival in arrivals {
            self.first.get_or_insert(arrival.at);
            self.last = Some(arrival.at);
            self.segments = self.segments.max(arrival.segment.saturating_add(1));
            rows.push(row(&arrival));
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match &self.rows {
            Rows::Packed(rows) => rows.len(),
            Rows::Plain(plain) => plain.len(),
        }
    }

    /// When the first one came.
    pub(super) fn first(&self) -> Option<RunTime> {
        self.first
    }

    /// When the last one came.
    pub(super) fn last(&self) -> Option<RunTime> {
        self.last
    }

    /// All of them, in trains.
    pub(super) fn trains(&self) -> Vec<Train<'_>> {
        match &self.rows {
            Rows::Plain(plain) => plain.trains(),
            Rows::Packed(rows) => rows.runs().map(|run| train(&run)).collect(),
        }
    }

    /// All of them, spread out.
    pub(super) fn unpack(&self) -> Vec<Arrival> {
        let mut arrivals = Vec::with_capacity(self.len());
        self.trains().iter().for_each(|train| arrivals.extend(train.arrivals()));
        arrivals
    }

    /// Goes on with those of another stream, in numberings of their own.
    pub(super) fn append(&mut self, next: &Arrivals) {
        let segments = self.segments;
        let shifted = |a: Arrival| Arrival { segment: a.segment.saturating_add(segments), ..a };
        self.extend(next.unpack().into_iter().map(shifted));
    }

    /// Changes what the arrivals are.
    pub(super) fn change(&mut self, how: impl FnOnce(&mut Vec<Arrival>)) {
        let mut arrivals = self.unpack();
        how(&mut arrivals);
        *self = arrivals.into_iter().collect();
    }
}

fn row(arrival: &Arrival) -> Row {
    let on_media_clock = if arrival.media.is_some() { ON_MEDIA_CLOCK } else { 0 };
    let pause = if arrival.pause { PAUSE } else { 0 };
    Row {
        at: arrival.at.as_nanos(),
        number: arrival.index,
        clock: arrival.media.unwrap_or_default().as_nanos(),
        kind: u64::from(arrival.segment) << SEGMENT | on_media_clock | pause,
    }
}

fn train<'a>(run: &Run<'a>) -> Train<'a> {
    Train { first: arrival(&run.first), step: Span(run.step), since: run.since, last_at: RunTime(run.last.at) }
}

fn arrival(row: &Row) -> Arrival {
    Arrival {
        at: RunTime(row.at),
        segment: (row.kind >> SEGMENT) as u32,
        index: row.number,
        media: (row.kind & ON_MEDIA_CLOCK != 0).then_some(Span(row.clock)),
        pause: row.kind & PAUSE != 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::measure::silence::{self, Due, Rule};
    use crate::analysis::measure::track;

    /// Mostly the next packet 20 ms later; some are missing, late, twice, in a new numbering, without a media clock,
    /// followed by a pause, or not in order of time.
    fn next(before: &Arrival, (kind, much): (u8, i64)) -> Arrival {
        let mut next = Arrival { pause: false, ..*before };
        let (mut packets, mut passed) = (1, 20 + much % 3);
        match kind {
            0 => (packets, passed) = (1 + much % 90, 20 * (1 + much % 90)),
            1 => packets = -(much % 5),
            2 => (next.segment, next.index) = (before.segment + 1, much),
            3 => next.media = next.media.xor(Some(Span::ZERO)),
            4 => next.pause = true,
            5 => passed = 40 * much,
            6 => passed = -much,
            _ => {}
        }
        next.index += packets;
        next.media = next.media.map(|media| media + Span::from_millis(20 * packets));
        next.at += Span::from_millis(passed);
        next
    }

    proptest! {
        #[test]
        fn trains_measure_like_their_packets_one_by_one(
            turns in prop::collection::vec((0u8..120, 0i64..400), 0..300),
            (start_ms, end_ms, threshold_ms) in (0i64..3000, 0i64..9000, 10i64..200),
        ) {
            let mut packet = Arrival { at: RunTime::ZERO, segment: 0, index: 0, media: Some(Span::ZERO), pause: false };
            let packets: Vec<Arrival> = turns.into_iter().map(|turn| { packet = next(&packet, turn); packet }).collect();
            let packed: Arrivals = packets.iter().copied().collect();
            let figures = |trains: &[Train<'_>]| {
                let firsts = track::firsts(trains);
                let (start, end) = (Some(RunTime::from_millis(start_ms)), Some(RunTime::from_millis(end_ms)));
                let threshold = Span::from_millis(threshold_ms);
                let rule = Rule { interval: Span::from_millis(20), threshold, validate: Span::from_secs(1) };
                let list = |trains: &[Train<'_>]| track::arrivals(trains).collect::<Vec<Arrival>>();
                let silences = |start, end| silence::silences(&firsts, rule, Due { start, end, cut: true });
                (
                    (list(trains), list(&firsts), list(&track::within(&firsts, start, end))),
                    (track::counts_and_spans(trains, &firsts), track::jitter(&firsts, threshold)),
                    (track::largest_distance(&firsts), track::distances(&firsts).collect::<Vec<Span>>()),
                    (silences(None, None), silences(start, end)),
                )
            };
            prop_assert_eq!(figures(&packed.trains()), figures(&track::singles(&packets)));
        }

        #[test]
        fn what_went_in_comes_out(
            arrivals in prop::collection::vec(
                (any::<i64>(), prop_oneof![0u32..3, any::<u32>()], any::<i64>(), any::<Option<i64>>(), any::<bool>()),
                0..20,
            )
        ) {
            let arrivals: Vec<Arrival> = arrivals.into_iter().map(|(at, segment, index, media, pause)| {
                Arrival { at: RunTime(at), segment, index, media: media.map(Span), pause }
            }).collect();
            let packed: Arrivals = arrivals.iter().copied().collect();
            prop_assert_eq!(packed.unpack(), arrivals.clone());
            let ends = (arrivals.first().map(|first| first.at), arrivals.last().map(|last| last.at));
            prop_assert_eq!((packed.first(), packed.last()), ends);
        }
    }
}
