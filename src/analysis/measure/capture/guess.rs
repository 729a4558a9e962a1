//! Video that no session description announced, told from everything else by its structure.
//!
//! A dynamic payload type means nothing by itself (RFC 3551 §6), and voice must not become video. So a flow counts as
//! video only when every payload keeps the rules of the codec's format, one of them holds what nothing else has by chance
//! (a sequence parameter set, the start code of a key frame), the markers stand where the timestamps change, frames are
//! larger than a packet, and the timestamps run at 90 kHz by the capture's clock. Until then its packets are read as
//! sound too.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::streams::Flow;
use super::video::Collected;
use crate::units::RunTime;
use crate::wire::limits::{MOST_SOURCES, MOST_VIDEO_FLOWS};
use crate::wire::rtp::Rtp;
use crate::wire::video::{CLOCK_RATE, Codec, Frame, Structure};

/// Fewer whole frames than this prove nothing.
const LEAST_FRAMES: usize = 10;
/// Neighbours by sequence number after which it is clear whether their order is that of video.
const CLEAR: u32 = 40;
/// Of a hundred neighbours so many have the order of video: a few senders set no marker behind parameter sets.
const ORDERED_PERCENT: u32 = 95;
/// The media's clock may differ from the capture's by this share: a stream may begin or end in a burst.
const CLOCK_SHARE: f64 = 0.1;
/// A shorter stream does not tell its clock.
const LEAST_SECONDS: f64 = 0.3;

/// Flows with a payload type that nobody announced.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// By flow and payload type: what it can still be. Empty for what it was found not to be.
    flows: BTreeMap<(Flow, u8), Vec<Suspicion>>,
    open: usize,
}

/// One flow, read as one codec.
#[derive(Debug)]
struct Suspicion {
    collected: Collected,
    codec: Codec,
    proven: bool,
    neighbours: u32,
    ordered: u32,
    last: Option<Last>,
}

/// The packet before.
#[derive(Clone, Copy, Debug)]
struct Last {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    structure: Structure,
}

impl Suspects {
    /// Takes a packet of a payload type that nobody announced.
    pub(super) fn packet(&mut self, at: RunTime, flow: Flow, rtp: &Rtp<'_>) {
        let room = self.flows.len() < MOST_SOURCES && self.open < MOST_VIDEO_FLOWS;
        let suspicions = match self.flows.entry((flow, rtp.payload_type)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) if room => {
                self.open += 1;
                new.insert([Codec::H264, Codec::Vp8].map(|codec| Suspicion::new(codec, rtp.payload_type)).into())
            }
            Entry::Vacant(_) => return,
        };
        if suspicions.is_empty() || rtp.payload.is_empty() {
            return;
        }
        suspicions.retain_mut(|suspicion| suspicion.packet(at, rtp));
        if suspicions.is_empty() {
            // Room for the next ones; that this one is none stays known.
            suspicions.shrink_to_fit();
            self.open -= 1;
        }
    }

    /// Those that are video.
    pub(super) fn confirmed(self) -> impl Iterator<Item = (Flow, Collected)> {
        let flows = self.flows.into_iter();
        flows.filter_map(|((flow, _), suspicions)| {
            let found = suspicions.into_iter().find_map(Suspicion::confirmed)?;
            Some((flow, found))
        })
    }
}

impl Suspicion {
    fn new(codec: Codec, payload_type: u8) -> Suspicion {
        let collected = Collected::guessed(codec, payload_type, reason(codec));
        Suspicion { collected, codec, proven: false, neighbours: 0, ordered: 0, last: None }
    }

    /// Takes a packet; false when this cannot be the codec.
    fn packet(&mut self, at: RunTime, rtp: &Rtp<'_>) -> bool {
        let Some(structure) = Structure::of(self.codec, rtp.payload) else { return false };
        self.proven |= structure.proof;
        let Rtp { ssrc, sequence, timestamp, marker, .. } = *rtp;
        if let Some(last) = self.last.filter(|last| last.ssrc == ssrc && last.sequence.wrapping_add(1) == sequence) {
            let ends = timestamp != last.timestamp;
            self.neighbours += 1;
            self.ordered += u32::from(ends == last.marker && structure.may_follow(&last.structure));
        }
        self.last = Some(Last { ssrc, sequence, timestamp, marker, structure });
        self.collected.packet(at, rtp);
        self.neighbours < CLEAR || self.in_order()
    }

    fn in_order(&self) -> bool {
        u64::from(self.ordered) * 100 >= u64::from(self.neighbours) * u64::from(ORDERED_PERCENT)
    }

    fn confirmed(mut self) -> Option<Collected> {
        self.collected.finish();
        let frames = self.collected.frames();
        let whole = frames.iter().filter(|frame| frame.complete).count();
        let large = frames.iter().any(|frame| frame.packets > 1);
        let is_video = self.proven
            && self.in_order()
            && large
            && whole >= LEAST_FRAMES
            && whole * 2 >= frames.len()
            && keeps_time(frames);
        is_video.then_some(self.collected)
    }
}

/// Whether the timestamps of the longest numbering run at 90 kHz by the capture's clock.
fn keeps_time(frames: &[Frame]) -> bool {
    let runs = frames.chunk_by(|before, after| before.segment == after.segment);
    let Some([first, .., last]) = runs.max_by_key(|run| run.len()) else { return false };
    let passed = (last.first_at - first.first_at).as_secs_f64();
    let media = (last.timestamp - first.timestamp) as f64 / f64::from(CLOCK_RATE);
    passed >= LEAST_SECONDS && (media - passed).abs() <= CLOCK_SHARE * passed
}

