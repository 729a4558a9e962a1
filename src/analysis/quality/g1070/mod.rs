//! ITU-T G.1070 (06/2018): opinion model for video telephony.
//!
//! Video quality Vq from bit rate, frame rate and loss; speech quality Sq from loss and echo; multimedia quality MMq
//! from both with their delays. No model covers what a failover does to video, a freeze until the next key frame:
//! see [`freeze`](super::freeze) and report it beside Vq.

mod multimedia;
mod sets;
mod speech;

use serde::Serialize;

use super::input::{Input, check_all};
use super::{Provenance, QualityError, Validity};

pub use multimedia::{Multimedia, MultimediaScore, Screen, multimedia_quality};
pub use sets::{CoefficientSet, SETS, VideoCodec, VideoFormat, set_named, set_number, sets_for};
pub use speech::{SpeechScore, speech_quality_nb, speech_quality_wb};

/// Model name that results carry.
pub const MODEL: &str = "ITU-T G.1070 (06/2018)";

/// What a video stream was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Video {
    /// Video bit rate Br, kbit/s.
    pub bitrate_kbps: f64,
    /// Frame rate Fr, frames/s.
    pub frame_rate: f64,
    /// Packet loss PplV, %.
    pub ppl: f64,
}

/// Video quality with its terms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VideoScore {
    /// Standard and edition.
    pub model: &'static str,
    /// Number of the coefficient set.
    pub set: u8,
    /// Video quality Vq, 1 to 5.
    pub vq: f64,
    /// Optimal frame rate Ofr at this bit rate.
    pub ofr: f64,
    /// Best quality at this bit rate IOfr.
    pub iofr: f64,
    /// Robustness against frame rate DFr.
    pub dfr: f64,
    /// Coding quality Icoding.
    pub icoding: f64,
    /// Robustness against loss DPpl.
    pub dppl: f64,
    /// How far the coefficients can be trusted.
    pub provenance: Provenance,
    /// Whether rate, frame rate and loss lay where the coefficients were trained.
    pub validity: Validity,
}

/// Rates a video stream.
///
/// # Errors
/// [`QualityError::OutOfRange`] for a rate or loss that cannot be computed. Inside of that, but outside of what the
/// coefficients were trained with, the score is flagged.
///
/// ```
/// use fivenines::analysis::quality::g1070::{set_number, video_quality, Video};
/// let stream = Video { bitrate_kbps: 1000.0, frame_rate: 30.0, ppl: 0.0 };
/// let score = video_quality(set_number(6)?, &stream)?;
/// assert_eq!(format!("{:.4}", score.vq), "3.8694");
/// # Ok::<(), fivenines::analysis::quality::QualityError>(())
/// ```
pub fn video_quality(set: &CoefficientSet, video: &Video) -> Result<VideoScore, QualityError> {
    let reasons = check_all(MODEL, &inputs(set, video))?;
    let [v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12] = set.v;
    let Video { bitrate_kbps: br, frame_rate: fr, ppl } = *video;
    let ofr = (v1 + v2 * br).clamp(1.0, 30.0);
    let iofr = (v3 - v3 / (1.0 + (br / v4).powf(v5))).clamp(0.0, 4.0);
    let dfr = (v6 + v7 * br).max(FLOOR);
    let icoding = iofr * (-(fr.ln() - ofr.ln()).powi(2) / (2.0 * dfr * dfr)).exp();
    let dppl = (v10 + v11 * (-fr / v8).exp() + v12 * (-br / v9).exp()).max(FLOOR);
    let vq = 1.0 + icoding * (-ppl / dppl).exp();
    let validity = Validity::from_reasons(reasons);
    let (number, provenance) = (set.number, set.provenance());
    Ok(VideoScore { model: MODEL, set: number, vq, ofr, iofr, dfr, icoding, dppl, provenance, validity })
}

/// The Recommendation wants robustness above zero; some sets fall below it at rates far from the trained ones.
const FLOOR: f64 = 1e-3;

