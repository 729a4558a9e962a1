//! What the worlds' phones say: RTP streams and SIP dialogs.

use std::net::SocketAddr;
use std::ops::Range;

use super::trace::Trace;

/// Octets of an RTP payload that the captures keep: enough to know a packet again, as `tcpdump -s 86` keeps.
const KEPT: usize = 12 + 32;

/// A sender of voice.
#[derive(Clone, Copy)]
pub struct Voice {
    pub from: &'static str,
    pub to: &'static str,
    pub ssrc: u32,
    pub payload_type: u8,
    /// Number and timestamp of packet 0.
    pub sequence: u16,
    pub timestamp: u32,
    /// Timestamp units from packet to packet.
    pub step: u32,
    /// Octets of a payload.
    pub length: usize,
    /// Microseconds from packet to packet.
    pub interval_us: i64,
    /// When packet 0 is captured.
    pub start_us: i64,
}

/// G.711 A-law, 20 ms.
pub const PCMA: Voice = Voice {
    from: "10.0.0.1:4000",
    to: "10.0.0.2:4002",
    ssrc: 0x1111_1111,
    payload_type: 8,
    sequence: 1000,
    timestamp: 160_000,
    step: 160,
    length: 160,
    interval_us: 20_000,
    start_us: 0,
};

impl Voice {
    /// Packets of this range of numbers, each at its instant.
    pub fn talk(&self, trace: &mut Trace, packets: Range<i64>) {
        packets.for_each(|k| self.packet(trace, k, self.at(k), false));
    }

    /// When packet `k` is due.
    pub fn at(&self, k: i64) -> i64 {
        self.start_us + k * self.interval_us
    }

    /// Packet `k`, captured at `at_us`.
    pub fn packet(&self, trace: &mut Trace, k: i64, at_us: i64, marker: bool) {
        let timestamp = self.timestamp.wrapping_add(self.step.wrapping_mul(k as u32));
        self.raw(trace, at_us, k, timestamp, marker);
    }

    /// A packet whose timestamp is not that of its number: number `k` after packet 0.
    pub fn raw(&self, trace: &mut Trace, at_us: i64, k: i64, timestamp: u32, marker: bool) {
        let sequence = self.sequence.wrapping_add(k as u16);
        let head = (self.payload_type, marker);
        let octets = rtp(head, sequence, timestamp, self.ssrc, &noise(k.cast_unsigned(), self.length));
        trace.cut_udp(at_us, (self.from, self.to), &octets, KEPT);
    }
}

/// An RTP packet (RFC 3550 §5.1).
pub fn rtp((payload_type, marker): (u8, bool), sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![0x80, payload_type | u8::from(marker) << 7];
    octets.extend(sequence.to_be_bytes());
    octets.extend(timestamp.to_be_bytes());
    octets.extend(ssrc.to_be_bytes());
    octets.extend_from_slice(payload);
    octets
}

/// Octets that repeat nowhere, as speech does: SplitMix64 over the packet's number.
pub fn noise(packet: u64, length: usize) -> Vec<u8> {
    let words = (0..).map(|word| scatter(packet << 16 | word)).flat_map(u64::to_be_bytes);
    words.take(length).collect()
}

/// The output function of SplitMix64 (Steele, Lea and Flood 2014).
pub fn scatter(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A SIP dialog as two sides speak it, over UDP or as text for a stream.
#[derive(Clone, Copy)]
pub struct Dialog {
    pub call_id: &'static str,
    /// Signalling addresses.
    pub caller: &'static str,
    pub callee: &'static str,
}

/// The call of most worlds.
pub const CALL: Dialog = Dialog { call_id: "golden-1", caller: "10.0.0.1:5060", callee: "10.0.0.2:5060" };

/// A session description: media address, formats, `a=` lines.
#[derive(Clone, Copy)]
pub struct Sdp<'a> {
    pub address: &'a str,
    pub formats: &'a str,
    pub attributes: &'a str,
}

/// A-law at an address.
pub fn pcma(address: &str) -> Sdp<'_> {
    Sdp { address, formats: "8", attributes: "a=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n" }
}

/// A-law with another direction attribute.
pub fn directed<'a>(address: &'a str, attributes: &'a str) -> Sdp<'a> {
    Sdp { address, formats: "8", attributes }
}

