//! Entries for fuzzing: one for each reader of foreign octets. The targets in `fuzz/` call them with what the
//! fuzzer invents, a hermetic test calls them with the committed seeds. A failure is a panic, an endless loop or
//! memory without bound.

use crate::wire::frame::Frame;
use crate::wire::pcap::{LinkType, Reader};
use crate::wire::rtp::Rtp;
use crate::wire::signature::Signature;
use crate::wire::sip::sdp::Audio;
use crate::wire::sip::{Framer, Message, Uri, list};
use crate::wire::{rtcp, rtp};

/// What takes octets.
pub type Entry = fn(&[u8]);

/// Every entry by the name of its target and of its folder of seeds.
pub const ENTRIES: [(&str, Entry); 7] =
    [("frame", frame), ("pcap", pcap), ("pcapng", pcapng), ("rtcp", rtcp), ("rtp", rtp), ("sdp", sdp), ("sip", sip)];

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
    if let Some(audio) = Audio::read(octets) {
        let written = audio.write(1, 1);
        assert_eq!(Audio::read(&written).map(|again| again.address), Some(audio.address));
    }
}

/// An RTP packet and the signature in its payload.
pub fn rtp(octets: &[u8]) {
    let _ = rtp::kind(octets);
    if let Some(rtp) = Rtp::parse(octets) {
        let _ = Signature::read(rtp.payload);
        assert!(rtp.payload.len() <= octets.len());
    }
}

/// A compound RTCP packet.
pub fn rtcp(octets: &[u8]) {
    let _ = rtcp::reports(octets);
}

/// A frame: the first octet chooses the link layer.
pub fn frame(octets: &[u8]) {
    const LINKS: [u32; 8] = [0, 1, 9, 51, 101, 108, 113, 276];
    let Some((&link, octets)) = octets.split_first() else { return };
    let frame = Frame::parse(LinkType::from(LINKS[usize::from(link) % LINKS.len()]), octets);
    let _ = frame.ip().map(|ip| (ip.source_socket(), ip.destination_socket()));
}

/// A classic capture file: the header stands before the octets, its first octet chooses the variety.
pub fn pcap(octets: &[u8]) {
    const MAGICS: [[u8; 4]; 4] =
        [[0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0xc3, 0xd4], [0x4d, 0x3c, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d]];
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
