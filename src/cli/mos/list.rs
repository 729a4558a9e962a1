//! The tables: which codecs have values on which scale, which are refused and why.

use std::fmt::Write as _;

use serde::Serialize;

use super::{json, write_wrapped};
use crate::analysis::quality::Bandwidth;
use crate::analysis::quality::g113::{REFUSED, ROWS, Refused, Row};
use crate::analysis::quality::g1070::{CoefficientSet, SETS};

/// Everything that has values, and what has none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listing {
    /// `fivenines.mos.list.v1`.
    pub schema: &'static str,
    /// Voice codecs by scale.
    pub codecs: &'static [Row],
    /// Names that are refused.
    pub refused: &'static [Refused],
    /// Video sets by name.
    pub video: Vec<NamedSet>,
}

/// A coefficient set with its name and provenance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedSet {
    /// Name for `--video`.
    pub name: String,
    /// How far the coefficients can be trusted.
    pub provenance: String,
    /// The coefficients.
    #[serde(flatten)]
    pub set: &'static CoefficientSet,
}

pub(super) fn run(as_json: bool) -> String {
    if !as_json {
        return text();
    }
    let named =
        |set: &'static CoefficientSet| NamedSet { name: set.name(), provenance: set.provenance().to_string(), set };
    let video = SETS.iter().map(named).collect();
    json(&Listing { schema: "fivenines.mos.list.v1", codecs: ROWS, refused: REFUSED, video })
}

fn text() -> String {
    let mut out = String::new();
    for bandwidth in [Bandwidth::Narrowband, Bandwidth::Wideband, Bandwidth::Fullband] {
        write_scale(&mut out, bandwidth);
    }
    // Writing to a string cannot fail.
    let _ = writeln!(out, "refused");
    for Refused { name, reason, proxy, .. } in REFUSED {
        let proxy = if *proxy { "; a --proxy may stand in" } else { "" };
        write_wrapped(&mut out, &format!("{name:<8}  {reason}{proxy}"));
    }
    let _ = writeln!(out, "\nvideo (G.1070): Vq only, MMq for sets 1 and 2\n  set  name              trained for");
    for set in &SETS {
        let trained = set
            .format
            .trained_kbps()
            .map_or("unknown rates".to_owned(), |(low, high)| format!("{low} to {high} kbit/s"));
        let _ = writeln!(out, "  {:>3}  {:<16}  {trained}, {}", set.number, set.name(), set.provenance());
    }
    out
}

/// The rows of a scale in 80 columns; provenance and source stand once above those that share them.
fn write_scale(out: &mut String, bandwidth: Bandwidth) {
    let _ = writeln!(out, "{bandwidth}\n  name                   Ie   Bpl ptime  condition");
    let mut above = None;
    for row in ROWS.iter().filter(|row| row.bandwidth == bandwidth) {
        let trust = (row.provenance, row.source);
        if above.replace(trust) != Some(trust) {
            write_wrapped(out, &format!("{}: {}", row.provenance, row.source));
        }
        let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| value.to_string());
        let (ie, bpl, ptime) = (row.ie, cell(row.bpl), cell(row.ptime_ms));
        let _ = writeln!(out, "  {:<20}{ie:>5} {bpl:>5} {ptime:>5}  {}", row.key, row.condition);
    }
    let _ = writeln!(out);
}