fn inputs(set: &CoefficientSet, video: &Video) -> [Input; 3] {
    let trained = set.format.trained_kbps().unwrap_or((1.0, 100_000.0));
    let input = |name, unit, value, computable, recommended| Input {
        name,
        unit,
        value,
        computable,
        recommended,
        provisional: false,
    };
    [
        input("Br", "kbit/s", video.bitrate_kbps, (1.0, 100_000.0), trained),
        input("Fr", "frames/s", video.frame_rate, (1.0, 240.0), (8.0, 30.0)),
        input("PplV", "%", video.ppl, (0.0, 100.0), (0.0, 3.0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vq(number: u8, bitrate_kbps: f64, frame_rate: f64, ppl: f64) -> f64 {
        video_quality(set_number(number).unwrap(), &Video { bitrate_kbps, frame_rate, ppl }).unwrap().vq
    }

    /// Independent calculation at (kbit/s, frames/s, %): (512,15,0) (512,15,1) (1024,30,0) (1024,30,1) (1024,30,3).
    #[test]
    fn every_set_at_five_points() {
        let golden = [
            [3.8676, 3.2527, 4.2859, 3.4045, 2.2876],
            [4.2971, 3.8036, 4.4275, 3.9052, 3.0872],
            [3.3325, 2.4782, 3.3653, 2.1102, 1.2446],
            [2.8110, 2.7327, 3.4474, 3.0905, 2.5251],
            [3.5458, 3.1418, 3.8205, 2.9201, 1.8899],
            [3.6594, 2.9746, 3.8785, 3.1362, 2.1765],
            [3.6057, 3.2037, 3.9252, 3.3733, 2.5622],
            [3.2736, 2.7706, 3.7960, 3.0776, 2.1471],
            [2.8190, 2.2388, 3.2806, 2.3798, 1.5050],
            [3.6637, 3.1406, 3.9930, 3.3403, 2.4309],
            [3.6134, 3.1265, 3.9590, 3.3425, 2.4680],
            [3.5484, 2.9986, 3.9862, 3.1553, 2.1227],
            [3.0110, 2.4593, 3.7107, 2.6997, 1.6683],
            [3.5077, 2.8066, 3.6853, 2.9340, 2.0032],
            [3.3476, 2.8085, 3.7328, 3.0647, 2.1785],
            [3.1474, 2.5251, 3.6751, 2.7850, 1.7947],
            [2.8350, 1.9937, 3.3254, 2.1383, 1.2728],
            [3.4521, 2.9038, 3.7876, 3.0909, 2.1763],
            [3.3804, 2.9845, 3.7809, 3.2319, 2.4377],
            [3.5477, 2.9539, 3.8937, 3.0568, 2.0391],
            [2.9992, 2.2134, 3.4186, 2.3005, 1.3760],
        ];
        let points =
            [(512.0, 15.0, 0.0), (512.0, 15.0, 1.0), (1024.0, 30.0, 0.0), (1024.0, 30.0, 1.0), (1024.0, 30.0, 3.0)];
        for (number, wanted) in (1..).zip(golden) {
            for ((br, fr, ppl), want) in points.into_iter().zip(wanted) {
                let got = vq(number, br, fr, ppl);
                assert!((got - want).abs() < 5.1e-5, "set {number} at {br} kbit/s, {fr}/s, {ppl} %: {got}, not {want}");
            }
        }
    }

    /// Another implementation's own test expects about 3.87 here; the terms are of the independent calculation.
    #[test]
    fn the_terms_of_set_6() {
        let video = Video { bitrate_kbps: 1000.0, frame_rate: 30.0, ppl: 0.0 };
        let score = video_quality(set_number(6).unwrap(), &video).unwrap();
        let terms = [score.ofr, score.iofr, score.dfr, score.icoding, score.dppl];
        let golden = [16.741, 2.925_525_224, 2.964, 2.869_413_027, 3.353_000_564];
        assert!(terms.iter().zip(golden).all(|(got, want)| (got - want).abs() < 1e-9), "{terms:?}");
    }

    #[test]
    fn outside_of_the_training_is_flagged() {
        let rate = |bitrate_kbps, frame_rate, ppl| {
            let video = Video { bitrate_kbps, frame_rate, ppl };
            video_quality(set_number(9).unwrap(), &video).unwrap().validity.reasons
        };
        assert!(rate(1024.0, 30.0, 1.0).is_empty());
        assert!(rate(256.0, 30.0, 1.0)[0].contains("Br 256 kbit/s is outside 512 to 6400"));
        assert_eq!(rate(9000.0, 60.0, 12.0).len(), 3);
    }

    #[test]
    fn what_has_no_coefficients_is_refused() {
        for codec in ["VP8", "VP9", "H265", "AV1"] {
            assert!(sets_for(codec).unwrap_err().to_string().contains("H.264 only"), "{codec}");
        }
        assert_eq!(sets_for("H264").unwrap().len(), 17);
        assert!(set_number(22).is_err() && set_number(0).is_err());
        let nan = Video { bitrate_kbps: f64::NAN, frame_rate: 30.0, ppl: 0.0 };
        assert!(video_quality(&SETS[0], &nan).is_err());
    }

    proptest! {
        #[test]
        fn more_loss_never_raises_vq(
            number in 1u8..=21, br in 1.0f64..20_000.0, fr in 1.0f64..60.0, ppl in 0.0f64..99.0, more in 0.0f64..1.0
        ) {
            let (before, after) = (vq(number, br, fr, ppl), vq(number, br, fr, ppl + more));
            prop_assert!(after <= before && (1.0..=5.0).contains(&before));
        }
    }
}
