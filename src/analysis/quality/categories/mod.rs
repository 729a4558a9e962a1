//! Category names for delay, jitter and loss, always with the name of the table that they come from.
//!
//! The same 200 ms are "acceptable" by G.114 and index 3 by the table that Indonesian theses cite: a category
//! without its table says nothing.

mod itu;
pub mod tiphon;
mod y1541;

use serde::Serialize;

use super::Provenance;

pub use itu::{G1010Service, G1010Target, g114, g1010, g1010_voice_delay, g1010_voice_loss, loss_as_theses_cite};
pub use y1541::{CLASSES, IpPerformance, Y1541Class, classes_met};

/// A grade from a named table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Category {
    /// The table, as it must be quoted.
    pub table: &'static str,
    /// The grade, in the table's own words.
    pub grade: &'static str,
    /// The table's index, where it has one (4 is best).
    pub index: Option<u8>,
    /// How far the table can be trusted.
    pub provenance: Provenance,
}

/// The first grade whose limit is not reached; the last row is for everything else. NaN has no grade.
fn graded(
    table: &'static str,
    provenance: Provenance,
    value: f64,
    rows: &[(f64, &'static str, Option<u8>)],
) -> Option<Category> {
    let row = rows.iter().find(|(limit, _, _)| value < *limit).or(rows.last())?;
    (value >= 0.0).then_some(Category { table, grade: row.1, index: row.2, provenance })
}
