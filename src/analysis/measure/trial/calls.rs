//! The fate of every call.

use std::collections::BTreeMap;

use super::media::OwnStream;
use super::services::OpLife;
use super::video::OwnVideo;
use crate::analysis::measure::model::{CallFate, CallMeasured, Window};
use crate::analysis::measure::video::PictureEnd;
use crate::evidence::history::{Direction, Event, Op, OpKind, Step, What};
use crate::units::{RunTime, Span};

/// A gap beyond one packet interval up to this is nothing that a user notices.
const UNNOTICED: Span = Span::from_millis(60);
/// A longer gap below this is a glitch.
const GLITCH: Span = Span::from_millis(200);

/// What the history tells of one call.
#[derive(Debug, Default)]
struct Course {
    setup: Option<OpLife>,
    bye: Option<OpLife>,
    /// Who received a BYE, and when.
    remote_end: Option<(RunTime, Op)>,
    others: Vec<String>,
}

/// All calls that were due before the window ended, in order of their numbers.
pub(super) fn calls(
    events: &[Event],
    operations: &BTreeMap<u64, OpLife>,
    (streams, videos): (&[OwnStream], &[OwnVideo<'_>]),
    window: Window,
) -> Vec<CallMeasured> {
    let mut calls = Vec::new();
    for (call, course) in courses(events, operations) {
        let Some(setup) = &course.setup else { continue };
        if setup.planned < window.end_ns {
            let of_call: Vec<&OwnStream> = streams.iter().filter(|stream| stream.call == call).collect();
            let mut measured = course.measured(call, setup, &of_call, window);
            measured.fate =
                measured.fate.and_then(|fate| with_picture(fate, videos.iter().filter(|of| of.call() == call)));
            calls.push(measured);
        }
    }
    calls
}

fn courses(events: &[Event], operations: &BTreeMap<u64, OpLife>) -> BTreeMap<u64, Course> {
    let mut courses: BTreeMap<u64, Course> = BTreeMap::new();
    for event in events {
        let What::Op(op) = &event.what else { continue };
        let Some(call) = op.call else { continue };
        let course = courses.entry(call).or_default();
        let life = operations.get(&op.op);
        match (op.step, op.kind) {
            (Step::RemoteEnd, _) => {
                course.others.push(op.actor.clone());
                course.remote_end.get_or_insert((event.t_ns, op.clone()));
            }
            (_, OpKind::StandingCall | OpKind::NewCall) => course.setup = course.setup.take().or(life.cloned()),
            (_, OpKind::Bye) => {
                course.others.push(op.actor.clone());
                course.bye = course.bye.take().or(life.cloned());
            }
            _ => {}
        }
    }
    courses
}

impl Course {
    fn measured(&self, call: u64, setup: &OpLife, streams: &[&OwnStream], window: Window) -> CallMeasured {
        let answered = setup.success();
        let ending = setup.end.as_ref().map(|(_, op)| op);
        let bye = self.bye.as_ref().and_then(|bye| bye.end.as_ref());
        CallMeasured {
            call,
            call_id: None,
            kind: Some(setup.kind),
            caller: setup.actor.clone(),
            callee: self.others.iter().find(|other| **other != setup.actor).cloned().unwrap_or_default(),
            planned_ns: setup.planned,
            setup_ms: answered.map(|at| (at - setup.planned).as_millis_f64()),
            code: ending.and_then(|op| op.code),
            reason: self.reason(ending),
            fate: self.fate(setup, streams, window),
            gap_ms: streams.iter().filter_map(|s| Some((s.direction, s.longest_gap()?.as_millis_f64()))).collect(),
            bye_code: bye.and_then(|(_, op)| op.code),
            answered_ns: answered,
            ended_ns: self.ended(),
        }
    }

    fn ended(&self) -> Option<RunTime> {
        let bye = self.bye.as_ref().and_then(|bye| bye.invoked);
        let remote = self.remote_end.as_ref().map(|(at, _)| *at);
        [bye, remote].into_iter().flatten().min()
    }

    fn reason(&self, ending: Option<&Op>) -> Option<String> {
        let bye = self.bye.as_ref().and_then(|bye| bye.end.as_ref()).and_then(|(_, op)| op.reason.clone());
        let remote = self.remote_end.as_ref().filter(|_| self.dropped()).and_then(|(_, op)| op.reason.clone());
        remote.or_else(|| ending.and_then(|op| op.reason.clone())).or(bye)
    }

    /// A BYE came that none of our own users had sent.
    fn dropped(&self) -> bool {
        let own = self.bye.as_ref().and_then(|bye| bye.invoked);
        self.remote_end.as_ref().is_some_and(|(at, _)| own.is_none_or(|own| own > *at))
    }

    fn fate(&self, setup: &OpLife, streams: &[&OwnStream], window: Window) -> Option<CallFate> {
        match setup.end.as_ref().map(|(_, op)| op.step) {
            Some(Step::NotStarted) => return Some(CallFate::NotStarted),
            Some(Step::Ok) => {}
            // Due so shortly before the end that the caller was still waiting.
            None => return None,
            Some(_) => return Some(CallFate::NeverSetUp),
        }
        if self.dropped() && self.remote_end.as_ref().is_some_and(|(at, _)| *at <= window.end_ns) {
            return Some(CallFate::Dropped);
        }
        let dead = |direction| {
            let mut of = streams.iter().filter(|stream| stream.direction == direction).peekable();
            of.peek()?;
            Some(of.all(|stream| stream.is_dead()))
        };
        // Who hangs up in the middle of an outage cannot know whether his call would have come back.
        if streams.iter().any(|stream| stream.hung_up && stream.is_dead()) {
            return None;
        }
        match (dead(Direction::ToCallee)?, dead(Direction::ToCaller)?) {
            (true, true) if self.ended_in_order() => Some(CallFate::MediaDead),
            (true, true) => Some(CallFate::Zombie),
            (false, false) => Some(by_gap(streams)),
            _ => Some(CallFate::OneWay),
        }
    }

    fn ended_in_order(&self) -> bool {
        self.bye.as_ref().is_some_and(|bye| bye.success().is_some())
    }
}

/// A call whose sound was there at its end is not well while its picture is not: see [`CallFate::PictureDead`].
fn with_picture<'a>(fate: CallFate, videos: impl Iterator<Item = &'a OwnVideo<'a>>) -> Option<CallFate> {
    if !fate.has_sound() {
        return Some(fate);
    }
    let ends: Vec<PictureEnd> = videos.map(OwnVideo::picture_end).collect();
    match ends.iter().all(|end| *end == PictureEnd::There) {
        true => Some(fate),
        false => ends.contains(&PictureEnd::Gone).then_some(CallFate::PictureDead),
    }
}

impl OwnStream {
    /// Media was gone, and for longer than a glitch, when it was last due.
    fn is_dead(&self) -> bool {
        let silent_since = self.firsts.iter().map(|arrival| arrival.at).filter(|at| *at <= self.end).max();
        self.silences
            .last()
            .is_some_and(|last| last.end.is_none() && silent_since.is_none_or(|at| self.end - at > GLITCH))
    }
}

fn by_gap(streams: &[&OwnStream]) -> CallFate {
    let beyond = |stream: &&OwnStream| stream.longest_gap().map(|gap| gap - stream.interval);
    let unnoticed = streams.iter().filter_map(beyond).all(|gap| gap <= UNNOTICED);
    let longest = streams.iter().filter_map(|stream| stream.longest_gap()).max().unwrap_or_default();
    if unnoticed {
        CallFate::Unaffected
    } else if longest < GLITCH {
        CallFate::Glitch
    } else {
        CallFate::GapRecovered
    }
}
