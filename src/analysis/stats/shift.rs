//! Hodges–Lehmann: by how much one sample lies above another, with a distribution-free interval (Hodges & Lehmann,
//! Ann. Math. Statist. 34, 1963; the interval inverts the Mann–Whitney test).

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use super::ranks::u_counts;
use super::{Observation, StatsError, open_unit};

/// Up to this many observations on each side the exact ranks are used.
const EXACT_EACH: usize = 50;

/// How far the second sample lies above the first, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// Median of all differences second − first; absent where censored values hide it.
    pub estimate: Option<f64>,
    /// Its interval; absent where the samples are too small for the confidence (at 95 %: under 4 and 4).
    pub interval: Option<ShiftInterval>,
}

/// A two-sided interval of a shift.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ShiftInterval {
    /// Lower end; absent where censored values leave it open.
    pub low: Option<f64>,
    /// Upper end; absent where censored values leave it open.
    pub high: Option<f64>,
    /// Confidence, at least what was asked for (asymptotic beyond 50 observations on a side).
    pub confidence: f64,
}

/// The shift from `first` to `second`.
///
/// A censored value may be anything above its limit: each difference then has a lower and an upper limit, and
/// each end of the interval takes the limits that are safe for it.
///
/// # Errors
/// [`StatsError::TooFew`] if a side is empty, [`StatsError::NotFinite`] for NaN or infinite values,
/// [`StatsError::OutOfRange`] if `confidence` is not in (0, 1).
///
/// ```
/// use fivenines::analysis::stats::{Observation, hodges_lehmann};
/// let seconds = |all: [f64; 4]| all.map(Observation::Exact);
/// let shift = hodges_lehmann(&seconds([0.69, 0.70, 0.71, 0.72]), &seconds([0.99, 1.00, 1.01, 1.02]), 0.95)?;
/// assert!((shift.estimate.unwrap_or_default() - 0.3).abs() < 1e-9);
/// # Ok::<(), fivenines::analysis::stats::StatsError>(())
/// ```
pub fn hodges_lehmann(first: &[Observation], second: &[Observation], confidence: f64) -> Result<Shift, StatsError> {
    open_unit("confidence", confidence)?;
    for side in [first, second] {
        if side.is_empty() {
            return Err(StatsError::TooFew { what: "a shift between two samples", n: 0, needed: 1 });
        }
        super::all_finite("an observation", &side.iter().map(|o| o.at_least()).collect::<Vec<_>>())?;
    }
    let (lows, highs) = differences(first, second);
    let (low, high) = (middle(&lows), middle(&highs));
    let estimate = (low == high && low.is_finite()).then_some(low);
    let interval = rank(first.len(), second.len(), confidence).map(|(rank, confidence)| {
        let end = |all: &[f64], index: usize| all.get(index).copied().filter(|value| value.is_finite());
        ShiftInterval { low: end(&lows, rank - 1), high: end(&highs, highs.len() - rank), confidence }
    });
    Ok(Shift { estimate, interval })
}

/// Lower and upper limits of all differences, each ascending.
fn differences(first: &[Observation], second: &[Observation]) -> (Vec<f64>, Vec<f64>) {
    let pairs = second.iter().flat_map(|b| first.iter().map(move |a| (*a, *b)));
    let (mut lows, mut highs): (Vec<f64>, Vec<f64>) = pairs.map(limits).unzip();
    lows.sort_by(f64::total_cmp);
    highs.sort_by(f64::total_cmp);
    (lows, highs)
}

