//! The logical streams of a capture as what somebody heard: silences judged by what the dialog says was due, scored.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::dialogs::{Dialogs, Leg};
use super::due::{self, Stretch};
use super::stitch::Logical;
use super::streams::Stream;
use crate::analysis::measure::listening::categories::{self, Graded};
use crate::analysis::measure::listening::{Listener, over_time};
use crate::analysis::measure::model::{Categories, StreamMeasured};
use crate::analysis::measure::parallel;
use crate::analysis::measure::silence::{Rule, Silence};
use crate::analysis::measure::track::{self, Arrival, Spans, Train};
use crate::analysis::quality::categories::tiphon::gap_columns;
use crate::analysis::quality::dejitter::{Profile, Segment};
use crate::analysis::quality::time_series::Second;
use crate::units::{RunTime, Span};
use crate::wire::limits::MOST_SLOTS;
use crate::wire::pcap::Sense;

/// Two packets of a foreign stream further apart than this, and than three packet intervals, are an outage.
const LEAST_SILENCE: Span = Span::from_millis(100);
/// Recovery of a foreign stream must hold for so long; no scenario tells.
const VALIDATE: Span = Span::from_secs(1);
/// Assumed where neither timestamps nor arrivals tell the packet interval.
const COMMON_INTERVAL: Span = Span::from_millis(20);
const BUFFER: Profile = Profile::Fixed { depth_ms: 50 };

/// One logical stream, measured.
pub(super) struct Voice {
    pub(super) figures: StreamMeasured,
    pub(super) silences: Vec<Silence>,
    pub(super) leg: Option<Leg>,
}

/// What the logical streams are measured against.
pub(super) struct Context<'a> {
    pub(super) dialogs: &'a Dialogs,
    /// Where the measured time begins, if it was narrowed.
    pub(super) from: Option<RunTime>,
    pub(super) end: RunTime,
}

/// Measures all logical streams.
pub(super) fn voices(logical: &[Logical], context: &Context<'_>) -> Vec<Voice> {
    let listeners = Listeners::of(logical);
    let packets = logical.iter().map(|one| one.stream.arrivals.len()).sum();
    parallel::map((0..logical.len()).collect(), packets, |number| voice(number, &listeners, context))
}

/// Who hears what.
struct Listeners<'a> {
    logical: &'a [Logical],
    /// The streams of each who gets several, each with its number of different packets.
    several: BTreeMap<Ear, Vec<(usize, usize)>>,
}

/// One direction of a call at one place in the network.
type Ear = (Leg, SocketAddr, Sense);

fn ear(one: &Logical) -> Option<Ear> {
    Some((one.leg?, one.stream.flow.destination, one.stream.flow.sense))
}

