//! The same packets behind every link layer that is read, over IPv4 and IPv6, measured by the program itself.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::talk::{Dialog, PCMA, Voice, pcma};
use super::trace::Trace;

/// A link type by number (tcpdump.org/linktypes), its name, and the octets before a packet of a version of IP.
struct Link {
    number: u32,
    name: &'static str,
    header: fn(v6: bool, length: usize) -> Vec<u8>,
}

const LINKS: [Link; 13] = [
    Link { number: 0, name: "loopback, little end first", header: |v6, _| vec![if v6 { 30 } else { 2 }, 0, 0, 0] },
    Link { number: 0, name: "loopback, big end first", header: |v6, _| vec![0, 0, 0, if v6 { 28 } else { 2 }] },
    Link { number: 108, name: "OpenBSD loopback", header: |v6, _| vec![0, 0, 0, if v6 { 24 } else { 2 }] },
    Link { number: 1, name: "Ethernet", header: |v6, _| [&[2; 12][..], &ethertype(v6)].concat() },
    Link { number: 9, name: "PPP", header: |v6, _| vec![0, if v6 { 0x57 } else { 0x21 }] },
    Link { number: 50, name: "PPP as in HDLC", header: |v6, _| vec![0xff, 3, 0, if v6 { 0x57 } else { 0x21 }] },
    Link { number: 51, name: "PPP over Ethernet", header: ppp_over_ethernet },
    Link { number: 12, name: "raw IP as BSD numbers it", header: |_, _| Vec::new() },
    Link { number: 101, name: "raw IP", header: |_, _| Vec::new() },
    Link { number: 228, name: "raw IPv4", header: |_, _| Vec::new() },
    Link { number: 229, name: "raw IPv6", header: |_, _| Vec::new() },
    Link { number: 113, name: "Linux cooked", header: cooked },
    Link { number: 276, name: "Linux cooked, version 2", header: cooked_2 },
];

fn ethertype(v6: bool) -> [u8; 2] {
    if v6 { [0x86, 0xdd] } else { [8, 0] }
}

/// Session 5 (RFC 2516 §4).
fn ppp_over_ethernet(v6: bool, length: usize) -> Vec<u8> {
    [&[0x11, 0, 0, 5], &(length as u16 + 2).to_be_bytes()[..], &[0, if v6 { 0x57 } else { 0x21 }]].concat()
}

/// To us, ARPHRD_ETHER, an address of six octets in a field of eight, the protocol.
fn cooked(v6: bool, _: usize) -> Vec<u8> {
    [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..], &ethertype(v6)].concat()
}

/// The protocol, reserved, interface 2, ARPHRD_ETHER, to us, six octets of address in a field of eight.
fn cooked_2(v6: bool, _: usize) -> Vec<u8> {
    [&ethertype(v6)[..], &[0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]].concat()
}

/// A call with a lost packet in one direction and an outage of half a second in the other.
fn call(v6: bool) -> Trace {
    let (caller, callee, media) = if v6 {
        ("[2001:db8::1]:5060", "[2001:db8::2]:5060", ["[2001:db8::1]:4000", "[2001:db8::2]:4002"])
    } else {
        ("10.0.0.1:5060", "10.0.0.2:5060", ["10.0.0.1:4000", "10.0.0.2:4002"])
    };
    let dialog = Dialog { call_id: "link", caller, callee };
    let mut trace = Trace::default();
    dialog.set_up(&mut trace, 0, pcma(media[0]), pcma(media[1]));
    let there = Voice { from: media[0], to: media[1], start_us: 120_000, ..PCMA };
    there.talk(&mut trace, 0..30);
    there.talk(&mut trace, 31..75);
    let back = Voice { from: media[1], to: media[0], ssrc: 0x2222_2222, start_us: 125_000 - 2_000_000, ..PCMA };
    back.talk(&mut trace, 100..130);
    back.talk(&mut trace, 155..175);
    dialog.hang_up(&mut trace, 1_630_000);
    trace
}

/// What the program prints of it.
fn measured(trace: Trace, link: &Link, v6: bool) -> Value {
    let name = format!("fivenines-link-{}-{}-{v6}.pcap", std::process::id(), link.number);
    let path: PathBuf = std::env::temp_dir().join(name);
    let packets = trace.dressed(|frame| [(link.header)(v6, frame.len() - 14), frame[14..].to_vec()].concat());
    std::fs::write(&path, packets.pcap_of(link.number)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_fivenines")).args(["measure", "--json"]).arg(&path).output();
    let _gone = std::fs::remove_file(&path);
    let output = output.unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}: {complaint}", link.name))
}

#[test]
fn every_link_layer_gives_the_same_figures() {
    for v6 in [false, true] {
        let ethernet = LINKS.iter().find(|link| link.number == 1).unwrap();
        let expected = measured(call(v6), ethernet, v6);
        let figure = |place: &str| expected.pointer(place).cloned().unwrap_or_default();
        assert_eq!([figure("/streams/0/lost"), figure("/streams/1/lost")], [1, 25], "{expected:#}");
        assert_eq!(figure("/outages/0/duration_ms"), 500.0);
        assert_eq!((figure("/calls/0/setup_ms"), figure("/anomalies")), (100.0.into(), Value::Array(Vec::new())));
        for link in LINKS.iter().filter(|link| link.number != if v6 { 228 } else { 229 }) {
            assert_eq!(measured(call(v6), link, v6), expected, "{} of {}", link.name, if v6 { "IPv6" } else { "IPv4" });
        }
    }
}
