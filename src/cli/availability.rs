//! `fivenines availability`: what a measured downtime means for a number of nines.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use crate::analysis::stats::availability::{
    DowntimeBudget, downtime_budget, failures_per_year, failures_per_year_between, mtbf_needed_s, probes_for_claim,
    projected,
};
use crate::analysis::stats::{Interval, StatsError, clopper_pearson, proportion_lower};

/// Arguments of `fivenines availability`.
#[derive(Args, Clone, Debug)]
pub struct AvailabilityArgs {
    /// Downtime of one failure: 1.701s, 692ms, 2.4min, 1h (without a unit: seconds)
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    pub downtime: f64,
    /// Confidence interval of the downtime
    #[arg(long, value_parser = seconds, num_args = 2, value_names = ["LOW", "HIGH"])]
    pub downtime_ci: Option<Vec<f64>>,
    /// Availability to hold, in %; may be repeated
    #[arg(long, default_value = "99.999", value_name = "PERCENT", allow_negative_numbers = true)]
    pub target: Vec<f64>,
    /// How often a year you expect the failure: projects the availability
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub failures_per_year: Option<f64>,
    /// Failovers that succeeded
    #[arg(long, requires = "trials", value_name = "N")]
    pub successes: Option<u64>,
    /// Failovers tried
    #[arg(long, requires = "successes", value_name = "N")]
    pub trials: Option<u64>,
    /// Confidence of every interval
    #[arg(long, default_value_t = 0.95, allow_negative_numbers = true)]
    pub confidence: f64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What the command answers. A year has 365 days, a month 30.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AvailabilityAnswer {
    /// `fivenines.availability.v1`.
    pub schema: &'static str,
    /// Downtime of one failure, s.
    pub downtime_s: f64,
    /// Its interval, s, where one was given.
    pub downtime_interval_s: Option<Interval>,
    /// One entry for each availability asked for.
    pub targets: Vec<TargetAnswer>,
    /// The projection, where a failure rate was given.
    pub projected: Option<Projection>,
    /// How often failover works, where trials were given.
    pub coverage: Option<Coverage>,
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
}

/// An availability that follows from a stated failure rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Projection {
    /// The rate, as stated.
    pub failures_per_year: f64,
    /// Availability if every failure costs the stated downtime, %.
    pub availability_percent: f64,
    /// The same for the interval of the downtime, as fractions.
    pub availability_interval: Option<Interval>,
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

/// Runs the command: the text or the JSON to print.
///
/// # Errors
/// [`StatsError`] for a target, downtime or count that makes no sense.
pub fn run(args: &AvailabilityArgs) -> Result<String, StatsError> {
    let answer = answer(args)?;
    Ok(if args.json { super::json(&answer) } else { text(&answer) })
}

/// Computes what the arguments ask for.
///
/// # Errors
/// As [`run`].
pub fn answer(args: &AvailabilityArgs) -> Result<AvailabilityAnswer, StatsError> {
    let interval = interval(args)?;
    let targets: Result<Vec<_>, _> = args.target.iter().map(|t| target(*t, args, interval)).collect();
    let mut answer = AvailabilityAnswer {
        schema: "fivenines.availability.v1",
        downtime_s: args.downtime,
        downtime_interval_s: interval,
        targets: targets?,
        projected: args.failures_per_year.map(|rate| projection(rate, args.downtime, interval)).transpose()?,
        coverage: coverage(args)?,
        statement: Vec::new(),
    };
    answer.statement = statement(&answer);
    Ok(answer)
}

fn interval(args: &AvailabilityArgs) -> Result<Option<Interval>, StatsError> {
    let Some([low, high]) = args.downtime_ci.as_deref() else { return Ok(None) };
    if !(*low <= args.downtime && args.downtime <= *high) {
        let (parameter, range) = ("downtime", "[LOW, HIGH] of --downtime-ci");
        return Err(StatsError::OutOfRange { parameter, value: args.downtime, range });
    }
    Ok(Some(Interval { low: *low, high: *high, confidence: args.confidence }))
}

fn target(percent: f64, args: &AvailabilityArgs, interval: Option<Interval>) -> Result<TargetAnswer, StatsError> {
    let share = percent / 100.0;
    let named = |_| StatsError::OutOfRange { parameter: "target", value: percent, range: "(0, 100) %" };
    Ok(TargetAnswer {
        target_percent: percent,
        budget: downtime_budget(share).map_err(named)?,
        failures_per_year: failures_per_year(share, args.downtime)?,
        failures_per_year_interval: interval.map(|i| failures_per_year_between(share, i)).transpose()?,
        mtbf_needed_s: mtbf_needed_s(share, args.downtime)?,
        probes_needed: probes_for_claim(share, args.confidence)?,
    })
}

fn projection(rate: f64, downtime_s: f64, interval: Option<Interval>) -> Result<Projection, StatsError> {
    let between = |i: Interval| {
        Ok(Interval { low: projected(rate, i.high)?, high: projected(rate, i.low)?, confidence: i.confidence })
    };
    Ok(Projection {
        failures_per_year: rate,
        availability_percent: 100.0 * projected(rate, downtime_s)?,
        availability_interval: interval.map(between).transpose()?,
    })
}

fn coverage(args: &AvailabilityArgs) -> Result<Option<Coverage>, StatsError> {
    let (Some(successes), Some(trials)) = (args.successes, args.trials) else { return Ok(None) };
    let lower = proportion_lower(successes, trials, args.confidence)?;
    let two_sided = clopper_pearson(successes, trials, args.confidence)?;
    Ok(Some(Coverage { successes, trials, lower, two_sided }))
}

fn statement(answer: &AvailabilityAnswer) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(c) = &answer.coverage {
        let (percent, confidence) = (100.0 * c.lower, 100.0 * c.two_sided.confidence);
        let Coverage { successes, trials, .. } = c;
        lines.push(format!(
            "{successes}/{trials} failovers succeeded: coverage is at least {percent:.1} % ({confidence} % one-sided)."
        ));
    }
    for target in &answer.targets {
        let worst = target.failures_per_year_interval.map_or(target.failures_per_year, |i| i.low);
        let (percent, times) = (target.target_percent, allowed(worst));
        lines.push(format!("If this failure occurs no more than {times} a year, the {percent} % budget is kept."));
    }
    lines
        .push("The downtime is given; how often the failure occurs, and so the availability, was not measured.".into());
    lines
}

