//! Signalling by RFC 6076: ratios, delays, what was sent again and what was answered.

use maud::{Markup, html};

use crate::analysis::measure::model::{SipMetrics, SipRequests};
use crate::analysis::report::signalling::{Metric, delays, left_open, ratios};
use crate::analysis::report::words;

/// All tables.
pub(super) fn signalling(sip: &SipMetrics) -> Markup {
    html! {
        div.pair {
            (ratio_table(sip))
            @if delays(sip).iter().any(|(_, delay)| delay.is_some()) { (delay_table(sip)) }
        }
        @if let Some(left) = left_open(sip) { p { (left) "." } }
        @if !sip.requests.is_empty() { (answers(sip)) }
    }
}

fn name(metric: Metric) -> Markup {
    html! { td title=(metric.meaning) { (metric.name) " " small { (metric.meaning) ", §" (metric.clause) } } }
}

fn ratio_table(sip: &SipMetrics) -> Markup {
    html! {
        div.wide { table {
            thead { tr { th { "RFC 6076" } th { "share" } th { "of" } } }
            tbody { @for (metric, ratio) in ratios(sip) { tr {
                (name(metric))
                td { (ratio.percent.map_or_else(|| "–".to_owned(), words::percent)) }
                td { (ratio.numerator) " of " (ratio.denominator) }
            } } }
        } }
    }
}

fn delay_table(sip: &SipMetrics) -> Markup {
    html! {
        div.wide { table {
            thead { tr { th { "RFC 6076" } th { "n" } th { "median" } th { "p95" } th { "most" } } }
            tbody { @for (metric, delay) in delays(sip) { @if let Some(delay) = delay { tr {
                (name(metric))
                td { (delay.n) } td { (words::fine(delay.p50_ms)) } td { (words::fine(delay.p95_ms)) } td { (words::fine(delay.max_ms)) }
            } } } }
        } }
    }
}

fn answers(sip: &SipMetrics) -> Markup {
    let codes = |requests: &SipRequests| {
        let of = sip.responses.iter().filter(|response| response.method == requests.method);
        of.map(|response| format!("{} × {}", response.count, response.code)).collect::<Vec<_>>().join(", ")
    };
    html! {
        div.wide { table {
            thead { tr {
                th { "method" } th { "transactions" } th { "requests sent again" } th { "answers sent again" } th.t { "answers" }
            } }
            tbody { @for requests in &sip.requests { tr {
                td { (requests.method) } td { (requests.transactions) } td { (requests.retransmissions) }
                td { (requests.response_retransmissions) } td.t { (codes(requests)) }
            } } }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::measure::model::{SipDelay, SipRatio, SipResponses};

    #[test]
    fn ratios_stand_with_what_they_are_of_and_what_is_undefined_has_a_dash() {
        let delay = SipDelay { n: 2, mean_ms: 30.0, p50_ms: 15.0, p95_ms: 45.0, max_ms: 45.0 };
        let requests =
            SipRequests { method: "INVITE".into(), transactions: 9, retransmissions: 6, response_retransmissions: 1 };
        let sip = SipMetrics {
            ser: SipRatio { numerator: 3, denominator: 9, percent: Some(100.0 / 3.0) },
            rrd: Some(delay),
            requests: vec![requests],
            responses: vec![SipResponses { method: "INVITE".into(), code: 486, count: 2 }],
            undecided_sessions: 1,
            ..SipMetrics::default()
        };
        let page = signalling(&sip).into_string();
        for part in ["3 of 9", "33.3", "§4.6", "0 of 0", "–", "45 ms", "2 × 486", "capture: 1 INVITE."] {
            assert!(page.contains(part), "no {part}: {page}");
        }
        assert!(!page.contains("SRD"), "delays of which nothing was seen have no row");
    }
}
