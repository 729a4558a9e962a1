//! The RTP packets behind a measured capture, one by one, for those who compute figures of their own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::MeasureError;
use super::model::Measured;
use super::source::{CaptureFile, Merged};
use crate::units::RunTime;
use crate::wire::frame::{Frame, Transport};
use crate::wire::pcap::Packet;
use crate::wire::rtp::Rtp;

/// One packet of a stream that was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpPacket {
    /// Its stream's place in [`Measured::streams`]; absent where several streams share source and addresses.
    pub stream: Option<usize>,
    /// Place of its file among those that were named, from 0.
    pub file: usize,
    /// Its number in the file, from 1, as Wireshark counts.
    pub number: u64,
    /// Captured at, Unix time.
    pub at: RunTime,
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Synchronization source.
    pub ssrc: u32,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number as it was sent.
    pub sequence: u16,
    /// Timestamp as it was sent, in the payload's clock.
    pub timestamp: u32,
    /// Octets of payload without padding.
    pub payload_octets: usize,
}

/// Hands every packet of the streams in `measured` to `each`, in order of time. It reads the files again, so that
/// measuring alone pays nothing for it.
///
/// # Errors
/// When a file cannot be read again, or the first error of `each`.
pub fn rtp_packets<E: From<MeasureError>>(
    files: &[PathBuf],
    measured: &Measured,
    mut each: impl FnMut(RtpPacket) -> Result<(), E>,
) -> Result<(), E> {
    let files = files.iter().map(|path| CaptureFile::open(path)).collect::<Result<Vec<_>, _>>()?;
    let streams = Streams::of(measured);
    for (file, packet) in Merged::new(&files)? {
        if let Some(packet) = streams.packet(file, &packet) {
            each(packet)?;
        }
    }
    Ok(())
}

/// Streams by source and, where that is not enough, by addresses.
struct Streams {
    by_ssrc: HashMap<u32, Vec<usize>>,
    addresses: Vec<(String, String)>,
}

impl Streams {
    fn of(measured: &Measured) -> Streams {
        let mut by_ssrc: HashMap<u32, Vec<usize>> = HashMap::new();
        for (place, stream) in measured.streams.iter().enumerate() {
            for ssrc in std::iter::once(&stream.ssrc).chain(&stream.more_ssrcs) {
                by_ssrc.entry(*ssrc).or_default().push(place);
            }
        }
        let addresses = measured.streams.iter().map(|stream| (stream.src.clone(), stream.dst.clone()));
        Streams { by_ssrc, addresses: addresses.collect() }
    }

    fn packet(&self, file: usize, packet: &Packet<'_>) -> Option<RtpPacket> {
        let frame = Frame::parse(packet.link, packet.octets);
        let ip = frame.ip()?;
        let Transport::Udp { payload, .. } = &ip.transport else { return None };
        let rtp = Rtp::parse(payload)?;
        let streams = self.by_ssrc.get(&rtp.ssrc)?;
        let (source, destination) = (ip.source_socket()?, ip.destination_socket()?);
        Some(RtpPacket {
            stream: self.only(streams, source, destination),
            file,
            number: packet.number,
            at: RunTime(packet.unix_ns),
            source,
            destination,
            ssrc: rtp.ssrc,
            payload_type: rtp.payload_type,
            marker: rtp.marker,
            sequence: rtp.sequence,
            timestamp: rtp.timestamp,
            payload_octets: rtp.payload.len(),
        })
    }

    fn only(&self, streams: &[usize], source: SocketAddr, destination: SocketAddr) -> Option<usize> {
        if let [one] = streams {
            return Some(*one);
        }
        let pair = (source.to_string(), destination.to_string());
        let mut same = streams.iter().filter(|stream| self.addresses[**stream] == pair);
        same.next().copied().filter(|_| same.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::measure::measure_capture;

    #[test]
    fn every_packet_that_was_counted_is_handed_out_with_its_stream() {
        let files = [PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("captures/rtp-jitter-loss-wrap.pcap")];
        let measured = measure_capture(&files).unwrap();
        let mut counts = vec![0; measured.streams.len()];
        let mut last = RunTime(i64::MIN);
        rtp_packets(&files, &measured, |packet| {
            assert!(packet.at >= last);
            last = packet.at;
            counts[packet.stream.unwrap()] += 1;
            Ok::<(), MeasureError>(())
        })
        .unwrap();
        let counted: Vec<u64> = measured.streams.iter().map(|stream| stream.packets + stream.duplicates).collect();
        assert_eq!(counts, counted);
    }
}
