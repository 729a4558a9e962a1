//! Media quality and fates over trials.

use std::collections::BTreeMap;

use crate::analysis::measure::model::{CallMeasured, QosPeriod, StreamMeasured};
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
    QosPeriod {
        period: parts.first().map(|qos| qos.period.clone()).unwrap_or_default(),
        streams: parts.iter().map(|qos| qos.streams).sum(),
        expected,
        loss_percent: (expected > 0).then(|| lost / expected as f64),
        delay_ms_p50: median(|qos| qos.delay_ms_p50),
        delay_ms_p95: median(|qos| qos.delay_ms_p95),
        delay_error_ms: extreme(|qos| qos.delay_error_ms, f64::max),
        jitter_ms_p95: median(|qos| qos.jitter_ms_p95),
        mos_median: median(|qos| qos.mos_median),
        mos_min: extreme(|qos| qos.mos_min, f64::min),
        mos_valid: parts.iter().all(|qos| qos.mos_valid),
    }
}

/// Scores of the voice service, per period and of whole calls.
pub(super) fn mos(trials: &[Trial], qos: &[QosPeriod]) -> Vec<MosSummary> {
    let mut rows: Vec<MosSummary> = qos.iter().filter_map(|period| period_mos(period, model_of(trials))).collect();
    for (kind, name) in [(OpKind::StandingCall, "voice, standing calls"), (OpKind::NewCall, "voice, new calls")] {
        rows.extend(whole_call_mos(trials, kind, name));
    }
    rows
}

fn period_mos(qos: &QosPeriod, model: String) -> Option<MosSummary> {
    Some(MosSummary {
        service: "voice, all calls".to_owned(),
        period: qos.period.clone(),
        n: qos.streams,
        median: qos.mos_median?,
        min: qos.mos_min.or(qos.mos_median)?,
        model,
        valid: qos.mos_valid,
    })
}

fn whole_call_mos(trials: &[Trial], kind: OpKind, name: &str) -> Option<MosSummary> {
    let streams: Vec<&StreamMeasured> = trials.iter().flat_map(|trial| streams_of(trial, kind)).collect();
    let scores: Vec<f64> = streams.iter().filter_map(|stream| stream.mos_cqe.as_ref()).map(|mos| mos.value).collect();
    Some(MosSummary {
        service: name.to_owned(),
        period: "whole call".to_owned(),
        n: scores.len() as u64,
        median: median_of_values(scores.iter().copied())?,
        min: scores.iter().copied().reduce(f64::min)?,
        model: model_of(trials),
        valid: streams.iter().filter_map(|stream| stream.mos_cqe.as_ref()).all(|mos| mos.valid),
    })
}

fn streams_of(trial: &Trial, kind: OpKind) -> impl Iterator<Item = &StreamMeasured> {
    let is_kind = move |call: &&CallMeasured| call.kind == Some(kind);
    let calls: Vec<u64> = trial.measured.calls.iter().filter(is_kind).map(|call| call.call).collect();
    trial.measured.streams.iter().filter(move |stream| stream.call.is_some_and(|call| calls.contains(&call)))
}

fn model_of(trials: &[Trial]) -> String {
    let scores = trials.iter().flat_map(|trial| &trial.measured.streams).filter_map(|stream| stream.mos_cqe.as_ref());
    let model = scores.map(|mos| mos.model.clone()).next().unwrap_or_else(|| "G.107".to_owned());
    format!("MOS-CQE, {model}")
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
