//! Media quality before and now: MOS, delay, jitter and loss of each period, judged as outages are.

use super::decide::{self, Decision, Evidence, asks_for, spread};
use super::model::QualityComparison;
use super::{Baseline, Options, QualitySample};
use crate::analysis::report::model::Outcome;
use crate::analysis::stats::{Bound, Observation, Sample, hodges_lehmann, mann_whitney, median};

/// A row and what its decision needs beside it.
pub(super) struct Pair {
    pub(super) shown: QualityComparison,
    /// Standard deviation over trials, where it can be estimated.
    sd: Option<f64>,
}

/// Every figure of the baseline; p is not yet adjusted and nothing is judged.
pub(super) fn pair(baseline: &Baseline, run: &Baseline, options: &Options) -> Vec<Pair> {
    let now = |before: &QualitySample| run.quality(&before.figure, &before.period);
    baseline.quality.iter().map(|before| row(before, now(before), options)).collect()
}

fn row(before: &QualitySample, now: Option<&QualitySample>, options: &Options) -> Pair {
    let exact = |values: &[f64]| values.iter().map(|v| Observation::Exact(*v)).collect::<Vec<_>>();
    let middle = |values: &[f64]| median(&Sample::exact(values).ok()?).and_then(Bound::known);
    let values = now.map(|now| now.trials.as_slice()).unwrap_or_default();
    let (first, second) = (exact(&before.trials), exact(values));
    let shift = hodges_lehmann(&first, &second, 1.0 - options.alpha).ok();
    let interval = shift.and_then(|shift| shift.interval);
    let shown = QualityComparison {
        figure: before.figure.clone(),
        period: before.period.clone(),
        n_baseline: first.len(),
        n_run: second.len(),
        baseline_median: middle(&before.trials),
        run_median: middle(values),
        shift: shift.and_then(|shift| shift.estimate),
        shift_low: interval.and_then(|interval| interval.low),
        shift_high: interval.and_then(|interval| interval.high),
        confidence: interval.map(|interval| interval.confidence),
        p: mann_whitney(&first, &second).ok().map(|test| test.p),
        p_holm: None,
        tolerance: tolerance(&before.figure, options),
        needed_n: None,
        outcome: Outcome::Unknown,
        why: String::new(),
    };
    Pair { shown, sd: shift.and_then(|shift| spread(&first, &second, &shift)) }
}

fn tolerance(figure: &str, options: &Options) -> f64 {
    match figure {
        "mos" => options.tolerance_mos,
        "delay_ms_p95" => options.tolerance_delay_ms,
        "jitter_ms_p95" => options.tolerance_jitter_ms,
        _ => options.tolerance_loss_percent,
    }
}

/// Fills outcome, reason and the number of trials that would settle it.
pub(super) fn judge(pair: &mut Pair, tests: usize, options: &Options) {
    let (outcome, needed, why) = judged(&pair.shown, pair.sd, decide::least_each(tests, options.alpha), options);
    (pair.shown.outcome, pair.shown.needed_n, pair.shown.why) = (outcome, needed, why);
}

fn judged(row: &QualityComparison, sd: Option<f64>, least: u64, options: &Options) -> (Outcome, Option<u64>, String) {
    if row.n_run == 0 {
        return (Outcome::Unknown, None, "measured in the baseline and not in the run".to_owned());
    }
    let each = row.n_baseline.min(row.n_run) as u64;
    match decide::decide(&towards_worse(row, each, sd, least), options) {
        Decision::Worse => (Outcome::Fail, None, format!("worse by {}, beyond {}", row.shift_text(), row.tolerated())),
        Decision::Excluded | Decision::NotShown => (Outcome::Pass, None, row.shift_text()),
        Decision::NoInterval(needed) => {
            (Outcome::Unknown, needed, format!("{each} trials on a side give no interval; {}", asks_for(needed)))
        }
        Decision::Untold(needed) => {
            (Outcome::Unknown, needed, format!("cannot be told: {}; {}", row.shift_text(), asks_for(needed)))
        }
    }
}

/// A lower MOS is worse; of everything else more is.
fn towards_worse(row: &QualityComparison, each: u64, sd: Option<f64>, least: u64) -> Evidence {
    let ends = row.confidence.map(|_| (row.shift_low, row.shift_high));
    let turned = |value: Option<f64>| value.map(|value| -value);
    let (shift, interval) = match row.figure.as_str() {
        "mos" => (turned(row.shift), ends.map(|(low, high)| (turned(high), turned(low)))),
        _ => (row.shift, ends),
    };
    Evidence { each, shift, interval, p_holm: row.p_holm, tolerance: row.tolerance, sd, least }
}
