//! Captures that somebody made to break their reader: each limit is driven up, holds, and is told with the number of
//! the first packet beyond it.

use super::*;
use crate::wire::limits::{MOST_FLAWS, MOST_INTERFACES, MOST_REIGNS, MOST_SOURCES};
use crate::wire::pcap::Reader;

/// UDP 4000 → 4000 from 10.0.0.1 to 10.0.0.2 as a raw IP packet (RFC 791, RFC 768).
fn datagram(payload: &[u8]) -> Vec<u8> {
    ip(17, &[&[0x0f, 0xa0, 0x0f, 0xa0, 0, 8 + payload.len() as u8, 0, 0], payload].concat(), 0)
}

fn ip(protocol: u8, payload: &[u8], fragment: u16) -> Vec<u8> {
    let [high, low] = fragment.to_be_bytes();
    let length = 20 + payload.len() as u8;
    let header = [0x45, 0, 0, length, 0, 7, high, low, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&header[..], payload].concat()
}

/// A pass over raw IP packets, 1 ms apart.
fn pass(packets: impl Iterator<Item = Vec<u8>>) -> Measured {
    let mut pass = Pass::default();
    let (mut number, mut unix_ns) = (0, 0);
    for octets in packets {
        (number, unix_ns) = (number + 1, unix_ns + 1_000_000);
        let wire_length = octets.len() as u32;
        let sense = crate::wire::pcap::Sense::Unknown;
        let link = LinkType::RawIp;
        pass.packet(
            0,
            || "made.pcap",
            &Packet { number, unix_ns, link, sense, comment: None, octets: &octets, wire_length },
        );
    }
    pass.finish((0, number), |_| "made.pcap");
    pass.measure().unwrap().0
}

fn complaints(measured: &Measured) -> Vec<String> {
    measured.anomalies.iter().map(|anomaly| format!("{}: {}", anomaly.place, anomaly.what)).collect()
}

#[test]
fn an_ssrc_for_every_packet() {
    let rtp = |ssrc: u32| [&[0x80, 0, 0, 1, 0, 0, 0, 160][..], &ssrc.to_be_bytes(), &[0xd5; 4]].concat();
    let measured = pass((0..MOST_SOURCES as u32 + 3).map(|ssrc| datagram(&rtp(ssrc))));
    let expected = format!(
        "made.pcap packet {}: 3 packets of RTP sources beyond the number that is told apart were left out; the first here",
        MOST_SOURCES + 1
    );
    assert_eq!((complaints(&measured), measured.streams.len()), (vec![expected], 0));
}

/// Adverts without interval: each one is a reign of its own (VRRPv3, priority 100, no address).
#[test]
fn an_owner_for_every_advert() {
    let measured = pass((0..MOST_REIGNS + 5).map(|_| ip(112, &[0x31, 51, 100, 0, 0, 0, 0, 0], 0)));
    let expected = "whole capture: 5 claims of the floating address after too many handovers were left out";
    assert_eq!(complaints(&measured), [expected]);
}

#[test]
fn fragments_that_never_become_whole() {
    let measured = pass((0..10).map(|k| ip(17, &[k; 8], 0x2000 | (u16::from(k) * 2))));
    let expected = "made.pcap packet 1: 1 datagrams lack some of their fragments; the first fragment is here";
    assert_eq!(complaints(&measured), [expected]);
}

#[test]
fn sip_over_fragments_is_read() {
    let invite =
        b"INVITE sip:b@x SIP/2.0\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\nFrom: <sip:a@x>;tag=t\r\nTo: <sip:b@x>\r\n\r\n";
    let udp = [&[0x13, 0xc4, 0x13, 0xc4, 0, 8 + invite.len() as u8, 0, 0], &invite[..]].concat();
    let (head, tail) = udp.split_at(40);
    let measured = pass([ip(17, tail, 5), ip(17, head, 0x2000)].into_iter());
    assert_eq!((measured.calls.len(), measured.anomalies.len()), (1, 0));
}

/// A pcapng block in little-endian order.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = 12 + body.len() as u32;
    [&kind.to_le_bytes()[..], &length.to_le_bytes(), body, &length.to_le_bytes()].concat()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat())
}

#[test]
fn endless_interfaces_and_packets_without_time_are_each_one_flaw() {
    let mut file = section();
    // Ethernet, no snap length, no options.
    (0..MOST_INTERFACES + 7).for_each(|_| file.extend(block(1, &[1, 0, 0, 0, 0, 0, 0, 0])));
    let simple = file.len() as u64;
    (0..1000).for_each(|_| file.extend(block(3, &[4, 0, 0, 0, 1, 2, 3, 4])));
    let mut reader = Reader::new(&file).unwrap();
    assert_eq!(reader.by_ref().count(), 0);
    let flaws: Vec<_> = reader.flaws().iter().map(|flaw| (flaw.count, flaw.after_packet, flaw.offset)).collect();
    // The section header has 28 octets, a description 20.
    assert_eq!(flaws, [(7, 0, 28 + 20 * MOST_INTERFACES as u64), (1000, 0, simple)]);
    assert!(flaws.len() <= MOST_FLAWS);
}

#[test]
fn a_block_of_four_gigabytes_that_is_not_there() {
    let mut file = section();
    file.extend([6, 0, 0, 0, 0xfc, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    let mut reader = Reader::new(&file).unwrap();
    assert_eq!(reader.by_ref().count(), 0);
    assert_eq!(reader.flaws().len(), 1);
    assert_eq!(reader.flaws()[0].what, "the file ends inside a block (12 of 4294967292 octets are there)");
}

#[test]
fn a_link_that_nobody_decodes_is_told_and_not_passed_over() {
    let mut pass = Pass::default();
    let packet = Packet {
        number: 1,
        unix_ns: 0,
        link: LinkType::Other(147),
        sense: crate::wire::pcap::Sense::Unknown,
        comment: None,
        octets: &[1, 2, 3],
        wire_length: 3,
    };
    (0..3).for_each(|_| pass.packet(0, || "made.pcap", &packet));
    let what = "3 frames were left out: link type 147 (tcpdump.org/linktypes) is not decoded; the first here";
    assert_eq!(complaints(&pass.measure().unwrap().0), [format!("made.pcap packet 1: {what}")]);
}
