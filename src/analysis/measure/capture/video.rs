//! Video of a capture: H.264 and VP8 that a session description announced, or that is known by its structure, put
//! together to frames.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::dialogs::{Dialogs, Leg};
use super::guess::Suspects;
use super::lip_sync::{Pictures, Senders, Sound, Stretch};
use super::streams::Flow;
use crate::analysis::measure::figures::mean;
use crate::analysis::measure::model::{Caveat, FrameMark, FreezeMeasured, LipSync, Outage, VideoMeasured};
use crate::analysis::measure::video::{self, PeriodInput, PictureEnd, Watched};
use crate::analysis::quality::freeze;
use crate::units::{RunTime, Span};
use crate::wire::limits::{MOST_FRAMES, MOST_VIDEO_FLOWS};
use crate::wire::pcap::Sense;
use crate::wire::rtp::Rtp;
use crate::wire::video::feedback::{Request, requests};
use crate::wire::video::{Assembler, CLOCK_RATE, Codec, Frame, Packet};

/// The payload types that only a session description gives a meaning (RFC 3551 §6).
pub(super) const LEAST_DYNAMIC: u8 = 96;
/// Recovery of a foreign stream must hold for so long; no scenario tells.
const VALIDATE: Span = Span::from_secs(1);
/// A timeline begins this long before the longest freeze and ends as long after it, and is no longer than that.
const AROUND: Span = Span::from_secs(1);
const LONGEST_TIMELINE: Span = Span::from_secs(12);
/// Why there is no one-way delay.
const ONE_PLACE: &str = "one place of capture does not tell when a frame was sent";
/// Fewer frames than this are no video.
const LEAST_FRAMES: usize = 3;

/// All video flows seen so far.
#[derive(Debug, Default)]
pub(super) struct Videos {
    flows: BTreeMap<Flow, Collected>,
    suspects: Suspects,
    senders: Senders,
    /// By the RTP address of the viewer who asked: picture loss indications and full intra requests.
    asked: BTreeMap<SocketAddr, (u64, u64)>,
}

/// One flow of video.
#[derive(Debug)]
pub(super) struct Collected {
    codec: Codec,
    payload_type: u8,
    assembler: Assembler,
    frames: Vec<Frame>,
    ssrcs: Vec<u32>,
    /// How it is known, where nobody announced it.
    guess: Option<&'static str>,
}

/// One stream, measured.
pub(super) struct Video {
    pub(super) figures: VideoMeasured,
    pub(super) outages: Vec<Outage>,
    /// How the picture stood when it was last due, and since when.
    pub(super) picture: (PictureEnd, RunTime),
    pub(super) leg: Option<Leg>,
}

/// What the streams are measured against.
pub(super) struct Around<'a> {
    pub(super) dialogs: &'a Dialogs,
    /// The sound of the same capture.
    pub(super) sounds: &'a [Sound<'a>],
    pub(super) end: RunTime,
}

impl Videos {
    /// Takes a packet if it is video; false leaves it to others.
    pub(super) fn packet(&mut self, at: RunTime, flow: Flow, rtp: &Rtp<'_>, dialogs: &Dialogs) -> bool {
        if rtp.payload_type < LEAST_DYNAMIC {
            return false;
        }
        if !self.flows.contains_key(&flow) {
            let Some((name, _)) = dialogs.codec(&flow, at, rtp.payload_type) else {
                self.suspects.packet(at, flow, rtp);
                return false;
            };
            let codec = Codec::of_encoding(&name);
            let Some(codec) = codec.filter(|_| self.flows.len() < MOST_VIDEO_FLOWS) else { return false };
            self.flows.insert(flow, Collected::new(codec, rtp.payload_type));
        }
        self.flows.get_mut(&flow).is_some_and(|collected| collected.packet(at, rtp))
    }

