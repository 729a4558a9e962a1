//! Our own video: which frame was due is known, and every frame is known again by its mark.

use std::collections::BTreeMap;

use super::Viewer;
use super::evidence::Evidence;
use super::faults::Faults;
use super::media::{self, DueTime, OwnStream};
use super::services::OpLife;
use super::video_taps::VideoTap;
use crate::analysis::measure::figures::mean;
use crate::analysis::measure::model::{
    Caveat, DecodedMeasured, FrameMark, Outage, Thumbnail, VideoMeasured, VideoPeriod,
};
use crate::analysis::measure::silence::Silence;
use crate::analysis::measure::video::{self, Heard, PeriodInput, PictureEnd, Watched};
use crate::analysis::quality::freeze;
use crate::evidence::history::StreamMark;
use crate::units::{RunTime, Span};
#[cfg(feature = "video-decode")]
use crate::wire::video::Codec;
use crate::wire::video::{CLOCK_RATE, Frame};

/// A timeline begins this long before a fault and ends as long after the picture is back.
const AROUND: Span = Span::from_secs(1);
/// A timeline is no longer than this: a picture that never comes back needs no more to be seen.
const LONGEST_TIMELINE: Span = Span::from_secs(12);
/// Only the first calls keep thumbnails: they make up most of a report's size.
#[cfg(feature = "video-decode")]
const MOST_THUMBNAILS: u64 = 2;
/// No trial has more frames in a stream (two days of 60 a second); a damaged history must not fill the memory.
const MOST_FRAMES: i64 = 10_000_000;

/// One of our video streams with all that is known of it.
#[derive(Debug)]
pub(super) struct OwnVideo<'a> {
    mark: &'a StreamMark,
    tap: &'a VideoTap,
    watched: Watched,
    hung_up: bool,
    /// By frame number: when its last packet was sent, and how many packets it had.
    sent: BTreeMap<i64, (RunTime, u32)>,
    packets: Vec<Silence>,
    pictures: Vec<Silence>,
}

/// All streams that had video due before the window ended, in order of their numbers.
pub(super) fn videos<'a>(
    evidence: &'a Evidence,
    operations: &BTreeMap<u64, OpLife>,
    validate: Span,
) -> Vec<OwnVideo<'a>> {
    let due = media::due_times(evidence, operations).into_iter().filter(|due| due.mark.video.is_some());
    due.filter_map(|due| own_video(due, evidence, validate)).collect()
}

fn own_video<'a>(due: DueTime<'a>, evidence: &'a Evidence, validate: Span) -> Option<OwnVideo<'a>> {
    let tap = evidence.videos.get(&due.mark.stream)?;
    let interval = Span(due.mark.ptime_ns.max(1_000_000));
    let zero = first_due(tap, interval).unwrap_or(due.started);
    // Frames are numbered anew from the first that was due after the answer.
    let early = ((due.answer - zero).as_nanos().max(0) + interval.as_nanos() - 1) / interval.as_nanos();
    let start = zero + Span(interval.as_nanos().saturating_mul(early));
    let window_end = evidence.window.end_ns;
    let cut = due.own_end.is_none_or(|end| end > window_end);
    let end = due.own_end.unwrap_or(window_end).min(window_end);
    let expected = ((end - start).as_nanos() / interval.as_nanos()).clamp(0, MOST_FRAMES);
    let inside = |index: i64| (0..expected).contains(&index);
    let numbers = Numbers::of(&tap.received, interval);
    let mut seen = video::judge(tap.received.clone(), |frame| Some(numbers.number(frame)? - early));
    seen.retain(|seen| inside(seen.index));
    seen.sort_by_key(|seen| seen.index);
    seen.dedup_by_key(|seen| seen.index);
    let sent_numbers = Numbers::of(&tap.sent, interval);
    let sent = tap.sent.iter().filter_map(|frame| {
        let index = sent_numbers.number(frame)? - early;
        inside(index).then_some((index, (frame.at, frame.packets)))
    });
    let sent = sent.collect();
    let watched = Watched { seen, interval, start, end, cut, expected: expected.unsigned_abs(), validate };
    let (packets, pictures) = (watched.packet_silences(), watched.picture_silences());
    Some(OwnVideo { mark: due.mark, tap, hung_up: due.hung_up, sent, packets, pictures, watched })
}

