//! What a port for video has beside its sockets: a receiver that asks for key frames, and the wish of the far
//! side for one.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use super::lock;
use crate::experiment::agent::video::VideoReceiver;
use crate::units::RunTime;
use crate::wire::video::feedback::{Request, picture_loss, requests};

/// No full intra request was seen yet; numbers have 8 bits.
const NONE_YET: u16 = u16::MAX;

#[derive(Debug)]
pub(super) struct VideoPort {
    receiver: Mutex<VideoReceiver>,
    /// Our SSRC and where the far side hears RTCP, once we send.
    own: Mutex<Option<(u32, SocketAddr)>>,
    key_frame_wanted: AtomicBool,
    last_full_intra: AtomicU16,
}

impl VideoPort {
    pub(super) fn new(receiver: VideoReceiver) -> VideoPort {
        VideoPort {
            receiver: Mutex::new(receiver),
            own: Mutex::new(None),
            key_frame_wanted: AtomicBool::new(false),
            last_full_intra: AtomicU16::new(NONE_YET),
        }
    }

    /// We send from this port: requests carry this SSRC and go there.
    pub(super) fn sends(&self, ssrc: u32, rtcp_remote: SocketAddr) {
        *lock(&self.own) = Some((ssrc, rtcp_remote));
    }

    /// Takes RTP; a request for a key frame and where it goes, if it is time for one.
    pub(super) fn rtp(&self, at: RunTime, datagram: &[u8], cname: &str) -> Option<(Vec<u8>, SocketAddr)> {
        let media = lock(&self.receiver).rtp(at, datagram)?;
        let (ssrc, remote) = (*lock(&self.own))?;
        Some((picture_loss(ssrc, media, cname), remote))
    }

    /// Takes RTCP. One stream leaves this port, and a relay may have renamed it: whatever source is named, it
    /// is meant. A full intra request is repeated with its number until it is answered (RFC 5104 §4.3.1.2).
    pub(super) fn rtcp(&self, datagram: &[u8]) {
        for request in requests(datagram) {
            let wanted = match request {
                Request::PictureLoss { .. } => true,
                Request::FullIntra { number, .. } => {
                    self.last_full_intra.swap(number.into(), Ordering::Relaxed) != u16::from(number)
                }
            };
            self.key_frame_wanted.fetch_or(wanted, Ordering::Relaxed);
        }
    }

    /// The far side has asked by other means.
    pub(super) fn want(&self) {
        self.key_frame_wanted.store(true, Ordering::Relaxed);
    }

    /// Whether the far side has asked since the last call.
    pub(super) fn take_wish(&self) -> bool {
        self.key_frame_wanted.swap(false, Ordering::Relaxed)
    }
}
