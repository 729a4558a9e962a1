//! IPv4 and IPv6, and what they carry.

use std::net::{IpAddr, SocketAddr};

use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::ipv6::Ipv6Packet;
use pnet::packet::tcp::TcpPacket;
use pnet::packet::udp::UdpPacket;

use super::tunnel;
use crate::wire::vrrp;

/// An IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip<'a> {
    /// Source.
    pub source: IpAddr,
    /// Destination.
    pub destination: IpAddr,
    /// What it carries.
    pub transport: Transport<'a>,
}

/// What an IP packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport<'a> {
    /// A UDP datagram (its captured part).
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// Payload.
        payload: &'a [u8],
    },
    /// A TCP segment.
    Tcp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// Sequence number of the first octet.
        sequence: u32,
        /// Sequence number that the sender of this segment expects next.
        acknowledgment: u32,
        /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16.
        flags: u8,
        /// Payload.
        payload: &'a [u8],
    },
    /// A VRRP advertisement.
    Vrrp(vrrp::Advert),
    /// ICMP or ICMPv6, with its type.
    Icmp(u8),
    /// A packet in a tunnel that could not be read.
    Tunnel {
        /// The tunnel's protocol number.
        protocol: u8,
        /// What follows the IP header.
        payload: &'a [u8],
    },
    /// A fragment: no part of a datagram is taken for a whole one.
    Fragment(Fragment<'a>),
    /// Another protocol, or cut off.
    Other,
}

/// A part of a datagram (RFC 791 §2.3, RFC 8200 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Tells the datagrams of one source and destination apart; 16 bits in IPv4.
    pub identification: u32,
    /// The protocol of the whole datagram, as its first fragment names it.
    pub protocol: u8,
    /// Octets of the datagram before this part.
    pub offset: u32,
    /// Whether more parts follow.
    pub more: bool,
    /// The part.
    pub payload: &'a [u8],
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const FRAGMENT_HEADER: u8 = 44;
const AUTHENTICATION: u8 = 51;
/// Hop-by-hop, routing, destination options, mobility, HIP, shim6 (RFC 7045): length in the second octet.
const EXTENSIONS: [u8; 6] = [0, 43, 60, 135, 139, 140];
/// RFC 8504 §5.3 lets a node set a limit; more than this is an attack.
const MOST_EXTENSIONS: usize = 8;

impl<'a> Ip<'a> {
    /// Reads a packet of either version, not into tunnels.
    #[inline]
    #[must_use]
    pub(super) fn parse(octets: &'a [u8]) -> Option<Ip<'a>> {
        match octets.first()? >> 4 {
            4 => ipv4(octets),
            6 => ipv6(octets),
            _ => None,
        }
    }

    /// A datagram that was put together from fragments: what `protocol` makes of it.
    #[must_use]
    pub fn whole(source: IpAddr, destination: IpAddr, protocol: u8, octets: &'a [u8]) -> Ip<'a> {
        let (next, payload) = if source.is_ipv6() { behind_extensions(protocol, octets) } else { (protocol, octets) };
        tunnel::innermost(Ip { source, destination, transport: transport(next, payload, source.is_ipv6()) })
    }

    /// Source address and port of a UDP datagram or TCP segment.
    #[inline]
    #[must_use]
    pub fn source_socket(&self) -> Option<SocketAddr> {
        match self.transport {
            Transport::Udp { source, .. } | Transport::Tcp { source, .. } => Some(SocketAddr::new(self.source, source)),
            _ => None,
        }
    }

    /// Destination address and port of a UDP datagram or TCP segment.
    #[inline]
    #[must_use]
    pub fn destination_socket(&self) -> Option<SocketAddr> {
        match self.transport {
            Transport::Udp { destination, .. } | Transport::Tcp { destination, .. } => {
                Some(SocketAddr::new(self.destination, destination))
            }
            _ => None,
        }
    }
}

#[inline]
fn ipv4(octets: &[u8]) -> Option<Ip<'_>> {
    let view = Ipv4Packet::new(octets)?;
    let header = usize::from(view.get_header_length()) * 4;
    // A total length of 0 is what segmentation offload leaves in captures of outgoing packets.
    let total = match usize::from(view.get_total_length()) {
        0 => octets.len(),
        total => total.min(octets.len()),
    };
    let payload = octets.get(header.max(Ipv4Packet::minimum_packet_size())..total)?;
    let (protocol, more) = (view.get_next_level_protocol().0, view.get_flags() & 1 != 0);
    Some(Ip {
        source: view.get_source().into(),
        destination: view.get_destination().into(),
        transport: if more || view.get_fragment_offset() != 0 {
            Transport::Fragment(Fragment {
                identification: view.get_identification().into(),
                protocol,
                offset: u32::from(view.get_fragment_offset()) * 8,
                more,
                payload,
            })
        } else {
            transport(protocol, payload, false)
        },
    })
}

fn ipv6(octets: &[u8]) -> Option<Ip<'_>> {
    let view = Ipv6Packet::new(octets)?;
    let rest = octets.get(Ipv6Packet::minimum_packet_size()..)?;
    let length = match usize::from(view.get_payload_length()) {
        0 => rest.len(),
        length => length.min(rest.len()),
    };
    let (next, payload) = behind_extensions(view.get_next_header().0, rest.get(..length)?);
    let transport = if next == FRAGMENT_HEADER { fragment(payload) } else { transport(next, payload, true) };
    Some(Ip { source: view.get_source().into(), destination: view.get_destination().into(), transport })
}

