//! What became of every call and message.

use std::collections::BTreeMap;

use crate::analysis::report::model::Report;
use crate::analysis::report::words;
use crate::scenario::{CALL_FATES, MESSAGE_FATES};

use super::data::{Axis, FigureData, Mark, Panel, Role, Vertical};

pub(super) fn fates(report: &Report) -> FigureData {
    let panels = [panel("calls", &report.calls, &CALL_FATES), panel("messages", &report.messages, &MESSAGE_FATES)];
    let trials = words::plural(report.trials.len() as u64, "trial", "trials");
    FigureData {
        name: "fates",
        title: "What became of calls and messages".to_owned(),
        caption: format!(
            "Number of calls and messages that were due, over {trials}; fates that nobody met are left out."
        ),
        legend: Vec::new(),
        panels: panels.into_iter().flatten().collect(),
    }
}

fn panel(what: &str, counts: &BTreeMap<String, u64>, order: &[&str]) -> Option<Panel> {
    let place = |fate: &str| order.iter().position(|known| *known == fate).unwrap_or(order.len());
    let mut fates: Vec<(&String, u64)> =
        counts.iter().map(|(fate, count)| (fate, *count)).filter(|(_, count)| *count > 0).collect();
    fates.sort_by_key(|(fate, _)| place(fate));
    let most = fates.iter().map(|(_, count)| *count).max()?;
    let total: u64 = fates.iter().map(|(_, count)| count).sum();
    let bar = |(lane, (fate, count)): (usize, &(&String, u64))| Mark::Bar {
        lane,
        slot: (0, 1),
        from: 0.0,
        to: *count as f64,
        open: false,
        role: role(fate),
        title: format!("{}: {count} of {total} {what}", words::fate(fate)),
    };
    Some(Panel {
        title: format!("{total} {what} were due"),
        x: Axis { whole: true, ..Axis::linear(format!("number of {what}"), 0.0, most as f64) },
        y: Vertical::Lanes(fates.iter().map(|(fate, _)| words::fate(fate)).collect()),
        notes: fates.iter().map(|(_, count)| count.to_string()).collect(),
        marks: fates.iter().enumerate().map(bar).collect(),
    })
}

fn role(fate: &str) -> Role {
    match fate {
        "unaffected" | "delivered_once" => Role::Up,
        "glitch" | "gap_recovered" | "late" | "duplicated" | "reordered" | "recovered_offline" => Role::Plain,
        "unknown" | "unjudged" | "not_started" => Role::Muted,
        _ => Role::Outage,
    }
}
