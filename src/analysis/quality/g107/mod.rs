//! ITU-T G.107 (06/2015): the narrowband E-model, `R = Ro − Is − Id − Ie,eff + A`.
//!
//! All parameters of the table of defaults are inputs, every term is returned. The default connection rates 93.206
//! (MOS 4.41); the 94.2 that is sometimes quoted is the 1998 edition's.
//!
//! ```
//! use fivenines::analysis::quality::g107::{assess, Connection};
//! use fivenines::analysis::quality::g113::Equipment;
//! // Published lecture example: G.729A with VAD, 2 % random loss, 150 ms.
//! let call = Connection { equipment: Equipment::given(11.0, 19.0), ppl: 2.0, ..Connection::with_delay(150.0) };
//! let score = assess(&call)?;
//! assert_eq!(format!("{:.1} {:.2}", score.r.value(), score.mos.value()), "70.5 3.62");
//! # Ok::<(), fivenines::analysis::quality::QualityError>(())
//! ```

mod delay;
mod noise;
mod opinion;
mod simultaneous;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use delay::{DelaySensitivity, absolute_delay_impairment};
pub(crate) use delay::{echo_weight, loudness_of_listener_echo, smooth_difference};
pub(crate) use noise::noise_sum;
pub use opinion::{Opinion, Satisfaction};

use super::g113::Equipment;
use super::input::{Input, check_all};
use super::{Narrowband, QualityError, Score};

/// Model name that results carry.
pub const MODEL: &str = "ITU-T G.107 (06/2015)";

/// The parameters whose recommended range was read in a source; those of the others are provisional.
const RANGES_READ: [&str; 4] = ["T", "Bpl", "Ppl", "BurstR"];

/// A connection: the parameters of G.107 with their defaults.
///
/// Of the recommended ranges only those of T, Bpl, Ppl and BurstR were read in a source; the others are provisional and
/// named so. Outside of a range the score is flagged, not refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Connection {
    /// Send loudness rating SLR, dB.
    pub slr: f64,
    /// Receive loudness rating RLR, dB.
    pub rlr: f64,
    /// Sidetone masking rating STMR, dB.
    pub stmr: f64,
    /// Listener sidetone rating LSTR = STMR + Dr, dB.
    pub lstr: f64,
    /// D-value of the sending telephone Ds.
    pub ds: f64,
    /// Talker echo loudness rating TELR, dB.
    pub telr: f64,
    /// Weighted echo path loss WEPL, dB.
    pub wepl: f64,
    /// Mean one-way delay of the echo path T, ms.
    pub t_ms: f64,
    /// Round-trip delay in the 4-wire loop Tr, ms.
    pub tr_ms: f64,
    /// Absolute delay in echo-free connections Ta, ms: network, de-jitter buffer, packetisation, look-ahead.
    pub ta_ms: f64,
    /// Number of quantisation distortion units.
    pub qdu: f64,
    /// Ie and Bpl, with their source.
    pub equipment: Equipment<Narrowband>,
    /// Packet loss Ppl, %, including what the de-jitter buffer discarded.
    pub ppl: f64,
    /// Burst ratio BurstR: 1 for random loss.
    pub burst_r: f64,
    /// Circuit noise referred to the 0 dBr point Nc, dBm0p.
    pub nc: f64,
    /// Noise floor at the receive side Nfor, dBmp.
    pub nfor: f64,
    /// Room noise at the send side Ps, dB(A).
    pub ps: f64,
    /// Room noise at the receive side Pr, dB(A).
    pub pr: f64,
    /// Advantage factor A: 0 wired, 5 mobile in a building, 10 in a vehicle, 20 hard to reach. Not for flattering.
    pub advantage: f64,
    /// How sensitive the conversation is to delay.
    pub sensitivity: DelaySensitivity,
}

impl Default for Connection {
    /// The defaults of G.107 (06/2015).
    fn default() -> Connection {
        Connection {
            slr: 8.0,
            rlr: 2.0,
            stmr: 15.0,
            lstr: 18.0,
            ds: 3.0,
            telr: 65.0,
            wepl: 110.0,
            t_ms: 0.0,
            tr_ms: 0.0,
            ta_ms: 0.0,
            qdu: 1.0,
            equipment: Equipment::given(0.0, 4.3),
            ppl: 0.0,
            burst_r: 1.0,
            nc: -70.0,
            nfor: -64.0,
            ps: 35.0,
            pr: 35.0,
            advantage: 0.0,
            sensitivity: DelaySensitivity::Default,
        }
    }
}

impl Connection {
    /// The default connection with a one-way delay: T = Ta, Tr = 2 T (G.107 §7.4, symmetrical 4-wire path).
    #[must_use]
    pub fn with_delay(one_way_ms: f64) -> Connection {
        Connection { t_ms: one_way_ms, ta_ms: one_way_ms, tr_ms: 2.0 * one_way_ms, ..Connection::default() }
    }

