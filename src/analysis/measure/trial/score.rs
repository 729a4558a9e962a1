//! What the listeners of our own streams heard: de-jitter replay and E-model.

use super::media::OwnStream;
use crate::analysis::measure::figures::mean;
use crate::analysis::measure::model::{Mos, MosSecond, StreamMeasured, Window};
use crate::analysis::quality::bursts::{Runs, Slot};
use crate::analysis::quality::dejitter::{self, Expected, Profile, Replay};
use crate::analysis::quality::g107::{self, Connection};
use crate::analysis::quality::{Narrowband, Rating, Scale, g113, time_series};
use crate::scenario::Dejitter;
use crate::units::{RunTime, Span};

/// A stream as its listener heard it.
pub(super) struct Heard<'a> {
    pub(super) stream: &'a OwnStream,
    /// Arrival and one-way delay of each packet that was due.
    pub(super) packets: Vec<Option<(RunTime, Option<Span>)>>,
    replay: Replay,
    /// The E-model's connection without loss and delay; absent for a codec without published values.
    base: Option<Connection>,
}

/// Score of a stretch of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Score {
    pub(super) mos: f64,
    r: f64,
    model: &'static str,
    pub(super) valid: bool,
    reasons: Vec<String>,
}

impl<'a> Heard<'a> {
    pub(super) fn of(stream: &'a OwnStream, dejitter: Dejitter) -> Heard<'a> {
        let mut packets = vec![None; usize::try_from(stream.expected).unwrap_or(0)];
        for (arrival, delay) in stream.firsts.iter().zip(&stream.delays) {
            if let Some(place) = usize::try_from(arrival.index).ok().and_then(|index| packets.get_mut(index)) {
                *place = Some((arrival.at, *delay));
            }
        }
        let expected: Vec<Expected> =
            (0..).zip(&packets).map(|(index, packet)| expect(stream, index, packet)).collect();
        let equipment = g113::lookup::<Narrowband>(&stream.codec, Some(stream.interval.as_millis_f64()));
        Heard {
            stream,
            packets,
            replay: dejitter::replay(profile(dejitter), &expected),
            base: equipment.ok().map(|equipment| Connection { equipment, ..Connection::default() }),
        }
    }

    /// Indices of the packets due from `start` until `end`.
    pub(super) fn due(&self, start: RunTime, end: RunTime) -> std::ops::Range<usize> {
        let first_at = |at: RunTime| {
            let (distance, interval) = ((at - self.stream.start).as_nanos().max(0), self.stream.interval.as_nanos());
            usize::try_from((distance + interval - 1) / interval).unwrap_or(usize::MAX).min(self.packets.len())
        };
        first_at(start)..first_at(end).max(first_at(start))
    }

    /// One-way delays of the packets in `range` that have one, in milliseconds.
    pub(super) fn delays(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = f64> {
        let packets = self.packets.get(range).unwrap_or_default();
        packets.iter().flatten().filter_map(|(_, delay)| Some((*delay)?.as_millis_f64()))
    }

    /// The fate of each packet at the ear.
    fn slots(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = Slot> {
        self.replay.slots.get(range).unwrap_or_default().iter().copied()
    }

    /// Ta: mean one-way delay, the buffer's depth and one packet. Where nothing arrived, that of the stream.
    fn ta_ms(&self, ranges: &[std::ops::Range<usize>]) -> f64 {
        let here = ranges.iter().flat_map(|range| self.delays(range.clone()));
        let network = mean(here).or_else(|| mean(self.delays(0..self.packets.len())));
        let buffer = self.replay.nominal_ms.unwrap_or(0.0);
        network.unwrap_or(0.0).max(0.0) + buffer + self.stream.interval.as_millis_f64()
    }

    /// Scores the packets of some ranges as one stretch; `None` when there are none or the codec has no
    /// published values.
    pub(super) fn score_of(&self, ranges: &[std::ops::Range<usize>]) -> Option<Score> {
        let runs = Runs::count(ranges.iter().flat_map(|range| self.slots(range.clone())));
        let (ppl, burst_r) = (runs.ppl()?, runs.model_burst_r());
        let ta_ms = self.ta_ms(ranges);
        let connection = Connection { ppl, burst_r, ta_ms, t_ms: ta_ms, tr_ms: 2.0 * ta_ms, ..self.base.clone()? };
        let score = g107::assess(&connection).ok()?;
        // Beyond its range the loss term exceeds what silence itself is worth.
        let impairment = score.components.ie_eff;
        let most = if ppl >= 100.0 { Narrowband::LOSS_CEILING } else { impairment.min(Narrowband::LOSS_CEILING) };
        let r: Rating<Narrowband> = Rating::new(score.r.value() + impairment - most);
        let validity = score.validity;
        let (mos, r, valid) = (r.mos().value(), r.value(), !validity.outside_validity);
        Some(Score { mos, r, model: score.model, valid, reasons: validity.reasons })
    }

    /// The stream's figures with its scores.
    pub(super) fn measured(&self, window: Window, clock_error: Span) -> StreamMeasured {
        let whole = self.score_of(std::slice::from_ref(&(0..self.packets.len())));
        StreamMeasured {
            mos_cqe: whole.map(|score| self.with_source(score)),
            seconds: self.seconds(window),
            ..self.stream.measured(clock_error)
        }
    }

    fn with_source(&self, score: Score) -> Mos {
        let mut notes = score.reasons;
        if let Some(base) = &self.base {
            let (equipment, ie) = (&base.equipment, base.equipment.ie);
            let bpl = equipment.bpl.map(|bpl| format!(", Bpl {bpl}")).unwrap_or_default();
            let (condition, provenance, source) = (&equipment.condition, equipment.provenance, equipment.source);
            notes.push(format!("{condition}: Ie {ie}{bpl}, {provenance}, {source}"));
        }
        Mos { value: score.mos, model: score.model.to_owned(), r: score.r, valid: score.valid, note: notes.join("; ") }
    }

    /// One score for each whole second of the window in which media was due.
    fn seconds(&self, window: Window) -> Vec<MosSecond> {
        let Some(base) = &self.base else { return Vec::new() };
        let mut places = Vec::new();
        let mut inputs = Vec::new();
        let mut at = window.start_ns;
        while at + Span::from_secs(1) <= window.end_ns {
            let range = self.due(at, at + Span::from_secs(1));
            let ta_ms = self.ta_ms(std::slice::from_ref(&range));
            if let Some(second) = time_series::Second::from_slots(self.slots(range.clone()), ta_ms) {
                places.push((at, mean(self.delays(range))));
                inputs.push(second);
            }
            at += Span::from_secs(1);
        }
        let Ok(series) = time_series::rate(base, &inputs) else { return Vec::new() };
        let points = places.into_iter().zip(&inputs).zip(&series.points);
        points
            .map(|(((at_ns, delay_ms), input), point)| MosSecond {
                at_ns,
                mos: point.mos.value(),
                loss: input.ppl / 100.0,
                delay_ms,
            })
            .collect()
    }
}

fn expect(stream: &OwnStream, index: i64, packet: &Option<(RunTime, Option<Span>)>) -> Expected {
    let media = stream.due_at(index) - RunTime::ZERO;
    Expected { media, arrived: packet.map(|(at, _)| at), segment: 0 }
}

fn profile(dejitter: Dejitter) -> Profile {
    match dejitter {
        Dejitter::Fixed50 => Profile::Fixed { depth_ms: 50 },
        Dejitter::Fixed200 => Profile::Fixed { depth_ms: 200 },
        Dejitter::Adaptive => Profile::Adaptive { min_ms: 40, max_ms: 200 },
    }
}
