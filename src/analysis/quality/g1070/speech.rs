//! Speech quality Sq of ITU-T G.1070 (06/2018): an E-model without absolute delay (MMq takes that).

use serde::Serialize;

use super::super::g107::{echo_weight, smooth_difference};
use super::super::g107_1::{WidebandConnection, talker_echo};
use super::super::g113::Equipment;
use super::super::input::{Input, check_all};
use super::super::{Mos, Narrowband, QualityError, Rating, Scale, Validity, Wideband};
use super::MODEL;

/// Roe of the narrowband node.
const ROE_NB: f64 = 94.769;
/// The rating of an undisturbed narrowband call.
const Q_NB: f64 = 93.193;
/// The rating of an undisturbed wideband call, and its Roe.
const Q_WB: f64 = 129.0;

/// Speech quality with its rating.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(bound = "")]
pub struct SpeechScore<S: Scale> {
    /// Standard and edition.
    pub model: &'static str,
    /// The rating Q, not clamped.
    pub q: Rating<S>,
    /// Speech quality Sq, 1 to 4.5.
    pub sq: Mos<S>,
    /// Whether delay and loss lay in the ranges that the Recommendation names: below 1 s and 20 %.
    pub validity: Validity,
}

/// The narrowband speech quality for one-way delay `ts_ms`, echo loudness TELR and loss in %.
///
/// # Errors
/// [`QualityError::OutOfRange`] for inputs that cannot be computed, [`QualityError::Unsupported`] for loss without a
/// published Bpl.
pub fn speech_quality_nb(
    ts_ms: f64,
    telr: f64,
    equipment: &Equipment<Narrowband>,
    ppl: f64,
) -> Result<SpeechScore<Narrowband>, QualityError> {
    let validity = check(ts_ms, telr, ppl)?;
    let re = 80.0 + 2.5 * (telr + echo_weight(ts_ms) - 14.0);
    let idte = (smooth_difference(ROE_NB, re, 100.0) - 1.0) * (1.0 - (-ts_ms).exp());
    Ok(score(Q_NB - idte - equipment.effective(ppl, 1.0)?, validity))
}

/// The wideband speech quality.
///
/// # Errors
/// As [`speech_quality_nb`].
pub fn speech_quality_wb(
    ts_ms: f64,
    telr: f64,
    equipment: &Equipment<Wideband>,
    ppl: f64,
) -> Result<SpeechScore<Wideband>, QualityError> {
    let validity = check(ts_ms, telr, ppl)?;
    let ie_eff = equipment.effective(ppl, 1.0)?;
    let echo = WidebandConnection { telr, ..WidebandConnection::with_delay(ts_ms, equipment.clone()) };
    Ok(score(Q_WB - talker_echo(&echo, Q_WB) - ie_eff, validity))
}

fn score<S: Scale>(q: f64, validity: Validity) -> SpeechScore<S> {
    let q = Rating::new(q);
    SpeechScore { model: MODEL, q, sq: q.mos(), validity }
}

fn check(ts_ms: f64, telr: f64, ppl: f64) -> Result<Validity, QualityError> {
    let input = |name, unit, value, computable, end| {
        let recommended = (0.0, end);
        Input { name, unit, value, computable: (0.0, computable), recommended, provisional: false }
    };
    let inputs = [
        input("TS", "ms", ts_ms, 20_000.0, 1000.0),
        input("TELR", "dB", telr, 150.0, 150.0),
        input("PplS", "%", ppl, 100.0, 20.0),
    ];
    check_all(MODEL, &inputs).map(Validity::from_reasons)
}

#[cfg(test)]
mod tests {
    use super::super::super::g113::lookup;
    use super::*;

    /// Independent calculation: (ms, codec, %) to Q and Sq.
    #[test]
    fn narrowband_speech() {
        let golden = [
            (0.0, "g711", 0.0, 93.193, 4.4092),
            (150.0, "g711", 0.0, 90.3811, 4.3482),
            (150.0, "g729a", 2.0, 71.3811, 3.6611),
            (300.0, "g711-noplc", 1.0, 70.4345, 3.6173),
        ];
        for (ts, codec, ppl, q, sq) in golden {
            let score = speech_quality_nb(ts, 65.0, &lookup(codec, None).unwrap(), ppl).unwrap();
            assert!((score.q.value() - q).abs() < 5e-5, "{score:?}");
            assert!((score.sq.value() - sq).abs() < 5e-5, "{score:?}");
        }
    }

    /// 129 − Ie,eff at no delay: 129 − 34.151 (G.107.1 vector of AMR-WB 12.65 at 1 %).
    #[test]
    fn wideband_speech() {
        let score = speech_quality_wb(0.0, 65.0, &lookup("AMR-WB-12.65", None).unwrap(), 1.0).unwrap();
        assert!((score.q.value() - 94.849).abs() < 5e-4);
        assert!(speech_quality_wb(-1.0, 65.0, &Equipment::given(0.0, 4.3), 0.0).is_err());
    }

    #[test]
    fn delays_and_losses_off_the_named_ranges_are_flagged() {
        let score = speech_quality_nb(1200.0, 65.0, &Equipment::given(0.0, 25.1), 30.0).unwrap();
        assert_eq!(score.validity.reasons, ["TS 1200 ms is outside 0 to 1000 ms", "PplS 30 % is outside 0 to 20 %"]);
    }
}
