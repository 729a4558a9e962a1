//! The sending side of one stream: a packet each interval from the first instant on, signed.

use std::net::SocketAddr;

use rtp_rs::{RtpPacketBuilder, Seq};

use super::audio::{CLOCK_RATE, tone};
use super::feed::{Feed, SenderReportFields, Source, sender_report};
use super::reception::Reception;
use crate::evidence::history::{Direction, StreamMark, StreamState};
use crate::units::{RunTime, Span};
use crate::wire::signature::Signature;

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
    source: Source,
    start: RunTime,
    index: u32,
    samples: u32,
    payload: Vec<u8>,
    packets: u32,
}

impl Sender {
    /// A stream whose first packet is due at `start`.
    #[must_use]
    pub fn new(config: SenderConfig, start: RunTime) -> Sender {
        let samples = (config.ptime.as_nanos() * i64::from(CLOCK_RATE) / 1_000_000_000) as u32;
        let payload = tone(&config.codec, samples as usize);
        let source = Source::draw(config.seed, config.stream);
        Sender { source, start, index: 0, samples, payload, packets: 0, config }
    }

    fn timestamp(&self, index: u32) -> u32 {
        self.source.timestamp.wrapping_add(index.wrapping_mul(self.samples))
    }
}

impl Feed for Sender {
    fn stream(&self) -> u32 {
        self.config.stream
    }

    fn ssrc(&self) -> u32 {
        self.source.ssrc
    }

    fn remote(&self) -> SocketAddr {
        self.config.remote
    }

    fn redirect(&mut self, remote: SocketAddr) {
        self.config.remote = remote;
    }

    fn due(&self) -> RunTime {
        self.start + Span(self.config.ptime.as_nanos() * i64::from(self.index))
    }

    /// The next one is due already: sending both would be a burst that no phone makes.
    fn patience(&self) -> Option<Span> {
        Some(self.config.ptime)
    }

    fn packet(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let signature = Signature { stream: self.config.stream, index: self.index, due: self.due() };
        signature.write(&mut self.payload);
        let built = RtpPacketBuilder::new()
            .payload_type(self.config.payload_type)
            .marked(self.index == 0)
            .sequence(Seq::from(self.source.sequence.wrapping_add(self.index as u16)))
            .timestamp(self.timestamp(self.index))
            .ssrc(self.source.ssrc)
            .payload(&self.payload)
            .build_into(buffer)
            .ok();
        self.index += 1;
        self.packets += u32::from(built.is_some());
        built
    }

    fn skip(&mut self) -> u64 {
        self.index += 1;
        1
    }

    fn report(&self, now: RunTime, wall_unix_ns: i64, reception: Option<&mut Reception>) -> Option<Vec<u8>> {
        let elapsed = (now - self.start).as_nanos() * i64::from(CLOCK_RATE) / 1_000_000_000;
        let fields = SenderReportFields {
            ssrc: self.source.ssrc,
            wall_unix_ns,
            timestamp: self.source.timestamp.wrapping_add(elapsed as u32),
            packets: self.packets,
            octets: self.packets.wrapping_mul(self.payload.len() as u32),
            cname: format!("{}@{}", self.config.call, self.config.local.ip()),
        };
        sender_report(&fields, reception.and_then(|reception| reception.report_block(now)))
    }

    fn mark(&self, state: StreamState) -> StreamMark {
        let config = &self.config;
        StreamMark {
            stream: config.stream,
            call: config.call,
            direction: config.direction,
            state,
            codec: config.codec.clone(),
            ptime_ns: config.ptime.as_nanos(),
            ssrc: self.source.ssrc,
            local: config.local,
            remote: config.remote,
            video: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtcp_types::{Compound, SenderReport};
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
