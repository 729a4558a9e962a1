use super::data::{Mark, Role};
use super::frames;
use crate::analysis::measure::model::{FrameFate, FrameMark, FreezeMeasured, VideoMeasured};
use crate::analysis::report::fixture;
use crate::evidence::history::Direction;
use crate::units::{RunTime, Span};

/// A stream of 25 frames/s whose picture stood from 0.1 s before the fault for 1 s, with a key frame at its end.
fn video(fault: RunTime, number: usize) -> VideoMeasured {
    let at = |millis: i64| fault + Span::from_millis(millis);
    let mark = |millis: i64| FrameMark {
        at_ns: at(millis),
        frame: match millis {
            900 => FrameFate::Key,
            ..=-100 | 901.. => FrameFate::Shown,
            -99..700 => FrameFate::Missing,
            _ => FrameFate::Undecodable,
        },
    };
    let freeze = FreezeMeasured {
        start_ns: at(-100),
        end_ns: Some(at(900)),
        duration_ms: 1_000.0,
        ended_by_key_frame: true,
        fault: Some(number),
    };
    VideoMeasured {
        call: Some(1),
        direction: Some(Direction::ToCaller),
        codec: "H264".into(),
        freezes: vec![freeze],
        timeline: (-25..50).map(|frame| mark(frame * 40 + 20)).collect(),
        ..VideoMeasured::default()
    }
}

#[test]
fn a_freeze_and_its_frames_are_drawn_around_the_fault() {
    let mut report = fixture::quickstart(1);
    assert!(!frames::timeline(&report).has_data(), "a run without video has no such figure");
    let fault = report.trials[0].measured.faults[0].clone();
    report.trials[0].measured.videos = vec![video(fault.command_start_ns, fault.fault)];
    let figure = frames::timeline(&report);
    let marks = &figure.panels[0].marks;
    let strokes =
        |wanted: Role| marks.iter().filter(|mark| matches!(mark, Mark::Stroke { role, .. } if *role == wanted)).count();
    // Frames at 20 ms + n · 40 ms: 23 at or before -0.1 s, 27 from 0.94 s on; 5 from 0.7 to 0.86 s.
    assert_eq!((strokes(Role::Plain), strokes(Role::Truth), strokes(Role::Worst)), (23 + 27, 1, 5));
    let frozen = marks.iter().find_map(|mark| match mark {
        Mark::Bar { from, to, open, .. } => Some((*from, *to, *open)),
        _ => None,
    });
    assert!(frozen.is_some_and(|(from, to, open)| (from + 0.1).abs() < 1e-9 && (to - 0.9).abs() < 1e-9 && !open));
    let page = crate::analysis::report::html::html(&report);
    assert!(page.contains("What it looked like") && page.contains("call 1, to the caller"));
}
