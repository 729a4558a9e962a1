//! A track: the packets of one stream as they arrived, and what can be counted from them.
//!
//! It is given as packet trains, so that what holds for a whole train need not be found out packet by packet.

mod firsts;
mod train;

use std::collections::BTreeMap;

use crate::units::{RunTime, Span};
pub use firsts::firsts;
pub use train::{Train, arrivals, packets, singles, within};

/// One received packet of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it arrived.
    pub at: RunTime,
    /// Counts restarts of the numbering: a new SSRC, or a sequence number that jumped (RFC 3550 A.1).
    pub segment: u32,
    /// Its number in the segment: the extended sequence number, or the index in our own signature.
    pub index: i64,
    /// Its instant on the media's own clock, from any origin; absent when the clock rate is unknown or the
    /// packet is no sample of the stream's codec (telephone events, comfort noise).
    pub media: Option<Span>,
    /// The sender says that it falls silent now (comfort noise, RFC 3389): what follows is no outage.
    pub pause: bool,
}

/// What a track counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Different packets.
    pub packets: u64,
    /// Further arrivals of the same packets.
    pub duplicates: u64,
    /// Packets that arrived after one with a larger number (RFC 4737 §3: Type-P-Reordered).
    pub reordered: u64,
    /// Highest − lowest number + 1, summed over the segments (RFC 3550 A.3).
    pub expected: u64,
}

/// The lowest and highest number of each segment.
pub type Spans = BTreeMap<u32, (i64, i64)>;

/// Counts a track; `firsts` are its first arrivals.
#[must_use]
pub fn counts(track: &[Train<'_>], firsts: &[Train<'_>]) -> Counts {
    counts_and_spans(track, firsts).0
}

/// The same, and the numbers from which what was expected follows.
#[must_use]
pub fn counts_and_spans(track: &[Train<'_>], firsts: &[Train<'_>]) -> (Counts, Spans) {
    let (mut spans, mut reordered) = (Spans::new(), 0);
    for part in firsts.chunk_by(|a, b| a.first.segment == b.first.segment) {
        let Train { first, .. } = part[0];
        let span = spans.entry(first.segment).or_insert((first.index, first.index));
        for train in part {
            let (index, last, (lowest, highest)) = (train.first.index, train.last_index(), *span);
            reordered += (highest.saturating_sub(index).max(0)).min(train.len() as i64).cast_unsigned();
            *span = (lowest.min(index), highest.max(last));
        }
    }
    let counts = Counts {
        packets: packets(firsts) as u64,
        duplicates: (packets(track) - packets(firsts)) as u64,
        reordered,
        expected: spans.values().fold(0, |sum: u64, (lowest, highest)| sum + highest.abs_diff(*lowest) + 1),
    };
    (counts, spans)
}

