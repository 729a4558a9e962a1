//! The three R scales and their MOS, kept apart by type.
//!
//! ITU-T G.107 (06/2015) Annex B and Appendix I for the cubic and its inverse; G.107.1 and G.107.2 divide
//! their longer scales by 1.29 and 1.48 first. Labels by ITU-T P.800.1.

use std::f64::consts::PI;
use std::fmt;
use std::marker::PhantomData;

use serde::{Serialize, Serializer};

use super::QualityError;

mod sealed {
    pub trait Sealed {}
}

/// The audio bands that have an E-model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bandwidth {
    /// 300–3400 Hz, G.107.
    Narrowband,
    /// 50–7000 Hz, G.107.1.
    Wideband,
    /// 20–20,000 Hz, G.107.2.
    Fullband,
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bandwidth::Narrowband => Narrowband::NAME,
            Bandwidth::Wideband => Wideband::NAME,
            Bandwidth::Fullband => Fullband::NAME,
        })
    }
}

/// One of the three rating scales of the E-model family.
pub trait Scale: sealed::Sealed + Copy {
    /// How the scale is named: `narrowband`, `wideband`, `fullband`.
    const NAME: &'static str;
    /// The band as a value, for tables.
    const BANDWIDTH: Bandwidth;
    /// The ceiling of the loss term: `Ie,eff = Ie + (ceiling − Ie) Ppl/(…)`.
    const LOSS_CEILING: f64;
    /// The impairment of hearing nothing at all. The loss term ends short of the longer scales, for it was made for
    /// losses that leave something to conceal.
    const SILENCE: f64;
    /// The factor by which the scale is longer than the narrowband one.
    const FACTOR: f64;
    /// The P.800.1 label of a conversational MOS estimated on this scale.
    const MOS_LABEL: &'static str;
}

macro_rules! scale {
    ($(#[$doc:meta])* $name:ident, $text:literal, $factor:literal, $ceiling:literal, $silence:literal, $label:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;
        impl sealed::Sealed for $name {}
        impl Scale for $name {
            const NAME: &'static str = $text;
            const BANDWIDTH: Bandwidth = Bandwidth::$name;
            const LOSS_CEILING: f64 = $ceiling;
            const SILENCE: f64 = $silence;
            const FACTOR: f64 = $factor;
            const MOS_LABEL: &'static str = $label;
        }
    };
}

scale!(
    /// 300–3400 Hz, R from 0 to 100 (G.107).
    Narrowband, "narrowband", 1.0, 95.0, 95.0, "MOS-CQEN"
);
scale!(
    /// 50–7000 Hz, R from 0 to 129 (G.107.1).
    Wideband, "wideband", 1.29, 95.0, 129.0, "MOS-CQEW"
);
scale!(
    /// 20–20,000 Hz, R from 0 to 148 (G.107.2).
    Fullband, "fullband", 1.48, 132.0, 148.0, "MOS-CQEF"
);

/// A transmission rating R on scale `S`. It may lie below 0 or above the scale's end: the models say so.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Rating<S> {
    value: f64,
    scale: PhantomData<S>,
}

/// A MOS estimated by a model (MOS-CQE) on scale `S`, in [1, 4.5].
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Mos<S> {
    value: f64,
    scale: PhantomData<S>,
}

impl<S: Scale> Rating<S> {
    /// A rating, as computed or as stated by somebody.
    #[must_use]
    pub const fn new(value: f64) -> Rating<S> {
        Rating { value, scale: PhantomData }
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.value
    }

    /// The MOS of this rating: the cubic of G.107 Annex B, clamped to [1, 4.5].
    ///
    /// The cubic itself dips below 1 for 0 < R < 6.5 (0.9888 at 3.2); a MOS does not.
    ///
    /// ```
    /// use fivenines::analysis::quality::{Narrowband, Rating};
    /// let mos = Rating::<Narrowband>::new(93.2).mos();
    /// assert_eq!(format!("{:.4}", mos.value()), "4.4093");
    /// ```
    #[must_use]
    pub fn mos(self) -> Mos<S> {
        let r = self.value / S::FACTOR;
        let value = if r <= 0.0 || r.is_nan() {
            1.0
        } else if r >= 100.0 {
            4.5
        } else {
            (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
        };
        Mos { value, scale: PhantomData }
    }
}

impl<S: Scale> Mos<S> {
    /// A MOS in [1, 4.5].
    ///
    /// # Errors
    /// [`QualityError::OutOfRange`] for anything else.
    pub fn new(value: f64) -> Result<Mos<S>, QualityError> {
        let (low, high, model) = (1.0, 4.5, "ITU-T G.107 Appendix I");
        if value >= low && value <= high {
            return Ok(Mos { value, scale: PhantomData });
        }
        Err(QualityError::OutOfRange { parameter: "MOS", value, low, high, unit: "MOS", model })
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.value
    }

