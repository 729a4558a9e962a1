//! The streams of a capture as what somebody heard: joined over the flows of a dialog, silences judged by
//! what the dialog says was due, scored.

use std::collections::BTreeMap;

use super::dialogs::{Call, Dialogs, Leg};
use super::streams::Stream;
use crate::analysis::measure::figures::mean;
use crate::analysis::measure::listening::categories::{self, Graded};
use crate::analysis::measure::listening::{Listener, over_time};
use crate::analysis::measure::model::{CallFate, CallMeasured, Categories, Outage, StreamMeasured};
use crate::analysis::measure::silence::{self, Due, Rule, Silence};
use crate::analysis::measure::track::{self, Arrival};
use crate::analysis::quality::categories::tiphon::gap_columns;
use crate::analysis::quality::dejitter::{Expected, Profile};
use crate::analysis::quality::time_series::Second;
use crate::evidence::history::Direction;
use crate::units::{RunTime, Span};

/// Two packets of a foreign stream further apart than this, and than three packet intervals, are an outage.
const LEAST_SILENCE: Span = Span::from_millis(100);
/// Recovery of a foreign stream must hold for so long; no scenario tells.
const VALIDATE: Span = Span::from_secs(1);
/// Assumed where neither timestamps nor arrivals tell the packet interval.
const COMMON_INTERVAL: Span = Span::from_millis(20);
/// A gap below this is a glitch.
const GLITCH_MS: f64 = 200.0;
/// More packets than these were never due in one stream (28 hours of 20 ms): such a numbering is not scored.
const MOST_SLOTS: u64 = 5_000_000;
const BUFFER: Profile = Profile::Fixed { depth_ms: 50 };

/// One logical stream, measured.
pub(super) struct Voice {
    pub(super) figures: StreamMeasured,
    silences: Vec<Silence>,
    leg: Option<Leg>,
}

/// Measures all streams; those of one dialog and direction that take turns are one.
pub(super) fn voices(streams: Vec<Stream>, dialogs: &Dialogs, end: RunTime) -> Vec<Voice> {
    let mut joined: Vec<(Option<Leg>, Stream)> = Vec::new();
    for stream in streams {
        let leg = dialogs.leg(&stream.flow, stream.start());
        let earlier = joined.iter_mut().rev().find(|(other, before)| {
            leg.is_some() && *other == leg && before.flow.sense == stream.flow.sense && before.hands_over_to(&stream)
        });
        match earlier {
            Some((_, before)) => before.join(stream),
            None => joined.push((leg, stream)),
        }
    }
    joined.iter().map(|(leg, stream)| voice(*leg, stream, dialogs, end)).collect()
}

fn voice(leg: Option<Leg>, stream: &Stream, dialogs: &Dialogs, end: RunTime) -> Voice {
    let firsts = track::firsts(&stream.arrivals);
    let interval = stream.interval.unwrap_or(COMMON_INTERVAL);
    let threshold = LEAST_SILENCE.max(Span(interval.as_nanos().saturating_mul(3)));
    let call = leg.and_then(|leg| dialogs.call(leg.call));
    let media_end = call.and_then(|call| call.media_end(end));
    let due = Due { start: None, end: media_end.map(|(end, _)| end), cut: media_end.is_some_and(|(_, cut)| cut) };
    // What still comes after the BYE is nobody's media any more.
    let heard: Vec<Arrival> = firsts.iter().filter(|a| due.end.is_none_or(|end| a.at <= end)).copied().collect();
    let silences = silence::silences(&heard, Rule { interval, threshold, validate: VALIDATE }, due);
    let silences: Vec<Silence> = silences.into_iter().filter(|silence| !held(call, leg, silence, threshold)).collect();
    let figures = figures(stream, leg, &firsts, &silences, threshold);
    Voice { figures, silences, leg }
}

/// A silence that begins while the call is put on hold is wanted.
fn held(call: Option<&Call>, leg: Option<Leg>, silence: &Silence, threshold: Span) -> bool {
    call.zip(leg).is_some_and(|(call, leg)| call.on_hold(leg.direction, silence.start + threshold))
}

