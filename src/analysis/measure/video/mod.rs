//! Video as its viewer got it, the same for our own streams and for those of a foreign capture.

#[cfg(feature = "video-decode")]
mod decode;
mod figures;
mod score;

#[cfg(feature = "video-decode")]
pub(super) use decode::Decoding;
pub(super) use figures::{PeriodInput, period};
pub(super) use score::{Heard, Score};

use super::model::{FrameFate, FrameMark, FramesMeasured, FreezeMeasured, RecoveryMeasured};
use super::silence::{self, Due, Rule, Silence};
use super::track::{self, Arrival};
use crate::analysis::quality::freeze::{self, Picture};
use crate::units::{RunTime, Span};
use crate::wire::video::{CLOCK_RATE, Chain, Frame, Verdict};

/// Packets further apart than this, and than three frame intervals, are a silence.
const LEAST_SILENCE: Span = Span::from_millis(60);
/// A picture that stood still for no longer than this when the call ended may have come back with the next frame.
const GLITCH: Span = Span::from_millis(200);

/// One frame that arrived, at least in part, with its number in the stream.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// From 0, counting what was due.
    pub(super) index: i64,
    pub(super) frame: Frame,
    pub(super) verdict: Verdict,
}

/// The frames of one stream while video was due.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    /// In order of their numbers.
    pub(super) seen: Vec<Seen>,
    pub(super) interval: Span,
    /// First and last instant at which video was due.
    pub(super) start: RunTime,
    pub(super) end: RunTime,
    /// See [`Due::cut`].
    pub(super) cut: bool,
    /// Frames due.
    pub(super) expected: u64,
    pub(super) validate: Span,
}

/// How the picture stood when it was last due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PictureEnd {
    /// Pictures came, or had been missing for no longer than a glitch.
    There,
    /// None came any more, although packets did and a key frame had been due since, or not even packets came.
    Gone,
    /// None came, but nobody can know: no key frame had been due since the packets were back.
    Unknown,
}

/// Judges frames in order and gives each its number; `number` knows it, or the frame is left out.
pub(super) fn judge(frames: Vec<Frame>, mut number: impl FnMut(&Frame) -> Option<i64>) -> Vec<Seen> {
    let mut chain = Chain::default();
    let judged = frames.into_iter().filter_map(|frame| {
        let verdict = chain.judge(&frame);
        Some(Seen { index: number(&frame)?, frame, verdict })
    });
    judged.collect()
}

impl Watched {
    fn pictures(&self) -> impl Iterator<Item = &Seen> {
        self.seen.iter().filter(|seen| seen.verdict == Verdict::Shown)
    }

    fn arrivals(&self, seen: impl Iterator<Item = (RunTime, i64)>) -> Vec<Arrival> {
        let mut arrivals: Vec<Arrival> =
            seen.map(|(at, index)| Arrival { at, segment: 0, index, media: None, pause: false }).collect();
        arrivals.sort_by_key(|arrival| (arrival.at, arrival.index));
        arrivals.retain(|arrival| arrival.at <= self.end);
        arrivals
    }

    fn silences(&self, arrivals: &[Arrival], threshold: Span) -> Vec<Silence> {
        let rule = Rule { interval: self.interval, threshold, validate: self.validate };
        silence::silences(
            &track::singles(arrivals),
            rule,
            Due { start: Some(self.start), end: Some(self.end), cut: self.cut },
        )
    }

    /// Silences of the packets: times in which nothing of any frame came.
    pub(super) fn packet_silences(&self) -> Vec<Silence> {
        let threshold = LEAST_SILENCE.max(Span(self.interval.as_nanos().saturating_mul(3)));
        self.silences(&self.arrivals(self.seen.iter().map(|seen| (seen.frame.first_at, seen.index))), threshold)
    }

    /// Times without a new picture that are freezes.
    pub(super) fn picture_silences(&self) -> Vec<Silence> {
        let pictures = self.arrivals(self.pictures().map(|seen| (seen.frame.at, seen.index)));
        self.silences(&pictures, freeze::threshold(self.interval))
    }

    /// All freezes, with the fault that `fault` names for a stretch of time.
    pub(super) fn freezes(&self, fault: impl Fn(RunTime, RunTime) -> Option<usize>) -> Vec<FreezeMeasured> {
        let pictures: Vec<Picture> =
            self.pictures().map(|seen| Picture { at: seen.frame.at, key: seen.frame.key }).collect();
        let freezes = freeze::find(&pictures, self.start, self.end, self.interval).into_iter();
        freezes
            .map(|freeze| FreezeMeasured {
                start_ns: freeze.start,
                end_ns: (!freeze.censored).then(|| freeze.start + freeze.duration),
                duration_ms: freeze.duration.as_millis_f64(),
                ended_by_key_frame: freeze.ended_by_key_frame,
                fault: fault(freeze.start, freeze.start + freeze.duration),
            })
            .collect()
    }

