//! The page's tables.

use maud::{Markup, html};

use crate::analysis::measure::model::{Anomaly, FaultMeasured, Measured, Outage};
use crate::analysis::report::model::{Availability, IdlePhones, OutageSummary, Report, Transition, Trial};
use crate::analysis::report::words;

use super::signalling::signalling;

/// The services of one fault, the configured truth beside them.
pub(super) fn outages(transition: &Transition) -> Markup {
    let with_interval = transition.services.iter().any(|row| row.ci_low_ms.is_some());
    html! {
        div.wide { table.full {
            thead { tr {
                th { "service" small { " and how it was measured" } } th { "typical" }
                @if with_interval { th { "interval" } }
                @if transition.configured_ms.is_some() { th { "over configured" } }
                th { "worst" } th { "users hit" } th { "still out" } th { "± one outage" } th { "trials" }
            } }
            tbody { @for row in &transition.services { (outage_row(row, transition.configured_ms, with_interval)) } }
        } }
    }
}

/// Idle phones by profile.
pub(super) fn idle(report: &Report, transition: &Transition) -> Markup {
    let of_fault: Vec<_> = report.idle.iter().filter(|idle| idle.fault == transition.fault).collect();
    let cell = |idle: &IdlePhones, name: &str| {
        let row = idle.services.iter().find(|service| service.service == name);
        html! { td { @if let Some(row) = row {
            (words::idle_cell(row)) @if row.ci_low_ms.is_some() { br; small { (interval(row)) } }
        } @else { "–" } } }
    };
    html! { @if !of_fault.is_empty() {
        div.wide { table {
            thead { tr { th { "idle phones" } th { "registered again" } th { "can call" } th { "can be called" } th { "phones" } } }
            tbody { @for idle in of_fault { tr {
                td { (idle.profile) }
                (cell(idle, "idle_registered")) (cell(idle, "idle_can_call")) (cell(idle, "idle_can_be_called"))
                td { (idle.services.iter().map(|service| service.users).max().unwrap_or(0)) }
            } } }
        } }
    } }
}

fn outage_row(row: &OutageSummary, configured: Option<f64>, with_interval: bool) -> Markup {
    let away = row.median_ms.zip(configured).map(|(median, configured)| median - configured);
    let unit = if row.unit == "probes" { String::new() } else { format!(" {}", row.unit) };
    html! { tr {
        td { (words::service(&row.service)) br; small { (row.method) } }
        td { b { @if row.affected == 0 { "none" } @else { (value(row.median_ms, row.median_above_ms)) } } }
        @if with_interval { td { (interval(row)) } }
        @if configured.is_some() { td { (away.map_or("–".to_owned(), signed)) } }
        td { (value(row.worst_ms.filter(|_| row.worst_above_ms.is_none()), row.worst_above_ms)) }
        td { (row.affected) small { " of " (row.users) (unit) } }
        td { @if row.censored > 0 { span.more { (row.censored) } } @else { "0" } }
        td { @if row.affected == 0 { "–" } @else { (words::duration(row.error_ms)) } }
        td { (row.n) }
    } }
}

fn value(ms: Option<f64>, above: Option<f64>) -> Markup {
    html! { @if ms.is_none() && above.is_some() { span.more { (words::value_or_above(ms, above)) } } @else { (words::value_or_above(ms, above)) } }
}

fn signed(ms: f64) -> String {
    let sign = if ms < 0.0 { "−" } else { "+" };
    format!("{sign}{}", words::duration(ms.abs()))
}

fn interval(row: &OutageSummary) -> String {
    row.ci_low_ms.map_or("–".to_owned(), |low| words::interval(low, row.ci_high_ms))
}

/// How often a year the target allows each outage.
pub(super) fn budget(availability: &Availability) -> Markup {
    let with_low = availability.budget.iter().any(|row| row.failures_per_year_low.is_some());
    html! {
        div.wide { table {
            thead { tr {
                th { "service" } th { "downtime of one failure" } th { "failures a year that five nines allow" }
                @if with_low { th { "at the upper end of the interval" } }
                th { "mean time between failures needed" } th { "hours without failure that would show it" }
            } }
            tbody { @for row in &availability.budget { tr {
                td { (words::service(&row.service)) }
                td { (words::duration(row.downtime_ms)) }
                td { (words::count(row.failures_per_year.floor())) }
                @if with_low { td { (row.failures_per_year_low.map_or("–".to_owned(), |rate| words::count(rate.floor()))) } }
                td { (words::count(row.mtbf_needed_h.ceil())) " h" } td { (words::count(row.observation_needed_h.ceil())) " h" }
            } } }
        } }
    }
}

/// Everything of one trial that does not fit the summary.
pub(super) fn trial(trial: &Trial) -> Markup {
    let measured = &trial.measured;
    let zero = measured.zero();
    html! {
        details {
            summary { "Trial " (trial.number) ", seed " (trial.seed) }
            (faults(&measured.faults, zero))
            (outage_list(measured))
            @if let Some(sip) = &measured.sip { (signalling(sip)) }
        }
    }
}

