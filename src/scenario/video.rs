//! `[traffic.video_calls]`: calls with audio and video that stand through the whole window.

use serde::Deserialize;
use serde_spanned::Spanned;

use super::{Codec, Duration, default_codecs, default_ptime, no_share};
use crate::units::Span;

/// Calls with audio and video that stand through the whole window.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoCalls {
    /// How many.
    pub count: u32,
    /// Video codec.
    #[serde(default)]
    pub codec: VideoCodec,
    /// What is shown: picture size, frame rate and bit rate.
    #[serde(default = "default_picture")]
    pub picture: Spanned<Picture>,
    /// Size of a picture that is encoded for this run; absent: that of `picture`. With any of `resolution`, `frame_rate`
    /// and `bitrate_kbps` a test pattern is encoded (H.264, packetization mode 1); without them an own clip is shown.
    pub resolution: Option<Spanned<Resolution>>,
    /// Frames a second of a picture that is encoded; absent: those of `picture`.
    pub frame_rate: Option<Spanned<u32>>,
    /// Mean bit rate of a picture that is encoded, in kbit/s; absent: that of `picture`.
    pub bitrate_kbps: Option<Spanned<u32>>,
    /// For H.264, 0 or 1 (RFC 6184 §5.4): 1 cuts large slices into several packets; 0 needs slices that fit one, as
    /// `qvga` has them.
    #[serde(default = "default_mode")]
    pub packetization_mode: Spanned<u8>,
    /// How the packets of a frame are spread over time.
    #[serde(default)]
    pub pacing: VideoPacing,
    /// Distance of planned key frames: at most the length of an own clip, up to a minute where one is encoded.
    #[serde(default = "default_key_interval")]
    pub key_interval: Spanned<Duration>,
    /// A receiver that cannot show what comes asks for a key frame, at most this often. Zero: it never asks and
    /// waits for the next planned one.
    #[serde(default = "default_requests")]
    pub key_frame_requests: Duration,
    /// Audio codecs, dealt in turn.
    #[serde(default = "default_codecs")]
    pub codecs: Vec<Codec>,
    /// Packet interval of the audio.
    #[serde(default = "default_ptime")]
    pub ptime: Spanned<Duration>,
    /// Share of calls whose phones use SIP over TCP.
    #[serde(default = "no_share")]
    pub tcp_share: Spanned<f64>,
}

/// Video codecs that the phones speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// H.264, constrained baseline.
    #[default]
    H264,
    /// VP8.
    Vp8,
}

/// Pictures that there are clips of; where one is encoded, its defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Picture {
    /// 640 × 480, 25 frames/s, about 300 kbit/s; H.264 only.
    Vga,
    /// 320 × 240, 15 frames/s, about 90 kbit/s (VP8: 100).
    #[default]
    Qvga,
}

/// Width and height of a picture, written `"1280x720"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resolution {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A picture that is encoded for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// Its size.
    pub resolution: Resolution,
    /// Frames a second.
    pub frame_rate: u32,
    /// Mean bit rate in kbit/s.
    pub bitrate_kbps: u32,
}

impl<'de> Deserialize<'de> for Resolution {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
        let told = || serde::de::Error::custom(format!("`{text}` is no resolution; write it as \"1280x720\""));
        sides.map(|(width, height)| Resolution { width, height }).ok_or_else(told)
    }
}

impl VideoCalls {
    /// What is encoded for the run; `None` where an own clip is shown.
    #[must_use]
    pub fn encoding(&self) -> Option<Encoding> {
        let picture = self.picture.get_ref();
        let own = Resolution { width: picture.height() / 3 * 4, height: picture.height() };
        let wanted = self.resolution.is_some() || self.frame_rate.is_some() || self.bitrate_kbps.is_some();
        wanted.then(|| Encoding {
            resolution: self.resolution.as_ref().map_or(own, |resolution| *resolution.get_ref()),
            frame_rate: self.frame_rate.as_ref().map_or(picture.frame_rate(), |rate| *rate.get_ref()),
            bitrate_kbps: self.bitrate_kbps.as_ref().map_or(picture.bitrate_kbps(), |rate| *rate.get_ref()),
        })
    }
}

/// How the packets of a frame are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoPacing {
    /// All at once, as many phones do.
    Burst,
    /// Over the first half of the frame interval, as a pacer does.
    #[default]
    Smoothed,
}

impl VideoCodec {
    /// Name in SDP.
    #[must_use]
    pub const fn sdp_name(self) -> &'static str {
        match self {
            VideoCodec::H264 => "H264",
            VideoCodec::Vp8 => "VP8",
        }
    }
}

impl Picture {
    /// Height in pixels.
    #[must_use]
    pub const fn height(self) -> u32 {
        match self {
            Picture::Vga => 480,
            Picture::Qvga => 240,
        }
    }

    /// Frames a second.
    #[must_use]
    pub const fn frame_rate(self) -> u32 {
        match self {
            Picture::Vga => 25,
            Picture::Qvga => 15,
        }
    }

    /// Bit rate in kbit/s, about.
    #[must_use]
    pub const fn bitrate_kbps(self) -> u32 {
        match self {
            Picture::Vga => 300,
            Picture::Qvga => 90,
        }
    }

    /// Whether every slice of the clip fits a packet, as packetization mode 0 of H.264 needs it; for VP8 there is no
    /// such thing.
    #[must_use]
    pub const fn fits_single_units(self, codec: VideoCodec) -> bool {
        matches!((self, codec), (Picture::Qvga, _) | (_, VideoCodec::Vp8))
    }

    /// Length of the clip of this picture; `None` where a codec has none.
    #[must_use]
    pub const fn length(self, codec: VideoCodec) -> Option<Span> {
        match (self, codec) {
            (Picture::Vga, VideoCodec::H264) | (Picture::Qvga, VideoCodec::Vp8) => Some(Span::from_secs(4)),
            (Picture::Qvga, VideoCodec::H264) => Some(Span::from_secs(6)),
            (Picture::Vga, VideoCodec::Vp8) => None,
        }
    }
}

fn default_picture() -> Spanned<Picture> {
    Spanned::new(0..0, Picture::default())
}

fn default_mode() -> Spanned<u8> {
    Spanned::new(0..0, 1)
}

fn default_key_interval() -> Spanned<Duration> {
    Duration(Span::from_secs(2)).into()
}

fn default_requests() -> Duration {
    Duration(Span::from_millis(500))
}
