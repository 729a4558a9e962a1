//! Media quality before and now: differences, not decisions.

use super::model::QualityComparison;
use super::{Baseline, Options, QualitySample};
use crate::analysis::stats::{Bound, Observation, Sample, hodges_lehmann, mann_whitney, median};

/// Every figure that both runs have.
pub(super) fn pair(baseline: &Baseline, run: &Baseline, options: &Options) -> Vec<QualityComparison> {
    let now = |before: &QualitySample| {
        run.quality.iter().find(|now| now.figure == before.figure && now.period == before.period)
    };
    baseline.quality.iter().filter_map(|before| row(before, now(before)?, options)).collect()
}

fn row(before: &QualitySample, now: &QualitySample, options: &Options) -> Option<QualityComparison> {
    let observations =
        |sample: &QualitySample| sample.trials.iter().map(|v| Observation::Exact(*v)).collect::<Vec<_>>();
    let middle = |sample: &QualitySample| median(&Sample::exact(&sample.trials).ok()?).and_then(Bound::known);
    let (first, second) = (observations(before), observations(now));
    let shift = hodges_lehmann(&first, &second, 1.0 - options.alpha).ok()?;
    Some(QualityComparison {
        figure: before.figure.clone(),
        period: before.period.clone(),
        n_baseline: first.len(),
        n_run: second.len(),
        baseline_median: middle(before)?,
        run_median: middle(now)?,
        shift: shift.estimate,
        shift_low: shift.interval.and_then(|interval| interval.low),
        shift_high: shift.interval.and_then(|interval| interval.high),
        p: mann_whitney(&first, &second).ok().map(|test| test.p),
    })
}
