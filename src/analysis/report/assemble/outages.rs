//! Outages over trials: the trial is the unit of replication, its median affected user speaks for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::measure::model::{FaultMeasured, Measured, Outage};
use crate::analysis::report::model::{OutageSummary, Trial};
use crate::analysis::stats::{Bound, Observation, Sample, median, median_ci, quantile};
use crate::scenario::Scenario;

use super::rows::Row;

/// Confidence that is asked of every interval.
const CONFIDENCE: f64 = 0.95;

/// The outages of `rows` (one, or several that are judged together) over `trials`, after fault `fault` or
/// after any; `None` where the service was not measured.
pub(super) fn summarize(
    scenario: &Scenario,
    trials: &[Trial],
    rows: &[Row],
    fault: Option<usize>,
) -> Option<OutageSummary> {
    let first = rows.first()?;
    let measured: Vec<TrialHits> = trials.iter().filter_map(|trial| hits(trial, rows, fault)).collect();
    if measured.is_empty() {
        return None;
    }
    let every: Vec<&Hit> = measured.iter().flat_map(|trial| &trial.hits).collect();
    let censored: Vec<&&Hit> = every.iter().filter(|hit| hit.censored).collect();
    let mut summary = OutageSummary {
        service: if rows.len() == 1 { first.name } else { first.service }.to_owned(),
        n: measured.len() as u64,
        users: measured.iter().map(|trial| trial.users as u64).sum(),
        affected: every.len() as u64,
        censored: censored.len() as u64,
        left: measured.iter().map(|trial| trial.left as u64).sum(),
        median_ms: None,
        median_above_ms: None,
        ci_low_ms: None,
        ci_high_ms: None,
        confidence: None,
        worst_ms: longest(every.iter().filter(|hit| !hit.censored).map(|hit| hit.ms)),
        worst_above_ms: longest(censored.iter().map(|hit| hit.ms)),
        unit: first.unit.to_owned(),
        method: first.method(scenario),
        error_ms: longest(every.iter().map(|hit| hit.error_ms)).unwrap_or(0.0),
    };
    set_median(&mut summary, &measured);
    Some(summary)
}

/// One user's outage after one fault.
struct Hit {
    ms: f64,
    censored: bool,
    error_ms: f64,
}

/// One trial: how many users could have been hit, and who was.
struct TrialHits {
    users: usize,
    left: usize,
    hits: Vec<Hit>,
}

fn hits(trial: &Trial, rows: &[Row], fault: Option<usize>) -> Option<TrialHits> {
    let measured = &trial.measured;
    let mut found = TrialHits { users: 0, left: 0, hits: Vec::new() };
    // Over all faults, what was healed does not count: it is told for itself.
    let wanted = |at: &&FaultMeasured| fault.map_or(at.heal_of.is_none(), |fault| at.fault == fault);
    for at in measured.faults.iter().filter(wanted) {
        for row in rows {
            let outages = measured.outages.iter().filter(|outage| row.has(outage) && outage.fault == Some(at.fault));
            let (left, stayed): (Vec<&Outage>, Vec<&Outage>) = outages.partition(|outage| outage.left);
            let users = longest_of_each_user(stayed);
            let absent = left.len() + out_already(measured, *row, at);
            found.users += row.users(measured, at.fault).saturating_sub(absent).max(users.len());
            found.left += left.len();
            found.hits.extend(users.into_values());
        }
    }
    (found.users > 0).then_some(found)
}

/// Users whom an earlier fault had taken the service from and who did not have it back: another fault takes
/// nothing from them.
fn out_already(measured: &Measured, row: Row, at: &FaultMeasured) -> usize {
    let out = measured.outages.iter().filter(|outage| {
        let earlier = outage.fault.is_some_and(|fault| fault != at.fault) && outage.start_ns < at.command_start_ns;
        row.has(outage) && earlier && outage.censored && !outage.left
    });
    out.map(|outage| outage.scope.as_str()).collect::<BTreeSet<_>>().len()
}

fn longest_of_each_user<'a>(outages: impl IntoIterator<Item = &'a Outage>) -> BTreeMap<&'a str, Hit> {
    let mut users: BTreeMap<&str, Hit> = BTreeMap::new();
    for outage in outages {
        let hit = Hit { ms: outage.duration_ms, censored: outage.censored, error_ms: outage.error_ms };
        match users.get(outage.scope.as_str()) {
            Some(known) if (known.censored, known.ms) >= (hit.censored, hit.ms) => {}
            _ => {
                users.insert(&outage.scope, hit);
            }
        }
    }
    users
}

/// The quantile at `p` over trials of the trial's median affected user. `None` where the service was not measured,
/// 0 where nobody was hit.
pub(super) fn quantile_over_trials(trials: &[Trial], rows: &[Row], p: f64) -> Option<Bound> {
    let measured: Vec<TrialHits> = trials.iter().filter_map(|trial| hits(trial, rows, None)).collect();
    if measured.is_empty() {
        return None;
    }
    Some(quantile(&over_trials(&measured)?, p).ok()?.unwrap_or(Bound::exact(0.0)))
}

/// The median affected user of each trial that had one after fault `fault`; `None` where the service was not measured
/// or nobody was hit.
pub(super) fn sample(trials: &[Trial], row: Row, fault: usize) -> Option<Sample> {
    let rows = [row];
    let measured: Vec<TrialHits> = trials.iter().filter_map(|trial| hits(trial, &rows, Some(fault))).collect();
    over_trials(&measured).filter(|sample| sample.n() > 0)
}

/// The median affected user of each trial that had one.
fn over_trials(trials: &[TrialHits]) -> Option<Sample> {
    let observed = trials
        .iter()
        .filter_map(|trial| median_of(trial.hits.iter().map(observation)))
        .map(|bound| if bound.censored { Observation::Above(bound.value) } else { Observation::Exact(bound.value) });
    Sample::new(observed).ok()
}

fn set_median(summary: &mut OutageSummary, trials: &[TrialHits]) {
    let Some(sample) = over_trials(trials) else { return };
    if let Some(bound) = median(&sample) {
        summary.median_ms = bound.known();
        summary.median_above_ms = bound.censored.then_some(bound.value);
    }
    if let Ok(Some(ci)) = median_ci(&sample, CONFIDENCE) {
        summary.ci_low_ms = Some(ci.low.value);
        summary.ci_high_ms = ci.high.known();
        summary.confidence = Some(ci.confidence);
    }
}

fn observation(hit: &Hit) -> Observation {
    if hit.censored { Observation::Above(hit.ms) } else { Observation::Exact(hit.ms) }
}

/// The median; `None` for no values or one that is not finite.
pub(super) fn median_of(observations: impl IntoIterator<Item = Observation>) -> Option<Bound> {
    median(&Sample::new(observations).ok()?)
}

/// The median of plain values.
pub(super) fn median_of_values(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    median_of(values.into_iter().map(Observation::Exact)).and_then(Bound::known)
}

fn longest(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.max_by(f64::total_cmp)
}
