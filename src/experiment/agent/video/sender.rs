//! The sending side of one stream: a frame at each instant of the frame clock, in packets, with its mark.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use rtp_rs::{RtpPacketBuilder, Seq};

use super::Clip;
use crate::evidence::history::{Direction, StreamMark, StreamState, VideoMark};
use crate::experiment::agent::media::{Feed, Reception, SenderReportFields, Source, sender_report};
use crate::units::{RunTime, Span};
use crate::wire::signature::Signature;
use crate::wire::video::h264::{self, Mode};
use crate::wire::video::{CLOCK_RATE, Codec, nal, vp8};

/// Octets of a payload at most: with RTP, UDP and IPv6 below the 1280 that every link carries (RFC 8200 §5).
const PAYLOAD_LIMIT: usize = 1200;

/// How the packets of one frame are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pacing {
    /// All at once.
    Burst,
    /// At equal distances over the first half of the frame interval.
    #[default]
    Smoothed,
}

/// What a stream is made of.
#[derive(Clone, Debug)]
pub struct VideoConfig {
    /// Number in the mark.
    pub stream: u32,
    /// The call that it belongs to.
    pub call: u64,
    /// Who watches.
    pub direction: Direction,
    /// What is shown.
    pub clip: Arc<Clip>,
    /// Payload type negotiated.
    pub payload_type: u8,
    /// For H.264: how units are put into packets.
    pub mode: Mode,
    /// How packets are spread.
    pub pacing: Pacing,
    /// Distance of planned key frames; at most the length of the clip.
    pub key_interval: Span,
    /// Our socket.
    pub local: SocketAddr,
    /// Where it goes.
    pub remote: SocketAddr,
    /// SSRC, initial sequence number and timestamp come from it.
    pub seed: u64,
}

/// The sending side of one stream.
#[derive(Debug)]
pub struct VideoSender {
    config: VideoConfig,
    source: Source,
    start: RunTime,
    /// Number of the next frame, counting what was due.
    frame: u32,
    /// Where the next frame stands in the clip.
    position: usize,
    key_frame_wanted: bool,
    sequence: u16,
    waiting: VecDeque<Waiting>,
    packets: u32,
    octets: u32,
}

/// A packet of the frame that is being sent.
#[derive(Debug)]
struct Waiting {
    due: RunTime,
    first: bool,
    marker: bool,
    timestamp: u32,
    payload: Vec<u8>,
}

impl VideoSender {
    /// A stream whose first frame is due at `start`.
    #[must_use]
    pub fn new(config: VideoConfig, start: RunTime) -> VideoSender {
        let source = Source::draw(config.seed, config.stream);
        let mut sender = VideoSender {
            sequence: source.sequence,
            source,
            start,
            frame: 0,
            position: 0,
            key_frame_wanted: false,
            waiting: VecDeque::new(),
            packets: 0,
            octets: 0,
            config,
        };
        sender.prepare();
        sender
    }

    fn frame_due(&self, frame: u32) -> RunTime {
        self.start + Span(i64::from(frame) * 1_000_000_000 / i64::from(self.config.clip.frame_rate.max(1)))
    }

    fn frame_interval(&self) -> Span {
        Span(1_000_000_000 / i64::from(self.config.clip.frame_rate.max(1)))
    }

    fn timestamp(&self, frame: u32) -> u32 {
        let step = CLOCK_RATE / self.config.clip.frame_rate.max(1);
        self.source.timestamp.wrapping_add(frame.wrapping_mul(step))
    }

    /// Frames from one planned key frame to the next.
    fn group(&self) -> usize {
        let frames = self.config.key_interval.as_nanos() / self.frame_interval().as_nanos().max(1);
        usize::try_from(frames).unwrap_or(1).clamp(1, self.config.clip.frames.len().max(1))
    }

    /// Makes the packets of the next frame.
    fn prepare(&mut self) {
        if self.position >= self.group() || std::mem::take(&mut self.key_frame_wanted) {
            self.position = 0;
        }
        let due = self.frame_due(self.frame);
        let payloads = self.payloads(Signature { stream: self.config.stream, index: self.frame, due });
        let step = match self.config.pacing {
            Pacing::Burst => Span::ZERO,
            Pacing::Smoothed => Span(self.frame_interval().as_nanos() / 2 / payloads.len().max(1) as i64),
        };
        let (timestamp, last) = (self.timestamp(self.frame), payloads.len().saturating_sub(1));
        self.waiting.extend((0..).zip(payloads).map(|(number, payload)| Waiting {
            due: due + Span(step.as_nanos() * number),
            first: number == 0,
            marker: usize::try_from(number).is_ok_and(|number| number == last),
            timestamp,
            payload,
        }));
        self.frame += 1;
        self.position += 1;
    }

