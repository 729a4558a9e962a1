//! How often failover worked, before and now.

use super::model::CoverageComparison;
use super::{Baseline, FailoverCounts, Options};
use crate::analysis::report::model::Outcome;
use crate::analysis::stats::{fisher_exact, samples_for_proportions};

/// All faults of the baseline; p is not yet adjusted and nothing is judged.
pub(super) fn pair(baseline: &Baseline, run: &Baseline) -> Vec<CoverageComparison> {
    let now =
        |before: &FailoverCounts| run.failovers.iter().find(|now| now.fault == before.fault && now.kind == before.kind);
    baseline.failovers.iter().map(|before| row(before, now(before))).collect()
}

fn row(before: &FailoverCounts, now: Option<&FailoverCounts>) -> CoverageComparison {
    let (recovered_run, tried_run) = now.map_or((0, 0), |now| (now.recovered, now.tried));
    CoverageComparison {
        fault: before.fault,
        kind: before.kind.clone(),
        tried_baseline: before.tried,
        recovered_baseline: before.recovered,
        tried_run,
        recovered_run,
        p: fisher_exact(before.recovered, before.tried, recovered_run, tried_run).ok(),
        p_holm: None,
        needed_n: None,
        outcome: Outcome::Unknown,
        why: String::new(),
    }
}

/// Fills outcome, reason and the number of trials that would settle it.
pub(super) fn judge(row: &mut CoverageComparison, options: &Options) {
    let before = share(row.recovered_baseline, row.tried_baseline);
    let now = share(row.recovered_run, row.tried_run);
    let counts = format!(
        "{} of {} failovers worked, {} of {} in the baseline",
        row.recovered_run, row.tried_run, row.recovered_baseline, row.tried_baseline
    );
    let significant = row.p_holm.is_some_and(|p| p < options.alpha);
    (row.outcome, row.why) = match (before, now) {
        (Some(before), Some(now)) if now >= before => (Outcome::Pass, counts),
        (Some(_), Some(_)) if significant => (Outcome::Fail, format!("works less often: {counts}")),
        (Some(before), Some(now)) => {
            row.needed_n = samples_for_proportions(before, now, options.alpha, options.power).ok();
            let needed = row.needed_n.map(|n| format!("; run {n} trials on each side")).unwrap_or_default();
            (Outcome::Unknown, format!("cannot be told: {counts}{needed}"))
        }
        _ => (Outcome::Unknown, "the fault did not bite in both runs".to_owned()),
    };
}

fn share(recovered: u64, tried: u64) -> Option<f64> {
    (tried > 0).then(|| recovered as f64 / tried as f64)
}
