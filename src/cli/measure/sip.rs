//! The metrics of RFC 6076 as tables of 80 columns.

use std::fmt::Write as _;

use super::tables::wrapped;
use crate::analysis::measure::model::{SipDelay, SipMetrics, SipRatio};

/// Ratios, delays and the histogram of answers.
pub(super) fn table(sip: &SipMetrics) -> String {
    let mut lines = ratios(sip);
    lines.extend(delays(sip));
    lines.extend(open(sip));
    lines.extend(answers(sip));
    lines.iter().fold(String::new(), |mut text, line| {
        let _infallible = writeln!(text, "{}", line.trim_end());
        text
    })
}

fn ratios(sip: &SipMetrics) -> Vec<String> {
    let head = "\nRFC 6076                                         percent      of".to_owned();
    let rows = [
        ("SER    sessions established, without redirected", &sip.ser),
        ("SEER   established, busy, away or declined", &sip.seer),
        ("ISA    ineffective sessions (408 500 503 504)", &sip.isa),
        ("SCR    sessions completed by a BYE", &sip.scr),
        ("IRA    ineffective registrations", &sip.ira),
    ];
    std::iter::once(head).chain(rows.map(|(name, ratio)| ratio_line(name, ratio))).collect()
}

fn ratio_line(name: &str, ratio: &SipRatio) -> String {
    let percent = ratio.percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.3}"));
    format!("{name:<48} {percent:>7}  {} of {}", ratio.numerator, ratio.denominator)
}

fn delays(sip: &SipMetrics) -> Vec<String> {
    let rows = [
        ("RRD    REGISTER to 2xx", &sip.rrd),
        ("SRD    INVITE to status, successful", &sip.srd_successful),
        ("SRD    INVITE to status, failed", &sip.srd_failed),
        ("SDD    BYE to 2xx", &sip.sdd_completed),
        ("SDD    BYE to timeout", &sip.sdd_failed),
        ("SDT    session, completed", &sip.sdt_completed),
        ("SDT    session, BYE unanswered", &sip.sdt_failed),
    ];
    let defined: Vec<String> =
        rows.into_iter().filter_map(|(name, delay)| Some(delay_line(name, delay.as_ref()?))).collect();
    let head = format!("{:<36} {:>7} {:>8} {:>8} {:>8} {:>8}", "ms", "n", "mean", "median", "p95", "max");
    if defined.is_empty() { defined } else { std::iter::once(head).chain(defined).collect() }
}

fn delay_line(name: &str, delay: &SipDelay) -> String {
    let SipDelay { n, mean_ms, p50_ms, p95_ms, max_ms } = delay;
    format!("{name:<36} {n:>7} {mean_ms:>8.1} {p50_ms:>8.1} {p95_ms:>8.1} {max_ms:>8.1}")
}

fn open(sip: &SipMetrics) -> Option<String> {
    let left = [
        (sip.undecided_sessions, "INVITEs"),
        (sip.undecided_registrations, "REGISTERs"),
        (sip.open_sessions, "sessions still going on"),
    ];
    let left: Vec<String> = left.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    (!left.is_empty()).then(|| format!("not decided within the capture: {}", left.join(", ")))
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
