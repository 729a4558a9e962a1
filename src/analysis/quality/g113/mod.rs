//! ITU-T G.113: equipment impairment Ie and packet-loss robustness Bpl, with source and provenance.
//!
//! The values are those of Appendix I (narrowband), Appendix IV (wideband) and Appendix V (fullband) as
//! several secondary sources quote them. Where nothing is published, [`lookup`] refuses with the reason: a
//! score from an invented Bpl looks exactly like a real one. A caller who has own values states them with
//! [`Equipment::given`].

mod tables;

use std::marker::PhantomData;

use serde::Serialize;

use super::{Provenance, QualityError, Scale};
use tables::{ALIASES, refusal};
pub use tables::{ROWS, Row};

/// Ie and Bpl of a codec on scale `S`, with their source.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(bound = "")]
pub struct Equipment<S> {
    /// Codec and condition.
    pub condition: &'static str,
    /// Equipment impairment without loss, on the scale's own units.
    pub ie: f64,
    /// Packet-loss robustness; `None` where none is published for this codec.
    pub bpl: Option<f64>,
    /// Packet size for which Bpl is tabulated, ms.
    pub bpl_ptime_ms: Option<f64>,
    /// How far the values can be trusted for this use.
    pub provenance: Provenance,
    /// Recommendation and table.
    pub source: &'static str,
    #[serde(skip)]
    scale: PhantomData<S>,
}

impl<S: Scale> Equipment<S> {
    /// Values that the caller answers for.
    #[must_use]
    pub const fn given(ie: f64, bpl: f64) -> Equipment<S> {
        Equipment {
            condition: "values given by the caller",
            ie,
            bpl: Some(bpl),
            bpl_ptime_ms: None,
            provenance: Provenance::Given,
            source: "no table",
            scale: PhantomData,
        }
    }

    /// The effective impairment `Ie + (ceiling − Ie) Ppl / (Ppl/BurstR + Bpl)` (G.107 §7.5), Ppl in %.
    ///
    /// # Errors
    /// [`QualityError::Unsupported`] if there is loss but no published Bpl.
    pub fn effective(&self, ppl: f64, burst_r: f64) -> Result<f64, QualityError> {
        if ppl == 0.0 {
            return Ok(self.ie);
        }
        let Some(bpl) = self.bpl else {
            return Err(QualityError::Unsupported {
                what: format!("{} with {ppl} % loss", self.condition),
                reason: "its Ie is published, a Bpl is not; without loss it can be scored, or state a Bpl of your own"
                    .into(),
            });
        };
        Ok(self.ie + (S::LOSS_CEILING - self.ie) * ppl / (ppl / burst_r + bpl))
    }

    fn from_row(row: &Row, ptime_ms: Option<f64>) -> Equipment<S> {
        let other_ptime = matches!((row.ptime_ms, ptime_ms), (Some(table), Some(used)) if table != used);
        let provenance = match row.provenance {
            Provenance::Published if other_ptime => Provenance::PublishedOtherPtime,
            provenance => provenance,
        };
        Equipment {
            condition: row.condition,
            ie: row.ie,
            bpl: row.bpl,
            bpl_ptime_ms: row.ptime_ms,
            provenance,
            source: row.source,
            scale: PhantomData,
        }
    }
}

/// The published values of a codec on scale `S`, at packet size `ptime_ms` where it is known.
///
/// Names are those of SDP or the Recommendation; case, dots and dashes do not matter. `pcmu`, `pcma` and
/// `g711` mean G.711 with Appendix I concealment; say `g711-noplc` for a receiver without.
///
/// # Errors
/// [`QualityError::Unsupported`] with the reason if there is no value.
///
/// ```
/// use fivenines::analysis::quality::{g113::lookup, Narrowband, Provenance};
/// let g729 = lookup::<Narrowband>("G.729A", Some(20.0))?;
/// assert_eq!((g729.ie, g729.bpl, g729.provenance), (11.0, Some(19.0), Provenance::Published));
/// assert!(lookup::<Narrowband>("opus", None).unwrap_err().to_string().contains("no ITU"));
/// # Ok::<(), fivenines::analysis::quality::QualityError>(())
/// ```
pub fn lookup<S: Scale>(codec: &str, ptime_ms: Option<f64>) -> Result<Equipment<S>, QualityError> {
    let key = canonical(codec);
    let same_codec = || ROWS.iter().filter(|row| canonical(row.key) == key);
    if let Some(row) = same_codec().find(|row| row.bandwidth == S::BANDWIDTH) {
        return Ok(Equipment::from_row(row, ptime_ms));
    }
    let reason = match same_codec().next() {
        Some(row) => {
            format!("G.113 has {} values for it, no {} ones; the scales are not comparable", row.bandwidth, S::NAME)
        }
        None => refusal(&key).map_or_else(unknown::<S>, str::to_owned),
    };
    Err(QualityError::Unsupported { what: format!("{codec} on the {} scale", S::NAME), reason })
}

