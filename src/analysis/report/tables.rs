//! `tables/*.csv`: one row for each outage, stream, call, message, chat session and chat message of a capture, kind of
//! operation, metric of RFC 6076, SIP method, SIP answer, way through a server, owner of the address and anomaly.
//!
//! Units stand in the column names; what is undefined is empty. Times are seconds from the start of the window, in a
//! capture from its first packet.

mod chat;
mod sip;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::analysis::measure::model::{
    Anomaly, CallMeasured, DejitterScore, Measured, MessageMeasured, OpsMeasured, Outage, OwnerInterval,
    StreamMeasured, VideoMeasured,
};
use crate::units::RunTime;

use super::model::Report;

/// The tables of a run; a table without rows still has its header.
///
/// # Errors
/// When a row cannot be written as CSV.
pub fn tables(report: &Report) -> Result<Vec<(PathBuf, Vec<u8>)>, csv::Error> {
    let trials = report.trials.iter().map(|trial| Measurement { trial: Some(trial.number), measured: &trial.measured });
    let files = of(&trials.collect::<Vec<_>>())?;
    Ok(files.into_iter().map(|(name, bytes)| (Path::new("tables").join(name), bytes)).collect())
}

/// One trial of a run, or a capture.
#[derive(Clone, Copy, Debug)]
pub struct Measurement<'a> {
    /// The trial's number, which is the first column; a capture has none.
    pub trial: Option<u32>,
    /// What was measured.
    pub measured: &'a Measured,
}