impl<'a> Listeners<'a> {
    fn of(logical: &'a [Logical]) -> Listeners<'a> {
        let mut streams: BTreeMap<Ear, Vec<usize>> = BTreeMap::new();
        for (number, one) in logical.iter().enumerate() {
            ear(one).into_iter().for_each(|ear| streams.entry(ear).or_default().push(number));
        }
        streams.retain(|_, numbers| numbers.len() > 1);
        let packets = |number: usize| track::packets(&track::firsts(&logical[number].stream.arrivals.trains()));
        let sized = |number: usize| (number, packets(number));
        let several = streams.into_iter().map(|(ear, numbers)| (ear, numbers.into_iter().map(sized).collect()));
        Listeners { logical, several: several.collect() }
    }

    /// The packets of all streams that the listener of one gets, in order of time: when one of two that overlap ends,
    /// nothing is silent. `None` for those beside the largest, so that each silence counts once.
    fn heard<'b>(&self, number: usize, firsts: &'b [Train<'a>]) -> Option<Cow<'b, [Train<'a>]>> {
        let all = ear(&self.logical[number]).and_then(|ear| self.several.get(&ear));
        let beside = all.into_iter().flatten().filter(|(other, _)| *other != number);
        let size = (track::packets(firsts), Reverse(number));
        if beside.clone().any(|(other, packets)| (*packets, Reverse(*other)) > size) {
            return None;
        }
        let beside: Vec<usize> = beside.map(|(other, _)| *other).collect();
        Some(if beside.is_empty() { Cow::Borrowed(firsts) } else { Cow::Owned(self.together(firsts, &beside)) })
    }

    /// The packets of several streams in order of time.
    fn together(&self, firsts: &[Train<'a>], beside: &[usize]) -> Vec<Train<'a>> {
        let mut heard: Vec<Train<'a>> = track::arrivals(firsts).map(Train::from).collect();
        for other in beside {
            let segments = heard.iter().map(|train| train.first.segment + 1).max().unwrap_or(0);
            let trains = self.logical[*other].stream.arrivals.trains();
            let further = |arrival: Arrival| Arrival { segment: arrival.segment + segments, ..arrival };
            heard.extend(track::arrivals(&track::firsts(&trains)).map(further).map(Train::from));
        }
        heard.sort_by_key(|train| train.first.at);
        heard
    }
}

fn voice(number: usize, listeners: &Listeners<'_>, context: &Context<'_>) -> Voice {
    let Logical { stream, leg } = &listeners.logical[number];
    let call = leg.and_then(|leg| Some((context.dialogs.call(leg.call)?, leg.direction)));
    let told = call.map(|(call, direction)| due::stretches(call, direction, context.from, context.end));
    let stretches = told.unwrap_or_else(|| vec![due::UNTOLD]);
    let interval = stream.interval.unwrap_or(COMMON_INTERVAL);
    let threshold = LEAST_SILENCE.max(Span(interval.as_nanos().saturating_mul(3)));
    let rule = Rule { interval, threshold, validate: VALIDATE };
    let arrivals = stream.arrivals.trains();
    let mut firsts = track::firsts(&arrivals);
    let heard = listeners.heard(number, &firsts);
    let silences = heard.map(|heard| due::silences(&heard, rule, &stretches)).unwrap_or_default();
    if !due::all_without_break(&stretches, &firsts) {
        firsts = Cow::Owned(due::renumber_after_holds(&firsts, &stretches));
    }
    let silent = Silent { silences: &silences, stretches: &stretches, threshold };
    let figures = figures(stream, *leg, Track { arrivals: &arrivals, firsts: &firsts }, &silent);
    Voice { figures, silences, leg: *leg }
}

/// The packets of a stream.
#[derive(Clone, Copy)]
struct Track<'a> {
    arrivals: &'a [Train<'a>],
    /// The first arrival of each packet.
    firsts: &'a [Train<'a>],
}

/// Silence of a listener who should have heard media all the time of `stretches` and got not one packet.
pub(super) fn never_heard(stretches: &[Stretch]) -> Vec<Silence> {
    let rule = Rule { interval: COMMON_INTERVAL, threshold: LEAST_SILENCE, validate: VALIDATE };
    due::silences(&[], rule, stretches)
}

/// Where a stream was silent and where it should not have been.
struct Silent<'a> {
    silences: &'a [Silence],
    stretches: &'a [Stretch],
    threshold: Span,
}

impl Silent<'_> {
    /// Largest distance of two packets in which nobody meant to be silent.
    fn largest_distance(&self, firsts: &[Train<'_>]) -> Option<Span> {
        if due::all_without_break(self.stretches, firsts) {
            return track::largest_distance(firsts);
        }
        let due = |from: RunTime, to: RunTime| due::without_break(self.stretches, from, to);
        track::pairs(firsts).filter(|(before, _)| !before.pause).fold(None, |largest, (before, after)| {
            let distance = Some(after.at - before.at);
            if distance > largest && due(before.at, after.at) { distance } else { largest }
        })
    }
}

