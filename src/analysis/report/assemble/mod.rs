//! From measured trials to the report: the one place where figures over trials are made.

mod availability;
mod caveats;
mod headline;
mod outages;
mod published;
mod quality;
mod rows;
mod takeovers;

pub(in crate::analysis::report) use rows::{ROW_NAMES, row_of};

use crate::analysis::measure::model::{FaultMeasured, Phase, QosPeriod};
use crate::analysis::verdict::{Figure, judge};
use crate::evidence::rundir::RunInfo;
use crate::scenario::{Metric, Period, Scenario, Threshold};

use super::model::{OutageSummary, PhaseSummary, Report, Transition, Trial};
use outages::{median_of_values, quantile_over_trials, summarize};
use rows::{ROWS, Row};

/// Judges the trials of a run.
///
/// Every service row is the median over trials of the trial's median affected user, with an exact
/// order-statistic interval from six trials on. An outage that no fault explains stays in the trial and
/// becomes a caveat.
#[must_use]
pub fn assemble(scenario: &Scenario, run: RunInfo, trials: Vec<Trial>) -> Report {
    let transitions = transitions(scenario, &trials);
    let over_all = |row: &Row| summarize(scenario, &trials, std::slice::from_ref(row), None);
    let outages: Vec<OutageSummary> = ROWS.iter().filter_map(over_all).collect();
    let qos = quality::pool_qos(&trials);
    let caveats = caveats::caveats(&run, &trials);
    let thresholds: Vec<&Threshold> = scenario.thresholds.iter().map(|threshold| threshold.as_ref()).collect();
    let verdict = judge(thresholds, |metric| figure(metric, scenario, &trials, &qos), &caveats);
    Report {
        schema: "fivenines.report.v1".to_owned(),
        scenario: scenario.name.clone(),
        question: scenario.question.clone(),
        run,
        headline: headline::headline(&transitions, &trials),
        phases: phases(&trials),
        mos: quality::mos(&trials, &qos),
        calls: quality::call_fates(&trials),
        messages: quality::message_fates(&trials),
        availability: availability::availability(&transitions, &outages, &trials),
        findings: published::findings(&trials),
        published: published::rows(scenario, &transitions),
        transitions,
        outages,
        qos,
        caveats,
        verdict,
        trials,
    }
}

fn transitions(scenario: &Scenario, trials: &[Trial]) -> Vec<Transition> {
    let mut numbers: Vec<usize> = every_fault(trials).map(|(_, fault)| fault.fault).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut transitions: Vec<Transition> =
        numbers.into_iter().map(|number| transition(scenario, trials, number)).collect();
    // A heal has a number behind those of all faults, and comes between them.
    transitions.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    transitions
}

fn transition(scenario: &Scenario, trials: &[Trial], number: usize) -> Transition {
    let of_number = || every_fault(trials).filter(|(_, fault)| fault.fault == number);
    let at_s = of_number().map(|(trial, fault)| {
        let start = trial.measured.window.map_or(crate::units::RunTime::ZERO, |window| window.start_ns);
        (fault.command_start_ns - start).as_secs_f64()
    });
    let services = ROWS.iter().filter_map(|row| summarize(scenario, trials, std::slice::from_ref(row), Some(number)));
    let faults: Vec<&FaultMeasured> = of_number().map(|(_, fault)| fault).collect();
    let takeover = takeovers::summary(&faults);
    let parts = takeovers::parts(&faults);
    Transition {
        fault: number,
        heal_of: faults.first().and_then(|fault| fault.heal_of),
        label: label(
            same(of_number().map(|(_, fault)| fault.node.clone())),
            same(of_number().map(|(_, fault)| successor(fault))),
        ),
        hint: takeovers::hint(takeover.as_ref(), &parts),
        takeover,
        parts,
        kind: same(of_number().map(|(_, fault)| fault.kind.clone())),
        at_s: median_of_values(at_s).unwrap_or_default(),
        configured_ms: median_of_values(of_number().filter_map(|(_, fault)| fault.configured_ms)),
        services: services.collect(),
    }
}

fn every_fault(trials: &[Trial]) -> impl Iterator<Item = (&Trial, &FaultMeasured)> {
    trials.iter().flat_map(|trial| trial.measured.faults.iter().map(move |fault| (trial, fault)))
}

/// The node that took over; empty where nobody else did.
fn successor(fault: &FaultMeasured) -> String {
    fault.successor.clone().filter(|successor| *successor != fault.node).unwrap_or_default()
}

fn label(node: String, successor: String) -> String {
    if successor.is_empty() || node == successor { node } else { format!("{node} → {successor}") }
}