/// The interarrival jitter in milliseconds after each packet but the first (RFC 3550 §6.4.1 and A.8).
///
/// The difference of two packets enters only when both have a media instant, belong to one segment and lie
/// no further apart than `silence`: an outage is not jitter. Nor is a clock that was set back between them.
#[must_use]
pub fn jitter(firsts: &[Train<'_>], silence: Span) -> Vec<(RunTime, f64)> {
    let mut series = Vec::with_capacity(packets(firsts));
    each_jitter(firsts, silence, |at, jitter| series.push((at, jitter)));
    series
}

/// Hands out what [`jitter`] lists.
#[inline]
pub fn each_jitter(firsts: &[Train<'_>], silence: Span, mut take: impl FnMut(RunTime, f64)) {
    let mut jitter = 0.0;
    let mut add = |at: RunTime, since: Span, media: Span| {
        if (Span::ZERO..=silence).contains(&since) {
            let difference = Span(since.as_nanos().wrapping_sub(media.as_nanos()));
            jitter += (difference.as_millis_f64().abs() - jitter) / 16.0;
            take(at, jitter);
        }
    };
    let mut before: Option<Arrival> = None;
    for train in firsts {
        let Arrival { mut at, segment, media: Some(media), .. } = train.first else { continue };
        if let Some(Arrival { at: last, media: Some(last_media), .. }) = before.filter(|last| last.segment == segment) {
            add(at, at - last, media - last_media);
        }
        for since in train.since {
            let since = Span((*since).into());
            at += since;
            add(at, since, train.step);
        }
        before = Some(train.last());
    }
}

/// Largest distance between two successive arrivals, pauses that the sender means left out; absent for fewer than
/// two.
#[must_use]
pub fn largest_distance(firsts: &[Train<'_>]) -> Option<Span> {
    let plays = |train: &&Train<'_>| !train.first.pause;
    let between = firsts.iter().zip(firsts.iter().skip(1)).filter(|(before, _)| plays(before));
    let between = between.map(|(before, after)| after.first.at - before.last_at);
    let inside = firsts.iter().filter(plays).filter(|train| !train.since.is_empty()).map(Train::longest);
    between.chain(inside).max()
}

/// From each arrival to the next.
pub fn distances(firsts: &[Train<'_>]) -> impl Iterator<Item = Span> {
    let before = std::iter::once(None).chain(firsts.iter().map(|train| Some(train.last_at)));
    firsts.iter().zip(before).flat_map(|(train, before)| {
        let inside = train.since.iter().map(|since| Span((*since).into()));
        before.map(|before| train.first.at - before).into_iter().chain(inside)
    })
}

/// Successive arrivals.
pub fn pairs(firsts: &[Train<'_>]) -> impl Iterator<Item = (Arrival, Arrival)> {
    arrivals(firsts).zip(arrivals(firsts).skip(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the definition, looked up packet by packet.
        #[test]
        fn firsts_are_the_arrivals_that_none_before_them_equals(
            numbers in prop::collection::vec((0u32..3, 0i64..12), 0..60)
        ) {
            let track: Vec<Arrival> = numbers.iter().zip(0..).map(|((segment, index), k)| {
                Arrival { segment: *segment, ..arrival(k * 20, *index) }
            }).collect();
            let same = |a: &Arrival, b: &Arrival| (a.segment, a.index) == (b.segment, b.index);
            let fresh = (0..track.len()).filter(|k| !track[..*k].iter().any(|before| same(before, &track[*k])));
            let fresh: Vec<Arrival> = fresh.map(|k| track[k]).collect();
            prop_assert_eq!(arrivals(&firsts(&singles(&track))).collect::<Vec<_>>(), fresh);
        }
    }

    fn arrival(at_ms: i64, index: i64) -> Arrival {
        Arrival {
            at: RunTime::from_millis(at_ms),
            segment: 0,
            index,
            media: Some(Span::from_millis(index * 20)),
            pause: false,
        }
    }

    #[test]
    fn duplicates_do_not_hide_loss_and_reordering_is_no_loss() {
        // 10 11 13 12 12 15: 14 is lost, 12 came late and twice.
        let track: Vec<_> = [10, 11, 13, 12, 12, 15].iter().zip(0..).map(|(i, k)| arrival(k * 20, *i)).collect();
        let track = singles(&track);
        let firsts = firsts(&track);
        let expected = Counts { packets: 5, duplicates: 1, reordered: 1, expected: 6 };
        assert_eq!(counts(&track, &firsts), expected);
    }

    #[test]
    fn a_restart_of_the_numbering_is_no_loss() {
        let mut track = vec![arrival(0, 65_000), arrival(20, 65_001), arrival(40, 7), arrival(60, 9)];
        track[2].segment = 1;
        track[3].segment = 1;
        let track = singles(&track);
        assert_eq!(counts(&track, &firsts(&track)).expected, 2 + 3);
        assert_eq!(jitter(&track, Span::from_secs(1)).len(), 2);
    }

    /// By hand from A.8: D = 4 ms, then −4 ms: J = 4/16 = 0.25, then 0.25 + (4 − 0.25)/16 = 0.484375.
    #[test]
    fn jitter_follows_the_rfc() {
        let track = singles(&[arrival(0, 0), arrival(24, 1), arrival(40, 2)]);
        let series: Vec<f64> = jitter(&track, Span::from_secs(1)).iter().map(|(_, jitter)| *jitter).collect();
        assert_eq!(series, [0.25, 0.484_375]);
    }

    #[test]
    fn an_outage_is_no_jitter() {
        let track = singles(&[arrival(0, 0), arrival(20, 1), arrival(5000, 2), arrival(5020, 3)]);
        assert!(jitter(&track, Span::from_millis(100)).iter().all(|(_, jitter)| *jitter == 0.0));
    }
}
