//! Worlds about the servers between the phones.

use super::talk::{Dialog, PCMA, Voice, pcma};
use super::trace::{File, Trace, gratuitous_arp};

pub fn worlds() -> Vec<File> {
    vec![
        File { name: "b2bua-two-legs.pcap", octets: b2bua_two_legs().pcap() },
        File { name: "vrrp-two-owners.pcap", octets: vrrp_two_owners().pcap() },
    ]
}

const CALLER: &str = "10.0.0.1:4000";
const CALLEE: &str = "10.0.0.2:4002";
/// The server's media addresses towards the caller and towards the callee.
const INNER: &str = "10.0.0.9:7000";
const OUTER: &str = "10.0.0.9:7002";

/// Both legs of a call through a back-to-back user agent that gives the media new SSRC, numbers and timestamps. The
/// caller's packets take 0.8 ms through the server and 0.1 ms more for each unit of number mod 5, the callee's
/// 1.5 ms; of the caller's, 120 to 129 never leave it.
fn b2bua_two_legs() -> Trace {
    let mut trace = Trace::default();
    let inner = Dialog { call_id: "leg-a", caller: "10.0.0.1:5060", callee: "10.0.0.9:5060" };
    let outer = Dialog { call_id: "leg-b", caller: "10.0.0.9:5060", callee: "10.0.0.2:5060" };
    inner.set_up(&mut trace, 0, pcma(CALLER), pcma(INNER));
    outer.set_up(&mut trace, 1_000, pcma(OUTER), pcma(CALLEE));
    let into = Voice { from: CALLER, to: INNER, start_us: 120_000, ..PCMA };
    let out = Voice { from: OUTER, to: CALLEE, ssrc: 0x5555_5555, sequence: 31_000, timestamp: 77, ..into };
    into.talk(&mut trace, 0..200);
    for k in (0..200).filter(|k| !(120..130).contains(k)) {
        out.packet(&mut trace, k, into.at(k) + 800 + 100 * (k % 5), false);
    }
    let into = Voice { from: CALLEE, to: OUTER, ssrc: 0x6666_6666, start_us: 127_000 - 20_000_000, ..PCMA };
    let out = Voice { from: INNER, to: CALLER, ssrc: 0x7777_7777, sequence: 9, timestamp: 4_000_000_000, ..into };
    // From packet 1000 on, so that the payloads are not the caller's.
    into.talk(&mut trace, 1000..1200);
    (1000..1200).for_each(|k| out.packet(&mut trace, k, into.at(k) + 1500, false));
    inner.hang_up(&mut trace, 4_130_000);
    outer.hang_up(&mut trace, 4_131_000);
    trace
}

const ALPHA: &str = "10.0.0.11";
const BETA: &str = "10.0.0.12";
const ADDRESS: [u8; 4] = [10, 0, 0, 100];

/// Alpha advertises until 5 s and dies; beta takes over at 8.609 s. From 12.3 s on alpha is back and both own the
/// address until beta hears of it at 15.609 s. A router with a virtual address of its own and a host that announces
/// only itself are no part of it.
fn vrrp_two_owners() -> Trace {
    let mut trace = Trace::default();
    for second in 0..=5 {
        advert(&mut trace, second * 1_000_000, ALPHA, (51, 150), ADDRESS);
    }
    for second in 0..=7 {
        advert(&mut trace, 8_609_000 + second * 1_000_000, BETA, (51, 100), ADDRESS);
    }
    trace.frame(8_609_500, gratuitous_arp([2, 0, 10, 0, 0, 12], ADDRESS));
    for second in 0..=7 {
        advert(&mut trace, 12_300_000 + second * 1_000_000, ALPHA, (51, 150), ADDRESS);
    }
    trace.frame(12_300_500, gratuitous_arp([2, 0, 10, 0, 0, 11], ADDRESS));
    for second in 0..=19 {
        advert(&mut trace, 500_000 + second * 1_000_000, "10.0.0.254", (7, 200), [10, 0, 0, 1]);
    }
    trace.frame(3_000_000, gratuitous_arp([2, 0, 10, 0, 0, 77], [10, 0, 0, 77]));
    trace
}

/// VRRPv3 (RFC 5798 §5.1), one advertisement a second.
fn advert(trace: &mut Trace, at_us: i64, from: &str, (router, priority): (u8, u8), address: [u8; 4]) {
    let mut payload = vec![0x31, router, priority, 1, 0, 100, 0, 0];
    payload.extend(address);
    // One's complement over the pseudo-header (§5.2.8) and the payload.
    let source: std::net::Ipv4Addr = from.parse().unwrap();
    let pseudo = [&source.octets()[..], &[224, 0, 0, 18, 0, 112, 0, payload.len() as u8], &payload].concat();
    let sum: u32 = pseudo.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let checksum = !((sum & 0xffff) as u16).wrapping_add((sum >> 16) as u16);
    payload[6..8].copy_from_slice(&checksum.to_be_bytes());
    trace.ip(at_us, from, "224.0.0.18", 112, &payload);
}
