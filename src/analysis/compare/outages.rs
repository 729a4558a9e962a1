//! Outages before and now: shift, test and decision.

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::factorial::binomial;

use super::model::{OutageComparison, signed};
use super::{Baseline, Options, ServiceSample};
use crate::analysis::report::model::Outcome;
use crate::analysis::report::words::duration;
use crate::analysis::stats::{
    Bound, Observation, Sample, Shift, hodges_lehmann, kaplan_meier_median, mann_whitney, samples_for_shift,
};

/// With fewer trials than this on each side no interval reaches 95 %.
const INTERVAL_FROM: u64 = 4;

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

/// The standard deviation that the interval's width stands for, which one outlier does not spoil; without an
/// interval the pooled one of the values.
fn spread(first: &[Observation], second: &[Observation], shift: &Shift) -> Option<f64> {
    let each = 1.0 / first.len() as f64 + 1.0 / second.len() as f64;
    let ends = shift.interval.and_then(|i| Some((i.low?, i.high?, i.confidence)));
    if let Some((low, high, confidence)) = ends {
        let half = Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence));
        return Some((high - low) / (2.0 * half) / (each * std::f64::consts::FRAC_PI_3).sqrt());
    }
    pooled(&[first, second])
}

fn pooled(sides: &[&[Observation]]) -> Option<f64> {
    let (mut squares, mut freedom) = (0.0, 0usize);
    for side in sides {
        let values: Vec<f64> = side.iter().map(|observation| observation.at_least()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        squares += values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        freedom += values.len().saturating_sub(1);
    }
    (freedom > 0).then(|| (squares / freedom as f64).sqrt())
}

/// Fills outcome, reason and the number of trials that would settle it.
pub(super) fn judge(pair: &mut Pair, tests: usize, options: &Options) {
    let (outcome, needed, why) = decide(&pair.shown, pair.sd_ms, least_each(tests, options.alpha), options);
    (pair.shown.outcome, pair.shown.needed_n, pair.shown.why) = (outcome, needed, why);
}

/// With fewer trials than this on each side not even complete separation is significant among so many tests: of the
/// C(2n, n) orders two are as extreme.
fn least_each(tests: usize, alpha: f64) -> u64 {
    let extreme = |n: u64| 2.0 / binomial(2 * n, n) * tests as f64;
    (INTERVAL_FROM..100).find(|n| extreme(*n) < alpha).unwrap_or(100)
}

fn decide(row: &OutageComparison, sd_ms: Option<f64>, least: u64, options: &Options) -> (Outcome, Option<u64>, String) {
    let unknown = |needed: Option<u64>, why: String| (Outcome::Unknown, needed, why);
    if row.n_run == 0 {
        return unknown(None, "measured in the baseline and not in the run".to_owned());
    }
    if row.baseline_median_ms.is_none() && row.censored_baseline > 0 {
        return (Outcome::Pass, None, "did not come back in the baseline either: it cannot become slower".to_owned());
    }
    let tolerance = row.tolerance_ms;
    let each = row.n_baseline.min(row.n_run) as u64;
    let trials_for = |ms: f64| {
        let needed = sd_ms.map(|sd| if sd > 0.0 { ms / sd } else { f64::INFINITY });
        needed.map(|shift| samples_for_shift(shift.min(1e3), options.alpha, options.power).unwrap_or(u64::MAX))
    };
    let to_tell = trials_for(tolerance).map(|n| n.max(least));
    if row.confidence.is_none() {
        return unknown(to_tell, format!("{each} trials on a side give no interval; {}", asks_for(to_tell)));
    }
    let significant = row.p_holm.is_some_and(|p| p < options.alpha);
    let beyond = row.shift_low_ms.is_some_and(|low| low > tolerance);
    let excluded = row.shift_high_ms.is_some_and(|high| high <= tolerance);
    let powered = to_tell.is_some_and(|needed| each >= needed);
    let small = row.shift_ms.is_some_and(|shift| shift <= tolerance);
    match () {
        () if beyond && significant => (Outcome::Fail, None, slower(row)),
        () if excluded => (Outcome::Pass, None, not_slower(row)),
        () if small && powered => (Outcome::Pass, None, format!("no slowdown shown: {}", row.shift_text())),
        () => {
            let away = row.shift_ms.map_or(tolerance, |shift| (shift - tolerance).abs());
            let needed = if powered { trials_for(away.max(1e-3)).filter(|n| *n > each) } else { to_tell };
            unknown(needed, format!("cannot be told: {}; {}", row.shift_text(), asks_for(needed)))
        }
    }
}

fn asks_for(needed: Option<u64>) -> String {
    needed.map_or_else(|| "run more trials".to_owned(), |n| format!("run {n} trials on each side"))
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
