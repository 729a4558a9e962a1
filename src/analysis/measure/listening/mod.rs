//! What a listener makes of the fates of packets: behind each de-jitter buffer, by the model of the codec's own scale.

pub(super) mod categories;
pub(super) mod over_time;
mod score;

use std::ops::Range;

use super::model::{DejitterScore, Mos, StreamMeasured};
use crate::analysis::quality::bursts::Slot;
use crate::analysis::quality::codec::CodecModel;
use crate::analysis::quality::dejitter::{self, Profile, Replay, Segment};
use crate::units::Span;
pub(super) use score::Score;

/// A stream behind every de-jitter buffer.
pub(super) struct Listener {
    model: Result<CodecModel, String>,
    interval: Span,
    /// One for each of [`Profile::ALL`], in that order.
    replays: Vec<Replay>,
    chosen: usize,
}

/// Mean one-way delay of the network, in milliseconds, with the bound of its error; `None` where it is not known, and
/// then taken as 0.
pub(super) type Network = Option<(f64, Span)>;

/// Parts of a stream, by the places of its expected packets.
pub(super) type Parts<'a> = &'a [Range<usize>];

impl Listener {
    /// Replays a stream. `chosen` is the buffer whose
    /// score is put first.
    pub(super) fn new(model: Result<CodecModel, String>, interval: Span, chosen: Profile, stream: &[Segment]) -> Self {
        let replays = dejitter::replays(stream).into();
        let chosen = Profile::ALL.iter().position(|profile| *profile == chosen).unwrap_or_default();
        Listener { model, interval, replays, chosen }
    }

    /// The model of a codec at a packet interval, or why there is none.
    pub(super) fn model_of(codec: Option<&str>, interval: Span) -> Result<CodecModel, String> {
        let codec =
            codec.ok_or("the codec is not known: no session description names it, and its payload type is dynamic")?;
        CodecModel::of(codec, Some(interval.as_millis_f64())).map_err(|error| error.to_string())
    }

    fn packets(&self) -> Range<usize> {
        0..self.replays.first().map_or(0, |replay| replay.slots.len())
    }

    pub(super) fn model(&self) -> Result<&CodecModel, &str> {
        self.model.as_ref().map_err(String::as_str)
    }

    /// The fates behind the chosen buffer.
    pub(super) fn slots(&self, part: Range<usize>) -> &[Slot] {
        let replay = self.replays.get(self.chosen);
        replay.and_then(|replay| replay.slots.get(part)).unwrap_or_default()
    }

    /// Ta behind the chosen buffer.
    pub(super) fn ta_ms(&self, parts: Parts<'_>, network: Network) -> f64 {
        self.replays.get(self.chosen).map_or(0.0, |replay| self.ta_behind(replay, parts, network))
    }

    fn ta_behind(&self, replay: &Replay, parts: Parts<'_>, network: Network) -> f64 {
        let network = network.map_or(0.0, |(ms, _)| ms.max(0.0));
        // Where nothing arrived, the buffer is as deep as in the rest of the stream.
        let buffer = replay.nominal_ms_of(parts).or(replay.nominal_ms).unwrap_or(0.0);
        let look_ahead = self.model.as_ref().ok().and_then(CodecModel::look_ahead_ms).unwrap_or(0.0);
        network + buffer + self.interval.as_millis_f64() + look_ahead
    }

    /// Parts of the stream, scored as one stretch behind each buffer in the order of [`Profile::ALL`].
    pub(super) fn scores(&self, parts: Parts<'_>, network: Network) -> Vec<Score> {
        let score = |replay: &Replay| {
            let ta_ms = self.ta_behind(replay, parts, network);
            Score::of(replay, parts, &self.model, ta_ms)
        };
        self.replays.iter().map(score).collect()
    }

    /// Which of [`Profile::ALL`] the chosen one is.
    pub(super) fn chosen(&self) -> usize {
        self.chosen
    }

    /// Fills in the scores of the whole stream.
    pub(super) fn fill(&self, stream: &mut StreamMeasured, network: Network) {
        let scores = self.scores(&[self.packets()], network);
        if let Some(chosen) = scores.get(self.chosen) {
            match &chosen.rating {
                Ok(_) => stream.mos_cqe = self.mos(chosen, network),
                Err(reason) => stream.mos_cqe_refused = Some(reason.clone()),
            }
        }
        stream.dejitter = scores.iter().map(Score::measured).collect();
    }

    fn mos(&self, score: &Score, network: Network) -> Option<Mos> {
        let (rating, model) = (score.rating.as_ref().ok()?, self.model.as_ref().ok()?);
        let mut note = model.to_string();
        if network.is_none() {
            note.push_str("; network delay unknown, taken as 0");
        }
        if model.look_ahead_ms().is_none() {
            note.push_str("; look-ahead of the codec unknown, taken as 0");
        }
        Some(Mos {
            value: rating.mos,
            model: rating.model.to_owned(),
            label: rating.mos_label.to_owned(),
            r: rating.r,
            valid: !rating.validity.outside_validity,
            outside_validity: rating.validity.reasons.clone(),
            dejitter: score.profile.name(),
            loss_percent: score.runs.ppl()?,
            burst_r: score.runs.model_burst_r(),
            ta_ms: score.ta_ms,
            ta_error_ms: network.map(|(_, error)| error.as_millis_f64()),
            note,
        })
    }
}

impl Score {
    /// Label and model: scores that differ in it are on different scales.
    pub(super) fn model(&self) -> Option<String> {
        self.rating.as_ref().ok().map(|rating| format!("{}, {}", rating.mos_label, rating.model))
    }

    fn measured(&self) -> DejitterScore {
        let rating = self.rating.as_ref().ok();
        DejitterScore {
            dejitter: self.profile.name(),
            discarded_percent: self.discarded_percent(),
            nominal_delay_ms: self.nominal_ms,
            model: self.model(),
            r: rating.map(|rating| rating.r),
            mos_cqe: rating.map(|rating| rating.mos),
            valid: rating.map(|rating| !rating.validity.outside_validity),
        }
    }
}
