//! Second by second: MOS around each fault, delay and loss over the window.

use std::collections::BTreeMap;

use crate::analysis::measure::model::{FaultMeasured, Measured, MosSecond, StreamMeasured};
use crate::analysis::report::model::{Report, Trial};
use crate::analysis::stats::{Bound, Sample, median};
use crate::units::{RunTime, Span};

use super::data::{Axis, FigureData, Glyph, Legend, Mark, Panel, Role, Vertical};
use super::which_trial;

/// Seconds of the MOS figure before and after the fault.
const AROUND: (f64, f64) = (-5.0, 15.0);

/// MOS of each second around each fault: the median stream and the worst one.
pub(super) fn mos(report: &Report) -> FigureData {
    let panels: Vec<Panel> = report
        .transitions
        .iter()
        .filter_map(|transition| mos_panel(report, transition.fault, &transition.label))
        .collect();
    let rated = |stream: &&StreamMeasured| stream.seconds.iter().any(|second| second.mos.is_some());
    let streams = report.trials.iter().flat_map(|trial| &trial.measured.streams).filter(rated);
    let model = streams.clone().filter_map(|stream| stream.mos_cqe.as_ref()).map(|mos| mos.model.clone()).next();
    let caption = format!(
        "MOS-CQE by {}, each second of {} streams in {}; in the seconds of the outage itself the model is outside its range.",
        model.unwrap_or_else(|| "G.107".to_owned()),
        streams.count(),
        crate::analysis::report::words::plural(report.trials.len() as u64, "trial", "trials"),
    );
    FigureData {
        name: "mos",
        title: "Listening through the failover".to_owned(),
        caption,
        legend: median_and("lowest stream"),
        panels,
    }
}

pub(super) fn median_and(other: &'static str) -> Vec<Legend> {
    vec![
        Legend { glyph: Glyph::Line, role: Role::Median, text: "median stream" },
        Legend { glyph: Glyph::Dashes, role: Role::Worst, text: other },
    ]
}

fn mos_panel(report: &Report, number: usize, label: &str) -> Option<Panel> {
    let mut bins: BTreeMap<i64, Second> = BTreeMap::new();
    let mut configured = None;
    for trial in &report.trials {
        let Some(fault) = trial.measured.faults.iter().find(|fault| fault.fault == number) else { continue };
        configured = configured.or(fault.configured_ms);
        let next = trial
            .measured
            .faults
            .iter()
            .map(|other| other.command_start_ns)
            .filter(|at| *at > fault.command_start_ns)
            .min();
        let all = trial.measured.streams.iter().flat_map(|stream| &stream.seconds);
        // A second that the next fault cuts belongs to the next panel.
        let whole = all.filter(|second| next.is_none_or(|next| second.at_ns + Span::from_secs(1) <= next));
        for (second, mos) in whole.filter_map(|second| Some((second, second.mos?))) {
            let after_s = (second.at_ns - fault.command_start_ns).as_secs_f64();
            let bin = bins.entry(after_s.round() as i64).or_default();
            bin.after_s.push(after_s);
            bin.mos.push(mos);
        }
    }
    bins.retain(|bin, _| (AROUND.0..AROUND.1).contains(&(*bin as f64)));
    if bins.is_empty() {
        return None;
    }
    let line = |pick: fn(&[f64]) -> Option<f64>| {
        bins.values().filter_map(|bin| Some((middle(&bin.after_s)?, pick(&bin.mos)))).flat_map(step).collect()
    };
    let marks = vec![
        Mark::Band { from: 0.0, to: configured.unwrap_or(0.0) / 1e3, title: "configured takeover".to_owned() },
        Mark::Rule {
            x: 0.0,
            role: Role::Ink,
            dashed: false,
            label: "fault".to_owned(),
            title: "fault injected".to_owned(),
        },
        Mark::Line { points: line(middle), role: Role::Median, dashed: false, title: "median over streams".to_owned() },
        Mark::Line { points: line(lowest), role: Role::Worst, dashed: true, title: "lowest stream".to_owned() },
    ];
    let x = Axis::linear("time since the fault, s", AROUND.0, AROUND.1);
    let y = Vertical::Value(Axis::linear("MOS-CQE", 1.0, 4.5));
    Some(Panel { title: format!("{label}: MOS-CQE"), x, y, notes: Vec::new(), marks })
}

/// One second near the fault over all trials, whose seconds begin at different distances from it.
#[derive(Default)]
struct Second {
    after_s: Vec<f64>,
    mos: Vec<f64>,
}

