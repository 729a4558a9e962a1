//! The budget curve as a file.

use std::path::Path;

use super::Given;
use crate::analysis::report::model::Report;
use crate::analysis::report::{Cost, budget_figure};
use crate::cli::Failure;

/// Draws the outages of the run, or the stated downtime.
///
/// # Errors
/// When the name does not end in .png or .svg, nothing can be marked, or the disk does not take the file.
pub(super) fn draw(path: &Path, given: &Given, report: Option<&Report>) -> Result<(), Failure> {
    let (costs, basis) = match report {
        Some(report) => {
            (report.availability.budget.iter().map(Cost::from).collect(), "Marked: the run's median outages.")
        }
        None => (stated(given), "Marked: the stated downtime."),
    };
    if costs.is_empty() {
        let why = "there is no outage that came back: nothing can be drawn against a budget";
        return Err(Failure::new(2, why));
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let bytes = budget_figure(&costs, basis, extension)
        .ok_or_else(|| Failure::new(2, format!("{}: the name of a figure must end in .png or .svg", path.display())))?;
    std::fs::write(path, bytes).map_err(|error| Failure::new(2, format!("cannot write {}: {error}", path.display())))
}

fn stated(given: &Given) -> Vec<Cost> {
    let interval_s = given.interval.map(|interval| (interval.low, interval.high));
    given
        .downtime_s
        .map(|downtime_s| Cost { name: "downtime".to_owned(), downtime_s, interval_s })
        .into_iter()
        .collect()
}
