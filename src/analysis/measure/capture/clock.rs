//! Steps of the capturing host's clock, known by streams of several hosts that all seem late or early at once.
//!
//! A step shifts all stamps after it. A server that stood still does so too, but not for streams that it does not
//! carry, and what it held back comes in a burst afterwards. Backward steps need no second witness: no network makes
//! a packet arrive before the one that was captured earlier.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::streams::Stream;
use crate::analysis::measure::model::{Anomaly, Caveat};
use crate::analysis::measure::track::Arrival;
use crate::units::{RunTime, Span};

/// The caveat of a capture whose clock stepped.
pub(super) const STEPPED: &str =
    "the capture's clock stepped: instants and durations on both sides of a step do not fit together";
/// Smaller steps look like jitter.
const LEAST_STEP: i64 = 100_000_000;
/// The shift must last for this many packets, within [`TOLERANCE`].
const LASTING: usize = 10;
/// Jitter that a shift may have.
const TOLERANCE: i64 = 20_000_000;
/// Streams meet the same step within this time.
const TOGETHER: Span = Span::from_millis(200);

/// Where a stream seems shifted for good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    /// The first arrival after it.
    place: usize,
    at: RunTime,
    by: i64,
}

/// A shift of a stream, by number.
type Met = (usize, Shift);

/// Finds the steps, so marks the arrivals after them that nothing takes a step for silence or jitter, and tells of
/// forward steps. Of backward ones the reading of the file tells.
pub(super) fn mark_steps(streams: &mut [Stream]) -> (Vec<Anomaly>, Option<Caveat>) {
    let mut shifts: Vec<Met> = Vec::new();
    for (number, stream) in streams.iter().enumerate() {
        shifts.extend(stream.shifts.iter().map(|shift| (number, *shift)));
    }
    shifts.sort_by_key(|(stream, shift)| (shift.at, *stream));
    let (mut steps, forward): (Vec<Met>, Vec<Met>) = shifts.into_iter().partition(|(_, shift)| shift.by < 0);
    let mut together = groups(&forward);
    together.retain(|group| witnesses(group, streams) > 1);
    uncontradicted(&mut together, streams);
    let anomalies = together.iter().map(|group| told(&group[0].1, group.len())).collect();
    steps.extend(together.into_iter().flatten().copied());
    cut(streams, &steps);
    let caveat = (!steps.is_empty()).then(|| Caveat {
        text: STEPPED.to_owned(),
        remedy: "capture on a host whose clock is only slewed (chrony, PTP)".into(),
        voids: false,
    });
    (anomalies, caveat)
}

/// Shifts by much the same at much the same time.
fn groups(forward: &[Met]) -> Vec<&[Met]> {
    let mut groups = Vec::new();
    let mut rest = forward;
    while let Some((_, first)) = rest.first() {
        let same = |(_, shift): &&Met| shift.at - first.at <= TOGETHER && (shift.by - first.by).abs() <= TOLERANCE;
        let (group, others) = rest.split_at(rest.iter().take_while(same).count());
        groups.push(group);
        rest = others;
    }
    groups
}

/// Where a stream seems shifted, by its arrivals in order.
pub(super) fn shifts(arrivals: &[Arrival]) -> Vec<Shift> {
    let pairs = arrivals.windows(2).zip(1..);
    let shifted = pairs.filter_map(|(pair, place)| {
        // What comes early and yet after the one before catches up with a delay.
        let possible = |by: &i64| by.abs() > LEAST_STEP && (*by > 0 || pair[1].at < pair[0].at);
        let by = shift(&pair[0], &pair[1]).filter(possible)?;
        lasts(arrivals, place, by).then_some(Shift { place, at: pair[1].at, by })
    });
    shifted.collect()
}

/// How much later `after` came than its timestamp says, in nanoseconds.
fn shift(before: &Arrival, after: &Arrival) -> Option<i64> {
    let media = after.media? - before.media?;
    (before.segment == after.segment).then(|| ((after.at - before.at) - media).as_nanos())
}

fn lasts(arrivals: &[Arrival], place: usize, by: i64) -> bool {
    let before = &arrivals[place - 1];
    let following = arrivals.iter().skip(place).take(LASTING);
    let still = following.filter(|after| shift(before, after).is_some_and(|later| (later - by).abs() <= TOLERANCE));
    still.count() == LASTING
}

/// From how many hosts the shifted streams come.
fn witnesses(together: &[Met], streams: &[Stream]) -> usize {
    together.iter().map(|(stream, _)| streams[*stream].flow.source.ip()).collect::<BTreeSet<IpAddr>>().len()
}

/// Drops the groups in whose time a stream went on, while those were shifted.
fn uncontradicted(groups: &mut Vec<&[Met]>, streams: &[Stream]) {
    for stream in streams {
        if groups.is_empty() {
            return;
        }
        let arrivals = stream.arrivals.unpack();
        groups.retain(|group| !on_time(&arrivals, group));
    }
}

fn on_time(arrivals: &[Arrival], together: &[Met]) -> bool {
    let Some(earliest) = together.iter().map(|(_, shift)| (shift.at, shift.by)).min() else { return false };
    let (from, to) = (earliest.0 - Span(earliest.1), earliest.0);
    let next = arrivals.partition_point(|arrival| arrival.at <= from + TOGETHER);
    arrivals.get(next).is_some_and(|arrival| arrival.at < to)
}

fn told(first: &Shift, streams: usize) -> Anomaly {
    let at = first.at.as_nanos() as f64 / 1e9;
    let by = first.by as f64 / 1e6;
    Anomaly {
        place: format!("at Unix time {at:.3}"),
        what: format!(
            "the capture's clock steps forward by {by:.0} ms: {streams} streams of several hosts go on with neither \
             a packet missing nor a burst"
        ),
    }
}

/// The packet before each step is marked as followed by no silence, what comes after is numbered anew where none is
/// missing.
fn cut(streams: &mut [Stream], steps: &[Met]) {
    let mut places: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    steps.iter().for_each(|(stream, step)| places.entry(*stream).or_default().push(step.place));
    for (stream, places) in places {
        streams[stream].arrivals.change(|arrivals| places.iter().for_each(|place| cut_at(arrivals, *place)));
    }
}

fn cut_at(arrivals: &mut [Arrival], place: usize) {
    let whole = arrivals[place].index == arrivals[place - 1].index + 1;
    arrivals[place - 1].pause = true;
    if whole {
        arrivals[place..].iter_mut().for_each(|arrival| arrival.segment += 1);
    }
}
