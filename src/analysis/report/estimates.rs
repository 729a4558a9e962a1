//! `tables/estimates.csv`, and the words of an estimate for the page.

use std::path::PathBuf;

use super::model::{Estimate, QuantileBound, Report, Span95};
use super::words;

const HEADER: [&str; 26] = [
    "fault",
    "service",
    "n",
    "censored",
    "kaplan_meier_median_ms",
    "kaplan_meier_low_ms",
    "kaplan_meier_high_ms",
    "mean_ms",
    "mean_low_ms",
    "mean_high_ms",
    "mean_bca_low_ms",
    "mean_bca_high_ms",
    "geometric_mean_ms",
    "geometric_mean_low_ms",
    "geometric_mean_high_ms",
    "next_low_ms",
    "next_high_ms",
    "p90_bound_ms",
    "p90_above_ms",
    "p90_needed_n",
    "p95_bound_ms",
    "p95_above_ms",
    "p95_needed_n",
    "p99_bound_ms",
    "p99_above_ms",
    "p99_needed_n",
];

/// One row for each service and fault; what is undefined is empty.
///
/// # Errors
/// When a row cannot be written as CSV.
pub(super) fn csv(report: &Report) -> Result<(PathBuf, Vec<u8>), csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for estimate in &report.estimates {
        writer.write_record(row(estimate))?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok((PathBuf::from("tables/estimates.csv"), bytes))
}

fn row(of: &Estimate) -> Vec<String> {
    let number = |value: Option<f64>| value.map(|ms| format!("{ms:.3}")).unwrap_or_default();
    let ends =
        |span: Option<Span95>| [number(span.map(|span| span.low_ms)), number(span.and_then(|span| span.high_ms))];
    let with_value = |span: Option<Span95>| {
        let [low, high] = ends(span);
        [number(span.and_then(|span| span.value_ms)), low, high]
    };
    let bound = |of: &QuantileBound| [number(of.bound_ms), number(of.above_ms), of.needed_n.to_string()];
    [of.fault.to_string(), of.service.clone(), of.n.to_string(), of.censored.to_string()]
        .into_iter()
        .chain(with_value(of.kaplan_meier))
        .chain(with_value(of.mean))
        .chain(ends(of.mean_bca))
        .chain(with_value(of.geometric_mean))
        .chain(ends(of.next))
        .chain(of.bounds.iter().flat_map(bound))
        .collect()
}

/// The value, `–` without one, and its interval.
pub(super) fn span(span: Option<&Span95>) -> (String, String) {
    let value = span.and_then(|span| span.value_ms).map_or_else(|| "–".to_owned(), words::duration);
    (value, span.map(|span| words::interval(span.low_ms, span.high_ms)).unwrap_or_default())
}

/// `≤ 712 ms`, or how many trials it takes.
pub(super) fn bound(bound: &QuantileBound, n: u64) -> String {
    match (bound.bound_ms, bound.above_ms) {
        (Some(ms), _) => format!("≤ {}", words::duration(ms)),
        (None, Some(above)) => words::longer_than(above),
        (None, None) => format!("not claimable with n = {n}, needs {}", bound.needed_n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::report::fixture;

    #[test]
    fn every_estimate_is_a_row_under_its_header() {
        let report = fixture::quickstart(15);
        let (_, bytes) = csv(&report).unwrap();
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        // Nine services after each of two faults; two receivers of each trial stay out after the first one only.
        assert_eq!(rows.len(), report.estimates.len());
        assert_eq!((&rows[0][0], &rows[0][1], &rows[0][2]), ("0", "address", "15"));
        assert_eq!((&rows[0][17], &rows[0][19]), ("", "29"), "fifteen trials claim no P90");
        assert_eq!(bound(&report.estimates[0].bounds[1], 15), "not claimable with n = 15, needs 59");
    }
}
