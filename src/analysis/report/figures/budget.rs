//! How many failures a year each number of nines allows, against what one failure costs, with the measured outages.

use crate::analysis::report::model::{BudgetRow, Report, TargetBudget};
use crate::analysis::report::words;

use super::data::{Axis, FigureData, Glyph, Legend, Mark, Panel, Role, Vertical};

/// One downtime that is marked.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Whose.
    pub name: String,
    /// Downtime of one failure, s.
    pub downtime_s: f64,
    /// Its interval, s.
    pub interval_s: Option<(f64, f64)>,
}

/// Roles and names of the lines, from three nines on.
const LINES: [(Role, &str); 4] =
    [(Role::Plain, "99.9 %"), (Role::Up, "99.99 %"), (Role::Median, "99.999 %"), (Role::Outage, "99.9999 %")];

pub(super) fn of_report(report: &Report) -> FigureData {
    let costs: Vec<Cost> = report.availability.budget.iter().map(Cost::from).collect();
    let trials = words::plural(report.trials.len() as u64, "trial", "trials");
    let basis = format!("Marked: the median outage of the slowest transition of each service, {trials}.");
    budget(&report.availability.targets, &costs, &basis)
}

impl From<&BudgetRow> for Cost {
    fn from(row: &BudgetRow) -> Cost {
        Cost {
            name: words::service(&row.service).to_owned(),
            downtime_s: row.downtime_ms / 1e3,
            interval_s: row.downtime_interval_ms.map(|(low, high)| (low / 1e3, high / 1e3)),
        }
    }
}

/// The lines of `targets` above the marked costs, on one logarithmic axis.
pub(super) fn budget(targets: &[TargetBudget], costs: &[Cost], basis: &str) -> FigureData {
    let x = axis(costs);
    let panels = if costs.is_empty() { Vec::new() } else { vec![lines(targets, costs, &x), lanes(targets, costs, &x)] };
    FigureData {
        name: "budget",
        title: "Failures a year that the nines allow".to_owned(),
        caption: format!(
            "{basis} At the right: failures a year within 99.999 %. A budget, not an availability: how often failures \
             come was not measured."
        ),
        legend: LINES
            .iter()
            .zip(targets)
            .map(|((role, text), _)| Legend { glyph: Glyph::Line, role: *role, text })
            .collect(),
        panels,
    }
}

/// A decade around what is marked, at least from a tenth of a second to a thousand.
fn axis(costs: &[Cost]) -> Axis {
    let ends = costs.iter().flat_map(|cost| {
        let (low, high) = cost.interval_s.unwrap_or((cost.downtime_s, cost.downtime_s));
        [low.min(cost.downtime_s), high.max(cost.downtime_s)]
    });
    let positive = ends.filter(|s| *s > 0.0);
    let (low, high) = positive.fold((0.1_f64, 1_000.0_f64), |(low, high), s| (low.min(s / 2.0), high.max(s * 2.0)));
    Axis { log: true, ..Axis::linear("downtime of one failure, s (logarithmic)", low, high) }
}

fn lines(targets: &[TargetBudget], costs: &[Cost], x: &Axis) -> Panel {
    let year = |target: &TargetBudget, s: f64| target.downtime_s / s;
    let most = targets.iter().map(|target| year(target, x.low)).fold(1.0, f64::max);
    let least = targets.iter().map(|target| year(target, x.high)).fold(most, f64::min);
    let line = |((role, name), target): (&(Role, &str), &TargetBudget)| Mark::Line {
        points: [x.low, x.high].map(|s| (s, Some(year(target, s)))).into(),
        role: *role,
        dashed: false,
        title: format!("{name}: {:.1} s a year", target.downtime_s),
    };
    let mut marks: Vec<Mark> = LINES.iter().zip(targets).map(line).collect();
    let dot = |cost: &Cost, target: &TargetBudget| Mark::Line {
        points: vec![(cost.downtime_s, Some(year(target, cost.downtime_s)))],
        role: Role::Ink,
        dashed: false,
        title: format!("{}: {} failures a year", cost.name, words::count(year(target, cost.downtime_s).floor())),
    };
    marks.extend(costs.iter().flat_map(|cost| targets.iter().map(move |target| dot(cost, target))));
    let y = Axis { log: true, ..Axis::linear("failures a year", least, most) };
    let title = "failures a year (logarithmic)".to_owned();
    Panel { title, x: x.clone(), y: Vertical::Value(y), notes: Vec::new(), marks }
}

fn lanes(targets: &[TargetBudget], costs: &[Cost], x: &Axis) -> Panel {
    let five = targets.iter().find(|target| (target.target - 0.99999).abs() < 1e-9);
    let note = |cost: &Cost| match five.map(|target| target.downtime_s / cost.downtime_s) {
        Some(often) if often >= 10.0 => words::count(often.floor()),
        Some(often) => format!("{:.2}", (often * 100.0 + 1e-6).floor() / 100.0),
        None => String::new(),
    };
    let marks = costs.iter().enumerate().flat_map(|(lane, cost)| {
        let title = format!("{}: {}", cost.name, words::duration(cost.downtime_s * 1e3));
        let interval = cost.interval_s.map(|(low, high)| Mark::Interval {
            lane,
            low,
            high: Some(high),
            role: Role::Median,
            title: title.clone(),
        });
        interval.into_iter().chain([Mark::Stroke {
            lane,
            x: cost.downtime_s,
            role: Role::Median,
            title: title.clone(),
        }])
    });
    Panel {
        title: "what one failure costs".to_owned(),
        x: x.clone(),
        y: Vertical::Lanes(costs.iter().map(|cost| cost.name.clone()).collect()),
        notes: costs.iter().map(note).collect(),
        marks: marks.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::report::assemble::availability::targets;

    /// By hand: 1.701 s allow 185 failures a year within 315.36 s, and 144 s allow 2.19.
    #[test]
    fn the_marks_lie_on_the_lines() {
        let cost = |name: &str, downtime_s: f64| Cost { name: name.into(), downtime_s, interval_s: None };
        let figure = budget(&targets(), &[cost("calls", 1.701), cost("reboot", 144.0)], "Stated.");
        assert_eq!(figure.panels[1].notes, ["185", "2.19"]);
        let lines =
            figure.panels[0].marks.iter().filter(|mark| matches!(mark, Mark::Line { points, .. } if points.len() == 2));
        assert_eq!(lines.count(), 4);
        for (mark, want) in figure.panels[0].marks[4..].iter().zip([18_539.7, 1_853.97, 185.397, 18.5397]) {
            let Mark::Line { points, .. } = mark else { panic!("{mark:?}") };
            assert!((points[0].1.unwrap() - want).abs() < 0.05 * want / 100.0, "{mark:?}");
        }
        assert!(figure.caption.contains("was not measured"));
        assert!(budget(&targets(), &[], "").panels.is_empty());
    }
}
