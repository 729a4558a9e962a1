//! The metrics of RFC 6076 as tables of 80 columns.

use std::fmt::Write as _;

use super::tables::wrapped;
use crate::analysis::measure::model::{SipDelay, SipMetrics, SipRatio};
use crate::analysis::report::signalling::{self, Metric};

/// Ratios, delays and the histogram of answers.
pub(super) fn table(sip: &SipMetrics) -> String {
    let mut lines = ratios(sip);
    lines.extend(delays(sip));
    lines.extend(signalling::left_open(sip).map(|left| format!("{left}.")));
    lines.extend(answers(sip));
    lines.iter().fold(String::new(), |mut text, line| {
        let _infallible = writeln!(text, "{}", line.trim_end());
        text
    })
}

fn ratios(sip: &SipMetrics) -> Vec<String> {
    let head = "\nRFC 6076                                         percent      of".to_owned();
    let row = |(metric, ratio): (Metric, &SipRatio)| ratio_line(&row_name(metric), ratio);
    std::iter::once(head).chain(signalling::ratios(sip).map(row)).collect()
}

fn row_name(metric: Metric) -> String {
    format!("{:<6} {}", metric.name, metric.meaning)
}

fn ratio_line(name: &str, ratio: &SipRatio) -> String {
    let percent = ratio.percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.3}"));
    format!("{name:<48} {percent:>7}  {} of {}", ratio.numerator, ratio.denominator)
}

fn delays(sip: &SipMetrics) -> Vec<String> {
    let rows = signalling::delays(sip).into_iter();
    let defined: Vec<String> = rows.filter_map(|(metric, delay)| Some(delay_line(&row_name(metric), delay?))).collect();
    let head = format!("{:<36} {:>7} {:>8} {:>8} {:>8} {:>8}", "ms", "n", "mean", "median", "p95", "max");
    if defined.is_empty() { defined } else { std::iter::once(head).chain(defined).collect() }
}

fn delay_line(name: &str, delay: &SipDelay) -> String {
    let SipDelay { n, mean_ms, p50_ms, p95_ms, max_ms } = delay;
    format!("{name:<36} {n:>7} {mean_ms:>8.1} {p50_ms:>8.1} {p95_ms:>8.1} {max_ms:>8.1}")
}

fn answers(sip: &SipMetrics) -> Vec<String> {
    let row = |requests: &crate::analysis::measure::model::SipRequests| {
        let of = sip.responses.iter().filter(|response| response.method == requests.method);
        let codes: Vec<String> = of.map(|response| format!("{}×{}", response.code, response.count)).collect();
        let again = requests.retransmissions + requests.response_retransmissions;
        let head = format!("{:<12} {:>8} {again:>8}  ", requests.method, requests.transactions);
        wrapped(&head, &codes)
    };
    let head = "requests        count sent again  answers".to_owned();
    let rows: Vec<String> = sip.requests.iter().flat_map(row).collect();
    if rows.is_empty() { rows } else { std::iter::once(head).chain(rows).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::measure::model::{SipRequests, SipResponses};

    #[test]
    fn no_line_is_longer_than_80_columns_and_what_is_undefined_has_a_dash() {
        let responses = (400..440).map(|code| SipResponses { method: "INVITE".into(), code, count: 1000 }).collect();
        let requests = vec![SipRequests {
            method: "INVITE".into(),
            transactions: 40_000,
            retransmissions: 7,
            response_retransmissions: 0,
        }];
        let delay = SipDelay { n: 1_000_000, mean_ms: 32_000.0, p50_ms: 32_000.0, p95_ms: 32_000.0, max_ms: 99_999.9 };
        let sip = SipMetrics { requests, responses, srd_failed: Some(delay), ..SipMetrics::default() };
        let text = table(&sip);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.lines().any(|line| line.starts_with("SER") && line.contains("  -  0 of 0")), "{text}");
    }
}
