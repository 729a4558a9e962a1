//! What every sender of a stream can do, and what all of them have in common.

use std::net::SocketAddr;

use rtcp_types::{Compound, ReportBlockBuilder, RtcpPacketWriterExt, Sdes, SdesChunk, SdesItem, SenderReport};

use super::Reception;
use crate::evidence::history::{StreamMark, StreamState};
use crate::units::{RunTime, Span};

/// Seconds between 1900 (NTP) and 1970 (Unix).
const NTP_UNIX: u64 = 2_208_988_800;

/// The sending side of one stream: packets, each due at its instant.
pub trait Feed: std::fmt::Debug + Send {
    /// Its number in the marks, unique within a trial.
    fn stream(&self) -> u32;
    /// Its SSRC.
    fn ssrc(&self) -> u32;
    /// Where it goes.
    fn remote(&self) -> SocketAddr;
    /// Sends to `remote` from now on (a re-INVITE moved the media).
    fn redirect(&mut self, remote: SocketAddr);
    /// When the next packet is due.
    fn due(&self) -> RunTime;
    /// A packet that is later than this is not worth sending; absent: it is sent however late it is.
    fn patience(&self) -> Option<Span>;
    /// The packet that is due, written into `buffer`; its length.
    fn packet(&mut self, buffer: &mut [u8]) -> Option<usize>;
    /// Passes over what is due; how many packets that were. Their numbers are a hole.
    fn skip(&mut self) -> u64;
    /// The far side wants a frame that needs no other.
    fn key_frame_requested(&mut self) {}
    /// A sender report (RFC 3550 §6.4.1) with what was received meanwhile, and the CNAME.
    fn report(&self, now: RunTime, wall_unix_ns: i64, reception: Option<&mut Reception>) -> Option<Vec<u8>>;
    /// The line of the history that says that the stream began or ended.
    fn mark(&self, state: StreamState) -> StreamMark;
}

/// What RFC 3550 §5.1 wants random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Synchronization source.
    pub ssrc: u32,
    /// First sequence number.
    pub sequence: u16,
    /// Timestamp at the start.
    pub timestamp: u32,
}

impl Source {
    /// The same seed and stream give the same source.
    #[must_use]
    pub fn draw(seed: u64, stream: u32) -> Source {
        let random = scramble(seed ^ u64::from(stream) << 32);
        Source { ssrc: random as u32, sequence: (random >> 32) as u16, timestamp: (random >> 24) as u32 }
    }
}

/// What a sender says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderReportFields {
    /// Its SSRC.
    pub ssrc: u32,
    /// Now, in Unix nanoseconds.
    pub wall_unix_ns: i64,
    /// Now, on the media's clock: with `wall_unix_ns`, what lip synchronization rests on.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload octets sent, without wraps of 32 bits.
    pub octets: u32,
    /// Canonical name: the same for all media of one end (RFC 3550 §6.5.1).
    pub cname: String,
}

/// A compound of sender report and CNAME, with a block about what was received if there is one.
#[must_use]
pub fn sender_report(fields: &SenderReportFields, block: Option<ReportBlockBuilder>) -> Option<Vec<u8>> {
    let wall = fields.wall_unix_ns.max(0).unsigned_abs();
    let fraction = ((wall % 1_000_000_000) << 32) / 1_000_000_000;
    let report = SenderReport::builder(fields.ssrc)
        .ntp_timestamp((wall / 1_000_000_000 + NTP_UNIX) << 32 | fraction)
        .rtp_timestamp(fields.timestamp)
        .packet_count(fields.packets)
        .octet_count(fields.octets);
    let report = block.into_iter().fold(report, |report, block| report.add_report_block(block));
    let chunk = SdesChunk::builder(fields.ssrc).add_item_owned(SdesItem::builder(SdesItem::CNAME, &fields.cname));
    let compound = Compound::builder().add_packet(report).add_packet(Sdes::builder().add_chunk(chunk));
    let mut buffer = vec![0; 256];
    let length = compound.write_into(&mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

/// SplitMix64: spreads a seed over all bits.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
