//! Octets ↔ values. Everything here is pure; nothing panics on any input.

pub mod arp;
pub mod fragments;
pub mod frame;
pub mod heartbeat;
pub mod limits;
pub mod pcap;
pub mod rtcp;
pub mod rtp;
pub mod signature;
pub mod sip;
pub mod tcp;
pub mod totem;
pub mod video;
pub mod vrrp;
pub mod xmpp;