/// When frame 0 was due, by the marks of what was sent or received.
fn first_due(tap: &VideoTap, interval: Span) -> Option<RunTime> {
    let signature = tap.sent.iter().chain(&tap.received).find_map(|frame| frame.signature)?;
    Some(signature.due - Span(interval.as_nanos().saturating_mul(signature.index.into())))
}

/// The numbers of frames: by their marks, and where a mark was lost by the timestamp, which goes on with the
/// same step through all frames of one source.
struct Numbers {
    step: i64,
    /// By segment: the timestamp of frame 0.
    zeros: BTreeMap<u32, i64>,
}

impl Numbers {
    fn of(frames: &[Frame], interval: Span) -> Numbers {
        let step = (interval.as_nanos() * i64::from(CLOCK_RATE) + 500_000_000) / 1_000_000_000;
        let mut zeros = BTreeMap::new();
        for frame in frames {
            if let Some(signature) = frame.signature {
                zeros.entry(frame.segment).or_insert(frame.timestamp - i64::from(signature.index) * step);
            }
        }
        Numbers { step: step.max(1), zeros }
    }

    fn number(&self, frame: &Frame) -> Option<i64> {
        if let Some(signature) = frame.signature {
            return Some(signature.index.into());
        }
        let zero = self.zeros.get(&frame.segment)?;
        Some((frame.timestamp - zero).div_euclid(self.step))
    }
}

/// Frames that the reference chain calls whole and a real decoder does not: then the figures are not to be trusted.
pub(super) fn caveats(videos: &[VideoMeasured]) -> Vec<Caveat> {
    let failed: u64 = videos.iter().filter_map(|video| video.decoded).map(|decoded| decoded.failed).sum();
    let caveat = Caveat {
        text: format!("{failed} video frames that arrived whole did not decode"),
        remedy: "a server changed them, or the decoder lacks a part of the codec: look at captures/taps.pcapng"
            .to_owned(),
        voids: false,
    };
    Some(caveat).filter(|_| failed > 0).into_iter().collect()
}

