//! The commonest frame of a capture of calls, read without detours: a UDP datagram in IPv4.

use std::net::Ipv4Addr;

use crate::wire::pcap::LinkType;

/// A UDP datagram in one IPv4 packet without options, on Ethernet without tags or without a link layer.
///
/// [`super::Frame::parse`] reads the same from the same octets, and everything else besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Source.
    pub source: Ipv4Addr,
    /// Destination.
    pub destination: Ipv4Addr,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Payload (its captured part).
    pub payload: &'a [u8],
}

const IPV4_WITHOUT_OPTIONS: u8 = 0x45;
/// More fragments, the fragment's offset, and the protocol.
const CARRIED: u32 = 0x3fff_00ff;
const UDP_IN_ONE_PIECE: u32 = 17;
/// Octets of both headers, and of IPv4's alone.
const HEADERS: usize = 28;
const IPV4_HEADER: usize = 20;

impl<'a> Datagram<'a> {
    /// Reads a frame; `None` when it is anything else or unusual.
    #[inline]
    #[must_use]
    pub fn of(link: LinkType, octets: &'a [u8]) -> Option<Datagram<'a>> {
        let packet = match (link, octets) {
            (LinkType::Ethernet, [_, _, _, _, _, _, _, _, _, _, _, _, 8, 0, packet @ ..]) => packet,
            (LinkType::RawIp, packet) => packet,
            _ => return None,
        };
        let head: &[u8; HEADERS] = packet.first_chunk()?;
        let short = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let address = |at: usize| Ipv4Addr::new(head[at], head[at + 1], head[at + 2], head[at + 3]);
        let (total, length) = (usize::from(short(2)), usize::from(short(24)));
        // Flags and fragment offset, time to live and protocol are looked at together.
        let carried = u32::from_be_bytes([head[6], head[7], head[8], head[9]]) & CARRIED;
        if head[0] != IPV4_WITHOUT_OPTIONS || carried != UDP_IN_ONE_PIECE {
            return None;
        }
        // A length of 0, which the general reader takes for unknown, ends before the payload begins.
        let end = total.min(packet.len()).min(IPV4_HEADER + length);
        Some(Datagram {
            source: address(12),
            destination: address(16),
            source_port: short(20),
            destination_port: short(22),
            payload: packet.get(HEADERS..end)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::frame::{Frame, Transport};

    proptest! {
        /// Whatever it reads, the general reader reads as well; only a handful of octets decide, so they are drawn
        /// from where it matters.
        #[test]
        fn it_reads_what_the_general_reader_reads(
            mut octets in prop::collection::vec(any::<u8>(), 20..70),
            ethernet in any::<bool>(),
            first in prop_oneof![4 => Just(0x45u8), 1 => any::<u8>()],
            protocol in prop_oneof![4 => Just(17u8), 1 => any::<u8>()],
            fragment in prop_oneof![4 => Just([0x40u8, 0]), 1 => any::<[u8; 2]>()],
            total in 0u16..80,
            length in 0u16..60,
        ) {
            let start = if ethernet { 14 } else { 0 };
            octets.resize(octets.len() + start, 0);
            octets.rotate_right(start);
            let mut put = |at: usize, new: &[u8]| {
                for (octet, new) in octets.iter_mut().skip(at).zip(new) {
                    *octet = *new;
                }
            };
            put(12, if ethernet { &[8, 0] } else { &[] });
            put(start, &[first]);
            put(start + 2, &total.to_be_bytes());
            put(start + 6, &fragment);
            put(start + 9, &[protocol]);
            put(start + 24, &length.to_be_bytes());
            let link = if ethernet { LinkType::Ethernet } else { LinkType::RawIp };
            if let Some(datagram) = Datagram::of(link, &octets) {
                let frame = Frame::parse(link, &octets);
                let ip = frame.ip().unwrap();
                let sockets = [
                    SocketAddr::from((datagram.source, datagram.source_port)),
                    SocketAddr::from((datagram.destination, datagram.destination_port)),
                ];
                prop_assert_eq!([ip.source_socket().unwrap(), ip.destination_socket().unwrap()], sockets);
                let Transport::Udp { payload, .. } = ip.transport else { panic!("{:?}", ip.transport) };
                prop_assert_eq!(payload, datagram.payload);
            }
        }
    }
}