/// A number of failures, rounded down: claiming a part of one more would overspend the budget.
fn allowed(failures: f64) -> String {
    match failures {
        f if f < 1.0 => format!("once in {:.1} years, which is less than once", 1.0 / f),
        f if f < 10.0 => format!("{:.2} times", (f * 100.0).floor() / 100.0),
        f => format!("{} times", f.floor()),
    }
}

fn text(answer: &AvailabilityAnswer) -> String {
    let mut out = format!("downtime of one failure: {} s", answer.downtime_s);
    // Writing to a string cannot fail.
    if let Some(i) = answer.downtime_interval_s {
        let _ = write!(out, " ({} to {} s at {} %)", i.low, i.high, 100.0 * i.confidence);
    }
    let _ = writeln!(out, "\n\n  target %   downtime/year  failures/year        MTBF needed  probes to show it");
    for t in &answer.targets {
        let (budget, hours) = (t.budget.per_year_s, t.mtbf_needed_s / 3600.0);
        let _ = writeln!(
            out,
            "  {:<9} {budget:>12.3} s  {:>13.2}  {hours:>15.2} h  {:>17}",
            t.target_percent, t.failures_per_year, t.probes_needed
        );
        if let Some(i) = t.failures_per_year_interval {
            let _ = writeln!(out, "{:>28}{:.2} to {:.2}", "", i.low, i.high);
        }
    }
    if let Some(p) = &answer.projected {
        let _ = writeln!(out, "\n  with {} failures a year: {:.7} %", p.failures_per_year, p.availability_percent);
        if let Some(i) = p.availability_interval {
            let _ = writeln!(out, "  between {:.7} and {:.7} %", 100.0 * i.low, 100.0 * i.high);
        }
    }
    let _ = writeln!(out);
    answer.statement.iter().for_each(|line| out.push_str(&format!("  {line}\n")));
    out
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
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: AvailabilityArgs,
    }

    fn given(line: &str) -> AvailabilityArgs {
        Line::try_parse_from(std::iter::once("availability").chain(line.split_whitespace())).unwrap().args
    }

    /// 315.36/1.701 = 185.4; 1.701 · 99,999 s = 47.25 h; ln 0.05/ln 0.99999 = 299,572.
    #[test]
    fn five_nines_from_one_downtime() {
        let answer = answer(&given("--downtime 1.701s")).unwrap();
        let target = &answer.targets[0];
        assert!((target.failures_per_year - 185.4).abs() < 0.05);
        assert!((target.mtbf_needed_s / 3600.0 - 47.25).abs() < 5e-3);
        assert_eq!(target.probes_needed, 299_572);
    }

    /// Fifteen link failures: median 3.23 s, 2.94 to 3.41; 315.36/3.41 = 92.5; 0.05^(1/15) = 81.9 %.
    #[test]
    fn the_statement_uses_the_worst_end_of_the_interval() {
        let args = given("--downtime 3.23 --downtime-ci 2.94s 3410ms --successes 15 --trials 15");
        let out = run(&args).unwrap();
        for part in ["no more than 92 times a year", "15/15", "at least 81.9 %", "was not measured", "92.48 to 107.27"]
        {
            assert!(out.contains(part), "no {part:?} in:\n{out}");
        }
    }

    /// Twelve failures a year of 1.7 s and of 144 s (one a month): 1 − 12 d/31,536,000.
    #[test]
    fn projections_need_a_stated_rate() {
        let percent = |line: &str| answer(&given(line)).unwrap().projected.map(|p| p.availability_percent);
        assert!((percent("--downtime 1.7 --failures-per-year 12").unwrap() - 99.999_935_3).abs() < 5e-8);
        assert!((percent("--downtime 144 --failures-per-year 12").unwrap() - 99.994_520_5).abs() < 5e-8);
        assert_eq!(percent("--downtime 144"), None);
    }

    #[test]
    fn json_holds_the_same() {
        let out = run(&given("--downtime 144s --target 99.9 --target 99.999 --json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["schema"], "fivenines.availability.v1");
        assert_eq!(json["targets"].as_array().unwrap().len(), 2);
        assert!((json["targets"][1]["failures_per_year"].as_f64().unwrap() - 2.19).abs() < 5e-3);
        assert!(json["coverage"].is_null());
    }

    #[test]
    fn times_are_read_with_units() {
        for (text, want) in [("1.701", 1.701), ("1.701s", 1.701), ("692ms", 0.692), ("2.4min", 144.0), ("1h", 3600.0)] {
            assert!((seconds(text).unwrap() - want).abs() < 1e-12, "{text}");
        }
        for text in ["", "s", "-1s", "0", "1 fortnight", "NaN"] {
            assert!(seconds(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        let message = |line: &str| run(&given(line)).unwrap_err().to_string();
        assert!(message("--downtime 1 --target 100").contains("target is 100"));
        assert!(message("--downtime 5 --downtime-ci 1 2").contains("downtime is 5"));
        assert!(message("--downtime 1 --successes 4 --trials 3").contains("successes is 4"));
        assert!(Line::try_parse_from(["availability", "--downtime", "1", "--trials", "3"]).is_err());
    }
}