impl OwnVideo<'_> {
    /// Call, direction, and when video was due.
    pub(super) fn viewer(&self) -> Viewer {
        (self.mark.call, self.mark.direction, self.watched.start, self.watched.end)
    }

    pub(super) fn call(&self) -> u64 {
        self.mark.call
    }

    /// How the picture stood when it was last due. Who hangs up while it is gone cannot know whether it would have come
    /// back.
    pub(super) fn picture_end(&self) -> PictureEnd {
        let group = self.mark.video.as_ref().map(|video| Span(video.key_interval_ns));
        match self.watched.picture_end(group) {
            PictureEnd::Gone if self.hung_up => PictureEnd::Unknown,
            end => end,
        }
    }

    /// Outages of the packets and of the picture.
    pub(super) fn outages(&self, faults: &Faults) -> impl Iterator<Item = Outage> {
        let packets = self.packets.iter().map(|silence| ("video", silence));
        packets.chain(self.pictures.iter().map(|silence| ("picture", silence))).map(|(service, silence)| Outage {
            fault: faults.of_outage(silence.start, silence.end.unwrap_or(self.watched.end)),
            left: silence.end.is_none() && self.hung_up,
            ..silence.outage(service, format!("call {}", self.mark.call), Some(self.mark.direction))
        })
    }

    /// The stream's figures; `streams` has the sound that belongs to it.
    pub(super) fn measured(&self, faults: &Faults, streams: &[OwnStream], clock_error: Span) -> VideoMeasured {
        let of_call = |stream: &&OwnStream| stream.call == self.mark.call && stream.direction == self.mark.direction;
        let (watched, sound) = (&self.watched, streams.iter().find(of_call));
        let freezes = watched.freezes(|start, end| faults.of_outage(start, end));
        let jitter = watched.jitter();
        let packets: u64 = watched.seen.iter().map(|seen| u64::from(seen.frame.packets)).sum();
        let expected: u64 = self.sent.values().map(|(_, packets)| u64::from(*packets)).sum();
        let source = self.tap.ends.map_or(self.mark.remote, |(source, _)| source);
        let (decoded, thumbnails) = self.decoded(faults);
        let delays: Vec<Option<Span>> = self.delays().map(|(_, delay)| Some(delay)).collect();
        VideoMeasured {
            ssrc: self.tap.ssrcs.first().copied().unwrap_or_default(),
            more_ssrcs: self.tap.ssrcs.iter().skip(1).copied().collect(),
            src: source.to_string(),
            dst: self.tap.ends.map_or_else(String::new, |(_, destination)| destination.to_string()),
            codec: self.mark.codec.clone(),
            guess: None,
            signed_stream: Some(self.mark.stream),
            call: Some(self.mark.call),
            direction: Some(self.mark.direction),
            size: self.size(),
            start_ns: watched.seen.first().map_or(watched.start, |seen| seen.frame.first_at),
            end_ns: watched.seen.last().map_or(watched.start, |seen| seen.frame.at),
            packets,
            expected,
            lost: expected.saturating_sub(packets),
            duplicates: self.tap.duplicates,
            late: self.tap.late,
            frames: watched.frames(),
            frame_interval_ms: Some(watched.interval.as_millis_f64()),
            jitter_ms_mean: mean(jitter.iter().map(|(_, jitter)| *jitter)),
            jitter_ms_max: jitter.iter().map(|(_, jitter)| *jitter).reduce(f64::max),
            delay: media::delay(&delays, clock_error),
            delay_refused: None,
            // Sound and picture of our own are compared by the instants at which they were due, in `periods`.
            lip_sync: Vec::new(),
            lip_sync_refused: None,
            freeze_rule: freeze::RULE.to_owned(),
            frozen_ms: freezes.iter().fold(0.0, |sum, freeze| sum + freeze.duration_ms),
            freezes,
            pli: self.tap.pli,
            fir: self.tap.fir,
            recoveries: watched.recoveries(),
            periods: self.periods(faults, sound),
            decoded,
            thumbnails,
            timeline: self.timeline(faults),
        }
    }

    fn size(&self) -> Option<(u32, u32)> {
        self.mark.video.as_ref().map(|video| (video.width, video.height))
    }

    /// Arrival and one-way delay of the last packet of each whole frame whose sending was tapped.
    fn delays(&self) -> impl Iterator<Item = (RunTime, Span)> {
        let whole = self.watched.seen.iter().filter(|seen| seen.frame.complete);
        whole.filter_map(|seen| Some((seen.frame.at, seen.frame.at - self.sent.get(&seen.index)?.0)))
    }

    fn periods(&self, faults: &Faults, sound: Option<&OwnStream>) -> Vec<VideoPeriod> {
        let inputs = self.stretches(faults).into_iter().filter(|(_, stretches)| !stretches.is_empty());
        let measured = inputs.filter_map(|(name, stretches)| {
            let mut input = PeriodInput { name, stretches, ..PeriodInput::default() };
            input.packets = Some(self.packets_in(&input));
            input.delay_ms =
                mean(self.delays().filter(|(at, _)| input.has(*at)).map(|(_, delay)| delay.as_millis_f64()));
            input.heard = sound.and_then(|sound| heard(sound, &input));
            input.skew_ms = sound.and_then(|sound| self.skew(sound, &input));
            video::period(&self.watched, &input, &self.mark.codec, self.size())
        });
        measured.collect()
    }

    /// Packets of the frames that were sent in a period: sent, and arrived.
    fn packets_in(&self, input: &PeriodInput) -> (u64, u64) {
        let sent_in = |index: &i64| self.sent.get(index).filter(|(at, _)| input.has(*at));
        let arrived = self.watched.seen.iter().filter(|seen| sent_in(&seen.index).is_some());
        let sent = self.sent.keys().filter_map(sent_in).map(|(_, packets)| u64::from(*packets));
        (sent.sum(), arrived.map(|seen| u64::from(seen.frame.packets)).sum())
    }

    /// Before the first fault, from each fault until the picture is back, and the rest.
    fn stretches(&self, faults: &Faults) -> [(&'static str, Vec<(RunTime, RunTime)>); 4] {
        let (start, end) = (self.watched.start, self.watched.end);
        let Some(first) = faults.list.first().map(|fault| fault.command_start_ns.clamp(start, end)) else {
            return [("before", vec![]), ("during", vec![]), ("after", vec![]), ("whole", vec![(start, end)])];
        };
        let mut during = Vec::new();
        let mut after = Vec::new();
        for (fault, from, to) in faults.spans(end) {
            let back = self
                .pictures
                .iter()
                .filter(|silence| faults.of_outage(silence.start, silence.end.unwrap_or(end)) == Some(fault));
            let back = back.map(|silence| silence.end.unwrap_or(end)).max().unwrap_or(from);
            let degraded = faults.degraded(end).find(|(start, _)| *start == from).map_or(from, |(_, until)| until);
            let until = back.max(degraded).clamp(from, to.max(from));
            during.push((from, until));
            after.push((until, to));
        }
        [during.as_mut_slice(), after.as_mut_slice()].into_iter().for_each(|all| all.sort_unstable());
        during.retain(|(from, to)| to > from);
        after.retain(|(from, to)| to > from);
        [("before", vec![(start, first)]), ("during", during), ("after", after), ("whole", vec![])]
    }

    /// Mean lateness of pictures less mean lateness of sound, each against the instant at which it was due.
    fn skew(&self, sound: &OwnStream, input: &PeriodInput) -> Option<f64> {
        let pictures = self.watched.seen.iter().filter(|seen| seen.frame.complete && input.has(seen.frame.at));
        let due = |index: i64| self.watched.start + Span(self.watched.interval.as_nanos().saturating_mul(index));
        let picture = mean(pictures.map(|seen| (seen.frame.at - due(seen.index)).as_millis_f64()))?;
        let packets = sound.firsts.iter().filter(|arrival| input.has(arrival.at));
        let sound = mean(packets.map(|arrival| (arrival.at - sound.due_at(arrival.index)).as_millis_f64()))?;
        Some(picture - sound)
    }

    /// Decodes the last picture before and the first after each freeze of the picture that follows a fault.
    #[cfg(feature = "video-decode")]
    fn decoded(&self, faults: &Faults) -> (Option<DecodedMeasured>, Vec<Thumbnail>) {
        if self.mark.codec != Codec::H264.encoding() {
            return (None, Vec::new());
        }
        let (mut decoding, mut thumbnails) = (video::Decoding::default(), Vec::new());
        for silence in &self.pictures {
            let Some(fault) = faults.of_outage(silence.start, silence.end.unwrap_or(self.watched.end)) else {
                continue;
            };
            for (at, after) in [(Some(silence.start), false), (silence.end, true)] {
                let shown = self.watched.seen.iter().find(|seen| Some(seen.frame.at) == at);
                let picture = shown.and_then(|seen| decoding.picture(&self.watched.seen, seen.index));
                thumbnails.extend(picture.map(|picture| Thumbnail { fault, after, ..picture }));
            }
        }
        // Two are enough to see that it is the same call; the others are only counted.
        thumbnails.truncate(if self.mark.call <= MOST_THUMBNAILS { 4 } else { 0 });
        let decoded = DecodedMeasured { frames: decoding.frames, failed: decoding.failed };
        (Some(decoded).filter(|decoded| decoded.frames > 0), thumbnails)
    }

    /// Without a decoder the reference chain alone tells.
    #[cfg(not(feature = "video-decode"))]
    fn decoded(&self, _faults: &Faults) -> (Option<DecodedMeasured>, Vec<Thumbnail>) {
        (None, Vec::new())
    }

    fn timeline(&self, faults: &Faults) -> Vec<FrameMark> {
        let spans = faults.spans(self.watched.end);
        let marks = spans.into_iter().flat_map(|(fault, from, to)| {
            let of = self
                .pictures
                .iter()
                .filter(|silence| faults.of_outage(silence.start, silence.end.unwrap_or(to)) == Some(fault));
            let back = of.map(|silence| silence.end.unwrap_or(to)).max().unwrap_or(from);
            let until = (back + AROUND).min(from + LONGEST_TIMELINE).min(to);
            self.watched.timeline(from - AROUND, until)
        });
        marks.collect()
    }
}

/// The sound that came with a period of the picture; `None` when none was due.
fn heard(sound: &OwnStream, input: &PeriodInput) -> Option<Heard> {
    let due = (0..i64::try_from(sound.expected).ok()?).filter(|index| input.has(sound.due_at(*index))).count();
    let arrived = || sound.firsts.iter().zip(&sound.delays).filter(|(first, _)| input.has(sound.due_at(first.index)));
    let lost = due.saturating_sub(arrived().count());
    let delay_ms = mean(arrived().filter_map(|(_, delay)| Some(delay.as_ref()?.as_millis_f64())))?;
    (due > 0).then(|| Heard {
        codec: sound.codec.clone(),
        interval: sound.interval,
        loss_percent: 100.0 * lost as f64 / due as f64,
        delay_ms: delay_ms.max(0.0),
    })
}
