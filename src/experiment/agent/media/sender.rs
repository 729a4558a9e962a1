//! The sending side of one stream: a packet each interval from the first instant on, signed.

use std::net::SocketAddr;

use rtcp_types::{Compound, RtcpPacketWriterExt, Sdes, SdesChunk, SdesItem, SenderReport};
use rtp_rs::{RtpPacketBuilder, Seq};

use super::audio::{CLOCK_RATE, tone};
use super::reception::Reception;
use crate::evidence::history::Direction;
use crate::units::{RunTime, Span};
use crate::wire::signature::Signature;

/// Seconds between 1900 (NTP) and 1970 (Unix).
const NTP_UNIX: u64 = 2_208_988_800;

/// What a stream is made of.
#[derive(Clone, Debug)]
pub struct SenderConfig {
    /// Number in the signature.
    pub stream: u32,
    /// The call that it belongs to.
    pub call: u64,
    /// Who listens.
    pub direction: Direction,
    /// `PCMA` or `PCMU`.
    pub codec: String,
    /// Payload type negotiated.
    pub payload_type: u8,
    /// Packet interval.
    pub ptime: Span,
    /// Our socket.
    pub local: SocketAddr,
    /// Where it goes.
    pub remote: SocketAddr,
    /// SSRC, initial sequence number and timestamp come from it (RFC 3550 §5.1 wants them random).
    pub seed: u64,
}

/// The sending side of one stream.
#[derive(Debug)]
pub struct Sender {
    config: SenderConfig,
    start: RunTime,
    index: u32,
    ssrc: u32,
    first_sequence: u16,
    first_timestamp: u32,
    samples: u32,
    payload: Vec<u8>,
    packets: u32,
}

impl Sender {
    /// A stream whose first packet is due at `start`.
    #[must_use]
    pub fn new(config: SenderConfig, start: RunTime) -> Sender {
        let random = scramble(config.seed ^ u64::from(config.stream) << 32);
        let samples = (config.ptime.as_nanos() * i64::from(CLOCK_RATE) / 1_000_000_000) as u32;
        let payload = tone(&config.codec, samples as usize);
        Sender {
            start,
            index: 0,
            ssrc: random as u32,
            first_sequence: (random >> 32) as u16,
            first_timestamp: (random >> 24) as u32,
            samples,
            payload,
            packets: 0,
            config,
        }
    }

    /// What it was made of, with the remote address as last updated.
    #[must_use]
    pub fn config(&self) -> &SenderConfig {
        &self.config
    }

    /// The SSRC.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// When the next packet is due.
    #[must_use]
    pub fn due(&self) -> RunTime {
        self.start + Span(self.config.ptime.as_nanos() * i64::from(self.index))
    }

    /// Sends to `remote` from now on (a re-INVITE moved the media).
    pub fn redirect(&mut self, remote: SocketAddr) {
        self.config.remote = remote;
    }

    /// The packet that is due, written into `buffer`; its length.
    pub fn packet(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let signature = Signature { stream: self.config.stream, index: self.index, due: self.due() };
        signature.write(&mut self.payload);
        let built = RtpPacketBuilder::new()
            .payload_type(self.config.payload_type)
            .marked(self.index == 0)
            .sequence(Seq::from(self.first_sequence.wrapping_add(self.index as u16)))
            .timestamp(self.timestamp(self.index))
            .ssrc(self.ssrc)
            .payload(&self.payload)
            .build_into(buffer)
            .ok();
        self.index += 1;
        self.packets += u32::from(built.is_some());
        built
    }

    /// Passes over the packet that is due: it comes too late to be worth sending. Its index is a hole.
    pub fn skip(&mut self) {
        self.index += 1;
    }

