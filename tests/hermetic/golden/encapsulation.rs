//! Worlds about what lies between the link and the datagram: tunnels, tags, labels and fragments.

use std::net::SocketAddr;

use super::headers::{UDP, ethernet, ip, udp};
use super::talk::{Dialog, INVITE, PCMA, Sdp, Turn, Voice, pcma, within};
use super::trace::{File, Trace};

pub fn worlds() -> Vec<File> {
    vec![
        File { name: "tunnels.pcap", octets: tunnels().pcap() },
        File { name: "fragments.pcap", octets: fragments().pcap() },
    ]
}

/// A call and what is wrapped around its frames.
struct Wrapped {
    call_id: &'static str,
    /// Signalling addresses, then media addresses: caller, callee.
    signalling: [&'static str; 2],
    media: [&'static str; 2],
    wrap: fn(&[u8]) -> Vec<u8>,
}

const fn wrapped(
    call_id: &'static str,
    signalling: [&'static str; 2],
    media: [&'static str; 2],
    wrap: fn(&[u8]) -> Vec<u8>,
) -> Wrapped {
    Wrapped { call_id, signalling, media, wrap }
}

const CALLS: [Wrapped; 12] = [
    wrapped("plain", ["10.0.1.1:5060", "10.0.1.2:5060"], ["10.0.1.1:4000", "10.0.1.2:4002"], <[u8]>::to_vec),
    wrapped("qinq", ["10.0.2.1:5060", "10.0.2.2:5060"], ["10.0.2.1:4000", "10.0.2.2:4002"], qinq),
    wrapped("mpls", ["10.0.3.1:5060", "10.0.3.2:5060"], ["10.0.3.1:4000", "10.0.3.2:4002"], mpls),
    wrapped("pppoe", ["10.0.4.1:5060", "10.0.4.2:5060"], ["10.0.4.1:4000", "10.0.4.2:4002"], pppoe),
    wrapped("ip-in-ip", ["10.0.5.1:5060", "10.0.5.2:5060"], ["10.0.5.1:4000", "10.0.5.2:4002"], ip_in_ip),
    wrapped(
        "6-in-4",
        ["[2001:db8::6:1]:5060", "[2001:db8::6:2]:5060"],
        ["[2001:db8::6:1]:4000", "[2001:db8::6:2]:4002"],
        six_in_four,
    ),
    wrapped("4-in-6", ["10.0.7.1:5060", "10.0.7.2:5060"], ["10.0.7.1:4000", "10.0.7.2:4002"], four_in_six),
    wrapped("gre", ["10.0.8.1:5060", "10.0.8.2:5060"], ["10.0.8.1:4000", "10.0.8.2:4002"], gre),
    wrapped("gre-tap", ["10.0.9.1:5060", "10.0.9.2:5060"], ["10.0.9.1:4000", "10.0.9.2:4002"], gre_tap),
    wrapped("erspan-2", ["10.0.10.1:5060", "10.0.10.2:5060"], ["10.0.10.1:4000", "10.0.10.2:4002"], erspan_2),
    wrapped("erspan-3", ["10.0.11.1:5060", "10.0.11.2:5060"], ["10.0.11.1:4000", "10.0.11.2:4002"], erspan_3),
    wrapped("vxlan", ["10.0.12.1:5060", "10.0.12.2:5060"], ["10.0.12.1:4000", "10.0.12.2:4002"], vxlan),
];

/// The same call twelve times, 10 ms after one another, each behind other headers. Of 40 packets of 40 ms the callee
/// misses number 10, the caller numbers 15 to 29.
fn tunnels() -> Trace {
    let mut trace = Trace::default();
    for (number, wrapped) in CALLS.iter().enumerate() {
        let mut call = Trace::default();
        two_way(&mut call, wrapped, number as i64);
        trace.extend(call.dressed(wrapped.wrap));
    }
    trace
}

fn two_way(trace: &mut Trace, wrapped: &Wrapped, number: i64) {
    let ([caller, callee], at_us) = (wrapped.media, number * 10_000);
    let dialog = Dialog { call_id: wrapped.call_id, caller: wrapped.signalling[0], callee: wrapped.signalling[1] };
    dialog.set_up(trace, at_us, pcma(caller), pcma(callee));
    // Each call has other payloads: its packets are those from 100 times its number on.
    let first = 100 * number;
    let slow = Voice { step: 320, length: 320, interval_us: 40_000, ..PCMA };
    let start = |ms: i64| at_us + ms * 1000 - first * slow.interval_us;
    let ssrc = 0x100 + number as u32;
    let there = Voice { from: caller, to: callee, ssrc, start_us: start(120), ..slow };
    there.talk(trace, first..first + 10);
    there.talk(trace, first + 11..first + 40);
    let back = Voice { from: callee, to: caller, ssrc: ssrc + 0x100, sequence: 5000, start_us: start(125), ..slow };
    back.talk(trace, first..first + 15);
    back.talk(trace, first + 30..first + 40);
    dialog.hang_up(trace, at_us + 1_730_000);
}

const OUTER: (&str, &str) = ("192.0.2.1:40000", "192.0.2.2:4789");
const OUTER_6: (&str, &str) = ("[2001:db8:ffff::1]:0", "[2001:db8:ffff::2]:0");
/// Octets of Ethernet's header, and where its type begins.
const ETHERNET: usize = 14;
const TYPE: usize = 12;

fn sockets((from, to): (&str, &str)) -> (SocketAddr, SocketAddr) {
    (from.parse().unwrap(), to.parse().unwrap())
}

/// An outer IPv4 packet with these octets in it.
fn outer(protocol: u8, parts: &[&[u8]]) -> Vec<u8> {
    ethernet(ip(sockets(OUTER), protocol, &parts.concat()))
}

/// IEEE 802.1ad outside, 802.1Q inside.
fn qinq(frame: &[u8]) -> Vec<u8> {
    [&frame[..TYPE], &[0x88, 0xa8, 0, 9, 0x81, 0, 0, 7], &frame[TYPE..]].concat()
}

/// Two labels, the second at the bottom of the stack (RFC 3032 §2.1).
fn mpls(frame: &[u8]) -> Vec<u8> {
    [&frame[..TYPE], &[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64], &frame[ETHERNET..]].concat()
}

/// RFC 2516 §4, session 5, PPP protocol 0x0021.
fn pppoe(frame: &[u8]) -> Vec<u8> {
    let length = (frame.len() as u16 - ETHERNET as u16 + 2).to_be_bytes();
    [&frame[..TYPE], &[0x88, 0x64, 0x11, 0, 0, 5], &length, &[0, 0x21], &frame[ETHERNET..]].concat()
}

/// RFC 2003.
fn ip_in_ip(frame: &[u8]) -> Vec<u8> {
    outer(4, &[&frame[ETHERNET..]])
}

/// RFC 4213 §3.
fn six_in_four(frame: &[u8]) -> Vec<u8> {
    outer(41, &[&frame[ETHERNET..]])
}

/// RFC 2473, as Dual-Stack Lite has it (RFC 6333).
fn four_in_six(frame: &[u8]) -> Vec<u8> {
    ethernet(ip(sockets(OUTER_6), 4, &frame[ETHERNET..]))
}

/// With a key (RFC 2890).
fn gre(frame: &[u8]) -> Vec<u8> {
    outer(47, &[&[0x20, 0, 0x08, 0, 0, 0, 0, 7], &frame[ETHERNET..]])
}

/// Ethernet in GRE (RFC 1701's Transparent Ethernet Bridging).
fn gre_tap(frame: &[u8]) -> Vec<u8> {
    outer(47, &[&[0, 0, 0x65, 0x58], frame])
}

/// A mirror port's session 7 (draft-foschiano-erspan-03 §4.2), GRE with a sequence number.
fn erspan_2(frame: &[u8]) -> Vec<u8> {
    outer(47, &[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 7, 0, 0, 0, 0], frame])
}

/// The same in its third version, without a subheader of the platform's (§4.3).
fn erspan_3(frame: &[u8]) -> Vec<u8> {
    outer(47, &[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0], frame])
}

/// Network 7 (RFC 7348 §5).
fn vxlan(frame: &[u8]) -> Vec<u8> {
    outer(UDP, &[&udp(sockets(OUTER), &[&[8, 0, 0, 0, 0, 0, 7, 0], frame].concat())])
}

/// Two calls whose INVITE and 200 are too big for one frame, over IPv4 and, half a second later, over IPv6, where the
/// last part of each comes first. The first parts end where an MTU of 1500 and the least one of IPv6, 1280, end them.
fn fragments() -> Trace {
    let mut trace = Trace::default();
    let four = Dialog { call_id: "four", caller: "10.0.1.1:5060", callee: "10.0.1.2:5060" };
    in_parts(&mut trace, (four, ["10.0.1.1:4000", "10.0.1.2:4002"]), (0, 0x11), 1480, [0, 1]);
    let six = Dialog { call_id: "six", caller: "[2001:db8::1]:5060", callee: "[2001:db8::2]:5060" };
    let media = ["[2001:db8::1]:4000", "[2001:db8::2]:4002"];
    in_parts(&mut trace, (six, media), (500_000, 0x22), 1232, [1, 0]);
    trace
}

/// The INVITE's parts are 5 ms apart, those of the 200 3 ms.
fn in_parts(
    trace: &mut Trace,
    (dialog, [caller, callee]): (Dialog, [&'static str; 2]),
    (at_us, ssrc): (i64, u32),
    cut: usize,
    order: [usize; 2],
) {
    let candidates = candidates();
    let many = |address| Sdp { address, formats: "8", attributes: &candidates };
    let invite = dialog.request(INVITE, Some(many(caller)));
    let parts = |first: i64, second: i64| [(at_us + first, order[0]), (at_us + second, order[1])];
    trace.fragments((dialog.caller, dialog.callee), &invite, cut, parts(0, 5_000));
    dialog.answer(trace, at_us + 50_000, INVITE, 180, None);
    let answer = dialog.response(INVITE, 200, Some(many(callee)));
    trace.fragments((dialog.callee, dialog.caller), &answer, cut, parts(100_000, 103_000));
    dialog.ask(trace, at_us + 110_000, Turn { method: "ACK", inside: true, ..INVITE }, None);
    let there = Voice { from: caller, to: callee, ssrc, start_us: at_us + 120_000, ..PCMA };
    there.talk(trace, 0..50);
    let start_us = at_us + 125_000 - 20_000_000;
    Voice { from: callee, to: caller, ssrc: ssrc + 0x100, start_us, ..PCMA }.talk(trace, 1000..1050);
    let bye = within(true, "BYE", 2);
    dialog.ask(trace, at_us + 1_130_000, bye, None);
    dialog.answer(trace, at_us + 1_140_000, bye, 200, None);
}

/// What makes descriptions long: a line for each of many ways to reach the phone.
fn candidates() -> String {
    let line = |n| format!("a=candidate:{n} 1 UDP {} 192.0.2.{n} {} typ host\r\n", 2_130_706_431 - n, 20_000 + n);
    (1..=30).map(line).collect::<String>() + "a=sendrecv\r\n"
}
