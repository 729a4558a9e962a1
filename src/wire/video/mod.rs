//! Video in RTP: H.264 (RFC 6184) and VP8 (RFC 7741) payloads, and frames put together from packets.
//!
//! Both codecs count at 90 kHz, send a frame in one or more packets of one timestamp, and set the marker on
//! the last of them. [`Part`] is what one payload tells about its frame, [`Assembler`] makes frames of parts.

mod assembly;
mod chain;
pub mod feedback;
pub mod h264;
pub mod ivf;
pub mod nal;
mod sps;
mod structure;
pub mod vp8;

pub use assembly::{Assembler, Frame, Packet};
pub use chain::{Chain, Verdict};
pub use structure::Structure;

use crate::wire::signature::Signature;

/// RTP clock of both codecs in hertz (RFC 6184 §8.2.1, RFC 7741 §6.1).
pub const CLOCK_RATE: u32 = 90_000;

/// A codec whose payloads can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ITU-T H.264 in RFC 6184 packets.
    H264,
    /// VP8 in RFC 7741 packets.
    Vp8,
}

/// What one payload tells about the frame that it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Nothing of the frame's picture comes before this payload.
    pub starts: bool,
    /// The frame can be decoded without an earlier one (H.264 IDR, VP8 with the P bit clear).
    pub key: bool,
    /// Later frames may refer to it (`nal_ref_idc` above 0; for VP8 the N bit clear).
    pub reference: bool,
    /// It carries a part of a picture, and not only parameters or messages.
    pub picture: bool,
    /// It carries a sequence parameter set (H.264); VP8 key frames carry their own.
    pub parameters: bool,
    /// Width and height in pixels, where the payload tells.
    pub size: Option<(u32, u32)>,
    /// The mark of our own sender.
    pub signature: Option<Signature>,
}

impl Codec {
    /// The codec of an encoding name of SDP; names differ in case only.
    #[must_use]
    pub fn of_encoding(name: &str) -> Option<Codec> {
        [Codec::H264, Codec::Vp8].into_iter().find(|codec| codec.encoding().eq_ignore_ascii_case(name))
    }

    /// The encoding name of SDP.
    #[must_use]
    pub const fn encoding(self) -> &'static str {
        match self {
            Codec::H264 => "H264",
            Codec::Vp8 => "VP8",
        }
    }

    /// Reads what a payload tells; `None` when it is none of this codec.
    #[must_use]
    pub fn inspect(self, payload: &[u8]) -> Option<Part> {
        match self {
            Codec::H264 => h264::inspect(payload),
            Codec::Vp8 => vp8::inspect(payload),
        }
    }

    /// The codec's elementary stream from the payloads of one whole frame in order: H.264 as an Annex B byte
    /// stream, VP8 as the frame itself. `None` when a piece does not belong there.
    #[must_use]
    pub fn depacketize(self, payloads: &[&[u8]]) -> Option<Vec<u8>> {
        match self {
            Codec::H264 => h264::depacketize(payloads).map(|units| nal::annex_b(&units)),
            Codec::Vp8 => vp8::depacketize(payloads),
        }
    }
}
