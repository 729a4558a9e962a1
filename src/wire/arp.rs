//! ARP (RFC 826, RFC 5227), as far as it tells who claims an address.

use std::net::Ipv4Addr;

use pnet::packet::arp::{ArpOperations, ArpPacket};

use super::frame::Mac;

/// One ARP packet for IPv4 on Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Whether it is a reply (operation 2) and not a request.
    pub reply: bool,
    /// Who speaks.
    pub sender_mac: Mac,
    /// The address that the speaker claims; unspecified in a probe.
    pub sender: Ipv4Addr,
    /// The address that is asked for.
    pub target: Ipv4Addr,
}

impl Arp {
    /// Reads the packet behind an Ethernet header; anything but IPv4 on Ethernet is `None`.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Option<Arp> {
        let view = ArpPacket::new(octets)?;
        let known = view.get_hw_addr_len() == 6 && view.get_proto_addr_len() == 4;
        known.then(|| Arp {
            reply: view.get_operation() == ArpOperations::Reply,
            sender_mac: Mac(view.get_sender_hw_addr().octets()),
            sender: view.get_sender_proto_addr(),
            target: view.get_target_proto_addr(),
        })
    }

    /// Whether it announces that the speaker now holds `sender` (RFC 5227 §3: sender is target).
    #[must_use]
    pub fn gratuitous(&self) -> bool {
        self.sender == self.target && !self.sender.is_unspecified()
    }
}