fn figures(stream: &Stream, leg: Option<Leg>, track: Track<'_>, silent: &Silent<'_>) -> StreamMeasured {
    let (silences, firsts) = (silent.silences, track.firsts);
    let (counts, spans) = track::counts_and_spans(track.arrivals, firsts);
    let unnumbered = unnumbered(silences, firsts, stream.interval.unwrap_or(COMMON_INTERVAL));
    let expected = unnumbered.iter().fold(counts.expected, |sum: u64, (_, packets)| sum.saturating_add(*packets));
    let jitter = Jitter::of(firsts, silent.threshold);
    let delta = silent.largest_distance(firsts).map(Span::as_millis_f64);
    let longest = silences.iter().map(|silence| silence.length.as_millis_f64());
    let mut figures = StreamMeasured {
        ssrc: stream.ssrcs.first().copied().unwrap_or_default(),
        more_ssrcs: stream.ssrcs.iter().skip(1).copied().collect(),
        src: stream.flow.source.to_string(),
        dst: stream.flow.destination.to_string(),
        codec: stream.codec.clone(),
        signed_stream: stream.signed_stream,
        call: leg.map(|leg| leg.call as u64),
        direction: leg.map(|leg| leg.direction),
        start_ns: firsts.first().map(|train| train.first.at).unwrap_or_default(),
        end_ns: firsts.last().map(|train| train.last_at).unwrap_or_default(),
        packets: counts.packets,
        expected,
        lost: expected.saturating_sub(counts.packets),
        duplicates: counts.duplicates,
        reordered: counts.reordered,
        ptime_ms: stream.interval.map(Span::as_millis_f64),
        jitter_ms_mean: jitter.mean,
        jitter_ms_max: jitter.largest,
        delta_ms_max: delta,
        gap_ms_max: longest.reduce(f64::max).or(delta),
        more_codecs: stream.more_codecs.clone(),
        pauses: stream.pauses.count,
        pause_ms_max: stream.pauses.longest.map(Span::as_millis_f64),
        ..StreamMeasured::default()
    };
    listen(&mut figures, stream, (firsts, &spans), &unnumbered);
    figures.categories = graded(&figures, firsts);
    figures
}

/// Interarrival jitter in milliseconds; absent without two packets that it is between.
#[derive(Clone, Copy, Debug, Default)]
struct Jitter {
    mean: Option<f64>,
    largest: Option<f64>,
}

