//! Media quality and fates over trials.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::measure::categories_of;
use crate::analysis::measure::model::{
    CallMeasured, DejitterScore, PeriodDejitter, QosPeriod, StreamMeasured, ThesisCompatible,
};
use crate::analysis::report::model::{MosSummary, Trial};
use crate::analysis::report::words;
use crate::evidence::history::OpKind;

use super::outages::median_of_values;

const PERIODS: [&str; 3] = ["before", "during", "after"];

/// Each period over all trials: counts are added, loss is of all packets due, each percentile is the median
/// of the trials' percentiles (packets of different trials are never pooled), bounds are the worst.
pub(super) fn pool_qos(trials: &[Trial]) -> Vec<QosPeriod> {
    let of = |period: &str| -> Vec<&QosPeriod> {
        trials.iter().flat_map(|trial| &trial.measured.qos).filter(|qos| qos.period == period).collect()
    };
    PERIODS.iter().map(|period| of(period)).filter(|parts| !parts.is_empty()).map(|parts| pool(&parts)).collect()
}

fn pool(parts: &[&QosPeriod]) -> QosPeriod {
    let median = |get: fn(&QosPeriod) -> Option<f64>| median_of_values(parts.iter().filter_map(|qos| get(qos)));
    let extreme = |get: fn(&QosPeriod) -> Option<f64>, pick: fn(f64, f64) -> f64| {
        parts.iter().filter_map(|qos| get(qos)).reduce(pick)
    };
    let expected: u64 = parts.iter().map(|qos| qos.expected).sum();
    let lost: f64 = parts.iter().filter_map(|qos| qos.loss_percent.map(|loss| loss * qos.expected as f64)).sum();
    let refused: BTreeSet<&String> = parts.iter().flat_map(|qos| &qos.mos_refused).collect();
    let mut pooled = QosPeriod {
        period: parts.first().map(|qos| qos.period.clone()).unwrap_or_default(),
        streams: parts.iter().map(|qos| qos.streams).sum(),
        expected,
        loss_percent: (expected > 0).then(|| lost / expected as f64),
        delay_ms_mean: median(|qos| qos.delay_ms_mean),
        delay_ms_p50: median(|qos| qos.delay_ms_p50),
        delay_ms_p95: median(|qos| qos.delay_ms_p95),
        delay_error_ms: extreme(|qos| qos.delay_error_ms, f64::max),
        ipdv_ms: median(|qos| qos.ipdv_ms),
        jitter_ms_mean: median(|qos| qos.jitter_ms_mean),
        jitter_ms_p95: median(|qos| qos.jitter_ms_p95),
        mos_median: median(|qos| qos.mos_median),
        mos_min: extreme(|qos| qos.mos_min, f64::min),
        mos_valid: parts.iter().all(|qos| qos.mos_valid),
        mos_refused: refused.into_iter().cloned().collect(),
        dejitter: buffers(parts),
        categories: None,
    };
    pooled.categories = categories_of(
        &pooled,
        median(|qos| packet_gap(qos).map(|gap| gap.packet_gap_ms_mean))
            .zip(median(|qos| packet_gap(qos).map(|gap| gap.packet_gap_variation_ms))),
    );
    pooled
}

fn packet_gap(qos: &QosPeriod) -> Option<&ThesisCompatible> {
    qos.categories.as_ref()?.thesis_compatible.as_ref()
}

/// Each de-jitter buffer over the trials.
fn buffers(parts: &[&QosPeriod]) -> Vec<PeriodDejitter> {
    let mut names: Vec<&str> = Vec::new();
    for buffer in parts.iter().flat_map(|qos| &qos.dejitter) {
        if !names.contains(&buffer.dejitter.as_str()) {
            names.push(&buffer.dejitter);
        }
    }
    names.into_iter().map(|name| buffer(parts, name)).collect()
}

fn buffer(parts: &[&QosPeriod], name: &str) -> PeriodDejitter {
    let of: Vec<(&PeriodDejitter, u64)> = parts
        .iter()
        .flat_map(|qos| qos.dejitter.iter().map(|buffer| (buffer, qos.expected)))
        .filter(|(buffer, _)| buffer.dejitter == name)
        .collect();
    let median =
        |get: fn(&PeriodDejitter) -> Option<f64>| median_of_values(of.iter().filter_map(|(buffer, _)| get(buffer)));
    let due: u64 = of.iter().map(|(_, expected)| *expected).sum();
    let discarded = of.iter().filter_map(|(buffer, expected)| Some(buffer.discarded_percent? * *expected as f64));
    let models: BTreeSet<&str> =
        of.iter().map(|(buffer, _)| buffer.model.as_str()).filter(|model| !model.is_empty()).collect();
    PeriodDejitter {
        dejitter: name.to_owned(),
        chosen: of.iter().any(|(buffer, _)| buffer.chosen),
        model: models.into_iter().collect::<Vec<_>>().join(" and "),
        scored: of.iter().map(|(buffer, _)| buffer.scored).sum(),
        discarded_percent: (due > 0).then(|| discarded.sum::<f64>() / due as f64),
        nominal_delay_ms: median(|buffer| buffer.nominal_delay_ms),
        r_median: median(|buffer| buffer.r_median),
        mos_median: median(|buffer| buffer.mos_median),
        mos_min: of.iter().filter_map(|(buffer, _)| buffer.mos_min).reduce(f64::min),
        valid: of.iter().all(|(buffer, _)| buffer.valid),
    }
}