/// The first header that is no extension, and what follows.
fn behind_extensions(mut next: u8, mut payload: &[u8]) -> (u8, &[u8]) {
    for _ in 0..MOST_EXTENSIONS {
        let &[following, words, ..] = payload else { break };
        // The authentication header counts in words of four octets, and from the second on (RFC 4302 §2.2).
        let length = match next {
            AUTHENTICATION => 8 + usize::from(words) * 4,
            next if EXTENSIONS.contains(&next) => 8 + usize::from(words) * 8,
            _ => break,
        };
        next = following;
        payload = payload.get(length..).unwrap_or_default();
    }
    (next, payload)
}

/// The part of a datagram behind a fragment header (RFC 8200 §4.5). The only fragment of its datagram is whole
/// (RFC 6946).
fn fragment(octets: &[u8]) -> Transport<'_> {
    let &[protocol, _, high, low, a, b, c, d, ref payload @ ..] = octets else { return Transport::Other };
    let place = u16::from_be_bytes([high, low]);
    let (offset, more) = (u32::from(place & !7), place & 1 != 0);
    if offset == 0 && !more {
        let (next, payload) = behind_extensions(protocol, payload);
        return transport(next, payload, true);
    }
    let identification = u32::from_be_bytes([a, b, c, d]);
    Transport::Fragment(Fragment { identification, protocol, offset, more, payload })
}

#[inline]
fn transport(protocol: u8, octets: &[u8], ipv6: bool) -> Transport<'_> {
    match protocol {
        UDP => udp(octets),
        TCP => tcp(octets),
        vrrp::PROTOCOL => vrrp::Advert::parse(octets, ipv6).map(Transport::Vrrp),
        protocol if tunnel::wraps(protocol) => Some(Transport::Tunnel { protocol, payload: octets }),
        ICMP | ICMPV6 => octets.first().map(|kind| Transport::Icmp(*kind)),
        _ => None,
    }
    .unwrap_or(Transport::Other)
}

#[inline]
fn udp(octets: &[u8]) -> Option<Transport<'_>> {
    let view = UdpPacket::new(octets)?;
    let length = match usize::from(view.get_length()) {
        0 => octets.len(),
        length => length.min(octets.len()),
    };
    Some(Transport::Udp {
        source: view.get_source(),
        destination: view.get_destination(),
        payload: octets.get(UdpPacket::minimum_packet_size()..length)?,
    })
}

fn tcp(octets: &[u8]) -> Option<Transport<'_>> {
    let view = TcpPacket::new(octets)?;
    let header = (usize::from(view.get_data_offset()) * 4).max(TcpPacket::minimum_packet_size());
    Some(Transport::Tcp {
        source: view.get_source(),
        destination: view.get_destination(),
        sequence: view.get_sequence(),
        acknowledgment: view.get_acknowledgement(),
        flags: view.get_flags(),
        payload: octets.get(header..)?,
    })
}
