//! What is said of a video stream.

use serde::{Deserialize, Serialize};

use super::Delay;
use crate::evidence::history::Direction;
use crate::units::RunTime;

/// One video stream as it was received.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VideoMeasured {
    /// SSRC seen first.
    pub ssrc: u32,
    /// Further SSRCs of the same stream, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_ssrcs: Vec<u32>,
    /// Source address and port.
    pub src: String,
    /// Destination address and port.
    pub dst: String,
    /// `H264` or `VP8`.
    pub codec: String,
    /// How it is known to be video where no session description announced it: then the codec is a guess.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guess: Option<String>,
    /// Our stream number, where frames are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_stream: Option<u32>,
    /// The call that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
    /// Who watches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Width and height in pixels, where the stream tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(u32, u32)>,
    /// First packet.
    pub start_ns: RunTime,
    /// Last packet.
    pub end_ns: RunTime,
    /// Packets received, duplicates not counted.
    pub packets: u64,
    /// Packets that were sent while video was due; for a foreign stream by the sequence numbers.
    pub expected: u64,
    /// `expected - packets`, never below 0.
    pub lost: u64,
    /// Packets received twice.
    pub duplicates: u64,
    /// Packets that came after their frame had been given up.
    pub late: u64,
    /// What became of the frames.
    pub frames: FramesMeasured,
    /// Distance of frames on the sender's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_interval_ms: Option<f64>,
    /// RFC 3550 §6.4.1 jitter over the first packets of frames on the clock of 90 kHz, mean; outages do not enter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter_ms_mean: Option<f64>,
    /// Its maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter_ms_max: Option<f64>,
    /// One-way delay of the last packets of whole frames, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_refused: Option<String>,
    /// Lip sync of a foreign capture by the sender reports of picture and sound: `whole`, and where the packets of the
    /// picture were gone `before` the first and `after` the last such time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lip_sync: Vec<LipSync>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lip_sync_refused: Option<String>,
    /// The rule by which a standing picture is a freeze.
    pub freeze_rule: String,
    /// Freezes while video was due, in order.
    pub freezes: Vec<FreezeMeasured>,
    /// How long the picture was frozen in all.
    pub frozen_ms: f64,
    /// Key frames asked for by picture loss indication (RFC 4585), as the watching side sent them.
    pub pli: u64,
    /// Key frames asked for by full intra request (RFC 5104).
    pub fir: u64,
    /// From the first packet after each silence of the packets to the first picture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<RecoveryMeasured>,
    /// Before, during and after the faults; the whole stream where there was none.
    pub periods: Vec<VideoPeriod>,
    /// Frames around the faults that were really decoded; absent without a decoder for the codec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoded: Option<DecodedMeasured>,
    /// Small pictures of the last frame before and the first after the freezes that follow the faults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thumbnails: Vec<Thumbnail>,
    /// The frames around the faults, in order, for a timeline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<FrameMark>,
}

/// How much later the picture comes than the sound that was taken at the same instant of the sender's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LipSync {
    /// `whole`, `before`, `after`.
    pub period: String,
    /// Mean lateness of whole frames (by their last packets) less mean lateness of sound, each against the NTP time
    /// that sender reports give its timestamp (RFC 3550 §6.4.1), in milliseconds; negative: the picture comes earlier.
    pub skew_ms: f64,
    /// Whole frames that it rests on.
    pub frames: u64,
    /// Packets of sound that it rests on.
    pub packets: u64,
    /// How sound and picture are known to belong together, and where the skew was seen.
    pub method: String,
}

/// What became of the frames that were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FramesMeasured {
    /// Due: from the sender's own count; for a foreign stream by the timestamps.
    pub expected: u64,
    /// Could be shown: complete, and so is all that they refer to.
    pub shown: u64,
    /// Complete, but what they refer to is not.
    pub undecodable: u64,
    /// Some packets came, and some did not.
    pub incomplete: u64,
    /// Nothing came.
    pub missing: u64,
    /// Complete key frames.
    pub key: u64,
}

/// What a real decoder made of frames that could be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodedMeasured {
    /// Frames that it was given: from a key frame to the last one before a freeze, and the first one after it.
    pub frames: u64,
    /// Those of them that gave no picture.
    pub failed: u64,
}

/// A small picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thumbnail {
    /// The fault that its freeze follows.
    pub fault: usize,
    /// When its frame arrived.
    pub at_ns: RunTime,
    /// The first one after the freeze, and not the last before it.
    pub after: bool,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// A PNG file in base64 (RFC 4648 §4).
    pub png_base64: String,
}

/// A time in which the picture stood still.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FreezeMeasured {
    /// The last picture before.
    pub start_ns: RunTime,
    /// The next picture; absent where none came while video was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ns: Option<RunTime>,
    /// From picture to picture; the least that it can be when `end_ns` is absent.
    pub duration_ms: f64,
    /// It ended with a key frame.
    pub ended_by_key_frame: bool,
    /// The fault that it follows, where it follows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<usize>,
}

/// Packets came again, and later the picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecoveryMeasured {
    /// The first packet after the silence.
    pub packets_ns: RunTime,
    /// The first frame that could be shown; absent where none came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_ns: Option<RunTime>,
    /// The distance of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<f64>,
}

/// One part of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoPeriod {
    /// `before`, `during`, `after`, `whole`.
    pub period: String,
    /// Length in seconds.
    pub seconds: f64,
    /// Pictures shown a second.
    pub frame_rate: f64,
    /// Payload received, in kbit/s.
    pub bitrate_kbps: f64,
    /// Percent of the packets sent in it that did not arrive; absent where none was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_percent: Option<f64>,
    /// How much later the picture comes than the sound that belongs to it (negative: earlier), mean, by the instants at
    /// which both were due; absent without both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ms: Option<f64>,
    /// ITU-T G.1070 video quality Vq, 1 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vq: Option<VideoScore>,
    /// G.1070 speech quality Sq, 1 to 4.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sq: Option<VideoScore>,
    /// G.1070 multimedia quality MMq, 1 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mmq: Option<VideoScore>,
}

/// A score of G.1070.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoScore {
    /// The score.
    pub value: f64,
    /// `ITU-T G.1070 (06/2018)`.
    pub model: String,
    /// False when the inputs lie outside what the coefficients were made for.
    pub valid: bool,
    /// Coefficient set, and why the score is not valid.
    pub note: String,
}

/// One frame of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameMark {
    /// When it arrived whole; else when it was due.
    pub at_ns: RunTime,
    /// What it was.
    pub frame: FrameFate,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameFate {
    /// A key frame that was shown.
    Key,
    /// Shown.
    Shown,
    /// Complete, but what it refers to is missing.
    Undecodable,
    /// Some of its packets are missing.
    Incomplete,
    /// Nothing of it came.
    Missing,
}
