//! The benchmark's capture: two-way calls with the SIP dialogs around them, the same octets each time.

use std::io::{BufWriter, Write};
use std::path::Path;

use rtp_rs::{RtpPacketBuilder, Seq};

/// Nanoseconds from one packet of a stream to the next.
const INTERVAL: u64 = 20_000_000;
/// Media begins when the last call has been answered, and soon enough after the first was.
const TALK: u64 = 500_000_000;
/// From one stream's packets to the next one's.
const PHASE: u64 = 50_000;
/// How long after the last packets were due the calls end: too soon for an outage.
const BYE_AFTER: u64 = 30_000_000;
/// From one call's dialog to the next one's.
const STAGGER: u64 = 1_000_000;
const SERVER: [u8; 4] = [10, 1, 0, 1];
const SIP_PORT: u16 = 5060;

/// What a capture holds.
pub struct Written {
    /// RTP packets.
    pub packets: u32,
    /// Octets of the file.
    pub octets: u64,
}

/// One frame to come: when, and what.
type Due = (u64, Frame);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Frame {
    Message { call: u32, say: Say },
    Media { stream: u32, number: u32 },
}

/// Writes an Ethernet pcap with nanosecond stamps: each call sends 160 octets of G.711 every 20 ms both ways. In
/// the network every packet waits for up to 4 ms, one of 199 is lost and one of 997 comes after its successor. No two
/// payloads are alike, as with voice.
pub fn write(path: &Path, calls: u32, seconds: u32) -> std::io::Result<Written> {
    let media = (0..2 * calls).flat_map(|stream| media(stream, seconds * 50));
    let mut due: Vec<Due> = (0..calls).flat_map(|call| dialog(call, seconds)).chain(media).collect();
    due.sort_unstable();
    let mut out = Capture { file: BufWriter::new(std::fs::File::create(path)?), octets: 0 };
    // Magic of nanosecond captures, version 2.4, no zone, no accuracy, snap length, LINKTYPE_ETHERNET.
    out.words(&[0xa1b2_3c4d, 0x0004_0002, 0, 0, 65535, 1])?;
    let mut packets = 0;
    for (at, frame) in due {
        match frame {
            Frame::Message { call, say } => out.message(at, call, say)?,
            Frame::Media { stream, number } => {
                packets += 1;
                out.media(at, stream, number)?;
            }
        }
    }
    out.file.flush()?;
    Ok(Written { packets, octets: out.octets })
}

fn dialog(call: u32, seconds: u32) -> impl Iterator<Item = Due> {
    let start = u64::from(call) * STAGGER;
    let end = TALK + u64::from(seconds) * 1_000_000_000 + BYE_AFTER + 2 * u64::from(call) * PHASE;
    let setup = [Say::Invite, Say::Trying, Say::Ringing, Say::Answer, Say::Ack].into_iter();
    let teardown = [Say::Bye, Say::Done].into_iter();
    let from = |start: u64| (start..).step_by(4_000_000);
    let messages = from(start).zip(setup).chain(from(end).zip(teardown));
    messages.map(move |(at, say)| (at, Frame::Message { call, say }))
}

fn media(stream: u32, packets: u32) -> impl Iterator<Item = Due> {
    (0..packets).filter_map(move |number| {
        let chance = hash(u64::from(stream) << 32 | u64::from(number));
        let late = if chance % 997 == 1 { INTERVAL + 1_000_000 } else { (chance >> 32) % 4_000_000 };
        let at = TALK + u64::from(number) * INTERVAL + u64::from(stream) * PHASE + late;
        (!chance.is_multiple_of(199)).then_some((at, Frame::Media { stream, number }))
    })
}

/// SplitMix64: a number that looks random and is the same everywhere.
fn hash(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// The messages of one call, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Say {
    Invite,
    Trying,
    Ringing,
    Answer,
    Ack,
    Bye,
    Done,
}

struct Capture {
    file: BufWriter<std::fs::File>,
    octets: u64,
}

impl Capture {
    fn words(&mut self, words: &[u32]) -> std::io::Result<()> {
        self.octets += 4 * words.len() as u64;
        words.iter().try_for_each(|word| self.file.write_all(&word.to_le_bytes()))
    }

    fn frame(&mut self, at: u64, frame: &[u8]) -> std::io::Result<()> {
        let length = frame.len() as u32;
        self.words(&[(at / 1_000_000_000) as u32, (at % 1_000_000_000) as u32, length, length])?;
        self.octets += u64::from(length);
        self.file.write_all(frame)
    }

