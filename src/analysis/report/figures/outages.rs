//! Outage by service: every user of every trial, the median, its interval and the configured truth.

use crate::analysis::measure::model::Outage;
use crate::analysis::report::assemble::row_of;
use crate::analysis::report::model::{OutageSummary, Report, Transition};
use crate::analysis::report::words;

use super::data::{Axis, FigureData, Glyph, Legend, Mark, Panel, Role, Vertical};

/// More dots in a lane cannot be told apart.
const MOST_DOTS: usize = 200;

pub(super) fn by_service(report: &Report) -> FigureData {
    let shown: Vec<&Transition> = report.transitions.iter().filter(|transition| !hit(transition).is_empty()).collect();
    let axis = axis(report);
    let panels: Vec<Panel> = shown.iter().map(|transition| panel(report, transition, axis.clone())).collect();
    let rows = || shown.iter().flat_map(|transition| &transition.services);
    let mut legend = vec![
        Legend { glyph: Glyph::Dot, role: Role::Outage, text: "one user" },
        Legend { glyph: Glyph::Stroke, role: Role::Median, text: "median" },
    ];
    if rows().any(|row| row.ci_low_ms.is_some()) {
        legend.push(Legend { glyph: Glyph::Interval, role: Role::Median, text: "its interval" });
    }
    if shown.iter().any(|transition| transition.configured_ms.is_some()) {
        legend.push(Legend { glyph: Glyph::Dashes, role: Role::Truth, text: "configured" });
    }
    if rows().any(|row| row.censored > 0) {
        legend.push(Legend { glyph: Glyph::More, role: Role::Outage, text: "longer than this" });
    }
    FigureData {
        name: "outages",
        title: "Outage by service".to_owned(),
        caption: caption(report, rows().find_map(|row| row.confidence)),
        legend,
        panels,
    }
}

fn caption(report: &Report, confidence: Option<f64>) -> String {
    let n = words::plural(report.trials.len() as u64, "trial", "trials");
    let interval = match confidence {
        Some(confidence) => format!("exact {:.1} % interval of the median over trials", confidence * 100.0),
        None => "no interval under 6 trials".to_owned(),
    };
    let most = if most_dots(report) {
        format!("At most {MOST_DOTS} users of each service are drawn. ")
    } else {
        String::new()
    };
    format!(
        "n = {n}; median over trials of the trial's median affected user; {interval}. {most}At the right: the median."
    )
}

fn most_dots(report: &Report) -> bool {
    report.transitions.iter().flat_map(|transition| &transition.services).any(|row| row.affected > MOST_DOTS as u64)
}

fn hit(transition: &Transition) -> Vec<&OutageSummary> {
    transition.services.iter().filter(|row| row.affected > 0).collect()
}

fn axis(report: &Report) -> Axis {
    let configured = report.transitions.iter().filter_map(|transition| transition.configured_ms);
    let measured = report
        .trials
        .iter()
        .flat_map(|trial| &trial.measured.outages)
        .filter(|o| o.fault.is_some() && !o.left && row_of(o).is_some())
        .map(|o| o.duration_ms);
    let all: Vec<f64> = measured.chain(configured).filter(|ms| *ms > 0.0).map(|ms| ms / 1e3).collect();
    let (low, high) = all.iter().fold((f64::MAX, 0.0_f64), |(low, high), s| (low.min(*s), high.max(*s)));
    if all.is_empty() {
        return Axis::linear("outage, s", 0.0, 1.0);
    }
    if high / low < 6.0 {
        return Axis::linear("outage, s", 0.0, high * 1.08);
    }
    Axis { log: true, ..Axis::linear("outage, s (logarithmic)", low * 0.85, high * 1.15) }
}

fn panel(report: &Report, transition: &Transition, x: Axis) -> Panel {
    let rows = hit(transition);
    let mut marks = Vec::new();
    if let Some(ms) = transition.configured_ms {
        let label = format!("configured {ms} ms");
        marks.push(Mark::Rule { x: ms / 1e3, role: Role::Truth, dashed: true, title: label.clone(), label });
    }
    for (lane, row) in rows.iter().enumerate() {
        marks.extend(dots(report, transition.fault, lane, row));
        marks.extend(summary_marks(lane, row));
    }
    let notes = rows.iter().map(|row| words::value_or_above(row.median_ms, row.median_above_ms)).collect();
    let lanes = rows.iter().map(|row| words::service(&row.service).to_owned()).collect();
    Panel { title: transition.label.clone(), x, y: Vertical::Lanes(lanes), notes, marks }
}

/// A dot for each user; of very many an even selection in order of length, the shortest and the longest kept.
fn dots(report: &Report, fault: usize, lane: usize, row: &OutageSummary) -> Vec<Mark> {
    let is_of =
        |outage: &&Outage| !outage.left && outage.fault == Some(fault) && row_of(outage) == Some(row.service.as_str());
    let mut users: Vec<(u32, &Outage)> = Vec::new();
    for trial in &report.trials {
        users.extend(trial.measured.outages.iter().filter(is_of).map(|outage| (trial.number, outage)));
    }
    if users.len() > MOST_DOTS {
        users.sort_by(|a, b| a.1.duration_ms.total_cmp(&b.1.duration_ms));
        let last = users.len() - 1;
        users = (0..MOST_DOTS).map(|k| users[k * last / (MOST_DOTS - 1)]).collect();
    }
    // A step that shares no factor with the count spreads neighbours over the lane's height.
    let step = [7, 5, 3].into_iter().find(|step| !users.len().is_multiple_of(*step)).unwrap_or(1);
    let slot = |place: usize| (place * step % users.len().max(1), users.len());
    users.iter().enumerate().map(|(place, user)| dot(lane, slot(place), *user)).collect()
}

fn dot(lane: usize, slot: (usize, usize), (trial, outage): (u32, &Outage)) -> Mark {
    let length = words::value_or_above((!outage.censored).then_some(outage.duration_ms), Some(outage.duration_ms));
    Mark::Dot {
        lane,
        slot,
        x: outage.duration_ms / 1e3,
        more: outage.censored,
        role: Role::Outage,
        title: format!("trial {trial}, {}: {length}", outage.scope),
    }
}

fn summary_marks(lane: usize, row: &OutageSummary) -> Vec<Mark> {
    let interval = match (row.ci_low_ms, row.confidence) {
        (Some(low), Some(confidence)) => {
            format!(" ({}, exact {:.1} %)", words::interval(low, row.ci_high_ms), confidence * 100.0)
        }
        _ => String::new(),
    };
    let title = format!(
        "{}: median {}{interval}, n = {}, {} of {} {} hit; {}",
        words::service(&row.service),
        words::value_or_above(row.median_ms, row.median_above_ms),
        words::plural(row.n, "trial", "trials"),
        row.affected,
        row.users,
        row.unit,
        row.method
    );
    let interval = row.ci_low_ms.map(|low| Mark::Interval {
        lane,
        low: low / 1e3,
        high: row.ci_high_ms.map(|ms| ms / 1e3),
        role: Role::Median,
        title: title.clone(),
    });
    let median = row.median_ms.map(|ms| Mark::Stroke { lane, x: ms / 1e3, role: Role::Median, title: title.clone() });
    interval.into_iter().chain(median).collect()
}
