//! `streams.parquet`: a row for each RTP stream.

use std::io::Write;

use parquet::errors::ParquetError;

use super::table::{Column, Kind, Table};
use crate::analysis::measure::model::{Measured, StreamMeasured};
use crate::analysis::report::words::json_word;

const COLUMNS: [(&str, Kind); 25] = [
    ("stream", Kind::Integer),
    ("first_at", Kind::Instant),
    ("last_at", Kind::Instant),
    ("call", Kind::Integer),
    ("call_id", Kind::Text),
    ("direction", Kind::Text),
    ("ssrc", Kind::Integer),
    ("src", Kind::Text),
    ("dst", Kind::Text),
    ("codec", Kind::Text),
    ("packets", Kind::Integer),
    ("expected", Kind::Integer),
    ("lost", Kind::Integer),
    ("duplicates", Kind::Integer),
    ("reordered", Kind::Integer),
    ("ptime_ms", Kind::Float),
    ("jitter_ms_mean", Kind::Float),
    ("jitter_ms_max", Kind::Float),
    ("delta_ms_max", Kind::Float),
    ("gap_ms_max", Kind::Float),
    ("mos_cqe", Kind::Float),
    ("mos_valid", Kind::Truth),
    ("mos_model", Kind::Text),
    ("mos_min", Kind::Float),
    ("mos_below_3_6_s", Kind::Integer),
];

/// Writes the streams; `stream` is the number by which `packets.parquet` names them.
///
/// # Errors
/// When the sink does not take them.
pub fn streams<W: Write + Send>(sink: W, measured: &Measured) -> Result<(), ParquetError> {
    let all = &measured.streams;
    let integers = |get: fn(&StreamMeasured) -> i64| Column::Integer(all.iter().map(|of| Some(get(of))).collect());
    let counts =
        |get: fn(&StreamMeasured) -> u64| Column::Integer(all.iter().map(|of| i64::try_from(get(of)).ok()).collect());
    let floats = |get: fn(&StreamMeasured) -> Option<f64>| Column::Float(all.iter().map(get).collect());
    let texts = |get: fn(&StreamMeasured) -> Option<String>| {
        Column::Text(all.iter().map(|of| get(of).map(|text| text.as_str().into())).collect())
    };
    let columns = [
        Column::Integer((0..all.len() as i64).map(Some).collect()),
        integers(|of| of.start_ns.as_nanos()),
        integers(|of| of.end_ns.as_nanos()),
        Column::Integer(all.iter().map(|of| i64::try_from(of.call?).ok()).collect()),
        Column::Text(all.iter().map(|of| Some(call_id(measured, of.call?)?.into())).collect()),
        texts(|of| of.direction.map(json_word)),
        integers(|of| of.ssrc.into()),
        texts(|of| Some(of.src.clone())),
        texts(|of| Some(of.dst.clone())),
        texts(|of| of.codec.clone()),
        counts(|of| of.packets),
        counts(|of| of.expected),
        counts(|of| of.lost),
        counts(|of| of.duplicates),
        counts(|of| of.reordered),
        floats(|of| of.ptime_ms),
        floats(|of| of.jitter_ms_mean),
        floats(|of| of.jitter_ms_max),
        floats(|of| of.delta_ms_max),
        floats(|of| of.gap_ms_max),
        floats(|of| of.mos_cqe.as_ref().map(|mos| mos.value)),
        Column::Truth(all.iter().map(|of| Some(of.mos_cqe.as_ref()?.valid)).collect()),
        texts(|of| of.mos_cqe.as_ref().map(|mos| mos.model.clone())),
        floats(|of| of.over_time.as_ref().map(|over_time| over_time.whole.mos_min)),
        Column::Integer(
            all.iter().map(|of| i64::try_from(of.over_time.as_ref()?.whole.mos_below_3_6_s).ok()).collect(),
        ),
    ];
    let mut table = Table::new(sink, &COLUMNS)?;
    table.write(&columns)?;
    table.finish()
}

fn call_id(measured: &Measured, number: u64) -> Option<&str> {
    measured.calls.iter().find(|call| call.call == number)?.call_id.as_deref()
}
