//! The common stream, run by run instead of packet by packet: one source that never restarted, in which no pause is
//! meant and no clock stepped. Packets may be missing, late or twice in it, and it may be silent for long.
//!
//! What is found here is what `streams` finds by looking at each packet; what is not plain is left to that.

use super::clock::LEAST_STEP;
use super::codecs::{COMFORT_NOISE, Clock, Codecs, Types};
use super::dialogs::Dialogs;
use super::numbering::{Numbering, Row};
use super::packed::Run;
use super::seen::{Packets, Seen};
use super::streams::{BETWEEN_CALLS, Flow, LEAST_PACKETS, Stream, is_near};
use super::talkspurts::{self, Pauses};
use crate::analysis::measure::track::{Arrival, Train};
use crate::units::{RunTime, Span};

/// Packets that follow each other within this time are neither a pause nor two calls, and show no step of a clock.
const CLOSE: u32 = 100_000_000;

/// A packet, and those that have the next numbers and the same kind.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    first: Row,
    /// Timestamp units from one to the next.
    step: i64,
    /// Nanoseconds from one to the next.
    since: &'a [u32],
    /// When the last one came.
    last_at: RunTime,
    /// Where its first is on the media's clock and how far one is from the next, if its type counts on that.
    media: Option<(Span, Span)>,
}

/// The packets of a plain stream, as they were captured.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    packets: Packets,
    clock: Clock,
    /// When the first one came, and the last one.
    ends: (RunTime, RunTime),
}

/// What is known of a plain stream once it has been read through.
struct Reading {
    codecs: Codecs,
    interval: Span,
    ends: (RunTime, RunTime),
}

/// The stream of a source, whose packets it takes; `None` when it is not plain.
pub(super) fn stream(flow: &Flow, ssrc: u32, packets: &mut Packets, dialogs: &Dialogs) -> Option<Stream> {
    let Reading { codecs, interval, ends } = read(flow, packets, dialogs)?;
    let packets = std::mem::take(packets);
    Some(Stream {
        flow: *flow,
        ssrcs: vec![ssrc],
        codec: codecs.main,
        clock_rate: codecs.clock.rate,
        more_codecs: codecs.more,
        pauses: Pauses::default(),
        signed_stream: packets.signed_stream(),
        interval: Some(interval),
        shifts: Vec::new(),
        arrivals: Plain { packets, clock: codecs.clock, ends }.into(),
    })
}

/// Reads a source through; `None` when it is not plain.
fn read(flow: &Flow, packets: &Packets, dialogs: &Dialogs) -> Option<Reading> {
    let mut pieces = pieces(packets).filter(|pieces| is_plausible(pieces))?;
    if pieces.iter().any(|piece| piece.since.iter().max() > Some(&CLOSE)) {
        return None;
    }
    let start = pieces.first()?.first.at;
    let types = Types::of(pieces.iter().map(|piece| (piece.first.payload_type, piece.packets() as u64)));
    let codecs = Codecs::of(&types, flow, start, dialogs);
    for piece in &mut pieces {
        piece.media = piece.on_clock(&codecs.clock)?;
    }
    let mut neighbours = pieces.iter().zip(pieces.iter().skip(1));
    if !neighbours.all(|(before, after)| is_undisturbed(before, after, flow, dialogs)) {
        return None;
    }
    Some(Reading { interval: interval(&pieces)?, codecs, ends: (start, pieces.last()?.last_at) })
}

impl Plain {
    /// When the first one came, and the last one.
    pub(super) fn ends(&self) -> (RunTime, RunTime) {
        self.ends
    }

    /// How many packets there are.
    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// All packets.
    pub(super) fn trains(&self) -> Vec<Train<'_>> {
        pieces(&self.packets).into_iter().flatten().map(|piece| piece.train(&self.clock)).collect()
    }
}

/// The packets of a source that never restarted and mostly has its packets in runs: for others pieces would be in vain,
/// and take more memory than packets.
fn pieces(packets: &Packets) -> Option<Vec<Piece<'_>>> {
    let mut numbering = Numbering::default();
    let mut pieces = Vec::new();
    let most = packets.len() / 2;
    for (first, run) in packets.runs() {
        if pieces.len() > most {
            return None;
        }
        let mut piece = Piece::of(&mut numbering, &first)?;
        if run.since.is_empty() || numbering.follow(run.since.len(), run.step) {
            (piece.since, piece.step) = (run.since, i64::from((run.step as u32).cast_signed()));
            piece.last_at = RunTime(run.last.at);
            pieces.push(piece);
        } else {
            pieces.push(piece);
            one_by_one(&mut numbering, &run, &mut pieces)?;
        }
    }
    (numbering.is_single() && pieces.len() <= most).then_some(pieces)
}

