//! Availability arithmetic: budgets, rates and what it takes to claim a number of nines.
//!
//! `A = MTBF / (MTBF + MTTR)` (ITU-T E.800). An injected fault gives a downtime, never a failure rate; so
//! everything here that speaks of a year takes either the rate or the target as given, and answers with the
//! other. A year is 365 days, a month 30.

use serde::Serialize;

use super::{Interval, StatsError, open_unit, positive, successes_needed};

/// Seconds of a 365-day year.
pub const YEAR_S: f64 = 365.0 * DAY_S;
/// Seconds of a day.
pub const DAY_S: f64 = 86_400.0;

/// How much downtime an availability leaves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DowntimeBudget {
    /// The availability, as a fraction.
    pub availability: f64,
    /// Seconds in a 365-day year.
    pub per_year_s: f64,
    /// Seconds in a 30-day month.
    pub per_month_s: f64,
    /// Seconds in a week.
    pub per_week_s: f64,
    /// Seconds in a day.
    pub per_day_s: f64,
}

/// The downtime that an availability of `target` (a fraction, 0.99999 for five nines) leaves.
///
/// # Errors
/// [`StatsError::OutOfRange`] if `target` is not in (0, 1).
pub fn downtime_budget(target: f64) -> Result<DowntimeBudget, StatsError> {
    let share = unavailability(target)?;
    Ok(DowntimeBudget {
        availability: target,
        per_year_s: share * YEAR_S,
        per_month_s: share * 30.0 * DAY_S,
        per_week_s: share * 7.0 * DAY_S,
        per_day_s: share * DAY_S,
    })
}

/// How many failures a year `target` allows if each costs `downtime_s`.
///
/// # Errors
/// [`StatsError::OutOfRange`] if `target` is not in (0, 1) or the downtime is not positive.
///
/// ```
/// use fivenines::analysis::stats::availability::failures_per_year;
/// assert_eq!((10.0 * failures_per_year(0.99999, 1.701)?).round(), 1854.0);
/// # Ok::<(), fivenines::analysis::stats::StatsError>(())
/// ```
pub fn failures_per_year(target: f64, downtime_s: f64) -> Result<f64, StatsError> {
    Ok(downtime_budget(target)?.per_year_s / positive("downtime_s", downtime_s)?)
}

/// The same for an interval of downtimes: the longest downtime gives the fewest failures.
///
/// # Errors
/// As [`failures_per_year`], and if the interval's ends are exchanged.
pub fn failures_per_year_between(target: f64, downtime_s: Interval) -> Result<Interval, StatsError> {
    if downtime_s.low > downtime_s.high {
        return Err(StatsError::OutOfRange { parameter: "low", value: downtime_s.low, range: "(0, high]" });
    }
    let (low, high) = (failures_per_year(target, downtime_s.high)?, failures_per_year(target, downtime_s.low)?);
    Ok(Interval { low, high, confidence: downtime_s.confidence })
}

/// The mean time between failures that `target` needs if each failure costs `downtime_s`: `m A / (1 − A)`.
///
/// # Errors
/// As [`failures_per_year`].
pub fn mtbf_needed_s(target: f64, downtime_s: f64) -> Result<f64, StatsError> {
    Ok(positive("downtime_s", downtime_s)? * target / unavailability(target)?)
}

/// The availability that follows from a stated failure rate: `1 − λ d` over a 365-day year, at least 0.
///
/// # Errors
/// [`StatsError::OutOfRange`] if rate or downtime is negative or not finite.
pub fn projected(failures_per_year: f64, downtime_s: f64) -> Result<f64, StatsError> {
    for (parameter, value) in [("failures_per_year", failures_per_year), ("downtime_s", downtime_s)] {
        if !value.is_finite() || value < 0.0 {
            return Err(StatsError::OutOfRange { parameter, value, range: "[0, ∞)" });
        }
    }
    Ok((1.0 - failures_per_year * downtime_s / YEAR_S).max(0.0))
}

/// The probability that a failover must work, if `failures_per_year` failures cost `downtime_s` when it does and
/// `manual_s` when it does not: `c` in `λ (c d + (1−c) D) = U`. `None` where no coverage is enough.
///
/// # Errors
/// [`StatsError::OutOfRange`] if an input is not positive, or `target` not in (0, 1).
pub fn coverage_needed(
    target: f64,
    failures_per_year: f64,
    downtime_s: f64,
    manual_s: f64,
) -> Result<Option<f64>, StatsError> {
    let allowed = downtime_budget(target)?.per_year_s / positive("failures_per_year", failures_per_year)?;
    let (downtime_s, manual_s) = (positive("downtime_s", downtime_s)?, positive("manual_s", manual_s)?);
    if downtime_s > allowed {
        return Ok(None);
    }
    if manual_s <= allowed {
        return Ok(Some(0.0));
    }
    Ok(Some((manual_s - allowed) / (manual_s - downtime_s)))
}

/// How long a system must run without a single failure to show at `confidence` that its mean time between failures
/// reaches what `target` needs at `downtime_s` each: `−ln(1 − confidence)` times that (exponential law; the zero-failure
/// test of the NIST/SEMATECH e-Handbook §8.3.1.5). At 95 % about three times the mean time between failures.
///
/// # Errors
/// As [`failures_per_year`], and if `confidence` is not in (0, 1).
pub fn observation_needed_s(target: f64, downtime_s: f64, confidence: f64) -> Result<f64, StatsError> {
    Ok(-(1.0 - open_unit("confidence", confidence)?).ln() * mtbf_needed_s(target, downtime_s)?)
}

