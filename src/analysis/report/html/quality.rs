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

/// Scores behind each de-jitter buffer beside each other; the scenario's own stands out.
pub(super) fn scores(report: &Report) -> Markup {
    let mut buffers: Vec<(&str, bool)> = Vec::new();
    let mut rows: Vec<(&str, &str, &str)> = Vec::new();
    for row in &report.mos {
        let (buffer, key) =
            ((row.dejitter.as_str(), row.chosen), (row.service.as_str(), row.period.as_str(), row.model.as_str()));
        if buffers.iter().all(|(known, _)| *known != buffer.0) {
            buffers.push(buffer);
        }
        if !rows.contains(&key) {
            rows.push(key);
        }
    }
    let of = |key: (&str, &str, &str), buffer: &str| {
        let same = |row: &&MosSummary| {
            (row.service.as_str(), row.period.as_str(), row.model.as_str()) == key && row.dejitter == buffer
        };
        report.mos.iter().find(same)
    };
    html! { @if !report.mos.is_empty() {
        h3 { "Scores behind each de-jitter buffer" }
        p { "Medians over the streams. Packets that come too late for the buffer count as lost, and its depth as delay. "
            "The scenario names the buffer that is marked *." }
        div.wide { table {
            thead { tr {
                th { "service and period" small { " by the model of its scale" } }
                @for (buffer, chosen) in &buffers { th { (words::dejitter(buffer)) @if *chosen { "*" } } }
            } }
            tbody { @for key in rows { tr {
                td { (key.0) ", " (key.1) br; small { (key.2) } }
                @for (buffer, _) in &buffers { (score(of(key, buffer))) }
            } } }
        } }
    } }
}

fn score(row: Option<&MosSummary>) -> Markup {
    let depth = |row: &MosSummary| row.nominal_delay_ms.map(|ms| format!(", {ms:.0} ms deep"));
    html! { td { @match row {
        None => "–",
        Some(row) => {
            b { (format!("{:.2}", row.median)) } " " small { "lowest " (format!("{:.2}", row.min)) } br;
            small {
                @if let Some(r) = row.r_median { "R " (format!("{r:.1}")) ", " }
                (words::plural(row.n, "stream", "streams")) br;
                (or_dash(row.discarded_percent.map(words::percent))) " too late" (depth(row).unwrap_or_default())
                @if !row.valid { br; "outside the range of the model" }
            }
        }
    } } }
}

/// R(t): what the whole-call score averages away.
pub(super) fn listening(report: &Report) -> Markup {
    let with_plain = report.listening.iter().any(|row| row.whole_call_mos.is_some());
    html! { @if !report.listening.is_empty() {
        h3 { "Listening second by second" }
        p { "Each second is rated by itself and then followed as listeners do: annoyance grows in about 5 s and fades in "
            "about 15 s (Clark 2001, provisional). Medians over the streams, with the lowest and the highest." }
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
            td { @if let Some(plain) = &row.whole_call_mos { (spread(plain, 2)) } @else { "–" } }
            td.t { @if let Some(outside) = row.whole_call_outside_validity && outside > 0 { (outside) " outside the range of the model" } }
        }
    } }
}

/// The median, and the ends.
fn spread(of: &Distribution, digits: usize) -> Markup {
    let [median, lowest, highest] = [of.median, of.lowest, of.highest].map(|value| format!("{value:.digits$}"));
    html! { b { (median) } " " small { (lowest) " to " (highest) } }
}

/// What named tables call each period.
pub(super) fn categories(qos: &[QosPeriod]) -> Markup {
    html! { @if qos.iter().any(|period| period.categories.is_some()) {
        h3 { "In the words of named tables" }
        (grades(qos))
        (indices(qos))
    } }
}

/// A row for each figure and table, a column for each period.
fn grades(qos: &[QosPeriod]) -> Markup {
    let all =
        |period: &QosPeriod| period.categories.as_ref().map(|categories| categories.grades.clone()).unwrap_or_default();
    let mut rows: Vec<(String, String, String)> = Vec::new();
    for grade in qos.iter().flat_map(all) {
        let row = (grade.figure, grade.table, grade.provenance);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    let cell = |period: &QosPeriod, row: &(String, String, String)| {
        let grade = all(period).into_iter().find(|grade| grade.figure == row.0 && grade.table == row.1);
        grade.map(|grade| {
            let index = grade.index.map(|index| format!(", {index}")).unwrap_or_default();
            (format!("{}{index}", grade.grade), words::plain(grade.value))
        })
    };
    html! {
        div.wide { table {
            thead { tr { th { "figure" } @for period in qos { th { (period.period) } } th.t { "table" } } }
            tbody { @for row in &rows { tr {
                td { (words::fate(&row.0)) }
                @for period in qos { td {
                    @if let Some((grade, value)) = cell(period, row) { (grade) " " small { (value) } } @else { "–" }
                } }
                td.t { (row.1) ", " (row.2) }
            } } }
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
