//! A codec rated by the model of its own scale: the one on which G.113 has its values.
//!
//! Inside, the scales are kept apart by type. What leaves carries the names of model, scale and label, and is to be
//! shown with them: a wideband MOS-CQEW of 4.2 is not a narrowband MOS-CQEN of 4.2.

use std::fmt;

use super::g107::{self, Connection};
use super::g107_1::{self, WidebandConnection};
use super::g107_2::{self, FullbandConnection};
use super::g113::{self, Equipment};
use super::time_series::audible_impairment;
use super::{Bandwidth, Fullband, Narrowband, QualityError, Rating, Scale, Score, Validity, Wideband};

/// What changes while a codec is heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Packet loss Ppl with de-jitter discards, %.
    pub ppl: f64,
    /// Burst ratio BurstR; 1 for random loss.
    pub burst_r: f64,
    /// One-way delay Ta: network, de-jitter buffer, packet and look-ahead, ms.
    pub ta_ms: f64,
}

/// Ie and Bpl of a codec on the scale where it has them.
#[derive(Clone, Debug, PartialEq)]
pub enum CodecModel {
    /// G.107.
    Narrowband(Equipment<Narrowband>),
    /// G.107.1.
    Wideband(Equipment<Wideband>),
    /// G.107.2.
    Fullband(Equipment<Fullband>),
}

/// A rating with the names that it must be shown with.
#[derive(Clone, Debug, PartialEq)]
pub struct CodecRating {
    /// The scale of `r`.
    pub bandwidth: Bandwidth,
    /// Standard and edition.
    pub model: &'static str,
    /// P.800.1 label of the MOS.
    pub mos_label: &'static str,
    /// Transmission rating on that scale.
    pub r: f64,
    /// MOS in [1, 4.5].
    pub mos: f64,
    /// Whether the model was inside its validated range.
    pub validity: Validity,
}

impl CodecModel {
    /// The model of a codec by its name in SDP or the Recommendation.
    ///
    /// # Errors
    /// [`QualityError::Unsupported`] with the reason if the codec has values on no scale.
    ///
    /// ```
    /// use fivenines::analysis::quality::Bandwidth;
    /// use fivenines::analysis::quality::codec::{CodecModel, Conditions};
    /// let g722 = CodecModel::of("G722", Some(20.0))?;
    /// let clean = g722.rate(Conditions { ppl: 0.0, burst_r: 1.0, ta_ms: 70.0 })?;
    /// assert_eq!((clean.bandwidth, clean.mos_label), (Bandwidth::Wideband, "MOS-CQEW"));
    /// // Its Bpl,WB is not published.
    /// assert!(g722.rate(Conditions { ppl: 1.0, burst_r: 1.0, ta_ms: 70.0 }).is_err());
    /// # Ok::<(), fivenines::analysis::quality::QualityError>(())
    /// ```
    pub fn of(codec: &str, ptime_ms: Option<f64>) -> Result<CodecModel, QualityError> {
        match g113::scale_of(codec) {
            Some(Bandwidth::Narrowband) => g113::lookup(codec, ptime_ms).map(CodecModel::Narrowband),
            Some(Bandwidth::Wideband) => g113::lookup(codec, ptime_ms).map(CodecModel::Wideband),
            Some(Bandwidth::Fullband) => g113::lookup(codec, ptime_ms).map(CodecModel::Fullband),
            None => Err(g113::refusal(codec)),
        }
    }

    /// The encoder's look-ahead, ms, where it is known.
    #[must_use]
    pub fn look_ahead_ms(&self) -> Option<f64> {
        match self {
            CodecModel::Narrowband(codec) => codec.look_ahead_ms,
            CodecModel::Wideband(codec) => codec.look_ahead_ms,
            CodecModel::Fullband(codec) => codec.look_ahead_ms,
        }
    }

    /// Rates what was heard. The loss term is bounded by what silence is worth, and where nothing arrives R is not
    /// above 0.
    ///
    /// # Errors
    /// As the model of the scale: inputs that cannot be computed, loss without a published Bpl.
    pub fn rate(&self, heard: Conditions) -> Result<CodecRating, QualityError> {
        let Conditions { ppl, burst_r, ta_ms } = heard;
        match self {
            CodecModel::Narrowband(codec) => {
                let equipment = codec.clone();
                let score = g107::assess(&Connection { equipment, ppl, burst_r, ..Connection::with_delay(ta_ms) })?;
                let ie_eff = score.components.ie_eff;
                Ok(bounded(score, ie_eff, ppl))
            }
            CodecModel::Wideband(codec) => {
                let connection = WidebandConnection { ppl, ..WidebandConnection::with_delay(ta_ms, codec.clone()) };
                let score = g107_1::assess(&connection)?;
                let ie_eff = score.components.ie_eff;
                Ok(bounded(score, ie_eff, ppl).taking_losses_as_random(burst_r))
            }
            CodecModel::Fullband(codec) => {
                let score = g107_2::assess(&FullbandConnection { ta_ms, equipment: codec.clone(), ppl })?;
                let ie_eff = score.components.ie_eff;
                Ok(bounded(score, ie_eff, ppl).taking_losses_as_random(burst_r))
            }
        }
    }
}

