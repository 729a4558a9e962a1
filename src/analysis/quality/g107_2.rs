//! ITU-T G.107.2 (06/2019): the fullband E-model, R from 0 to 148.
//!
//! `R = 148 − Id,FB − Ie,eff,FB`: no echo terms, no burst ratio, Is and A are 0. The loss term ends at 132.

use serde::Serialize;

use super::g107::{DelaySensitivity, absolute_delay_impairment};
use super::g113::Equipment;
use super::input::{Input, check_all};
use super::{Fullband, QualityError, Scale, Score};

/// Model name that results carry.
pub const MODEL: &str = "ITU-T G.107.2 (06/2019)";

/// Ro,FB.
const RO: f64 = 148.0;

/// A fullband connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FullbandConnection {
    /// Absolute delay Ta, ms.
    pub ta_ms: f64,
    /// Ie,FB and Bpl,FB.
    pub equipment: Equipment<Fullband>,
    /// Packet loss Ppl, %, with discards.
    pub ppl: f64,
}

/// Every term of the fullband R.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FullbandComponents {
    /// Ro,FB.
    pub ro: f64,
    /// Absolute delay Idd,FB; the whole of Id.
    pub idd: f64,
    /// Effective equipment impairment Ie,eff,FB.
    pub ie_eff: f64,
}

/// Rates a fullband connection.
///
/// # Errors
/// [`QualityError::OutOfRange`] for inputs that cannot be computed, [`QualityError::Unsupported`] for loss
/// without a published Bpl,FB.
///
/// ```
/// use fivenines::analysis::quality::{g107_2, g113};
/// let call = g107_2::FullbandConnection { ta_ms: 0.0, equipment: g113::lookup("EVS-24.4", None)?, ppl: 1.0 };
/// assert_eq!(format!("{:.3}", g107_2::assess(&call)?.r.value()), "130.735");
/// # Ok::<(), fivenines::analysis::quality::QualityError>(())
/// ```
pub fn assess(c: &FullbandConnection) -> Result<Score<Fullband, FullbandComponents>, QualityError> {
    let input = |name, unit, value, computable, recommended| {
        let provisional = name == "Ta";
        Input { name, unit, value, computable, recommended, provisional }
    };
    let reasons = check_all(
        MODEL,
        &[
            input("Ta", "ms", c.ta_ms, (0.0, 20_000.0), (0.0, 500.0)),
            input("Ie,FB", "", c.equipment.ie, (0.0, 132.0), (0.0, 132.0)),
            input("Bpl,FB", "", c.equipment.bpl.unwrap_or(4.3), (0.1, 1000.0), (0.1, 1000.0)),
            input("Ppl", "%", c.ppl, (0.0, 100.0), (0.0, 20.0)),
        ],
    )?;
    let idd = Fullband::FACTOR * absolute_delay_impairment(c.ta_ms, DelaySensitivity::Default);
    let ie_eff = c.equipment.effective(c.ppl, 1.0)?;
    let terms = FullbandComponents { ro: RO, idd, ie_eff };
    Ok(Score::new(MODEL, RO - idd - ie_eff, c.equipment.clone(), terms, reasons))
}

#[cfg(test)]
mod tests {
    use super::super::g113::lookup;
    use super::*;
    use proptest::prelude::*;

    fn rated(ta_ms: f64, equipment: Equipment<Fullband>, ppl: f64) -> (f64, f64) {
        let score = assess(&FullbandConnection { ta_ms, equipment, ppl }).unwrap();
        (score.r.value(), score.mos.value())
    }

    fn close(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance, "{got} instead of {want}");
    }

    /// Independent calculation; two open implementations agree on the equations.
    #[test]
    fn delay_table() {
        let golden = [
            (100.0, 148.0, 4.5),
            (150.0, 147.758, 4.4988),
            (200.0, 143.4943, 4.4698),
            (250.0, 134.8033, 4.3646),
            (300.0, 126.1542, 4.2057),
            (400.0, 112.3763, 3.8613),
            (500.0, 102.6588, 3.5670),
        ];
        for (ta, r, mos) in golden {
            let got = rated(ta, Equipment::given(0.0, 4.3), 0.0);
            close(got.0, r, 5e-4);
            close(got.1, mos, 5e-5);
        }
        close(rated(120.0, Equipment::given(0.0, 4.3), 0.0).0, 147.998, 5e-4);
    }

    /// Independent calculation with the EVS values of G.113 Appendix V.
    #[test]
    fn loss_table() {
        let golden = [
            ("EVS-24.4", [(0.0, 140.8, 4.444), (1.0, 130.735, 4.296), (3.0, 114.8, 3.929), (5.0, 102.751, 3.570)]),
            ("EVS-13.2", [(0.0, 130.9, 4.299), (1.0, 121.853, 4.109), (3.0, 107.451, 3.717), (5.0, 96.499, 3.365)]),
            ("EVS-9.6", [(0.0, 125.3, 4.187), (1.0, 117.493, 4.001), (3.0, 104.806, 3.635), (5.0, 94.939, 3.312)]),
            ("EVS-48", [(0.0, 137.8, 4.408), (1.0, 126.309, 4.209), (3.0, 108.8, 3.757), (5.0, 96.088, 3.351)]),
        ];
        for (codec, points) in golden {
            for (ppl, r, mos) in points {
                let got = rated(0.0, lookup(codec, None).unwrap(), ppl);
                close(got.0, r, 5e-4);
                close(got.1, mos, 5.01e-4);
            }
        }
    }

    #[test]
    fn inputs_are_checked() {
        let bad = FullbandConnection { ta_ms: 0.0, equipment: Equipment::given(0.0, 4.3), ppl: 101.0 };
        assert!(matches!(assess(&bad), Err(QualityError::OutOfRange { parameter: "Ppl", .. })));
    }

    proptest! {
        #[test]
        fn loss_and_delay_never_raise_r(ta in 0.0f64..1000.0, later in 0.0f64..100.0, ppl in 0.0f64..99.0, more in 0.0f64..1.0) {
            let r = |ta_ms: f64, ppl: f64| rated(ta_ms, Equipment::given(7.2, 11.4), ppl).0;
            prop_assert!(r(ta, ppl + more) <= r(ta, ppl));
            prop_assert!(r(ta + later, ppl) <= r(ta, ppl) + 1e-9);
        }
    }
}
