//! A year with failures, played many times: what availability a stated failure rate and measured outages give.
//!
//! The rate is the user's; nothing here was measured over a year. `A = 1 − λ (c d + (1 − c) D)` with rate λ, coverage
//! c, downtime d of a failover that works, and D of one that does not.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF, Normal};

use super::availability::YEAR_S;
use super::{Interval, Sample, StatsError, all_finite, open_unit, positive, quantile};

/// Years with more failures than this are summed up by their mean: the spread of single outages no longer shows.
const MANY: u64 = 1_000;

/// What is known of the failures.
#[derive(Clone, Debug, PartialEq)]
pub struct Failures {
    /// Failures a year, as stated.
    pub per_year: f64,
    /// The range that the user gives for it, taken as 95 % of a log-normal distribution.
    pub per_year_range: Option<(f64, f64)>,
    /// Downtime of one failure whose failover works.
    pub downtime: Downtime,
    /// Failovers that worked, and that were tried: Beta(worked + ½, failed + ½). Without, all are taken to work.
    pub coverage: Option<(u64, u64)>,
    /// Downtime of one failure whose failover does not work, in seconds.
    pub manual_s: f64,
}

/// Downtime of one failure, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Downtime {
    /// One value for each trial: resampled.
    Measured(Vec<f64>),
    /// One value, with a range that is taken as 95 % of a log-normal distribution.
    Stated {
        /// The value.
        value: f64,
        /// The range.
        range: Option<(f64, f64)>,
    },
}

/// Availability as fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Projected {
    /// Median of the expected availability.
    pub median: f64,
    /// Expected availability over many years: what is not known of rate, mean downtime and coverage.
    pub expected: Interval,
    /// Availability of one single year: failures also come by chance.
    pub single_year: Interval,
    /// Years that were played.
    pub draws: usize,
}

/// Plays `draws` years; the same seed gives the same answer.
///
/// # Errors
/// [`StatsError::OutOfRange`] for a rate, range, downtime or count that makes no sense, [`StatsError::TooFew`]
/// without any downtime, [`StatsError::NotFinite`] for NaN or infinite downtimes.
pub fn project(failures: &Failures, confidence: f64, draws: usize, seed: u64) -> Result<Projected, StatsError> {
    open_unit("confidence", confidence)?;
    check(failures)?;
    let mut rng = StdRng::seed_from_u64(seed);
    let beta = failures
        .coverage
        .and_then(|(worked, tried)| Beta::new(worked as f64 + 0.5, tried.saturating_sub(worked) as f64 + 0.5).ok());
    let played: Vec<(f64, f64)> = (0..draws.max(100)).map(|_| play(failures, beta, &mut rng)).collect();
    let (expected, years): (Vec<f64>, Vec<f64>) = played.into_iter().unzip();
    let expected = Sample::exact(&expected)?;
    let at = |sample: &Sample, p: f64| Ok(quantile(sample, p)?.map_or(0.0, |bound| bound.value));
    let tail = (1.0 - confidence) / 2.0;
    let between = |sample: &Sample| Ok(Interval { low: at(sample, tail)?, high: at(sample, 1.0 - tail)?, confidence });
    Ok(Projected {
        median: at(&expected, 0.5)?,
        expected: between(&expected)?,
        single_year: between(&Sample::exact(&years)?)?,
        draws: draws.max(100),
    })
}

fn check(failures: &Failures) -> Result<(), StatsError> {
    positive("failures_per_year", failures.per_year)?;
    positive("manual_s", failures.manual_s)?;
    let ordered = |parameter: &'static str, range: Option<(f64, f64)>, value: f64| match range {
        Some((low, high)) if !(low > 0.0 && low <= value && value <= high && high.is_finite()) => {
            Err(StatsError::OutOfRange { parameter, value, range: "its own [LOW, HIGH]" })
        }
        _ => Ok(()),
    };
    ordered("failures_per_year", failures.per_year_range, failures.per_year)?;
    if let Some((worked, tried)) = failures.coverage
        && worked > tried
    {
        return Err(StatsError::OutOfRange { parameter: "successes", value: worked as f64, range: "[0, trials]" });
    }
    match &failures.downtime {
        Downtime::Stated { value, range } => ordered("downtime_s", *range, positive("downtime_s", *value)?),
        Downtime::Measured(values) if values.is_empty() => {
            Err(StatsError::TooFew { what: "a projection", n: 0, needed: 1 })
        }
        Downtime::Measured(values) => match values.iter().find(|value| **value < 0.0) {
            Some(value) => Err(StatsError::OutOfRange { parameter: "downtime_s", value: *value, range: "[0, ∞)" }),
            None => all_finite("a downtime", values),
        },
    }
}

/// Expected availability, and that of one year, in one possible world.
fn play(failures: &Failures, beta: Option<Beta>, rng: &mut StdRng) -> (f64, f64) {
    let rate = spread(failures.per_year, failures.per_year_range, rng);
    let coverage = beta.map_or(1.0, |beta| beta.inverse_cdf(even(rng)));
    let (mean_s, world) = match &failures.downtime {
        Downtime::Stated { value, range } => {
            let value = spread(*value, *range, rng);
            (value, vec![value])
        }
        Downtime::Measured(values) => {
            let again: Vec<f64> = values.iter().map(|_| values[rng.random_range(0..values.len())]).collect();
            (again.iter().sum::<f64>() / again.len() as f64, again)
        }
    };
    let each_s = coverage * mean_s + (1.0 - coverage) * failures.manual_s;
    let count = poisson(rate, rng);
    let year_s = if count > MANY {
        count as f64 * each_s
    } else {
        (0..count)
            .map(|_| if even(rng) < coverage { world[rng.random_range(0..world.len())] } else { failures.manual_s })
            .sum()
    };
    (left_of_a_year(rate * each_s), left_of_a_year(year_s))
}

