//! Scenario errors: what, where, and what to do.

use std::ops::Range;

use miette::{Diagnostic, NamedSource, SourceSpan};

/// A scenario that cannot be run. Printed by miette with the line and a marker.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct ScenarioError {
    message: String,
    #[source_code]
    source_code: NamedSource<String>,
    #[label("{label}")]
    span: Option<SourceSpan>,
    label: String,
    #[help]
    help: Option<String>,
}

/// What the semantic checks complain about.
pub(super) struct Complaint {
    pub span: Range<usize>,
    pub message: String,
    pub label: String,
    pub help: String,
}

impl ScenarioError {
    /// Line and column (from 1) of the place, where one is known.
    #[must_use]
    pub fn place(&self) -> Option<(usize, usize)> {
        let offset = self.span?.offset();
        let before = self.source_code.inner().get(..offset)?;
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Some((line, column))
    }
}

pub(super) fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> Box<ScenarioError> {
    let message = error.message().trim().to_owned();
    Box::new(ScenarioError {
        help: suggest(&message),
        label: "here".to_owned(),
        source_code: NamedSource::new(file, text.to_owned()),
        span: error.span().map(SourceSpan::from),
        message,
    })
}

pub(super) fn from_complaint(file: &str, text: &str, complaint: Complaint) -> Box<ScenarioError> {
    Box::new(ScenarioError {
        message: complaint.message,
        source_code: NamedSource::new(file, text.to_owned()),
        span: (!complaint.span.is_empty()).then(|| SourceSpan::from(complaint.span)),
        label: complaint.label,
        help: Some(complaint.help),
    })
}

/// "did you mean", from serde's own list of what it expected.
fn suggest(message: &str) -> Option<String> {
    let mut words = message.split('`').skip(1).step_by(2);
    let wrong = words.next()?;
    let best = words.max_by(|a, b| strsim::jaro_winkler(wrong, a).total_cmp(&strsim::jaro_winkler(wrong, b)))?;
    (message.starts_with("unknown") && strsim::jaro_winkler(wrong, best) > 0.7)
        .then(|| format!("did you mean `{best}`?"))
}