    fn payloads(&self, signature: Signature) -> Vec<Vec<u8>> {
        let Some(frame) = self.config.clip.frames.get(self.position) else { return Vec::new() };
        match self.config.clip.codec {
            Codec::H264 => {
                let mark = nal::signature_unit(signature);
                // Parameter sets stand before any message (H.264 §7.4.1.2.3).
                let sets = frame.iter().filter(|unit| !nal::is_picture(unit));
                let slices = frame.iter().filter(|unit| nal::is_picture(unit));
                let units: Vec<&[u8]> = sets.chain([&mark]).chain(slices).map(Vec::as_slice).collect();
                h264::packetize(&units, self.config.mode, PAYLOAD_LIMIT)
            }
            Codec::Vp8 => {
                let picture = frame.first().map(Vec::as_slice).unwrap_or_default();
                vp8::packetize(&vp8::signed(picture, signature), self.frame as u16, PAYLOAD_LIMIT)
            }
        }
    }
}

impl Feed for VideoSender {
    fn stream(&self) -> u32 {
        self.config.stream
    }

    fn ssrc(&self) -> u32 {
        self.source.ssrc
    }

    fn remote(&self) -> SocketAddr {
        self.config.remote
    }

    fn redirect(&mut self, remote: SocketAddr) {
        self.config.remote = remote;
    }

    fn due(&self) -> RunTime {
        self.waiting.front().map_or_else(|| self.frame_due(self.frame), |packet| packet.due)
    }

    /// A frame that was begun is finished however late it is; else the next frame is due already.
    fn patience(&self) -> Option<Span> {
        self.waiting.front().filter(|packet| packet.first).map(|_| self.frame_interval())
    }

    fn packet(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let packet = self.waiting.pop_front()?;
        let built = RtpPacketBuilder::new()
            .payload_type(self.config.payload_type)
            .marked(packet.marker)
            .sequence(Seq::from(self.sequence))
            .timestamp(packet.timestamp)
            .ssrc(self.source.ssrc)
            .payload(&packet.payload)
            .build_into(buffer)
            .ok();
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += u32::from(built.is_some());
        self.octets = self.octets.wrapping_add(packet.payload.len() as u32);
        if self.waiting.is_empty() {
            self.prepare();
        }
        built
    }

    /// The whole frame is passed over. What follows would refer to it, so the next one is a key frame.
    fn skip(&mut self) -> u64 {
        let passed = self.waiting.len() as u64;
        self.waiting.clear();
        self.key_frame_wanted = true;
        self.prepare();
        passed
    }

    fn key_frame_requested(&mut self) {
        self.key_frame_wanted = true;
        // The frame that waits was made before: it is made anew if nothing of it went out.
        if self.waiting.front().is_some_and(|packet| packet.first) {
            self.waiting.clear();
            self.frame -= 1;
            self.prepare();
        }
    }

    fn report(&self, now: RunTime, wall_unix_ns: i64, reception: Option<&mut Reception>) -> Option<Vec<u8>> {
        let elapsed = (now - self.start).as_nanos() * i64::from(CLOCK_RATE) / 1_000_000_000;
        let fields = SenderReportFields {
            ssrc: self.source.ssrc,
            wall_unix_ns,
            timestamp: self.source.timestamp.wrapping_add(elapsed as u32),
            packets: self.packets,
            octets: self.octets,
            cname: format!("{}@{}", self.config.call, self.config.local.ip()),
        };
        sender_report(&fields, reception.and_then(|reception| reception.report_block(now)))
    }

    fn mark(&self, state: StreamState) -> StreamMark {
        let config = &self.config;
        let video = VideoMark {
            width: config.clip.size.0,
            height: config.clip.size.1,
            key_interval_ns: self.group() as i64 * self.frame_interval().as_nanos(),
            packetization_mode: (config.clip.codec == Codec::H264).then(|| config.mode.number()),
            smoothed: config.pacing == Pacing::Smoothed,
        };
        StreamMark {
            stream: config.stream,
            call: config.call,
            direction: config.direction,
            state,
            codec: config.clip.codec.encoding().to_owned(),
            ptime_ns: self.frame_interval().as_nanos(),
            ssrc: self.source.ssrc,
            local: config.local,
            remote: config.remote,
            video: Some(video),
        }
    }
}
