//! `tables/*.csv`: one row for each outage, stream, call, message and kind of operation of every trial.
//!
//! Units stand in the column names; what is undefined is empty. Times are seconds from the start of the window.

use std::path::PathBuf;

use serde::Serialize;

use crate::analysis::measure::model::{
    CallMeasured, DejitterScore, Measured, MessageMeasured, OpsMeasured, Outage, StreamMeasured, VideoMeasured,
};
use crate::units::RunTime;

use super::model::{Report, Trial};

/// The tables; a table without rows still has its header.
///
/// # Errors
/// When a row cannot be written as CSV.
pub fn tables(report: &Report) -> Result<Vec<(PathBuf, Vec<u8>)>, csv::Error> {
    Ok(vec![
        table(report, "outages", &OUTAGES, |trial| {
            trial.measured.outages.iter().map(|of| outage(trial, of)).collect()
        })?,
        table(report, "streams", &STREAMS, |trial| {
            trial.measured.streams.iter().map(|of| stream(trial, of)).collect()
        })?,
        table(report, "videos", &VIDEOS, |trial| trial.measured.videos.iter().map(|of| video(trial, of)).collect())?,
        table(report, "calls", &CALLS, |trial| trial.measured.calls.iter().map(|of| call(trial, of)).collect())?,
        table(report, "messages", &MESSAGES, |trial| {
            trial.measured.messages.iter().map(|of| message(trial, of)).collect()
        })?,
        table(report, "ops", &OPS, |trial| trial.measured.signalling.iter().map(|of| ops(trial, of)).collect())?,
    ])
}

type Row = Vec<String>;

const OUTAGES: [&str; 14] = [
    "trial",
    "fault",
    "service",
    "scope",
    "direction",
    "start_s",
    "duration_ms",
    "censored",
    "left",
    "error_ms",
    "method",
    "timestamp_ms",
    "sequence_ms",
    "loss_derived_ms",
];
const STREAMS: [&str; 34] = [
    "trial",
    "call",
    "direction",
    "ssrc",
    "src",
    "dst",
    "codec",
    "packets",
    "expected",
    "lost",
    "duplicates",
    "reordered",
    "ptime_ms",
    "jitter_ms_mean",
    "jitter_ms_max",
    "delta_ms_max",
    "gap_ms_max",
    "delay_ms_p50",
    "delay_ms_p95",
    "delay_error_ms",
    "mos_cqe",
    "mos_valid",
    "mos_model",
    "mos_refused",
    "mos_cqe_fixed50",
    "mos_cqe_fixed200",
    "mos_cqe_adaptive",
    "discarded_percent_fixed50",
    "discarded_percent_fixed200",
    "discarded_percent_adaptive",
    "over_time_mos_min",
    "over_time_mos_below_3_6_s",
    "packet_gap_ms_mean",
    "packet_gap_variation_ms",
];
/// The de-jitter buffers of the columns above.
const BUFFERS: [&str; 3] = ["fixed50", "fixed200", "adaptive"];
const VIDEOS: [&str; 22] = [
    "trial",
    "call",
    "direction",
    "codec",
    "width",
    "height",
    "packets",
    "expected",
    "lost",
    "frames_expected",
    "frames_shown",
    "frames_undecodable",
    "frames_incomplete",
    "frames_missing",
    "frames_key",
    "freezes",
    "frozen_ms",
    "pli",
    "fir",
    "jitter_ms_mean",
    "delay_ms_p50",
    "delay_ms_p95",
];
const CALLS: [&str; 11] =
    ["trial", "call", "kind", "caller", "callee", "planned_s", "setup_ms", "code", "fate", "bye_code", "reason"];
const MESSAGES: [&str; 6] = ["trial", "message", "pair", "planned_s", "latency_ms", "fate"];
const OPS: [&str; 11] =
    ["trial", "kind", "due", "ok", "failed", "unknown", "not_started", "retransmissions", "p50_ms", "p95_ms", "max_ms"];

fn table(
    report: &Report,
    name: &str,
    header: &[&str],
    rows: impl Fn(&Trial) -> Vec<Row>,
) -> Result<(PathBuf, Vec<u8>), csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    for row in report.trials.iter().flat_map(rows) {
        writer.write_record(row)?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok((PathBuf::from(format!("tables/{name}.csv")), bytes))
}

fn outage(trial: &Trial, outage: &Outage) -> Row {
    vec![
        trial.number.to_string(),
        optional(outage.fault),
        outage.service.clone(),
        outage.scope.clone(),
        optional(outage.direction.map(word)),
        seconds(&trial.measured, outage.start_ns),
        number(outage.duration_ms),
        outage.censored.to_string(),
        outage.left.to_string(),
        number(outage.error_ms),
        outage.method.clone(),
        maybe(outage.estimates.timestamp_ms),
        maybe(outage.estimates.sequence_ms),
        maybe(outage.estimates.loss_derived_ms),
    ]
}

fn stream(trial: &Trial, stream: &StreamMeasured) -> Row {
    let delay = stream.delay.as_ref();
    let mos = stream.mos_cqe.as_ref();
    let mut row = vec![
        trial.number.to_string(),
        optional(stream.call),
        optional(stream.direction.map(word)),
        format!("{:#010x}", stream.ssrc),
        stream.src.clone(),
        stream.dst.clone(),
        optional(stream.codec.as_ref()),
        stream.packets.to_string(),
        stream.expected.to_string(),
        stream.lost.to_string(),
        stream.duplicates.to_string(),
        stream.reordered.to_string(),
        maybe(stream.ptime_ms),
        maybe(stream.jitter_ms_mean),
        maybe(stream.jitter_ms_max),
        maybe(stream.delta_ms_max),
        maybe(stream.gap_ms_max),
        maybe(delay.map(|delay| delay.p50_ms)),
        maybe(delay.map(|delay| delay.p95_ms)),
        maybe(delay.map(|delay| delay.error_ms)),
        maybe(mos.map(|mos| mos.value)),
        optional(mos.map(|mos| mos.valid)),
        optional(mos.map(|mos| mos.model.as_str())),
        optional(stream.mos_cqe_refused.as_deref()),
    ];
    row.extend(listening(stream));
    row
}

