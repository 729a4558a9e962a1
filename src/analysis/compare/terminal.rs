//! A comparison on a terminal.

use std::fmt::Write as _;

use super::model::{Comparison, OutageComparison, QualityComparison, probability, signed};
use super::trend::Trend;
use crate::analysis::report::model::Outcome;
use crate::analysis::report::words::{duration, plain};

/// The comparison as text; writing to a string cannot fail.
#[must_use]
pub fn terminal(comparison: &Comparison) -> String {
    let mut out = head(comparison);
    let _ = writeln!(
        out,
        "\n  {:<36} {:>7} {:>9} {:>9}  {:<30} {:>7} {:>8}",
        "outage (median user of each trial)", "n", "before", "now", "shift, 95 % interval", "p", "Holm"
    );
    comparison.outages.iter().for_each(|row| out.push_str(&outage(row)));
    for row in &comparison.coverage {
        let before = format!("{}/{}", row.recovered_baseline, row.tried_baseline);
        let now = format!("{}/{}", row.recovered_run, row.tried_run);
        let (mark, p) = (mark(row.outcome), (probability(row.p), probability(row.p_holm)));
        let _ = writeln!(
            out,
            "{mark} {:<36} {:>7} {before:>9} {now:>9}  {:<30} {:>7} {:>8}",
            row.name(),
            "",
            "failovers that worked",
            p.0,
            p.1
        );
    }
    if !comparison.quality.is_empty() {
        let _ = writeln!(out, "\n  media quality (shown, not judged)");
        comparison.quality.iter().for_each(|row| out.push_str(&quality(row)));
    }
    for note in &comparison.notes {
        let _ = writeln!(out, "\n  note: {note}");
    }
    let _ = writeln!(out, "\n{}", verdict(comparison));
    for reason in &comparison.reasons {
        let _ = writeln!(out, "  {reason}");
    }
    out
}

fn head(comparison: &Comparison) -> String {
    let (before, now) = (&comparison.baseline, &comparison.run);
    format!(
        "{}: {} ({} trials) against {} ({} trials)\n",
        now.scenario, now.started_utc, now.trials, before.started_utc, before.trials
    )
}

fn outage(row: &OutageComparison) -> String {
    let ms = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), duration);
    format!(
        "{} {:<36} {:>7} {:>9} {:>9}  {:<30} {:>7} {:>8}\n",
        mark(row.outcome),
        row.name(),
        format!("{}/{}", row.n_baseline, row.n_run),
        ms(row.baseline_median_ms),
        ms(row.run_median_ms),
        row.shift_text(),
        probability(row.p),
        probability(row.p_holm),
    )
}

fn quality(row: &QualityComparison) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), plain);
    format!(
        "  {:<15} {:<7} {:>9} {:>9}  shift {} [{}, {}], p {}\n",
        row.figure,
        row.period,
        plain(row.baseline_median),
        plain(row.run_median),
        number(row.shift),
        number(row.shift_low),
        number(row.shift_high),
        probability(row.p)
    )
}

/// The outcome in a line.
pub(super) fn verdict(comparison: &Comparison) -> String {
    let tolerance = format!("{} or {} %", duration(comparison.tolerance_ms), plain(comparison.tolerance_percent));
    match comparison.outcome {
        Outcome::Pass => format!("pass: no service has become slower by more than {tolerance}"),
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
    let _ = write!(out, "\n  {:<36} {:>9}", "outcome", "");
    for outcome in &trend.outcomes {
        let _ = write!(out, "  {:<21}", mark(*outcome));
    }
    out + "\n"
}
