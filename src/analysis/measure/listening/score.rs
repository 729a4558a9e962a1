//! Parts of a stream behind one de-jitter buffer, as one score.

use super::Parts;
use crate::analysis::quality::bursts::Runs;
use crate::analysis::quality::codec::{CodecModel, CodecRating, Conditions};
use crate::analysis::quality::dejitter::{Profile, Replay};

/// What a listener heard of some parts of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::analysis::measure) struct Score {
    pub(in crate::analysis::measure) profile: Profile,
    pub(in crate::analysis::measure) runs: Runs,
    /// Mean depth over the packets that arrived.
    pub(in crate::analysis::measure) nominal_ms: Option<f64>,
    pub(super) ta_ms: f64,
    /// The rating, or why there is none.
    pub(in crate::analysis::measure) rating: Result<CodecRating, String>,
}

impl Score {
    pub(super) fn of(replay: &Replay, parts: Parts<'_>, model: &Result<CodecModel, String>, ta_ms: f64) -> Score {
        let slots = parts.iter().flat_map(|part| replay.slots.get(part.clone()).unwrap_or_default());
        let (runs, nominal_ms) = match parts {
            [part] if part.len() == replay.slots.len() => (replay.runs, replay.nominal_ms),
            parts => (Runs::count(slots.copied()), replay.nominal_ms_of(parts)),
        };
        Score { profile: replay.profile, rating: rating(&runs, model, ta_ms), runs, nominal_ms, ta_ms }
    }

    /// Share of the packets due that came too late.
    pub(super) fn discarded_percent(&self) -> Option<f64> {
        (self.runs.slots > 0).then(|| 100.0 * self.runs.discarded as f64 / self.runs.slots as f64)
    }
}

fn rating(runs: &Runs, model: &Result<CodecModel, String>, ta_ms: f64) -> Result<CodecRating, String> {
    let model = model.as_ref().map_err(Clone::clone)?;
    let ppl = runs.ppl().ok_or("no packet was due")?;
    model.rate(Conditions { ppl, burst_r: runs.model_burst_r(), ta_ms }).map_err(|error| error.to_string())
}
