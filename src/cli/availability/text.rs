//! The answer of `fivenines availability` in words. Writing to a string cannot fail.

use std::fmt::Write as _;

use super::{AvailabilityAnswer, Coverage, Projection, TargetAnswer};
use crate::analysis::availability::{Observed, Rule};
use crate::analysis::report::words;
use crate::analysis::report::words::wrap;

/// The answer as text.
pub(super) fn text(answer: &AvailabilityAnswer) -> String {
    let mut out = String::new();
    answer.observed.iter().for_each(|observed| out.push_str(&rules(observed)));
    if let Some(downtime_s) = answer.downtime_s {
        out.push_str(&budget(answer, downtime_s));
    }
    answer.projected.iter().for_each(|projected| out.push_str(&year(projected)));
    let _ = writeln!(out);
    for line in answer.statement.iter().flat_map(|sentence| wrap(sentence, 78, "  ")) {
        let _ = writeln!(out, "  {line}");
    }
    out
}

fn rules(observed: &Observed) -> String {
    let mut out = format!(
        "available in % of {:.0} s of observation ({}, {} on purpose)\n\n  {:<24} {:>12} {:>12} {:>12} {:>12}\n",
        observed.observed_s,
        words::plural(observed.trials as u64, "trial", "trials"),
        words::plural(observed.faults as u64, "fault", "faults"),
        "",
        "raw-gap",
        "itu-10s",
        "y1540*",
        "user-seconds"
    );
    for service in &observed.services {
        let _ = write!(out, "  {:<24}", words::service(&service.service));
        for rule in &service.rules {
            let _ = write!(out, " {:>12.4}", 100.0 * rule.availability);
        }
        out.push('\n');
    }
    if let Some(calls) = &observed.calls {
        let _ = writeln!(
            out,
            "  {}*: {:.2} % of {} calls ({} went through; of their callers e^(−gap/17.26 s) stay on)",
            Rule::CallSuccess.name(),
            100.0 * calls.success,
            calls.calls,
            calls.completed
        );
    }
    out + "  * provisional: the rule's constants were not checked against their source\n\n"
}

fn budget(answer: &AvailabilityAnswer, downtime_s: f64) -> String {
    let mut out = format!("downtime of one failure: {} s", words::plain(downtime_s));
    if let Some(i) = answer.downtime_interval_s {
        let (low, high) = (words::plain(i.low), words::plain(i.high));
        let _ = write!(out, " ({low} to {high} s at {} %)", words::plain(100.0 * i.confidence));
    }
    answer.downtime_basis.iter().for_each(|basis| out.push_str(&format!(": {basis}")));
    let _ = writeln!(out, "\n\n{:>41}{:>13}  to show it, without one failure:", "failures", "MTBF");
    let _ = writeln!(out, "  target %   downtime/year       a year       needed          hours        probes");
    for t in &answer.targets {
        let (budget, hours, watched) = (t.budget.per_year_s, t.mtbf_needed_s / 3600.0, t.observation_needed_s / 3600.0);
        let _ = writeln!(
            out,
            "  {:<9} {budget:>12.3} s  {:>11.2}  {hours:>9.2} h  {watched:>11.1} h  {:>12}",
            t.target_percent, t.failures_per_year, t.probes_needed
        );
        if let Some(i) = t.failures_per_year_interval {
            let _ = writeln!(out, "{:>26}{:.2} to {:.2}", "", i.low, i.high);
        }
    }
    out
}

fn year(p: &Projection) -> String {
    let range = p.failures_per_year_range.map(|(low, high)| format!(" ({low} to {high})")).unwrap_or_default();
    let (expected, single) = (p.played.expected, p.played.single_year);
    format!(
        "\n  with {}{range} failures a year: {:.7} % if each costs the downtime above\n  \
         expected over many years: {:.7} to {:.7} %\n  one single year:          {:.7} to {:.7} % ({} % of {} years played)\n",
        p.failures_per_year,
        p.availability_percent,
        100.0 * expected.low,
        100.0 * expected.high,
        100.0 * single.low,
        100.0 * single.high,
        words::plain(100.0 * expected.confidence),
        p.played.draws
    )
}

/// What may be said, and what was not measured.
pub(super) fn statement(answer: &AvailabilityAnswer) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(c) = &answer.coverage {
        let (percent, confidence) = (100.0 * c.lower, words::plain(100.0 * c.two_sided.confidence));
        let Coverage { successes, trials, .. } = c;
        lines.push(format!(
            "{successes}/{trials} failovers succeeded: coverage is at least {percent:.1} % ({confidence} % one-sided)."
        ));
    }
    lines.extend(answer.targets.iter().filter_map(coverage_wanted));
    for target in &answer.targets {
        let worst = target.failures_per_year_interval.map_or(target.failures_per_year, |i| i.low);
        let (percent, times) = (target.target_percent, allowed(worst));
        lines.push(format!("If this failure occurs no more than {times} a year, the {percent} % budget is kept."));
    }
    if let Some(p) = &answer.projected {
        let taken = match answer.coverage {
            Some(_) => format!("a failover that does not work costs {} s", words::plain(p.manual_s)),
            None => "every failover is taken to work, which was not shown".to_owned(),
        };
        lines.push(format!("The failure rate of the projection is stated, not measured; {taken}."));
    }
    lines.push(unmeasured(answer).to_owned());
    lines
}

/// What failover must be shown to do at the stated rate.
fn coverage_wanted(target: &TargetAnswer) -> Option<String> {
    let (coverage, failovers) = (target.coverage_needed?, target.failovers_needed?);
    Some(format!(
        "At the stated rate {} % needs a failover that works {:.2} % of the time: {failovers} successes in a row show it.",
        target.target_percent,
        100.0 * coverage
    ))
}

fn unmeasured(answer: &AvailabilityAnswer) -> &'static str {
    match (&answer.observed, answer.downtime_s) {
        (None, _) => "The downtime is given; how often the failure occurs, and so the availability, was not measured.",
        (Some(_), Some(_)) => {
            "The outages were measured, after faults made on purpose; how often the failure occurs, and so the \
             availability of a year, was not measured."
        }
        (Some(_), None) => {
            "No outage of the run came back for its median user, so no budget can be reckoned; how often failures \
             occur was not measured."
        }
    }
}

/// A number of failures, rounded down: claiming a part of one more would overspend the budget.
fn allowed(failures: f64) -> String {
    match failures {
        f if f < 1.0 => format!("once in {:.1} years, which is less than once", 1.0 / f),
        f if f < 10.0 => format!("{:.2} times", (f * 100.0).floor() / 100.0),
        f => format!("{} times", f.floor()),
    }
}
