//! ITU-T G.1070 over what was measured, with the flags that say how far to trust it.

use crate::analysis::measure::model::VideoScore;
use crate::analysis::quality::g1070::{
    self, CoefficientSet, MODEL, Multimedia, Screen, Video, VideoCodec, VideoFormat, multimedia_quality,
    speech_quality_nb, video_quality,
};
use crate::analysis::quality::{Narrowband, Validity, g113};
use crate::units::Span;

/// Echo loudness with the default telephones, dB (G.107 table 1).
const TELR: f64 = 65.0;

/// The sound that belongs to a video stream, in one period.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::analysis::measure) struct Heard {
    pub(in crate::analysis::measure) codec: String,
    pub(in crate::analysis::measure) interval: Span,
    pub(in crate::analysis::measure) loss_percent: f64,
    pub(in crate::analysis::measure) delay_ms: f64,
}

/// The three scores; absent where the model has nothing for the input.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::analysis::measure) struct Score {
    pub(in crate::analysis::measure) vq: Option<VideoScore>,
    pub(in crate::analysis::measure) sq: Option<VideoScore>,
    pub(in crate::analysis::measure) mmq: Option<VideoScore>,
}

impl Score {
    /// Rates a period of a stream of `codec` and `size`. The video's delay is in milliseconds.
    pub(in crate::analysis::measure) fn of(
        codec: &str,
        size: Option<(u32, u32)>,
        video: Video,
        video_delay_ms: Option<f64>,
        heard: Option<&Heard>,
    ) -> Score {
        let vq = size.and_then(|size| rate_video(codec, size, &video));
        let sq = heard.and_then(rate_speech);
        let mmq = vq
            .as_ref()
            .zip(sq.as_ref())
            .zip(heard.zip(video_delay_ms))
            .and_then(|((vq, sq), (heard, delay))| rate_both(vq, sq, heard.delay_ms, delay));
        Score { vq, sq, mmq }
    }
}

/// A set that fits, or one that stands in and is told.
fn coefficients(codec: &str, (_, height): (u32, u32)) -> Option<(&'static CoefficientSet, Option<String>)> {
    let format = match height {
        ..=160 => VideoFormat::Qqvga,
        161..=360 => VideoFormat::Qvga,
        361..=500 => VideoFormat::Vga,
        501..=600 => VideoFormat::Cif4,
        601..=800 => VideoFormat::P720,
        _ => VideoFormat::P1080,
    };
    let sets = g1070::sets_for(codec).ok()?;
    let baseline = sets.iter().find(|set| set.codec == VideoCodec::H264Baseline && set.format == format);
    if let Some(set) = baseline {
        return Some((set, None));
    }
    let stand_in = g1070::sets_for("MPEG-4").ok()?.into_iter().find(|set| set.format == format)?;
    Some((stand_in, Some(format!("proxy: no coefficients for {codec} of {height} lines"))))
}

fn rate_video(codec: &str, size: (u32, u32), video: &Video) -> Option<VideoScore> {
    let (set, proxy) = coefficients(codec, size)?;
    let score = video_quality(set, video).ok()?;
    let note =
        proxy.iter().cloned().chain([format!("set {}", set.name())]).chain(score.validity.reasons.iter().cloned());
    Some(VideoScore {
        value: score.vq,
        model: MODEL.to_owned(),
        valid: proxy.is_none() && !score.validity.outside_validity,
        note: note.collect::<Vec<_>>().join("; "),
    })
}

fn rate_speech(heard: &Heard) -> Option<VideoScore> {
    let equipment = g113::lookup::<Narrowband>(&heard.codec, Some(heard.interval.as_millis_f64())).ok()?;
    let score = speech_quality_nb(heard.delay_ms, TELR, &equipment, heard.loss_percent).ok()?;
    let Validity { outside_validity, reasons } = score.validity;
    Some(VideoScore {
        value: score.sq.value(),
        model: MODEL.to_owned(),
        valid: !outside_validity,
        note: [vec![equipment.condition.into_owned()], reasons].concat().join("; "),
    })
}

/// Coefficients are published for screens of 4.2 and 2.1 inches only, so this is a comparison and no prediction
/// for a larger picture.
fn rate_both(vq: &VideoScore, sq: &VideoScore, speech_ms: f64, video_ms: f64) -> Option<VideoScore> {
    let call = Multimedia { sq: sq.value, vq: vq.value, speech_ms, video_ms };
    let score = multimedia_quality(Screen::Inch4_2, &call).ok()?;
    Some(VideoScore {
        value: score.mmq,
        model: MODEL.to_owned(),
        valid: false,
        note: "coefficients of a 4.2 inch QVGA screen with MPEG-4; known from one source".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(codec: &str, size: (u32, u32), bitrate_kbps: f64) -> Score {
        let heard = Heard { codec: "PCMA".into(), interval: Span::from_millis(20), loss_percent: 0.0, delay_ms: 70.0 };
        let video = Video { bitrate_kbps, frame_rate: 25.0, ppl: 0.0 };
        Score::of(codec, size.into(), video, Some(40.0), Some(&heard))
    }

    #[test]
    fn scores_say_how_far_they_can_be_trusted() {
        let vga = score("H264", (640, 480), 300.0);
        assert!(vga.vq.as_ref().is_some_and(|vq| vq.valid && vq.note.contains("h264bp-vga-6")), "{vga:?}");
        assert!(vga.sq.as_ref().is_some_and(|sq| sq.valid && sq.value > 4.0));
        assert!(vga.mmq.as_ref().is_some_and(|mmq| !mmq.valid && mmq.value > 1.0));
        // Trained from 128 kbit/s on.
        assert!(!score("H264", (640, 480), 60.0).vq.unwrap().valid);
        assert!(score("H264", (320, 240), 90.0).vq.unwrap().note.starts_with("proxy"));
        assert_eq!(score("VP8", (640, 480), 300.0).vq, None);
    }
}
