//! Estimates across trials: every figure with its n, its interval and its method.
//!
//! Nothing here knows what was measured: plain numbers go in, in whatever unit, and the same unit comes
//! out. The trial is the unit of replication; the packets of one call are not independent samples.
//!
//! | question | function |
//! |---|---|
//! | where does a typical trial lie? | [`median_ci`], [`quantile`] (type 7), [`mean_ci`], [`geometric_mean_ci`] |
//! | how bad may the next one be? | [`geometric_prediction`], [`quantile_upper_bound`] |
//! | how often does failover work? | [`clopper_pearson`], [`proportion_lower`], [`rule_of_three`] |
//! | what did a panel hear, and does the model agree? | [`panel`] |
//! | where, if some trials never ended? | [`kaplan_meier_median`], [`kaplan_meier_median_ci`] |
//! | how sure is any other statistic? | [`bca_interval`] |
//! | did it change? | [`hodges_lehmann`], [`mann_whitney`], [`fisher_exact`], over many tests [`holm`] |
//! | does a law that was stated beforehand hold? | [`kolmogorov_smirnov`] |
//! | could a change have been seen? | [`power_of_shift`], [`samples_for_shift`], [`samples_for_proportions`] |
//! | how often may it be needed? | [`availability::failures_per_year`], [`availability::mtbf_needed_s`] |
//! | what would it take to claim that? | [`availability::observation_needed_s`], [`successes_needed`] |
//! | what would that give over a year? | [`projection::project`] |

pub mod availability;
mod bootstrap;
mod fisher;
mod kolmogorov;
mod mean;
mod median;
pub mod panel;
mod power;
pub mod projection;
mod proportion;
mod quantile;
mod ranks;
mod sample;
mod shift;
mod survival;

pub use bootstrap::{BOOTSTRAP_FROM_N, BootstrapCi, bca_interval};
pub use fisher::{fisher_exact, holm};
pub use kolmogorov::{KolmogorovSmirnov, kolmogorov_smirnov};
pub use mean::{MeanCi, geometric_mean_ci, geometric_prediction, mean_ci, student_t_quantile};
pub use median::{MedianCi, UpperBound, median_ci, quantile_upper_bound, samples_for_quantile_bound};
pub use power::{power_of_shift, samples_for_proportions, samples_for_shift};
pub use proportion::{
    Interval, clopper_pearson, poisson_rate_ci, proportion_lower, proportion_upper, rule_of_three, successes_needed,
};
pub use quantile::{median, quantile};
pub use ranks::{MannWhitney, RankMethod, mann_whitney};
pub use sample::{Bound, Observation, Sample};
pub use shift::{Shift, ShiftInterval, hodges_lehmann};
pub use survival::{MedianSpan, SurvivalStep, kaplan_meier, kaplan_meier_median, kaplan_meier_median_ci};

/// Why a statistic was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StatsError {
    /// An input is NaN or infinite.
    #[error("{what} is {value}: only finite numbers can be estimated from; leave out or censor what was not measured")]
    NotFinite {
        /// Which input.
        what: &'static str,
        /// What it was.
        value: f64,
    },
    /// Too few observations for this statistic.
    #[error("{what} needs at least {needed} observations, got {n}: run more trials")]
    TooFew {
        /// Which statistic.
        what: &'static str,
        /// How many there were.
        n: usize,
        /// How many it takes.
        needed: usize,
    },
    /// A parameter lies outside the range in which the statistic is defined.
    #[error("{parameter} is {value}: give a value in {range}")]
    OutOfRange {
        /// Which parameter.
        parameter: &'static str,
        /// What it was.
        value: f64,
        /// The permitted range, in interval notation.
        range: &'static str,
    },
}

/// A probability strictly between 0 and 1 (confidence levels, availability targets).
pub(crate) fn open_unit(parameter: &'static str, value: f64) -> Result<f64, StatsError> {
    if value > 0.0 && value < 1.0 {
        Ok(value)
    } else {
        Err(StatsError::OutOfRange { parameter, value, range: "(0, 1)" })
    }
}

/// A finite number greater than zero (durations, rates).
pub(crate) fn positive(parameter: &'static str, value: f64) -> Result<f64, StatsError> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(StatsError::OutOfRange { parameter, value, range: "(0, ∞)" })
    }
}

/// All values finite.
pub(crate) fn all_finite(what: &'static str, values: &[f64]) -> Result<(), StatsError> {
    match values.iter().find(|v| !v.is_finite()) {
        Some(&value) => Err(StatsError::NotFinite { what, value }),
        None => Ok(()),
    }
}
