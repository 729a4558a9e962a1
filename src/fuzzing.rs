//! Entries for fuzzing: one for each reader of foreign octets. The targets in `fuzz/` call them with what the
//! fuzzer invents, a hermetic test calls them with the committed seeds. A failure is a panic, an endless loop or
//! memory without bound.

use crate::units::{RunTime, Span};
use crate::wire::fragments::Fragments;
use crate::wire::frame::{Frame, Ip, Transport};
use crate::wire::limits::{MOST_WAITING, MOST_WAITING_PIECES};
use crate::wire::pcap::{LinkType, Reader};
use crate::wire::rtp::Rtp;
use crate::wire::signature::Signature;
use crate::wire::sip::sdp::Description;
use crate::wire::sip::{Framer, Message, Uri, list};
use crate::wire::tcp::{Piece, Reassembly};
use crate::wire::video::{Codec, feedback};
use crate::wire::xmpp::{self, Header, Splitter, Stanza};
use crate::wire::{rtcp, rtp};

/// What takes octets.
pub type Entry = fn(&[u8]);

/// Every entry by the name of its target and of its folder of seeds.
pub const ENTRIES: [(&str, Entry); 9] = [
    ("frame", frame),
    ("pcap", pcap),
    ("pcapng", pcapng),
    ("rtcp", rtcp),
    ("rtp", rtp),
    ("sdp", sdp),
    ("sip", sip),
    ("tcp", tcp),
    ("xmpp", xmpp),
];

/// A SIP message as a datagram, with all its typed values, and the same octets as a stream in pieces.
pub fn sip(octets: &[u8]) {
    if let Ok(message) = Message::parse(octets) {
        let _ = (message.cseq(), message.call_id(), message.from_tag(), message.to_tag(), message.to_user());
        let _ = (message.vias().count(), message.branch(), message.contact_uri(), message.record_routes());
        let _ = (message.has_sdp(), message.header("Reason"), message.request_uri().and_then(Uri::parse));
        let _ = message.raw("Supported").flat_map(list).count();
    }
    // The first octet says how the stream is cut into segments.
    let Some((&piece, stream)) = octets.split_first() else { return };
    let mut framer = Framer::default();
    for piece in stream.chunks(usize::from(piece).max(1)) {
        framer.push(piece);
        while let Ok(Some(_)) = framer.next_frame() {}
    }
}

/// A session description.
pub fn sdp(octets: &[u8]) {
    if let Some(description) = Description::read(octets) {
        let again = Description::read(&description.write(1, 1));
        assert_eq!(again.map(|again| again.audio.address), Some(description.audio.address));
    }
}

/// An RTP packet, the signature in its payload, and the payload as video of either codec.
pub fn rtp(octets: &[u8]) {
    let _ = rtp::kind(octets);
    if let Some(rtp) = Rtp::parse(octets) {
        let _ = Signature::read(rtp.payload);
        for codec in [Codec::H264, Codec::Vp8] {
            let _ = (codec.inspect(rtp.payload), codec.depacketize(&[rtp.payload]));
        }
        assert!(rtp.payload.len() <= octets.len());
    }
}

/// A compound RTCP packet.
pub fn rtcp(octets: &[u8]) {
    let _ = (rtcp::reports(octets), feedback::requests(octets));
}

/// Frames, and the datagrams that their fragments make. The first octet chooses the link layer; every frame has its
/// length before it.
pub fn frame(octets: &[u8]) {
    const LINKS: [u32; 8] = [0, 1, 9, 51, 101, 108, 113, 276];
    let Some((&link, mut octets)) = octets.split_first() else { return };
    let link = LinkType::from(LINKS[usize::from(link) % LINKS.len()]);
    let (mut fragments, mut at) = (Fragments::default(), RunTime::ZERO);
    while let Some((&length, rest)) = octets.split_first() {
        let (one, rest) = rest.split_at(rest.len().min(length.into()));
        octets = rest;
        at += Span::from_millis(length.into());
        let frame = Frame::parse(link, one);
        let Some(ip) = frame.ip() else { continue };
        let _ = (ip.source_socket(), ip.destination_socket());
        let Transport::Fragment(fragment) = &ip.transport else { continue };
        if let Some(whole) = fragments.push(at, ip, fragment) {
            let _ = Ip::whole(ip.source, ip.destination, whole.protocol, &whole.octets);
        }
    }
}