/// The tables of trials, or of one capture: the name of each file and its bytes.
///
/// # Errors
/// When a row cannot be written as CSV.
pub fn of(trials: &[Measurement<'_>]) -> Result<Vec<(PathBuf, Vec<u8>)>, csv::Error> {
    let tables: [Table; 14] = [
        ("outages", &OUTAGES, |of| of.outages.iter().map(|outage| self::outage(of, outage)).collect()),
        ("streams", &STREAMS, |of| of.streams.iter().map(|stream| self::stream(of, stream)).collect()),
        ("videos", &VIDEOS, |of| of.videos.iter().map(video).collect()),
        ("calls", &CALLS, |of| of.calls.iter().map(|call| self::call(of, call)).collect()),
        ("messages", &MESSAGES, |of| of.messages.iter().map(|message| self::message(of, message)).collect()),
        ("chats", &chat::CHATS, chat::sessions),
        ("chat_messages", &chat::CHAT_MESSAGES, chat::messages),
        ("ops", &OPS, |of| of.signalling.iter().map(ops).collect()),
        ("sip", &sip::SIP, sip::metrics),
        ("sip_requests", &sip::SIP_REQUESTS, sip::requests),
        ("sip_responses", &sip::SIP_RESPONSES, sip::responses),
        ("transits", &sip::TRANSITS, sip::transits),
        ("owners", &OWNERS, |of| of.owners.iter().map(|owner| self::owner(of, owner)).collect()),
        ("anomalies", &ANOMALIES, |of| of.anomalies.iter().map(anomaly).collect()),
    ];
    let file = |name| PathBuf::from(format!("{name}.csv"));
    tables.into_iter().map(|(name, header, rows)| Ok((file(name), table(trials, header, rows)?))).collect()
}

type Row = Vec<String>;
/// Name, header, and the rows of one trial.
type Table = (&'static str, &'static [&'static str], fn(&Measured) -> Vec<Row>);

const OUTAGES: [&str; 13] = [
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
    "start_s",
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
const VIDEOS: [&str; 28] = [
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
    "ssrc",
    "src",
    "dst",
    "guess",
    "lip_sync_ms_whole",
    "lip_sync_ms_before",
    "lip_sync_ms_after",
];
const CALLS: [&str; 11] =
    ["call", "kind", "caller", "callee", "planned_s", "setup_ms", "code", "fate", "bye_code", "reason", "call_id"];
const MESSAGES: [&str; 5] = ["message", "pair", "planned_s", "latency_ms", "fate"];
const OPS: [&str; 10] =
    ["kind", "due", "ok", "failed", "unknown", "not_started", "retransmissions", "p50_ms", "p95_ms", "max_ms"];

const OWNERS: [&str; 5] = ["nodes", "start_s", "end_s", "source", "address"];
const ANOMALIES: [&str; 2] = ["place", "what"];

fn table(trials: &[Measurement<'_>], header: &[&str], rows: fn(&Measured) -> Vec<Row>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let numbered = trials.iter().all(|trial| trial.trial.is_some());
    writer.write_record(numbered.then_some("trial").iter().chain(header))?;
    for trial in trials {
        let number = trial.trial.map(|number| number.to_string());
        for row in rows(trial.measured) {
            writer.write_record(number.iter().chain(&row))?;
        }
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

fn outage(measured: &Measured, outage: &Outage) -> Row {
    vec![
        optional(outage.fault),
        outage.service.clone(),
        outage.scope.clone(),
        optional(outage.direction.map(word)),
        seconds(measured, outage.start_ns),
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

fn stream(measured: &Measured, stream: &StreamMeasured) -> Row {
    let delay = stream.delay.as_ref();
    let mos = stream.mos_cqe.as_ref();
    let mut row = vec![
        seconds(measured, stream.start_ns),
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

fn video(video: &VideoMeasured) -> Row {
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
    let sync = |period: &str| video.lip_sync.iter().find(|sync| sync.period == period).map(|sync| sync.skew_ms);
    let of_captures = [
        format!("{:#010x}", video.ssrc),
        video.src.clone(),
        video.dst.clone(),
        video.guess.clone().unwrap_or_default(),
        maybe(sync("whole")),
        maybe(sync("before")),
        maybe(sync("after")),
    ];
    head.into_iter().chain(counts.map(|count| count.to_string())).chain(tail).chain(of_captures).collect()
}

fn call(measured: &Measured, call: &CallMeasured) -> Row {
    vec![
        call.call.to_string(),
        optional(call.kind.map(word)),
        call.caller.clone(),
        call.callee.clone(),
        seconds(measured, call.planned_ns),
        maybe(call.setup_ms),
        optional(call.code),
        optional(call.fate.map(word)),
        optional(call.bye_code),
        optional(call.reason.as_ref()),
        optional(call.call_id.as_ref()),
    ]
}

fn message(measured: &Measured, message: &MessageMeasured) -> Row {
    vec![
        message.message.to_string(),
        message.pair.to_string(),
        seconds(measured, message.planned_ns),
        maybe(message.latency_ms),
        word(message.fate),
    ]
}

fn ops(ops: &OpsMeasured) -> Row {
    let counts =
        [ops.due, ops.ok, ops.failed, ops.unknown, ops.not_started, ops.retransmissions].map(|count| count.to_string());
    let delays = [ops.p50_ms, ops.p95_ms, ops.max_ms].map(maybe);
    [word(ops.kind)].into_iter().chain(counts).chain(delays).collect()
}

fn owner(measured: &Measured, owner: &OwnerInterval) -> Row {
    let (from, to) = (seconds(measured, owner.start_ns), seconds(measured, owner.end_ns));
    vec![owner.nodes.join(" "), from, to, owner.source.clone(), optional(owner.address.as_ref())]
}

fn anomaly(anomaly: &Anomaly) -> Row {
    vec![anomaly.place.clone(), anomaly.what.clone()]
}

fn seconds(measured: &Measured, at: RunTime) -> String {
    let zero = measured.zero();
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
            ("owners", measured.owners.len()),
            ("anomalies", measured.anomalies.len()),
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
        assert_eq!(all.len(), 14);
        assert!(all.iter().all(|(_, bytes)| bytes.starts_with(b"trial,")));
    }

    #[test]
    fn a_capture_has_the_same_columns_without_a_trial() {
        let report = fixture::quickstart(1);
        let run = tables(&report).unwrap();
        let capture = of(&[Measurement { trial: None, measured: &report.trials[0].measured }]).unwrap();
        for ((_, numbered), (path, plain)) in run.iter().zip(&capture) {
            let lines = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let (numbered, plain) = (lines(numbered), lines(plain));
            for (with, without) in numbered.lines().zip(plain.lines()) {
                assert_eq!(with.split_once(',').unwrap().1, without, "{}", path.display());
            }
        }
    }
}
