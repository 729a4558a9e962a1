//! ITU-T G.107.1 (06/2019 with Cor. 1 01/2020): the wideband E-model, R from 0 to 129.
//!
//! `R = Ro,WB − Is,WB − Id,WB − Ie,eff,WB + A` with Ro,WB = 129, Is,WB = 0 and A = 0. The loss term has no burst
//! ratio. Implementations read the talker-echo equation in two ways; see [`RoeReading`].

use serde::Serialize;

use super::g107::{
    DelaySensitivity, absolute_delay_impairment, echo_weight, loudness_of_listener_echo, noise_sum, smooth_difference,
};
use super::g113::Equipment;
use super::input::{Input, check_all};
use super::{QualityError, Scale, Score, Wideband};

/// Model name that results carry.
pub const MODEL: &str = "ITU-T G.107.1 (06/2019) + Cor. 1 (01/2020)";

/// Ro,WB with default parameters.
const RO: f64 = 129.0;
/// Noise floor at the receive side that G.107.1 sets, dBmp.
const NFOR: f64 = -96.0;
/// Receive loudness rating, dB.
const RLR: f64 = 2.0;

/// What Roe is in the talker-echo term. The two differ by at most 1.1 R up to 400 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoeReading {
    /// `−1.5 (No,WB − RLR)` = 106.2, as in the narrowband model.
    FromNoise,
    /// Ro,WB = 129, as Corrigendum 1 is quoted to correct equation 7-6.
    #[default]
    Corrigendum1,
}

/// A wideband connection with the parameters that matter for packet networks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WidebandConnection {
    /// Mean one-way delay of the echo path T, ms.
    pub t_ms: f64,
    /// Round-trip delay in the 4-wire loop Tr, ms.
    pub tr_ms: f64,
    /// Absolute delay Ta, ms.
    pub ta_ms: f64,
    /// Talker echo loudness rating TELR, dB.
    pub telr: f64,
    /// Weighted echo path loss WEPL, dB.
    pub wepl: f64,
    /// Ie,WB and Bpl,WB.
    pub equipment: Equipment<Wideband>,
    /// Packet loss Ppl, %, with discards.
    pub ppl: f64,
    /// Which reading of the talker-echo term to use; recorded in the result.
    pub roe_reading: RoeReading,
}

impl WidebandConnection {
    /// Default echo parameters, T = Ta, Tr = 2 T, no loss.
    #[must_use]
    pub fn with_delay(one_way_ms: f64, equipment: Equipment<Wideband>) -> WidebandConnection {
        WidebandConnection {
            t_ms: one_way_ms,
            tr_ms: 2.0 * one_way_ms,
            ta_ms: one_way_ms,
            telr: 65.0,
            wepl: 110.0,
            equipment,
            ppl: 0.0,
            roe_reading: RoeReading::default(),
        }
    }

    fn inputs(&self) -> [Input; 8] {
        let input = |name, unit, value, computable, recommended| {
            let provisional = !["T", "Ppl"].contains(&name);
            Input { name, unit, value, computable, recommended, provisional }
        };
        // Tr is there and back: whatever T may be, it must not be what is refused.
        let ms = |name, value, end| {
            input(name, "ms", value, (0.0, if name == "Tr" { 40_000.0 } else { 20_000.0 }), (0.0, end))
        };
        let bpl = self.equipment.bpl.unwrap_or(4.3);
        [
            ms("T", self.t_ms, 500.0),
            ms("Tr", self.tr_ms, 1000.0),
            ms("Ta", self.ta_ms, 500.0),
            input("TELR", "dB", self.telr, (0.0, 150.0), (5.0, 65.0)),
            input("WEPL", "dB", self.wepl, (0.0, 200.0), (5.0, 110.0)),
            input("Ie,WB", "", self.equipment.ie, (0.0, 95.0), (0.0, 95.0)),
            input("Bpl,WB", "", bpl, (0.1, 1000.0), (0.1, 1000.0)),
            input("Ppl", "%", self.ppl, (0.0, 100.0), (0.0, 20.0)),
        ]
    }
}

/// Every term of the wideband R.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WidebandComponents {
    /// Sum of all noise powers No,WB, dBm0p.
    pub no: f64,
    /// Basic signal-to-noise ratio Ro,WB.
    pub ro: f64,
    /// Roe as it was used.
    pub roe: f64,
    /// Which reading gave `roe`.
    pub roe_reading: RoeReading,
    /// Talker echo Idte,WB.
    pub idte: f64,
    /// Listener echo Idle,WB.
    pub idle: f64,
    /// Absolute delay Idd,WB.
    pub idd: f64,
    /// Delayed impairments Id,WB.
    pub id: f64,
    /// Effective equipment impairment Ie,eff,WB.
    pub ie_eff: f64,
}

/// Rates a wideband connection.
///
/// # Errors
/// [`QualityError::OutOfRange`] for inputs that cannot be computed, [`QualityError::Unsupported`] for loss
/// without a published Bpl,WB.
///
/// ```
/// use fivenines::analysis::quality::{g107_1, g113};
/// let codec = g113::lookup("AMR-WB-12.65", Some(20.0))?;
/// let call = g107_1::WidebandConnection { ppl: 1.0, ..g107_1::WidebandConnection::with_delay(0.0, codec) };
/// assert_eq!(format!("{:.2}", g107_1::assess(&call)?.components.ie_eff), "34.15");
/// # Ok::<(), fivenines::analysis::quality::QualityError>(())
/// ```
pub fn assess(c: &WidebandConnection) -> Result<Score<Wideband, WidebandComponents>, QualityError> {
    let reasons = check_all(MODEL, &c.inputs())?;
    let no = noise_sum(NFOR);
    let roe = match c.roe_reading {
        RoeReading::FromNoise => -1.5 * (no - RLR),
        RoeReading::Corrigendum1 => RO,
    };
    let idte = talker_echo(c, roe);
    let idle = smooth_difference(RO, loudness_of_listener_echo(c.wepl, c.tr_ms), 169.0);
    let idd = Wideband::FACTOR * absolute_delay_impairment(c.ta_ms, DelaySensitivity::Default);
    let (id, ie_eff) = (idte + idle + idd, c.equipment.effective(c.ppl, 1.0)?);
    let terms = WidebandComponents { no, ro: RO, roe, roe_reading: c.roe_reading, idte, idle, idd, id, ie_eff };
    Ok(Score::new(MODEL, RO - id - ie_eff, c.equipment.clone(), terms, reasons))
}

