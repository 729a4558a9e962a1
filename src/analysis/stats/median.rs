//! Distribution-free intervals from order statistics: the median, and bounds for high percentiles.
//!
//! The number of observations below the true quantile is binomial, whatever the distribution, so two order
//! statistics enclose it with an exactly known probability (David & Nagaraja, Order Statistics).

use serde::Serialize;
use statrs::distribution::{Binomial, DiscreteCDF};

use super::{Bound, Sample, StatsError, median, open_unit};

/// A median with its exact order-statistic interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MedianCi {
    /// The sample median.
    pub median: Bound,
    /// Lower end: the order statistic `low_rank`.
    pub low: Bound,
    /// Upper end: the order statistic `high_rank`; unbounded where it is censored.
    pub high: Bound,
    /// Rank of the lower end, from 1.
    pub low_rank: usize,
    /// Rank of the upper end, from 1.
    pub high_rank: usize,
    /// Probability with which the interval covers the true median; at least what was asked for.
    pub confidence: f64,
    /// Number of observations, censored ones included.
    pub n: usize,
    /// Number of censored observations.
    pub censored: usize,
}

/// A one-sided upper bound for a quantile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct UpperBound {
    /// The bound: an order statistic; unbounded where it is censored.
    pub bound: Bound,
    /// Its rank, from 1.
    pub rank: usize,
    /// Probability with which the bound holds; at least what was asked for.
    pub confidence: f64,
    /// Number of observations.
    pub n: usize,
}

/// The median with the narrowest symmetric pair of order statistics that covers it with `confidence`.
///
/// `None` where no pair does: at 95 % that is n < 6.
///
/// # Errors
/// [`StatsError::OutOfRange`] if `confidence` is not in (0, 1).
///
/// ```
/// use fivenines::analysis::stats::{median_ci, Sample};
/// let outages = Sample::exact(&[3.1, 2.9, 3.3, 3.6, 2.7, 3.2])?;
/// let ci = median_ci(&outages, 0.95)?.expect("six trials suffice");
/// assert_eq!((ci.low.value, ci.high.value), (2.7, 3.6));
/// assert!((ci.confidence - 0.96875).abs() < 1e-12);
/// # Ok::<(), fivenines::analysis::stats::StatsError>(())
/// ```
pub fn median_ci(sample: &Sample, confidence: f64) -> Result<Option<MedianCi>, StatsError> {
    open_unit("confidence", confidence)?;
    let n = sample.n();
    let Some((low_rank, achieved)) = symmetric_rank(n, confidence) else { return Ok(None) };
    let high_rank = n + 1 - low_rank;
    let parts = (median(sample), sample.order_statistic_floor(low_rank), sample.order_statistic(high_rank));
    let (Some(median), Some(low), Some(high)) = parts else { return Ok(None) };
    let censored = sample.censored();
    Ok(Some(MedianCi { median, low, high, low_rank, high_rank, confidence: achieved, n, censored }))
}

/// The largest rank k with P(k ≤ Binomial(n, ½) ≤ n−k) ≥ `confidence`, and that probability.
fn symmetric_rank(n: usize, confidence: f64) -> Option<(usize, f64)> {
    let below = Binomial::new(0.5, n as u64).ok()?;
    let cover = |k: usize| 1.0 - 2.0 * below.cdf(k as u64 - 1);
    let ranks: Vec<usize> = (1..=n / 2).collect();
    let fitting = ranks.partition_point(|k| cover(*k) >= confidence);
    let rank = *ranks.get(fitting.checked_sub(1)?)?;
    Some((rank, cover(rank)))
}

/// The smallest order statistic that lies above the `p` quantile with `confidence`, whatever the distribution.
///
/// `None` where not even the maximum does ("not claimable with this n"; see [`samples_for_quantile_bound`]).
///
/// # Errors
/// [`StatsError::OutOfRange`] if `p` or `confidence` is not in (0, 1).
pub fn quantile_upper_bound(sample: &Sample, p: f64, confidence: f64) -> Result<Option<UpperBound>, StatsError> {
    open_unit("p", p)?;
    open_unit("confidence", confidence)?;
    let n = sample.n();
    let Ok(below) = Binomial::new(p, n as u64) else { return Ok(None) };
    let holds = |rank: usize| below.cdf(rank as u64 - 1);
    let ranks: Vec<usize> = (1..=n).collect();
    let Some(&rank) = ranks.get(ranks.partition_point(|r| holds(*r) < confidence)) else { return Ok(None) };
    Ok(sample.order_statistic(rank).map(|bound| UpperBound { bound, rank, confidence: holds(rank), n }))
}

