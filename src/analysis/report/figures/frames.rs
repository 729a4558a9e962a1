//! The frames of video calls around each fault: shown, key, waited for in vain.

use crate::analysis::measure::model::{FaultMeasured, FrameFate, FrameMark, Measured, VideoMeasured};
use crate::analysis::report::model::{Report, Trial};
use crate::analysis::report::words;
use crate::evidence::history::Direction;
use crate::units::RunTime;

use super::data::{Axis, FigureData, Glyph, Legend, Mark, Panel, Role, Vertical};
use super::which_trial;

/// More streams than this do not fit a page.
const MOST_LANES: usize = 12;
/// More panels than this are no overview.
const MOST_PANELS: usize = 6;
/// Frames up to this long before a fault belong to its picture, in seconds.
const BEFORE_S: f64 = 1.0;

/// A lane for each stream of the first trial, a panel for each fault.
pub(super) fn timeline(report: &Report) -> FigureData {
    let trial = report.trials.first().filter(|trial| !trial.measured.videos.is_empty());
    let panels: Vec<Panel> = trial.map(panels).unwrap_or_default();
    let streams = trial.map_or(0, |trial| trial.measured.videos.len());
    let more = match streams.saturating_sub(MOST_LANES) {
        0 => String::new(),
        more => format!(" {more} further streams are in tables/videos.csv."),
    };
    let which = trial.map(|trial| which_trial(report, trial)).unwrap_or_default();
    FigureData {
        name: "frames",
        title: "The picture, frame by frame".to_owned(),
        caption: format!(
            "{which}Each stroke is a frame as it arrived whole. A frame whose reference is lost cannot be shown; the picture \
             stands until the next key frame.{more}"
        ),
        legend: legend(),
        panels,
    }
}

fn legend() -> Vec<Legend> {
    vec![
        Legend { glyph: Glyph::Stroke, role: Role::Plain, text: "shown" },
        Legend { glyph: Glyph::Stroke, role: Role::Truth, text: "key frame" },
        Legend { glyph: Glyph::Stroke, role: Role::Worst, text: "cannot be shown" },
        Legend { glyph: Glyph::Box, role: Role::Outage, text: "frozen" },
    ]
}

/// A panel for each stream of a foreign capture whose picture froze, around its longest freeze; those with the longest.
pub fn of_capture(measured: &Measured) -> FigureData {
    let longest = |video: &VideoMeasured| video.freezes.iter().map(|of| of.duration_ms).fold(0.0, f64::max);
    let mut frozen: Vec<&VideoMeasured> =
        measured.videos.iter().filter(|video| !video.freezes.is_empty() && !video.timeline.is_empty()).collect();
    frozen.sort_by(|a, b| longest(b).total_cmp(&longest(a)));
    frozen.truncate(MOST_PANELS);
    FigureData {
        name: "frames",
        title: "The picture, frame by frame".to_owned(),
        caption: "Around the longest freeze of each stream. Each stroke is a frame as it arrived whole. A frame whose \
                  reference is lost cannot be shown; the picture stands until the next key frame."
            .to_owned(),
        legend: legend(),
        panels: frozen.into_iter().filter_map(|video| around_freeze(video, measured.zero())).collect(),
    }
}

fn around_freeze(video: &VideoMeasured, zero: RunTime) -> Option<Panel> {
    let s = |at: RunTime| (at - zero).as_secs_f64();
    let (low, high) = (s(video.timeline.first()?.at_ns), s(video.timeline.last()?.at_ns));
    let freezes = video.freezes.iter().map(|freeze| (freeze, s(freeze.start_ns), freeze.duration_ms));
    let bars =
        freezes.filter(|(_, from, ms)| *from < high && from + ms / 1e3 > low).map(|(freeze, from, ms)| Mark::Bar {
            lane: 0,
            slot: (0, 1),
            from: from.max(low),
            to: (from + ms / 1e3).min(high),
            open: freeze.end_ns.is_none(),
            role: Role::Outage,
            title: format!("frozen for {}", words::duration(ms)),
        });
    let strokes = video.timeline.iter().filter_map(|mark| stroke(0, s(mark.at_ns), mark.frame));
    let marks: Vec<Mark> = bars.chain(strokes).collect();
    let x = Axis::linear("time, s", low, high);
    let title = format!("{:#010x}: {} → {}", video.ssrc, video.src, video.dst);
    Some(Panel { title, x, y: Vertical::Lanes(vec![name(video)]), notes: Vec::new(), marks })
}

fn panels(trial: &Trial) -> Vec<Panel> {
    let mut faults: Vec<&FaultMeasured> = trial.measured.faults.iter().collect();
    faults.sort_by_key(|fault| fault.command_start_ns);
    let ends = faults.iter().skip(1).map(|fault| fault.command_start_ns).chain([RunTime(i64::MAX)]);
    faults.iter().zip(ends).filter_map(|(fault, end)| panel(trial, fault, end)).collect()
}

fn panel(trial: &Trial, fault: &FaultMeasured, next: RunTime) -> Option<Panel> {
    let s = |at: RunTime| (at - fault.command_start_ns).as_secs_f64();
    let inside = |mark: &&FrameMark| s(mark.at_ns) >= -BEFORE_S && mark.at_ns < next;
    let (mut names, mut marks, mut high) = (Vec::new(), Vec::new(), 1.0f64);
    for video in trial.measured.videos.iter().take(MOST_LANES) {
        let lane = names.len();
        names.push(name(video));
        for freeze in video.freezes.iter().filter(|freeze| freeze.fault == Some(fault.fault)) {
            let from = s(freeze.start_ns);
            let to = freeze.end_ns.map_or(from + freeze.duration_ms / 1e3, s);
            let title = format!("frozen for {}", words::duration(freeze.duration_ms));
            let open = freeze.end_ns.is_none();
            marks.push(Mark::Bar { lane, slot: (0, 1), from, to, open, role: Role::Outage, title });
        }
        for mark in video.timeline.iter().filter(inside) {
            high = high.max(s(mark.at_ns));
            marks.extend(stroke(lane, s(mark.at_ns), mark.frame));
        }
    }
    if marks.is_empty() {
        return None;
    }
    let title = format!("{} of {}", words::fault(&fault.kind), fault.node);
    marks.insert(
        0,
        Mark::Rule { x: 0.0, role: Role::Ink, dashed: false, label: "fault".to_owned(), title: title.clone() },
    );
    for mark in &mut marks {
        if let Mark::Bar { to, .. } = mark {
            *to = to.min(high);
        }
    }
    let x = Axis::linear("time since the fault, s", -BEFORE_S, high);
    Some(Panel { title, x, y: Vertical::Lanes(names), notes: Vec::new(), marks })
}

fn name(video: &VideoMeasured) -> String {
    let call = video.call.map_or_else(|| video.dst.clone(), |call| format!("call {call}"));
    let to = match video.direction {
        Some(Direction::ToCaller) => ", to the caller",
        Some(Direction::ToCallee) => ", to the callee",
        None => "",
    };
    words::clip(&format!("{call}{to}"), 26)
}

/// What did not arrive leaves a gap.
fn stroke(lane: usize, x: f64, frame: FrameFate) -> Option<Mark> {
    let (role, title) = match frame {
        FrameFate::Key => (Role::Truth, "key frame"),
        FrameFate::Shown => (Role::Plain, "shown"),
        FrameFate::Undecodable => (Role::Worst, "its reference is missing"),
        FrameFate::Incomplete | FrameFate::Missing => return None,
    };
    Some(Mark::Stroke { lane, x, role, title: format!("{title}, {x:.3} s") })
}
