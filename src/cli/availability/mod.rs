//! `fivenines availability`: what a measured downtime means for a number of nines.

mod figure;
mod text;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Failure;
use crate::analysis::availability::{Observed, failures_of, observe, typical_outage};
use crate::analysis::report::model::Report;
use crate::analysis::stats::availability::{
    DowntimeBudget, coverage_needed, downtime_budget, failures_per_year, failures_per_year_between, mtbf_needed_s,
    observation_needed_s, probes_for_claim, projected,
};
use crate::analysis::stats::projection::{Downtime, Failures, Projected, project};
use crate::analysis::stats::{Interval, StatsError, clopper_pearson, proportion_lower, successes_needed};

/// Years that a projection plays.
const DRAWS: usize = 4_000;

/// Arguments of `fivenines availability`.
#[derive(Args, Clone, Debug)]
pub struct AvailabilityArgs {
    /// Downtime of one failure: 1.701s, 692ms, 2.4min, 1h (without a unit: seconds)
    #[arg(long, value_parser = seconds, value_name = "TIME", required_unless_present = "run")]
    pub downtime: Option<f64>,
    /// Run directory or report.json: its outages under five named rules, instead of a stated downtime
    #[arg(long, value_name = "DIR", conflicts_with_all = ["downtime", "downtime_ci", "successes", "trials"])]
    pub run: Option<PathBuf>,
    /// Service of the run that is reckoned with [default: media to caller, or the next that came back]
    #[arg(long, requires = "run", value_name = "NAME")]
    pub service: Option<String>,
    /// Confidence interval of the downtime
    #[arg(long, value_parser = seconds, num_args = 2, value_names = ["LOW", "HIGH"])]
    pub downtime_ci: Option<Vec<f64>>,
    /// Availability to hold, in %; may be repeated
    #[arg(long, default_values = ["99.9", "99.99", "99.999", "99.9999"], value_name = "PERCENT")]
    pub target: Vec<f64>,
    /// How often a year you expect the failure: projects the availability
    #[arg(long, value_name = "N")]
    pub failures_per_year: Option<f64>,
    /// The range in which you expect it (95 %)
    #[arg(long, num_args = 2, value_names = ["LOW", "HIGH"], requires = "failures_per_year")]
    pub failures_per_year_ci: Option<Vec<f64>>,
    /// Downtime of a failure whose failover does not work, until somebody repairs it by hand
    #[arg(long, value_parser = seconds, default_value = "1h", value_name = "TIME")]
    pub manual: f64,
    /// Seed of the projection
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Failovers that succeeded
    #[arg(long, requires = "trials", value_name = "N")]
    pub successes: Option<u64>,
    /// Failovers tried
    #[arg(long, requires = "successes", value_name = "N")]
    pub trials: Option<u64>,
    /// Confidence of every interval
    #[arg(long, default_value_t = 0.95)]
    pub confidence: f64,
    /// Draw failures a year against downtime, with what was measured or stated: FILE.png or FILE.svg
    #[arg(long, value_name = "FILE")]
    pub figure: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What the command answers. A year has 365 days, a month 30.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AvailabilityAnswer {
    /// `fivenines.availability.v1`.
    pub schema: &'static str,
    /// Downtime of one failure, s; absent where the run has no outage that came back.
    pub downtime_s: Option<f64>,
    /// Its interval, s, where there is one.
    pub downtime_interval_s: Option<Interval>,
    /// What was measured as the downtime, where it comes from a run.
    pub downtime_basis: Option<String>,
    /// One entry for each availability asked for.
    pub targets: Vec<TargetAnswer>,
    /// The projection, where a failure rate was given.
    pub projected: Option<Projection>,
    /// How often failover works, where trials were given.
    pub coverage: Option<Coverage>,
    /// Availability over the observation by each rule, where a run was given.
    pub observed: Option<Observed>,
    /// What may be said, and what was not measured.
    pub statement: Vec<String>,
}

/// What one target needs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TargetAnswer {
    /// The target, %.
    pub target_percent: f64,
    /// The downtime that it leaves.
    pub budget: DowntimeBudget,
    /// Failures a year that it allows at the stated downtime.
    pub failures_per_year: f64,
    /// The same for the interval of the downtime.
    pub failures_per_year_interval: Option<Interval>,
    /// Mean time between failures that it needs, s.
    pub mtbf_needed_s: f64,
    /// Probes in a row, all answered, that would show it.
    pub probes_needed: u64,
    /// Time without a single failure that would show the mean time between failures, s.
    pub observation_needed_s: f64,
    /// Probability with which failover must work, at the stated failure rate; absent without a rate, or where no
    /// probability is enough.
    pub coverage_needed: Option<f64>,
    /// Failovers in a row, all successful, that would show that probability.
    pub failovers_needed: Option<u64>,
}