/// Every outage, a line each; with the fault that it follows where any was injected.
pub(super) fn outage_list(measured: &Measured) -> Markup {
    let faults = !measured.faults.is_empty();
    let zero = measured.zero();
    html! {
        div.wide { table {
            thead { tr { th { "service" } th.t { "whose" } @if faults { th { "fault" } } th { "from" } th { "length" } th { "±" } th.t { "estimator" } } }
            tbody { @for outage in measured.outages.iter().take(MOST_OUTAGES) { (outage_line(outage, zero, faults)) } }
        } }
        @if measured.outages.len() > MOST_OUTAGES {
            p { "And " (measured.outages.len() - MOST_OUTAGES) " more in outages.csv." }
        }
    }
}

fn faults(faults: &[FaultMeasured], zero: crate::units::RunTime) -> Markup {
    html! {
        div.wide { table {
            thead { tr { th { "fault" } th.t { "node" } th { "at" } th { "command took" } th { "effect after" } th.t { "seen to bite" } th.t { "phases after the fault" } } }
            tbody { @for fault in faults { tr {
                td { (fault.fault + 1) ". " (words::fault(&fault.kind)) }
                td.t { (fault.node) @if let Some(next) = &fault.successor { " → " (next) } }
                td { (fault.command_start_ns - zero) (timer_phase(fault)) }
                td { @if let Some(end) = fault.command_end_ns { (end - fault.command_start_ns) } @else { "–" } }
                td { @if let Some(effect) = fault.effect_ns { (effect - fault.command_start_ns) } @else { "–" } }
                td.t { @if fault.verified { "yes" } @else { b { "no" } } }
                td.t { @for (place, phase) in fault.phases.iter().enumerate() {
                    @if place > 0 { " · " }
                    span title=(phase.evidence) { (words::phase(&phase.phase)) " " (words::duration(phase.after_ms)) }
                } }
            } } }
        } }
    }
}

/// Where in the interval of the cluster's timer it struck.
fn timer_phase(fault: &FaultMeasured) -> Markup {
    let seen = fault.phase.map(|phase| (phase.seen_ms.unwrap_or(phase.drawn_ms), phase.interval_ms));
    html! { @if let Some((after, interval)) = seen {
        br; small { (words::duration(after)) " after the engine's last message, of " (words::duration(interval)) }
    } }
}

fn outage_line(outage: &Outage, zero: crate::units::RunTime, faults: bool) -> Markup {
    let above = outage.censored.then_some(outage.duration_ms);
    html! { tr {
        td { (words::service(&outage.service)) }
        td.t { (outage.scope) @if let Some(direction) = outage.direction { (words::hears(direction)) } }
        @if faults { td { @if let Some(fault) = outage.fault { (fault + 1) } @else { "none" } } }
        td { (format!("{:.3} s", (outage.start_ns - zero).as_secs_f64())) }
        td { (value((!outage.censored).then_some(outage.duration_ms), above)) }
        td { (words::duration(outage.error_ms)) }
        td.t { (outage.method.replace('_', " ")) }
    } }
}

/// What was odd, with its place.
pub(super) fn anomalies(report: &Report) -> Markup {
    let all = || {
        report
            .trials
            .iter()
            .flat_map(|trial| trial.measured.anomalies.iter().map(move |anomaly| (trial.number, anomaly)))
    };
    let line = |(number, anomaly): (u32, &Anomaly)| html! { tr { td { (number) } td.t { (anomaly.place) } td.t { (anomaly.what) } } };
    html! {
        @if all().next().is_none() { p { "None was found in the evidence." } } @else {
            div.wide { table {
                thead { tr { th { "trial" } th.t { "place" } th.t { "what" } } }
                tbody { @for one in all().take(MOST_ANOMALIES) { (line(one)) } }
            } }
            @if all().count() > MOST_ANOMALIES { p { "And " (all().count() - MOST_ANOMALIES) " more in report.json." } }
        }
    }
}

/// The same of one capture.
pub(super) fn anomaly_list(anomalies: &[Anomaly]) -> Markup {
    html! {
        @if anomalies.is_empty() { p { "None was found in the capture." } } @else {
            div.wide { table {
                thead { tr { th.t { "place" } th.t { "what" } } }
                tbody { @for one in anomalies.iter().take(MOST_ANOMALIES) { tr { td.t { (one.place) } td.t { (one.what) } } } }
            } }
            @if anomalies.len() > MOST_ANOMALIES { p { "And " (anomalies.len() - MOST_ANOMALIES) " more in anomalies.csv." } }
        }
    }
}

/// A page with more rows in a trial would be slow, and nobody reads them.
const MOST_OUTAGES: usize = 300;
const MOST_ANOMALIES: usize = 50;
