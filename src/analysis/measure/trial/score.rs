//! What the listeners of our own streams heard: de-jitter replay and the model of the codec.

use std::ops::Range;

use super::faults::Faults;
use super::media::OwnStream;
use crate::analysis::measure::figures::mean;
use crate::analysis::measure::listening::categories::{Graded, ipdv_ms};
use crate::analysis::measure::listening::over_time::{self, Silenced};
use crate::analysis::measure::listening::{Listener, Network, Parts, Score, categories};
use crate::analysis::measure::model::{Categories, FaultMeasured, StreamMeasured, Window};
use crate::analysis::quality::categories::tiphon::{self, GapColumns};
use crate::analysis::quality::dejitter::{Profile, Segment};
use crate::analysis::quality::time_series::Second;
use crate::scenario::Dejitter;
use crate::units::{RunTime, Span};

const SECOND: Span = Span::from_secs(1);

/// A stream as its listener heard it.
pub(super) struct Heard<'a> {
    pub(super) stream: &'a OwnStream,
    /// Arrival and one-way delay of each packet that was due.
    pub(super) packets: Vec<Option<(RunTime, Option<Span>)>>,
    listener: Listener,
    clock_error: Span,
}

impl<'a> Heard<'a> {
    pub(super) fn of(stream: &'a OwnStream, dejitter: Dejitter, clock_error: Span) -> Heard<'a> {
        let mut packets = vec![None; usize::try_from(stream.expected).unwrap_or(0)];
        for (arrival, delay) in stream.firsts.iter().zip(&stream.delays) {
            if let Some(place) = usize::try_from(arrival.index).ok().and_then(|index| packets.get_mut(index)) {
                *place = Some((arrival.at, *delay));
            }
        }
        let arrived = packets.iter().map(|packet| packet.map(|(at, _)| at));
        let expected = Segment::of(stream.start - RunTime::ZERO, stream.interval, arrived);
        let model = Listener::model_of(Some(&stream.codec), stream.interval);
        let listener = Listener::new(model, stream.interval, profile(dejitter), &[expected]);
        Heard { stream, packets, listener, clock_error }
    }

    /// Indices of the packets due from `start` until `end`.
    pub(super) fn due(&self, start: RunTime, end: RunTime) -> Range<usize> {
        let first_at = |at: RunTime| {
            let (distance, interval) = ((at - self.stream.start).as_nanos().max(0), self.stream.interval.as_nanos());
            usize::try_from((distance + interval - 1) / interval).unwrap_or(usize::MAX).min(self.packets.len())
        };
        first_at(start)..first_at(end).max(first_at(start))
    }

    /// One-way delays of the packets in `range` that have one, in milliseconds.
    pub(super) fn delays(&self, range: Range<usize>) -> impl Iterator<Item = f64> {
        let packets = self.packets.get(range).unwrap_or_default();
        packets.iter().flatten().filter_map(|(_, delay)| Some((*delay)?.as_millis_f64()))
    }

    /// Mean one-way delay of the network; where nothing arrived, that of the stream.
    fn network(&self, parts: Parts<'_>) -> Network {
        let here = parts.iter().flat_map(|part| self.delays(part.clone()));
        let delay_ms = mean(here).or_else(|| mean(self.delays(0..self.packets.len())))?;
        Some((delay_ms, self.clock_error))
    }

    /// Scores the packets of some parts as one stretch, behind each buffer.
    pub(super) fn scores(&self, parts: Parts<'_>) -> Vec<Score> {
        self.listener.scores(parts, self.network(parts))
    }

    /// Which of the scores is that of the scenario's own buffer.
    pub(super) fn chosen(&self) -> usize {
        self.listener.chosen()
    }

    /// Mean packet gap and its variation over the arrivals of a stretch of time and the one after them, so that the
    /// gap of an outage belongs to the stretch in which it begins.
    pub(super) fn gaps(&self, start: RunTime, end: RunTime) -> Option<GapColumns> {
        let arrivals = self.stream.firsts.iter().map(|arrival| arrival.at).skip_while(|at| *at < start);
        let mut inside = Vec::new();
        for at in arrivals {
            inside.push(at);
            if at >= end {
                break;
            }
        }
        tiphon::gap_columns(inside.windows(2).map(|pair| pair[1] - pair[0]))
    }

    /// The stream's figures with its scores.
    pub(super) fn measured(&self, window: Window, faults: &Faults) -> StreamMeasured {
        let mut measured = self.stream.measured(self.clock_error);
        let all = [Range { start: 0, end: self.packets.len() }];
        self.listener.fill(&mut measured, self.network(&all));
        self.over_time(&mut measured, window, faults);
        let delays: Vec<f64> = self.delays(0..self.packets.len()).collect();
        let loss = (measured.expected > 0).then(|| 100.0 * measured.lost as f64 / measured.expected as f64);
        let graded = Graded {
            delay_ms: mean(delays.iter().copied()),
            ipdv_ms: ipdv_ms(delays),
            jitter_ms: measured.jitter_ms_mean,
            loss_percent: loss,
            gaps: self.gaps(self.stream.start, self.stream.end).map(categories::pair),
        };
        let categories = categories::categories(&graded);
        measured.categories = categories.map(|categories| Categories { grades: Vec::new(), ..categories });
        measured
    }

    /// R(t) over each whole second of the window in which media was due.
    fn over_time(&self, measured: &mut StreamMeasured, window: Window, faults: &Faults) {
        let (mut heard, mut delays) = (Vec::new(), Vec::new());
        let mut at = window.start_ns;
        while at + SECOND <= window.end_ns {
            let part = self.due(at, at + SECOND);
            let ta_ms = self.listener.ta_ms(std::slice::from_ref(&part), self.network(std::slice::from_ref(&part)));
            if let Some(second) = Second::from_slots(self.listener.slots(part.clone()), ta_ms) {
                heard.push(over_time::Heard { at, second });
                delays.push(mean(self.delays(part)));
            }
            at += SECOND;
        }
        let curve = over_time::curve(&self.listener, &heard);
        measured.seconds = over_time::seconds(curve.as_ref().ok(), &heard, &delays);
        match &curve {
            Ok(curve) => measured.over_time = over_time::summary(curve, &heard, &self.silenced(faults)),
            Err(reason) => measured.over_time_refused = Some(reason.clone()),
        }
    }

    /// From each fault that silenced the stream until it was heard again.
    fn silenced(&self, faults: &Faults) -> Vec<Silenced> {
        let until = |end: Option<RunTime>| end.unwrap_or(self.stream.end);
        let of = |fault: usize| {
            let caused = self.stream.silences.iter().filter(|s| faults.of_outage(s.start, until(s.end)) == Some(fault));
            caused.max_by_key(|silence| silence.length)
        };
        let silenced = |fault: &FaultMeasured| {
            let silence = of(fault.fault)?;
            let (end, recovered) = (until(silence.end), silence.end.is_some());
            Some(Silenced { fault: fault.fault, start: fault.command_start_ns, end, recovered })
        };
        faults.list.iter().filter_map(silenced).collect()
    }
}

fn profile(dejitter: Dejitter) -> Profile {
    match dejitter {
        Dejitter::Fixed50 => Profile::Fixed { depth_ms: 50 },
        Dejitter::Fixed200 => Profile::Fixed { depth_ms: 200 },
        Dejitter::Adaptive => Profile::Adaptive { min_ms: 40, max_ms: 200 },
    }
}