    /// Takes RTCP: what senders say of their clocks, and requests of the viewer whose port it comes from, the one above
    /// its RTP port or the same.
    pub(super) fn rtcp(&mut self, at: RunTime, source: SocketAddr, datagram: &[u8]) {
        self.senders.rtcp(at, source.ip(), datagram);
        for request in requests(datagram) {
            let viewer = SocketAddr::new(source.ip(), source.port() & !1);
            let (pli, fir) = self.asked.entry(viewer).or_default();
            match request {
                Request::PictureLoss { .. } => *pli += 1,
                Request::FullIntra { .. } => *fir += 1,
            }
        }
    }

    /// Takes what nobody announced and is video all the same. Returns its sources, which are no sound.
    pub(super) fn recognise(&mut self) -> BTreeSet<(Flow, u32)> {
        let mut sources = BTreeSet::new();
        for (flow, found) in std::mem::take(&mut self.suspects).confirmed() {
            if self.flows.len() < MOST_VIDEO_FLOWS && !self.flows.contains_key(&flow) {
                sources.extend(found.ssrcs.iter().map(|ssrc| (flow, *ssrc)));
                self.flows.insert(flow, found);
            }
        }
        sources
    }

    /// Sender reports that came after too many.
    pub(super) fn left_out(&self) -> u64 {
        self.senders.left_out()
    }

    /// All streams, in order of their flows.
    pub(super) fn measured(mut self, around: &Around<'_>) -> Vec<Video> {
        // A tap on both ends sees a datagram twice: what arrived counts.
        let sent: Vec<Flow> = self.flows.keys().filter(|flow| flow.sense == Sense::Outbound).copied().collect();
        for flow in sent {
            if self.flows.contains_key(&Flow { sense: Sense::Inbound, ..flow }) {
                self.flows.remove(&flow);
            }
        }
        let (asked, senders) = (self.asked, self.senders);
        let streams = self.flows.into_iter().filter_map(|(flow, mut collected)| {
            collected.finish();
            let leg = around.dialogs.leg(&flow, collected.frames.first()?.first_at);
            let requests = asked.get(&flow.destination).copied().unwrap_or_default();
            collected.measured((flow, leg), requests, &senders, around)
        });
        streams.collect()
    }
}

/// What nobody announced is a guess, however good.
pub(super) fn caveat(videos: &[VideoMeasured]) -> Option<Caveat> {
    let guessed = videos.iter().filter(|video| video.guess.is_some()).count();
    let which = if guessed == 1 { "1 stream is".to_owned() } else { format!("{guessed} streams are") };
    (guessed > 0).then(|| Caveat {
        text: format!("{which} taken for video by the structure of the payloads: no session description announced it"),
        remedy: "capture the SIP of the calls too, or read it as what it is: a guess".to_owned(),
        voids: false,
    })
}

impl Collected {
    fn new(codec: Codec, payload_type: u8) -> Collected {
        let assembler = Assembler::new(codec, false);
        Collected { codec, payload_type, assembler, frames: Vec::new(), ssrcs: Vec::new(), guess: None }
    }

    /// One that nobody announced, with how it is known.
    pub(super) fn guessed(codec: Codec, payload_type: u8, reason: &'static str) -> Collected {
        Collected { guess: Some(reason), ..Collected::new(codec, payload_type) }
    }

    /// No further packet comes.
    pub(super) fn finish(&mut self) {
        self.frames.extend(self.assembler.finish());
    }

    pub(super) fn frames(&self) -> &[Frame] {
        &self.frames
    }

    #[cfg(test)]
    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    /// Takes a packet if it has the payload type.
    pub(super) fn packet(&mut self, at: RunTime, rtp: &Rtp<'_>) -> bool {
        if rtp.payload_type != self.payload_type {
            return false;
        }
        if !self.ssrcs.contains(&rtp.ssrc) && self.ssrcs.len() < MOST_VIDEO_FLOWS {
            self.ssrcs.push(rtp.ssrc);
        }
        self.frames.extend(self.assembler.push(&Packet { at, rtp: *rtp }));
        true
    }

