//! The half that judges: pure functions from evidence to figures, verdicts and reports.

pub mod quality;
pub mod stats;
