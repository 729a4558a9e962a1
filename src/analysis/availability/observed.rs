//! The rules over the trials of a report.

use std::collections::BTreeMap;

use serde::Serialize;

use super::rules::{Gap, Rule, merged, stays, unavailable_s};
use crate::analysis::compare::{SERVICES, service_of, users_of};
use crate::analysis::measure::model::{CallFate, CallMeasured, Measured, Outage};
use crate::analysis::report::model::{Report, Trial};
use crate::units::RunTime;

/// Availability over what was observed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Observed {
    /// Trials with a window.
    pub trials: usize,
    /// Length of their windows together.
    pub observed_s: f64,
    /// Faults injected in them.
    pub faults: usize,
    /// The rules that count time, for each service.
    pub services: Vec<ServiceAvailability>,
    /// The rule that counts calls, where there were any.
    pub calls: Option<CallSuccess>,
}

/// One service under each rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceAvailability {
    /// As in the report.
    pub service: String,
    /// Its rules.
    pub rules: Vec<RuleResult>,
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RuleResult {
    /// Which.
    pub rule: Rule,
    /// Seconds that count as unavailable, over all trials (of all users together for `user-seconds`).
    pub unavailable_s: f64,
    /// Share of the observation in which the service was available.
    pub availability: f64,
    /// The same in the worst trial.
    pub worst_trial: f64,
}

/// Calls under the rule `call-success`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CallSuccess {
    /// Calls that were due and can be judged.
    pub calls: u64,
    /// Of them, those that were set up and had media both ways to the end, or again after a gap.
    pub completed: u64,
    /// Share of calls that a user would have completed: hang-ups in the gap are modelled, provisionally.
    pub success: f64,
}

const TIME_RULES: [Rule; 4] = [Rule::RawGap, Rule::Itu10s, Rule::Y1540, Rule::UserSeconds];

/// Applies the five rules.
#[must_use]
pub fn observe(report: &Report) -> Observed {
    let observed: Vec<(&Trial, f64)> =
        report.trials.iter().filter_map(|trial| Some((trial, length_s(trial)?))).collect();
    Observed {
        trials: observed.len(),
        observed_s: observed.iter().map(|(_, length)| length).sum(),
        faults: observed.iter().map(|(trial, _)| trial.measured.faults.len()).sum(),
        services: SERVICES.into_iter().filter_map(|service| service_row(&observed, service)).collect(),
        calls: call_success(&report.trials),
    }
}

fn length_s(trial: &Trial) -> Option<f64> {
    let window = trial.measured.window?;
    Some((window.end_ns - window.start_ns).as_secs_f64()).filter(|length| *length > 0.0)
}

fn service_row(observed: &[(&Trial, f64)], service: &str) -> Option<ServiceAvailability> {
    let users = observed
        .iter()
        .filter_map(|(trial, length)| Some((gaps_of_users(&trial.measured, service, *length)?, *length)));
    let trials: Vec<(Users, f64)> = users.collect();
    if trials.is_empty() {
        return None;
    }
    Some(ServiceAvailability {
        service: service.to_owned(),
        rules: TIME_RULES.into_iter().map(|rule| rule_result(rule, &trials)).collect(),
    })
}

/// The affected users' gaps, and how many users were measured.
struct Users {
    gaps: Vec<Vec<Gap>>,
    measured: usize,
}

/// `None` where nobody was measured. Who hung up meanwhile, as planned, is left out.
fn gaps_of_users(measured: &Measured, service: &str, length_s: f64) -> Option<Users> {
    let start = measured.window.map_or(RunTime::ZERO, |window| window.start_ns);
    let mut users: BTreeMap<&str, Vec<Gap>> = BTreeMap::new();
    let of_row = |outage: &&Outage| service_of(outage) == Some(service);
    for outage in measured.outages.iter().filter(of_row).filter(|outage| !outage.left) {
        users.entry(&outage.scope).or_default().push(gap(outage, start, length_s));
    }
    let gaps: Vec<Vec<Gap>> = users.into_values().map(|gaps| merged(&gaps, length_s)).collect();
    let counts = measured.faults.iter().map(|fault| users_of(measured, fault.fault, service));
    let measured = counts.max().unwrap_or(0).max(gaps.len());
    (measured > 0).then_some(Users { gaps, measured })
}

/// What had not come back lasts to the end of the window.
fn gap(outage: &Outage, start: RunTime, length_s: f64) -> Gap {
    let from = (outage.start_ns - start).as_secs_f64();
    (from, if outage.censored { length_s } else { from + outage.duration_ms / 1e3 })
}

fn rule_result(rule: Rule, trials: &[(Users, f64)]) -> RuleResult {
    let each: Vec<(f64, f64)> = trials.iter().map(|(users, length)| counted(rule, users, *length)).collect();
    let (down, due) = each.iter().fold((0.0, 0.0), |sum, each| (sum.0 + each.0, sum.1 + each.1));
    let share = |(down, due): (f64, f64)| 1.0 - down / due;
    RuleResult {
        rule,
        unavailable_s: down,
        availability: share((down, due)),
        worst_trial: each.iter().map(|each| share(*each)).fold(1.0, f64::min),
    }
}

