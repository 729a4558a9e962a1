//! Our own media: what was due is known, so silence is loss, and every packet is known again by its mark.

use std::collections::BTreeMap;

use super::evidence::{Evidence, Signed, Taps};
use super::faults::Faults;
use super::services::OpLife;
use crate::analysis::measure::figures::{mean, percentile};
use crate::analysis::measure::model::{Delay, Outage, StreamMeasured};
use crate::analysis::measure::silence::{self, Due, Rule, Silence};
use crate::analysis::measure::track::{self, Arrival, Train};
use crate::evidence::history::{Direction, OpKind, Step, StreamMark, StreamState, What};
use crate::units::{RunTime, Span};

/// Silences up to this are no outage, whatever the packet interval.
const LEAST_SILENCE: Span = Span::from_millis(60);
/// What comes later than this after it was due brings no conversation (G.114: 400 ms one way is the limit
/// for planning); it counts as received, but it does not end an outage.
const TOO_LATE: Span = Span::from_millis(400);

/// No trial has more packets in a stream (four days of 20 ms); a damaged history must not fill the memory.
const MOST_PACKETS: u64 = 20_000_000;

/// One of our streams with all that is known of it.
#[derive(Clone, Debug)]
pub(super) struct OwnStream {
    pub(super) stream: u32,
    pub(super) call: u64,
    pub(super) direction: Direction,
    pub(super) codec: String,
    pub(super) interval: Span,
    /// First packet due.
    pub(super) start: RunTime,
    /// No packet due any more: the stream stopped, the dialog ended, or the window did.
    pub(super) end: RunTime,
    /// It ended because one of its own users hung up, before the window did.
    pub(super) hung_up: bool,
    /// Packets due.
    pub(super) expected: u64,
    /// First arrivals of the packets that were due, in order of arrival.
    pub(super) firsts: Vec<Arrival>,
    /// One-way delay of each of `firsts`, where its sending was tapped.
    pub(super) delays: Vec<Option<Span>>,
    pub(super) silences: Vec<Silence>,
    /// RFC 3550 jitter in milliseconds after each packet.
    pub(super) jitter: Vec<(RunTime, f64)>,
    duplicates: u64,
    reordered: u64,
    ssrcs: Vec<u32>,
    source: String,
    destination: String,
}

/// When the media of a stream was due.
#[derive(Clone, Copy, Debug)]
pub(super) struct DueTime<'a> {
    pub(super) mark: &'a StreamMark,
    /// The sender began.
    pub(super) started: RunTime,
    /// The caller's INVITE was answered.
    pub(super) answer: RunTime,
    /// The sender stopped, or the dialog ended.
    pub(super) own_end: Option<RunTime>,
    /// It ended because one of its own users hung up, before the window did.
    pub(super) hung_up: bool,
}

/// All streams that had media due before the window ended, in order of their numbers. Media is due once the
/// caller's INVITE was answered: what a callee says into a call that never came about reaches nobody, and is
/// nobody's outage.
pub(super) fn due_times<'a>(evidence: &'a Evidence, operations: &BTreeMap<u64, OpLife>) -> Vec<DueTime<'a>> {
    let mut started: BTreeMap<u32, (RunTime, &StreamMark)> = BTreeMap::new();
    let mut stopped: BTreeMap<u32, RunTime> = BTreeMap::new();
    for event in &evidence.events {
        match &event.what {
            What::Stream(mark) if mark.state == StreamState::Started => {
                started.entry(mark.stream).or_insert((event.t_ns, mark));
            }
            What::Stream(mark) => drop(stopped.entry(mark.stream).or_insert(event.t_ns)),
            _ => {}
        }
    }
    let (answered, ended) = (answers(evidence, operations), dialog_ends(evidence));
    let due = started.into_iter().filter_map(|(number, (started, mark))| {
        let answer = answered.get(&mark.call).copied().unwrap_or(Some(started))?;
        let dialog = ended.get(&mark.call);
        let ends = [stopped.get(&number).copied(), dialog.map(|end| end.at)];
        let own_end = ends.into_iter().flatten().min();
        let hung_up = dialog.is_some_and(|end| end.by_user && end.at < evidence.window.end_ns);
        (started.max(answer) < evidence.window.end_ns).then_some(DueTime { mark, started, answer, own_end, hung_up })
    });
    due.collect()
}

