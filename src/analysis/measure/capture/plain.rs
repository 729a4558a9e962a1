//! The common stream, run by run instead of packet by packet: one source that never restarted, in which no pause is
//! meant and no clock stepped. Packets may be missing, late or twice in it, and it may be silent for long.
//!
//! What is found here is what `streams` finds by looking at each packet; what is not plain is left to that.

use super::arrivals::Arrivals;
use super::clock::LEAST_STEP;
use super::codecs::{COMFORT_NOISE, Codecs, Types};
use super::dialogs::Dialogs;
use super::numbering::{Numbering, Row};
use super::packed::Run;
use super::seen::{Packets, Seen};
use super::streams::{BETWEEN_CALLS, Flow, LEAST_PACKETS, Stream, is_near};
use super::talkspurts::{self, Pauses};
use crate::analysis::measure::track::Arrival;
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

/// The stream of a source; `None` when it is not plain.
pub(super) fn stream(flow: &Flow, ssrc: u32, packets: &Packets, dialogs: &Dialogs) -> Option<Stream> {
    let mut pieces = pieces(packets).filter(|pieces| is_plausible(pieces))?;
    let start = pieces.first()?.first.at;
    let types = Types::of(pieces.iter().map(|piece| (piece.first.payload_type, piece.packets() as u64)));
    let codecs = Codecs::of(&types, flow, start, dialogs);
    for piece in &mut pieces {
        piece.media = piece.on_clock(&codecs)?;
    }
    let mut neighbours = pieces.iter().zip(pieces.iter().skip(1));
    if !neighbours.all(|(before, after)| is_undisturbed(before, after, flow, dialogs)) {
        return None;
    }
    Some(Stream {
        flow: *flow,
        ssrcs: vec![ssrc],
        interval: Some(interval(&pieces)?),
        codec: codecs.main,
        clock_rate: codecs.rate,
        more_codecs: codecs.more,
        pauses: Pauses::default(),
        signed_stream: packets.signed_stream(),
        shifts: Vec::new(),
        arrivals: arrivals(&pieces),
    })
}

/// The packets of a source that never restarted.
fn pieces(packets: &Packets) -> Option<Vec<Piece<'_>>> {
    let mut numbering = Numbering::default();
    let mut pieces = Vec::new();
    for (first, run) in packets.runs() {
        if run.since.iter().any(|since| *since > CLOSE) {
            return None;
        }
        let mut piece = Piece::of(&mut numbering, &first)?;
        if run.since.is_empty() || numbering.follow(run.since.len(), run.step) {
            (piece.since, piece.step) = (run.since, i64::from((run.step as u32).cast_signed()));
            piece.last_at = RunTime(run.last().at);
            pieces.push(piece);
        } else {
            pieces.push(piece);
            one_by_one(&mut numbering, &run, &mut pieces)?;
        }
    }
    numbering.is_single().then_some(pieces)
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

impl Piece<'_> {
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
    fn on_clock(&self, codecs: &Codecs) -> Option<Option<(Span, Span)>> {
        let Some(first) = codecs.media(&self.first) else { return Some(None) };
        let step = self.step.checked_mul(1_000_000_000).filter(|step| step % codecs.rate == 0)? / codecs.rate;
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

fn arrivals(pieces: &[Piece<'_>]) -> Arrivals {
    let mut arrivals = Arrivals::default();
    for piece in pieces {
        let Row { at, index, payload_type, .. } = piece.first;
        let (media, step) = piece.media.unzip();
        let first = Arrival { at, segment: 0, index, media, pause: payload_type == COMFORT_NOISE };
        arrivals.push_run(&first, step.unwrap_or_default(), piece.since);
    }
    arrivals
}
