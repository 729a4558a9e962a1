//! Frames: from the link layer down to UDP, TCP, VRRP, ICMP and ARP.
//!
//! Fields are read through pnet's views; the way from header to header is walked here, by the lengths in
//! the headers and never beyond the captured octets. Of packets in tunnels the innermost is meant.

mod datagram;
mod ip;
mod tunnel;

use pnet::packet::ethernet::EthernetPacket;
use pnet::packet::vlan::VlanPacket;

use super::arp::Arp;
use super::pcap::LinkType;

pub use datagram::Datagram;
pub use ip::{Fragment, Ip, Transport};

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

/// A frame, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Ethernet source; absent on links without addresses.
    pub source: Option<Mac>,
    /// What it carries.
    pub body: Body<'a>,
}

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// ARP for IPv4.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip<'a>),
    /// Anything else, or cut off before the end of its headers.
    Other,
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_PPPOE: u16 = 0x8864;
const ETHERTYPE_MPLS: u16 = 0x8847;
const ETHERTYPES_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Tags in tags beyond this are no network of anybody's.
const MOST_VLAN_TAGS: usize = 4;
/// Likewise labels in an MPLS stack.
const MOST_LABELS: usize = 8;

impl<'a> Frame<'a> {
    /// Reads what it can; a frame that cannot be read has [`Body::Other`].
    #[inline]
    #[must_use]
    pub fn parse(link: LinkType, octets: &'a [u8]) -> Frame<'a> {
        let frame = match link {
            LinkType::Ethernet => ethernet(octets),
            LinkType::RawIp => bare(ip_by_version(octets)),
            LinkType::LinuxCooked => cooked(octets, 14, 16, 6),
            LinkType::LinuxCooked2 => cooked(octets, 0, 20, 12),
            LinkType::Loopback => bare(octets.get(4..).and_then(ip_by_version)),
            LinkType::Ppp => bare(ppp(octets)),
            LinkType::PppEthernet => bare(pppoe(octets)),
            LinkType::Other(_) => bare(None),
        };
        match frame.body {
            Body::Ip(ip) => Frame { source: frame.source, body: Body::Ip(tunnel::innermost(ip)) },
            body => Frame { source: frame.source, body },
        }
    }

    /// The IP packet, if it carries one.
    #[must_use]
    pub fn ip(&self) -> Option<&Ip<'a>> {
        match &self.body {
            Body::Ip(ip) => Some(ip),
            Body::Arp(_) | Body::Other => None,
        }
    }
}

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, last] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{last:02x}")
    }
}

#[inline]
fn ethernet(octets: &[u8]) -> Frame<'_> {
    let Some(view) = EthernetPacket::new(octets) else { return bare(None) };
    let payload = octets.get(EthernetPacket::minimum_packet_size()..).unwrap_or_default();
    Frame {
        source: Some(Mac(view.get_source().octets())),
        body: by_ethertype(view.get_ethertype().0, payload).unwrap_or(Body::Other),
    }
}

/// Linux cooked: the protocol at one place, the payload at another, the source address in between.
fn cooked(octets: &[u8], protocol: usize, payload: usize, source: usize) -> Frame<'_> {
    let ethertype = octets.get(protocol..protocol + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let body = ethertype.zip(octets.get(payload..)).and_then(|(ethertype, rest)| by_ethertype(ethertype, rest));
    let source = octets.get(source..source + 6).and_then(|mac| mac.try_into().ok()).map(Mac);
    Frame { source, body: body.unwrap_or(Body::Other) }
}

#[inline]
fn by_ethertype(ethertype: u16, octets: &[u8]) -> Option<Body<'_>> {
    let (mut ethertype, mut octets) = (ethertype, octets);
    for _ in 0..MOST_VLAN_TAGS {
        if !ETHERTYPES_VLAN.contains(&ethertype) {
            break;
        }
        ethertype = VlanPacket::new(octets)?.get_ethertype().0;
        octets = octets.get(VlanPacket::minimum_packet_size()..)?;
    }
    match ethertype {
        ETHERTYPE_ARP => Arp::parse(octets).map(Body::Arp),
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => ip_by_version(octets),
        ETHERTYPE_PPPOE => pppoe(octets),
        ETHERTYPE_MPLS => mpls(octets),
        _ => None,
    }
}

/// Behind the label with the bottom-of-stack bit (RFC 3032 §2.1) nothing tells what follows: IP by its version.
fn mpls(octets: &[u8]) -> Option<Body<'_>> {
    let bottom = octets.chunks_exact(4).take(MOST_LABELS).position(|label| label[2] & 1 != 0)?;
    ip_by_version(octets.get(4 * (bottom + 1)..)?)
}

/// PPP over Ethernet in its session stage (RFC 2516 §4): version and type, code, session, length, then PPP.
fn pppoe(octets: &[u8]) -> Option<Body<'_>> {
    let &[0x11, 0, _, _, high, low, ref rest @ ..] = octets else { return None };
    let length = usize::from(u16::from_be_bytes([high, low]));
    ppp(rest.get(..length).unwrap_or(rest))
}

/// PPP with or without address and control (RFC 1662 §3.1), its protocol in one octet or two (RFC 1661 §2).
fn ppp(octets: &[u8]) -> Option<Body<'_>> {
    match octets.strip_prefix(&[0xff, 0x03]).unwrap_or(octets) {
        [0, 0x21 | 0x57, packet @ ..] | [0x21 | 0x57, packet @ ..] => ip_by_version(packet),
        _ => None,
    }
}

#[inline]
fn ip_by_version(octets: &[u8]) -> Option<Body<'_>> {
    Ip::parse(octets).map(Body::Ip)
}

#[inline]
fn bare(body: Option<Body<'_>>) -> Frame<'_> {
    Frame { source: None, body: body.unwrap_or(Body::Other) }
}

#[cfg(test)]
mod tests;