/// The packets of a run behind the first.
fn one_by_one(numbering: &mut Numbering, run: &Run<'_>, pieces: &mut Vec<Piece<'_>>) -> Option<()> {
    let mut rows = Vec::with_capacity(run.since.len() + 1);
    run.each(|row| rows.push(Seen::of_row(row)));
    for seen in rows.iter().skip(1) {
        pieces.push(Piece::of(numbering, seen)?);
    }
    Some(())
}

impl<'a> Piece<'a> {
    /// As it is measured.
    fn train(&self, clock: &Clock) -> Train<'a> {
        let Row { at, index, payload_type, .. } = self.first;
        let (media, step) = self.on_clock(clock).flatten().unzip();
        let first = Arrival { at, segment: 0, index, media, pause: payload_type == COMFORT_NOISE };
        Train { first, step: step.unwrap_or_default(), since: self.since, last_at: self.last_at }
    }

    /// A single packet, unless it is not known yet where it belongs.
    fn of(numbering: &mut Numbering, seen: &Seen) -> Option<Self> {
        let mut first = None;
        numbering.packet(seen, |row| first = Some(row));
        let first = first.filter(|_| numbering.is_single())?;
        Some(Piece { first, step: 0, since: &[], last_at: first.at, media: None })
    }

    fn packets(&self) -> usize {
        1 + self.since.len()
    }

    fn last_index(&self) -> i64 {
        self.first.index + self.since.len() as i64
    }

    /// On the media's clock; `None` where that does not go on evenly.
    fn on_clock(&self, clock: &Clock) -> Option<Option<(Span, Span)>> {
        let Some(first) = clock.media(&self.first) else { return Some(None) };
        let step = self.step.checked_mul(1_000_000_000).filter(|step| step % clock.rate == 0)? / clock.rate;
        step.checked_mul(self.since.len() as i64)?.checked_add(first.as_nanos())?;
        // Below 0 fractions are cut off to the other side.
        (step >= 0 && self.first.timestamp >= 0).then_some(Some((first, Span(step))))
    }

    fn last_media(&self) -> Option<Span> {
        self.media.map(|(first, step)| first + Span(step.as_nanos() * self.since.len() as i64))
    }
}

