//! Availability of one run by named rules, and the year that a stated failure rate would make of it.
//!
//! What is measured is the share of the *observation* in which a service was there. An observation in which servers
//! were killed on purpose says nothing about how often they fail: only a rate that the user states turns the measured
//! outages into a year.

mod observed;
mod rules;

pub use observed::{CallSuccess, Observed, RuleResult, ServiceAvailability, observe};
pub use rules::Rule;

use super::compare::Baseline;
use super::report::model::Report;
use super::stats::projection::{Downtime, Failures};

/// What a projection needs of a service of a run: the outage of each trial that recovered, over all faults (each kind
/// of failover as likely as it was tried), and how many did.
///
/// `None` where the service was not measured or never came back.
#[must_use]
pub fn failures_of(report: &Report, service: &str, per_year: f64, manual_s: f64) -> Option<Failures> {
    let baseline = Baseline::of(report);
    let samples = || baseline.outages.iter().filter(|sample| sample.service == service);
    let recovered: Vec<f64> = samples().flat_map(|sample| &sample.trials_ms).map(|ms| ms / 1e3).collect();
    let lost: usize = samples().map(|sample| sample.above_ms.len()).sum();
    let (worked, tried) = (recovered.len() as u64, (recovered.len() + lost) as u64);
    (worked > 0).then_some(Failures {
        per_year,
        per_year_range: None,
        downtime: Downtime::Measured(recovered),
        coverage: Some((worked, tried)),
        manual_s,
    })
}