/// Seconds unavailable and seconds due in one trial.
fn counted(rule: Rule, users: &Users, length_s: f64) -> (f64, f64) {
    let of = |gaps: &Vec<Gap>| unavailable_s(rule, gaps, length_s);
    match rule {
        Rule::UserSeconds => (users.gaps.iter().map(of).sum(), length_s * users.measured as f64),
        _ => (median_user(users).map_or(0.0, of), length_s),
    }
}

/// The affected user with the median time without service (the longer of the two in the middle).
fn median_user(users: &Users) -> Option<&Vec<Gap>> {
    let raw = |gaps: &Vec<Gap>| gaps.iter().map(|(start, end)| end - start).sum::<f64>();
    let mut order: Vec<&Vec<Gap>> = users.gaps.iter().collect();
    order.sort_by(|a, b| raw(a).total_cmp(&raw(b)));
    order.get(order.len() / 2).copied()
}

fn call_success(trials: &[Trial]) -> Option<CallSuccess> {
    let calls = trials.iter().flat_map(|trial| &trial.measured.calls);
    let judged: Vec<f64> = calls.filter_map(|call| Some(completes(call, call.fate?))).collect();
    let due = judged.len();
    (due > 0).then(|| CallSuccess {
        calls: due as u64,
        completed: judged.iter().filter(|p| **p > 0.0).count() as u64,
        success: judged.iter().sum::<f64>() / due as f64,
    })
}

/// Probability that a user would have completed the call. What the instrument did not start failed for the user.
fn completes(call: &CallMeasured, fate: CallFate) -> f64 {
    let gap_s = call.gap_ms.iter().map(|(_, ms)| ms / 1e3).fold(0.0, f64::max);
    match fate {
        CallFate::Unaffected => 1.0,
        CallFate::Glitch | CallFate::GapRecovered => stays(gap_s),
        CallFate::OneWay
        | CallFate::PictureDead
        | CallFate::MediaDead
        | CallFate::Zombie
        | CallFate::Dropped
        | CallFate::NeverSetUp
        | CallFate::NotStarted => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::report::fixture;

    fn rule(observed: &Observed, service: &str, rule: Rule) -> RuleResult {
        let row = observed.services.iter().find(|row| row.service == service).unwrap();
        *row.rules.iter().find(|of| of.rule == rule).unwrap()
    }

    /// Two power-offs with takeovers of 0.7 and 1.6 s in windows of 48 s: 1 − 2.3/48 = 95.2 %; no gap reaches 10 s, and
    /// no minute loses a fifth. 12 of 17 users were hit: 12/17 of that in user-seconds.
    #[test]
    fn the_same_gaps_give_five_availabilities() {
        let observed = observe(&fixture::quickstart(2));
        assert_eq!((observed.trials, observed.faults), (2, 4));
        assert!((observed.observed_s - 96.0).abs() < 1e-9);
        let raw = rule(&observed, "media to caller", Rule::RawGap);
        assert!((raw.availability - 0.952).abs() < 0.002 && raw.worst_trial <= raw.availability, "{raw:?}");
        assert_eq!(rule(&observed, "media to caller", Rule::Itu10s).availability, 1.0);
        assert_eq!(rule(&observed, "media to caller", Rule::Y1540).availability, 1.0);
        let users = rule(&observed, "media to caller", Rule::UserSeconds);
        assert!((1.0 - users.availability - (1.0 - raw.availability) * 12.0 / 17.0).abs() < 0.002, "{users:?}");
    }

    /// By hand: one call untouched, one with a gap of 1.701 s (9.4 % hang up), one never set up; one not judged.
    #[test]
    fn calls_count_by_what_their_users_would_have_done() {
        let mut report = fixture::quickstart(1);
        let calls = &mut report.trials[0].measured.calls;
        calls.truncate(4);
        let fates = [Some(CallFate::Unaffected), Some(CallFate::GapRecovered), Some(CallFate::NeverSetUp), None];
        for (call, fate) in calls.iter_mut().zip(fates) {
            (call.fate, call.gap_ms) = (fate, vec![(crate::evidence::history::Direction::ToCaller, 1_701.0)]);
        }
        let success = observe(&report).calls.unwrap();
        assert_eq!((success.calls, success.completed), (3, 2));
        assert!((success.success - (1.0 + 0.906) / 3.0).abs() < 1e-3, "{success:?}");
    }

    #[test]
    fn what_never_came_back_lasts_to_the_end() {
        let mut report = fixture::quickstart(1);
        for outage in report.trials[0].measured.outages.iter_mut().filter(|of| of.service == "sip_answer") {
            (outage.censored, outage.end_ns) = (true, None);
        }
        let observed = observe(&report);
        // From 10.2 s to 48 s: 78.7 %.
        let raw = rule(&observed, "sip_answer", Rule::RawGap);
        assert!((1.0 - raw.availability - 0.787).abs() < 0.005, "{raw:?}");
        assert_eq!(rule(&observed, "sip_answer", Rule::Y1540).availability, 0.0);
    }

    #[test]
    fn nothing_observed_claims_nothing() {
        let observed = observe(&fixture::quickstart(0));
        assert!(observed.services.is_empty() && observed.calls.is_none() && observed.observed_s == 0.0);
    }
}