fn limits((a, b): (Observation, Observation)) -> (f64, f64) {
    let difference = b.at_least() - a.at_least();
    match (a, b) {
        (Observation::Exact(_), Observation::Exact(_)) => (difference, difference),
        (Observation::Exact(_), Observation::Above(_)) => (difference, f64::INFINITY),
        (Observation::Above(_), Observation::Exact(_)) => (f64::NEG_INFINITY, difference),
        (Observation::Above(_), Observation::Above(_)) => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

fn middle(sorted: &[f64]) -> f64 {
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    if low == high { low } else { f64::midpoint(low, high) }
}

/// The largest k with `P(U < k) ≤ (1 − confidence)/2`, and the confidence of the k-th differences from both ends.
fn rank(n: usize, m: usize, confidence: f64) -> Option<(usize, f64)> {
    let tail = (1.0 - confidence) / 2.0;
    if n > EXACT_EACH || m > EXACT_EACH {
        let (n, m) = (n as f64, m as f64);
        let away = Normal::standard().inverse_cdf(1.0 - tail) * (n * m * (n + m + 1.0) / 12.0).sqrt();
        let rank = (n * m / 2.0 - away).floor();
        return (rank >= 1.0).then_some((rank as usize, confidence));
    }
    let counts = u_counts(n, m);
    let all: f64 = counts.iter().sum();
    let (mut below, mut rank) = (0.0, 0);
    for count in &counts[..counts.len() / 2] {
        if (below + count) / all > tail {
            break;
        }
        (below, rank) = (below + count, rank + 1);
    }
    (rank > 0).then_some((rank, 1.0 - 2.0 * below / all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn exact(values: &[f64]) -> Vec<Observation> {
        values.iter().map(|value| Observation::Exact(*value)).collect()
    }

    /// Ranks by the recurrence in Python: largest k with Σ_{u<k} N(u) ≤ 2.5 %. R's `wilcox.test` uses the same.
    #[test]
    fn the_ranks_are_those_of_the_exact_distribution() {
        let golden = [
            (4, 4, 1, 0.971_428_6),
            (5, 5, 3, 0.968_254_0),
            (6, 9, 11, 0.950_449_6),
            (10, 10, 24, 0.956_742_9),
            (15, 15, 65, 0.954_666_1),
        ];
        for (n, m, k, confidence) in golden {
            let (got, achieved) = rank(n, m, 0.95).unwrap();
            assert!(got == k && (achieved - confidence).abs() < 1e-6, "{n} {m}: {got} {achieved}");
        }
        assert_eq!(rank(3, 3, 0.95), None);
        assert_eq!(rank(2, 60, 0.9999), None);
    }

    /// Median of the 100 sorted differences, and the 24th from each end, in Python.
    #[test]
    fn the_shift_of_two_groups_of_ten() {
        let first = [2.91, 3.12, 3.35, 2.75, 3.51, 3.02, 2.88, 3.44, 3.19, 2.97];
        let second = [3.22, 3.47, 3.61, 3.05, 3.90, 3.33, 3.15, 3.71, 3.58, 3.40];
        let shift = hodges_lehmann(&exact(&first), &exact(&second), 0.95).unwrap();
        let interval = shift.interval.unwrap();
        assert!((shift.estimate.unwrap() - 0.325).abs() < 1e-9);
        assert!((interval.low.unwrap() - 0.07).abs() < 1e-9 && (interval.high.unwrap() - 0.59).abs() < 1e-9);
    }

    /// By hand: differences of 1..=5 to five censored at 10: at least 5 to 9, and nothing is known above.
    #[test]
    fn censored_values_bound_the_shift_from_the_safe_side() {
        let shift = hodges_lehmann(&exact(&[1., 2., 3., 4., 5.]), &[Observation::Above(10.0); 5], 0.95).unwrap();
        let interval = shift.interval.unwrap();
        assert_eq!((shift.estimate, interval.low, interval.high), (None, Some(5.0), None));
        let both = hodges_lehmann(&[Observation::Above(10.0); 5], &[Observation::Above(10.0); 5], 0.95).unwrap();
        assert_eq!((both.estimate, both.interval.unwrap().low), (None, None));
        // One of ten hides neither the estimate nor the ends.
        let mut one = exact(&[1., 2., 3., 4., 5., 6., 7., 8., 9.]);
        one.push(Observation::Above(20.0));
        let shift = hodges_lehmann(&one, &one, 0.95).unwrap();
        assert_eq!(shift.estimate, Some(0.0));
        assert!(shift.interval.unwrap().low.unwrap() < 0.0);
    }

    /// 1,000 pairs of skewed samples shifted by 0.3: coverage of a nominal 95 % (97.1 % at 4 + 4, 95.2 % at 8 + 8)
    /// stays above it within 4 σ = 2.8 points.
    #[test]
    fn the_interval_covers_the_true_shift_as_often_as_it_says() {
        let mut rng = StdRng::seed_from_u64(5);
        let mut draw = |n: usize, by: f64| -> Vec<Observation> {
            (0..n).map(|_| Observation::Exact(by - rng.random_range(f64::EPSILON..1.0).ln())).collect()
        };
        for n in [4, 8] {
            let covered = (0..1_000)
                .filter(|_| {
                    let interval = hodges_lehmann(&draw(n, 0.0), &draw(n, 0.3), 0.95).unwrap().interval.unwrap();
                    interval.low.unwrap() <= 0.3 && 0.3 <= interval.high.unwrap()
                })
                .count();
            assert!(covered >= 922, "n {n}: {covered} of 1000");
        }
    }

    proptest! {
        #[test]
        fn moving_one_side_moves_everything(
            values in prop::collection::vec(0.0f64..100.0, 4..12), by in -50.0f64..50.0
        ) {
            let moved: Vec<f64> = values.iter().map(|value| value + by).collect();
            let shift = hodges_lehmann(&exact(&values), &exact(&moved), 0.95).unwrap();
            let interval = shift.interval.unwrap();
            prop_assert!((shift.estimate.unwrap() - by).abs() < 1e-9);
            prop_assert!(interval.low.unwrap() <= by + 1e-9 && by <= interval.high.unwrap() + 1e-9);
        }

        #[test]
        fn hiding_values_only_widens(values in prop::collection::vec(0.0f64..10.0, 8..9), limit in 5.0f64..10.0) {
            let second: Vec<f64> = values.iter().map(|value| value + 1.0).collect();
            let cut = |v: &f64| if *v > limit { Observation::Above(limit) } else { Observation::Exact(*v) };
            let whole = hodges_lehmann(&exact(&values), &exact(&second), 0.95).unwrap().interval.unwrap();
            let hidden: Vec<Observation> = second.iter().map(cut).collect();
            let part = hodges_lehmann(&exact(&values), &hidden, 0.95).unwrap().interval.unwrap();
            prop_assert!(part.low.is_none_or(|low| low <= whole.low.unwrap() + 1e-9));
            prop_assert!(part.high.is_none_or(|high| high >= whole.high.unwrap() - 1e-9));
        }
    }
}
