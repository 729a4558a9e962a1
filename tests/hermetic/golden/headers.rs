//! The headers of the worlds' packets, from UDP up to Ethernet.

use std::net::SocketAddr;

/// IP protocol numbers.
pub const UDP: u8 = 17;
pub const TCP: u8 = 6;
const FRAGMENT: u8 = 44;

/// A UDP datagram from socket to socket. Over IPv4 it has no checksum (RFC 768 allows 0), over IPv6 it must have one
/// (RFC 8200 §8.1).
pub fn udp((source, destination): (SocketAddr, SocketAddr), payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u16 + 8;
    let mut octets: Vec<u8> =
        [source.port(), destination.port(), length, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
    octets.extend_from_slice(payload);
    if let (SocketAddr::V6(source), SocketAddr::V6(destination)) = (source, destination) {
        let pseudo = [&source.ip().octets()[..], &destination.ip().octets(), &[0, 0], &length.to_be_bytes()].concat();
        let checksum = checksum(&[&pseudo[..], &[0, 0, 0, UDP], &octets].concat());
        octets[6..8].copy_from_slice(&checksum.to_be_bytes());
    }
    octets
}

/// An IP packet of the version that its addresses have.
pub fn ip((source, destination): (SocketAddr, SocketAddr), protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (SocketAddr::V6(_), _) | (_, SocketAddr::V6(_)) => ipv6((source, destination), protocol, payload),
        _ => ipv4((source, destination), (protocol, 0, 0x4000), payload),
    }
}

/// One part of an IP packet that was cut: octets from `start` on of `payload`, up to `end`.
pub fn fragment(
    ends: (SocketAddr, SocketAddr),
    identification: u16,
    payload: &[u8],
    (start, end): (usize, usize),
) -> Vec<u8> {
    let (part, more) = (&payload[start..end], u16::from(end < payload.len()));
    if ends.0.is_ipv4() {
        return ipv4(ends, (UDP, identification, more << 13 | (start / 8) as u16), part);
    }
    // RFC 8200 §4.5: next header, reserved, offset and M, identification.
    let mut octets = vec![UDP, 0];
    octets.extend((start as u16 | more).to_be_bytes());
    octets.extend(u32::from(identification).to_be_bytes());
    octets.extend_from_slice(part);
    ipv6(ends, FRAGMENT, &octets)
}

/// Ethernet addresses are locally administered and end as the IP addresses do.
pub fn ethernet(ip: Vec<u8>) -> Vec<u8> {
    let (kind, from, to) = if ip[0] >> 4 == 6 { (0x86dd_u16, 20, 36) } else { (0x0800, 12, 16) };
    let mut frame = [&[2, 0], &ip[to..to + 4], &[2, 0], &ip[from..from + 4], &kind.to_be_bytes()].concat();
    frame.extend(ip);
    frame
}

fn ipv4(
    (source, destination): (SocketAddr, SocketAddr),
    (protocol, identification, fragment): (u8, u16, u16),
    payload: &[u8],
) -> Vec<u8> {
    let (SocketAddr::V4(source), SocketAddr::V4(destination)) = (source, destination) else {
        panic!("{source} and {destination} are not both IPv4")
    };
    let (length, number, cut) =
        ((payload.len() as u16 + 20).to_be_bytes(), identification.to_be_bytes(), fragment.to_be_bytes());
    let mut header = vec![0x45, 0, length[0], length[1], number[0], number[1], cut[0], cut[1], 64, protocol, 0, 0];
    header.extend(source.ip().octets());
    header.extend(destination.ip().octets());
    let checksum = checksum(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header.extend_from_slice(payload);
    header
}

fn ipv6((source, destination): (SocketAddr, SocketAddr), next: u8, payload: &[u8]) -> Vec<u8> {
    let (SocketAddr::V6(source), SocketAddr::V6(destination)) = (source, destination) else {
        panic!("{source} and {destination} are not both IPv6")
    };
    let length = (payload.len() as u16).to_be_bytes();
    let mut header = vec![0x60, 0, 0, 0, length[0], length[1], next, 64];
    header.extend(source.ip().octets());
    header.extend(destination.ip().octets());
    header.extend_from_slice(payload);
    header
}

/// One's complement sum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let pair = |pair: &[u8]| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    let mut sum: u32 = octets.chunks(2).map(pair).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
