//! Proportions and rates: exact binomial (Clopper & Pearson, Biometrika 26, 1934) and Poisson limits.

use serde::Serialize;
use statrs::distribution::{Beta, ChiSquared, ContinuousCDF};

use super::{StatsError, open_unit, positive};

/// A two-sided interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Confidence: the probability that such intervals cover the truth, at least.
    pub confidence: f64,
}

/// Two-sided Clopper–Pearson interval of a success probability.
///
/// # Errors
/// [`StatsError::TooFew`] without trials; [`StatsError::OutOfRange`] if there are more successes than trials
/// or `confidence` is not in (0, 1).
pub fn clopper_pearson(successes: u64, trials: u64, confidence: f64) -> Result<Interval, StatsError> {
    let each = f64::midpoint(1.0, confidence);
    open_unit("confidence", confidence)?;
    let (low, high) = (proportion_lower(successes, trials, each)?, proportion_upper(successes, trials, each)?);
    Ok(Interval { low, high, confidence })
}

/// One-sided lower limit of a success probability: "at least this, with `confidence`".
///
/// # Errors
/// As [`clopper_pearson`].
///
/// ```
/// use fivenines::analysis::stats::proportion_lower;
/// let coverage = proportion_lower(3, 3, 0.95)?;
/// assert!((coverage - 0.368).abs() < 5e-4, "three of three prove little");
/// # Ok::<(), fivenines::analysis::stats::StatsError>(())
/// ```
pub fn proportion_lower(successes: u64, trials: u64, confidence: f64) -> Result<f64, StatsError> {
    check(successes, trials, confidence)?;
    if successes == 0 {
        return Ok(0.0);
    }
    if successes == trials {
        return Ok((1.0 - confidence).powf(1.0 / trials as f64));
    }
    beta_quantile(successes as f64, (trials - successes) as f64 + 1.0, 1.0 - confidence)
}

/// One-sided upper limit of a success probability: "at most this, with `confidence`".
///
/// # Errors
/// As [`clopper_pearson`].
pub fn proportion_upper(successes: u64, trials: u64, confidence: f64) -> Result<f64, StatsError> {
    check(successes, trials, confidence)?;
    Ok(1.0 - proportion_lower(trials - successes, trials, confidence)?)
}

/// The rule of three: with no failure in `trials`, the failure probability is at most about 3/n at 95 %.
/// An approximation of `1 − 0.05^(1/n)`, good from n = 30 on; `None` without trials.
#[must_use]
pub fn rule_of_three(trials: u64) -> Option<f64> {
    (trials > 0).then(|| (3.0 / trials as f64).min(1.0))
}

/// How many successes in a row show that the success probability is at least `target`, with `confidence`.
///
/// # Errors
/// [`StatsError::OutOfRange`] if `target` or `confidence` is not in (0, 1).
pub fn successes_needed(target: f64, confidence: f64) -> Result<u64, StatsError> {
    open_unit("target", target)?;
    open_unit("confidence", confidence)?;
    Ok(((1.0 - confidence).ln() / target.ln()).ceil() as u64)
}

/// Two-sided exact limits of a Poisson rate: `events` seen in `exposure` (result: events per unit of exposure).
/// Without events the lower limit is 0 (NIST/SEMATECH e-Handbook §8.4.5.1, time-truncated tests).
///
/// # Errors
/// [`StatsError::OutOfRange`] if `exposure` is not positive or `confidence` is not in (0, 1).
pub fn poisson_rate_ci(events: u64, exposure: f64, confidence: f64) -> Result<Interval, StatsError> {
    open_unit("confidence", confidence)?;
    positive("exposure", exposure)?;
    let tail = (1.0 - confidence) / 2.0;
    let low = if events == 0 { 0.0 } else { chi_squared_quantile(tail, 2.0 * events as f64)? / 2.0 };
    let high = chi_squared_quantile(1.0 - tail, 2.0 * events as f64 + 2.0)? / 2.0;
    Ok(Interval { low: low / exposure, high: high / exposure, confidence })
}

fn check(successes: u64, trials: u64, confidence: f64) -> Result<(), StatsError> {
    open_unit("confidence", confidence)?;
    if trials == 0 {
        return Err(StatsError::TooFew { what: "a proportion", n: 0, needed: 1 });
    }
    if successes > trials {
        return Err(StatsError::OutOfRange { parameter: "successes", value: successes as f64, range: "[0, trials]" });
    }
    Ok(())
}

