//! A comparison as Markdown, for the summary of a pull request.

use std::fmt::Write as _;

use super::model::{Comparison, probability, signed};
use super::terminal::{mark, verdict};
use super::trend::Trend;
use crate::analysis::report::words::duration;

/// The comparison as GitHub-flavoured Markdown; writing to a string cannot fail.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    let mut out = format!("### {} {}\n\n", mark(comparison.outcome), verdict(comparison));
    comparison.reasons.iter().for_each(|reason| out.push_str(&format!("- {}\n", cell(reason))));
    let _ = writeln!(
        out,
        "\n`{}`: {} ({} trials) against {} ({} trials)\n\n| | outage | n | before | now | shift | p (Holm) |\n|---|---|---|--:|--:|---|--:|",
        comparison.run.scenario,
        comparison.run.started_utc,
        comparison.run.trials,
        comparison.baseline.started_utc,
        comparison.baseline.trials
    );
    let ms = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), duration);
    for row in &comparison.outages {
        let (n, before, now) =
            (format!("{}/{}", row.n_baseline, row.n_run), ms(row.baseline_median_ms), ms(row.run_median_ms));
        let (mark, name, shift, p) = (mark(row.outcome), cell(&row.name()), row.shift_text(), probability(row.p_holm));
        let _ = writeln!(out, "| {mark} | {name} | {n} | {before} | {now} | {shift} | {p} |");
    }
    for row in &comparison.coverage {
        let (before, now) = ((row.recovered_baseline, row.tried_baseline), (row.recovered_run, row.tried_run));
        let (mark, name, p) = (mark(row.outcome), cell(&row.name()), probability(row.p_holm));
        let _ = writeln!(out, "| {mark} | {name} | | {}/{} | {}/{} | | {p} |", before.0, before.1, now.0, now.1);
    }
    quality(&mut out, comparison);
    comparison.notes.iter().for_each(|note| out.push_str(&format!("\n> {}\n", cell(note))));
    out
}

fn quality(out: &mut String, comparison: &Comparison) {
    if comparison.quality.is_empty() {
        return;
    }
    out.push_str("\n| | media | before | now | shift | tolerated | p (Holm) |\n|---|---|--:|--:|---|--:|--:|\n");
    for row in &comparison.quality {
        let (before, now) = (row.value_text(row.baseline_median), row.value_text(row.run_median));
        let (mark, name, p) = (mark(row.outcome), row.name(), probability(row.p_holm));
        let _ =
            writeln!(out, "| {mark} | {name} | {before} | {now} | {} | {} | {p} |", row.shift_text(), row.tolerated());
    }
}

/// Several runs as a Markdown table.
#[must_use]
pub fn trend_markdown(trend: &Trend) -> String {
    let runs: Vec<String> = trend.runs.iter().map(|run| cell(&run.started_utc)).collect();
    let mut out = format!("| | baseline | {} |\n|---|--:|{}\n", runs.join(" | "), "--:|".repeat(runs.len()));
    let ms = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), duration);
    for row in &trend.rows {
        let _ = write!(out, "| {} | {} |", cell(&row.name), ms(row.baseline_median_ms));
        for cell in &row.cells {
            let shift = cell.shift_ms.map(|ms| format!(" ({})", signed(ms))).unwrap_or_default();
            let _ = write!(out, " {} {}{shift} |", mark(cell.outcome), ms(cell.median_ms));
        }
        out.push('\n');
    }
    for row in &trend.quality {
        let _ = write!(out, "| {} | {} |", row.name, row.baseline_text());
        for cell in &row.cells {
            let _ = write!(out, " {} {} |", mark(cell.outcome), cell.value_text(cell.run_median));
        }
        out.push('\n');
    }
    let outcomes: Vec<&str> = trend.outcomes.iter().map(|outcome| mark(*outcome)).collect();
    let _ = writeln!(out, "| outcome | | {} |", outcomes.join(" | "));
    out
}

/// Text inside a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