fn left_of_a_year(down_s: f64) -> f64 {
    (1.0 - down_s / YEAR_S).max(0.0)
}

fn even(rng: &mut StdRng) -> f64 {
    rng.random_range(f64::EPSILON..1.0)
}

/// Log-normal around `value` with 95 % inside the range; each side of `value` has its own width.
fn spread(value: f64, range: Option<(f64, f64)>, rng: &mut StdRng) -> f64 {
    let Some((low, high)) = range else { return value };
    let normal = Normal::standard();
    let z = normal.inverse_cdf(even(rng));
    let width = if z < 0.0 { (value / low).ln() } else { (high / value).ln() };
    value * (z * width / normal.inverse_cdf(0.975)).exp()
}

/// A Poisson number: by inversion, and by the normal approximation where the mean is large.
fn poisson(mean: f64, rng: &mut StdRng) -> u64 {
    if mean > 100.0 {
        return (mean + mean.sqrt() * Normal::standard().inverse_cdf(even(rng))).round().max(0.0) as u64;
    }
    let (limit, mut product, mut count) = ((-mean).exp(), even(rng), 0);
    while product > limit {
        (product, count) = (product * even(rng), count + 1);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failures(per_year: f64, downtime: Downtime) -> Failures {
        Failures { per_year, per_year_range: None, downtime, coverage: None, manual_s: 3_600.0 }
    }

    fn stated(value: f64) -> Downtime {
        Downtime::Stated { value, range: None }
    }

    /// 1 − 12 · 1.7/31,536,000; and Poisson(12) has 2.5 % and 97.5 % points 6 and 19.
    #[test]
    fn without_uncertainty_only_chance_is_left() {
        let got = project(&failures(12.0, stated(1.7)), 0.95, 4_000, 1).unwrap();
        let year = |count: f64| 1.0 - count * 1.7 / YEAR_S;
        assert!((got.median - year(12.0)).abs() < 1e-12 && (got.expected.high - got.expected.low).abs() < 1e-12);
        assert!((got.single_year.low - year(19.0)).abs() < 1.1 * 1.7 / YEAR_S, "{got:?}");
        assert!((got.single_year.high - year(6.0)).abs() < 1.1 * 1.7 / YEAR_S, "{got:?}");
    }

    /// Three of three: Beta(3.5, ½) has its 2.5 % point at 0.4644 (scipy 1.17 `stats.beta.ppf`): with four failures a
    /// year and an hour for each that fails, 1 − 4 (0.4644 · 1.701 + 0.5356 · 3600)/31,536,000 = 0.999755. Tolerance: 4 σ of
    /// the 2.5 % point of 4,000 draws.
    #[test]
    fn three_failovers_do_not_show_five_nines() {
        let mut input = failures(4.0, stated(1.701));
        input.coverage = Some((3, 3));
        let got = project(&input, 0.95, 4_000, 2).unwrap();
        assert!((got.expected.low - 0.999_755).abs() < 3e-5, "{got:?}");
        assert!(got.expected.high > 0.999_999);
    }

    /// The range of the rate is met: 95 % of 1 − λ d with λ from 2 to 50.
    #[test]
    fn a_range_of_rates_gives_a_range_of_availabilities() {
        let mut input = failures(10.0, stated(10.0));
        input.per_year_range = Some((2.0, 50.0));
        let got = project(&input, 0.95, 4_000, 3).unwrap();
        assert!((got.expected.low - (1.0 - 500.0 / YEAR_S)).abs() < 2e-6, "{got:?}");
        assert!((got.expected.high - (1.0 - 20.0 / YEAR_S)).abs() < 1e-7, "{got:?}");
    }

    #[test]
    fn the_mean_of_measured_outages_is_as_uncertain_as_they_are_few() {
        let width = |values: Vec<f64>| {
            let got = project(&failures(12.0, Downtime::Measured(values)), 0.95, 1_000, 4).unwrap();
            got.expected.high - got.expected.low
        };
        let few = width(vec![1.0, 2.0, 3.0]);
        let many = width([1.0, 2.0, 3.0].repeat(12));
        assert!(few > 2.5 * many && many > 0.0, "{few} {many}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let bad = |change: fn(&mut Failures)| {
            let mut input = failures(12.0, stated(1.0));
            change(&mut input);
            project(&input, 0.95, 100, 1).is_err()
        };
        assert!(bad(|f| f.per_year = 0.0) && bad(|f| f.per_year_range = Some((13.0, 20.0))));
        assert!(bad(|f| f.coverage = Some((4, 3))) && bad(|f| f.manual_s = f64::NAN));
        assert!(bad(|f| f.downtime = Downtime::Measured(Vec::new())));
        assert!(bad(|f| f.downtime = Downtime::Measured(vec![-1.0])));
        assert!(bad(|f| f.downtime = Downtime::Stated { value: 1.0, range: Some((2.0, 3.0)) }));
    }

    proptest! {
        #[test]
        fn availabilities_are_fractions_in_order(
            rate in 0.1f64..5_000.0, values in prop::collection::vec(0.0f64..1e5, 1..8), worked in 0u64..6, seed in 0u64..5
        ) {
            let mut input = failures(rate, Downtime::Measured(values));
            input.coverage = Some((worked, 6));
            let got = project(&input, 0.9, 100, seed).unwrap();
            for interval in [got.expected, got.single_year] {
                prop_assert!(0.0 <= interval.low && interval.low <= interval.high && interval.high <= 1.0);
            }
            prop_assert!(got.expected.low <= got.median && got.median <= got.expected.high);
        }
    }
}
