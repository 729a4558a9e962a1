//! R and MOS second by second: what a whole-call score averages away.
//!
//! Each second is rated with G.107 from its own loss and delay; the equipment impairment is then followed as
//! listeners do ([`clark`](super::clark)): annoyance grows in about 5 s and fades in about 15 s.
//!
//! **Narrowband only.** The response was fitted to narrowband calls, and the wideband and fullband models have no burst
//! ratio with which to rate a second of clustered loss: there is no R(t) for G.722, AMR-WB, EVS or Opus, and
//! [`SCOPE`], which every series carries, says so. A call on those scales has its whole-call score and its outages.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bursts::{Runs, Slot};
use super::clark::Perception;
use super::g107::{self, Connection};
use super::{Mos, Narrowband, QualityError, Rating, Scale};

/// Below this MOS some users are dissatisfied (R 70, G.107 Annex B).
pub const SATISFYING_MOS: f64 = 3.6;

/// For what a series holds, and why for nothing else.
pub const SCOPE: &str = "narrowband only: no R(t) exists for the wideband and fullband scales";

/// What one second of a call went through.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Second {
    /// Packet loss with discards, %; 100 where nothing was played.
    pub ppl: f64,
    /// Burst ratio of the loss; 1 for random loss.
    pub burst_r: f64,
    /// One-way delay Ta with the de-jitter buffer, ms.
    pub ta_ms: f64,
}

impl Second {
    /// From the fates of the packets that were expected in this second; `None` if there were none.
    #[must_use]
    pub fn from_slots(slots: &[Slot], ta_ms: f64) -> Option<Second> {
        let runs = Runs::of(slots);
        Some(Second { ppl: runs.ppl()?, burst_r: runs.model_burst_r(), ta_ms })
    }
}

/// One second of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// R of this second taken alone.
    pub r_alone: Rating<Narrowband>,
    /// R as perceived, with the lag.
    pub r: Rating<Narrowband>,
    /// MOS of the perceived R.
    pub mos: Mos<Narrowband>,
    /// Whether this second's loss or delay lies outside the model's range.
    pub outside_validity: bool,
}

/// A call second by second.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimeSeries {
    /// The models behind the numbers.
    pub model: &'static str,
    /// [`SCOPE`].
    pub scope: &'static str,
    /// One point a second, in order.
    pub points: Vec<Point>,
}

/// A stretch of the curve in one line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number of seconds.
    pub seconds: usize,
    /// Lowest perceived R.
    pub r_min: Rating<Narrowband>,
    /// Lowest perceived MOS.
    pub mos_min: Mos<Narrowband>,
    /// Which second was the worst, from the start of the call.
    pub worst_second: usize,
    /// Mean perceived R.
    pub r_mean: Rating<Narrowband>,
    /// MOS of the mean R.
    pub mos_of_mean_r: Mos<Narrowband>,
    /// Seconds with MOS below 3.6.
    pub seconds_below_3_6: usize,
    /// Seconds outside the validity of the model.
    pub seconds_outside_validity: usize,
}

/// What a listener can lose by loss: beyond the range of BurstR the formula exceeds what silence itself is worth, and
/// where nothing arrives (Ppl 100 %) there is nothing to conceal.
pub(super) fn audible_impairment<S: Scale>(ie_eff: f64, ppl: f64) -> f64 {
    if ppl >= 100.0 { S::SILENCE } else { ie_eff.min(S::LOSS_CEILING) }
}

/// Rates every second of a call. `base` gives the codec and everything that does not change; its delay and loss
/// are replaced.
///
/// The impairment of a second is at most 95: the BurstR formula exceeds that when used far outside its range, and
/// where nothing arrives (Ppl 100 %) there is nothing to conceal.
///
/// # Errors
/// As [`g107::assess`], for any second.
///
/// ```
/// use fivenines::analysis::quality::{g107::Connection, g113, time_series};
/// let base = Connection { equipment: g113::lookup("PCMU", Some(20.0))?, ..Connection::default() };
/// let quiet = time_series::Second { ppl: 0.0, burst_r: 1.0, ta_ms: 60.0 };
/// let mut seconds = vec![quiet; 60];
/// seconds[30].ppl = 100.0;
/// let summary = time_series::rate(&base, &seconds)?.summary(0..60).expect("sixty seconds");
/// assert_eq!(summary.worst_second, 30);
/// # Ok::<(), fivenines::analysis::quality::QualityError>(())
/// ```
pub fn rate(base: &Connection, seconds: &[Second]) -> Result<TimeSeries, QualityError> {
    let mut listener = Perception::at(base.equipment.ie);
    let mut rated = Rated::new();
    let points: Result<Vec<Point>, QualityError> =
        seconds.iter().map(|second| Ok(point(alone(base, *second, &mut rated)?, &mut listener))).collect();
    Ok(TimeSeries {
        model: "ITU-T G.107 (06/2015) per second, Clark response (5 s, 15 s; provisional)",
        scope: SCOPE,
        points: points?,
    })
}

/// A second taken alone.
#[derive(Clone, Copy)]
struct Alone {
    /// R as if nothing had been lost.
    without_loss: f64,
    impairment: f64,
    outside_validity: bool,
}

/// What was rated already, by the bits of Ppl, BurstR and Ta: most seconds of a call are alike.
type Rated = BTreeMap<[u64; 3], Alone>;

