//! Frames from packets: packets of one timestamp, in order of their sequence numbers.
//!
//! A frame is *complete* when every packet from one that begins a picture to the one with the marker is there.
//! It is *continuous* when the packet before it is the last one of the frame before: then no frame between
//! them was lost. Frames come out in order of their timestamps, each as soon as it is decided.

use std::collections::{BTreeMap, VecDeque};

use super::{Codec, Part};
use crate::units::{RunTime, Span};
use crate::wire::rtp::Rtp;
use crate::wire::signature::Signature;

/// An incomplete frame waits for reordered packets this long after a packet of a later frame came.
const REORDERING: Span = Span::from_millis(60);
/// More open frames than this are a hostile numbering: the oldest is decided.
const MOST_OPEN: usize = 64;
/// So many last packets are remembered to know duplicates.
const REMEMBERED: usize = 1024;
/// A sequence number that is further off than this begins a new numbering (RFC 3550 A.1).
const DROPOUT: i64 = 3000;

/// What the assembler needs of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// When it arrived, or when it was sent.
    pub at: RunTime,
    /// Its header and payload.
    pub rtp: Rtp<'a>,
}

/// One frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Counts the SSRCs of the stream, and restarts of the numbering.
    pub segment: u32,
    /// RTP timestamp without wraps within the segment; the origin is any.
    pub timestamp: i64,
    /// Sequence numbers of its first and last packet that arrived, without wraps within the segment.
    pub sequence: (i64, i64),
    /// When the first packet arrived.
    pub first_at: RunTime,
    /// When the last packet arrived.
    pub at: RunTime,
    /// Packets that arrived, duplicates not counted.
    pub packets: u32,
    /// Payload octets that arrived.
    pub octets: u64,
    /// Every packet arrived.
    pub complete: bool,
    /// Nothing is missing between the frame before and this one.
    pub continuous: bool,
    /// Whether it can be decoded without an earlier one.
    pub key: bool,
    /// Whether later frames may refer to it.
    pub reference: bool,
    /// Whether it brings its own parameters (H.264: a sequence parameter set).
    pub parameters: bool,
    /// Width and height in pixels, where the frame tells.
    pub size: Option<(u32, u32)>,
    /// The mark of our own sender, if the packet with it arrived.
    pub signature: Option<Signature>,
    /// The elementary stream of a complete frame, where the assembler keeps it.
    pub stream: Option<Vec<u8>>,
}

/// Puts the frames of one stream together. Give packets in order of arrival.
#[derive(Debug)]
pub struct Assembler {
    codec: Codec,
    keeps: bool,
    ssrc: Option<u32>,
    segment: u32,
    highest: Option<(i64, i64)>,
    doubtful: Option<u16>,
    open: BTreeMap<(u32, i64), Open>,
    /// Last packet of the last frame that was decided.
    last: Option<(u32, i64)>,
    seen: VecDeque<(u32, i64)>,
    duplicates: u64,
    late: u64,
}

#[derive(Debug)]
struct Open {
    first_at: RunTime,
    at: RunTime,
    pieces: BTreeMap<i64, Piece>,
}

#[derive(Debug)]
struct Piece {
    part: Part,
    marker: bool,
    octets: usize,
    payload: Option<Vec<u8>>,
}

impl Assembler {
    /// An assembler that has seen nothing. With `keeps`, complete frames carry their elementary stream.
    #[must_use]
    pub fn new(codec: Codec, keeps: bool) -> Assembler {
        Assembler {
            codec,
            keeps,
            ssrc: None,
            segment: 0,
            highest: None,
            doubtful: None,
            open: BTreeMap::new(),
            last: None,
            seen: VecDeque::new(),
            duplicates: 0,
            late: 0,
        }
    }

    /// Packets that came twice.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Packets that came after their frame had been given up.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Takes a packet in; returns the frames that are decided now.
    pub fn push(&mut self, packet: &Packet<'_>) -> Vec<Frame> {
        let Some(part) = self.codec.inspect(packet.rtp.payload) else { return Vec::new() };
        let Some((sequence, timestamp)) = self.place(&packet.rtp) else { return Vec::new() };
        if self.seen.contains(&(self.segment, sequence)) {
            self.duplicates += 1;
            return Vec::new();
        }
        self.remember(sequence);
        if self.last.is_some_and(|(segment, last)| segment == self.segment && sequence <= last) {
            self.late += 1;
            return Vec::new();
        }
        let piece = Piece {
            part,
            marker: packet.rtp.marker,
            octets: packet.rtp.payload.len(),
            payload: self.keeps.then(|| packet.rtp.payload.to_vec()),
        };
        let fresh = || Open { first_at: packet.at, at: packet.at, pieces: BTreeMap::new() };
        let open = self.open.entry((self.segment, timestamp)).or_insert_with(fresh);
        open.at = packet.at;
        open.pieces.insert(sequence, piece);
        self.decided(packet.at)
    }

