//! How listeners follow changing quality: Clark's first-order response and recency.
//!
//! A. Clark, "Modeling the effects of burst packet loss and recency on subjective voice quality" (IPtel 2001),
//! taken up by ETSI TS 101 329-5 Annex E. The closed forms were derived again from two first-order responses;
//! the time constants are from secondary sources and therefore provisional.

use serde::Serialize;

/// Time constant with which annoyance grows, s (provisional).
pub const RISE_S: f64 = 5.0;
/// Time constant with which annoyance fades, s (provisional).
pub const FALL_S: f64 = 15.0;
/// Time constant of recency: how fast the end of a burst is forgotten, s (provisional).
pub const RECENCY_S: f64 = 30.0;
/// Weight of recency (provisional).
pub const RECENCY_WEIGHT: f64 = 0.7;

/// The impairment as it is perceived: it follows the actual one with a lag.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Perception {
    impairment: f64,
}

impl Perception {
    /// A listener used to `impairment`.
    #[must_use]
    pub const fn at(impairment: f64) -> Perception {
        Perception { impairment }
    }

    /// Lets `dt_s` seconds of constant `actual` impairment pass; the perceived impairment afterwards.
    pub fn follow(&mut self, actual: f64, dt_s: f64) -> f64 {
        let constant = if actual > self.impairment { RISE_S } else { FALL_S };
        self.impairment += (actual - self.impairment) * (1.0 - (-dt_s / constant).exp());
        self.impairment
    }
}

/// The steady state of bursts and gaps that alternate for ever.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cycle {
    /// Perceived impairment at the end of each burst, I1.
    pub at_burst_end: f64,
    /// Perceived impairment at the end of each gap, I2.
    pub at_gap_end: f64,
    /// Its average over a cycle, Ie,av.
    pub average: f64,
}

impl Cycle {
    /// Bursts of `burst_s` with impairment `burst_ie`, gaps of `gap_s` with `gap_ie`; `None` unless both durations are
    /// positive.
    #[must_use]
    pub fn new(burst_ie: f64, gap_ie: f64, burst_s: f64, gap_s: f64) -> Option<Cycle> {
        if !(burst_s > 0.0 && gap_s > 0.0 && burst_s.is_finite() && gap_s.is_finite()) {
            return None;
        }
        let (rise, fall) = ((-burst_s / RISE_S).exp(), (-gap_s / FALL_S).exp());
        let i2 = (gap_ie * (1.0 - fall) + burst_ie * (1.0 - rise) * fall) / (1.0 - rise * fall);
        let i1 = burst_ie - (burst_ie - i2) * rise;
        let lag = FALL_S * (i1 - gap_ie) * (1.0 - fall) - RISE_S * (burst_ie - i2) * (1.0 - rise);
        let average = (burst_s * burst_ie + gap_s * gap_ie + lag) / (burst_s + gap_s);
        Some(Cycle { at_burst_end: i1, at_gap_end: i2, average })
    }
}

/// Impairment as judged at the end of a call: the average, plus what is still remembered of the last burst, which
/// ended `since_s` seconds before with the perceived impairment `at_burst_end`.
#[must_use]
pub fn at_call_end(average: f64, at_burst_end: f64, since_s: f64) -> f64 {
    average + RECENCY_WEIGHT * (at_burst_end - average) * (-since_s / RECENCY_S).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Burst and gap impairment, burst and gap duration; I1, I2 and Ie,av.
    type Case = ((f64, f64, f64, f64), [f64; 3]);

    const GOLDEN: [Case; 4] = [
        ((50.0, 0.0, 2.0, 58.0), [16.7185, 0.3499, 4.3948]),
        ((80.0, 0.0, 1.7, 60.0), [23.3629, 0.4279, 5.9214]),
        ((80.0, 0.0, 10.0, 50.0), [69.5088, 2.4797, 24.5049]),
        ((40.0, 5.0, 1.0, 10.0), [15.9453, 10.6195, 13.0234]),
    ];

    fn close(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance, "{got} instead of {want}");
    }

    /// Independent calculation of the closed forms.
    #[test]
    fn closed_forms() {
        for ((burst_ie, gap_ie, burst_s, gap_s), [i1, i2, average]) in GOLDEN {
            let cycle = Cycle::new(burst_ie, gap_ie, burst_s, gap_s).unwrap();
            close(cycle.at_burst_end, i1, 5e-5);
            close(cycle.at_gap_end, i2, 5e-5);
            close(cycle.average, average, 5e-5);
        }
        assert_eq!(Cycle::new(50.0, 0.0, 0.0, 10.0), None);
    }

    /// Following the same cycles step by step settles on the closed forms.
    #[test]
    fn steps_settle_on_the_closed_forms() {
        for ((burst_ie, gap_ie, burst_s, gap_s), [i1, i2, average]) in GOLDEN {
            let mut listener = Perception::at(gap_ie);
            let (mut peak, mut trough, mut area) = (0.0, 0.0, 0.0);
            for _ in 0..100 {
                area = 0.0;
                (peak, area) = pass(&mut listener, burst_ie, burst_s, area);
                (trough, area) = pass(&mut listener, gap_ie, gap_s, area);
            }
            close(peak, i1, 5e-5);
            close(trough, i2, 5e-5);
            close(area / (burst_s + gap_s), average, 1e-3);
        }
    }

    /// Follows for `duration_s` in 1,000 steps; the level at the end and the area under it (trapezoids).
    fn pass(listener: &mut Perception, actual: f64, duration_s: f64, mut area: f64) -> (f64, f64) {
        let dt = duration_s / 1000.0;
        for _ in 0..1000 {
            let before = listener.impairment;
            area += f64::midpoint(before, listener.follow(actual, dt)) * dt;
        }
        (listener.impairment, area)
    }

    /// Independent calculation: average 10, I1 40.
    #[test]
    fn recency() {
        for (since_s, want) in [(0.0, 31.0), (10.0, 25.047), (30.0, 17.725), (60.0, 12.842)] {
            close(at_call_end(10.0, 40.0, since_s), want, 5e-4);
        }
    }
}
