//! The decision that outages and media quality share: worse, not worse, or how many trials it takes to tell.

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::factorial::binomial;

use super::Options;
use crate::analysis::stats::{Observation, Shift, samples_for_shift};

/// With fewer trials than this on each side no interval reaches 95 %.
const INTERVAL_FROM: u64 = 4;

/// A shift towards worse with its interval and test, in any unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// Trials of the smaller side.
    pub(super) each: u64,
    /// Hodges–Lehmann shift; positive is worse.
    pub(super) shift: Option<f64>,
    /// Its interval; absent where the sides are too small.
    pub(super) interval: Option<(Option<f64>, Option<f64>)>,
    /// Mann–Whitney, adjusted.
    pub(super) p_holm: Option<f64>,
    /// What is tolerated.
    pub(super) tolerance: f64,
    /// Standard deviation over trials, where it can be estimated.
    pub(super) sd: Option<f64>,
    /// Trials on each side without which nothing is significant among so many tests.
    pub(super) least: u64,
}

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Worse than tolerated: beyond the interval, and significant.
    Worse,
    /// The interval excludes anything worse than tolerated.
    Excluded,
    /// Enough trials to see it, and it was not seen.
    NotShown,
    /// Too few trials for an interval; how many it takes.
    NoInterval(Option<u64>),
    /// It cannot be told; how many trials would tell.
    Untold(Option<u64>),
}

/// Decides.
pub(super) fn decide(evidence: &Evidence, options: &Options) -> Decision {
    let Evidence { each, tolerance, .. } = *evidence;
    let trials_for = |away: f64| {
        let needed = evidence.sd.map(|sd| if sd > 0.0 { away / sd } else { f64::INFINITY });
        needed.map(|shift| samples_for_shift(shift.min(1e3), options.alpha, options.power).unwrap_or(u64::MAX))
    };
    let to_tell = trials_for(tolerance).map(|n| n.max(evidence.least));
    let Some((low, high)) = evidence.interval else { return Decision::NoInterval(to_tell) };
    let significant = evidence.p_holm.is_some_and(|p| p < options.alpha);
    let powered = to_tell.is_some_and(|needed| each >= needed);
    let small = evidence.shift.is_some_and(|shift| shift <= tolerance);
    match () {
        () if low.is_some_and(|low| low > tolerance) && significant => Decision::Worse,
        () if high.is_some_and(|high| high <= tolerance) => Decision::Excluded,
        () if small && powered => Decision::NotShown,
        () => {
            let away = evidence.shift.map_or(tolerance, |shift| (shift - tolerance).abs());
            let more = || trials_for(away.max(tolerance * 1e-5)).filter(|n| *n > each);
            Decision::Untold(if powered { more() } else { to_tell })
        }
    }
}

/// `run 17 trials on each side`.
pub(super) fn asks_for(needed: Option<u64>) -> String {
    needed.map_or_else(|| "run more trials".to_owned(), |n| format!("run {n} trials on each side"))
}

/// With fewer trials than this on each side not even complete separation is significant among so many tests: of the
/// C(2n, n) orders two are as extreme.
pub(super) fn least_each(tests: usize, alpha: f64) -> u64 {
    let extreme = |n: u64| 2.0 / binomial(2 * n, n) * tests as f64;
    (INTERVAL_FROM..100).find(|n| extreme(*n) < alpha).unwrap_or(100)
}

/// The standard deviation that the interval's width stands for, which one outlier does not spoil; without an
/// interval the pooled one of the values.
pub(super) fn spread(first: &[Observation], second: &[Observation], shift: &Shift) -> Option<f64> {
    let each = 1.0 / first.len() as f64 + 1.0 / second.len() as f64;
    let ends = shift.interval.and_then(|i| Some((i.low?, i.high?, i.confidence)));
    if let Some((low, high, confidence)) = ends {
        let half = Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence));
        return Some((high - low) / (2.0 * half) / (each * std::f64::consts::FRAC_PI_3).sqrt());
    }
    pooled(&[first, second])
}

fn pooled(sides: &[&[Observation]]) -> Option<f64> {
    let (mut squares, mut freedom) = (0.0, 0usize);
    for side in sides {
        let values: Vec<f64> = side.iter().map(|observation| observation.at_least()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        squares += values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        freedom += values.len().saturating_sub(1);
    }
    (freedom > 0).then(|| (squares / freedom as f64).sqrt())
}