/// The streams of sound that had media due.
pub(super) fn streams(evidence: &Evidence, operations: &BTreeMap<u64, OpLife>, validate: Span) -> Vec<OwnStream> {
    let none = Taps::default();
    let voices = due_times(evidence, operations).into_iter().filter(|due| due.mark.video.is_none());
    let stream = |due: DueTime<'_>| {
        let taps = evidence.taps.get(&due.mark.stream).unwrap_or(&none);
        OwnStream {
            hung_up: due.hung_up,
            ..own_stream((due.started, due.answer), due.own_end, due.mark, taps, evidence, validate)
        }
    };
    voices.map(stream).collect()
}

/// When the INVITE of each call was answered; `None` for those that were not.
fn answers(evidence: &Evidence, operations: &BTreeMap<u64, OpLife>) -> BTreeMap<u64, Option<RunTime>> {
    let mut answers = BTreeMap::new();
    for event in &evidence.events {
        if let What::Op(op) = &event.what
            && matches!(op.kind, OpKind::StandingCall | OpKind::NewCall)
            && let (Some(call), Some(life)) = (op.call, operations.get(&op.op))
        {
            answers.entry(call).or_insert(life.success());
        }
    }
    answers
}

/// The end of a dialog for its users: the first BYE that was sent or received.
#[derive(Clone, Copy, Debug)]
struct DialogEnd {
    at: RunTime,
    /// One of our own users sent it.
    by_user: bool,
}

fn dialog_ends(evidence: &Evidence) -> BTreeMap<u64, DialogEnd> {
    let mut ends = BTreeMap::new();
    for event in &evidence.events {
        if let What::Op(op) = &event.what
            && let Some(call) = op.call
            && (op.step == Step::RemoteEnd || (op.kind == OpKind::Bye && op.step == Step::Invoke))
        {
            ends.entry(call)
                .or_insert(DialogEnd { at: event.t_ns, by_user: op.kind == OpKind::Bye && op.step == Step::Invoke });
        }
    }
    ends
}

fn own_stream(
    (started, answer): (RunTime, RunTime),
    own_end: Option<RunTime>,
    mark: &StreamMark,
    taps: &Taps,
    evidence: &Evidence,
    validate: Span,
) -> OwnStream {
    let interval = Span(mark.ptime_ns.max(1_000_000));
    let zero = first_due(taps, interval).unwrap_or(started);
    // Packets are numbered anew from the first that was due after the answer.
    let early = ((answer - zero).as_nanos().max(0) + interval.as_nanos() - 1) / interval.as_nanos();
    let start = zero + Span(interval.as_nanos().saturating_mul(early));
    let cut = own_end.is_none_or(|end| end > evidence.window.end_ns);
    let end = own_end.unwrap_or(evidence.window.end_ns).min(evidence.window.end_ns);
    // The last packet may have been under way when the dialog or the window ended.
    let expected = ((end - start).as_nanos() / interval.as_nanos()).max(0).cast_unsigned().min(MOST_PACKETS);
    let was_due = |packet: &&Signed| u64::try_from(i64::from(packet.index) - early).is_ok_and(|index| index < expected);
    let due: Vec<Signed> = taps.received.iter().filter(was_due).copied().collect();
    let arrivals: Vec<Train<'_>> = due.iter().map(|packet| arrival(packet, early, interval).into()).collect();
    let firsts = track::firsts(&arrivals);
    let counts = track::counts(&arrivals, &firsts);
    let threshold = LEAST_SILENCE.max(Span(interval.as_nanos().saturating_mul(3)));
    let jitter = track::jitter(&firsts, threshold);
    let firsts: Vec<Arrival> = track::arrivals(&firsts).collect();
    let sent: BTreeMap<i64, RunTime> =
        taps.sent.iter().map(|packet| (i64::from(packet.index) - early, packet.at)).collect();
    let due_at = |index: i64| start + Span(interval.as_nanos().saturating_mul(index));
    let in_time = |arrival: &Arrival| {
        let left = sent.get(&arrival.index).copied().unwrap_or(due_at(arrival.index));
        arrival.at <= end && arrival.at - left <= TOO_LATE
    };
    let good: Vec<Arrival> = firsts.iter().filter(|arrival| in_time(arrival)).copied().collect();
    let rule = Rule { interval, threshold, validate };
    let silences = silence::silences(&track::singles(&good), rule, Due { start: Some(start), end: Some(end), cut });
    OwnStream {
        stream: mark.stream,
        call: mark.call,
        direction: mark.direction,
        codec: mark.codec.clone(),
        interval,
        start,
        end,
        hung_up: false,
        expected,
        delays: firsts.iter().map(|arrival| Some(arrival.at - *sent.get(&arrival.index)?)).collect(),
        jitter,
        firsts,
        silences,
        duplicates: counts.duplicates,
        reordered: counts.reordered,
        ssrcs: ssrcs(&due),
        source: due.first().map_or(mark.remote, |packet| packet.source).to_string(),
        destination: due.first().map_or_else(String::new, |packet| packet.destination.to_string()),
    }
}