/// As for any source: most packets are in sequence.
fn is_plausible(pieces: &[Piece<'_>]) -> bool {
    let packets: usize = pieces.iter().map(Piece::packets).sum();
    let inside: usize = pieces.iter().map(|piece| piece.since.len()).sum();
    let between = pieces.windows(2).filter(|pair| is_near(pair[0].last_index(), pair[1].first.index)).count();
    packets >= LEAST_PACKETS && (inside + between) * 2 >= packets
}

/// Whether nothing is to be decided between two pieces: no order of arrival, no pause, no step, no other call.
fn is_undisturbed(before: &Piece<'_>, after: &Piece<'_>, flow: &Flow, dialogs: &Dialogs) -> bool {
    let gap = after.first.at - before.last_at;
    let media = before.last_media().zip(after.media).map(|(before, (after, _))| after - before);
    let follows = after.first.index == before.last_index() + 1;
    let said = before.first.payload_type == COMFORT_NOISE || after.first.marker;
    let legs = || dialogs.leg(flow, before.last_at).zip(dialogs.leg(flow, after.first.at));
    let turned = gap < Span::ZERO;
    let stepped = media.is_some_and(|media| (gap - media).as_nanos() > LEAST_STEP);
    let pause = follows && said && gap > talkspurts::LEAST;
    let another_call = gap > BETWEEN_CALLS && legs().is_some_and(|(before, after)| before != after);
    !(turned || stepped || pause || another_call)
}

/// Median distance of neighbours on the media's clock; `None` without any.
fn interval(pieces: &[Piece<'_>]) -> Option<Span> {
    let inside = pieces.iter().filter_map(|piece| Some((piece.media?.1, piece.since.len())));
    let between = pieces.windows(2).filter(|pair| pair[1].first.index == pair[0].last_index() + 1);
    let between = between.filter_map(|pair| Some((pair[1].media?.0 - pair[0].last_media()?, 1)));
    let mut spans: Vec<(Span, usize)> =
        inside.chain(between).filter(|(span, n)| *span > Span::ZERO && *n > 0).collect();
    spans.sort_unstable();
    let all: usize = spans.iter().map(|(_, n)| n).sum();
    let mut below = 0;
    let median = spans.iter().find(|(_, n)| {
        below += n;
        below > all / 2
    });
    median.map(|(span, _)| *span)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::analysis::measure::capture::streams;
    use crate::wire::pcap::Sense;

    fn flow() -> Flow {
        let end = |port: u16| SocketAddr::from(([10, 0, 0, 1], port));
        Flow { source: end(4000), destination: end(5000), sense: Sense::Unknown }
    }

    fn packets(all: &[Seen]) -> Packets {
        let mut packets = Packets::default();
        all.iter().for_each(|seen| packets.push(seen, None));
        packets
    }

    /// 400 packets of PCMA from just before both wraps on; 20 ms, some lost, some late, one twice, and an outage.
    fn outage() -> Vec<Seen> {
        let packet = |k: i64| Seen {
            at: RunTime(k * 20_000_000 + k % 3 * 1_000_000),
            timestamp: (k as u32).wrapping_mul(160).wrapping_sub(1600),
            sequence: (k as u16).wrapping_sub(20),
            payload_type: 8,
            marker: k == 0,
        };
        let mut all: Vec<Seen> = (0..400).filter(|k| k % 90 != 7 && !(150..210).contains(k)).map(packet).collect();
        all.swap(30, 31);
        let (early, late) = (all[30].at, all[31].at);
        (all[30].at, all[31].at) = (late, early);
        all.insert(50, all[49]);
        all
    }

    #[test]
    fn a_stream_with_loss_reordering_duplicates_and_an_outage_is_plain() {
        let stream = stream(&flow(), 1, &mut packets(&outage()), &Dialogs::default()).unwrap();
        assert_eq!((stream.codec.as_deref(), stream.interval), (Some("PCMA"), Some(Span::from_millis(20))));
        // 60 are gone in the outage and four of those with k mod 90 = 7 outside of it; one came twice.
        assert_eq!(stream.arrivals.unpack().len(), 400 - 64 + 1);
    }

    /// Some of every hundred packets differ from the one that would be next.
    fn next(before: &Seen, (kind, much, payload_type): (u8, u32, u8)) -> Seen {
        let mut seen = Seen { marker: false, ..*before };
        let (mut packets, mut since) = (1, 20_000_000);
        match kind {
            0 => packets = much as u16 % 8,
            1 => packets = (much as u16 % 8).wrapping_neg(),
            2 => packets = much as u16,
            3 => since = i64::from(much % 400) * 1_000_000,
            4 => since = i64::from(much % 400) * -1_000_000,
            5 => seen.marker = true,
            6 => seen.timestamp = before.timestamp.wrapping_add(much),
            7 => seen.payload_type = payload_type,
            8 => (packets, since) = (much as u16 % 50, i64::from(much % 50) * 20_000_000),
            _ => since += i64::from(much % 3_000_000),
        }
        seen.sequence = before.sequence.wrapping_add(packets);
        seen.timestamp = seen.timestamp.wrapping_add(u32::from(packets).wrapping_mul(160));
        seen.at = before.at + Span(since);
        seen
    }

    proptest! {
        #[test]
        fn what_is_plain_is_what_is_found_packet_by_packet(
            start in (any::<u16>(), any::<u32>(), prop_oneof![Just(0u8), Just(13), Just(101)]),
            turns in prop::collection::vec((0u8..200, any::<u32>(), prop_oneof![Just(0u8), Just(8), Just(13), Just(101)]), 4..300),
            sense in prop_oneof![Just(Sense::Unknown), Just(Sense::Inbound)],
        ) {
            let (sequence, timestamp, payload_type) = start;
            let mut seen = Seen { at: RunTime(0), timestamp, sequence, payload_type, marker: true };
            let all: Vec<Seen> = turns.into_iter().map(|turn| { seen = next(&seen, turn); seen }).collect();
            let (flow, dialogs) = (Flow { sense, ..flow() }, Dialogs::default());
            if let Some(plain) = stream(&flow, 1, &mut packets(&all), &dialogs) {
                let slow = streams::packet_by_packet(flow, &[(1, packets(&all))].into(), &dialogs);
                prop_assert_eq!(slow.len(), 1);
                let figures = |stream: &Stream| {
                    let Stream { codec, clock_rate, more_codecs, pauses, interval, arrivals, shifts, .. } = stream.clone();
                    let ends = (arrivals.first(), arrivals.last());
                    (codec, clock_rate, more_codecs, pauses, interval, ends, shifts.len(), arrivals.unpack())
                };
                prop_assert_eq!(figures(&plain), figures(&slow[0]));
            }
        }
    }
}
