//! ITU-T G.113: equipment impairment Ie and packet-loss robustness Bpl, with source and provenance.
//!
//! The values are those of Appendix I (narrowband), Appendix IV (wideband) and Appendix V (fullband) as
//! several secondary sources quote them. Where nothing is published, [`lookup`] refuses with the reason: a
//! score from an invented Bpl looks exactly like a real one. A caller who has own values states them with
//! [`Equipment::given`]; one who wants another codec to stand in names it with [`proxy`], and the score says so.

mod tables;

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::Serialize;

use super::{Bandwidth, Provenance, QualityError, Scale};
use tables::ALIASES;
pub use tables::{REFUSED, ROWS, Refused, Row};

/// Ie and Bpl of a codec on scale `S`, with their source.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(bound = "")]
pub struct Equipment<S> {
    /// Codec and condition; for a proxy, what it stands in for.
    pub condition: Cow<'static, str>,
    /// Equipment impairment without loss, on the scale's own units.
    pub ie: f64,
    /// Packet-loss robustness; `None` where none is published for this codec.
    pub bpl: Option<f64>,
    /// Packet size for which Bpl is tabulated, ms.
    pub bpl_ptime_ms: Option<f64>,
    /// Delay of the encoder beyond the packet itself, ms; `None` where it is not known here.
    pub look_ahead_ms: Option<f64>,
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
            condition: Cow::Borrowed("values given by the caller"),
            ie,
            bpl: Some(bpl),
            bpl_ptime_ms: None,
            look_ahead_ms: None,
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
            condition: Cow::Borrowed(row.condition),
            ie: row.ie,
            bpl: row.bpl,
            bpl_ptime_ms: row.ptime_ms,
            look_ahead_ms: row.look_ahead_ms,
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
    match row::<S>(codec) {
        Some(row) => Ok(Equipment::from_row(row, ptime_ms)),
        None => Err(refuse::<S>(codec, without_value::<S>(codec))),
    }
}

/// The published values of `proxy` for `codec`, which has none of its own: labelled as such, provenance
/// [`Provenance::Proxy`]. Nothing supports that the two fail alike.
///
/// # Errors
/// [`QualityError::Unsupported`] if `codec` has Ie and Bpl of its own on this scale, is unknown or is no audio codec,
/// or if `proxy` has no value.
///
/// ```
/// use fivenines::analysis::quality::{g113::proxy, Narrowband, Provenance};
/// let opus = proxy::<Narrowband>("opus", "g711", Some(20.0))?;
/// assert_eq!(opus.condition, "proxy: G.711 with Appendix I concealment (no ITU value for Opus)");
/// assert_eq!((opus.bpl, opus.provenance), (Some(25.1), Provenance::Proxy));
/// # Ok::<(), fivenines::analysis::quality::QualityError>(())
/// ```
pub fn proxy<S: Scale>(codec: &str, proxy: &str, ptime_ms: Option<f64>) -> Result<Equipment<S>, QualityError> {
    let missing = missing::<S>(codec)?;
    let stand_in = lookup::<S>(proxy, ptime_ms)?;
    let condition = Cow::Owned(format!("proxy: {} ({missing})", stand_in.condition));
    Ok(Equipment { condition, provenance: Provenance::Proxy, ..stand_in })
}

/// The scale on which a codec has values: no codec has them on two.
#[must_use]
pub fn scale_of(codec: &str) -> Option<Bandwidth> {
    rows(codec).next().map(|row| row.bandwidth)
}

/// Whether a name is neither in the tables nor among those that are refused.
#[must_use]
pub fn is_unknown(codec: &str) -> bool {
    scale_of(codec).is_none() && refused(codec).is_none()
}

/// Why a codec has values on no scale.
#[must_use]
pub fn refusal(codec: &str) -> QualityError {
    let unknown = || "it is not in the tables of G.113".to_owned();
    let reason = refused(codec).map_or_else(unknown, |refused| refused.reason.to_owned());
    QualityError::Unsupported { what: codec.escape_debug().to_string(), reason }
}

/// What `codec` lacks, so that a proxy is in order; the error where it is not.
fn missing<S: Scale>(codec: &str) -> Result<String, QualityError> {
    let (refused, elsewhere) = (refused(codec), rows(codec).next());
    match (row::<S>(codec), elsewhere, refused) {
        (Some(own), ..) if own.bpl.is_some() => {
            Err(refuse::<S>(codec, "a proxy is for codecs without values, and this one has its own".to_owned()))
        }
        (Some(own), ..) => Ok(format!("no ITU Bpl for {}", own.key)),
        (None, Some(other), _) => Ok(format!("no {} ITU value for {}", S::NAME, other.key)),
        (None, None, Some(refused)) if refused.proxy => Ok(format!("no ITU value for {}", refused.name)),
        _ => Err(refuse::<S>(codec, without_value::<S>(codec))),
    }
}

/// The entry of a codec that is known to have no values on any scale.
#[must_use]
pub fn refused(codec: &str) -> Option<&'static Refused> {
    let key = canonical(codec);
    REFUSED.iter().find(|refused| refused.key == key)
}

/// Whether [`proxy`] may be asked for this codec on scale `S`.
#[must_use]
pub fn may_have_proxy<S: Scale>(codec: &str) -> bool {
    missing::<S>(codec).is_ok()
}

fn rows(codec: &str) -> impl Iterator<Item = &'static Row> {
    let key = canonical(codec);
    ROWS.iter().filter(move |row| canonical(row.key) == key)
}

fn row<S: Scale>(codec: &str) -> Option<&'static Row> {
    rows(codec).find(|row| row.bandwidth == S::BANDWIDTH)
}

fn refuse<S: Scale>(codec: &str, reason: String) -> QualityError {
    QualityError::Unsupported { what: format!("{codec:?} on the {} scale", S::NAME), reason }
}

fn without_value<S: Scale>(codec: &str) -> String {
    match (rows(codec).next(), refused(codec)) {
        (Some(row), _) => {
            format!("G.113 has {} values for it, no {} ones; the scales are not comparable", row.bandwidth, S::NAME)
        }
        (None, Some(refused)) if refused.proxy => {
            format!("{}; state your own, or name a proxy codec", refused.reason)
        }
        (None, Some(refused)) => refused.reason.to_owned(),
        (None, None) => unknown::<S>(),
    }
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
    fn no_codec_has_values_on_two_scales() {
        for row in ROWS {
            let scales = rows(row.key).map(|row| row.bandwidth.to_string()).collect::<std::collections::BTreeSet<_>>();
            assert_eq!(scales.len(), 1, "{}", row.key);
        }
        assert_eq!((scale_of("G722"), scale_of("opus")), (Some(Bandwidth::Wideband), None));
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
