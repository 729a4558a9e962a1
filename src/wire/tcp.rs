//! One direction of a TCP connection put together from captured segments (RFC 9293 §3.4, §3.10.7.4).
//!
//! Segments may come out of order, twice, overlapping, or not at all. What came first counts. A hole that the far
//! side acknowledged was not captured: it is skipped, and told as one. A hole that nobody acknowledged waits for
//! its retransmission, as the receiver waits, up to the limits of [`limits`](super::limits).

use std::collections::BTreeMap;

use super::limits::{MOST_WAITING, MOST_WAITING_PIECES};
use crate::units::RunTime;

/// No more from this side.
pub const FIN: u8 = 1;
/// Begins a connection.
pub const SYN: u8 = 2;
/// Breaks it.
pub const RST: u8 = 4;
/// The acknowledgment number counts.
pub const ACK: u8 = 16;

/// What comes out, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The next octets.
    Octets {
        /// When they were captured.
        came: RunTime,
        /// When the receiver could read them: not before all that stands in front of them had come.
        read: RunTime,
        /// They.
        octets: &'a [u8],
    },
    /// So many octets are missing here.
    Hole(u64),
}

/// One direction.
#[derive(Debug, Default)]
pub struct Reassembly {
    /// The next octet, as a sequence number that does not wrap.
    next: Option<u64>,
    /// Up to here the far side has everything.
    acknowledged: u64,
    /// What came too early, by sequence number.
    waiting: BTreeMap<u64, (RunTime, Vec<u8>)>,
    waiting_octets: usize,
}

impl Reassembly {
    /// Takes a segment of this direction. `sequence` is that of its first octet, a SYN counted.
    pub fn push(&mut self, at: RunTime, sequence: u32, flags: u8, payload: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
        let first = sequence.wrapping_add(u32::from(flags & SYN != 0));
        let start = self.unwrap(first);
        if payload.is_empty() {
            return;
        }
        let next = self.next.unwrap_or(start);
        if start > next {
            self.wait(at, start, payload);
            return self.skip_holes(out);
        }
        let seen = usize::try_from(next - start).unwrap_or(usize::MAX);
        if let Some(fresh) = payload.get(seen..).filter(|fresh| !fresh.is_empty()) {
            out(Piece::Octets { came: at, read: at, octets: fresh });
            self.next = Some(next + fresh.len() as u64);
            self.drain(Some(at), out);
        }
        self.skip_holes(out);
    }

    /// Takes the acknowledgment number of a segment of the other direction.
    pub fn acknowledge(&mut self, number: u32, out: &mut dyn FnMut(Piece<'_>)) {
        if self.next.is_some() {
            let number = self.unwrap(number);
            self.acknowledged = self.acknowledged.max(number);
            self.skip_holes(out);
        }
    }

    /// Nothing more will come: what waits is given, with its holes.
    pub fn finish(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        while !self.waiting.is_empty() {
            self.skip_hole(out);
        }
    }

    /// Octets that wait for earlier ones.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting_octets
    }

    /// The sequence number nearest to the next one. The first begins the count, one turn above zero so that what
    /// came before it has a number too.
    fn unwrap(&mut self, sequence: u32) -> u64 {
        let next = *self.next.get_or_insert((1 << 32) | u64::from(sequence));
        let distance = sequence.wrapping_sub(next as u32).cast_signed();
        next.saturating_add_signed(distance.into())
    }

    fn wait(&mut self, at: RunTime, start: u64, payload: &[u8]) {
        let known = self.waiting.get(&start).map_or(0, |(_, octets)| octets.len());
        if payload.len() > known {
            self.waiting_octets += payload.len() - known;
            self.waiting.insert(start, (at, payload.to_vec()));
        }
    }

    /// Skips holes that were not captured, and those for which too much waits.
    fn skip_holes(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        while let Some((&start, _)) = self.waiting.first_key_value() {
            let full = self.waiting_octets > MOST_WAITING || self.waiting.len() > MOST_WAITING_PIECES;
            if start > self.acknowledged && !full {
                return;
            }
            self.skip_hole(out);
        }
    }

    fn skip_hole(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        let (Some((&start, _)), Some(next)) = (self.waiting.first_key_value(), self.next) else { return };
        if start > next {
            out(Piece::Hole(start - next));
            self.next = Some(start);
        }
        self.drain(None, out);
    }

