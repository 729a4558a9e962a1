//! IPv4, UDP and TCP headers for payloads that a socket's user saw: no interface was asked for them.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use pnet::packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet::packet::ipv4::{self, Ipv4Flags, MutableIpv4Packet};
use pnet::packet::tcp::{self, MutableTcpPacket, TcpFlags};
use pnet::packet::udp::{self, MutableUdpPacket};

use crate::experiment::run::recorder::{TapPacket, TapTransport};

const IPV4: usize = 20;
const UDP: usize = 8;
const TCP: usize = 20;

/// Payload octets that fit behind IPv4 and TCP headers without options.
const SEGMENT: usize = 65_535 - IPV4 - TCP;

/// Payload octets that fit behind IPv4 and UDP headers.
const DATAGRAM: usize = 65_535 - IPV4 - UDP;

/// The running sequence number of every TCP flow, by source and destination.
#[derive(Debug, Default)]
pub(super) struct Flows {
    next: HashMap<(SocketAddrV4, SocketAddrV4), u32>,
}

impl Flows {
    /// The packet as it may have looked on the wire: one IPv4 packet, or several for a long piece of a
    /// stream. Empty when it cannot have been IPv4.
    pub(super) fn packets(&mut self, packet: &TapPacket) -> Vec<Vec<u8>> {
        let (SocketAddr::V4(src), SocketAddr::V4(dst)) = (packet.src, packet.dst) else { return Vec::new() };
        match packet.transport {
            TapTransport::Udp if packet.payload.len() > DATAGRAM => Vec::new(),
            TapTransport::Udp => vec![datagram(src, dst, &packet.payload)],
            TapTransport::Tcp => packet.payload.chunks(SEGMENT).map(|piece| self.segment(src, dst, piece)).collect(),
        }
    }

    fn segment(&mut self, src: SocketAddrV4, dst: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
        let acknowledged = *self.next.entry((dst, src)).or_insert(1);
        let next = self.next.entry((src, dst)).or_insert(1);
        let sequence = *next;
        *next = next.wrapping_add(payload.len() as u32);
        segment(src, dst, sequence, acknowledged, payload)
    }
}

fn datagram(src: SocketAddrV4, dst: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let mut octets = ip(*src.ip(), *dst.ip(), IpNextHeaderProtocols::Udp, UDP, payload);
    let Some(mut header) = octets.get_mut(IPV4..).and_then(MutableUdpPacket::new) else { return octets };
    header.set_source(src.port());
    header.set_destination(dst.port());
    header.set_length((UDP + payload.len()) as u16);
    let checksum = udp::ipv4_checksum(&header.to_immutable(), src.ip(), dst.ip());
    // Zero means "no checksum" (RFC 768); its other form in one's complement does not.
    header.set_checksum(if checksum == 0 { 0xffff } else { checksum });
    octets
}

fn segment(src: SocketAddrV4, dst: SocketAddrV4, sequence: u32, acknowledged: u32, payload: &[u8]) -> Vec<u8> {
    let mut octets = ip(*src.ip(), *dst.ip(), IpNextHeaderProtocols::Tcp, TCP, payload);
    let Some(mut header) = octets.get_mut(IPV4..).and_then(MutableTcpPacket::new) else { return octets };
    header.set_source(src.port());
    header.set_destination(dst.port());
    header.set_sequence(sequence);
    header.set_acknowledgement(acknowledged);
    header.set_data_offset(5);
    header.set_flags(TcpFlags::PSH | TcpFlags::ACK);
    header.set_window(u16::MAX);
    let checksum = tcp::ipv4_checksum(&header.to_immutable(), src.ip(), dst.ip());
    header.set_checksum(checksum);
    octets
}

/// An IPv4 packet with room for a transport header of `header` octets before the payload.
fn ip(src: Ipv4Addr, dst: Ipv4Addr, protocol: IpNextHeaderProtocol, header: usize, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![0; IPV4 + header];
    octets.extend_from_slice(payload);
    let length = octets.len() as u16;
    if let Some(mut packet) = MutableIpv4Packet::new(&mut octets) {
        packet.set_version(4);
        packet.set_header_length(5);
        packet.set_total_length(length);
        packet.set_flags(Ipv4Flags::DontFragment);
        packet.set_ttl(64);
        packet.set_next_level_protocol(protocol);
        packet.set_source(src);
        packet.set_destination(dst);
        let checksum = ipv4::checksum(&packet.to_immutable());
        packet.set_checksum(checksum);
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::RunTime;

    fn tap(transport: TapTransport, src: &str, dst: &str, payload: &[u8]) -> TapPacket {
        let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
        TapPacket { t: RunTime(0), outbound: true, transport, src, dst, payload: payload.to_vec() }
    }

    /// One's complement sum over big-endian words: 0xffff when a checksum is right (RFC 1071).
    fn sum(octets: &[u8]) -> u32 {
        let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        let mut sum: u32 = octets.chunks(2).map(word).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum
    }

    fn pseudo_sum(packet: &[u8]) -> u32 {
        let length = (packet.len() - 20) as u32;
        let mut octets = packet[12..20].to_vec();
        octets.extend([0, packet[9], (length >> 8) as u8, length as u8]);
        octets.extend(&packet[20..]);
        sum(&octets)
    }

    #[test]
    fn both_checksums_of_a_datagram_are_right() {
        let packets = Flows::default().packets(&tap(TapTransport::Udp, "10.77.0.100:5060", "10.77.0.10:5060", b"abc"));
        assert_eq!(packets[0].len(), 20 + 8 + 3);
        assert_eq!(sum(&packets[0][..20]), 0xffff);
        assert_eq!(pseudo_sum(&packets[0]), 0xffff);
    }

    #[test]
    fn a_stream_is_numbered_and_acknowledges_the_other_way() {
        let mut flows = Flows::default();
        let there = tap(TapTransport::Tcp, "10.0.0.1:40000", "10.0.0.2:5222", b"hello");
        let back = tap(TapTransport::Tcp, "10.0.0.2:5222", "10.0.0.1:40000", b"hi");
        let first = flows.packets(&there).remove(0);
        let answer = flows.packets(&back).remove(0);
        let second = flows.packets(&there).remove(0);
        let word = |packet: &[u8], at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
        // Sequence number at 20 + 4, acknowledgement at 20 + 8; "hello" is 5 octets, "hi" 2.
        assert_eq!((word(&first, 24), word(&first, 28)), (1, 1));
        assert_eq!((word(&answer, 24), word(&answer, 28)), (1, 6));
        assert_eq!((word(&second, 24), word(&second, 28)), (6, 3));
        assert_eq!(pseudo_sum(&second), 0xffff);
    }

    #[test]
    fn what_cannot_be_one_ipv4_packet_is_split_or_refused() {
        let mut flows = Flows::default();
        let long = vec![7; SEGMENT + 1];
        let pieces = flows.packets(&tap(TapTransport::Tcp, "10.0.0.1:1", "10.0.0.2:2", &long));
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [65_535, 41]);
        assert!(flows.packets(&tap(TapTransport::Udp, "10.0.0.1:1", "10.0.0.2:2", &vec![0; DATAGRAM + 1])).is_empty());
        assert!(flows.packets(&tap(TapTransport::Udp, "[::1]:1", "[::1]:2", b"x")).is_empty());
    }
}
