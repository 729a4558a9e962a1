//! The half that judges: pure functions from evidence to figures, verdicts and reports.
