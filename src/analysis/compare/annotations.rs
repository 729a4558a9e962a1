//! A comparison as workflow commands (`::error title=…::…`) that CI systems of GitHub's kind show beside a change.

use super::model::Comparison;
use super::terminal::verdict;
use crate::analysis::report::model::Outcome;

/// A line for each regression (error) and each row that cannot be told (warning); one notice if there is none.
#[must_use]
pub fn annotations(comparison: &Comparison) -> String {
    let mut lines: Vec<String> =
        comparison.rows().filter_map(|(outcome, name, why)| line(outcome, &name, why)).collect();
    if lines.is_empty() {
        let (level, text) = match comparison.outcome {
            Outcome::Pass => ("notice", verdict(comparison)),
            _ => ("warning", comparison.reasons.join("; ")),
        };
        lines.push(command(level, "failover", &text));
    }
    lines.concat()
}

fn line(outcome: Outcome, name: &str, why: &str) -> Option<String> {
    match outcome {
        Outcome::Pass => None,
        Outcome::Fail => Some(command("error", name, why)),
        Outcome::Unknown => Some(command("warning", name, why)),
    }
}

fn command(level: &str, title: &str, text: &str) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = data(title).replace(':', "%3A").replace(',', "%2C");
    format!("::{level} title={property}::{}\n", data(text))
}