    fn media(&mut self, at: u64, stream: u32, number: u32) -> std::io::Result<()> {
        let rtp = RtpPacketBuilder::new()
            .payload_type(8)
            .ssrc(hash(u64::from(stream)) as u32)
            .sequence(Seq::from((hash(!u64::from(stream)) as u32).wrapping_add(number) as u16))
            .timestamp(number.wrapping_mul(160))
            .payload(&payload(stream, number))
            .build()
            .map_err(|error| std::io::Error::other(format!("{error:?}")))?;
        let (call, from_caller) = (stream / 2, stream.is_multiple_of(2));
        let (caller, relay) = ((phone(call), media_port(call)), (SERVER, media_port(call)));
        let (source, destination) = if from_caller { (caller, relay) } else { (relay, caller) };
        self.frame(at, &datagram(source, destination, &rtp))
    }

    fn message(&mut self, at: u64, call: u32, say: Say) -> std::io::Result<()> {
        let (phone, server) = ((phone(call), SIP_PORT), (SERVER, SIP_PORT));
        let by_caller = matches!(say, Say::Invite | Say::Ack | Say::Bye);
        let (source, destination) = if by_caller { (phone, server) } else { (server, phone) };
        self.frame(at, &datagram(source, destination, message(call, say).as_bytes()))
    }
}

fn payload(stream: u32, number: u32) -> [u8; 160] {
    let mut payload = [0; 160];
    for (word, octets) in (0..).zip(payload.chunks_exact_mut(8)) {
        let place = u64::from(stream) << 40 | u64::from(number) << 8 | word;
        octets.copy_from_slice(&hash(place ^ u64::MAX >> 1).to_le_bytes());
    }
    payload
}

fn phone(call: u32) -> [u8; 4] {
    [10, 0, (call / 250) as u8, (call % 250 + 1) as u8]
}

fn media_port(call: u32) -> u16 {
    (20_000 + 2 * call) as u16
}

fn message(call: u32, say: Say) -> String {
    let (start, cseq, tag, media) = match say {
        Say::Invite => ("INVITE sip:bob@10.1.0.1 SIP/2.0", "1 INVITE", "", Some(phone(call))),
        Say::Trying => ("SIP/2.0 100 Trying", "1 INVITE", "", None),
        Say::Ringing => ("SIP/2.0 180 Ringing", "1 INVITE", ";tag=b", None),
        Say::Answer => ("SIP/2.0 200 OK", "1 INVITE", ";tag=b", Some(SERVER)),
        Say::Ack => ("ACK sip:bob@10.1.0.1 SIP/2.0", "1 ACK", ";tag=b", None),
        Say::Bye => ("BYE sip:bob@10.1.0.1 SIP/2.0", "2 BYE", ";tag=b", None),
        Say::Done => ("SIP/2.0 200 OK", "2 BYE", ";tag=b", None),
    };
    let body = media.map_or_else(String::new, |address| sdp(address, media_port(call)));
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let [a, b, c, d] = phone(call);
    format!(
        "{start}\r\nVia: SIP/2.0/UDP {a}.{b}.{c}.{d}:5060;branch=z9hG4bK{call}{}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice{call}@10.1.0.1>;tag=a{call}\r\nTo: <sip:bob@10.1.0.1>{tag}\r\nCall-ID: call{call}\r\n\
         CSeq: {cseq}\r\nContact: <sip:alice{call}@{a}.{b}.{c}.{d}:5060>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        cseq.replace(' ', "-"),
        body.len()
    )
}

fn sdp([a, b, c, d]: [u8; 4], port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {a}.{b}.{c}.{d}\r\ns=-\r\nc=IN IP4 {a}.{b}.{c}.{d}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// Ethernet, IPv4 without checksum, UDP without checksum.
fn datagram(source: ([u8; 4], u16), destination: ([u8; 4], u16), payload: &[u8]) -> Vec<u8> {
    let length = |header: usize| ((header + payload.len()) as u16).to_be_bytes();
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend(length(28));
    frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    frame.extend(source.0.into_iter().chain(destination.0));
    frame.extend(source.1.to_be_bytes().into_iter().chain(destination.1.to_be_bytes()));
    frame.extend(length(8));
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}
