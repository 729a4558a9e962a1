//! The arrivals of one logical stream in little room: they are spread out while they are worked on, and only then.

use super::packed::{Packed, Row};
use crate::analysis::measure::track::Arrival;
use crate::units::{RunTime, Span};

/// Bits of the kind; the segment is above them.
const PAUSE: u64 = 1;
const ON_MEDIA_CLOCK: u64 = 2;
const SEGMENT: u32 = 2;

/// The packets of a stream in order of arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    rows: Packed,
    first: Option<RunTime>,
    last: Option<RunTime>,
    /// Above all segments.
    segments: u32,
}

impl FromIterator<Arrival> for Arrivals {
    fn from_iter<T: IntoIterator<Item = Arrival>>(arrivals: T) -> Arrivals {
        let mut packed = Arrivals::default();
        arrivals.into_iter().for_each(|arrival| packed.push(&arrival));
        packed
    }
}

impl Arrivals {
    #[inline]
    fn push(&mut self, arrival: &Arrival) {
        self.first.get_or_insert(arrival.at);
        self.last = Some(arrival.at);
        self.segments = self.segments.max(arrival.segment.saturating_add(1));
        let on_media_clock = if arrival.media.is_some() { ON_MEDIA_CLOCK } else { 0 };
        let pause = if arrival.pause { PAUSE } else { 0 };
        self.rows.push(Row {
            at: arrival.at.as_nanos(),
            number: arrival.index,
            clock: arrival.media.unwrap_or_default().as_nanos(),
            kind: u64::from(arrival.segment) << SEGMENT | on_media_clock | pause,
        });
    }

    /// Adds an arrival and those `since` nanoseconds after each other that are next in every respect but their time,
    /// with `step` from one to the next on the media's clock.
    pub(super) fn push_run(&mut self, first: &Arrival, step: Span, since: &[u32]) {
        self.push(first);
        if let Some((second, rest)) = since.split_first() {
            let at = first.at + Span(i64::from(*second));
            let (index, media) = (first.index + 1, first.media.map(|media| media + step));
            let second = Arrival { at, index, media, ..*first };
            self.push(&second);
            self.rows.push_next(rest);
            self.last = Some(at + Span(rest.iter().map(|since| i64::from(*since)).sum()));
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

    /// All of them, spread out.
    pub(super) fn unpack(&self) -> Vec<Arrival> {
        let mut arrivals = Vec::with_capacity(self.rows.len());
        self.rows.each(|row| {
            arrivals.push(Arrival {
                at: RunTime(row.at),
                segment: (row.kind >> SEGMENT) as u32,
                index: row.number,
                media: (row.kind & ON_MEDIA_CLOCK != 0).then_some(Span(row.clock)),
                pause: row.kind & PAUSE != 0,
            });
        });
        arrivals
    }

    /// Goes on with those of another stream, in numberings of their own.
    pub(super) fn append(&mut self, next: &Arrivals) {
        let segments = self.segments;
        let shifted = |a: &Arrival| Arrival { segment: a.segment.saturating_add(segments), ..*a };
        next.unpack().iter().for_each(|arrival| self.push(&shifted(arrival)));
    }

    /// Changes what the arrivals are.
    pub(super) fn change(&mut self, how: impl FnOnce(&mut Vec<Arrival>)) {
        let mut arrivals = self.unpack();
        how(&mut arrivals);
        *self = arrivals.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
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