    /// RFC 3550 §6.4.1: a sender report with what was received meanwhile, and the CNAME.
    #[must_use]
    pub fn report(&self, now: RunTime, wall_unix_ns: i64, reception: Option<&mut Reception>) -> Option<Vec<u8>> {
        let wall = wall_unix_ns.max(0).unsigned_abs();
        let fraction = ((wall % 1_000_000_000) << 32) / 1_000_000_000;
        let elapsed = (now - self.start).as_nanos() * i64::from(CLOCK_RATE) / 1_000_000_000;
        let mut report = SenderReport::builder(self.ssrc)
            .ntp_timestamp((wall / 1_000_000_000 + NTP_UNIX) << 32 | fraction)
            .rtp_timestamp(self.first_timestamp.wrapping_add(elapsed as u32))
            .packet_count(self.packets)
            .octet_count(self.packets.wrapping_mul(self.payload.len() as u32));
        if let Some(block) = reception.and_then(|reception| reception.report_block(now)) {
            report = report.add_report_block(block);
        }
        let cname = format!("{}@{}", self.config.call, self.config.local.ip());
        let chunk = SdesChunk::builder(self.ssrc).add_item_owned(SdesItem::builder(SdesItem::CNAME, &cname));
        let compound = Compound::builder().add_packet(report).add_packet(Sdes::builder().add_chunk(chunk));
        let mut buffer = vec![0; 256];
        let length = compound.write_into(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    fn timestamp(&self, index: u32) -> u32 {
        self.first_timestamp.wrapping_add(index.wrapping_mul(self.samples))
    }
}

/// SplitMix64: spreads a seed over all bits.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp_rs::RtpReader;

    fn sender(ptime_ms: i64) -> Sender {
        let config = SenderConfig {
            stream: 3,
            call: 9,
            direction: Direction::ToCallee,
            codec: "PCMA".into(),
            payload_type: 8,
            ptime: Span::from_millis(ptime_ms),
            local: "127.0.0.1:4000".parse().unwrap(),
            remote: "127.0.0.1:5000".parse().unwrap(),
            seed: 1,
        };
        Sender::new(config, RunTime::from_millis(100))
    }

    #[test]
    fn packets_are_signed_and_their_clocks_run_together() {
        let mut sender = sender(20);
        let mut buffer = [0; 300];
        let mut seen = Vec::new();
        for _ in 0..3 {
            let length = sender.packet(&mut buffer).unwrap();
            let packet = RtpReader::new(&buffer[..length]).unwrap();
            let mark = Signature::read(packet.payload()).unwrap();
            seen.push((u16::from(packet.sequence_number()), packet.timestamp(), mark.index, mark.due));
            assert_eq!(packet.payload().len(), 160);
        }
        assert_eq!(seen[2].0.wrapping_sub(seen[0].0), 2);
        assert_eq!(seen[2].1.wrapping_sub(seen[0].1), 320);
        assert_eq!((seen[2].2, seen[2].3), (2, RunTime::from_millis(140)));
    }

    #[test]
    fn a_skipped_packet_is_a_hole_in_the_sequence() {
        let mut sender = sender(20);
        let mut buffer = [0; 300];
        sender.skip();
        let length = sender.packet(&mut buffer).unwrap();
        let packet = RtpReader::new(&buffer[..length]).unwrap();
        assert_eq!(Signature::read(packet.payload()).unwrap().index, 1);
    }

    #[test]
    fn a_report_parses_and_counts_what_was_sent() {
        let mut sender = sender(20);
        let mut buffer = [0; 300];
        sender.packet(&mut buffer).unwrap();
        let report = sender.report(RunTime::from_millis(200), 1_700_000_000_500_000_000, None).unwrap();
        let compound = Compound::parse(&report).unwrap();
        let first = compound.into_iter().next().unwrap().unwrap();
        let report = first.try_as::<SenderReport<'_>>().unwrap();
        assert_eq!((report.packet_count(), report.octet_count()), (1, 160));
        assert_eq!(report.ntp_timestamp() & 0xffff_ffff, 1 << 31);
    }
}
