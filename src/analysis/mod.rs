//! The half that judges: pure functions from evidence to figures, verdicts and reports.

pub mod availability;
pub mod compare;
pub mod measure;
pub mod quality;
pub mod report;
pub mod stats;
pub mod theory;
pub mod verdict;
