//! Outages before and now: shift, test and decision.

use super::decide::{self, Decision, Evidence, asks_for, spread};
use super::model::{OutageComparison, signed};
use super::{Baseline, Options, ServiceSample};
use crate::analysis::report::model::Outcome;
use crate::analysis::report::words::duration;
use crate::analysis::stats::{Bound, Observation, Sample, hodges_lehmann, kaplan_meier_median, mann_whitney};

/// A row and what its decision needs beside it.
pub(super) struct Pair {
    pub(super) shown: OutageComparison,
    /// Standard deviation over trials, where it can be estimated.
    sd_ms: Option<f64>,
}

/// All services and faults of the baseline; p is not yet adjusted and nothing is judged.
pub(super) fn pair(baseline: &Baseline, run: &Baseline, options: &Options) -> Vec<Pair> {
    let now = |before: &ServiceSample| run.sample(before.fault, &before.kind, &before.service);
    baseline.outages.iter().map(|before| row(before, now(before), options)).collect()
}

fn row(before: &ServiceSample, now: Option<&ServiceSample>, options: &Options) -> Pair {
    let first = before.observations();
    let second = now.map(ServiceSample::observations).unwrap_or_default();
    let shift = hodges_lehmann(&first, &second, 1.0 - options.alpha).ok();
    let interval = shift.and_then(|shift| shift.interval);
    let baseline_median = typical(&first);
    let relative = baseline_median.map_or(0.0, |median| median.value * options.tolerance_percent / 100.0);
    let shown = OutageComparison {
        fault: before.fault,
        kind: before.kind.clone(),
        heal_of: before.heal_of,
        service: before.service.clone(),
        n_baseline: first.len(),
        n_run: second.len(),
        censored_baseline: before.above_ms.len(),
        censored_run: now.map_or(0, |now| now.above_ms.len()),
        baseline_median_ms: baseline_median.and_then(Bound::known),
        run_median_ms: typical(&second).and_then(Bound::known),
        shift_ms: shift.and_then(|shift| shift.estimate),
        shift_low_ms: interval.and_then(|interval| interval.low),
        shift_high_ms: interval.and_then(|interval| interval.high),
        confidence: interval.map(|interval| interval.confidence),
        p: mann_whitney(&first, &second).ok().map(|test| test.p),
        p_holm: None,
        tolerance_ms: options.tolerance_ms.max(relative),
        needed_n: None,
        outcome: Outcome::Unknown,
        why: String::new(),
    };
    Pair { shown, sd_ms: shift.and_then(|shift| spread(&first, &second, &shift)) }
}

fn typical(observations: &[Observation]) -> Option<Bound> {
    kaplan_meier_median(&Sample::new(observations.iter().copied()).ok()?)
}

/// Fills outcome, reason and the number of trials that would settle it.
pub(super) fn judge(pair: &mut Pair, tests: usize, options: &Options) {
    let (outcome, needed, why) = judged(&pair.shown, pair.sd_ms, decide::least_each(tests, options.alpha), options);
    (pair.shown.outcome, pair.shown.needed_n, pair.shown.why) = (outcome, needed, why);
}

fn judged(row: &OutageComparison, sd: Option<f64>, least: u64, options: &Options) -> (Outcome, Option<u64>, String) {
    if row.n_run == 0 {
        return (Outcome::Unknown, None, "measured in the baseline and not in the run".to_owned());
    }
    if row.baseline_median_ms.is_none() && row.censored_baseline > 0 {
        return (Outcome::Pass, None, "did not come back in the baseline either: it cannot become slower".to_owned());
    }
    let each = row.n_baseline.min(row.n_run) as u64;
    let evidence = Evidence {
        each,
        shift: row.shift_ms,
        interval: row.confidence.map(|_| (row.shift_low_ms, row.shift_high_ms)),
        p_holm: row.p_holm,
        tolerance: row.tolerance_ms,
        sd,
        least,
    };
    match decide::decide(&evidence, options) {
        Decision::Worse => (Outcome::Fail, None, slower(row)),
        Decision::Excluded => (Outcome::Pass, None, not_slower(row)),
        Decision::NotShown => (Outcome::Pass, None, format!("no slowdown shown: {}", row.shift_text())),
        Decision::NoInterval(needed) => {
            (Outcome::Unknown, needed, format!("{each} trials on a side give no interval; {}", asks_for(needed)))
        }
        Decision::Untold(needed) => {
            (Outcome::Unknown, needed, format!("cannot be told: {}; {}", row.shift_text(), asks_for(needed)))
        }
    }
}

fn slower(row: &OutageComparison) -> String {
    let now = row.run_median_ms.map_or_else(|| "never".to_owned(), duration);
    let before = row.baseline_median_ms.map_or_else(|| "never".to_owned(), duration);
    format!("slower by {}, {before} before and {now} now, beyond {}", row.shift_text(), duration(row.tolerance_ms))
}

fn not_slower(row: &OutageComparison) -> String {
    match row.shift_high_ms {
        Some(high) if high < 0.0 => format!("faster: {}", row.shift_text()),
        Some(high) => format!("at most {} slower: {}", signed(high), row.shift_text()),
        None => row.shift_text(),
    }
}
