//! How a failover spends its time: each phase from the one before it.

use crate::analysis::report::model::{PhaseSummary, Report, Transition};
use crate::analysis::report::words;

use super::data::{Axis, FigureData, Glyph, Legend, Mark, Panel, Role, Vertical};

pub(super) fn phases(report: &Report) -> FigureData {
    let last = report.phases.iter().map(|phase| phase.max_ms / 1e3).fold(0.0, f64::max);
    let axis = Axis::linear("time since the fault, s", 0.0, last * 1.02);
    let panel = |transition: &Transition| {
        let of_fault: Vec<&PhaseSummary> =
            report.phases.iter().filter(|phase| phase.fault == transition.fault).collect();
        (!of_fault.is_empty()).then(|| panel(transition, &of_fault, axis.clone()))
    };
    let several = report.phases.iter().any(|phase| phase.n > 1);
    let mut legend = vec![Legend { glyph: Glyph::Box, role: Role::Plain, text: "since the phase before" }];
    if several {
        legend.push(Legend { glyph: Glyph::Interval, role: Role::Median, text: "smallest to largest" });
    }
    FigureData {
        name: "phases",
        title: "Where the failover spends its time".to_owned(),
        caption: format!(
            "Median over {} of the time from the fault to the first evidence on the wire; at the right the same as a number.",
            words::plural(report.trials.len() as u64, "trial", "trials")
        ),
        legend,
        panels: report.transitions.iter().filter_map(panel).collect(),
    }
}

fn panel(transition: &Transition, phases: &[&PhaseSummary], x: Axis) -> Panel {
    let mut marks = Vec::new();
    if let Some(ms) = transition.configured_ms {
        let label = format!("configured {ms} ms");
        marks.push(Mark::Rule { x: ms / 1e3, role: Role::Truth, dashed: true, title: label.clone(), label });
    }
    let mut before = 0.0;
    for (lane, phase) in phases.iter().enumerate() {
        let to = phase.median_ms / 1e3;
        let title = format!(
            "{}: {:.1} ms after the fault ({:.1} to {:.1} ms, n = {})",
            words::phase(&phase.phase),
            phase.median_ms,
            phase.min_ms,
            phase.max_ms,
            phase.n
        );
        marks.push(Mark::Bar {
            lane,
            slot: (0, 1),
            from: before,
            to,
            open: false,
            role: Role::Plain,
            title: title.clone(),
        });
        if phase.n > 1 {
            let (low, high) = (phase.min_ms / 1e3, Some(phase.max_ms / 1e3));
            marks.push(Mark::Interval { lane, low, high, role: Role::Median, title });
        }
        before = to;
    }
    Panel {
        title: transition.label.clone(),
        x,
        y: Vertical::Lanes(phases.iter().map(|phase| words::short_phase(&phase.phase)).collect()),
        notes: phases.iter().map(|phase| words::duration(phase.median_ms)).collect(),
        marks,
    }
}
