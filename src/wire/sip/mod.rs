//! SIP (RFC 3261): a tolerant scanner for what comes from the wire, a writer for what we send, framing on
//! streams (§18.3), digest authentication (RFC 2617, 7616, 8760) and the audio part of SDP (RFC 8866).
//!
//! Reading and writing are apart on purpose: phones, the reference server and the capture analyzer must read
//! whatever real servers and phones send, while what we send ourselves is built from the typed values of `rsip`.

pub mod digest;
mod framer;
mod message;
pub mod sdp;
mod uri;
mod value;
mod write;

pub use framer::{Frame, FrameError, Framer};
pub use message::{Message, NotSip, StartLine};
pub use uri::Uri;
pub use value::{NameAddr, Via, list, parameter};
pub use write::{Draft, reason_phrase};

/// The port that a SIP URI or Via without a port means (RFC 3261 §19.1.2), for UDP and TCP.
pub const DEFAULT_PORT: u16 = 5060;

/// Start of every branch made by RFC 3261 (§8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";
