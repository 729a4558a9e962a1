//! What a narrowband rating means to users: ITU-T G.107 (06/2015) Annex B and G.109.

use std::fmt;

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use super::super::{Narrowband, Provenance, Rating};

/// User satisfaction by narrowband rating (G.107 Annex B; the classes of G.109).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Satisfaction {
    /// R < 50: outside of what G.109 recommends.
    NotRecommended,
    /// 50 ≤ R < 60 (MOS 2.58): G.109 "poor".
    NearlyAllDissatisfied,
    /// 60 ≤ R < 70 (MOS 3.10): G.109 "low".
    ManyDissatisfied,
    /// 70 ≤ R < 80 (MOS 3.60): G.109 "medium".
    SomeDissatisfied,
    /// 80 ≤ R < 90 (MOS 4.03): G.109 "high".
    Satisfied,
    /// R ≥ 90 (MOS 4.34): G.109 "best".
    VerySatisfied,
}

impl Satisfaction {
    /// The band of a rating. There is no such table for the wideband and fullband scales.
    #[must_use]
    pub fn of(rating: Rating<Narrowband>) -> Satisfaction {
        match rating.value() {
            r if r >= 90.0 => Satisfaction::VerySatisfied,
            r if r >= 80.0 => Satisfaction::Satisfied,
            r if r >= 70.0 => Satisfaction::SomeDissatisfied,
            r if r >= 60.0 => Satisfaction::ManyDissatisfied,
            r if r >= 50.0 => Satisfaction::NearlyAllDissatisfied,
            _ => Satisfaction::NotRecommended,
        }
    }
}

impl fmt::Display for Satisfaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Satisfaction::VerySatisfied => "very satisfied",
            Satisfaction::Satisfied => "satisfied",
            Satisfaction::SomeDissatisfied => "some users dissatisfied",
            Satisfaction::ManyDissatisfied => "many users dissatisfied",
            Satisfaction::NearlyAllDissatisfied => "nearly all users dissatisfied",
            Satisfaction::NotRecommended => "not recommended",
        })
    }
}

/// Share of users who would call the connection good or better, poor or worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Opinion {
    /// Good or better, %: `100 Φ((R − 60)/16)`.
    pub gob_percent: f64,
    /// Poor or worse, %: `100 Φ((45 − R)/16)`.
    pub pow_percent: f64,
    /// Provisional: the formula is from secondary sources, though it reproduces the printed table.
    pub provenance: Provenance,
}

impl Opinion {
    /// The shares at a rating.
    #[must_use]
    pub fn of(rating: Rating<Narrowband>) -> Opinion {
        let phi = |x: f64| 100.0 * Normal::standard().cdf(x / 16.0);
        let (gob_percent, pow_percent) = (phi(rating.value() - 60.0), phi(45.0 - rating.value()));
        Opinion { gob_percent, pow_percent, provenance: Provenance::Provisional }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The printed table of G.107 Annex B: GoB 97/89/73/50/27 and PoW ~0/~1/6/17/38 % at R 90…50.
    #[test]
    fn shares_reproduce_the_printed_table() {
        let golden = [(90.0, 97.0, 0.2), (80.0, 89.0, 1.4), (70.0, 73.0, 6.0), (60.0, 50.0, 17.0), (50.0, 27.0, 38.0)];
        for (r, gob, pow) in golden {
            let opinion = Opinion::of(Rating::new(r));
            assert!((opinion.gob_percent - gob).abs() < 0.6, "GoB at {r}: {}", opinion.gob_percent);
            assert!((opinion.pow_percent - pow).abs() < 0.6, "PoW at {r}: {}", opinion.pow_percent);
        }
    }

    #[test]
    fn bands_begin_at_round_ratings() {
        let golden = [
            (90.0, "very satisfied"),
            (89.999, "satisfied"),
            (70.0, "some users dissatisfied"),
            (60.0, "many users dissatisfied"),
            (50.0, "nearly all users dissatisfied"),
            (-3.0, "not recommended"),
        ];
        for (r, words) in golden {
            assert_eq!(Satisfaction::of(Rating::new(r)).to_string(), words);
        }
    }
}
