use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

/// IPv4 10.0.0.1 → 10.0.0.2, UDP 4000 → 5000, payload `hi`, by the pictures in RFC 791 and RFC 768.
const IPV4_UDP: [u8; 30] = [
    0x45, 0, 0, 30, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x0f, 0xa0, 0x13, 0x88, 0, 10, 0, 0, b'h',
    b'i',
];

/// A gratuitous ARP request of 02:00:00:00:00:0b for 10.77.0.100 (RFC 826).
const GRATUITOUS: [u8; 28] =
    [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0x0b, 10, 77, 0, 100, 0, 0, 0, 0, 0, 0, 10, 77, 0, 100];

fn framed(header: &[u8], rest: &[u8]) -> Vec<u8> {
    [header, rest].concat()
}

fn payload<'a>(frame: &Frame<'a>) -> &'a [u8] {
    match frame.ip().unwrap().transport {
        Transport::Udp { payload, .. } => payload,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_datagram_is_found_behind_every_link_layer() {
    let ethernet = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1];
    let cooked = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    let cooked2 = [8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    let frames = [
        (LinkType::Ethernet, framed(&[&ethernet[..], &[8, 0]].concat(), &IPV4_UDP)),
        (LinkType::Ethernet, framed(&[&ethernet[..], &[0x81, 0, 0, 7, 8, 0]].concat(), &IPV4_UDP)),
        // 802.1ad outside, 802.1Q inside (QinQ).
        (LinkType::Ethernet, framed(&[&ethernet[..], &[0x88, 0xa8, 0, 9, 0x81, 0, 0, 7, 8, 0]].concat(), &IPV4_UDP)),
        // PPP over Ethernet: session 5, 32 octets, protocol 0x0021.
        (
            LinkType::Ethernet,
            framed(&[&ethernet[..], &[0x88, 0x64, 0x11, 0, 0, 5, 0, 32, 0, 0x21]].concat(), &IPV4_UDP),
        ),
        (LinkType::PppEthernet, framed(&[0x11, 0, 0, 5, 0, 32, 0, 0x21], &IPV4_UDP)),
        (LinkType::Ppp, framed(&[0xff, 0x03, 0, 0x21], &IPV4_UDP)),
        (LinkType::Ppp, framed(&[0x21], &IPV4_UDP)),
        (LinkType::LinuxCooked, framed(&cooked, &IPV4_UDP)),
        (LinkType::LinuxCooked2, framed(&cooked2, &IPV4_UDP)),
        (LinkType::RawIp, IPV4_UDP.to_vec()),
        (LinkType::Loopback, framed(&[2, 0, 0, 0], &IPV4_UDP)),
    ];
    for (link, octets) in frames {
        let frame = Frame::parse(link, &octets);
        assert_eq!(payload(&frame), b"hi", "{link:?}");
        let ip = frame.ip().unwrap();
        assert_eq!(ip.source_socket().unwrap().to_string(), "10.0.0.1:4000");
        assert_eq!(ip.destination_socket().unwrap().to_string(), "10.0.0.2:5000");
        let addressed = matches!(link, LinkType::Ethernet | LinkType::LinuxCooked | LinkType::LinuxCooked2);
        assert_eq!(frame.source, addressed.then_some(Mac([2, 0, 0, 0, 0, 1])));
    }
}

/// Outer 192.0.2.1 → 192.0.2.2 with this protocol.
fn outer(protocol: u8, rest: &[u8]) -> Vec<u8> {
    let length = (20 + rest.len()) as u16;
    let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    header[2..4].copy_from_slice(&length.to_be_bytes());
    framed(&header, rest)
}

/// The headers by the pictures in RFC 2784, RFC 2890, RFC 7348 and the draft of ERSPAN.
#[test]
fn the_same_datagram_is_found_in_every_tunnel() {
    let inner = framed(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0], &IPV4_UDP);
    let gre = |header: &[u8], rest: &[u8]| outer(47, &framed(header, rest));
    let vxlan = framed(&[0x9c, 0x40, 0x12, 0xb5, 0, 60, 0, 0, 8, 0, 0, 0, 0, 0, 7, 0], &inner);
    let packets = [
        outer(4, &IPV4_UDP),
        outer(4, &outer(4, &IPV4_UDP)),
        gre(&[0, 0, 8, 0], &IPV4_UDP),
        gre(&[0xb0, 0, 8, 0, 1, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 9], &IPV4_UDP),
        gre(&[0, 0, 0x65, 0x58], &inner),
        gre(&[0, 0, 0x88, 0xbe], &inner),
        gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0], &inner),
        gre(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &inner),
        gre(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &[9; 8]].concat(), &inner),
        outer(17, &vxlan),
    ];
    for octets in packets {
        let frame = Frame::parse(LinkType::RawIp, &octets);
        assert_eq!(payload(&frame), b"hi", "{octets:x?}");
        assert_eq!(frame.ip().unwrap().source_socket().unwrap().to_string(), "10.0.0.1:4000");
    }
    let labels = [&[0xff; 12][..], &[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64]].concat();
    assert_eq!(payload(&Frame::parse(LinkType::Ethernet, &framed(&labels, &IPV4_UDP))), b"hi");
}