/// Idte,WB: the narrowband shape with a wideband echo threshold.
pub(crate) fn talker_echo(c: &WidebandConnection, roe: f64) -> f64 {
    let t = c.t_ms;
    if t < 1.0 {
        return 0.0;
    }
    let k = if t < 100.0 { 0.08 * t + 10.0 } else { 18.0 };
    let terv = c.telr + k + echo_weight(t);
    let re = 80.0 + 3.0 * (terv - 14.0);
    (smooth_difference(roe, re, 100.0) - 1.0) * (1.0 - (-t).exp())
}

#[cfg(test)]
mod tests {
    use super::super::g113::lookup;
    use super::*;
    use proptest::prelude::*;

    fn close(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance, "{got} instead of {want}");
    }

    fn rated(t_ms: f64, roe_reading: RoeReading) -> Score<Wideband, WidebandComponents> {
        let clean = WidebandConnection::with_delay(t_ms, Equipment::given(0.0, 4.3));
        assess(&WidebandConnection { roe_reading, ..clean }).unwrap()
    }

    /// Independent calculation of both readings.
    #[test]
    fn delay_table_in_both_readings() {
        let golden = [
            (0.0, 128.8463, 128.8463),
            (50.0, 128.2550, 127.9000),
            (100.0, 127.9514, 127.5153),
            (150.0, 127.4213, 126.8376),
            (200.0, 123.4447, 122.7314),
            (300.0, 107.9098, 106.9834),
            (400.0, 95.5550, 94.4631),
        ];
        for (t, first, second) in golden {
            close(rated(t, RoeReading::FromNoise).r.value(), first, 5e-5);
            close(rated(t, RoeReading::Corrigendum1).r.value(), second, 5e-5);
        }
    }

    /// Independent calculation, reading 1.
    #[test]
    fn components_of_the_first_reading() {
        let golden = [(50.0, 0.0929, 0.6521, 0.0), (200.0, 0.4758, 1.1522, 3.9273), (400.0, 0.7626, 1.6320, 31.0504)];
        for (t, idte, idle, idd) in golden {
            let terms = rated(t, RoeReading::FromNoise).components;
            close(terms.no, -68.805_54, 5e-6);
            close(terms.roe, 106.2083, 5e-5);
            close(terms.idte, idte, 5e-5);
            close(terms.idle, idle, 5e-5);
            close(terms.idd, idd, 5e-5);
        }
        close(rated(0.0, RoeReading::Corrigendum1).mos.value(), 4.4992, 5e-5);
    }

    /// 129 − Ie,eff and its MOS, without delay or echo terms (AMR-WB of G.113 Appendix IV).
    #[test]
    fn loss_table() {
        let golden = [
            ("AMR-WB-12.65", [(0.0, 109.000, 4.182), (1.0, 94.849, 3.758), (3.0, 78.178, 3.131), (5.0, 68.677, 2.746)]),
            ("AMR-WB-23.05", [(0.0, 121.0, 4.421), (1.0, 105.464, 4.089), (3.0, 86.658, 3.462), (5.0, 75.688, 3.031)]),
            ("AMR-WB-23.85", [(0.0, 119.0, 4.390), (1.0, 104.593, 4.064), (3.0, 86.722, 3.464), (5.0, 76.071, 3.046)]),
        ];
        for (codec, points) in golden {
            let equipment = lookup::<Wideband>(codec, Some(20.0)).unwrap();
            for (ppl, r, mos) in points {
                let rating = super::super::Rating::<Wideband>::new(RO - equipment.effective(ppl, 1.0).unwrap());
                close(rating.value(), r, 5.01e-4);
                close(rating.mos().value(), mos, 5e-4);
            }
        }
    }

    #[test]
    fn the_reading_is_recorded_and_inputs_are_checked() {
        assert_eq!(rated(0.0, RoeReading::FromNoise).components.roe_reading, RoeReading::FromNoise);
        assert!(assess(&WidebandConnection::with_delay(-1.0, Equipment::given(0.0, 4.3))).is_err());
        assert!(
            assess(&WidebandConnection::with_delay(600.0, Equipment::given(0.0, 4.3)))
                .unwrap()
                .validity
                .outside_validity
        );
    }

    proptest! {
        #[test]
        fn loss_and_delay_never_raise_r(ta in 0.0f64..400.0, later in 0.0f64..100.0, ppl in 0.0f64..99.0, more in 0.0f64..1.0) {
            let r = |ta_ms: f64, ppl: f64| {
                let clean = WidebandConnection::with_delay(0.0, Equipment::given(20.0, 4.3));
                assess(&WidebandConnection { ta_ms, ppl, ..clean }).unwrap().r.value()
            };
            prop_assert!(r(ta, ppl + more) <= r(ta, ppl));
            prop_assert!(r(ta + later, ppl) <= r(ta, ppl) + 1e-9);
        }
    }
}
