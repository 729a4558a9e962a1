//! A track: the packets of one stream as they arrived, and what can be counted from them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::units::{RunTime, Span};

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

/// The first arrival of each packet, in order of arrival: the track itself where nothing came twice.
#[must_use]
pub fn firsts(arrivals: &[Arrival]) -> Cow<'_, [Arrival]> {
    let mut seen = Seen::default();
    let mut is_new = |arrival: &&Arrival| seen.is_new(arrival.segment, arrival.index);
    let Some(again) = arrivals.iter().position(|arrival| !is_new(&arrival)) else { return Cow::Borrowed(arrivals) };
    let (before, after) = arrivals.split_at(again);
    let rest = after.iter().skip(1).filter(is_new);
    Cow::Owned(before.iter().chain(rest).copied().collect())
}

/// The numbers that were seen, as runs without a hole: a stream in order is one run.
#[derive(Debug, Default)]
struct Seen {
    /// The run that is growing: its segment, first and last number. The largest numbers of its segment are in it.
    newest: Option<(u32, i64, i64)>,
    /// The last numbers of the other runs, by segment and first number.
    others: BTreeMap<(u32, i64), i64>,
}

impl Seen {
    /// Notes a number; false if it was seen before.
    #[inline]
    fn is_new(&mut self, segment: u32, index: i64) -> bool {
        match self.newest {
            Some((newest, first, last)) if newest == segment && index > last => {
                let first = if index - 1 == last { first } else { self.begin_run(index) };
                self.newest = Some((segment, first, index));
                true
            }
            Some((newest, first, _)) if newest == segment && index >= first => false,
            _ => self.is_new_elsewhere(segment, index),
        }
    }

    /// The growing run has ended; another begins with `index`.
    #[cold]
    fn begin_run(&mut self, index: i64) -> i64 {
        self.others.extend(self.newest.map(|(segment, first, last)| ((segment, first), last)));
        index
    }

    #[cold]
    fn is_new_elsewhere(&mut self, segment: u32, index: i64) -> bool {
        let known = |runs: &BTreeMap<(u32, i64), i64>| {
            runs.range((segment, i64::MIN)..=(segment, index)).next_back().is_some_and(|(_, last)| index <= *last)
        };
        let follows = self.newest.is_none_or(|(newest, ..)| newest != segment)
            && self.others.range((segment, i64::MIN)..=(segment, i64::MAX)).next().is_none();
        if follows {
            let first = self.begin_run(index);
            self.newest = Some((segment, first, index));
            return true;
        }
        let new = !known(&self.others);
        if new {
            self.others.insert((segment, index), index);
        }
        new
    }
}

/// The lowest and highest number of each segment.
pub type Spans = BTreeMap<u32, (i64, i64)>;

/// Counts a track; `firsts` are its first arrivals.
#[must_use]
pub fn counts(arrivals: &[Arrival], firsts: &[Arrival]) -> Counts {
    counts_and_spans(arrivals, firsts).0
}

/// The same, and the numbers from which what was expected follows.
#[must_use]
pub fn counts_and_spans(arrivals: &[Arrival], firsts: &[Arrival]) -> (Counts, Spans) {
    let (mut spans, mut reordered) = (Spans::new(), 0);
    for part in firsts.chunk_by(|a, b| a.segment == b.segment) {
        let span = spans.entry(part[0].segment).or_insert((part[0].index, part[0].index));
        let (mut lowest, mut highest) = *span;
        for arrival in part {
            reordered += u64::from(arrival.index < highest);
            lowest = arrival.index.min(lowest);
            highest = arrival.index.max(highest);
        }
        *span = (lowest, highest);
    }
    let counts = Counts {
        packets: firsts.len() as u64,
        duplicates: (arrivals.len() - firsts.len()) as u64,
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
pub fn jitter(firsts: &[Arrival], silence: Span) -> Vec<(RunTime, f64)> {
    let mut series = Vec::with_capacity(firsts.len());
    each_jitter(firsts, silence, |at, jitter| series.push((at, jitter)));
    series
}

/// Hands out what [`jitter`] lists.
#[inline]
pub fn each_jitter(firsts: &[Arrival], silence: Span, mut take: impl FnMut(RunTime, f64)) {
    let mut jitter = 0.0;
    let mut before: Option<(&Arrival, Span)> = None;
    for arrival in firsts {
        let Some(media) = arrival.media else { continue };
        if let Some((last, last_media)) = before
            && last.segment == arrival.segment
            && let since = arrival.at - last.at
            && (Span::ZERO..=silence).contains(&since)
        {
            let difference = (since - (media - last_media)).as_millis_f64();
            jitter += (difference.abs() - jitter) / 16.0;
            take(arrival.at, jitter);
        }
        before = Some((arrival, media));
    }
}

/// Largest distance between two successive arrivals, pauses that the sender means left out; absent for fewer than
/// two.
#[must_use]
pub fn largest_distance(firsts: &[Arrival]) -> Option<Span> {
    firsts.windows(2).filter(|pair| !pair[0].pause).map(|pair| pair[1].at - pair[0].at).max()
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
            prop_assert_eq!(firsts(&track), fresh.map(|k| track[k]).collect::<Vec<_>>());
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
        let firsts = firsts(&track);
        let expected = Counts { packets: 5, duplicates: 1, reordered: 1, expected: 6 };
        assert_eq!(counts(&track, &firsts), expected);
    }

    #[test]
    fn a_restart_of_the_numbering_is_no_loss() {
        let mut track = vec![arrival(0, 65_000), arrival(20, 65_001), arrival(40, 7), arrival(60, 9)];
        track[2].segment = 1;
        track[3].segment = 1;
        assert_eq!(counts(&track, &firsts(&track)).expected, 2 + 3);
        assert_eq!(jitter(&track, Span::from_secs(1)).len(), 2);
    }

    /// By hand from A.8: D = 4 ms, then −4 ms: J = 4/16 = 0.25, then 0.25 + (4 − 0.25)/16 = 0.484375.
    #[test]
    fn jitter_follows_the_rfc() {
        let track = [arrival(0, 0), arrival(24, 1), arrival(40, 2)];
        let series: Vec<f64> = jitter(&track, Span::from_secs(1)).iter().map(|(_, jitter)| *jitter).collect();
        assert_eq!(series, [0.25, 0.484_375]);
    }

    #[test]
    fn an_outage_is_no_jitter() {
        let track = [arrival(0, 0), arrival(20, 1), arrival(5000, 2), arrival(5020, 3)];
        assert!(jitter(&track, Span::from_millis(100)).iter().all(|(_, jitter)| *jitter == 0.0));
    }
}