/// Scores and discards behind each buffer, R(t), thesis-compatible columns.
fn listening(stream: &StreamMeasured) -> Row {
    let behind = |get: fn(&DejitterScore) -> Option<f64>| {
        let of = move |name: &str| stream.dejitter.iter().find(|score| score.dejitter == name).and_then(get);
        BUFFERS.map(|name| maybe(of(name)))
    };
    let whole = stream.over_time.as_ref().map(|over_time| over_time.whole);
    let gaps = stream.categories.as_ref().and_then(|categories| categories.thesis_compatible.as_ref());
    let rest = [
        maybe(whole.map(|whole| whole.mos_min)),
        optional(whole.map(|whole| whole.mos_below_3_6_s)),
        maybe(gaps.map(|gaps| gaps.packet_gap_ms_mean)),
        maybe(gaps.map(|gaps| gaps.packet_gap_variation_ms)),
    ];
    behind(|score| score.mos_cqe).into_iter().chain(behind(|score| score.discarded_percent)).chain(rest).collect()
}

fn video(trial: &Trial, video: &VideoMeasured) -> Row {
    let frames = &video.frames;
    let counts = [
        video.packets,
        video.expected,
        video.lost,
        frames.expected,
        frames.shown,
        frames.undecodable,
        frames.incomplete,
        frames.missing,
        frames.key,
        video.freezes.len() as u64,
    ];
    let head = [
        trial.number.to_string(),
        optional(video.call),
        optional(video.direction.map(word)),
        video.codec.clone(),
        optional(video.size.map(|(width, _)| width)),
        optional(video.size.map(|(_, height)| height)),
    ];
    let delay = video.delay.as_ref();
    let tail = [
        number(video.frozen_ms),
        video.pli.to_string(),
        video.fir.to_string(),
        maybe(video.jitter_ms_mean),
        maybe(delay.map(|delay| delay.p50_ms)),
        maybe(delay.map(|delay| delay.p95_ms)),
    ];
    head.into_iter().chain(counts.map(|count| count.to_string())).chain(tail).collect()
}

fn call(trial: &Trial, call: &CallMeasured) -> Row {
    vec![
        trial.number.to_string(),
        call.call.to_string(),
        optional(call.kind.map(word)),
        call.caller.clone(),
        call.callee.clone(),
        seconds(&trial.measured, call.planned_ns),
        maybe(call.setup_ms),
        optional(call.code),
        optional(call.fate.map(word)),
        optional(call.bye_code),
        optional(call.reason.as_ref()),
    ]
}

fn message(trial: &Trial, message: &MessageMeasured) -> Row {
    vec![
        trial.number.to_string(),
        message.message.to_string(),
        message.pair.to_string(),
        seconds(&trial.measured, message.planned_ns),
        maybe(message.latency_ms),
        word(message.fate),
    ]
}

fn ops(trial: &Trial, ops: &OpsMeasured) -> Row {
    let counts =
        [ops.due, ops.ok, ops.failed, ops.unknown, ops.not_started, ops.retransmissions].map(|count| count.to_string());
    let delays = [ops.p50_ms, ops.p95_ms, ops.max_ms].map(maybe);
    [trial.number.to_string(), word(ops.kind)].into_iter().chain(counts).chain(delays).collect()
}

fn seconds(measured: &Measured, at: RunTime) -> String {
    let zero = measured.window.map(|window| window.start_ns).unwrap_or_default();
    format!("{:.6}", (at - zero).as_secs_f64())
}

fn optional(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn maybe(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

/// Microseconds, where the unit is milliseconds: finer than any estimator here.
fn number(value: f64) -> String {
    format!("{value:.3}")
}

fn word(value: impl Serialize) -> String {
    super::words::json_word(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::report::fixture;

    fn rows(report: &Report, name: &str) -> Vec<csv::StringRecord> {
        let all = tables(report).unwrap();
        let (_, bytes) = all.iter().find(|(path, _)| path.ends_with(format!("{name}.csv"))).unwrap();
        // A row whose length differs from the header's would be an error here.
        csv::Reader::from_reader(&bytes[..]).records().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn every_thing_of_every_trial_has_a_row() {
        let report = fixture::quickstart(2);
        let measured = &report.trials[0].measured;
        for (name, each) in [
            ("outages", measured.outages.len()),
            ("streams", measured.streams.len()),
            ("calls", measured.calls.len()),
            ("messages", measured.messages.len()),
            ("ops", measured.signalling.len()),
        ] {
            assert_eq!(rows(&report, name).len(), 2 * each, "{name}");
        }
        let first = &rows(&report, "outages")[0];
        assert_eq!((&first[0], &first[1], &first[2], &first[6], &first[7]), ("1", "0", "address", "701.200", "false"));
        assert_eq!(&first[12], "", "an estimator that does not apply is empty");
    }

    #[test]
    fn a_table_without_rows_has_its_header() {
        let all = tables(&fixture::quickstart(0)).unwrap();
        assert_eq!(all.len(), 6);
        assert!(all.iter().all(|(_, bytes)| bytes.starts_with(b"trial,")));
    }
}