fn figures(
    stream: &Stream,
    leg: Option<Leg>,
    firsts: &[Arrival],
    silences: &[Silence],
    threshold: Span,
) -> StreamMeasured {
    let counts = track::counts(&stream.arrivals, firsts);
    let unnumbered = unnumbered(silences, stream.interval.unwrap_or(COMMON_INTERVAL));
    let expected = unnumbered.iter().fold(counts.expected, |sum: u64, (_, packets)| sum.saturating_add(*packets));
    let jitter = track::jitter(firsts, threshold);
    let delta = track::largest_distance(firsts).map(Span::as_millis_f64);
    let silent = silences.iter().map(|silence| silence.length.as_millis_f64());
    let mut figures = StreamMeasured {
        ssrc: stream.ssrcs.first().copied().unwrap_or_default(),
        more_ssrcs: stream.ssrcs.iter().skip(1).copied().collect(),
        src: stream.flow.source.to_string(),
        dst: stream.flow.destination.to_string(),
        codec: stream.codec.clone(),
        signed_stream: stream.signed_stream,
        call: leg.map(|leg| leg.call as u64),
        direction: leg.map(|leg| leg.direction),
        start_ns: firsts.first().map(|arrival| arrival.at).unwrap_or_default(),
        end_ns: firsts.last().map(|arrival| arrival.at).unwrap_or_default(),
        packets: counts.packets,
        expected,
        lost: expected.saturating_sub(counts.packets),
        duplicates: counts.duplicates,
        reordered: counts.reordered,
        ptime_ms: stream.interval.map(Span::as_millis_f64),
        jitter_ms_mean: mean(jitter.iter().map(|(_, jitter)| *jitter)),
        jitter_ms_max: jitter.iter().map(|(_, jitter)| *jitter).reduce(f64::max),
        delta_ms_max: delta,
        gap_ms_max: silent.chain(delta).reduce(f64::max),
        ..StreamMeasured::default()
    };
    listen(&mut figures, stream, firsts, &unnumbered);
    figures.categories = graded(&figures, firsts);
    figures
}

/// Packets that were due in silences which the numbering does not span: where a new numbering began after the
/// silence, or nothing came after it although the dialog went on. With the start of each silence.
fn unnumbered(silences: &[Silence], interval: Span) -> Vec<(RunTime, u64)> {
    let due = |silence: &Silence| silence.length.as_nanos().max(0) / interval.as_nanos().max(1);
    let without = silences.iter().filter(|silence| silence.estimates.sequence_ms.is_none());
    without.map(|silence| (silence.start, due(silence).cast_unsigned())).collect()
}

/// Fills in what a listener made of the stream; the network's delay is not known from one place.
fn listen(figures: &mut StreamMeasured, stream: &Stream, firsts: &[Arrival], unnumbered: &[(RunTime, u64)]) {
    let spanned = track::counts(&stream.arrivals, firsts).expected;
    let refused = match stream.interval {
        None => Some("the packet interval is not known: no two packets follow each other"),
        _ if unnumbered.iter().fold(spanned, |sum, (_, packets)| sum.saturating_add(*packets)) > MOST_SLOTS => {
            Some("its numbers span more packets than any stream has")
        }
        Some(_) => None,
    };
    let (None, Some(interval)) = (refused, stream.interval) else {
        figures.mos_cqe_refused = refused.map(str::to_owned);
        figures.over_time_refused = figures.mos_cqe_refused.clone();
        return;
    };
    let model = Listener::model_of(stream.codec.as_deref(), interval);
    let packets = expected(firsts, interval, unnumbered);
    let listener = Listener::new(model, interval, BUFFER, &packets);
    listener.fill(figures, None);
    let heard = seconds(&listener, &packets, interval);
    match over_time::curve(&listener, &heard) {
        Ok(curve) => figures.over_time = over_time::summary(&curve, &heard, &[]),
        Err(reason) => figures.over_time_refused = Some(reason),
    }
}

/// The stream cut into seconds of packets; each begins when its first packet arrived, or a second after the one before.
fn seconds(listener: &Listener, packets: &[Expected], interval: Span) -> Vec<over_time::Heard> {
    let per_second = usize::try_from(1_000_000_000 / interval.as_nanos().max(1)).unwrap_or(1).max(1);
    let mut heard: Vec<over_time::Heard> = Vec::new();
    for (place, chunk) in packets.chunks(per_second).enumerate() {
        let part = place * per_second..place * per_second + chunk.len();
        let ta_ms = listener.ta_ms(std::slice::from_ref(&part), None);
        let next = heard.last().map_or(RunTime::ZERO, |last| last.at + Span::from_secs(1));
        let at = chunk.iter().find_map(|packet| packet.arrived).unwrap_or(next);
        heard.extend(Second::from_slots(listener.slots(part), ta_ms).map(|second| over_time::Heard { at, second }));
    }
    heard
}