fn alone(base: &Connection, second: Second, rated: &mut Rated) -> Result<Alone, QualityError> {
    let Second { ppl, burst_r, ta_ms } = second;
    let key = [ppl, burst_r, ta_ms].map(f64::to_bits);
    if let Some(alone) = rated.get(&key) {
        return Ok(*alone);
    }
    let connection = Connection { ppl, burst_r, ta_ms, t_ms: ta_ms, tr_ms: 2.0 * ta_ms, ..base.clone() };
    let score = g107::assess(&connection)?;
    let ie_eff = score.components.ie_eff;
    let alone = Alone {
        without_loss: score.r.value() + ie_eff,
        impairment: audible_impairment::<Narrowband>(ie_eff, ppl),
        outside_validity: score.validity.outside_validity,
    };
    rated.insert(key, alone);
    Ok(alone)
}

fn point(alone: Alone, listener: &mut Perception) -> Point {
    let Alone { without_loss, impairment, outside_validity } = alone;
    let r = Rating::new(without_loss - listener.follow(impairment, 1.0));
    Point { r_alone: Rating::new(without_loss - impairment), r, mos: r.mos(), outside_validity }
}

impl TimeSeries {
    /// A stretch of the curve, in seconds from its start: a call, or what lies between fault and recovery.
    /// `None` if the stretch holds no point.
    #[must_use]
    pub fn summary(&self, range: std::ops::Range<usize>) -> Option<Summary> {
        let (start, end) = (range.start, range.end.min(self.points.len()));
        let points = self.points.get(start..end)?;
        let (offset, worst) = points.iter().enumerate().min_by(|a, b| a.1.r.value().total_cmp(&b.1.r.value()))?;
        let r_mean = Rating::new(points.iter().map(|p| p.r.value()).sum::<f64>() / points.len() as f64);
        Some(Summary {
            seconds: points.len(),
            r_min: worst.r,
            mos_min: worst.mos,
            worst_second: start + offset,
            r_mean,
            mos_of_mean_r: r_mean.mos(),
            seconds_below_3_6: points.iter().filter(|p| p.mos.value() < SATISFYING_MOS).count(),
            seconds_outside_validity: points.iter().filter(|p| p.outside_validity).count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::bursts::slots;
    use super::super::g113::Equipment;
    use super::*;

    const QUIET: Second = Second { ppl: 0.0, burst_r: 1.0, ta_ms: 0.0 };

    fn base() -> Connection {
        Connection { equipment: Equipment::given(0.0, 25.1), ..Connection::default() }
    }

    fn with_outage(from: usize, to: usize) -> Vec<Second> {
        let silence = Second { ppl: 100.0, ..QUIET };
        (0..60).map(|s| if (from..to).contains(&s) { silence } else { QUIET }).collect()
    }

    /// By hand: two seconds of I = 95 perceived as 95 (1 − e^(−2/5)) = 31.3196, then fading by e^(−t/15).
    #[test]
    fn two_seconds_of_silence_show_and_fade() {
        let series = rate(&base(), &with_outage(30, 32)).unwrap();
        let clean = 93.206_208;
        assert!((series.points[29].r.value() - clean).abs() < 1e-6);
        assert!((series.points[31].r.value() - (clean - 31.3196)).abs() < 1e-4);
        assert!((series.points[46].r.value() - (clean - 31.3196 * (-1.0_f64).exp())).abs() < 1e-4);
        assert!((series.points[31].r_alone.value() - (clean - 95.0)).abs() < 1e-6);
        let summary = series.summary(0..60).unwrap();
        assert_eq!((summary.worst_second, summary.seconds, summary.seconds_outside_validity), (31, 60, 2));
        // R falls below 70.06 (MOS 3.6) while the perceived impairment exceeds 23.14: the second of the
        // outage and t ≤ 15 ln(31.32/23.14) = 4.5 s after it.
        assert_eq!(summary.seconds_below_3_6, 5);
    }

    #[test]
    fn the_mean_hides_what_the_minimum_shows() {
        let summary = rate(&base(), &with_outage(30, 32)).unwrap().summary(0..60).unwrap();
        assert!(summary.mos_of_mean_r.value() > 4.0 && summary.mos_min.value() < 3.3, "{summary:?}");
    }

    #[test]
    fn a_stretch_can_be_cut_out() {
        let series = rate(&base(), &with_outage(30, 32)).unwrap();
        assert_eq!(series.summary(30..32).unwrap().seconds, 2);
        assert_eq!(series.summary(0..30).unwrap().seconds_below_3_6, 0);
        assert_eq!(series.summary(70..80), None);
        assert_eq!(series.summary(10..10), None);
    }

    #[test]
    fn seconds_come_from_slots() {
        let half = Second::from_slots(&slots(&[(Slot::Received, 25), (Slot::Lost, 25)]), 60.0).unwrap();
        assert_eq!(half, Second { ppl: 50.0, burst_r: 12.5, ta_ms: 60.0 });
        assert_eq!(Second::from_slots(&[], 60.0), None);
    }

    #[test]
    fn a_bad_second_is_an_error() {
        assert!(rate(&base(), &[Second { ppl: f64::NAN, ..QUIET }]).is_err());
    }
}