    /// Gives what waits and is due. It could be read when the hole was filled, or, where the hole was only one of
    /// the capture, when it came.
    fn drain(&mut self, filled: Option<RunTime>, out: &mut dyn FnMut(Piece<'_>)) {
        while let Some(entry) = self.waiting.first_entry() {
            let (start, next) = (*entry.key(), self.next.unwrap_or_default());
            if start > next {
                return;
            }
            let (came, octets) = entry.remove();
            self.waiting_octets -= octets.len();
            let seen = usize::try_from(next - start).unwrap_or(usize::MAX);
            if let Some(fresh) = octets.get(seen..).filter(|fresh| !fresh.is_empty()) {
                out(Piece::Octets { came, read: filled.unwrap_or(came), octets: fresh });
                self.next = Some(next + fresh.len() as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What came out: octets one after the other, holes as their lengths.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Out {
        octets: Vec<u8>,
        holes: Vec<u64>,
        times: Vec<i64>,
        came: Vec<i64>,
    }

    impl Out {
        fn take(&mut self, piece: Piece<'_>) {
            match piece {
                Piece::Octets { came, read, octets } => {
                    self.octets.extend(octets);
                    self.times.push(read.as_nanos());
                    self.came.push(came.as_nanos());
                }
                Piece::Hole(length) => self.holes.push(length),
            }
        }
    }

    fn stream() -> Vec<u8> {
        (0..=255).collect()
    }

    proptest! {
        /// A receiver's view: any order, any overlap and any repetition give the stream that was sent.
        #[test]
        fn segments_in_any_order_make_the_stream(
            initial in any::<u32>(),
            mut cuts in proptest::collection::vec((0usize..256, 1usize..60), 1..60),
        ) {
            let stream = stream();
            // Whatever the cuts leave out comes last, so that all is there in the end.
            cuts.extend((0..256).step_by(32).map(|start| (start, 32)));
            let mut reassembly = Reassembly::default();
            let mut out = Out::default();
            reassembly.push(RunTime::ZERO, initial, SYN, &[], &mut |piece| out.take(piece));
            for (start, length) in cuts {
                let end = (start + length).min(256);
                let sequence = initial.wrapping_add(1 + start as u32);
                reassembly.push(RunTime::ZERO, sequence, ACK, &stream[start..end], &mut |piece| out.take(piece));
            }
            prop_assert_eq!(&out.octets, &stream);
            prop_assert_eq!((out.holes.len(), reassembly.waiting()), (0, 0));
        }
    }

    #[test]
    fn a_hole_that_was_acknowledged_was_not_captured() {
        let (stream, mut out, mut reassembly) = (stream(), Out::default(), Reassembly::default());
        let initial = u32::MAX - 20;
        reassembly.push(RunTime(1), initial, ACK, &stream[..10], &mut |piece| out.take(piece));
        reassembly.push(RunTime(2), initial.wrapping_add(30), ACK, &stream[30..40], &mut |piece| out.take(piece));
        assert_eq!((out.octets.len(), out.holes.len()), (10, 0));
        reassembly.acknowledge(initial.wrapping_add(40), &mut |piece| out.take(piece));
        assert_eq!((out.octets.len(), out.holes.as_slice(), out.times.as_slice()), (20, &[20][..], &[1, 2][..]));
    }

    #[test]
    fn what_waited_for_a_retransmission_could_be_read_when_that_came() {
        let (stream, mut out, mut reassembly) = (stream(), Out::default(), Reassembly::default());
        for (at, start) in [(1, 0), (2, 20), (700, 10)] {
            let segment = &stream[start..start + 10];
            reassembly.push(RunTime(at), start as u32, ACK, segment, &mut |piece| out.take(piece));
        }
        assert_eq!((out.octets.len(), out.times.as_slice()), (30, &[1, 700, 700][..]));
        assert_eq!(out.came, [1, 700, 2]);
    }

    #[test]
    fn a_hole_is_skipped_when_too_much_waits_for_it_or_nothing_more_comes() {
        let (mut out, mut reassembly) = (Out::default(), Reassembly::default());
        reassembly.push(RunTime::ZERO, 0, SYN, &[], &mut |piece| out.take(piece));
        let segment = vec![7; 65_000];
        for k in 0..20u32 {
            let sequence = 101 + k * 65_000;
            reassembly.push(RunTime::ZERO, sequence, ACK, &segment, &mut |piece| out.take(piece));
            assert!(reassembly.waiting() <= MOST_WAITING);
        }
        assert_eq!((out.holes.as_slice(), out.octets.len()), (&[100][..], 20 * 65_000));
        reassembly.push(RunTime::ZERO, 2_000_000, ACK, b"late", &mut |piece| out.take(piece));
        reassembly.finish(&mut |piece| out.take(piece));
        assert_eq!((out.holes.len(), out.octets.len()), (2, 20 * 65_000 + 4));
    }

    #[test]
    fn single_octets_are_bounded_by_their_number() {
        let mut reassembly = Reassembly::default();
        reassembly.push(RunTime::ZERO, 0, SYN, &[], &mut |_| {});
        for k in 0..10_000u32 {
            reassembly.push(RunTime::ZERO, 10 + 2 * k, ACK, b"x", &mut |_| {});
            assert!(reassembly.waiting.len() <= MOST_WAITING_PIECES);
        }
    }
}
