//! What every model returns: the number, and what it takes to judge the number.

use std::fmt;

use serde::Serialize;

use super::g113::Equipment;
use super::{Mos, Rating, Scale};

/// Where an input value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// Printed in the named Recommendation for this condition.
    Published,
    /// Quoted from the named Recommendation by one source that was read; no second one confirms it.
    PublishedOneSource,
    /// Printed in the named Recommendation, but for another packet size.
    PublishedOtherPtime,
    /// Follows from a published value by a stated argument.
    Derived,
    /// From secondary sources only, or by an unproven argument: do not quote without that word.
    Provisional,
    /// Published for another codec that the caller named to stand in: a stand-in's score, not the codec's.
    Proxy,
    /// Stated by the caller.
    Given,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Provenance::Published => "published",
            Provenance::PublishedOneSource => "published (one source read)",
            Provenance::PublishedOtherPtime => "published for another packet size",
            Provenance::Derived => "derived",
            Provenance::Provisional => "provisional",
            Provenance::Proxy => "proxy",
            Provenance::Given => "given by the caller",
        })
    }
}

/// Whether a model was used where it was validated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Validity {
    /// True where an input lies outside the range for which the model was made.
    pub outside_validity: bool,
    /// One sentence for each such input.
    pub reasons: Vec<String>,
}

impl Validity {
    /// Outside as soon as there is a reason.
    #[must_use]
    pub fn from_reasons(reasons: Vec<String>) -> Validity {
        Validity { outside_validity: !reasons.is_empty(), reasons }
    }
}

/// A rating with its MOS and everything it was made of. `C` holds the model's components.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(bound = "C: Serialize")]
pub struct Score<S: Scale, C> {
    /// Standard and edition.
    pub model: &'static str,
    /// The rating on the model's scale, not clamped.
    pub r: Rating<S>,
    /// The conversational MOS, in [1, 4.5].
    pub mos: Mos<S>,
    /// The P.800.1 label of the MOS.
    pub mos_label: &'static str,
    /// Ie and Bpl with their source.
    pub equipment: Equipment<S>,
    /// The terms of the rating.
    pub components: C,
    /// Whether the model was inside its validated range.
    pub validity: Validity,
}

impl<S: Scale, C> Score<S, C> {
    pub(crate) fn new(
        model: &'static str,
        r: f64,
        equipment: Equipment<S>,
        components: C,
        reasons: Vec<String>,
    ) -> Self {
        let r = Rating::new(r);
        let validity = Validity::from_reasons(reasons);
        Score { model, r, mos: r.mos(), mos_label: S::MOS_LABEL, equipment, components, validity }
    }
}