impl Jitter {
    fn of(firsts: &[Train<'_>], silence: Span) -> Jitter {
        let (mut sum, mut n, mut largest) = (0.0, 0u64, f64::NEG_INFINITY);
        track::each_jitter(firsts, silence, |_, jitter| {
            (sum, n) = (sum + jitter, n + 1);
            largest = if jitter > largest { jitter } else { largest };
        });
        if n == 0 { Jitter::default() } else { Jitter { mean: Some(sum / n as f64), largest: Some(largest) } }
    }
}

/// Packets that were due in silences which the numbering does not span: where a new numbering began after the
/// silence, or nothing came after it although the dialog went on. With the start of each silence.
fn unnumbered(silences: &[Silence], firsts: &[Train<'_>], interval: Span) -> Vec<(RunTime, u64)> {
    let due = |silence: &Silence| silence.length.as_nanos().max(0) / interval.as_nanos().max(1);
    let without = silences.iter().filter(|silence| silence.estimates.sequence_ms.is_none());
    without
        .map(|silence| (silence.start, due(silence).cast_unsigned().saturating_sub(stragglers(silence, firsts))))
        .collect()
}

/// Packets of the numbering before a silence that came after it: they are numbered and were not lost.
fn stragglers(silence: &Silence, firsts: &[Train<'_>]) -> u64 {
    let before = |arrival: &Arrival| arrival.at <= silence.start;
    let Some(last) = track::arrivals(firsts).take_while(before).last() else { return 0 };
    let late = |arrival: &Arrival| arrival.segment == last.segment && arrival.index > last.index;
    let until = silence.start + silence.length + due::PICK_UP;
    let after = track::arrivals(firsts).skip_while(before).take_while(|arrival| arrival.at <= until);
    after.filter(late).count() as u64
}

/// Fills in what a listener made of the stream; the network's delay is not known from one place.
fn listen(
    figures: &mut StreamMeasured,
    stream: &Stream,
    (firsts, spans): (&[Train<'_>], &Spans),
    unnumbered: &[(RunTime, u64)],
) {
    let refused = match stream.interval {
        None => Some("the packet interval is not known: no two packets follow each other"),
        _ if figures.expected > MOST_SLOTS => Some("its numbers span more packets than any stream has"),
        Some(_) => None,
    };
    let (None, Some(interval)) = (refused, stream.interval) else {
        figures.mos_cqe_refused = refused.map(str::to_owned);
        figures.over_time_refused = figures.mos_cqe_refused.clone();
        return;
    };
    let model = Listener::model_of(stream.codec.as_deref(), interval);
    let packets = expected((firsts, spans), interval, unnumbered);
    let listener = Listener::new(model, interval, BUFFER, &packets);
    listener.fill(figures, None);
    let heard = seconds(&listener, &packets, interval);
    let curve = over_time::curve(&listener, &heard);
    figures.seconds = over_time::seconds(curve.as_ref().ok(), &heard, &[]);
    match curve {
        Ok(curve) => figures.over_time = over_time::summary(&curve, &heard, &[]),
        Err(reason) => figures.over_time_refused = Some(reason),
    }
}

/// The stream cut into seconds of packets; each begins when its first packet arrived, or a second after the one before.
fn seconds(listener: &Listener, stream: &[Segment], interval: Span) -> Vec<over_time::Heard> {
    let per_second = usize::try_from(1_000_000_000 / interval.as_nanos().max(1)).unwrap_or(1).max(1);
    let packets: usize = stream.iter().map(Segment::len).sum();
    let firsts = first_arrivals(stream, per_second);
    let mut heard: Vec<over_time::Heard> = Vec::new();
    for (start, first) in (0..packets).step_by(per_second).zip(firsts) {
        let part = start..packets.min(start + per_second);
        let ta_ms = listener.ta_ms(std::slice::from_ref(&part), None);
        let next = heard.last().map_or(RunTime::ZERO, |last| last.at + Span::from_secs(1));
        let at = first.unwrap_or(next);
        heard.extend(Second::from_slots(listener.slots(part), ta_ms).map(|second| over_time::Heard { at, second }));
    }
    heard
}

/// When the first packet arrived of each `every` ones.
fn first_arrivals(stream: &[Segment], every: usize) -> Vec<Option<RunTime>> {
    let (mut firsts, mut before) = (Vec::new(), 0);
    for segment in stream {
        let end = before + segment.len();
        for part in before / every..end.div_ceil(every) {
            firsts.resize(firsts.len().max(part + 1), None);
            let (from, to) = ((part * every).max(before), end.min((part + 1) * every));
            let arrived = segment.arrivals(from - before).take(to - from).flatten().next();
            firsts[part] = firsts[part].or(arrived);
        }
        before = end;
    }
    firsts
}

/// What tables call the stream: of delay they can say nothing.
fn graded(figures: &StreamMeasured, firsts: &[Train<'_>]) -> Option<Categories> {
    categories::categories(&Graded {
        jitter_ms: figures.jitter_ms_mean,
        loss_percent: (figures.expected > 0).then(|| 100.0 * figures.lost as f64 / figures.expected as f64),
        gaps: gap_columns(track::distances(firsts)).map(categories::pair),
        ..Graded::default()
    })
}

/// Every packet by its number, the missing ones too, in order of segment and number; then those that no
/// numbering spans, right after the packet that they follow.
fn expected((firsts, spans): (&[Train<'_>], &Spans), interval: Span, unnumbered: &[(RunTime, u64)]) -> Vec<Segment> {
    let segment = |(&number, &(lowest, highest)): (&u32, &(i64, i64))| {
        let media = Span(interval.as_nanos().saturating_mul(lowest));
        (number, (lowest, Segment::new(media, interval, (highest - lowest + 1) as usize)))
    };
    let mut segments: BTreeMap<u32, (i64, Segment)> = spans.iter().map(segment).collect();
    for Train { first, since, .. } in firsts {
        if let Some((lowest, segment)) = segments.get_mut(&first.segment) {
            segment.arrive((first.index - *lowest) as usize, first.at, since);
        }
    }
    let mut all: Vec<Segment> = segments.into_values().map(|(_, segment)| segment).collect();
    unnumbered.iter().for_each(|(start, packets)| insert_after(&mut all, *start, *packets));
    all
}

/// Inserts so many packets that never arrived after each one that arrived at an instant. What follows them goes on with
/// the media clock as it was before them.
fn insert_after(all: &mut Vec<Segment>, instant: RunTime, packets: u64) {
    let mut place = 0;
    while let Some(segment) = all.get_mut(place).filter(|_| packets > 0) {
        let found = segment.arrivals(0).position(|at| at == Some(instant));
        if let Some(found) = found {
            let rest = segment.split_off(found + 1);
            segment.extend_lost(packets as usize);
            all.splice(place + 1..place + 1, (!rest.is_empty()).then_some(rest));
        }
        place += 1;
    }
}
