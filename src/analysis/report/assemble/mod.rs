//! From measured trials to the report: the one place where figures over trials are made.

pub(in crate::analysis::report) mod availability;
mod caveats;
mod estimates;
mod figures;
mod headline;
mod idle;
mod listening;
mod outages;
mod paths;
mod published;
mod quality;
mod rows;
mod takeovers;
mod void;

pub(in crate::analysis::report) use rows::{ROW_NAMES, row_of};

use crate::analysis::measure::model::{FaultMeasured, Phase};
use crate::analysis::verdict::judge;
use crate::evidence::rundir::{MachineInfo, RunInfo};
use crate::scenario::{Scenario, Threshold};

use super::model::{OutageSummary, PhaseSummary, Report, Transition, Trial};
use outages::{median_of_values, summarize};
use rows::{ROWS, Row};

/// Judges the trials of a run.
///
/// Every service row is the median over trials of the trial's median affected user, with an exact
/// order-statistic interval from six trials on. A void trial is listed and counted in nothing. An outage that no fault explains stays in the trial and
/// becomes a caveat.
#[must_use]
pub fn assemble(scenario: &Scenario, run: RunInfo, trials: Vec<Trial>) -> Report {
    let (trials, void_trials) = void::set_aside(trials);
    let transitions = transitions(scenario, &run, &trials);
    let over_all = |row: &Row| summarize(scenario, &trials, std::slice::from_ref(row), None);
    let outages: Vec<OutageSummary> = ROWS.iter().filter_map(over_all).collect();
    let qos = quality::pool_qos(&trials);
    let caveats = caveats::caveats(&run, &trials, &void_trials);
    let thresholds: Vec<&Threshold> = scenario.thresholds.iter().map(|threshold| threshold.as_ref()).collect();
    let verdict = judge(thresholds, |metric| figures::figure(metric, scenario, &trials, &qos), &caveats);
    Report {
        schema: "fivenines.report.v1".to_owned(),
        scenario: scenario.name.clone(),
        question: scenario.question.clone(),
        run,
        headline: headline::headline(&transitions, &trials),
        estimates: estimates::estimates(&transitions, &trials),
        phases: phases(&trials),
        mos: quality::mos(&trials, &qos),
        listening: listening::listening(&trials),
        calls: quality::call_fates(&trials),
        messages: quality::message_fates(&trials),
        availability: availability::availability(&transitions, &outages, &trials),
        findings: published::findings(&trials),
        published: published::rows(scenario, &transitions),
        idle: idle::idle(scenario, &transitions, &trials),
        transitions,
        outages,
        qos,
        caveats,
        verdict,
        trials,
        void_trials,
    }
}

fn transitions(scenario: &Scenario, run: &RunInfo, trials: &[Trial]) -> Vec<Transition> {
    let mut numbers: Vec<usize> = every_fault(trials).map(|(_, fault)| fault.fault).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut transitions: Vec<Transition> =
        numbers.into_iter().map(|number| transition(scenario, run, trials, number)).collect();
    // A heal has a number behind those of all faults, and comes between them.
    transitions.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    transitions
}

fn transition(scenario: &Scenario, run: &RunInfo, trials: &[Trial], number: usize) -> Transition {
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
        paths: paths::summaries(&faults),
        takeover,
        parts,
        kind: same(of_number().map(|(_, fault)| fault.kind.clone())),
        at_s: median_of_values(at_s).unwrap_or_default(),
        configured_ms: median_of_values(of_number().filter_map(|(_, fault)| fault.configured_ms)),
        machines: machines(run, &faults),
        services: services.collect(),
    }
}

/// The machines that were hit or took over.
fn machines(run: &RunInfo, faults: &[&FaultMeasured]) -> Vec<String> {
    let takes_part = |node: &String| faults.iter().any(|fault| fault.node == *node || successor(fault) == *node);
    run.machines.iter().filter(|machine| takes_part(&machine.node)).map(MachineInfo::describe).collect()
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

#[cfg(test)]
mod tests;