fn beta_quantile(a: f64, b: f64, p: f64) -> Result<f64, StatsError> {
    let beta = Beta::new(a, b);
    beta.map(|d| d.inverse_cdf(p)).map_err(|_| StatsError::OutOfRange {
        parameter: "trials",
        value: a + b,
        range: "[1, 2⁵³]",
    })
}

fn chi_squared_quantile(p: f64, df: f64) -> Result<f64, StatsError> {
    let chi = ChiSquared::new(df);
    chi.map(|d| d.inverse_cdf(p)).map_err(|_| StatsError::OutOfRange {
        parameter: "events",
        value: df,
        range: "[0, 2⁵³]",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use statrs::distribution::{Binomial, Discrete};

    fn close(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance, "{got} instead of {want}");
    }

    /// 0.05^(1/3) = 0.3684, 0.025^(1/3) = 0.2924, 0.05^(1/15) = 0.8190.
    #[test]
    fn all_successes_give_the_power_of_alpha() {
        close(proportion_lower(3, 3, 0.95).unwrap(), 0.368, 5e-4);
        close(clopper_pearson(3, 3, 0.95).unwrap().low, 0.292, 5e-4);
        close(clopper_pearson(3, 3, 0.95).unwrap().high, 1.0, 0.0);
        close(proportion_lower(15, 15, 0.95).unwrap(), 0.819, 5e-4);
    }

    /// The textbook case 8 of 10: (0.4439, 0.9748), as R's binom.test prints it.
    #[test]
    fn interior_counts_use_the_beta_quantile() {
        let ci = clopper_pearson(8, 10, 0.95).unwrap();
        close(ci.low, 0.4439, 5e-5);
        close(ci.high, 0.9748, 5e-5);
    }

    /// ln 0.05 / ln c, rounded up: 58.4, 298.07, 134.7.
    #[test]
    fn successes_needed_for_a_coverage() {
        for (target, needed) in [(0.95, 59), (0.99, 299), (0.978, 135)] {
            assert_eq!(successes_needed(target, 0.95).unwrap(), needed);
        }
    }

    /// χ² limits for r failures in unit time, two-sided 95 % (NIST e-Handbook §8.4.5.1).
    #[test]
    fn poisson_limits() {
        let golden =
            [(0, 0.0, 3.69), (1, 0.025, 5.57), (2, 0.242, 7.22), (3, 0.619, 8.77), (5, 1.62, 11.67), (10, 4.80, 18.39)];
        for (events, low, high) in golden {
            let ci = poisson_rate_ci(events, 1.0, 0.95).unwrap();
            close(ci.low, low, if low < 1.0 { 5e-4 } else { 5e-3 });
            close(ci.high, high, 5e-3);
        }
        close(rule_of_three(300).unwrap(), 0.01, 1e-12);
        assert_eq!(rule_of_three(0), None);
    }

    #[test]
    fn impossible_counts_are_refused() {
        assert!(matches!(clopper_pearson(0, 0, 0.95), Err(StatsError::TooFew { .. })));
        assert!(matches!(clopper_pearson(4, 3, 0.95), Err(StatsError::OutOfRange { .. })));
        assert!(poisson_rate_ci(1, 0.0, 0.95).is_err());
    }

    proptest! {
        /// Exactly: the binomial probability of all counts whose interval holds the true probability.
        #[test]
        fn the_interval_never_covers_less_than_it_says(trials in 1u64..40, truth in 0.001f64..0.999) {
            let law = Binomial::new(truth, trials).unwrap();
            let covering = (0..=trials).filter(|successes| {
                let ci = clopper_pearson(*successes, trials, 0.95).unwrap();
                ci.low <= truth && truth <= ci.high
            });
            prop_assert!(covering.map(|successes| law.pmf(successes)).sum::<f64>() >= 0.95 - 1e-6);
        }

        #[test]
        fn the_interval_encloses_the_observed_ratio(trials in 1u64..500, share in 0.0f64..=1.0) {
            let successes = (trials as f64 * share).floor() as u64;
            let ci = clopper_pearson(successes, trials, 0.95).unwrap();
            let observed = successes as f64 / trials as f64;
            prop_assert!(ci.low <= observed && observed <= ci.high && ci.low >= 0.0 && ci.high <= 1.0);
        }
    }
}