    /// No further packet comes: all frames that are open, in order.
    pub fn finish(&mut self) -> Vec<Frame> {
        let keys: Vec<(u32, i64)> = self.open.keys().copied().collect();
        keys.into_iter().filter_map(|key| self.decide(key)).collect()
    }

    /// Sequence number and timestamp without wraps. A new SSRC begins a new segment, and so does a number far
    /// off whose successor follows.
    fn place(&mut self, rtp: &Rtp<'_>) -> Option<(i64, i64)> {
        if self.ssrc.replace(rtp.ssrc) != Some(rtp.ssrc) {
            self.restart(false);
        }
        let Some((highest, timestamp)) = self.highest else {
            return Some(self.advance(i64::from(rtp.sequence), i64::from(rtp.timestamp)));
        };
        let distance = i64::from(rtp.sequence.wrapping_sub(highest as u16).cast_signed());
        if distance.abs() > DROPOUT {
            if self.doubtful.replace(rtp.sequence.wrapping_add(1)) != Some(rtp.sequence) {
                return None;
            }
            self.restart(true);
            return Some(self.advance(i64::from(rtp.sequence), i64::from(rtp.timestamp)));
        }
        self.doubtful = None;
        let step = i64::from(rtp.timestamp.wrapping_sub(timestamp as u32).cast_signed());
        let place = (highest + distance, timestamp + step);
        if distance > 0 {
            self.highest = Some(place);
        }
        Some(place)
    }

    fn advance(&mut self, sequence: i64, timestamp: i64) -> (i64, i64) {
        self.highest = Some((sequence, timestamp));
        (sequence, timestamp)
    }

    fn restart(&mut self, same_source: bool) {
        self.segment += u32::from(same_source || self.highest.is_some());
        self.highest = None;
        self.doubtful = None;
    }

    fn remember(&mut self, sequence: i64) {
        if self.seen.len() >= REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back((self.segment, sequence));
    }

    fn decided(&mut self, now: RunTime) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some((&key, open)) = self.open.first_key_value() {
            let whole = (self.begins(key.0) || self.follows(key.0, open)) && open.is_complete();
            let overtaken = self.open.values().nth(1).is_some_and(|next| now - next.first_at > REORDERING);
            if !whole && !overtaken && self.open.len() <= MOST_OPEN {
                break;
            }
            frames.extend(self.decide(key));
        }
        frames
    }

    /// Whether no frame of this numbering was decided yet.
    fn begins(&self, segment: u32) -> bool {
        self.last.is_none_or(|(last, _)| last != segment)
    }

    /// Whether the packet before this frame's first one is the last of the frame before.
    fn follows(&self, segment: u32, open: &Open) -> bool {
        let first = open.pieces.first_key_value().map(|(sequence, _)| *sequence);
        self.last.is_some_and(|last| first.is_some_and(|first| last == (segment, first - 1)))
            || (self.last.is_none() && open.is_complete())
    }

    fn decide(&mut self, key: (u32, i64)) -> Option<Frame> {
        let open = self.open.remove(&key)?;
        let continuous = self.follows(key.0, &open);
        let (first, last) = (*open.pieces.first_key_value()?.0, *open.pieces.last_key_value()?.0);
        self.last = Some((key.0, last));
        let complete = open.is_complete();
        let parts = || open.pieces.values().map(|piece| &piece.part);
        let payloads: Vec<&[u8]> = open.pieces.values().filter_map(|piece| piece.payload.as_deref()).collect();
        Some(Frame {
            segment: key.0,
            timestamp: key.1,
            sequence: (first, last),
            first_at: open.first_at,
            at: open.at,
            packets: open.pieces.len() as u32,
            octets: open.pieces.values().map(|piece| piece.octets as u64).sum(),
            complete,
            continuous,
            key: parts().any(|part| part.key),
            reference: parts().any(|part| part.reference),
            parameters: parts().any(|part| part.parameters),
            size: parts().find_map(|part| part.size),
            signature: parts().find_map(|part| part.signature),
            stream: (self.keeps && complete).then(|| self.codec.depacketize(&payloads)).flatten(),
        })
    }
}

