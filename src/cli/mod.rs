//! The command line: one file a subcommand.

pub mod availability;
pub mod mos;

use serde::Serialize;

/// An answer as JSON, the same content as the text.
fn json(answer: &impl Serialize) -> String {
    serde_json::to_string_pretty(answer).unwrap_or_default()
}
