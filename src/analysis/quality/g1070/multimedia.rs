//! Multimedia quality MMq of ITU-T G.1070 (06/2018), for the two small screens that have coefficients.
//!
//! Known from one source; a widely read listing has the sign of TV − TS wrong.

use serde::Serialize;

use super::super::input::{Input, check_all};
use super::super::{Provenance, QualityError};
use super::MODEL;

/// The screens for which m1 to m14 are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Screen {
    /// 4.2 inches, QVGA.
    Inch4_2,
    /// 2.1 inches, QQVGA.
    Inch2_1,
}

impl Screen {
    const fn m(self) -> [f64; 14] {
        match self {
            Screen::Inch4_2 => [
                -4.457e-1, -6.638e-1, 4.042e-1, 2.321, -3.255e-1, 3.309e-1, 1.494e-1, 5.457e-1, -3.235e-4, 3.915,
                -1.377e-3, 0.0, -1.095e-3, 0.0,
            ],
            Screen::Inch2_1 => [
                -6.966e-1, -8.127e-1, 4.562e-1, 3.003, -1.638e-1, 3.626e-1, 1.291e-1, 5.456e-1, -1.251e-4, 3.763,
                -1.065e-3, 1.465e-2, -1.002e-3, 0.0,
            ],
        }
    }
}

/// What is rated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Multimedia {
    /// Speech quality Sq, 1 to 4.5.
    pub sq: f64,
    /// Video quality Vq, 1 to 5.
    pub vq: f64,
    /// One-way delay of speech TS, ms.
    pub speech_ms: f64,
    /// One-way delay of video TV, ms.
    pub video_ms: f64,
}

/// Multimedia quality with its terms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MultimediaScore {
    /// Standard and edition.
    pub model: &'static str,
    /// The screen whose coefficients were used; it says nothing about larger ones.
    pub screen: Screen,
    /// Multimedia quality MMq, 1 to 5.
    pub mmq: f64,
    /// Audiovisual quality SV.
    pub sv: f64,
    /// Delay and synchronisation T.
    pub t: f64,
    /// Absolute audiovisual delay AD.
    pub ad: f64,
    /// Synchronisation MS.
    pub ms: f64,
    /// The coefficients come from one source.
    pub provenance: Provenance,
}

/// Rates a video call.
///
/// # Errors
/// [`QualityError::OutOfRange`] for qualities off their scales or delays above 1 s.
///
/// ```
/// use fivenines::analysis::quality::g1070::{multimedia_quality, Multimedia, Screen};
/// let call = Multimedia { sq: 4.0, vq: 4.0, speech_ms: 150.0, video_ms: 150.0 };
/// assert_eq!(format!("{:.2}", multimedia_quality(Screen::Inch4_2, &call)?.mmq), "3.03");
/// # Ok::<(), fivenines::analysis::quality::QualityError>(())
/// ```
pub fn multimedia_quality(screen: Screen, call: &Multimedia) -> Result<MultimediaScore, QualityError> {
    let input = |name, unit, value, range| Input {
        name,
        unit,
        value,
        computable: range,
        recommended: range,
        provisional: false,
    };
    let (speech, video) = (call.speech_ms, call.video_ms);
    check_all(
        MODEL,
        &[
            input("Sq", "MOS", call.sq, (1.0, 4.5)),
            input("Vq", "MOS", call.vq, (1.0, 5.0)),
            input("TS", "ms", speech, (0.0, 1000.0)),
            input("TV", "ms", video, (0.0, 1000.0)),
        ],
    )?;
    let [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14] = screen.m();
    let sv = (m5 * call.sq + m6 * call.vq + m7 * call.sq * call.vq + m8).clamp(1.0, 5.0);
    let ad = m9 * (speech + video) + m10;
    let late = if speech >= video { m11 * (speech - video) + m12 } else { m13 * (video - speech) + m14 };
    let ms = late.min(0.0);
    let t = (ad + ms).max(1.0);
    let mmq = (m1 * sv + m2 * t + m3 * sv * t + m4).clamp(1.0, 5.0);
    Ok(MultimediaScore { model: MODEL, screen, mmq, sv, t, ad, ms, provenance: Provenance::PublishedOneSource })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Independent calculation: (Sq, Vq, TS, TV) to MMq on both screens.
    #[test]
    fn both_screens() {
        let golden = [
            ((4.5, 4.5, 0.0, 0.0), 3.8092, 4.0807),
            ((4.0, 4.0, 150.0, 150.0), 3.0328, 3.3918),
            ((4.0, 4.0, 400.0, 400.0), 2.9468, 3.3454),
            ((3.0, 3.5, 300.0, 200.0), 2.2531, 2.6142),
        ];
        for ((sq, vq, speech_ms, video_ms), inch_4_2, inch_2_1) in golden {
            let call = Multimedia { sq, vq, speech_ms, video_ms };
            for (screen, want) in [(Screen::Inch4_2, inch_4_2), (Screen::Inch2_1, inch_2_1)] {
                let got = multimedia_quality(screen, &call).unwrap().mmq;
                assert!((got - want).abs() < 5e-5, "{screen:?} {call:?}: {got} instead of {want}");
            }
        }
    }

    /// By hand: T = 3.915 − 3.235e−4·500 − 1.095e−3·100 = 3.64375 when video is the later one.
    #[test]
    fn late_video_costs_as_well() {
        let call = Multimedia { sq: 3.0, vq: 3.5, speech_ms: 200.0, video_ms: 300.0 };
        assert!((multimedia_quality(Screen::Inch4_2, &call).unwrap().t - 3.643_75).abs() < 1e-9);
    }

    #[test]
    fn values_off_the_scale_are_refused() {
        let call = Multimedia { sq: 5.0, vq: 4.0, speech_ms: 0.0, video_ms: 0.0 };
        assert!(matches!(
            multimedia_quality(Screen::Inch4_2, &call),
            Err(QualityError::OutOfRange { parameter: "Sq", .. })
        ));
    }
}