    fn measured(
        self,
        (flow, leg): (Flow, Option<Leg>),
        (pli, fir): (u64, u64),
        senders: &Senders,
        around: &Around<'_>,
    ) -> Option<Video> {
        let packets: u64 = self.frames.iter().map(|frame| u64::from(frame.packets)).sum();
        let size = self.frames.iter().find_map(|frame| frame.size);
        let Collected { codec, assembler, mut frames, ssrcs, guess, payload_type } = self;
        // A decoder that has its parameter sets from the session description needs none with the pictures.
        if around.dialogs.has_parameter_sets(&flow, frames.first()?.first_at, payload_type) {
            frames.iter_mut().for_each(|frame| frame.parameters |= frame.key);
        }
        let (watched, expected) = watched(frames, packets, leg, around)?;
        let (lip_sync, lip_sync_refused) = match lip_sync(&watched, (&flow, &ssrcs, leg), senders, around.sounds) {
            Ok(found) => (found, None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        let input = PeriodInput {
            name: "whole",
            stretches: vec![(watched.start, watched.end + Span(1))],
            packets: Some((expected, packets)),
            skew_ms: lip_sync.iter().find(|of| of.period == "whole").map(|of| of.skew_ms),
            ..PeriodInput::default()
        };
        let (jitter, freezes) = (watched.jitter(), watched.freezes(|_, _| None));
        let since = watched.picture_silences().last().map(|silence| silence.start).unwrap_or_default();
        let figures = VideoMeasured {
            ssrc: ssrcs.first().copied().unwrap_or_default(),
            more_ssrcs: ssrcs.iter().skip(1).copied().collect(),
            src: flow.source.to_string(),
            dst: flow.destination.to_string(),
            codec: codec.encoding().to_owned(),
            guess: guess.map(str::to_owned),
            signed_stream: watched.seen.iter().find_map(|seen| Some(seen.frame.signature?.stream)),
            call: leg.map(|leg| leg.call as u64),
            direction: leg.map(|leg| leg.direction),
            size,
            start_ns: watched.start,
            end_ns: watched.seen.iter().map(|seen| seen.frame.at).max()?,
            packets,
            expected,
            lost: expected - packets,
            duplicates: assembler.duplicates(),
            late: assembler.late(),
            frames: watched.frames(),
            frame_interval_ms: Some(watched.interval.as_millis_f64()),
            jitter_ms_mean: mean(jitter.iter().map(|(_, jitter)| *jitter)),
            jitter_ms_max: jitter.iter().map(|(_, jitter)| *jitter).reduce(f64::max),
            delay_refused: Some(ONE_PLACE.to_owned()),
            lip_sync,
            lip_sync_refused,
            freeze_rule: freeze::RULE.to_owned(),
            frozen_ms: freezes.iter().fold(0.0, |sum, freeze| sum + freeze.duration_ms),
            timeline: around_longest(&freezes, &watched),
            freezes,
            pli,
            fir,
            recoveries: watched.recoveries(),
            periods: video::period(&watched, &input, codec.encoding(), size).into_iter().collect(),
            // Nobody asked for the pictures of strangers: no decoding, no thumbnails.
            ..VideoMeasured::default()
        };
        let picture = (watched.picture_end(longest_group(&watched)), since);
        Some(Video { figures, outages: outages(&watched, &flow, leg), picture, leg })
    }
}

/// The frames with their numbers, and how many packets they had.
fn watched(frames: Vec<Frame>, packets: u64, leg: Option<Leg>, around: &Around<'_>) -> Option<(Watched, u64)> {
    if frames.len() < LEAST_FRAMES {
        return None;
    }
    let step = step(&frames)?;
    let interval = Span(step.saturating_mul(1_000_000_000) / i64::from(CLOCK_RATE));
    let numbers = numbers(&frames, step, interval);
    let (start, last) = (frames.first()?.first_at, frames.iter().map(|frame| frame.at).max()?);
    let due = leg.and_then(|leg| around.dialogs.call(leg.call)?.media_time(around.end));
    let (due_end, cut) = due.map_or((last, false), |(_, end, cut)| (end, cut));
    let expected = packets_expected(&frames).max(packets) + unnumbered(&frames, &numbers);
    let mut number = numbers.iter().copied();
    let mut seen = video::judge(frames, |_| number.next());
    seen.sort_by_key(|seen| seen.index);
    seen.dedup_by_key(|seen| seen.index);
    // What would be due when the call ends is not.
    let last_due = ((due_end - start).as_nanos() - 1) / interval.as_nanos().max(1);
    let count = seen.last()?.index.max(if cut || due_end > last { last_due } else { 0 }).clamp(0, MOST_FRAMES) + 1;
    let (end, expected_frames) = (due_end.max(start), count.unsigned_abs());
    let watched = Watched { seen, interval, start, end, cut, expected: expected_frames, validate: VALIDATE };
    Some((watched, expected))
}

/// The frames around the longest freeze.
fn around_longest(freezes: &[FreezeMeasured], watched: &Watched) -> Vec<FrameMark> {
    let Some(longest) = freezes.iter().max_by(|a, b| a.duration_ms.total_cmp(&b.duration_ms)) else {
        return Vec::new();
    };
    let end = longest.end_ns.unwrap_or(watched.end);
    watched.timeline(longest.start_ns - AROUND, (end + AROUND).min(longest.start_ns + LONGEST_TIMELINE))
}

/// The longest time from one whole key frame to the next: after it a further one was due. `None` with fewer than two.
fn longest_group(watched: &Watched) -> Option<Span> {
    let keys: Vec<&video::Seen> = watched.seen.iter().filter(|seen| seen.frame.key && seen.frame.complete).collect();
    keys.windows(2).map(|pair| pair[1].frame.at - pair[0].frame.at).max()
}

/// Lip sync over the whole stream, and where its packets were gone before the first and after the last such time.
fn lip_sync(
    watched: &Watched,
    (flow, ssrcs, leg): (&Flow, &[u32], Option<Leg>),
    senders: &Senders,
    sounds: &[Sound<'_>],
) -> Result<Vec<LipSync>, String> {
    let pictures: Vec<(RunTime, u32)> = watched
        .seen
        .iter()
        .filter(|seen| seen.frame.complete)
        .map(|seen| (seen.frame.at, seen.frame.timestamp as u32))
        .collect();
    let gone = watched.packet_silences();
    let mut stretches = vec![Stretch { period: "whole", from: watched.start, to: watched.end }];
    if let Some((first, last)) = gone.first().zip(gone.last()) {
        stretches.push(Stretch { period: "before", from: watched.start, to: first.start });
        stretches.extend(last.end.map(|end| Stretch { period: "after", from: end, to: watched.end }));
    }
    senders.lip_sync(&Pictures { flow, ssrcs, leg, frames: &pictures }, sounds, &stretches)
}

fn outages(watched: &Watched, flow: &Flow, leg: Option<Leg>) -> Vec<Outage> {
    let scope =
        leg.map_or_else(|| format!("{} → {}", flow.source, flow.destination), |leg| format!("call {}", leg.call));
    let services = [("video", watched.packet_silences()), ("picture", watched.picture_silences())];
    let outages = services
        .into_iter()
        .flat_map(|(service, silences)| silences.into_iter().map(move |silence| (service, silence)));
    outages.map(|(service, silence)| silence.outage(service, scope.clone(), leg.map(|leg| leg.direction))).collect()
}

/// Timestamp units from frame to frame: the median distance of neighbours.
fn step(frames: &[Frame]) -> Option<i64> {
    let neighbours = frames.windows(2).filter(|pair| pair[0].segment == pair[1].segment && pair[1].continuous);
    let mut steps: Vec<i64> =
        neighbours.map(|pair| pair[1].timestamp - pair[0].timestamp).filter(|step| *step > 0).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).copied()
}

/// A number for each frame: by its timestamp within a segment; a new segment goes on by the time that passed.
fn numbers(frames: &[Frame], step: i64, interval: Span) -> Vec<i64> {
    let mut numbers: Vec<i64> = Vec::with_capacity(frames.len());
    let mut before: Option<(&Frame, i64)> = None;
    for frame in frames {
        let number = match before {
            None => 0,
            Some((last, number)) if last.segment == frame.segment => {
                // Rounded: cameras do not keep their rate to the tick.
                number + (frame.timestamp - last.timestamp + step / 2).div_euclid(step).max(1)
            }
            Some((last, number)) => {
                let passed = (frame.first_at - last.first_at).as_nanos();
                number + ((passed + interval.as_nanos() / 2) / interval.as_nanos().max(1)).max(1)
            }
        };
        before = Some((frame, number));
        numbers.push(number);
    }
    numbers
}

/// Packets of frames that fell between two numberings, where no sequence number counts them: by the mean of the
/// packets of all frames.
fn unnumbered(frames: &[Frame], numbers: &[i64]) -> u64 {
    let between = frames.windows(2).zip(numbers.windows(2)).filter(|(pair, _)| pair[0].segment != pair[1].segment);
    let missing: i64 = between.map(|(_, numbers)| numbers[1] - numbers[0] - 1).sum();
    let packets: u64 = frames.iter().map(|frame| u64::from(frame.packets)).sum();
    (missing.max(0) as f64 * packets as f64 / frames.len().max(1) as f64).round() as u64
}

/// Highest − lowest sequence number + 1, summed over the segments (RFC 3550 A.3).
fn packets_expected(frames: &[Frame]) -> u64 {
    let mut segments: BTreeMap<u32, (i64, i64)> = BTreeMap::new();
    for frame in frames {
        let (low, high) = segments.entry(frame.segment).or_insert(frame.sequence);
        (*low, *high) = ((*low).min(frame.sequence.0), (*high).max(frame.sequence.1));
    }
    segments.values().map(|(low, high)| high.abs_diff(*low) + 1).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_packets_make_it_panic(
            packets in proptest::collection::vec((0i64..1 << 40, any::<u16>(), any::<u32>(), 0u32..3, any::<bool>()), 0..60),
            codec in prop_oneof![Just(Codec::H264), Just(Codec::Vp8)], near: bool
        ) {
            let (source, destination) = ("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:4000".parse().unwrap());
            let flow = Flow { source, destination, sense: Sense::Unknown };
            let mut collected = Collected::new(codec, 96);
            for (place, (at, sequence, timestamp, ssrc, marker)) in packets.into_iter().enumerate() {
                // Half of the cases hold together enough to become frames.
                let (sequence, timestamp) =
                    if near { (place as u16, place as u32 / 2 * (timestamp % 5000)) } else { (sequence, timestamp) };
                let payload: &[u8] = if codec == Codec::H264 { &[0x65, 0x88] } else { &[0x10, 0, 0] };
                let rtp = Rtp { payload_type: 96, marker, sequence, timestamp, ssrc: ssrc / 2, payload };
                collected.packet(RunTime(at), &rtp);
            }
            let around = Around { dialogs: &Dialogs::default(), sounds: &[], end: RunTime(1 << 41) };
            collected.finish();
            if let Some(video) = collected.measured((flow, None), (0, 0), &Senders::default(), &around) {
                let frames = video.figures.frames;
                prop_assert!(frames.expected >= frames.shown + frames.undecodable + frames.incomplete);
                prop_assert!(video.figures.expected >= video.figures.packets);
            }
        }
    }
}