/// An availability that follows from a stated failure rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Projection {
    /// The rate, as stated.
    pub failures_per_year: f64,
    /// Its range, where one was stated.
    pub failures_per_year_range: Option<(f64, f64)>,
    /// Availability if every failure costs the stated or median downtime, %.
    pub availability_percent: f64,
    /// Downtime of a failure whose failover does not work, s.
    pub manual_s: f64,
    /// The same with what is not known of rate, downtime and coverage, by Monte Carlo; as fractions.
    pub played: Projected,
}

/// Failovers that succeeded of those that were tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// Successes.
    pub successes: u64,
    /// Trials.
    pub trials: u64,
    /// One-sided lower limit.
    pub lower: f64,
    /// Two-sided Clopper–Pearson interval.
    pub two_sided: Interval,
}

/// Runs the command.
///
/// # Errors
/// A target, downtime or count that makes no sense, or a run that cannot be read.
pub fn run(args: &AvailabilityArgs) -> Result<u8, Failure> {
    let report = args.run.as_deref().map(read_report).transpose()?;
    let given = Given::of(args, report.as_ref())?;
    if let Some(path) = &args.figure {
        figure::draw(path, &given, report.as_ref())?;
    }
    let answer = answer(args, given).map_err(|error| Failure::new(2, error.to_string()))?;
    println!("{}", if args.json { super::json(&answer) } else { text::text(&answer).trim_end().to_owned() });
    Ok(0)
}

fn read_report(path: &Path) -> Result<Report, Failure> {
    serde_json::from_slice(&super::compare::read_json(path)?)
        .map_err(|error| Failure::new(2, format!("{} has no report of this version: {error}", path.display())))
}

/// What is reckoned with, stated or measured.
#[derive(Debug, Default)]
struct Given {
    downtime_s: Option<f64>,
    interval: Option<Interval>,
    basis: Option<String>,
    coverage: Option<(u64, u64)>,
    failures: Option<Failures>,
    observed: Option<Observed>,
}

impl Given {
    fn of(args: &AvailabilityArgs, report: Option<&Report>) -> Result<Given, Failure> {
        match report {
            Some(report) => Given::measured(args, report),
            None => Given::stated(args).map_err(|error| Failure::new(2, error.to_string())),
        }
    }

    fn stated(args: &AvailabilityArgs) -> Result<Given, StatsError> {
        let (Some(value), interval) = (args.downtime, interval(args)?) else { return Ok(Given::default()) };
        let coverage = args.successes.zip(args.trials);
        let downtime = Downtime::Stated { value, range: interval.map(|i| (i.low, i.high)) };
        let failures = args.failures_per_year.map(|per_year| Failures {
            per_year,
            per_year_range: range(args),
            downtime,
            coverage,
            manual_s: args.manual,
        });
        Ok(Given { downtime_s: Some(value), interval, basis: None, coverage, failures, observed: None })
    }

    fn measured(args: &AvailabilityArgs, report: &Report) -> Result<Given, Failure> {
        let known = |service: &str| report.outages.iter().any(|row| row.service == service);
        if let Some(service) = args.service.as_deref().filter(|service| !known(service)) {
            let names: Vec<&str> = report.outages.iter().map(|row| row.service.as_str()).collect();
            return Err(Failure::new(2, format!("the run did not measure `{service}`; it has {}", names.join(", "))));
        }
        let observed = Some(observe(report));
        let Some(typical) = typical_outage(report, args.service.as_deref()) else {
            return Ok(Given { observed, ..Given::default() });
        };
        // Without a rate only the counts of worked and tried failovers are used.
        let failures = failures_of(report, &typical.service, args.failures_per_year.unwrap_or(1.0), args.manual)
            .map(|failures| Failures { per_year_range: range(args), ..failures });
        Ok(Given {
            downtime_s: Some(typical.median_s),
            interval: typical.interval_s,
            basis: Some(format!(
                "{}, median of {} trials, {} (the slowest transition)",
                typical.service, typical.n, typical.transition
            )),
            coverage: failures.as_ref().and_then(|failures| failures.coverage),
            failures: failures.filter(|_| args.failures_per_year.is_some()),
            observed,
        })
    }
}

