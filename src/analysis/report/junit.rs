//! `junit.xml`: one case for each threshold and one for the measurement's validity, for CI systems.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::model::{Outcome, Report, ThresholdResult};
use super::words;

/// The document. What cannot be judged is an error, which no CI system takes for a pass.
///
/// # Errors
/// When the XML cannot be written.
pub fn junit(report: &Report) -> Result<Vec<u8>, quick_junit::SerializeError> {
    let mut suite = TestSuite::new(format!("fivenines.{}", report.scenario));
    suite.add_test_case(validity(report));
    for threshold in &report.verdict.thresholds {
        suite.add_test_case(case(report, &threshold.text, status(threshold)));
    }
    suite.add_property(("headline", report.headline.as_str()));
    suite.add_property(("started_utc", report.run.started_utc.as_str()));
    suite.add_property(("trials", report.trials.len().to_string().as_str()));
    let mut document = quick_junit::Report::new("fivenines");
    document.add_test_suite(suite);
    document.to_string().map(String::into_bytes)
}

fn validity(report: &Report) -> TestCase {
    let void: Vec<String> = report
        .caveats
        .iter()
        .filter(|caveat| caveat.voids)
        .map(|caveat| format!("{}: {}", caveat.text, caveat.remedy))
        .collect();
    let status = if void.is_empty() { TestCaseStatus::success() } else { not_judged(&void.join("; ")) };
    case(report, "the measurement is valid", status)
}

fn case(report: &Report, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("fivenines.{}", report.scenario));
    case
}

fn status(threshold: &ThresholdResult) -> TestCaseStatus {
    let value = threshold.value.map(words::plain);
    let known = value.or(threshold.above.map(|above| format!("more than {}", words::plain(above))));
    match threshold.outcome {
        Outcome::Pass => TestCaseStatus::success(),
        Outcome::Fail => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(format!("measured {}", known.unwrap_or_else(|| "nothing".to_owned())));
            status
        }
        Outcome::Unknown => not_judged("not judged: the measurement is void or the figure is undefined"),
    }
}

fn not_judged(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(message);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::report::fixture;

    fn xml(report: &Report) -> String {
        String::from_utf8(junit(report).unwrap()).unwrap()
    }

    #[test]
    fn every_threshold_is_a_case_and_so_is_validity() {
        let text = xml(&fixture::quickstart(1));
        assert!(
            text.contains(r#"tests="5""#) && text.contains(r#"failures="0""#) && text.contains(r#"errors="0""#),
            "{text}"
        );
        assert!(text.contains("outage.media.median &lt; 2s"));
    }

    #[test]
    fn a_broken_threshold_fails_and_a_void_run_is_an_error() {
        let mut report = fixture::quickstart(1);
        (report.verdict.thresholds[0].outcome, report.verdict.thresholds[0].value) = (Outcome::Fail, Some(1622.04));
        let text = xml(&report);
        assert!(text.contains(r#"failures="1""#) && text.contains("measured 1622.04"), "{text}");
        let text = xml(&fixture::quickstart(0));
        assert!(text.contains("no trial left evidence"), "{text}");
        assert!(!text.contains(r#"errors="0""#), "{text}");
    }
}