/// Scores of the voice service behind each buffer, per period and of whole calls.
pub(super) fn mos(trials: &[Trial], qos: &[QosPeriod]) -> Vec<MosSummary> {
    let of_period = |period: &QosPeriod| -> Vec<MosSummary> {
        period.dejitter.iter().filter_map(|buffer| period_mos(period, buffer)).collect()
    };
    let mut rows: Vec<MosSummary> = qos.iter().flat_map(of_period).collect();
    for (kind, name) in [(OpKind::StandingCall, "voice, standing calls"), (OpKind::NewCall, "voice, new calls")] {
        rows.extend(whole_call_mos(trials, kind, name));
    }
    rows
}

fn period_mos(qos: &QosPeriod, buffer: &PeriodDejitter) -> Option<MosSummary> {
    Some(MosSummary {
        service: "voice, all calls".to_owned(),
        period: qos.period.clone(),
        dejitter: buffer.dejitter.clone(),
        chosen: buffer.chosen,
        n: buffer.scored,
        discarded_percent: buffer.discarded_percent,
        nominal_delay_ms: buffer.nominal_delay_ms,
        r_median: buffer.r_median,
        median: buffer.mos_median?,
        min: buffer.mos_min?,
        model: buffer.model.clone(),
        valid: buffer.valid,
    })
}

/// A row for each buffer and model: scores of different scales have no common median.
fn whole_call_mos(trials: &[Trial], kind: OpKind, name: &str) -> Vec<MosSummary> {
    let streams: Vec<&StreamMeasured> = trials.iter().flat_map(|trial| streams_of(trial, kind)).collect();
    let chosen = streams.iter().find_map(|stream| Some(stream.mos_cqe.as_ref()?.dejitter.clone()));
    let mut rows: Vec<(&str, &str, Vec<&DejitterScore>)> = Vec::new();
    for score in streams.iter().flat_map(|stream| &stream.dejitter) {
        let Some(model) = &score.model else { continue };
        match rows.iter_mut().find(|(buffer, of, _)| *buffer == score.dejitter && of == model) {
            Some((_, _, scores)) => scores.push(score),
            None => rows.push((&score.dejitter, model, vec![score])),
        }
    }
    let row = |(dejitter, model, scores): (&str, &str, Vec<&DejitterScore>)| {
        let median = |get: fn(&DejitterScore) -> Option<f64>| median_of_values(scores.iter().filter_map(|of| get(of)));
        Some(MosSummary {
            service: name.to_owned(),
            period: "whole call".to_owned(),
            dejitter: dejitter.to_owned(),
            chosen: chosen.as_deref() == Some(dejitter),
            n: scores.len() as u64,
            discarded_percent: median(|score| score.discarded_percent),
            nominal_delay_ms: median(|score| score.nominal_delay_ms),
            r_median: median(|score| score.r),
            median: median(|score| score.mos_cqe)?,
            min: scores.iter().filter_map(|score| score.mos_cqe).reduce(f64::min)?,
            model: model.to_owned(),
            valid: scores.iter().all(|score| score.valid == Some(true)),
        })
    };
    rows.into_iter().filter_map(row).collect()
}

fn streams_of(trial: &Trial, kind: OpKind) -> impl Iterator<Item = &StreamMeasured> {
    let is_kind = move |call: &&CallMeasured| call.kind == Some(kind);
    let calls: Vec<u64> = trial.measured.calls.iter().filter(is_kind).map(|call| call.call).collect();
    trial.measured.streams.iter().filter(move |stream| stream.call.is_some_and(|call| calls.contains(&call)))
}

/// Calls by fate; `unjudged` where the evidence did not allow a judgement.
pub(super) fn call_fates(trials: &[Trial]) -> BTreeMap<String, u64> {
    count(
        trials
            .iter()
            .flat_map(|trial| &trial.measured.calls)
            .map(|call| call.fate.map_or("unjudged".to_owned(), words::json_word)),
    )
}

/// Messages by fate.
pub(super) fn message_fates(trials: &[Trial]) -> BTreeMap<String, u64> {
    count(trials.iter().flat_map(|trial| &trial.measured.messages).map(|message| words::json_word(message.fate)))
}

fn count(words: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}