fn interval(args: &AvailabilityArgs) -> Result<Option<Interval>, StatsError> {
    let (Some(value), Some([low, high])) = (args.downtime, args.downtime_ci.as_deref()) else { return Ok(None) };
    if !(*low <= value && value <= *high) {
        return Err(StatsError::OutOfRange { parameter: "downtime", value, range: "[LOW, HIGH] of --downtime-ci" });
    }
    Ok(Some(Interval { low: *low, high: *high, confidence: args.confidence }))
}

fn range(args: &AvailabilityArgs) -> Option<(f64, f64)> {
    match args.failures_per_year_ci.as_deref() {
        Some([low, high]) => Some((*low, *high)),
        _ => None,
    }
}

/// Computes what the arguments ask for.
fn answer(args: &AvailabilityArgs, given: Given) -> Result<AvailabilityAnswer, StatsError> {
    let targets = given.downtime_s.map(|downtime_s| {
        args.target.iter().map(|percent| target(*percent, downtime_s, given.interval, args)).collect()
    });
    let projected = given.failures.as_ref().map(|failures| projection(failures, &given, args)).transpose()?;
    let coverage = given.coverage.map(|counts| coverage(counts, args.confidence)).transpose()?;
    let mut answer = AvailabilityAnswer {
        schema: "fivenines.availability.v1",
        downtime_s: given.downtime_s,
        downtime_interval_s: given.interval,
        downtime_basis: given.basis,
        targets: targets.unwrap_or_else(|| Ok(Vec::new()))?,
        projected,
        coverage,
        observed: given.observed,
        statement: Vec::new(),
    };
    answer.statement = text::statement(&answer);
    Ok(answer)
}

fn target(
    percent: f64,
    downtime_s: f64,
    interval: Option<Interval>,
    args: &AvailabilityArgs,
) -> Result<TargetAnswer, StatsError> {
    let share = percent / 100.0;
    let named = |_| StatsError::OutOfRange { parameter: "target", value: percent, range: "(0, 100) %" };
    let budget = downtime_budget(share).map_err(named)?;
    let rate = args.failures_per_year;
    let coverage = rate.map(|rate| coverage_needed(share, rate, downtime_s, args.manual)).transpose()?.flatten();
    let shown = |coverage: f64| successes_needed(coverage, args.confidence).ok();
    Ok(TargetAnswer {
        target_percent: percent,
        budget,
        failures_per_year: failures_per_year(share, downtime_s)?,
        failures_per_year_interval: interval.map(|i| failures_per_year_between(share, i)).transpose()?,
        mtbf_needed_s: mtbf_needed_s(share, downtime_s)?,
        probes_needed: probes_for_claim(share, args.confidence)?,
        observation_needed_s: observation_needed_s(share, downtime_s, args.confidence)?,
        coverage_needed: coverage,
        failovers_needed: coverage.and_then(shown),
    })
}

fn projection(failures: &Failures, given: &Given, args: &AvailabilityArgs) -> Result<Projection, StatsError> {
    let rate = failures.per_year;
    Ok(Projection {
        failures_per_year: rate,
        failures_per_year_range: failures.per_year_range,
        availability_percent: 100.0 * projected(rate, given.downtime_s.unwrap_or_default())?,
        manual_s: failures.manual_s,
        played: project(failures, args.confidence, DRAWS, args.seed)?,
    })
}

fn coverage((successes, trials): (u64, u64), confidence: f64) -> Result<Coverage, StatsError> {
    let lower = proportion_lower(successes, trials, confidence)?;
    let two_sided = clopper_pearson(successes, trials, confidence)?;
    Ok(Coverage { successes, trials, lower, two_sided })
}

/// Reads `1.701s`, `692ms`, `2.4min`, `1h` or plain seconds.
fn seconds(text: &str) -> Result<f64, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unknown unit {unit:?}: use ms, s, min or h")),
    };
    match number.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value * factor),
        _ => Err(format!("{text:?} is no positive time: write for example 1.701s")),
    }
}

#[cfg(test)]
mod tests;