/// Codec, Ie, Bpl, provenance and source in one line.
impl fmt::Display for CodecModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodecModel::Narrowband(codec) => write_equipment(f, codec),
            CodecModel::Wideband(codec) => write_equipment(f, codec),
            CodecModel::Fullband(codec) => write_equipment(f, codec),
        }
    }
}

fn write_equipment<S: Scale>(f: &mut fmt::Formatter<'_>, codec: &Equipment<S>) -> fmt::Result {
    let bpl = codec.bpl.map_or_else(|| "no Bpl".to_owned(), |bpl| format!("Bpl {bpl}"));
    write!(f, "{}: Ie {}, {bpl}, {}, {}", codec.condition, codec.ie, codec.provenance, codec.source)
}

fn bounded<S: Scale, C>(score: Score<S, C>, ie_eff: f64, ppl: f64) -> CodecRating {
    let r: Rating<S> = Rating::new(score.r.value() + ie_eff - audible_impairment::<S>(ie_eff, ppl));
    let Score { model, mos_label, validity, .. } = score;
    CodecRating { bandwidth: S::BANDWIDTH, model, mos_label, r: r.value(), mos: r.mos().value(), validity }
}

impl CodecRating {
    /// G.107.1 and G.107.2 have no burst ratio; the narrowband model's limit of 2 is where that begins to matter.
    fn taking_losses_as_random(mut self, burst_r: f64) -> CodecRating {
        if burst_r > 2.0 {
            let reason = format!(
                "BurstR {burst_r:.2}: the {} model has no burst ratio and takes losses as random",
                self.bandwidth
            );
            self.validity.reasons.push(reason);
            self.validity.outside_validity = true;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(codec: &str, ppl: f64, burst_r: f64) -> CodecRating {
        CodecModel::of(codec, None).unwrap().rate(Conditions { ppl, burst_r, ta_ms: 0.0 }).unwrap()
    }

    /// The first points of the narrowband, wideband (echo terms take 0.1537 of 109) and fullband tables.
    #[test]
    fn each_codec_stays_on_its_own_scale() {
        let golden = [
            ("PCMU", Bandwidth::Narrowband, 93.2062, "MOS-CQEN"),
            ("AMR-WB-12.65", Bandwidth::Wideband, 108.8463, "MOS-CQEW"),
            ("EVS-24.4", Bandwidth::Fullband, 140.8, "MOS-CQEF"),
        ];
        for (codec, bandwidth, r, label) in golden {
            let got = rate(codec, 0.0, 1.0);
            assert_eq!((got.bandwidth, got.mos_label), (bandwidth, label));
            assert!((got.r - r).abs() < 5e-5, "{codec}: {}", got.r);
        }
    }

    #[test]
    fn hearing_nothing_is_the_end_of_every_scale() {
        for codec in ["PCMU", "AMR-WB-12.65", "EVS-24.4"] {
            let silence = rate(codec, 100.0, 1.0);
            assert!(
                silence.r <= 0.0 && silence.mos == 1.0 && silence.validity.outside_validity,
                "{codec}: {silence:?}"
            );
        }
    }

    #[test]
    fn a_scale_without_burst_ratio_says_so_when_losses_cluster() {
        assert!(rate("EVS-24.4", 1.0, 40.0).validity.reasons[0].contains("fullband model has no burst ratio"));
        assert!(!rate("EVS-24.4", 1.0, 1.5).validity.outside_validity);
    }

    #[test]
    fn what_has_no_values_is_refused_by_its_own_name() {
        let message = |codec: &str| CodecModel::of(codec, None).unwrap_err().to_string();
        assert_eq!(message("opus"), "no score for opus: there is no ITU Ie or Bpl for Opus");
        assert!(message("AMR-WB").contains("bit rate"));
        assert!(message("x-\u{1b}[2J").starts_with("no score for x-\\u{1b}"));
    }

    proptest! {
        #[test]
        fn every_score_is_on_the_scale_and_more_delay_never_raises_it(
            ppl in 0.0f64..=100.0, burst_r in 1.0f64..1e4, ta_ms in 100.0f64..9_000.0, more in 0.0f64..100.0
        ) {
            for codec in ["PCMU", "AMR-WB-12.65", "EVS-24.4"] {
                let model = CodecModel::of(codec, None).unwrap();
                let mos = |ta_ms| model.rate(Conditions { ppl, burst_r, ta_ms }).unwrap().mos;
                prop_assert!((1.0..=4.5).contains(&mos(ta_ms)) && mos(ta_ms + more) <= mos(ta_ms) + 1e-9);
            }
        }
    }
}
