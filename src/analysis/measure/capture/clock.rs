//! Steps of the capturing host's clock, known by streams of several hosts that all seem late or early at once.
//!
//! A step shifts all stamps after it. A server that stood still does so too, but not for streams that it does not
//! carry, and what it held back comes in a burst afterwards. Backward steps need no second witness: no network makes
//! a packet arrive before the one that was captured earlier.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::filter::utc;
use super::streams::Stream;
use crate::analysis::measure::model::{Anomaly, Caveat};
use crate::analysis::measure::track::Arrival;
use crate::units::{RunTime, Span};

/// The caveat of a capture whose clock stepped.
pub(super) const STEPPED: &str =
    "the capture's clock stepped: instants and durations on both sides of a step do not fit together";
/// Smaller steps look like jitter.
pub(super) const LEAST_STEP: i64 = 100_000_000;
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
/// forward steps. Of backward ones the reading of the file tells. A shift that the streams of one host alone show is
/// no step: a host that stood still looks the same. It stays a silence, with a caveat.
pub(super) fn mark_steps(streams: &mut [Stream]) -> (Vec<Anomaly>, Vec<Caveat>) {
    let mut shifts: Vec<Met> = Vec::new();
    for (number, stream) in streams.iter().enumerate() {
        shifts.extend(stream.shifts.iter().map(|shift| (number, *shift)));
    }
    shifts.sort_by_key(|(stream, shift)| (shift.at, *stream));
    let (mut steps, forward): (Vec<Met>, Vec<Met>) = shifts.into_iter().partition(|(_, shift)| shift.by < 0);
    let mut groups = groups(&forward);
    uncontradicted(&mut groups, streams);
    let (together, alone): (Vec<&[Met]>, Vec<&[Met]>) =
        groups.into_iter().partition(|group| witnesses(group, streams) > 1);
    let anomalies = together.iter().map(|group| told(&group[0].1, group.len())).collect();
    steps.extend(together.into_iter().flatten().copied());
    cut(streams, &steps);
    let stepped = (!steps.is_empty())
        .then(|| caveat(STEPPED.to_owned(), "capture on a host whose clock is only slewed (chrony, PTP)"));
    (anomalies, stepped.into_iter().chain(undecided(&alone)).collect())
}

fn caveat(text: String, remedy: &str) -> Caveat {
    Caveat { text, remedy: remedy.to_owned(), voids: false }
}

/// Silences that may be steps: only streams of one host were there to see them.
fn undecided(alone: &[&[Met]]) -> Option<Caveat> {
    let (_, first) = alone.first()?.first()?;
    let silences = match alone.iter().map(|group| group.len()).sum::<usize>() {
        1 => "1 silence is".to_owned(),
        n => format!("{n} silences are"),
    };
    let text = format!(
        "{silences} followed by neither a missing packet nor a burst, the first up to {} ({} ms): the only host \
         that was heard then stood still, or the capture's clock stepped forward; told as outages",
        utc(first.at),
        first.by / 1_000_000,
    );
    Some(caveat(text, "capture both directions of a call: two hosts do not stand still at once"))
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
    let by = first.by as f64 / 1e6;
    Anomaly {
        place: format!("at {}", utc(first.at)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::measure::capture::streams::Flow;
    use crate::analysis::measure::capture::talkspurts::Pauses;
    use crate::wire::pcap::Sense;

    /// Four seconds of packets every 20 ms from a host; what is due from 2 s on is stamped so much later.
    fn stream(host: u8, later_ms: i64) -> Stream {
        let flow = Flow {
            source: format!("10.0.0.{host}:4000").parse().unwrap(),
            destination: "10.0.0.9:5000".parse().unwrap(),
            sense: Sense::Unknown,
        };
        let arrival = |index: i64| {
            let due = Span::from_millis(index * 20);
            let late = Span::from_millis(if index < 100 { 0 } else { later_ms });
            Arrival { at: RunTime::ZERO + due + late, segment: 0, index, media: Some(due), pause: false }
        };
        let arrivals: Vec<Arrival> = (0..200).map(arrival).collect();
        Stream {
            flow,
            ssrcs: vec![host.into()],
            codec: None,
            clock_rate: 8000,
            more_codecs: Vec::new(),
            pauses: Pauses::default(),
            signed_stream: None,
            interval: Some(Span::from_millis(20)),
            shifts: shifts(&arrivals),
            arrivals: arrivals.into_iter().collect(),
        }
    }

    /// What is told, and whether the first stream is cut where the step would be.
    fn told_of(mut streams: Vec<Stream>) -> (usize, Vec<String>, bool) {
        let (anomalies, caveats) = mark_steps(&mut streams);
        let texts = caveats.into_iter().map(|caveat| caveat.text).collect();
        (anomalies.len(), texts, streams[0].arrivals.unpack()[99].pause)
    }

    #[test]
    fn two_hosts_that_shift_at_once_are_a_step() {
        let (steps, caveats, cut) = told_of(vec![stream(1, 700), stream(2, 700)]);
        assert_eq!((steps, caveats, cut), (1, vec![STEPPED.to_owned()], true));
    }

    #[test]
    fn one_host_alone_may_also_have_stood_still_and_nobody_can_tell() {
        let (one, two) = (vec![stream(1, 700)], vec![stream(1, 700), stream(1, 700)]);
        for (streams, silences) in [(one, "1 silence is"), (two, "2 silences are")] {
            let (steps, caveats, cut) = told_of(streams);
            assert!(steps == 0 && !cut && caveats.len() == 1, "{caveats:?}");
            assert!(
                caveats[0].starts_with(silences) && caveats[0].contains("up to 1970-01-01T00:00:02.700Z (700 ms)"),
                "{caveats:?}"
            );
        }
    }

    #[test]
    fn one_host_that_stood_still_while_another_went_on_needs_no_caveat() {
        assert_eq!(told_of(vec![stream(1, 700), stream(2, 0)]), (0, vec![], false));
    }
}