#[test]
fn tunnels_without_end_are_not_followed() {
    let endless = (0..6).fold(IPV4_UDP.to_vec(), |inner, _| outer(4, &inner));
    let frame = Frame::parse(LinkType::RawIp, &endless);
    assert!(matches!(frame.ip().unwrap().transport, Transport::Tunnel { protocol: 4, .. }));
    let pptp = outer(47, &[0x30, 1, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(Frame::parse(LinkType::RawIp, &pptp).ip().unwrap().source.to_string(), "192.0.2.1");
}

#[test]
fn ethernet_padding_is_no_payload() {
    let octets = framed(&IPV4_UDP, &[0; 18]);
    assert_eq!(payload(&Frame::parse(LinkType::RawIp, &octets)), b"hi");
}

#[test]
fn a_fragment_is_not_taken_for_a_datagram() {
    let mut first = IPV4_UDP;
    first[6] = 0x20;
    let Transport::Fragment(part) = Frame::parse(LinkType::RawIp, &first).ip().unwrap().transport.clone() else {
        panic!()
    };
    assert_eq!((part.protocol, part.offset, part.more, part.payload.len()), (17, 0, true, 10));
}

#[test]
fn ipv6_extension_headers_are_walked() {
    let mut octets = vec![0x60, 0, 0, 0, 0, 18, 0, 64];
    octets.extend([0; 15].iter().chain(&[1]).chain(&[0; 15]).chain(&[2]));
    octets.extend([17, 0, 1, 4, 0, 0, 0, 0]);
    octets.extend([0x0f, 0xa0, 0x13, 0x88, 0, 10, 0, 0, b'h', b'i']);
    let frame = Frame::parse(LinkType::RawIp, &octets);
    assert_eq!(payload(&frame), b"hi");
    assert_eq!(frame.ip().unwrap().source.to_string(), "::1");
}

#[test]
fn a_gratuitous_arp_tells_the_new_owner() {
    let octets = framed(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0x0b, 8, 6], &GRATUITOUS);
    let Body::Arp(arp) = Frame::parse(LinkType::Ethernet, &octets).body else { panic!() };
    assert!(arp.gratuitous() && !arp.reply);
    assert_eq!(arp.sender, Ipv4Addr::new(10, 77, 0, 100));
    assert_eq!(arp.sender_mac.to_string(), "02:00:00:00:00:0b");
}

proptest! {
    #[test]
    fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..120), nibble in 4u8..7) {
        for link in [0, 1, 9, 51, 101, 113, 276, 147].map(LinkType::from) {
            let _ = Frame::parse(link, &octets);
        }
        let mut ip = octets;
        if let Some(first) = ip.first_mut() {
            *first = *first & 0x0f | nibble << 4;
        }
        let _ = Frame::parse(LinkType::RawIp, &ip);
    }
}