/// The common value, or `several`.
fn same(mut values: impl Iterator<Item = String>) -> String {
    let first = values.next().unwrap_or_default();
    if values.all(|value| value == first) { first } else { "several".to_owned() }
}

/// Phases of each fault in order of their median.
fn phases(trials: &[Trial]) -> Vec<PhaseSummary> {
    let mut keys: Vec<(usize, String)> = Vec::new();
    for (_, fault) in every_fault(trials) {
        keys.extend(fault.phases.iter().map(|phase| (fault.fault, phase.phase.clone())));
    }
    keys.sort();
    keys.dedup();
    let mut rows: Vec<PhaseSummary> =
        keys.into_iter().filter_map(|(fault, phase)| phase_summary(trials, fault, phase)).collect();
    rows.sort_by(|a, b| a.fault.cmp(&b.fault).then(a.median_ms.total_cmp(&b.median_ms)));
    rows
}

fn phase_summary(trials: &[Trial], fault: usize, phase: String) -> Option<PhaseSummary> {
    let seen = |of: &Phase| (of.phase == phase).then_some(of.after_ms);
    let after: Vec<f64> = every_fault(trials)
        .filter(|(_, of)| of.fault == fault)
        .flat_map(|(_, of)| of.phases.iter().filter_map(seen))
        .collect();
    Some(PhaseSummary {
        fault,
        n: after.len() as u64,
        median_ms: median_of_values(after.iter().copied())?,
        min_ms: after.iter().copied().reduce(f64::min)?,
        max_ms: after.iter().copied().reduce(f64::max)?,
        phase,
    })
}

/// What the report knows about a threshold's metric.
fn figure(metric: &Metric, scenario: &Scenario, trials: &[Trial], qos: &[QosPeriod]) -> Figure {
    let period = |of: &Period, get: fn(&QosPeriod) -> Option<f64>| {
        let name = if *of == Period::Before { "before" } else { "after" };
        let value = qos.iter().find(|qos| qos.period == name).and_then(get);
        value.map_or(Figure::Undefined, Figure::Known)
    };
    let rows_of = |name: &str| ROWS.into_iter().filter(|row| row.service == name).collect::<Vec<Row>>();
    let service = |name: &str| summarize(scenario, trials, &rows_of(name), None);
    match metric {
        Metric::OutageMedian(name) => service(name).map_or(Figure::Undefined, |row| median_figure(&row)),
        Metric::OutageQuantile(name, percent) => {
            let bound = quantile_over_trials(trials, &rows_of(name), percent.probability());
            bound.map_or(Figure::Undefined, |bound| match bound.censored {
                true => Figure::Unrecovered { above: bound.value },
                false => Figure::Known(bound.value),
            })
        }
        Metric::OutageWorst(name) => service(name).map_or(Figure::Undefined, |row| worst_figure(&row)),
        Metric::OutageCensored(name) => {
            service(name).map_or(Figure::Undefined, |row| Figure::Known(row.censored as f64))
        }
        Metric::Calls(fate) => fate_figure(&quality::call_fates(trials), fate),
        Metric::Messages(fate) => fate_figure(&quality::message_fates(trials), fate),
        Metric::DelayP95(of) => period(of, |qos| qos.delay_ms_p95),
        Metric::JitterP95(of) => period(of, |qos| qos.jitter_ms_p95),
        Metric::Loss(of) => period(of, |qos| qos.loss_percent),
        Metric::Mos(of) => period(of, |qos| qos.mos_median),
        Metric::CoverageLower95 => availability::coverage_low(trials).map_or(Figure::Undefined, Figure::Known),
    }
}

/// A service that was measured and never went away has an outage of 0.
fn median_figure(row: &OutageSummary) -> Figure {
    match (row.median_ms, row.median_above_ms) {
        (Some(ms), _) => Figure::Known(ms),
        (None, Some(above)) => Figure::Unrecovered { above },
        (None, None) => Figure::Known(0.0),
    }
}

fn worst_figure(row: &OutageSummary) -> Figure {
    match row.worst_above_ms {
        Some(above) => Figure::Unrecovered { above },
        None => Figure::Known(row.worst_ms.unwrap_or(0.0)),
    }
}

/// No call or message at all: its fates are undefined, not 0.
fn fate_figure(fates: &std::collections::BTreeMap<String, u64>, fate: &str) -> Figure {
    if fates.is_empty() { Figure::Undefined } else { Figure::Known(fates.get(fate).copied().unwrap_or(0) as f64) }
}

#[cfg(test)]
mod tests;