/// Segments of one direction. Each is four octets: what it is, where it stands, how long it is. Its payload tells
/// where it stands, so that whatever comes out can be held against its place.
pub fn tcp(octets: &[u8]) {
    let (mut reassembly, mut next, mut first) = (Reassembly::default(), None::<u32>, None);
    let mut take = |piece: Piece<'_>| match piece {
        Piece::Hole(length) => next = next.map(|next| next.wrapping_add(length as u32)),
        Piece::Octets { octets, .. } => {
            let place = next.get_or_insert_with(|| *first.get_or_insert(u32::from(octets[0])));
            assert!(octets.iter().enumerate().all(|(k, octet)| *octet == (*place as u8).wrapping_add(k as u8)));
            *place = place.wrapping_add(octets.len() as u32);
        }
    };
    for (count, operation) in octets.chunks_exact(4).enumerate() {
        let &[kind, high, low, length] = operation else { return };
        // Near the wrap, and as far from it as the kind says.
        let place = u32::from_be_bytes([kind & 3, 0, high, low]).wrapping_sub(256);
        let at = RunTime::from_millis(count as i64);
        match kind >> 6 {
            0 => reassembly.acknowledge(place, &mut take),
            1 => reassembly.finish(&mut take),
            _ => {
                let payload: Vec<u8> = (0..length).map(|k| (place as u8).wrapping_add(k)).collect();
                reassembly.push(at, place, kind & 1, &payload, &mut take);
            }
        }
        // One segment more than the limit may wait until the hole before it is skipped.
        assert!(reassembly.waiting() <= MOST_WAITING.max(MOST_WAITING_PIECES * usize::from(u8::MAX)));
    }
    reassembly.finish(&mut take);
    assert_eq!(reassembly.waiting(), 0);
}

/// An XMPP stream, whole and in pieces, which must not differ; the first octet says how long the pieces are, and
/// whether the beginning is missing.
pub fn xmpp(octets: &[u8]) {
    let Some((&first, stream)) = octets.split_first() else { return };
    let new = || if first & 0x80 == 0 { Splitter::default() } else { Splitter::in_the_middle() };
    let mut whole = Vec::new();
    new().push(stream, &mut |piece| whole.push(said(piece)));
    let (mut splitter, mut pieces) = (new(), Vec::new());
    for piece in stream.chunks(usize::from(first & 0x7f).max(1)) {
        splitter.push(piece, &mut |piece| pieces.push(said(piece)));
    }
    assert_eq!(whole, pieces);
}

/// What a piece of a stream says, if it can be read.
fn said(piece: xmpp::Piece<'_>) -> (Option<Header>, Option<Stanza>) {
    match piece {
        xmpp::Piece::Header(tag) => (Header::parse(tag), None),
        xmpp::Piece::Stanza(element) => (None, Stanza::parse(element)),
        xmpp::Piece::TooLong | xmpp::Piece::End => (None, None),
    }
}

/// A classic capture file: the header stands before the octets, its first octet chooses the variety.
pub fn pcap(octets: &[u8]) {
    const MAGICS: [[u8; 4]; 5] = [
        [0xd4, 0xc3, 0xb2, 0xa1],
        [0xa1, 0xb2, 0xc3, 0xd4],
        [0x4d, 0x3c, 0xb2, 0xa1],
        [0xa1, 0xb2, 0x3c, 0x4d],
        [0x34, 0xcd, 0xb2, 0xa1],
    ];
    let Some((&variety, octets)) = octets.split_first() else { return };
    read(&[&MAGICS[usize::from(variety) % MAGICS.len()], octets].concat());
}

/// A pcapng file as it is.
pub fn pcapng(octets: &[u8]) {
    read(octets);
}

fn read(file: &[u8]) {
    let Ok(mut reader) = Reader::new(file) else { return };
    let mut octets = 0;
    for packet in reader.by_ref() {
        octets += packet.octets.len();
    }
    assert!(octets <= file.len(), "no octet is given twice");
    let _ = (reader.flaws().len(), reader.dropped());
}
