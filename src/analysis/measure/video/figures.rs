//! Rates, loss, skew and scores of one period of a stream.

use super::{Heard, Score, Watched};
use crate::analysis::measure::model::VideoPeriod;
use crate::analysis::quality::g1070::Video;
use crate::units::RunTime;
use crate::wire::video::Verdict;

/// What is known of a period beside the frames.
#[derive(Clone, Debug, Default)]
pub(in crate::analysis::measure) struct PeriodInput {
    /// `before`, `during`, `after`, `whole`.
    pub(in crate::analysis::measure) name: &'static str,
    /// Half-open stretches of time.
    pub(in crate::analysis::measure) stretches: Vec<(RunTime, RunTime)>,
    /// Packets of its frames that were sent and that arrived, where that is known.
    pub(in crate::analysis::measure) packets: Option<(u64, u64)>,
    /// One-way delay of whole frames in it, in milliseconds.
    pub(in crate::analysis::measure) delay_ms: Option<f64>,
    /// The sound that belongs to it.
    pub(in crate::analysis::measure) heard: Option<Heard>,
    /// See [`VideoPeriod::skew_ms`].
    pub(in crate::analysis::measure) skew_ms: Option<f64>,
}

impl PeriodInput {
    /// Whether an instant lies in it.
    pub(in crate::analysis::measure) fn has(&self, at: RunTime) -> bool {
        self.stretches.iter().any(|(from, to)| at >= *from && at < *to)
    }
}

/// Measures one period; `None` when it has no length.
pub(in crate::analysis::measure) fn period(
    watched: &Watched,
    input: &PeriodInput,
    codec: &str,
    size: Option<(u32, u32)>,
) -> Option<VideoPeriod> {
    let seconds: f64 = input.stretches.iter().map(|(from, to)| (*to - *from).as_secs_f64().max(0.0)).sum();
    if seconds <= 0.0 {
        return None;
    }
    let frames = || watched.seen.iter().filter(|seen| input.has(seen.frame.at));
    let shown = frames().filter(|seen| seen.verdict == Verdict::Shown).count() as f64;
    let octets: u64 = frames().map(|seen| seen.frame.octets).sum();
    let known = input.packets.filter(|(sent, _)| *sent > 0);
    let loss_percent = known.map(|(sent, arrived)| 100.0 * sent.saturating_sub(arrived) as f64 / sent as f64);
    let (frame_rate, bitrate_kbps) = (shown / seconds, octets as f64 * 8.0 / 1000.0 / seconds);
    let video = Video { bitrate_kbps, frame_rate, ppl: loss_percent.unwrap_or(0.0) };
    let score = Score::of(codec, size, video, input.delay_ms, input.heard.as_ref());
    Some(VideoPeriod {
        period: input.name.to_owned(),
        seconds,
        frame_rate,
        bitrate_kbps,
        loss_percent,
        skew_ms: input.skew_ms,
        vq: score.vq,
        sq: score.sq,
        mmq: score.mmq,
    })
}
