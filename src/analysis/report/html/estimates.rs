//! The page's table of further estimates.

use maud::{Markup, html};

use crate::analysis::report::estimates::{bound, span};
use crate::analysis::report::model::{Report, Span95};
use crate::analysis::report::words;

/// Nothing for a run of one trial.
pub(super) fn table(report: &Report) -> Markup {
    let label =
        |fault: usize| report.transitions.iter().find(|of| of.fault == fault).map_or("", |of| of.label.as_str());
    let with_bca = report.estimates.iter().any(|of| of.mean_bca.is_some());
    html! { @if !report.estimates.is_empty() {
        details {
            summary { "Means, percentiles and the next trial" }
            p { "Over trials, of each trial's median affected user, at 95 %. A trial that never recovered counts as longer than all "
                "others and leaves no mean; Kaplan–Meier uses how long it was watched." }
            div.wide { table {
                thead { tr {
                    th { "service" } th { "trials" } th { "Kaplan–Meier median" } th { "mean, Student t" }
                    @if with_bca { th { "mean, BCa bootstrap" } }
                    th { "geometric mean, log-normal" } th { "next trial, log-normal" } th { "P90" } th { "P95" } th { "P99" }
                } }
                tbody { @for of in &report.estimates { tr {
                    td { (words::service(&of.service)) br; small { (label(of.fault)) } }
                    td { (of.n) @if of.censored > 0 { br; small { (of.censored) " not recovered" } } }
                    (cell(of.kaplan_meier.as_ref()))
                    (cell(of.mean.as_ref()))
                    @if with_bca { (cell(of.mean_bca.as_ref())) }
                    (cell(of.geometric_mean.as_ref()))
                    td { (of.next.map_or("–".to_owned(), |next| words::interval(next.low_ms, next.high_ms))) }
                    @for percentile in &of.bounds { td { (bound(percentile, of.n)) } }
                } } }
            } }
        }
    } }
}

/// A value above its interval.
fn cell(of: Option<&Span95>) -> Markup {
    let (value, interval) = span(of);
    html! { td { (value) br; small { (interval) } } }
}
