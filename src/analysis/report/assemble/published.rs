//! Figures that others have published, beside ours, and what their size can and cannot be.

use crate::analysis::report::model::{FindingSummary, PublishedRow, Transition, Trial};
use crate::analysis::report::words;
use crate::analysis::theory::DEFAULT_VRRP;
use crate::scenario::Scenario;

/// A published figure this near to the law's value may be it: servers answer so soon after the address moved.
const NEAR_MS: f64 = 150.0;

/// One row for each published figure of the scenario.
pub(super) fn rows(scenario: &Scenario, transitions: &[Transition]) -> Vec<PublishedRow> {
    let row = |of: &crate::scenario::Published| {
        let ours = transitions.iter().find(|transition| transition.label == of.label);
        let service = ours.and_then(|ours| ours.services.iter().find(|row| row.service == of.service));
        PublishedRow {
            label: of.label.clone(),
            published_ms: of.outage.0.as_millis_f64(),
            source: of.source.clone(),
            service: of.service.clone(),
            ours_ms: service.and_then(|row| row.median_ms),
            ours_low_ms: service.and_then(|row| row.ci_low_ms),
            ours_high_ms: service.and_then(|row| row.ci_high_ms),
            n: service.map_or(0, |row| row.n),
            machines: ours.map(|ours| ours.machines.clone()).unwrap_or_default(),
            comment: if of.by_cluster { size(of.outage.0.as_millis_f64()) } else { String::new() },
        }
    };
    scenario.published.iter().map(row).collect()
}

/// What a failover of that length can be under keepalived's default timers.
fn size(ms: f64) -> String {
    let (low, high) = DEFAULT_VRRP.crash().bounds_ms();
    let (graceful, _) = DEFAULT_VRRP.resignation().bounds_ms();
    let crash = format!("a crash under default VRRP timers ({} to {})", words::duration(low), words::duration(high));
    if (ms - graceful).abs() <= NEAR_MS {
        format!("shorter than {crash}; it fits a graceful hand-over ({})", words::duration(graceful))
    } else if ms < low {
        format!("shorter than {crash}: other timers, or a graceful hand-over and a start")
    } else if ms <= high + NEAR_MS {
        format!("fits {crash}")
    } else {
        format!("longer than {crash}: something beside the address had to come up")
    }
}

/// Findings of all trials, each kind once.
pub(super) fn findings(trials: &[Trial]) -> Vec<FindingSummary> {
    let mut found: Vec<FindingSummary> = Vec::new();
    for finding in trials.iter().flat_map(|trial| &trial.measured.findings) {
        match found.iter_mut().find(|known| known.kind == finding.kind) {
            Some(known) => {
                known.trials += 1;
                known.count += finding.count;
                known.longest_ms = [known.longest_ms, finding.longest_ms].into_iter().flatten().reduce(f64::max);
            }
            None => found.push(FindingSummary {
                kind: finding.kind.clone(),
                trials: 1,
                count: finding.count,
                longest_ms: finding.longest_ms,
                who: finding.who.clone(),
            }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Default timers: crash 2609.375 to 3609.375 ms, resignation 609.375 ms (RFC 3768 section 5.3.2).
    #[test]
    fn a_published_figure_is_held_against_what_default_timers_allow() {
        assert!(size(692.0).contains("fits a graceful hand-over (609 ms)"), "{}", size(692.0));
        assert!(size(1622.0).contains("other timers"));
        assert!(size(3000.0).starts_with("fits a crash"));
        assert!(size(9000.0).starts_with("longer"));
    }
}
