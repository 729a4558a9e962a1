//! A comparison on a terminal.

use std::fmt::Write as _;

use super::model::{Comparison, CoverageComparison, OutageComparison, QualityComparison, probability, signed};
use super::trend::Trend;
use crate::analysis::report::model::Outcome;
use crate::analysis::report::words::wrap;
use crate::analysis::report::words::{self, duration, plain};

/// The comparison as text, 80 columns wide; writing to a string cannot fail.
#[must_use]
pub fn terminal(comparison: &Comparison) -> String {
    let mut out = head(comparison);
    for (fault, kind, heal_of) in faults(comparison) {
        out.push_str(&titles(&words::disturbance(&kind, fault, heal_of)));
        let of_fault = |row: &&OutageComparison| row.fault == fault && row.kind == kind;
        comparison.outages.iter().filter(of_fault).for_each(|row| out.push_str(&outage(row)));
        let coverage = comparison.coverage.iter().filter(|row| row.fault == fault && row.kind == kind);
        coverage.for_each(|row| out.push_str(&recovery(row)));
        out.push('\n');
    }
    if !comparison.quality.is_empty() {
        out.push_str(&titles("media"));
        comparison.quality.iter().for_each(|row| out.push_str(&quality(row)));
        out.push('\n');
    }
    let notes = comparison.notes.iter().map(|note| format!("note: {note}"));
    for line in notes.flat_map(|note| wrap(&note, 80, "  ")) {
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(out, "{}", verdict(comparison));
    for line in comparison.reasons.iter().flat_map(|reason| wrap(reason, 78, "  ")) {
        let _ = writeln!(out, "  {line}");
    }
    out
}

/// The faults in order, and behind them the heals: number, kind, what was healed.
fn faults(comparison: &Comparison) -> Vec<(usize, String, Option<usize>)> {
    let outages = comparison.outages.iter().map(|row| (row.fault, row.kind.clone(), row.heal_of));
    let coverage = comparison.coverage.iter().map(|row| (row.fault, row.kind.clone(), None));
    let mut all: Vec<_> = outages.chain(coverage).collect();
    all.sort();
    all.dedup();
    all
}

fn titles(name: &str) -> String {
    line("  ", name, ["n", "before", "now", "shift, 95 % interval", "Holm p"])
}

/// One row: a mark, a name, and five cells. A format's width counts characters, as a terminal does here.
fn line(mark: &str, name: &str, [n, before, now, shift, p]: [&str; 5]) -> String {
    let text = format!("{mark}{name:<17} {n:>5} {before:>7} {now:>7}  {shift:<29} {p:>6}");
    format!("{}\n", text.trim_end())
}

fn head(comparison: &Comparison) -> String {
    let (before, now) = (&comparison.baseline, &comparison.run);
    format!(
        "{}: {} ({} trials)\nagainst {} ({} trials)\n\n",
        now.scenario, now.started_utc, now.trials, before.started_utc, before.trials
    )
}

fn outage(row: &OutageComparison) -> String {
    let ms = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), duration);
    let (before, now, n) = (ms(row.baseline_median_ms), ms(row.run_median_ms), sizes(row.n_baseline, row.n_run));
    let cells = [n.as_str(), &before, &now, &row.shift_text(), &probability(row.p_holm)];
    line(&marked(row.outcome), words::service(&row.service), cells)
}

fn recovery(row: &CoverageComparison) -> String {
    let before = format!("{}/{}", row.recovered_baseline, row.tried_baseline);
    let now = format!("{}/{}", row.recovered_run, row.tried_run);
    line(&marked(row.outcome), "all back", ["", &before, &now, "failovers that worked", &probability(row.p_holm)])
}

fn quality(row: &QualityComparison) -> String {
    let (before, now) = (row.value_text(row.baseline_median), row.value_text(row.run_median));
    let n = sizes(row.n_baseline, row.n_run);
    let cells = [n.as_str(), &before, &now, &row.shift_text(), &probability(row.p_holm)];
    line(&marked(row.outcome), &row.name(), cells)
}

fn sizes(before: usize, now: usize) -> String {
    if before == now { before.to_string() } else { format!("{before}/{now}") }
}

fn marked(outcome: Outcome) -> String {
    format!("{} ", mark(outcome))
}

/// The outcome in a line.
pub(super) fn verdict(comparison: &Comparison) -> String {
    let tolerance = format!("{} or {} %", duration(comparison.tolerance_ms), plain(comparison.tolerance_percent));
    match comparison.outcome {
        Outcome::Pass => format!("pass: no service is slower by more than {tolerance}, and media is no worse"),
        Outcome::Fail => "fail: failover has become worse".to_owned(),
        Outcome::Unknown => "unknown: it cannot be told whether failover has become worse".to_owned(),
    }
}

/// A sign for an outcome.
pub(super) fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "✓",
        Outcome::Fail => "✗",
        Outcome::Unknown => "?",
    }
}

/// Several runs as a table: median and shift of each.
#[must_use]
pub fn trend_terminal(trend: &Trend) -> String {
    let mut out = format!(
        "{}: {} runs against {}\n\n  {:<36} {:>9}",
        trend.baseline.scenario,
        trend.runs.len(),
        trend.baseline.started_utc,
        "",
        "baseline"
    );
    for run in &trend.runs {
        let _ = write!(out, "  {:<21}", run.started_utc);
    }
    for row in &trend.rows {
        let _ =
            write!(out, "\n  {:<36} {:>9}", row.name, row.baseline_median_ms.map_or_else(|| "–".to_owned(), duration));
        for cell in &row.cells {
            let median = cell.median_ms.map_or_else(|| "–".to_owned(), duration);
            let shift = cell.shift_ms.map(|ms| format!(" ({})", signed(ms))).unwrap_or_default();
            let _ = write!(out, "  {:<21}", format!("{} {median}{shift}", mark(cell.outcome)));
        }
    }
    for row in &trend.quality {
        let _ = write!(out, "\n  {:<36} {:>9}", row.name, row.baseline_text());
        for cell in &row.cells {
            let value = cell.value_text(cell.run_median);
            let _ = write!(out, "  {:<21}", format!("{} {value}", mark(cell.outcome)));
        }
    }
    let _ = write!(out, "\n  {:<36} {:>9}", "outcome", "");
    for outcome in &trend.outcomes {
        let _ = write!(out, "  {:<21}", mark(*outcome));
    }
    out + "\n"
}