/// How many probes in a row, all answered, show at `confidence` that an availability reaches `target`.
///
/// # Errors
/// [`StatsError::OutOfRange`] if either is not in (0, 1).
pub fn probes_for_claim(target: f64, confidence: f64) -> Result<u64, StatsError> {
    successes_needed(target, confidence)
}

fn unavailability(target: f64) -> Result<f64, StatsError> {
    Ok(1.0 - open_unit("target", target)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance, "{got} instead of {want}");
    }

    /// (1 − A) times 31,536,000 s, 2,592,000 s, 604,800 s and 86,400 s.
    #[test]
    fn downtime_tables() {
        let golden = [
            (0.99, 315_360.0, 25_920.0, 6_048.0, 864.0),
            (0.999, 31_536.0, 2_592.0, 604.8, 86.4),
            (0.9995, 15_768.0, 1_296.0, 302.4, 43.2),
            (0.9999, 3_153.6, 259.2, 60.48, 8.64),
            (0.99999, 315.36, 25.92, 6.048, 0.864),
            (0.999_999, 31.536, 2.592, 0.6048, 0.0864),
        ];
        for (target, year, month, week, day) in golden {
            let budget = downtime_budget(target).unwrap();
            close(budget.per_year_s, year, year * 1e-9);
            close(budget.per_month_s, month, month * 1e-9);
            close(budget.per_week_s, week, week * 1e-9);
            close(budget.per_day_s, day, day * 1e-9);
        }
    }

    /// 315.36 s divided by the downtime.
    #[test]
    fn failures_that_five_nines_allow() {
        let golden = [(0.692, 455.7), (1.338, 235.7), (1.622, 194.4), (1.701, 185.4), (3.109, 101.4), (10.0, 31.5)];
        for (downtime, failures) in golden {
            close(failures_per_year(0.99999, downtime).unwrap(), failures, 0.05);
        }
        close(failures_per_year(0.99999, 144.0).unwrap(), 2.19, 5e-3);
        close(failures_per_year(0.99999, 3600.0).unwrap(), 0.088, 5e-4);
    }

    /// 315.36/3.41 = 92.5 and 315.36/2.94 = 107.3.
    #[test]
    fn an_interval_of_downtime_gives_an_interval_of_failures() {
        let downtime = Interval { low: 2.94, high: 3.41, confidence: 0.965 };
        let failures = failures_per_year_between(0.99999, downtime).unwrap();
        close(failures.low, 92.5, 0.05);
        close(failures.high, 107.3, 0.05);
        let exchanged = Interval { low: 3.41, high: 2.94, ..downtime };
        assert!(failures_per_year_between(0.99999, exchanged).is_err());
    }

    /// m A/(1−A): 1.701 s · 99,999 = 47.25 h; 144 s · 99,999 = 4,000 h.
    #[test]
    fn mean_time_between_failures() {
        close(mtbf_needed_s(0.99999, 1.701).unwrap() / 3600.0, 47.25, 5e-3);
        close(mtbf_needed_s(0.99999, 144.0).unwrap() / 3600.0, 4_000.0, 0.05);
        close(mtbf_needed_s(0.99999, 0.692).unwrap() / 3600.0, 19.22, 5e-3);
    }

    /// 2.9957 · 47.25 h = 141.5 h; at 144 s a failure 2.9957 · 4,000 h = 11,983 h, more than a year.
    #[test]
    fn hours_without_failure() {
        close(observation_needed_s(0.99999, 1.701, 0.95).unwrap() / 3600.0, 141.55, 0.05);
        close(observation_needed_s(0.99999, 144.0, 0.95).unwrap() / 3600.0, 11_983.0, 1.0);
        assert!(observation_needed_s(0.99999, 1.0, 1.0).is_err());
    }

    /// ln 0.05 / ln A, rounded up.
    #[test]
    fn probes_for_nines() {
        for (target, probes) in [(0.999, 2_995), (0.9999, 29_956), (0.99999, 299_572)] {
            assert_eq!(probes_for_claim(target, 0.95).unwrap(), probes);
        }
    }

    /// 4.015 s in a 365-day year and in a day; four failures a year with one hour of manual repair.
    #[test]
    fn the_denominator_makes_the_nines() {
        close(100.0 * projected(1.0, 4.015).unwrap(), 99.999_987_3, 5e-8);
        close(100.0 * projected(365.0, 4.015).unwrap(), 99.995_35, 5e-6);
        close(coverage_needed(0.99999, 4.0, 1.701, 3600.0).unwrap().unwrap(), 0.978, 6e-4);
        assert_eq!(coverage_needed(0.99999, 1000.0, 1.701, 3600.0).unwrap(), None);
        assert_eq!(coverage_needed(0.99999, 1.0, 1.701, 60.0).unwrap(), Some(0.0));
    }

    #[test]
    fn what_is_no_downtime_or_target_is_refused() {
        assert!(failures_per_year(1.0, 1.0).is_err());
        assert!(failures_per_year(0.999, 0.0).is_err());
        assert!(failures_per_year(0.999, f64::NAN).is_err());
        assert!(projected(-1.0, 1.0).is_err());
    }
}