impl Open {
    fn is_complete(&self) -> bool {
        let (Some((first, start)), Some((last, end))) = (self.pieces.first_key_value(), self.pieces.last_key_value())
        else {
            return false;
        };
        let all = last - first + 1 == self.pieces.len() as i64;
        all && start.part.starts && end.marker && self.pieces.values().any(|piece| piece.part.picture)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `frames` frames of three packets, 40 ms apart, the first a key frame; each packet 1 ms after the other.
    fn packets(frames: u16) -> Vec<(RunTime, Vec<u8>, u16, u32, bool)> {
        let mut all = Vec::new();
        for frame in 0..frames {
            for piece in 0..3u16 {
                let at = RunTime::from_millis(i64::from(frame) * 40 + i64::from(piece));
                let head = [if piece == 0 { 0x10 } else { 0 }, u8::from(frame != 0), 1];
                let sequence = 65_530u16.wrapping_add(frame * 3 + piece);
                all.push((
                    at,
                    head.to_vec(),
                    sequence,
                    (u32::MAX - 4000).wrapping_add(u32::from(frame) * 3600),
                    piece == 2,
                ));
            }
        }
        all
    }

    fn frames_of(packets: &[(RunTime, Vec<u8>, u16, u32, bool)], ssrc: u32) -> Vec<Frame> {
        let mut assembler = Assembler::new(Codec::Vp8, true);
        let mut frames = Vec::new();
        for (at, payload, sequence, timestamp, marker) in packets {
            let (sequence, timestamp) = (*sequence, *timestamp);
            let rtp = Rtp { payload_type: 96, marker: *marker, sequence, timestamp, ssrc, payload };
            frames.extend(assembler.push(&Packet { at: *at, rtp }));
        }
        frames.extend(assembler.finish());
        frames
    }

    #[test]
    fn a_whole_stream_gives_whole_frames_over_both_wraps() {
        let frames = frames_of(&packets(10), 1);
        assert_eq!(frames.len(), 10);
        assert!(frames.iter().all(|frame| frame.complete && frame.continuous && frame.packets == 3));
        assert_eq!((frames[0].key, frames[1].key), (true, false));
        assert_eq!(frames[9].timestamp - frames[0].timestamp, 9 * 3600);
        assert_eq!(frames[4].stream.as_deref(), Some(&[1, 1, 1, 1, 1, 1][..]));
    }

    #[test]
    fn a_lost_packet_spoils_its_frame_and_a_lost_frame_breaks_the_chain() {
        let all = packets(10);
        let without = |lost: std::ops::Range<usize>| {
            let kept: Vec<_> =
                all.iter().enumerate().filter(|(at, _)| !lost.contains(at)).map(|(_, p)| p.clone()).collect();
            frames_of(&kept, 1)
        };
        for at in [12, 13, 14] {
            let frames = without(at..at + 1);
            assert_eq!(frames.iter().map(|frame| frame.complete).filter(|whole| !whole).count(), 1, "packet {at}");
            assert!(!frames[4].complete, "packet {at}");
        }
        let frames = without(12..15);
        assert_eq!(frames.len(), 9);
        assert!(frames.iter().all(|frame| frame.complete));
        assert_eq!(frames.iter().position(|frame| !frame.continuous), Some(4));
    }

    #[test]
    fn a_new_source_is_a_new_segment() {
        let all = packets(4);
        let mut assembler = Assembler::new(Codec::Vp8, false);
        let mut frames = Vec::new();
        for (at, payload, sequence, timestamp, marker) in &all {
            let ssrc = if *at < RunTime::from_millis(80) { 1 } else { 2 };
            let rtp =
                Rtp { payload_type: 96, marker: *marker, sequence: *sequence, timestamp: *timestamp, ssrc, payload };
            frames.extend(assembler.push(&Packet { at: *at, rtp }));
        }
        let seen: Vec<_> = frames.iter().map(|frame| (frame.segment, frame.complete, frame.continuous)).collect();
        assert_eq!(seen, [(0, true, true), (0, true, true), (1, true, false), (1, true, true)]);
    }

    proptest! {
        /// Whatever the order within 50 ms and whatever comes twice, the frames are the same.
        #[test]
        fn reordering_and_duplicates_change_no_frame(
            delays in proptest::collection::vec(0i64..25, 45), twice in proptest::collection::vec(0usize..45, 0..6)
        ) {
            let mut sent = packets(15);
            for (packet, delay) in sent.iter_mut().zip(&delays) {
                packet.0 += Span::from_millis(*delay);
            }
            let mut sent: Vec<_> = twice.iter().map(|at| sent[*at].clone()).chain(sent.clone()).collect();
            // The very first packet opens the numbering.
            sent.sort_by_key(|packet| (packet.2 != 65_530, packet.0));
            let frames = frames_of(&sent, 1);
            prop_assert_eq!(frames.len(), 15);
            prop_assert!(frames.iter().all(|frame| frame.complete && frame.continuous));
        }

        #[test]
        fn hostile_numbers_do_not_panic(
            packets in proptest::collection::vec((any::<u16>(), any::<u32>(), 0u32..3, any::<bool>()), 0..200)
        ) {
            let mut assembler = Assembler::new(Codec::H264, true);
            for (place, (sequence, timestamp, ssrc, marker)) in packets.into_iter().enumerate() {
                let rtp = Rtp { payload_type: 96, marker, sequence, timestamp, ssrc, payload: &[0x65, 0x88] };
                assembler.push(&Packet { at: RunTime(place as i64), rtp });
            }
            assembler.finish();
        }
    }
}