fn first_due(taps: &Taps, interval: Span) -> Option<RunTime> {
    let packet = taps.sent.first().or(taps.received.first())?;
    Some(packet.due - Span(interval.as_nanos().saturating_mul(packet.index.into())))
}

fn arrival(packet: &Signed, early: i64, interval: Span) -> Arrival {
    let index = i64::from(packet.index) - early;
    let media = Some(Span(interval.as_nanos().saturating_mul(index)));
    Arrival { at: packet.at, segment: 0, index, media, pause: false }
}

/// In order of appearance.
fn ssrcs(packets: &[Signed]) -> Vec<u32> {
    let mut ssrcs = Vec::new();
    for packet in packets {
        if !ssrcs.contains(&packet.ssrc) {
            ssrcs.push(packet.ssrc);
        }
    }
    ssrcs
}

impl OwnStream {
    /// When packet `index` was due.
    pub(super) fn due_at(&self, index: i64) -> RunTime {
        self.start + Span(self.interval.as_nanos().saturating_mul(index))
    }

    /// Longest silence, that to the end of the due media included.
    pub(super) fn longest_gap(&self) -> Option<Span> {
        let edges = [self.start].into_iter().chain(self.firsts.iter().map(|a| a.at).filter(|at| *at < self.end));
        let times: Vec<RunTime> = edges.chain([self.end]).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max()
    }

    /// The stream's figures, without its score.
    pub(super) fn measured(&self, clock_error: Span) -> StreamMeasured {
        let packets = self.firsts.len() as u64;
        StreamMeasured {
            ssrc: self.ssrcs.first().copied().unwrap_or_default(),
            more_ssrcs: self.ssrcs.iter().skip(1).copied().collect(),
            src: self.source.clone(),
            dst: self.destination.clone(),
            codec: Some(self.codec.clone()),
            signed_stream: Some(self.stream),
            call: Some(self.call),
            direction: Some(self.direction),
            start_ns: self.firsts.first().map_or(self.start, |arrival| arrival.at),
            end_ns: self.firsts.last().map_or(self.start, |arrival| arrival.at),
            packets,
            expected: self.expected,
            lost: self.expected.saturating_sub(packets),
            duplicates: self.duplicates,
            reordered: self.reordered,
            ptime_ms: Some(self.interval.as_millis_f64()),
            jitter_ms_mean: mean(self.jitter.iter().map(|(_, jitter)| *jitter)),
            jitter_ms_max: self.jitter.iter().map(|(_, jitter)| *jitter).reduce(f64::max),
            delta_ms_max: track::largest_distance(&track::singles(&self.firsts)).map(Span::as_millis_f64),
            gap_ms_max: self.longest_gap().map(Span::as_millis_f64),
            delay: delay(&self.delays, clock_error),
            ..StreamMeasured::default()
        }
    }

    /// The stream's outages.
    pub(super) fn outages(&self, faults: &Faults) -> impl Iterator<Item = Outage> {
        self.silences.iter().map(|silence| Outage {
            fault: faults.of_outage(silence.start, silence.end.unwrap_or(self.end)),
            left: silence.end.is_none() && self.hung_up,
            ..silence.outage("media", format!("call {}", self.call), Some(self.direction))
        })
    }
}

pub(super) fn delay(delays: &[Option<Span>], error: Span) -> Option<Delay> {
    let mut sorted: Vec<f64> = delays.iter().flatten().map(|delay| delay.as_millis_f64()).collect();
    sorted.sort_by(f64::total_cmp);
    Some(Delay {
        n: sorted.len() as u64,
        mean_ms: mean(sorted.iter().copied())?,
        p50_ms: percentile(&sorted, 0.5)?,
        p95_ms: percentile(&sorted, 0.95)?,
        max_ms: *sorted.last()?,
        error_ms: error.as_millis_f64(),
        method: "one clock".to_owned(),
    })
}
