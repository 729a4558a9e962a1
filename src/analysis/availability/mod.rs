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
use super::stats::Interval;
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

/// The outage that a budget is reckoned with: the median of the slowest transition, which describes an experiment that
/// was done (a median over different ones would describe none).
#[derive(Clone, Debug, PartialEq)]
pub struct TypicalOutage {
    /// As in the report.
    pub service: String,
    /// `alpha → beta`.
    pub transition: String,
    /// Median over trials.
    pub median_s: f64,
    /// Its interval and the confidence that it has; absent under n = 6, or where its upper end never came back.
    pub interval_s: Option<Interval>,
    /// Trials.
    pub n: u64,
}

/// Services whose outage a reader asks for first.
const PREFERRED: [&str; 5] = ["media to caller", "media to callee", "new_call", "register", "sip_answer"];

/// The slowest transition of `service`, or of the service that matters most among those that came back.
///
/// `None` where there is no such service, it had no outage, or its median user never came back after one of the faults.
#[must_use]
pub fn typical_outage(report: &Report, service: Option<&str>) -> Option<TypicalOutage> {
    let measured = report.outages.iter().map(|row| row.service.as_str());
    match service {
        Some(service) => slowest(report, service),
        None => PREFERRED.into_iter().chain(measured).find_map(|service| slowest(report, service)),
    }
}

fn slowest(report: &Report, service: &str) -> Option<TypicalOutage> {
    let rows = || {
        let all = report.transitions.iter().flat_map(|of| of.services.iter().map(move |row| (of, row)));
        all.filter(|(_, row)| row.service == service)
    };
    if rows().any(|(_, row)| row.median_above_ms.is_some()) {
        return None;
    }
    let with_median = rows().filter_map(|(of, row)| Some((of, row, row.median_ms?)));
    let (transition, row, median_ms) = with_median.max_by(|a, b| a.2.total_cmp(&b.2)).filter(|row| row.2 > 0.0)?;
    let ends = row.ci_low_ms.zip(row.ci_high_ms).zip(row.confidence);
    Some(TypicalOutage {
        service: service.to_owned(),
        transition: transition.label.clone(),
        median_s: median_ms / 1e3,
        interval_s: ends.map(|((low, high), confidence)| Interval { low: low / 1e3, high: high / 1e3, confidence }),
        n: row.n,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::report::fixture;

    #[test]
    fn the_slowest_transition_is_reckoned_with() {
        let report = fixture::quickstart(6);
        let typical = typical_outage(&report, None).unwrap();
        assert_eq!((typical.service.as_str(), typical.n), ("media to caller", 6));
        assert!((typical.median_s - 1.62).abs() < 0.03 && typical.interval_s.is_some(), "{typical:?}");
        assert_eq!(typical_outage(&report, Some("fax")), None);
        let failures = failures_of(&report, "media to caller", 12.0, 3_600.0).unwrap();
        assert_eq!(failures.coverage, Some((12, 12)));
        assert_eq!(failures_of(&report, "fax", 12.0, 3_600.0), None);
    }

    #[test]
    fn what_never_came_back_has_no_typical_outage() {
        let mut report = fixture::quickstart(6);
        for row in report.transitions.iter_mut().flat_map(|of| &mut of.services) {
            (row.median_ms, row.median_above_ms) = (None, Some(20_000.0));
        }
        assert_eq!(typical_outage(&report, None), None);
    }
}