fn reason(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => {
            "no session description: known by the structure of its payloads (RFC 6184) and a clock of 90 kHz"
        }
        Codec::Vp8 => "no session description: known by the structure of its payloads (RFC 7741) and a clock of 90 kHz",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::pcap::Sense;
    use crate::wire::video::{h264, vp8};

    fn flow() -> Flow {
        let end = |address: &str| address.parse().unwrap();
        Flow { source: end("10.0.0.1:4000"), destination: end("10.0.0.2:4000"), sense: Sense::Unknown }
    }

    /// What is found in frames of payloads, each frame `step` timestamp units and `ms` milliseconds after the one before.
    fn found(frames: &[Vec<Vec<u8>>], step: u32, ms: i64) -> Vec<Codec> {
        let mut suspects = Suspects::default();
        let mut sequence = 65_530u16;
        for (number, payloads) in (0u32..).zip(frames) {
            for (place, payload) in payloads.iter().enumerate() {
                let marker = place + 1 == payloads.len();
                let timestamp = (u32::MAX - 9000).wrapping_add(number.wrapping_mul(step));
                let rtp = Rtp { payload_type: 96, marker, sequence, timestamp, ssrc: 7, payload };
                suspects.packet(RunTime::from_millis(i64::from(number) * ms), flow(), &rtp);
                sequence = sequence.wrapping_add(1);
            }
        }
        suspects.confirmed().map(|(_, collected)| collected.codec()).collect()
    }

    /// 640 × 480 as `wire::video::sps` has it, then slices; a key frame each ten frames.
    fn h264_frames(sets: bool, mode: h264::Mode) -> Vec<Vec<Vec<u8>>> {
        let slice = |key: bool| [&[if key { 0x65 } else { 0x41 }, 0x88][..], &[7; 1500]].concat();
        let frame = |number: u32| {
            let slice = slice(number.is_multiple_of(10));
            let sets: &[&[u8]] = if sets && number.is_multiple_of(10) { &[&SPS, &[0x68, 0xce, 0x3c]] } else { &[] };
            h264::packetize(&[sets, &[&slice]].concat(), mode, 1200)
        };
        (0..40).map(frame).collect()
    }

    const SPS: [u8; 9] = [0x67, 66, 0, 30, 0xda, 0x02, 0x80, 0xf6, 0x40];

    fn vp8_frames() -> Vec<Vec<Vec<u8>>> {
        let frame = |number: u16| {
            let key: &[u8] = &[0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0];
            let head = if number.is_multiple_of(10) { key } else { &[0x11, 0, 0] };
            vp8::packetize(&[head, &[9; 1500]].concat(), number, 1200)
        };
        (0..40).map(frame).collect()
    }

    #[test]
    fn both_codecs_are_known_and_not_by_another_clock() {
        assert_eq!(found(&h264_frames(true, h264::Mode::NonInterleaved), 3600, 40), [Codec::H264]);
        assert_eq!(found(&h264_frames(true, h264::Mode::SingleUnit), 3600, 40), [Codec::H264]);
        assert_eq!(found(&vp8_frames(), 6000, 66), [Codec::Vp8]);
        // The same octets on the clock of Opus; and without what proves the codec.
        assert!(found(&h264_frames(true, h264::Mode::NonInterleaved), 1920, 40).is_empty());
        assert!(found(&h264_frames(false, h264::Mode::NonInterleaved), 3600, 40).is_empty());
    }

    #[test]
    fn a_payload_that_breaks_the_rules_ends_the_suspicion() {
        let mut frames = h264_frames(true, h264::Mode::NonInterleaved);
        frames[20][0][0] |= 0x80;
        assert!(found(&frames, 3600, 40).is_empty());
    }

    #[test]
    fn too_little_is_not_enough() {
        let frames = h264_frames(true, h264::Mode::NonInterleaved);
        assert!(found(&frames[..9], 3600, 40).is_empty());
        assert_eq!(found(&frames[..12], 3600, 40), [Codec::H264]);
    }

    proptest! {
        /// Voice of any codec has one payload a timestamp: Opus (TOC octet and anything), G.722 and G.711 (anything),
        /// comfort noise (a level and a few coefficients), even when it begins as H.264 or VP8 does, and on any clock.
        #[test]
        fn voice_is_no_video(
            heads in proptest::collection::vec(prop_oneof![
                any::<[u8; 4]>(), Just([0x67, 66, 0, 30]), Just([0x65, 0x88, 0, 0]), Just([0x41, 0x9a, 0, 0]), Just([0x10, 0x10, 0, 0])
            ], 1..80),
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..20),
            (step, ms) in prop_oneof![Just((960u32, 20i64)), Just((160, 20)), Just((320, 20)), Just((1800, 20)), Just((3600, 40))],
            sets: bool
        ) {
            let payload = |(number, head): (usize, &[u8; 4])| {
                let body = &bodies[number % bodies.len()];
                let set = sets && number == 0;
                vec![if set { SPS.to_vec() } else { [&head[..], body].concat() }]
            };
            let frames: Vec<Vec<Vec<u8>>> = heads.iter().enumerate().map(payload).collect();
            prop_assert!(found(&frames, step, ms).is_empty());
        }

        /// Encrypted payloads (RFC 3711) look like nothing, however they are cut into packets.
        #[test]
        fn what_is_encrypted_is_no_video(
            frames in proptest::collection::vec(proptest::collection::vec(proptest::collection::vec(any::<u8>(), 20..40), 1..4), 12..40)
        ) {
            prop_assert!(found(&frames, 3600, 40).is_empty());
        }
    }
}