    /// The rating of this MOS (G.107 Appendix I, on its range 6.5 ≤ R ≤ 100 of the narrowband scale).
    ///
    /// ```
    /// use fivenines::analysis::quality::{Mos, Narrowband};
    /// assert_eq!(format!("{:.1}", Mos::<Narrowband>::new(3.1)?.rating().value()), "60.0");
    /// # Ok::<(), fivenines::analysis::quality::QualityError>(())
    /// ```
    #[must_use]
    pub fn rating(self) -> Rating<S> {
        let mos = self.value;
        // Rounding can push the radicand below zero at the ends of the scale.
        let root = (-903_522.0 + 1_113_960.0 * mos - 202_500.0 * mos * mos).max(0.0).sqrt();
        // Appendix I writes atan2 with x first.
        let h = (15.0 * root).atan2(18_566.0 - 6_750.0 * mos) / 3.0;
        let r = 20.0 / 3.0 * (8.0 - 226.0_f64.sqrt() * (h + PI / 3.0).cos());
        Rating::new(r.clamp(0.0, 100.0) * S::FACTOR)
    }
}

impl<S: Scale> fmt::Debug for Rating<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R({}) = {}", S::NAME, self.value)
    }
}

impl<S: Scale> fmt::Debug for Mos<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", S::MOS_LABEL, self.value)
    }
}

impl<S> Serialize for Rating<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.serialize_f64(self.value)
    }
}

impl<S> Serialize for Mos<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.serialize_f64(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mos(r: f64) -> f64 {
        Rating::<Narrowband>::new(r).mos().value()
    }

    fn rating(mos: f64) -> f64 {
        Mos::<Narrowband>::new(mos).unwrap().rating().value()
    }

    /// Independent calculation of the cubic.
    #[test]
    fn ratings_to_mos() {
        let golden = [
            (50.0, 2.5750),
            (60.0, 3.1),
            (70.0, 3.597),
            (80.0, 4.024),
            (90.0, 4.339),
            (93.2, 4.4093),
            (94.0, 4.4242),
            (100.0, 4.5),
        ];
        for (r, want) in golden {
            assert!((mos(r) - want).abs() < 5e-5, "R {r}: {}", mos(r));
        }
    }

    /// Independent calculation of Appendix I.
    #[test]
    fn mos_to_ratings() {
        let golden = [
            (1.0, 6.5153),
            (2.58, 50.0952),
            (3.1, 60.0),
            (3.6, 70.064),
            (4.03, 80.1591),
            (4.34, 90.0409),
            (4.4, 92.7298),
            (4.41, 93.237),
            (4.5, 100.0),
        ];
        for (value, want) in golden {
            assert!((rating(value) - want).abs() < 6e-5, "MOS {value}: {}", rating(value));
        }
    }

    #[test]
    fn mos_is_clamped_where_the_cubic_dips_below_one() {
        assert_eq!(mos(3.222), 1.0);
        assert_eq!(mos(-200.0), 1.0);
        assert_eq!(mos(120.0), 4.5);
        assert!(Mos::<Narrowband>::new(4.6).is_err() && Mos::<Narrowband>::new(f64::NAN).is_err());
    }

    #[test]
    fn the_same_number_means_less_on_a_longer_scale() {
        assert!(Rating::<Fullband>::new(93.2).mos().value() < Rating::<Wideband>::new(93.2).mos().value());
        assert!(Rating::<Wideband>::new(93.2).mos().value() < mos(93.2));
    }

    proptest! {
        #[test]
        fn mos_stays_on_its_scale(r in -1e4f64..1e4) {
            prop_assert!((1.0..=4.5).contains(&mos(r)));
        }

        #[test]
        fn better_ratings_never_have_a_lower_mos(r in 0.0f64..100.0, more in 0.0f64..10.0) {
            // Below 6.5 the cubic dips: there the clamp holds it at 1.
            prop_assert!(mos(r + more) >= mos(r));
        }

        #[test]
        fn the_inverse_undoes_the_cubic_on_each_scale(r in 6.52f64..100.0) {
            fn back<S: Scale>(r: f64) -> f64 {
                Rating::<S>::new(r * S::FACTOR).mos().rating().value() / S::FACTOR
            }
            for got in [back::<Narrowband>(r), back::<Wideband>(r), back::<Fullband>(r)] {
                prop_assert!((got - r).abs() < 1e-3, "{got} instead of {r}");
            }
        }

        #[test]
        fn the_cubic_undoes_the_inverse(value in 1.0f64..=4.5) {
            prop_assert!((mos(rating(value)) - value).abs() < 1e-6);
        }
    }
}