fn unknown<S: Scale>() -> String {
    let known: Vec<&str> = ROWS.iter().filter(|row| row.bandwidth == S::BANDWIDTH).map(|row| row.key).collect();
    format!("it is not in the tables of G.113; known are {}", known.join(", "))
}

/// Lower case without punctuation, aliases resolved.
fn canonical(codec: &str) -> String {
    let bare: String = codec.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    ALIASES.iter().find(|(alias, _)| *alias == bare).map_or(bare, |(_, key)| (*key).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::{Fullband, Narrowband, Wideband};
    use super::*;

    #[test]
    fn names_are_read_as_sdp_writes_them() {
        for name in ["PCMU", "pcma", "G.711", "g711-plc"] {
            let equipment = lookup::<Narrowband>(name, Some(10.0)).unwrap();
            assert_eq!((equipment.bpl, equipment.provenance), (Some(25.1), Provenance::Published), "{name}");
        }
    }

    #[test]
    fn another_packet_size_is_said_to_be_another() {
        let at_20 = lookup::<Narrowband>("PCMU", Some(20.0)).unwrap();
        assert_eq!(at_20.provenance, Provenance::PublishedOtherPtime);
        assert_eq!(lookup::<Narrowband>("GSM-EFR", Some(20.0)).unwrap().provenance, Provenance::Published);
        assert_eq!(lookup::<Narrowband>("AMR-12.2", Some(20.0)).unwrap().provenance, Provenance::Derived);
    }

    #[test]
    fn what_the_itu_does_not_publish_is_refused_with_the_reason() {
        for name in ["opus", "SILK", "speex", "iLBC", "VP8"] {
            let error = lookup::<Narrowband>(name, None).unwrap_err().to_string();
            assert!(error.contains("no ITU"), "{error}");
        }
        assert!(lookup::<Narrowband>("morse", None).unwrap_err().to_string().contains("g729a"));
    }

    #[test]
    fn a_codec_stays_on_its_scale() {
        let error = lookup::<Narrowband>("G722", None).unwrap_err().to_string();
        assert!(error.contains("wideband values"), "{error}");
        assert!(lookup::<Fullband>("PCMU", None).is_err());
        assert_eq!(lookup::<Fullband>("EVS-32", None).unwrap().bpl, Some(9.3));
    }

    #[test]
    fn loss_without_a_published_bpl_is_refused() {
        let g722 = lookup::<Wideband>("G722", Some(20.0)).unwrap();
        assert_eq!(g722.effective(0.0, 1.0).unwrap(), 13.0);
        assert!(matches!(g722.effective(1.0, 1.0), Err(QualityError::Unsupported { .. })));
    }

    /// G.107 §7.5 by hand: 95·2/(2+4.3), 95·2/(1+4.3), 95·5/(2.5+25.1), 11 + 84·2/21.
    #[test]
    fn effective_impairment() {
        let golden = [
            ((0.0, 4.3, 2.0, 1.0), 30.1587),
            ((0.0, 4.3, 2.0, 2.0), 35.8491),
            ((0.0, 25.1, 5.0, 2.0), 17.210_145),
            ((11.0, 19.0, 2.0, 1.0), 19.0),
        ];
        for ((ie, bpl, ppl, burst_r), want) in golden {
            let got = Equipment::<Narrowband>::given(ie, bpl).effective(ppl, burst_r).unwrap();
            assert!((got - want).abs() < 5e-5, "{got} instead of {want}");
        }
    }

    #[test]
    fn keys_are_unique_on_each_scale() {
        for (i, row) in ROWS.iter().enumerate() {
            let same = |other: &&Row| canonical(other.key) == canonical(row.key) && other.bandwidth == row.bandwidth;
            assert_eq!(ROWS.iter().filter(same).count(), 1, "row {i}: {}", row.key);
        }
    }
}