/// What tables call the stream: of delay they can say nothing.
fn graded(figures: &StreamMeasured, firsts: &[Arrival]) -> Option<Categories> {
    let arrivals: Vec<RunTime> = firsts.iter().map(|arrival| arrival.at).collect();
    categories::categories(&Graded {
        jitter_ms: figures.jitter_ms_mean,
        loss_percent: (figures.expected > 0).then(|| 100.0 * figures.lost as f64 / figures.expected as f64),
        gaps: gap_columns(&arrivals).map(categories::pair),
        ..Graded::default()
    })
}

/// Every packet by its number, the missing ones too, in order of segment and number; then those that no
/// numbering spans, right after the packet that they follow.
fn expected(firsts: &[Arrival], interval: Span, unnumbered: &[(RunTime, u64)]) -> Vec<Expected> {
    let mut ordered: Vec<&Arrival> = firsts.iter().collect();
    ordered.sort_by_key(|arrival| (arrival.segment, arrival.index));
    let mut all: Vec<Expected> = Vec::with_capacity(ordered.len());
    let mut before: Option<&Arrival> = None;
    for arrival in ordered {
        let slot = |index: i64, arrived| Expected {
            media: Span(interval.as_nanos().saturating_mul(index)),
            arrived,
            segment: arrival.segment,
        };
        if let Some(before) = before.filter(|before| before.segment == arrival.segment) {
            all.extend((before.index + 1..arrival.index).map(|index| slot(index, None)));
        }
        all.push(slot(arrival.index, Some(arrival.at)));
        for (_, packets) in unnumbered.iter().filter(|(start, _)| *start == arrival.at) {
            all.extend((1..=packets.cast_signed()).map(|later| slot(arrival.index + later, None)));
        }
        before = Some(arrival);
    }
    all
}

impl Voice {
    pub(super) fn outages(&self) -> impl Iterator<Item = Outage> {
        let scope = self.figures.scope();
        self.silences.iter().map(move |silence| Outage {
            service: "media".to_owned(),
            scope: scope.clone(),
            direction: self.figures.direction,
            fault: None,
            start_ns: silence.start,
            end_ns: silence.end,
            duration_ms: silence.length.as_millis_f64(),
            censored: silence.end.is_none(),
            // Whether a BYE was the user's plan or his despair, a capture does not tell.
            left: false,
            method: "timestamp".to_owned(),
            error_ms: silence.error.as_millis_f64(),
            estimates: silence.estimates,
        })
    }
}

/// All calls with the longest gap and the fate that their streams show.
pub(super) fn calls(voices: &[Voice], dialogs: &Dialogs) -> Vec<CallMeasured> {
    let mut of: BTreeMap<usize, Vec<&Voice>> = BTreeMap::new();
    for voice in voices {
        if let Some(leg) = voice.leg {
            of.entry(leg.call).or_default().push(voice);
        }
    }
    let calls = dialogs.calls().iter().enumerate();
    calls
        .map(|(number, call)| {
            let voices = of.get(&number).map(Vec::as_slice).unwrap_or_default();
            call.measured(number, &gaps(voices), fate(voices, call))
        })
        .collect()
}

fn gaps(voices: &[&Voice]) -> Vec<(Direction, f64)> {
    let mut gaps: BTreeMap<Direction, f64> = BTreeMap::new();
    for voice in voices {
        if let (Some(direction), Some(gap)) = (voice.figures.direction, voice.figures.gap_ms_max) {
            let longest = gaps.entry(direction).or_default();
            *longest = longest.max(gap);
        }
    }
    gaps.into_iter().collect()
}

/// Only where both directions were seen.
fn fate(voices: &[&Voice], call: &Call) -> Option<CallFate> {
    let dead = |direction: Direction| {
        let mut of = voices.iter().filter(|voice| voice.figures.direction == Some(direction)).peekable();
        of.peek()?;
        Some(of.any(|voice| voice.silences.last().is_some_and(|last| last.end.is_none())))
    };
    let longest = voices.iter().flat_map(|voice| &voice.silences).map(|s| s.length.as_millis_f64()).reduce(f64::max);
    Some(match (dead(Direction::ToCallee)?, dead(Direction::ToCaller)?) {
        (true, true) if call.ended_in_disorder() => CallFate::Zombie,
        (true, true) => CallFate::MediaDead,
        (false, false) => match longest {
            None => CallFate::Unaffected,
            Some(gap) if gap < GLITCH_MS => CallFate::Glitch,
            Some(_) => CallFate::GapRecovered,
        },
        _ => CallFate::OneWay,
    })
}
