//! Frames and capture files, written octet by octet: the same input gives the same file on every machine.

use std::net::SocketAddr;

use super::headers::{TCP, UDP, ethernet, fragment, ip, udp};

/// 2026-01-05 00:00:00 UTC, the instant 0 of every world.
pub const EPOCH_S: i64 = 1_767_571_200;
const EPOCH_US: i64 = EPOCH_S * 1_000_000;
const ETHERNET: u32 = 1;

/// Packets with their instants in microseconds since the world began.
#[derive(Default)]
pub struct Trace {
    packets: Vec<Packet>,
}

struct Packet {
    at_us: i64,
    octets: Vec<u8>,
    /// Octets that the capture kept.
    kept: usize,
}

/// A world's file as it is committed.
pub struct File {
    pub name: &'static str,
    pub octets: Vec<u8>,
}

impl Trace {
    /// Adds a whole frame.
    pub fn frame(&mut self, at_us: i64, octets: Vec<u8>) {
        let kept = octets.len();
        self.packets.push(Packet { at_us, octets, kept });
    }

    /// Adds a datagram.
    pub fn udp(&mut self, at_us: i64, from: &str, to: &str, payload: &[u8]) {
        let ends = sockets(from, to);
        self.frame(at_us, ethernet(ip(ends, UDP, &udp(ends, payload))));
    }

    /// Adds a datagram that was cut behind so many octets of its IP payload, a multiple of eight: the parts with their
    /// instants in order of capture, by their places in the datagram.
    pub fn fragments(&mut self, (from, to): (&str, &str), payload: &[u8], cut: usize, parts: [(i64, usize); 2]) {
        let ends = sockets(from, to);
        let datagram = udp(ends, payload);
        let places = [(0, cut), (cut, datagram.len())];
        // The instant serves as identification: no two datagrams of a world begin at the same.
        let number = parts[0].0 as u16 | 1;
        for (at_us, part) in parts {
            self.frame(at_us, ethernet(fragment(ends, number, &datagram, places[part])));
        }
    }

    /// Adds a datagram of which the capture kept only the first octets of the payload.
    pub fn cut_udp(&mut self, at_us: i64, (from, to): (&str, &str), payload: &[u8], kept: usize) {
        self.udp(at_us, from, to, payload);
        if let Some(packet) = self.packets.last_mut() {
            packet.kept = packet.octets.len() - payload.len().saturating_sub(kept);
        }
    }

    /// Adds a TCP segment; flags as in the header.
    pub fn tcp(&mut self, at_us: i64, (from, to): (&str, &str), sequence: u32, flags: u8, payload: &[u8]) {
        let ends = sockets(from, to);
        let (source, destination) = ends;
        let mut segment = Vec::new();
        segment.extend(source.port().to_be_bytes());
        segment.extend(destination.port().to_be_bytes());
        segment.extend(sequence.to_be_bytes());
        segment.extend([0, 0, 0, 1, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        segment.extend_from_slice(payload);
        self.frame(at_us, ethernet(ip(ends, TCP, &segment)));
    }

    /// Adds an IP packet of another protocol.
    pub fn ip(&mut self, at_us: i64, from: &str, to: &str, protocol: u8, payload: &[u8]) {
        let ends = sockets(&format!("{from}:0"), &format!("{to}:0"));
        self.frame(at_us, ethernet(ip(ends, protocol, payload)));
    }

    /// Puts other headers before every packet: what `dressed` makes of a frame ends as the frame does.
    pub fn dressed(mut self, dressed: impl Fn(&[u8]) -> Vec<u8>) -> Trace {
        for packet in &mut self.packets {
            let lost = packet.octets.len() - packet.kept;
            packet.octets = dressed(&packet.octets);
            packet.kept = packet.octets.len() - lost;
        }
        self
    }

    /// Adds all packets of another trace.
    pub fn extend(&mut self, other: Trace) {
        self.packets.extend(other.packets);
    }

    /// Repeats every packet a little later, as a mirror port that copies both ways does.
    pub fn mirrored(mut self, later_us: i64) -> Trace {
        let copies: Vec<Packet> = self
            .packets
            .iter()
            .map(|packet| Packet { at_us: packet.at_us + later_us, octets: packet.octets.clone(), kept: packet.kept })
            .collect();
        self.packets.extend(copies);
        self
    }

    /// Steps the capturing host's clock: what happens from `from_us` on is stamped `by_us` later. The packets keep
    /// their order.
    pub fn step_clock(&mut self, from_us: i64, by_us: i64) {
        self.sort();
        for packet in self.packets.iter_mut().filter(|packet| packet.at_us >= from_us) {
            packet.at_us += by_us;
        }
    }

    fn sort(&mut self) {
        self.packets.sort_by_key(|packet| packet.at_us);
    }

    /// A pcap file with microsecond stamps, in order of time.
    pub fn pcap(self) -> Vec<u8> {
        self.pcap_of(ETHERNET)
    }

    /// The same of another link type (tcpdump.org/linktypes).
    pub fn pcap_of(mut self, link: u32) -> Vec<u8> {
        self.sort();
        self.written(link)
    }

    /// A pcap file whose packets stand in the order in which they were added.
    pub fn pcap_as_it_is(self) -> Vec<u8> {
        self.written(ETHERNET)
    }

    fn written(self, link: u32) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, link] {
            file.extend(u32::to_le_bytes(word));
        }
        for packet in self.packets {
            let at = EPOCH_US + packet.at_us;
            let lengths = [packet.kept as u32, packet.octets.len() as u32];
            for word in [(at / 1_000_000) as u32, (at % 1_000_000) as u32, lengths[0], lengths[1]] {
                file.extend(word.to_le_bytes());
            }
            file.extend_from_slice(&packet.octets[..packet.kept]);
        }
        file
    }

    /// A pcapng file with microsecond stamps whose statistics say that the interface dropped packets.
    pub fn pcapng(mut self, dropped: u64) -> Vec<u8> {
        self.sort();
        let mut file = Vec::new();
        block(&mut file, 0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
        block(&mut file, 1, &[&ETHERNET.to_le_bytes()[..], &65_535_u32.to_le_bytes()].concat());
        for packet in &self.packets {
            let at = (EPOCH_US + packet.at_us).cast_unsigned();
            let lengths = [packet.kept as u32, packet.octets.len() as u32];
            let words = [0, (at >> 32) as u32, at as u32, lengths[0], lengths[1]];
            let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            body.extend_from_slice(&packet.octets[..packet.kept]);
            body.resize(body.len().next_multiple_of(4), 0);
            block(&mut file, 6, &body);
        }
        // isb_ifdrop is option 5, eight octets; option 0 ends the list.
        let statistics = [&[0; 12][..], &[5, 0, 8, 0], &dropped.to_le_bytes(), &[0; 4]].concat();
        block(&mut file, 5, &statistics);
        file
    }
}

/// A gratuitous ARP reply: `mac` now holds `address`.
pub fn gratuitous_arp(mac: [u8; 6], address: [u8; 4]) -> Vec<u8> {
    let mut frame = [&[0xff; 6][..], &mac, &[0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 2]].concat();
    for part in [&mac[..], &address, &[0xff; 6], &address] {
        frame.extend_from_slice(part);
    }
    frame
}

fn sockets(from: &str, to: &str) -> (SocketAddr, SocketAddr) {
    (from.parse().unwrap(), to.parse().unwrap())
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let length = (body.len() as u32 + 12).to_le_bytes();
    for part in [&kind.to_le_bytes()[..], &length, body, &length] {
        file.extend_from_slice(part);
    }
}
