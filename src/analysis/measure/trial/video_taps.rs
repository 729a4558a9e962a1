//! The video at our own sockets: frames that were sent, frames that arrived, and requests for key frames.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::evidence::history::{Direction, Event, StreamState, What};
use crate::units::RunTime;
use crate::wire::rtp::{Kind, Rtp, kind};
use crate::wire::video::feedback::{Request, requests};
use crate::wire::video::{Assembler, Codec, Frame, Packet};

/// What was seen of one of our video streams.
#[derive(Debug, Default)]
pub(super) struct VideoTap {
    pub(super) sent: Vec<Frame>,
    pub(super) received: Vec<Frame>,
    /// Packets that came twice, and that came too late for their frame.
    pub(super) duplicates: u64,
    pub(super) late: u64,
    /// SSRCs of what arrived, in order.
    pub(super) ssrcs: Vec<u32>,
    /// Where the first packet came from and where it arrived.
    pub(super) ends: Option<(SocketAddr, SocketAddr)>,
    /// Picture loss indications and full intra requests that the viewer sent.
    pub(super) pli: u64,
    pub(super) fir: u64,
}

/// Collects the video of a trial.
#[derive(Debug, Default)]
pub(super) struct VideoTaps {
    sockets: BTreeMap<SocketAddr, Socket>,
    streams: BTreeMap<u32, Open>,
}

/// A socket of one end of a call: it sends one stream and hears the other.
#[derive(Clone, Copy, Debug)]
struct Socket {
    sends: u32,
    hears: Option<u32>,
}

#[derive(Debug)]
struct Open {
    tap: VideoTap,
    sent: Assembler,
    received: Assembler,
}

impl VideoTaps {
    /// Knows the sockets of all video streams that the history names.
    pub(super) fn of(events: &[Event]) -> VideoTaps {
        let marks = || {
            events.iter().filter_map(|event| match &event.what {
                What::Stream(mark) if mark.state == StreamState::Started && mark.video.is_some() => Some(mark),
                _ => None,
            })
        };
        let numbers: BTreeMap<(u64, Direction), u32> =
            marks().map(|mark| ((mark.call, mark.direction), mark.stream)).collect();
        let mut taps = VideoTaps::default();
        for mark in marks() {
            let other = if mark.direction == Direction::ToCallee { Direction::ToCaller } else { Direction::ToCallee };
            let hears = numbers.get(&(mark.call, other)).copied();
            taps.sockets.insert(mark.local, Socket { sends: mark.stream, hears });
            if let Some(codec) = Codec::of_encoding(&mark.codec) {
                // A decoder needs what arrived.
                let keeps = cfg!(feature = "video-decode") && codec == Codec::H264;
                let (sent, received) = (Assembler::new(codec, false), Assembler::new(codec, keeps));
                taps.streams.insert(mark.stream, Open { tap: VideoTap::default(), sent, received });
            }
        }
        taps
    }

    /// Takes a datagram; true when it was at a video socket or the RTCP port above one.
    pub(super) fn datagram(
        &mut self,
        at: RunTime,
        sent: bool,
        (source, destination): (SocketAddr, SocketAddr),
        payload: &[u8],
    ) -> bool {
        let local = if sent { source } else { destination };
        if kind(payload) == Kind::Rtcp {
            let rtp = SocketAddr::new(local.ip(), local.port().saturating_sub(1));
            let Some(socket) = self.sockets.get(&rtp).copied() else { return false };
            if sent {
                self.asked(socket, payload);
            }
            return true;
        }
        let Some(socket) = self.sockets.get(&local).copied() else { return false };
        let stream = if sent { Some(socket.sends) } else { socket.hears };
        if let (Some(open), Some(rtp)) = (stream.and_then(|stream| self.streams.get_mut(&stream)), Rtp::parse(payload))
        {
            open.take(Packet { at, rtp }, sent, (source, destination));
        }
        true
    }

    fn asked(&mut self, socket: Socket, payload: &[u8]) {
        let Some(open) = socket.hears.and_then(|stream| self.streams.get_mut(&stream)) else { return };
        for request in requests(payload) {
            match request {
                Request::PictureLoss { .. } => open.tap.pli += 1,
                Request::FullIntra { .. } => open.tap.fir += 1,
            }
        }
    }

    /// What was seen of each stream, by its number.
    pub(super) fn finish(self) -> BTreeMap<u32, VideoTap> {
        self.streams.into_iter().map(|(number, open)| (number, open.finish())).collect()
    }
}

impl Open {
    fn take(&mut self, packet: Packet<'_>, sent: bool, ends: (SocketAddr, SocketAddr)) {
        if sent {
            self.tap.sent.extend(self.sent.push(&packet));
            return;
        }
        self.tap.ends.get_or_insert(ends);
        if !self.tap.ssrcs.contains(&packet.rtp.ssrc) {
            self.tap.ssrcs.push(packet.rtp.ssrc);
        }
        self.tap.received.extend(self.received.push(&packet));
    }

    fn finish(mut self) -> VideoTap {
        self.tap.sent.extend(self.sent.finish());
        self.tap.received.extend(self.received.finish());
        (self.tap.duplicates, self.tap.late) = (self.received.duplicates(), self.received.late());
        self.tap
    }
}
