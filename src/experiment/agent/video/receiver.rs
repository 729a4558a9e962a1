//! The receiving side of one stream: what it can show, and when it asks for a key frame.

use crate::units::{RunTime, Span};
use crate::wire::rtp::Rtp;
use crate::wire::video::{Assembler, Chain, Codec, Frame, Packet, Verdict};

/// A phone that shows video.
#[derive(Debug)]
pub struct VideoReceiver {
    assembler: Assembler,
    chain: Chain,
    /// Requests are no closer together than this; absent: it never asks.
    least_interval: Option<Span>,
    last_request: Option<RunTime>,
    /// Frames that could be shown.
    shown: u64,
}

impl VideoReceiver {
    /// A receiver that asks for a key frame when it cannot show what comes, at most once in `least_interval`;
    /// without one it only waits.
    #[must_use]
    pub fn new(codec: Codec, least_interval: Option<Span>) -> VideoReceiver {
        let (assembler, chain) = (Assembler::new(codec, false), Chain::default());
        VideoReceiver { assembler, chain, least_interval, last_request: None, shown: 0 }
    }

    /// Takes a datagram that came at `at`; returns the source that shall send a key frame, if one is wanted.
    pub fn rtp(&mut self, at: RunTime, datagram: &[u8]) -> Option<u32> {
        let rtp = Rtp::parse(datagram)?;
        let frames = self.assembler.push(&Packet { at, rtp });
        let spoilt = frames.iter().filter(|frame| !self.show(frame)).count();
        let due = self.last_request.is_none_or(|last| self.least_interval.is_some_and(|least| at - last >= least));
        if spoilt == 0 || self.chain.is_intact() || self.least_interval.is_none() || !due {
            return None;
        }
        self.last_request = Some(at);
        Some(rtp.ssrc)
    }

    /// Frames that could be shown.
    #[must_use]
    pub fn shown(&self) -> u64 {
        self.shown
    }

    fn show(&mut self, frame: &Frame) -> bool {
        let shown = self.chain.judge(frame) == Verdict::Shown;
        self.shown += u64::from(shown);
        shown
    }
}
