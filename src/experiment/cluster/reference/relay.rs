//! The media relay of a node: each leg of a call has a port of the floating address, and what comes in on
//! one leg leaves from the other, with an SSRC, sequence numbers and timestamps of the node's own, as a
//! back-to-back user agent does. After a takeover they are new: the callers' phones must cope.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::mpsc::Receiver;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Orders are looked at this often when no media flow.
const WAIT_MS: u16 = 2;

/// What the relay is told.
#[derive(Debug)]
pub(super) enum RelayOrder {
    /// Sockets of consecutive ports, RTP and RTCP in turn.
    Sockets { first_port: u16, sockets: Vec<OwnedFd> },
    /// For each media of a call its two legs: local RTP port and the phone's RTP address.
    Open { session: u64, pairs: Vec<[(u16, SocketAddr); 2]> },
    /// The call is over.
    Close { session: u64 },
}

#[derive(Debug)]
struct Relay {
    epoll: Epoll,
    sockets: HashMap<u16, UdpSocket>,
    /// By local port: where what comes in there goes.
    ways: HashMap<u16, Way>,
    sessions: HashMap<u64, Vec<u16>>,
    seed: u64,
}

/// One direction through the relay.
#[derive(Clone, Debug)]
struct Way {
    out_port: u16,
    to: SocketAddr,
    rewrite: Rewrite,
}

/// The node's own numbering of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rewrite {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

/// Relays until the sender of orders is gone.
pub(super) fn run(orders: &Receiver<RelayOrder>, seed: u64) -> std::io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut relay = Relay { epoll, sockets: HashMap::new(), ways: HashMap::new(), sessions: HashMap::new(), seed };
    let mut events = [EpollEvent::empty(); 64];
    let mut buffer = [0; 2048];
    loop {
        loop {
            match orders.try_recv() {
                Ok(order) => relay.obey(order)?,
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return Ok(()),
            }
        }
        let ready = relay.epoll.wait(&mut events, EpollTimeout::from(WAIT_MS)).unwrap_or(0);
        for event in &events[..ready] {
            relay.forward(event.data() as u16, &mut buffer);
        }
    }
}

impl Relay {
    fn obey(&mut self, order: RelayOrder) -> std::io::Result<()> {
        match order {
            RelayOrder::Sockets { first_port, sockets } => {
                for (port, socket) in (first_port..).zip(sockets) {
                    let socket = UdpSocket::from(socket);
                    self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, u64::from(port)))?;
                    self.sockets.insert(port, socket);
                }
            }
            RelayOrder::Open { session, pairs } => {
                let ports = pairs.iter().flatten().map(|(port, _)| *port).collect();
                self.sessions.insert(session, ports);
                for (number, legs) in (0..).zip(pairs) {
                    self.open(session.wrapping_mul(4) | number << 1, legs);
                }
            }
            RelayOrder::Close { session } => {
                for port in self.sessions.remove(&session).into_iter().flatten() {
                    self.ways.remove(&port);
                    self.ways.remove(&(port + 1));
                }
            }
        }
        Ok(())
    }

    /// `even` is a number that no other pair has, and no pair has the one after it.
    fn open(&mut self, even: u64, legs: [(u16, SocketAddr); 2]) {
        let [(port_a, phone_a), (port_b, phone_b)] = legs;
        for (number, in_port, out_port, to) in [(0, port_a, port_b, phone_b), (1, port_b, port_a, phone_a)] {
            let rewrite = Rewrite::draw(self.seed ^ (even | number));
            // An update of the same session keeps the numbering that the phone knows.
            let rewrite = self.ways.get(&in_port).map_or(rewrite, |way| way.rewrite);
            let rtcp_to = SocketAddr::new(to.ip(), to.port().saturating_add(1));
            self.ways.insert(in_port, Way { out_port, to, rewrite });
            self.ways.insert(in_port + 1, Way { out_port: out_port + 1, to: rtcp_to, rewrite });
        }
    }

    fn forward(&self, port: u16, buffer: &mut [u8]) {
        let Some(socket) = self.sockets.get(&port) else { return };
        while let Ok((length, _)) = socket.recv_from(buffer) {
            let Some(way) = self.ways.get(&port) else { continue };
            let Some(out) = self.sockets.get(&way.out_port) else { continue };
            let packet = &mut buffer[..length];
            if port.is_multiple_of(2) {
                way.rewrite.rtp(packet);
            } else {
                way.rewrite.rtcp(packet);
            }
            // A phone that is gone draws an ICMP error at the next send; the relay does not care.
            let _unreachable = out.send_to(packet, way.to);
        }
    }
}

