//! The media before, during and after, and the curve between fault and recovery.

use crate::analysis::measure::model::{PeriodDejitter, QosPeriod};
use crate::analysis::report::model::ListeningSummary;
use crate::analysis::report::words;

use super::{line, pad_left, paragraph};

/// One column a period.
pub(super) fn table(out: &mut String, qos: &[QosPeriod]) {
    let periods: String = qos.iter().map(|period| pad_left(&period.period, 10)).collect();
    line(out, &format!("{:17}{periods}", ""));
    let error = qos.iter().filter_map(|period| period.delay_error_ms).reduce(f64::max);
    let delay_note = error.map_or(String::new(), |ms| format!("one clock, ± {ms:.2} ms"));
    let mos = |value: Option<f64>| value.map(|mos| format!("{mos:.2}"));
    let tiphon = |period: &QosPeriod| Some(format!("{:.2}", period.categories.as_ref()?.tiphon.as_ref()?.index));
    row(out, qos, "delay p95", &|period| period.delay_ms_p95.map(words::fine), &delay_note);
    row(out, qos, "jitter p95", &|period| period.jitter_ms_p95.map(words::fine), "RFC 3550");
    row(out, qos, "loss", &|period| period.loss_percent.map(words::percent), "of packets that were due");
    row(out, qos, &mos_name(qos), &|period| mos(period.mos_median), &outside(qos));
    let instead = chosen(qos).map_or(String::new(), |own| format!("instead of {}", words::dejitter(&own.dejitter)));
    for other in others(qos) {
        let of = |period: &QosPeriod| {
            mos(period.dejitter.iter().find(|buffer| buffer.dejitter == other).and_then(|buffer| buffer.mos_median))
        };
        row(out, qos, &format!("  {}", words::dejitter(&other)), &of, &instead);
    }
    if qos.iter().any(|period| tiphon(period).is_some()) {
        row(out, qos, "TIPHON index", &tiphon, "as cited in Indonesian theses");
    }
    for reason in refused(qos) {
        paragraph(out, &format!("Without a MOS: {reason}."), " ", &str::to_owned);
    }
}

fn row(out: &mut String, qos: &[QosPeriod], name: &str, cell: &dyn Fn(&QosPeriod) -> Option<String>, note: &str) {
    let cells: String =
        qos.iter().map(|period| pad_left(&cell(period).unwrap_or_else(|| "–".to_owned()), 10)).collect();
    line(out, format!(" {name:16}{cells}   {}", words::clip(note, 29)).trim_end());
}

/// `MOS-CQE (G.107)`: the scale is that of the model.
fn mos_name(qos: &[QosPeriod]) -> String {
    let model =
        qos.iter().flat_map(|period| &period.dejitter).map(|buffer| buffer.model.as_str()).find(|m| !m.is_empty());
    let standard = model.and_then(|model| model.split_whitespace().find(|word| word.starts_with("G.")));
    standard.map_or_else(|| "MOS-CQE".to_owned(), |standard| format!("MOS-CQE ({standard})"))
}

/// The assumed buffer, and the periods in which the model is outside of its range.
fn outside(qos: &[QosPeriod]) -> String {
    let own = chosen(qos).map(|buffer| words::dejitter(&buffer.dejitter)).unwrap_or_default();
    let scored = qos.iter().filter(|period| !period.mos_valid && period.mos_median.is_some());
    let periods: Vec<String> = scored.map(|period| format!("\"{}\"", period.period)).collect();
    match (own.is_empty(), periods.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!("buffer {own}"),
        (_, false) => format!("outside the model: {}", periods.join(", ")),
    }
}

fn chosen(qos: &[QosPeriod]) -> Option<&PeriodDejitter> {
    qos.iter().flat_map(|period| &period.dejitter).find(|buffer| buffer.chosen)
}

/// The buffers beside the scenario's own.
fn others(qos: &[QosPeriod]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for buffer in qos.iter().flat_map(|period| &period.dejitter).filter(|buffer| !buffer.chosen) {
        if !names.contains(&buffer.dejitter) {
            names.push(buffer.dejitter.clone());
        }
    }
    names
}

fn refused(qos: &[QosPeriod]) -> Vec<&String> {
    let mut reasons: Vec<&String> = qos.iter().flat_map(|period| &period.mos_refused).collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

/// What R(t) shows, beside what the whole-call score says of the same streams.
pub(super) fn over_time(out: &mut String, rows: &[ListeningSummary]) {
    let Some(whole) = rows.iter().find(|row| row.fault.is_none()) else { return };
    let (lowest, below) = (whole.mos_min, whole.mos_below_3_6_s);
    let streams = words::plural(whole.streams, "stream", "streams");
    let curve = match below.highest {
        0.0 => format!("Second by second, MOS never fell below 3.6 in {streams} (lowest {:.2}).", lowest.lowest),
        highest => format!(
            "Second by second, MOS fell to {:.2} and was below 3.6 for {:.0} s (median of {streams}), at worst {:.2} and {highest:.0} s.",
            lowest.median, below.median, lowest.lowest
        ),
    };
    let faults = rows.iter().filter(|row| row.fault.is_some());
    let between = faults.map(|row| row.mos_of_mean_r.median).reduce(f64::min);
    let between = between.map_or(String::new(), |mos| format!(" From fault to recovery the median was {mos:.2}."));
    let plain = whole.whole_call_mos.map_or(String::new(), |plain| {
        let outside = whole.whole_call_outside_validity.unwrap_or_default();
        format!(" As whole calls they score {:.2} ({outside} of {} outside the model).", plain.median, whole.streams)
    });
    paragraph(out, &format!("{curve}{between}{plain}"), " ", &str::to_owned);
}
