//! Packets within packets: what mirror ports and overlay networks wrap around the traffic of others.
//!
//! IP in IP (RFC 2003, RFC 2473, RFC 4213), GRE (RFC 2784, RFC 2890) with IP or Ethernet in it, ERSPAN (types I to III,
//! draft-foschiano-erspan-03), VXLAN (RFC 7348). The innermost packet is the one that phones and servers sent.

use super::ip::{Ip, Transport};
use super::{Body, ethernet};

/// Tunnels in tunnels beyond this are an attack.
const MOST_TUNNELS: usize = 4;
const IPV4_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;
/// UDP port of VXLAN (RFC 7348 §8).
const VXLAN: u16 = 4789;

/// What a tunnel carries.
enum Carried<'a> {
    Packet(&'a [u8]),
    Frame(&'a [u8]),
}

/// Whether an IP protocol wraps whole packets.
pub(super) fn wraps(protocol: u8) -> bool {
    matches!(protocol, IPV4_IN_IP | IPV6_IN_IP | GRE)
}

/// The packet within all tunnels; what cannot be read any further stays as it is.
#[inline]
pub(super) fn innermost(mut ip: Ip<'_>) -> Ip<'_> {
    for _ in 0..MOST_TUNNELS {
        let inner = match carried(&ip.transport) {
            Some(Carried::Packet(octets)) => Ip::parse(octets),
            Some(Carried::Frame(octets)) => match ethernet(octets).body {
                Body::Ip(inner) => Some(inner),
                Body::Arp(_) | Body::Other => None,
            },
            None => return ip,
        };
        match inner {
            Some(inner) => ip = inner,
            None => return ip,
        }
    }
    ip
}

#[inline]
fn carried<'a>(transport: &Transport<'a>) -> Option<Carried<'a>> {
    match transport {
        Transport::Udp { destination: VXLAN, payload, .. } => vxlan(payload),
        Transport::Tunnel { protocol: GRE, payload } => gre(payload),
        Transport::Tunnel { payload, .. } => Some(Carried::Packet(payload)),
        _ => None,
    }
}

/// Flags with the I bit, three reserved octets, the network and one more reserved octet.
fn vxlan(octets: &[u8]) -> Option<Carried<'_>> {
    match octets {
        [0x08, 0, 0, 0, _, _, _, 0, frame @ ..] => Some(Carried::Frame(frame)),
        _ => None,
    }
}

/// Checksum, key and sequence number are there by their flags; version 1 is PPTP's and carries PPP.
fn gre(octets: &[u8]) -> Option<Carried<'_>> {
    let &[flags, version, high, low, ref rest @ ..] = octets else { return None };
    if flags & 0x40 != 0 || version & 7 != 0 {
        return None;
    }
    let words = [0x80, 0x20, 0x10].into_iter().filter(|flag| flags & flag != 0).count();
    let rest = rest.get(4 * words..)?;
    match u16::from_be_bytes([high, low]) {
        0x0800 | 0x86dd => Some(Carried::Packet(rest)),
        0x6558 => Some(Carried::Frame(rest)),
        // ERSPAN: type II has a sequence number in its GRE header and a header of its own, type I neither.
        0x88be if flags & 0x10 == 0 => Some(Carried::Frame(rest)),
        0x88be => rest.get(8..).map(Carried::Frame),
        // Type III: the last bit tells of a platform's own subheader.
        0x22eb => rest.get(12 + 8 * usize::from(rest.get(11)? & 1)..).map(Carried::Frame),
        _ => None,
    }
}
