//! What the outages mean for five nines: a budget and a coverage, never a bare claim.

use crate::analysis::measure::model::Measured;
use crate::analysis::report::model::{Availability, BudgetRow, OutageSummary, TargetBudget, Transition, Trial};
use crate::analysis::report::words;
use crate::analysis::stats::availability::{downtime_budget, failures_per_year, mtbf_needed_s, observation_needed_s};
use crate::analysis::stats::proportion_lower;

const TARGET: f64 = 0.99999;
/// A time and no outage: where nodes share their registrations nobody misses it.
const REGISTERED: &str = "idle_registered";

/// The budget of every service that came back, the coverage, and the sentence.
pub(super) fn availability(transitions: &[Transition], outages: &[OutageSummary], trials: &[Trial]) -> Availability {
    let (succeeded, failovers) = failovers(trials);
    let coverage_low = coverage_low(trials);
    let budget: Vec<BudgetRow> = outages
        .iter()
        .filter(|outage| outage.service != REGISTERED)
        .filter_map(|outage| budget_row(&outage.service, transitions))
        .collect();
    let statement = statement(&budget, outages, succeeded, failovers, coverage_low);
    Availability { target: TARGET, failovers, succeeded, coverage_low, budget, targets: targets(), statement }
}

/// Three to six nines.
pub(in crate::analysis::report) fn targets() -> Vec<TargetBudget> {
    let budget = |target: f64| downtime_budget(target).ok();
    let all = [0.999, 0.9999, TARGET, 0.999_999].into_iter().filter_map(budget);
    all.map(|budget| TargetBudget { target: budget.availability, downtime_s: budget.per_year_s }).collect()
}

/// Failovers that worked, and those that were tried.
fn failovers(trials: &[Trial]) -> (u64, u64) {
    let verified = || trials.iter().flat_map(|trial| verified_faults(&trial.measured).map(move |fault| (trial, fault)));
    let succeeded = verified().filter(|(trial, fault)| all_came_back(&trial.measured, *fault)).count() as u64;
    (succeeded, verified().count() as u64)
}

/// Lower 95 % limit of the probability that a failover works; `None` where none was tried.
pub(super) fn coverage_low(trials: &[Trial]) -> Option<f64> {
    let (succeeded, failovers) = failovers(trials);
    (failovers > 0).then(|| proportion_lower(succeeded, failovers, 0.95).ok()).flatten()
}

fn verified_faults(measured: &Measured) -> impl Iterator<Item = usize> {
    measured.faults.iter().filter(|fault| fault.verified && fault.heal_of.is_none()).map(|fault| fault.fault)
}

/// A user who is out since an earlier fault has not come back either; who hung up meanwhile tells nothing.
fn all_came_back(measured: &Measured, fault: usize) -> bool {
    let outages = || measured.outages.iter().filter(|outage| outage.service != REGISTERED);
    !outages().any(|outage| outage.fault.is_some_and(|of| of <= fault) && outage.censored && !outage.left)
}

/// The slowest transition counts: they are different experiments, and a median over them would describe none.
/// `None` where the median user of one never came back: no number of such failures is known to fit the budget.
fn budget_row(service: &str, transitions: &[Transition]) -> Option<BudgetRow> {
    let rows = || transitions.iter().flat_map(|transition| &transition.services).filter(|row| row.service == service);
    if rows().any(|row| row.median_above_ms.is_some()) {
        return None;
    }
    let slowest = rows().filter(|row| row.median_ms.is_some()).max_by(|a, b| median(a).total_cmp(&median(b)))?;
    let downtime_s = slowest.median_ms? / 1e3;
    Some(BudgetRow {
        service: service.to_owned(),
        downtime_ms: slowest.median_ms?,
        failures_per_year: failures_per_year(TARGET, downtime_s).ok()?,
        failures_per_year_low: slowest.ci_high_ms.and_then(|ms| failures_per_year(TARGET, ms / 1e3).ok()),
        downtime_interval_ms: slowest.ci_low_ms.zip(slowest.ci_high_ms),
        mtbf_needed_h: mtbf_needed_s(TARGET, downtime_s).ok()? / 3600.0,
        observation_needed_h: observation_needed_s(TARGET, downtime_s, 0.95).ok()? / 3600.0,
    })
}

fn median(row: &OutageSummary) -> f64 {
    row.median_ms.unwrap_or(0.0)
}

fn statement(
    budget: &[BudgetRow],
    outages: &[OutageSummary],
    succeeded: u64,
    failovers: u64,
    coverage_low: Option<f64>,
) -> String {
    let mut sentences: Vec<String> = Vec::new();
    if failovers > 0 {
        sentences.push(budget_sentence(budget, outages));
    }
    match coverage_low {
        Some(low) if succeeded > 0 => sentences.push(format!(
            "After {succeeded} of {failovers} failovers every user had every service back: at least {:.1} % of failovers do so \
             (95 % confidence, one-sided).",
            low * 100.0
        )),
        Some(_) => sentences.push(format!("After none of {failovers} failovers every user had every service back.")),
        None => {}
    }
    sentences.push(
        "Measured were outages after faults made on purpose, and what users lived through. Availability itself was not \
         measured: an injected fault tells nothing about how often one happens."
            .to_owned(),
    );
    sentences.join(" ")
}

/// Speaks of the service that matters most among those that went away.
fn budget_sentence(budget: &[BudgetRow], outages: &[OutageSummary]) -> String {
    let preferred = ["media to caller", "media to callee", "new_call", "register", "sip_answer"];
    let outages = || outages.iter().filter(|row| row.affected > 0 && row.service != REGISTERED);
    let hit = |name: &str| outages().find(|row| row.service == name);
    let worst = preferred.iter().find_map(|name| hit(name)).or_else(|| outages().next());
    let year_s = downtime_budget(TARGET).map_or(0.0, |budget| budget.per_year_s);
    let Some(worst) = worst else {
        return format!(
            "No outage was seen, so none can be held against the {year_s:.0} s a year that five nines allow."
        );
    };
    let user = words::user_of(&worst.service);
    match budget.iter().find(|row| row.service == worst.service) {
        Some(row) => format!(
            "If such a failure comes no more than {} times a year, {user} stays within the {year_s:.0} s a year that five \
             nines allow.",
            words::count(row.failures_per_year_low.unwrap_or(row.failures_per_year).floor()),
        ),
        None => format!(
            "Typically {user} did not have the service back within the window: not even one such failure a year is known to \
             fit the {year_s:.0} s that five nines allow."
        ),
    }
}