/// A value that holds for the second that begins at `x`.
fn step((x, y): (f64, Option<f64>)) -> [(f64, Option<f64>); 2] {
    [(x, y), (x + 1.0, y)]
}

/// One-way delay and loss of each second over the window of one trial.
pub(super) fn delay_and_loss(report: &Report) -> FigureData {
    let trial = report.trials.first();
    let panels: Vec<Panel> = trial.map(quality_panels).unwrap_or_default();
    let which = trial.map(|trial| which_trial(report, trial)).unwrap_or_default();
    let streams =
        trial.map_or(0, |trial| trial.measured.streams.iter().filter(|stream| !stream.seconds.is_empty()).count());
    let bound = trial.and_then(|trial| trial.measured.streams.iter().find_map(|stream| stream.delay.as_ref()));
    let delay = bound.map_or(String::new(), |delay| format!(" Delay by {}, ± {:.2} ms.", delay.method, delay.error_ms));
    let caption = format!("{which}Each second of {streams} streams; loss is of the packets that were due.{delay}");
    FigureData {
        name: "delay-loss",
        title: "Delay and loss of the media".to_owned(),
        caption,
        legend: median_and("worst stream"),
        panels,
    }
}

fn quality_panels(trial: &Trial) -> Vec<Panel> {
    let seconds = by_second(&trial.measured);
    let delay = value_panel(trial, &seconds, "one-way delay, ms", |second| second.delay_ms);
    let loss = value_panel(trial, &seconds, "packets lost, %", |second| Some(second.loss * 100.0));
    [delay, loss].into_iter().flatten().collect()
}

type Seconds<'a> = BTreeMap<RunTime, Vec<&'a MosSecond>>;

fn by_second(measured: &Measured) -> Seconds<'_> {
    let mut seconds: Seconds = BTreeMap::new();
    let all = |stream: &'_ StreamMeasured| stream.seconds.len();
    for second in measured.streams.iter().filter(|stream| all(stream) > 0).flat_map(|stream| &stream.seconds) {
        seconds.entry(second.at_ns).or_default().push(second);
    }
    seconds
}

fn value_panel(trial: &Trial, seconds: &Seconds, title: &str, get: fn(&MosSecond) -> Option<f64>) -> Option<Panel> {
    let window = trial.measured.window?;
    let mut points: [Vec<(f64, Option<f64>)>; 2] = [Vec::new(), Vec::new()];
    for (at, all) in seconds {
        let x = (*at - window.start_ns).as_secs_f64();
        let values: Vec<f64> = all.iter().filter_map(|second| get(second)).collect();
        points[0].extend(step((x, middle(&values))));
        points[1].extend(step((x, values.iter().copied().reduce(f64::max))));
    }
    let highest = points[1].iter().filter_map(|(_, y)| *y).reduce(f64::max)?;
    let mut marks = faults(trial, window.start_ns);
    let [middle, worst] = points;
    marks.push(Mark::Line { points: worst, role: Role::Worst, dashed: true, title: "worst stream".to_owned() });
    marks.push(Mark::Line {
        points: middle,
        role: Role::Median,
        dashed: false,
        title: "median over streams".to_owned(),
    });
    let x = Axis::linear("time since the start of the window, s", 0.0, (window.end_ns - window.start_ns).as_secs_f64());
    let y = Vertical::Value(Axis::linear(title, 0.0, top(title, highest)));
    Some(Panel { title: title.to_owned(), x, y, notes: Vec::new(), marks })
}

/// Percentages of some size are seen against the whole.
fn top(title: &str, highest: f64) -> f64 {
    match highest {
        0.0 => 1.0,
        much if title.ends_with('%') && much > 30.0 => 100.0,
        _ => highest * 1.05,
    }
}

fn faults(trial: &Trial, zero: RunTime) -> Vec<Mark> {
    let rule = |fault: &FaultMeasured| Mark::Rule {
        x: (fault.command_start_ns - zero).as_secs_f64(),
        role: Role::Ink,
        dashed: false,
        label: String::new(),
        title: format!("{} of {}", crate::analysis::report::words::fault(&fault.kind), fault.node),
    };
    trial.measured.faults.iter().map(rule).collect()
}

pub(super) fn middle(values: &[f64]) -> Option<f64> {
    median(&Sample::exact(values).ok()?).and_then(Bound::known)
}

pub(super) fn lowest(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::min)
}
