//! How it sounded: periods, scores behind each de-jitter buffer, R(t), categories.

use maud::{Markup, html};

use crate::analysis::measure::model::{QosPeriod, TiphonIndex};
use crate::analysis::report::model::{Distribution, ListeningSummary, MosSummary, Report};
use crate::analysis::report::words;

/// Delay, jitter, loss and MOS before, during and after.
pub(super) fn periods(qos: &[QosPeriod]) -> Markup {
    html! {
        div.wide { table {
            thead { tr {
                th { "period" } th { "streams" } th { "packets due" } th { "lost" } th { "delay, median" } th { "delay, p95" }
                th { "jitter, p95" } th { "MOS-CQE, median" } th { "lowest" } th.t { "" }
            } }
            tbody { @for period in qos { tr {
                td { (period.period) }
                td { (period.streams) }
                td { (words::count(period.expected as f64)) }
                td { (or_dash(period.loss_percent.map(words::percent))) }
                td { (or_dash(period.delay_ms_p50.map(words::fine))) }
                td { (or_dash(period.delay_ms_p95.map(words::fine))) }
                td { (or_dash(period.jitter_ms_p95.map(words::fine))) }
                td { (hundredths(period.mos_median)) }
                td { (hundredths(period.mos_min)) }
                td.t {
                    @if !period.mos_valid && period.mos_median.is_some() { "outside the range of the model" }
                    @for reason in &period.mos_refused { "Without a MOS: " (reason) ". " }
                }
            } } }
        } }
    }
}

/// Scores with their model, behind each de-jitter buffer; the scenario's own stands out.
pub(super) fn scores(report: &Report) -> Markup {
    html! { @if !report.mos.is_empty() {
        h3 { "Scores behind each de-jitter buffer" }
        p { "Late packets count as lost, and the depth of the buffer as delay. The scenario names the buffer in bold." }
        div.wide { table {
            thead { tr {
                th { "service" } th.t { "period" } th { "buffer" } th { "streams" } th { "too late" } th { "depth" } th { "R, median" }
                th { "MOS, median" } th { "lowest" } th.t { "model" }
            } }
            tbody { @for row in &report.mos { (score(row)) } }
        } }
    } }
}

fn score(row: &MosSummary) -> Markup {
    let buffer = words::dejitter(&row.dejitter);
    html! { tr {
        td { (row.service) } td.t { (row.period) }
        td { @if row.chosen { b { (buffer) } } @else { (buffer) } }
        td { (row.n) }
        td { (or_dash(row.discarded_percent.map(words::percent))) }
        td { (or_dash(row.nominal_delay_ms.map(|ms| format!("{ms:.0} ms")))) }
        td { (or_dash(row.r_median.map(|r| format!("{r:.1}")))) }
        td { (format!("{:.2}", row.median)) } td { (format!("{:.2}", row.min)) }
        td.t { (row.model) @if !row.valid { ", outside its range" } }
    } }
}

/// R(t): what the whole-call score averages away.
pub(super) fn listening(report: &Report) -> Markup {
    let with_plain = report.listening.iter().any(|row| row.whole_call_mos.is_some());
    html! { @if !report.listening.is_empty() {
        h3 { "Listening second by second" }
        p { "Each second is rated by itself and then followed as listeners do: annoyance grows in about 5 s and fades in "
            "about 15 s (Clark 2001, provisional). Lowest, quartiles and highest over the streams." }
        div.wide { table {
            thead { tr {
                th { "of" } th { "streams" } th { "heard again" } th { "lowest MOS" } th { "MOS of the mean R" }
                th { "seconds below 3.6" } @if with_plain { th { "whole-call MOS" } th.t { "" } }
            } }
            tbody { @for row in &report.listening { (curve(row, report, with_plain)) } }
        } }
    } }
}