    /// For each silence of the packets, when packets and when the picture came again.
    pub(super) fn recoveries(&self) -> Vec<RecoveryMeasured> {
        let backs = self.packet_silences().into_iter().filter_map(|silence| silence.end);
        backs
            .map(|packets_ns| {
                let picture_ns = self.pictures().map(|seen| seen.frame.at).find(|at| *at >= packets_ns);
                let wait_ms = picture_ns.map(|at| (at - packets_ns).as_millis_f64());
                RecoveryMeasured { packets_ns, picture_ns, wait_ms }
            })
            .collect()
    }

    /// How the picture stood at the end; `group` is the longest time from key frame to key frame, where it is known.
    pub(super) fn picture_end(&self, group: Option<Span>) -> PictureEnd {
        let pictures = self.picture_silences();
        let Some(gone) = pictures.last().filter(|last| last.end.is_none() && last.length > GLITCH) else {
            return PictureEnd::There;
        };
        let packets = self.packet_silences();
        let last = packets.last().filter(|last| last.end.is_none_or(|end| end >= gone.start));
        match (last.map(|last| last.end), group) {
            (Some(None), _) => PictureEnd::Gone,
            (back, Some(group)) if self.end - back.flatten().unwrap_or(gone.start) > group + self.interval => {
                PictureEnd::Gone
            }
            _ => PictureEnd::Unknown,
        }
    }

    /// What became of the frames.
    pub(super) fn frames(&self) -> FramesMeasured {
        let count = |wanted: Verdict| self.seen.iter().filter(|seen| seen.verdict == wanted).count() as u64;
        FramesMeasured {
            expected: self.expected,
            shown: count(Verdict::Shown),
            undecodable: count(Verdict::NoReference),
            incomplete: count(Verdict::Incomplete),
            missing: self.expected.saturating_sub(self.seen.len() as u64),
            key: self.seen.iter().filter(|seen| seen.frame.key && seen.frame.complete).count() as u64,
        }
    }

    /// RFC 3550 jitter in milliseconds over the first packets of frames.
    pub(super) fn jitter(&self) -> Vec<(RunTime, f64)> {
        let mut arrivals: Vec<Arrival> = self
            .seen
            .iter()
            .map(|seen| Arrival {
                at: seen.frame.first_at,
                segment: seen.frame.segment,
                index: seen.index,
                media: Some(Span((seen.frame.timestamp as i128 * 1_000_000_000 / i128::from(CLOCK_RATE)) as i64)),
                pause: false,
            })
            .collect();
        arrivals.sort_by_key(|arrival| arrival.at);
        track::jitter(&track::singles(&arrivals), LEAST_SILENCE.max(Span(self.interval.as_nanos().saturating_mul(3))))
    }

    /// The fates of the frames that were due from `from` to `to`.
    pub(super) fn timeline(&self, from: RunTime, to: RunTime) -> Vec<FrameMark> {
        let due = |index: i64| self.start + Span(self.interval.as_nanos().saturating_mul(index));
        let at = |at: RunTime| (at - self.start).as_nanos().max(0) / self.interval.as_nanos().max(1);
        let last = at(to).min(i64::try_from(self.expected).unwrap_or(i64::MAX));
        let mut seen = self.seen.iter().skip_while(|seen| seen.index < at(from)).peekable();
        (at(from)..last)
            .map(|index| {
                while seen.peek().is_some_and(|seen| seen.index < index) {
                    seen.next();
                }
                let Some(here) = seen.peek().filter(|seen| seen.index == index) else {
                    return FrameMark { at_ns: due(index), frame: FrameFate::Missing };
                };
                let (frame, at_ns) = match here.verdict {
                    Verdict::Shown if here.frame.key => (FrameFate::Key, here.frame.at),
                    Verdict::Shown => (FrameFate::Shown, here.frame.at),
                    Verdict::NoReference => (FrameFate::Undecodable, here.frame.at),
                    Verdict::Incomplete => (FrameFate::Incomplete, due(index)),
                };
                FrameMark { at_ns, frame }
            })
            .collect()
    }
}