impl Rewrite {
    fn draw(seed: u64) -> Rewrite {
        let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03;
        z ^= z >> 29;
        z = z.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Rewrite { ssrc: (z >> 32) as u32, sequence: (z >> 16) as u16, timestamp: z as u32 }
    }

    /// RFC 3550 §5.1: sequence at octet 2, timestamp at 4, SSRC at 8.
    fn rtp(self, packet: &mut [u8]) {
        if packet.len() < 12 || packet[0] >> 6 != 2 {
            return;
        }
        let sequence = u16::from_be_bytes([packet[2], packet[3]]).wrapping_add(self.sequence);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        add(packet, 4, self.timestamp);
        packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }

    /// RFC 3550 §6.4: the sender's SSRC at octet 4 of each packet of the compound, in a sender report the RTP
    /// timestamp at 16; in SDES the chunk's SSRC stands at 4 as well.
    fn rtcp(self, packet: &mut [u8]) {
        let mut at = 0;
        while let Some(header) = packet.get(at..at + 8) {
            let length = (usize::from(u16::from_be_bytes([header[2], header[3]])) + 1) * 4;
            let sender_report = header[1] == 200;
            packet[at + 4..at + 8].copy_from_slice(&self.ssrc.to_be_bytes());
            if sender_report && packet.len() >= at + 20 {
                add(packet, at + 16, self.timestamp);
            }
            at += length;
        }
    }
}

fn add(packet: &mut [u8], at: usize, offset: u32) {
    if let Some(word) = packet.get_mut(at..at + 4).and_then(|word| <&mut [u8; 4]>::try_from(word).ok()) {
        *word = u32::from_be_bytes(*word).wrapping_add(offset).to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};

    #[test]
    fn the_relay_numbers_streams_anew_and_keeps_their_steps() {
        let rewrite = Rewrite::draw(7);
        let seen: Vec<(u32, u16, u32)> = [(65535u16, 160u32), (0, 320)]
            .into_iter()
            .map(|(sequence, timestamp)| {
                let mut packet = RtpPacketBuilder::new()
                    .payload_type(8)
                    .ssrc(1)
                    .sequence(Seq::from(sequence))
                    .timestamp(timestamp)
                    .payload(b"kept")
                    .build()
                    .unwrap();
                rewrite.rtp(&mut packet);
                let reader = RtpReader::new(&packet).unwrap();
                assert_eq!(reader.payload(), b"kept");
                (reader.ssrc(), u16::from(reader.sequence_number()), reader.timestamp())
            })
            .collect();
        assert_eq!(seen[0].0, rewrite.ssrc);
        assert_eq!(seen[1].1.wrapping_sub(seen[0].1), 1);
        assert_eq!(seen[1].2.wrapping_sub(seen[0].2), 160);
        assert_ne!(Rewrite::draw(8), rewrite);
    }

    #[test]
    fn garbage_is_left_alone() {
        let mut short = *b"\x80\x08abc";
        Rewrite::draw(1).rtp(&mut short);
        assert_eq!(&short, b"\x80\x08abc");
        Rewrite::draw(1).rtcp(&mut [0xff; 9]);
    }
}