/// What a message is: by the caller or the callee, and its transaction.
#[derive(Clone, Copy)]
pub struct Turn {
    /// Who sent the request of the transaction.
    pub asked_by_caller: bool,
    pub method: &'static str,
    pub number: u32,
    /// Whether the dialog exists already.
    pub inside: bool,
}

/// The first INVITE.
pub const INVITE: Turn = Turn { asked_by_caller: true, method: "INVITE", number: 1, inside: false };

/// A request within the dialog.
pub fn within(asked_by_caller: bool, method: &'static str, number: u32) -> Turn {
    Turn { asked_by_caller, method, number, inside: true }
}

impl Dialog {
    /// A request as text.
    pub fn request(&self, turn: Turn, sdp: Option<Sdp<'_>>) -> Vec<u8> {
        let uri = if turn.asked_by_caller { "sip:bob@example.test" } else { "sip:alice@example.test" };
        self.message(&format!("{} {uri} SIP/2.0", turn.method), turn, turn.inside, sdp)
    }

    /// A response as text.
    pub fn response(&self, turn: Turn, code: u16, sdp: Option<Sdp<'_>>) -> Vec<u8> {
        self.message(&format!("SIP/2.0 {code} -"), turn, code > 100 || turn.inside, sdp)
    }

    fn message(&self, start: &str, turn: Turn, both_tags: bool, sdp: Option<Sdp<'_>>) -> Vec<u8> {
        let Turn { asked_by_caller, method, number, .. } = turn;
        let (mut from, mut to) = ("alice", "bob");
        if !asked_by_caller {
            (from, to) = (to, from);
        }
        let via = if asked_by_caller { self.caller } else { self.callee };
        // An ACK for a 2xx is a transaction of its own, all others repeat their request's branch.
        let branch = format!("z9hG4bK-{}-{number}-{method}-{from}", self.call_id);
        let to_tag = if both_tags { format!(";tag=of-{to}") } else { String::new() };
        let body = sdp.map_or_else(String::new, description);
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let length = body.len();
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP {via};branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:{from}@example.test>;tag=of-{from}\r\nTo: <sip:{to}@example.test>{to_tag}\r\n\
             Call-ID: {}\r\nCSeq: {number} {method}\r\n{kind}Content-Length: {length}\r\n\r\n{body}",
            self.call_id
        );
        text.into_bytes()
    }

    /// Sends a request over UDP.
    pub fn ask(&self, trace: &mut Trace, at_us: i64, turn: Turn, sdp: Option<Sdp<'_>>) {
        let (from, to) = self.way(turn.asked_by_caller);
        trace.udp(at_us, from, to, &self.request(turn, sdp));
    }

    /// Sends a response over UDP.
    pub fn answer(&self, trace: &mut Trace, at_us: i64, turn: Turn, code: u16, sdp: Option<Sdp<'_>>) {
        let (from, to) = self.way(!turn.asked_by_caller);
        trace.udp(at_us, from, to, &self.response(turn, code, sdp));
    }

    fn way(&self, by_caller: bool) -> (&'static str, &'static str) {
        if by_caller { (self.caller, self.callee) } else { (self.callee, self.caller) }
    }

    /// INVITE at 0 ms, 180 at 50 ms, 200 at 100 ms, ACK at 110 ms, counted from `at_us`.
    pub fn set_up(&self, trace: &mut Trace, at_us: i64, offer: Sdp<'_>, answer: Sdp<'_>) {
        self.ask(trace, at_us, INVITE, Some(offer));
        self.answer(trace, at_us + 50_000, INVITE, 180, None);
        self.answer(trace, at_us + 100_000, INVITE, 200, Some(answer));
        self.ask(trace, at_us + 110_000, Turn { method: "ACK", inside: true, ..INVITE }, None);
    }

    /// The caller hangs up; 200 after 10 ms.
    pub fn hang_up(&self, trace: &mut Trace, at_us: i64) {
        let bye = within(true, "BYE", 9);
        self.ask(trace, at_us, bye, None);
        self.answer(trace, at_us + 10_000, bye, 200, None);
    }
}

fn description(sdp: Sdp<'_>) -> String {
    let address: SocketAddr = sdp.address.parse().unwrap();
    let (version, ip, port) = (if address.is_ipv4() { 4 } else { 6 }, address.ip(), address.port());
    let Sdp { formats, attributes, .. } = sdp;
    format!(
        "v=0\r\no=- 1 1 IN IP{version} {ip}\r\ns=-\r\nc=IN IP{version} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\n{attributes}"
    )
}
