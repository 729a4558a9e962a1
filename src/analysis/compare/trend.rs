//! Several runs in a row, each against the same baseline.

use serde::Serialize;

use super::model::{Comparison, QualityComparison, Side};
use crate::analysis::report::model::Outcome;

/// Runs from left to right, services from top to bottom.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// `fivenines.trend.v1`.
    pub schema: String,
    /// What all are compared with.
    pub baseline: Side,
    /// The runs, in the order given.
    pub runs: Vec<Side>,
    /// Outcome of each comparison.
    pub outcomes: Vec<Outcome>,
    /// A row for each service and fault of the baseline.
    pub rows: Vec<TrendRow>,
    /// A row for each figure and period of media quality of the baseline.
    pub quality: Vec<QualityTrendRow>,
}

/// One figure of media quality, in the unit of its name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QualityTrendRow {
    /// `MOS before`.
    pub name: String,
    /// The figure in each run, against the baseline.
    pub cells: Vec<QualityComparison>,
}

/// One service after one fault.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrendRow {
    /// `new call after power-off 1`.
    pub name: String,
    /// Median of the baseline.
    pub baseline_median_ms: Option<f64>,
    /// A cell for each run.
    pub cells: Vec<TrendCell>,
}

/// One service in one run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TrendCell {
    /// Median of the run; absent when it never came back or was not measured.
    pub median_ms: Option<f64>,
    /// Shift from the baseline.
    pub shift_ms: Option<f64>,
    /// Whether it regressed.
    pub outcome: Outcome,
}

/// Lays comparisons with one baseline side by side; `None` without any.
#[must_use]
pub fn trend(comparisons: &[Comparison]) -> Option<Trend> {
    let first = comparisons.first()?;
    // Every comparison has the rows of the baseline, in its order.
    let row = |index: usize| TrendRow {
        name: first.outages[index].name(),
        baseline_median_ms: first.outages[index].baseline_median_ms,
        cells: comparisons.iter().filter_map(|comparison| comparison.outages.get(index)).map(cell).collect(),
    };
    let heard = |index: usize| QualityTrendRow {
        name: first.quality[index].name(),
        cells: comparisons.iter().filter_map(|comparison| comparison.quality.get(index)).cloned().collect(),
    };
    Some(Trend {
        schema: "fivenines.trend.v1".to_owned(),
        baseline: first.baseline.clone(),
        runs: comparisons.iter().map(|comparison| comparison.run.clone()).collect(),
        outcomes: comparisons.iter().map(|comparison| comparison.outcome).collect(),
        rows: (0..first.outages.len()).map(row).collect(),
        quality: (0..first.quality.len()).map(heard).collect(),
    })
}

impl QualityTrendRow {
    /// The baseline's median in its unit.
    #[must_use]
    pub fn baseline_text(&self) -> String {
        self.cells.first().map_or_else(|| "–".to_owned(), |cell| cell.value_text(cell.baseline_median))
    }
}

fn cell(row: &super::OutageComparison) -> TrendCell {
    TrendCell { median_ms: row.run_median_ms, shift_ms: row.shift_ms, outcome: row.outcome }
}
