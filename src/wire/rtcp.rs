//! RTCP reports (RFC 3550 §6.4).

use rtcp_types::{Compound, Packet, SdesItem};

/// One sender or receiver report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who reports.
    pub ssrc: u32,
    /// What a sender says about itself; absent in a receiver report.
    pub sender: Option<SenderInfo>,
    /// What it says about others.
    pub blocks: Vec<Block>,
}

/// The sender's part of a sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// NTP time of the report, 32.32 fixed point.
    pub ntp: u64,
    /// RTP timestamp of the same instant.
    pub rtp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload octets sent so far.
    pub octets: u32,
}

/// A report block: how one source is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The source that is reported on.
    pub ssrc: u32,
    /// Share lost since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Lost so far; negative with duplicates (24 bits, signed).
    pub cumulative_lost: i32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle of the NTP time of the last sender report that was received; 0: none.
    pub last_sender_report: u32,
    /// Delay since then, in 1/65536 s.
    pub delay_since: u32,
}

/// The reports of a compound packet; empty when there are none or it is damaged.
#[must_use]
pub fn reports(datagram: &[u8]) -> Vec<Report> {
    let Ok(compound) = Compound::parse(datagram) else { return Vec::new() };
    compound.filter_map(|packet| report(&packet.ok()?)).collect()
}

/// The canonical names in a compound packet, each with its source (RFC 3550 §6.5.1).
#[must_use]
pub fn canonical_names(datagram: &[u8]) -> Vec<(u32, String)> {
    let Ok(compound) = Compound::parse(datagram) else { return Vec::new() };
    let mut names = Vec::new();
    for packet in compound.flatten() {
        let Packet::Sdes(sdes) = packet else { continue };
        for chunk in sdes.chunks() {
            let name = chunk.items().find(|item| item.type_() == SdesItem::CNAME);
            names.extend(name.and_then(|name| Some((chunk.ssrc(), name.get_value_string().ok()?))));
        }
    }
    names
}

fn report(packet: &Packet<'_>) -> Option<Report> {
    match packet {
        Packet::Sr(sr) => Some(Report {
            ssrc: sr.ssrc(),
            sender: Some(SenderInfo {
                ntp: sr.ntp_timestamp(),
                rtp: sr.rtp_timestamp(),
                packets: sr.packet_count(),
                octets: sr.octet_count(),
            }),
            blocks: sr.report_blocks().map(|block| block_of(&block)).collect(),
        }),
        Packet::Rr(rr) => Some(Report {
            ssrc: rr.ssrc(),
            sender: None,
            blocks: rr.report_blocks().map(|block| block_of(&block)).collect(),
        }),
        _ => None,
    }
}

fn block_of(block: &rtcp_types::ReportBlock<'_>) -> Block {
    Block {
        ssrc: block.ssrc(),
        fraction_lost: block.fraction_lost(),
        // Sign-extend 24 bits.
        cumulative_lost: (block.cumulative_lost() << 8).cast_signed() >> 8,
        jitter: block.interarrival_jitter(),
        last_sender_report: block.last_sender_report_timestamp(),
        delay_since: block.delay_since_last_sender_report_timestamp(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A receiver report laid out by RFC 3550 §6.4.2: one block, one packet more than expected.
    const RECEIVER_REPORT: [u8; 32] = [
        0x81, 201, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5, 64, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 33, 0, 0, 0, 2, 0, 1, 0, 0,
    ];

    #[test]
    fn a_receiver_report_reads_field_by_field() {
        let block = Block {
            ssrc: 5,
            fraction_lost: 64,
            cumulative_lost: -1,
            jitter: 33,
            last_sender_report: 2,
            delay_since: 65536,
        };
        assert_eq!(reports(&RECEIVER_REPORT), [Report { ssrc: 9, sender: None, blocks: vec![block] }]);
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..120), kind in 192u8..224) {
            let _ = reports(&octets);
            let mut rtcp = octets;
            if let [first, second, ..] = &mut rtcp[..] {
                *first = *first & 0x3f | 0x80;
                *second = kind;
            }
            let _ = reports(&rtcp);
            let _ = canonical_names(&rtcp);
        }
    }
}