/// How many observations it takes until the maximum bounds the `p` quantile with `confidence`.
///
/// # Errors
/// [`StatsError::OutOfRange`] if `p` or `confidence` is not in (0, 1).
pub fn samples_for_quantile_bound(p: f64, confidence: f64) -> Result<u64, StatsError> {
    open_unit("p", p)?;
    open_unit("confidence", confidence)?;
    Ok(((1.0 - confidence).ln() / p.ln()).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::super::Observation;
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn ramp(n: u32) -> Sample {
        Sample::exact(&(1..=n).map(f64::from).collect::<Vec<_>>()).unwrap()
    }

    /// Ranks and coverage: 1 − 2 Σ_{i<k} C(n,i)/2ⁿ, e.g. n = 10: 1 − 2·11/1024 = 97.85 %.
    #[test]
    fn median_ranks_and_coverage_are_the_binomial_ones() {
        let golden = [(6, 1, 6, 96.9), (10, 2, 9, 97.9), (15, 4, 12, 96.5), (20, 6, 15, 95.9), (30, 10, 21, 95.7)];
        for (n, low, high, percent) in golden {
            let ci = median_ci(&ramp(n), 0.95).unwrap().unwrap();
            assert_eq!((ci.low_rank, ci.high_rank), (low, high), "n {n}");
            assert_eq!((ci.low.value, ci.high.value), (low as f64, high as f64), "n {n}");
            assert!((100.0 * ci.confidence - percent).abs() < 0.05, "n {n}: {}", ci.confidence);
        }
        assert_eq!(median_ci(&ramp(5), 0.95).unwrap(), None);
        assert_eq!(median_ci(&ramp(0), 0.95).unwrap(), None);
    }

    #[test]
    fn a_censored_rank_leaves_the_interval_open() {
        let mut trials: Vec<Observation> = (1..=8).map(|i| Observation::Exact(f64::from(i))).collect();
        trials.extend([Observation::Above(20.0); 2]);
        let ci = median_ci(&Sample::new(trials).unwrap(), 0.95).unwrap().unwrap();
        assert_eq!(ci.median, Bound::exact(5.5));
        assert_eq!(ci.low, Bound::exact(2.0));
        assert_eq!(ci.high, Bound::above(20.0)); // x9 is censored
        assert_eq!(ci.censored, 2);
    }

    /// 0.9²⁹ = 4.7 %, 0.95⁵⁹ = 4.8 %, 0.99²⁹⁹ = 4.95 %: one trial fewer and the maximum does not bound.
    #[test]
    fn high_percentiles_need_29_59_and_299_trials() {
        for (p, needed) in [(0.9, 29), (0.95, 59), (0.99, 299)] {
            assert_eq!(samples_for_quantile_bound(p, 0.95).unwrap(), needed);
            assert_eq!(quantile_upper_bound(&ramp(needed as u32 - 1), p, 0.95).unwrap(), None);
            let bound = quantile_upper_bound(&ramp(needed as u32), p, 0.95).unwrap().unwrap();
            assert_eq!(bound.rank as u64, needed);
        }
    }

    /// Fifteen trials bound none of the high percentiles (0.9^15 = 20.6 %), and 80 % of them only just (0.8^14 = 4.4 %).
    #[test]
    fn fifteen_trials_claim_nothing_about_high_percentiles() {
        for p in [0.9, 0.95, 0.99] {
            assert_eq!(quantile_upper_bound(&ramp(15), p, 0.95).unwrap(), None, "{p}");
        }
        assert_eq!(quantile_upper_bound(&ramp(15), 0.8, 0.95).unwrap().map(|bound| bound.rank), Some(15));
    }

    /// 2,000 skewed samples each; the binomial coverage is exact, so the count lies within 4 σ of it.
    #[test]
    fn the_intervals_cover_as_often_as_they_say() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut draw = |n: usize| -> Sample {
            let values: Vec<f64> = (0..n).map(|_| -rng.random_range(f64::EPSILON..1.0f64).ln()).collect();
            Sample::exact(&values).unwrap()
        };
        for n in [6, 15, 30] {
            let mut promised = 0.0;
            let covered = (0..2_000).filter(|_| {
                let ci = median_ci(&draw(n), 0.95).unwrap().unwrap();
                promised = ci.confidence;
                ci.low.value <= 2.0f64.ln() && 2.0f64.ln() <= ci.high.value
            });
            let share = covered.count() as f64 / 2_000.0;
            assert!((share - promised).abs() < 4.0 * (promised * (1.0 - promised) / 2_000.0).sqrt(), "n {n}: {share}");
        }
        // P90 of the exponential law is ln 10; the promise is at least 95 %, within 4 σ (2 points).
        let bounded = (0..2_000)
            .filter(|_| quantile_upper_bound(&draw(59), 0.9, 0.95).unwrap().unwrap().bound.value >= 10.0f64.ln());
        let share = bounded.count() as f64 / 2_000.0;
        assert!(share >= 0.95 - 0.02, "{share}");
    }

    proptest! {
        #[test]
        fn the_interval_encloses_the_median_and_keeps_its_promise(
            values in prop::collection::vec(0.0f64..1e6, 6..200), confidence in 0.5f64..0.95
        ) {
            let ci = median_ci(&Sample::exact(&values).unwrap(), confidence).unwrap().unwrap();
            prop_assert!(ci.confidence >= confidence);
            prop_assert!(ci.low.value <= ci.median.value && ci.median.value <= ci.high.value);
        }
    }
}
