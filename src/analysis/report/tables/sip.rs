//! Signalling by RFC 6076, and media through servers.

use super::{Row, maybe, optional};
use crate::analysis::measure::model::{Delay, Measured, SipDelay, SipRatio, Transit};
use crate::analysis::report::signalling::{Metric, delays, ratios, undecided};

pub(super) const SIP: [&str; 11] =
    ["metric", "name", "clause", "numerator", "denominator", "percent", "n", "mean_ms", "p50_ms", "p95_ms", "max_ms"];
pub(super) const SIP_REQUESTS: [&str; 4] = ["method", "transactions", "retransmissions", "response_retransmissions"];
pub(super) const SIP_RESPONSES: [&str; 3] = ["method", "code", "count"];
pub(super) const TRANSITS: [&str; 14] = [
    "src",
    "via_in",
    "via_out",
    "dst",
    "call_in",
    "call_out",
    "entered",
    "left",
    "delay_ms_mean",
    "delay_ms_p50",
    "delay_ms_p95",
    "delay_ms_max",
    "delay_error_ms",
    "delay_method",
];

/// A row for each metric, defined or not, then one for each count of what was left open.
pub(super) fn metrics(measured: &Measured) -> Vec<Row> {
    let Some(sip) = &measured.sip else { return Vec::new() };
    let mut rows: Vec<Row> = ratios(sip).into_iter().map(|(metric, ratio)| ratio_row(metric, ratio)).collect();
    rows.extend(delays(sip).into_iter().map(|(metric, delay)| delay_row(metric, delay)));
    rows.extend(undecided(sip).into_iter().map(|(key, n)| {
        let mut row = vec![String::new(); SIP.len()];
        row[0] = key.to_owned();
        row[6] = n.to_string();
        row
    }));
    rows
}

fn head(metric: Metric) -> [String; 3] {
    [metric.key, metric.name, metric.clause].map(str::to_owned)
}

fn ratio_row(metric: Metric, ratio: &SipRatio) -> Row {
    let share = [ratio.numerator.to_string(), ratio.denominator.to_string(), maybe(ratio.percent)];
    head(metric).into_iter().chain(share).chain([const { String::new() }; 5]).collect()
}

fn delay_row(metric: Metric, delay: Option<&SipDelay>) -> Row {
    let of = |value: fn(&SipDelay) -> f64| maybe(delay.map(value));
    let figures = [of(|of| of.mean_ms), of(|of| of.p50_ms), of(|of| of.p95_ms), of(|of| of.max_ms)];
    let n = delay.map_or(0, |delay| delay.n).to_string();
    head(metric).into_iter().chain([const { String::new() }; 3]).chain([n]).chain(figures).collect()
}

pub(super) fn requests(measured: &Measured) -> Vec<Row> {
    let of = measured.sip.iter().flat_map(|sip| &sip.requests);
    let rows = of.map(|of| {
        let counts = [of.transactions, of.retransmissions, of.response_retransmissions];
        std::iter::once(of.method.clone()).chain(counts.map(|count| count.to_string())).collect()
    });
    rows.collect()
}

pub(super) fn responses(measured: &Measured) -> Vec<Row> {
    let of = measured.sip.iter().flat_map(|sip| &sip.responses);
    of.map(|of| vec![of.method.clone(), of.code.to_string(), of.count.to_string()]).collect()
}

pub(super) fn transits(measured: &Measured) -> Vec<Row> {
    measured.transits.iter().map(transit).collect()
}

fn transit(of: &Transit) -> Row {
    let delay = |value: fn(&Delay) -> f64| maybe(of.delay.as_ref().map(value));
    vec![
        of.src.clone(),
        of.via_in.clone(),
        of.via_out.clone(),
        of.dst.clone(),
        optional(of.call_in),
        optional(of.call_out),
        of.entered.to_string(),
        of.left.to_string(),
        delay(|delay| delay.mean_ms),
        delay(|delay| delay.p50_ms),
        delay(|delay| delay.p95_ms),
        delay(|delay| delay.max_ms),
        // A bound of a nanosecond would read as 0 in the digits of the others.
        of.delay.as_ref().map(|delay| delay.error_ms.to_string()).unwrap_or_default(),
        optional(of.delay.as_ref().map(|delay| delay.method.as_str())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::measure::model::SipMetrics;
    use crate::analysis::report::tables::number;

    #[test]
    fn what_is_undefined_is_empty_and_no_row_is_left_out() {
        let ser = SipRatio { numerator: 3, denominator: 9, percent: Some(100.0 / 3.0) };
        let delay = SipDelay { n: 2, mean_ms: 30.0, p50_ms: 15.0, p95_ms: 45.0, max_ms: 45.0 };
        let sip = SipMetrics { ser, rrd: Some(delay), undecided_sessions: 4, ..SipMetrics::default() };
        let measured = Measured { sip: Some(sip), ..Measured::default() };
        let rows = metrics(&measured);
        assert!(rows.len() == 15 && rows.iter().all(|row| row.len() == SIP.len()));
        let row = |key: &str| rows.iter().find(|row| row[0] == key).unwrap().join(",");
        assert_eq!(row("ser"), format!("ser,SER,4.6,3,9,{},,,,,", number(100.0 / 3.0)));
        assert_eq!(row("rrd"), "rrd,RRD,4.1,,,,2,30.000,15.000,45.000,45.000");
        assert_eq!(
            (row("ira"), row("sdd_failed")),
            ("ira,IRA,4.2,0,0,,,,,,".into(), "sdd_failed,SDD,4.4,,,,0,,,,".into())
        );
        assert_eq!(row("undecided_sessions"), "undecided_sessions,,,,,,4,,,,");
        assert_eq!(metrics(&Measured::default()), Vec::<Row>::new());
    }
}