fn curve(row: &ListeningSummary, report: &Report, with_plain: bool) -> Markup {
    let fault = |fault: usize| {
        let transition = report.transitions.iter().find(|transition| transition.fault == fault);
        transition.map_or_else(|| format!("fault {}", fault + 1), |of| format!("{}, fault to recovery", of.label))
    };
    html! { tr {
        td { (row.fault.map_or_else(|| "whole streams".to_owned(), fault)) }
        td { (row.streams) }
        td { (or_dash(row.recovered.map(|recovered| recovered.to_string()))) }
        td { (spread(&row.mos_min, 2)) }
        td { (spread(&row.mos_of_mean_r, 2)) }
        td { (spread(&row.mos_below_3_6_s, 0)) }
        @if with_plain {
            td { (row.whole_call_mos.as_ref().map_or_else(|| "–".to_owned(), |of| spread(of, 2))) }
            td.t { @if let Some(outside) = row.whole_call_outside_validity && outside > 0 { (outside) " outside the range of the model" } }
        }
    } }
}

/// Lowest, quartiles, highest.
fn spread(of: &Distribution, digits: usize) -> String {
    [of.lowest, of.p25, of.median, of.p75, of.highest].map(|value| format!("{value:.digits$}")).join(" · ")
}

/// What named tables call each period.
pub(super) fn categories(qos: &[QosPeriod]) -> Markup {
    html! { @if qos.iter().any(|period| period.categories.is_some()) {
        h3 { "In the words of named tables" }
        (grades(qos))
        (indices(qos))
    } }
}

fn grades(qos: &[QosPeriod]) -> Markup {
    let of = qos.iter().filter_map(|period| Some((period, period.categories.as_ref()?)));
    html! {
        div.wide { table {
            thead { tr { th { "period" } th { "figure" } th { "value" } th { "grade" } th { "index" } th.t { "table" } } }
            tbody { @for (period, categories) in of { @for grade in &categories.grades { tr {
                td { (period.period) }
                td { (words::fate(&grade.figure)) }
                td { (words::plain(grade.value)) }
                td { (grade.grade) }
                td { (or_dash(grade.index.map(|index| index.to_string()))) }
                td.t { (grade.table) ", " (grade.provenance) }
            } } } }
        } }
    }
}

fn indices(qos: &[QosPeriod]) -> Markup {
    let of = || qos.iter().filter_map(|period| Some((period, period.categories.as_ref()?)));
    let table = of().find_map(|(_, categories)| {
        let thesis = categories.thesis_compatible.as_ref().and_then(|thesis| thesis.tiphon.as_ref());
        categories.tiphon.as_ref().or(thesis)
    });
    let provenance = of().find_map(|(_, categories)| categories.y1541_provenance.as_ref());
    html! {
        div.wide { table {
            thead { tr {
                th { "period" } th { "Y.1541 classes met" } th { "IPDV" } th { "TIPHON, overall index" } th { "thesis-compatible “delay”" }
                th { "thesis-compatible “jitter”" } th { "overall index with these" }
            } }
            tbody { @for (period, categories) in of() { tr {
                td { (period.period) }
                td { (or_dash(categories.y1541_classes.as_ref().map(|classes| classes_met(classes)))) }
                td { (or_dash(period.ipdv_ms.map(words::fine))) }
                td { (or_dash(categories.tiphon.as_ref().map(overall))) }
                @let thesis = categories.thesis_compatible.as_ref();
                td { (or_dash(thesis.map(|thesis| words::fine(thesis.packet_gap_ms_mean)))) }
                td { (or_dash(thesis.map(|thesis| words::fine(thesis.packet_gap_variation_ms)))) }
                td { (or_dash(thesis.and_then(|thesis| thesis.tiphon.as_ref()).map(overall))) }
            } } }
        } }
        p { @if let Some(table) = table { (table.table) ": the mean of four indices from 4 (best) to 1, provisional. " }
            "What theses take from Wireshark as delay is the mean gap between packets, which is the packet interval, and as jitter its "
            "variation; neither is a delay. " @if let Some(provenance) = provenance { "Y.1541: " (provenance) "." } }
    }
}

fn overall(index: &TiphonIndex) -> String {
    format!("{:.2} {}", index.index, index.grade)
}

fn classes_met(classes: &[u8]) -> String {
    classes.iter().map(u8::to_string).collect::<Vec<_>>().join(" ")
}

fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "–".to_owned())
}

fn hundredths(value: Option<f64>) -> String {
    or_dash(value.map(|value| format!("{value:.2}")))
}
