//! Idle phones by profile: the rows of the outage tables, for the phones of one profile alone.

use std::collections::BTreeSet;

use super::outages::summarize;
use super::rows::ROWS;
use crate::analysis::report::model::{IdlePhones, OutageSummary, Transition, Trial};
use crate::scenario::Scenario;

/// One entry for each fault and profile; none where all idle phones have the same one.
pub(super) fn idle(scenario: &Scenario, transitions: &[Transition], trials: &[Trial]) -> Vec<IdlePhones> {
    let profiles = profiles(trials);
    if profiles.len() < 2 {
        return Vec::new();
    }
    let of = |profile: &String| {
        let theirs: Vec<Trial> = trials.iter().map(|trial| of_profile(trial, profile)).collect();
        let entry = |transition: &Transition| {
            let rows = ROWS.iter().filter(|row| row.service.starts_with("idle_"));
            let services: Vec<OutageSummary> = rows
                .filter_map(|row| summarize(scenario, &theirs, std::slice::from_ref(row), Some(transition.fault)))
                .collect();
            IdlePhones { fault: transition.fault, profile: profile.clone(), services }
        };
        transitions.iter().map(entry).filter(|entry| !entry.services.is_empty()).collect::<Vec<_>>()
    };
    let mut all: Vec<IdlePhones> = profiles.iter().flat_map(of).collect();
    all.sort_by_key(|entry| entry.fault);
    all
}

fn profiles(trials: &[Trial]) -> BTreeSet<String> {
    let users =
        trials.iter().flat_map(|trial| &trial.measured.users).filter(|users| users.service.starts_with("idle_"));
    users.flat_map(|users| &users.users).filter_map(|phone| profile_of(phone)).map(str::to_owned).collect()
}

/// Idle phones are named `pjsua-03-calls`: profile, number, question.
fn profile_of(phone: &str) -> Option<&str> {
    let (rest, _question) = phone.rsplit_once('-')?;
    Some(rest.rsplit_once('-')?.0)
}

/// The trial with the phones of that profile alone.
fn of_profile(trial: &Trial, profile: &str) -> Trial {
    let mut trial = trial.clone();
    trial.measured.outages.retain(|outage| profile_of(&outage.scope) == Some(profile));
    for users in &mut trial.measured.users {
        users.users.retain(|user| profile_of(user) == Some(profile));
    }
    trial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_from_the_name_of_its_phone() {
        assert_eq!(profile_of("pjsua-03-calls"), Some("pjsua"));
        assert_eq!(profile_of("polycom-vvx-11-watched"), Some("polycom-vvx"));
        assert_eq!(profile_of("chat"), None);
    }
}
