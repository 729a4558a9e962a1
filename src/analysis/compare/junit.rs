//! A comparison as JUnit XML: one case for each service and fault, for each coverage, and for each
//! figure and period of media quality.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::model::Comparison;
use crate::analysis::report::model::Outcome;

/// The document. What cannot be told is an error, which no CI system takes for a pass.
///
/// # Errors
/// When the XML cannot be written.
pub fn junit(comparison: &Comparison) -> Result<Vec<u8>, quick_junit::SerializeError> {
    let class = format!("fivenines.compare.{}", comparison.run.scenario);
    let mut suite = TestSuite::new(class.clone());
    let rows = comparison.rows().map(|(outcome, name, why)| (name, outcome, why.to_owned()));
    for (name, outcome, why) in std::iter::once(whole(comparison)).chain(rows) {
        let mut case = TestCase::new(name, status(outcome, &why));
        case.set_classname(class.clone());
        suite.add_test_case(case);
    }
    suite.add_property(("baseline_started_utc", comparison.baseline.started_utc.as_str()));
    suite.add_property(("run_started_utc", comparison.run.started_utc.as_str()));
    let mut document = quick_junit::Report::new("fivenines");
    document.add_test_suite(suite);
    document.to_string().map(String::into_bytes)
}

/// Void measurements, and runs with nothing in common.
fn whole(comparison: &Comparison) -> (String, Outcome, String) {
    let comparable = comparison.void.is_empty() && !comparison.is_empty();
    let outcome = if comparable { Outcome::Pass } else { Outcome::Unknown };
    ("the two runs can be compared".to_owned(), outcome, comparison.reasons.join("; "))
}

fn status(outcome: Outcome, why: &str) -> TestCaseStatus {
    let kind = match outcome {
        Outcome::Pass => return TestCaseStatus::success(),
        Outcome::Fail => NonSuccessKind::Failure,
        Outcome::Unknown => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(why);
    status
}
