//! The figure behind each threshold.

use crate::analysis::measure::model::QosPeriod;
use crate::analysis::report::model::{OutageSummary, Trial};
use crate::analysis::stats::Bound;
use crate::analysis::verdict::Figure;
use crate::scenario::{Metric, Period, Scenario};

use super::outages::{quantile_over_trials, summarize};
use super::rows::{ROWS, Row};
use super::{availability, quality};

/// What the report knows about a threshold's figure.
pub(super) fn figure(metric: &Metric, scenario: &Scenario, trials: &[Trial], qos: &[QosPeriod]) -> Figure {
    let period = |of: &Period, get: fn(&QosPeriod) -> Option<f64>| {
        known(qos.iter().find(|qos| qos.period == of.name()).and_then(get))
    };
    let rows_of = |name: &str| ROWS.into_iter().filter(|row| row.service == name).collect::<Vec<Row>>();
    let service = |name: &str, read: fn(&OutageSummary) -> Figure| {
        summarize(scenario, trials, &rows_of(name), None).map_or(Figure::Undefined, |row| read(&row))
    };
    match metric {
        Metric::OutageMedian(name) => service(name, median),
        Metric::OutageQuantile(name, percent) => {
            quantile_over_trials(trials, &rows_of(name), percent.probability()).map_or(Figure::Undefined, bound)
        }
        Metric::OutageWorst(name) => service(name, worst),
        Metric::OutageCensored(name) => service(name, |row| Figure::Known(row.censored as f64)),
        Metric::MediaGapMax => longest_gap(trials),
        Metric::Calls(fate) => of_fate(&quality::call_fates(trials), &[fate]),
        Metric::Messages(fate) => of_fate(&quality::message_fates(trials), &[fate]),
        Metric::MessagesLost => of_fate(&quality::message_fates(trials), &["acknowledged_lost", "unacknowledged_lost"]),
        Metric::DelayP95(of) => period(of, |qos| qos.delay_ms_p95),
        Metric::JitterP95(of) => period(of, |qos| qos.jitter_ms_p95),
        Metric::Loss(of) => period(of, |qos| qos.loss_percent),
        Metric::Mos(of) => period(of, |qos| qos.mos_median),
        Metric::MosMin(of) => period(of, |qos| qos.mos_min),
        Metric::CoverageLower95 => known(availability::coverage_low(trials)),
    }
}

fn known(value: Option<f64>) -> Figure {
    value.map_or(Figure::Undefined, Figure::Known)
}

fn bound(bound: Bound) -> Figure {
    if bound.censored { Figure::Unrecovered { above: bound.value } } else { Figure::Known(bound.value) }
}

/// A service that was measured and never went away has an outage of 0.
fn median(row: &OutageSummary) -> Figure {
    match (row.median_ms, row.median_above_ms) {
        (Some(ms), _) => Figure::Known(ms),
        (None, Some(above)) => Figure::Unrecovered { above },
        (None, None) => Figure::Known(0.0),
    }
}

fn worst(row: &OutageSummary) -> Figure {
    match row.worst_above_ms {
        Some(above) => Figure::Unrecovered { above },
        None => Figure::Known(row.worst_ms.unwrap_or(0.0)),
    }
}

/// Silences of every length count, those too short for an outage as well; one that had not ended is infinite. Who
/// hung up in it, as planned, tells nothing.
fn longest_gap(trials: &[Trial]) -> Figure {
    let longest = |values: &mut dyn Iterator<Item = f64>| values.max_by(f64::total_cmp);
    let media = trials.iter().flat_map(|trial| &trial.measured.outages).filter(|of| of.service == "media" && !of.left);
    if let Some(above) = longest(&mut media.filter(|of| of.censored).map(|of| of.duration_ms)) {
        return Figure::Unrecovered { above };
    }
    let gaps = trials.iter().flat_map(|trial| &trial.measured.calls).flat_map(|call| &call.gap_ms);
    known(longest(&mut gaps.map(|(_, ms)| *ms)))
}

/// No call or message at all: its fates are undefined, not 0.
fn of_fate(counts: &std::collections::BTreeMap<String, u64>, fates: &[&str]) -> Figure {
    let count = |fate: &&str| counts.get(*fate).copied().unwrap_or(0);
    known((!counts.is_empty()).then(|| fates.iter().map(count).sum::<u64>() as f64))
}