    fn inputs(&self) -> [Input; 20] {
        let input = |name, unit, value, computable, recommended| {
            let provisional = !RANGES_READ.contains(&name);
            Input { name, unit, value, computable, recommended, provisional }
        };
        let db = |name, value, recommended: (f64, f64)| input(name, "dB", value, (-100.0, 150.0), recommended);
        // Tr is there and back: whatever T may be, it must not be what is refused.
        let ms = |name, value, end| {
            input(name, "ms", value, (0.0, if name == "Tr" { 40_000.0 } else { 20_000.0 }), (0.0, end))
        };
        [
            db("SLR", self.slr, (0.0, 18.0)),
            db("RLR", self.rlr, (-5.0, 14.0)),
            input("STMR", "dB", self.stmr, (0.0, 40.0), (10.0, 20.0)),
            input("LSTR", "dB", self.lstr, (0.0, 60.0), (13.0, 23.0)),
            db("Ds", self.ds, (-3.0, 3.0)),
            input("TELR", "dB", self.telr, (0.0, 150.0), (5.0, 65.0)),
            input("WEPL", "dB", self.wepl, (0.0, 200.0), (5.0, 110.0)),
            ms("T", self.t_ms, 500.0),
            ms("Tr", self.tr_ms, 1000.0),
            ms("Ta", self.ta_ms, 500.0),
            input("qdu", "units", self.qdu, (1.0, 100.0), (1.0, 14.0)),
            input("Ie", "", self.equipment.ie, (0.0, 95.0), (0.0, 40.0)),
            input("Bpl", "", self.equipment.bpl.unwrap_or(4.3), (0.1, 1000.0), (4.3, 40.0)),
            input("Ppl", "%", self.ppl, (0.0, 100.0), (0.0, 20.0)),
            input("BurstR", "", self.burst_r, (0.01, 1e9), (1.0, 8.0)),
            input("Nc", "dBm0p", self.nc, (-200.0, 0.0), (-80.0, -40.0)),
            input("Nfor", "dBmp", self.nfor, (-200.0, 0.0), (-200.0, 0.0)),
            input("Ps", "dB(A)", self.ps, (0.0, 120.0), (35.0, 85.0)),
            input("Pr", "dB(A)", self.pr, (0.0, 120.0), (35.0, 85.0)),
            input("A", "", self.advantage, (0.0, 20.0), (0.0, 20.0)),
        ]
    }

    /// G.107 §7.5: BurstR > 2 only where Ppl < 2 %.
    fn burst_reason(&self) -> Option<String> {
        (self.burst_r > 2.0 && self.ppl >= 2.0).then(|| {
            let (burst_r, ppl) = (self.burst_r, self.ppl);
            format!("BurstR {burst_r:.2} with Ppl {ppl:.2} %: above 2 only Ppl < 2 % is validated, so a long outage is not covered")
        })
    }
}

/// Every term of R, by the names of the Recommendation. Levels in dB, impairments on the R scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Components {
    /// Sum of all noise powers No, dBm0p.
    pub no: f64,
    /// Noise from the room at the send side Nos.
    pub nos: f64,
    /// Effective room noise at the receive side Pre.
    pub pre: f64,
    /// Noise from the room at the receive side Nor.
    pub nor: f64,
    /// Noise floor at the 0 dBr point Nfo.
    pub nfo: f64,
    /// Basic signal-to-noise ratio Ro.
    pub ro: f64,
    /// Xolr of the loudness term.
    pub xolr: f64,
    /// Too low overall loudness Iolr.
    pub iolr: f64,
    /// Sidetone rating with talker echo STMRo.
    pub stmro: f64,
    /// Non-optimum sidetone Ist.
    pub ist: f64,
    /// Quantisation distortion Iq.
    pub iq: f64,
    /// Simultaneous impairments Is = Iolr + Ist + Iq.
    pub is: f64,
    /// Talker echo Idte.
    pub idte: f64,
    /// Listener echo Idle.
    pub idle: f64,
    /// Absolute delay Idd.
    pub idd: f64,
    /// Delayed impairments Id = Idte + Idle + Idd.
    pub id: f64,
    /// Effective equipment impairment Ie,eff. It may exceed R: then MOS is 1.
    pub ie_eff: f64,
    /// Advantage factor A.
    pub advantage: f64,
}

/// Rates a connection.
///
/// # Errors
/// [`QualityError::OutOfRange`] if a parameter is NaN or outside what can be computed;
/// [`QualityError::Unsupported`] if there is loss but no Bpl. Inside that but outside the recommended range the score is returned and flagged `outside_validity`.
pub fn assess(connection: &Connection) -> Result<Score<Narrowband, Components>, QualityError> {
    let mut reasons = check_all(MODEL, &connection.inputs())?;
    reasons.extend(connection.burst_reason());
    let ie_eff = connection.equipment.effective(connection.ppl, connection.burst_r)?;
    let terms = components(connection, ie_eff);
    let r = terms.ro - terms.is - terms.id - terms.ie_eff + terms.advantage;
    Ok(Score::new(MODEL, r, connection.equipment.clone(), terms, reasons))
}

fn components(c: &Connection, ie_eff: f64) -> Components {
    let noise = noise::noise(c);
    let ro = 15.0 - 1.5 * (c.slr + noise.no);
    let simultaneous = simultaneous::simultaneous(c, noise.no, ro);
    let delayed = delay::delayed(c, noise.no, ro, simultaneous.ist);
    Components {
        no: noise.no,
        nos: noise.nos,
        pre: noise.pre,
        nor: noise.nor,
        nfo: noise.nfo,
        ro,
        xolr: simultaneous.xolr,
        iolr: simultaneous.iolr,
        stmro: simultaneous.stmro,
        ist: simultaneous.ist,
        iq: simultaneous.iq,
        is: simultaneous.iolr + simultaneous.ist + simultaneous.iq,
        idte: delayed.idte,
        idle: delayed.idle,
        idd: delayed.idd,
        id: delayed.idte + delayed.idle + delayed.idd,
        ie_eff,
        advantage: c.advantage,
    }
}
