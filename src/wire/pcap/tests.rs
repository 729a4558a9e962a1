use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::interface_statistics::{InterfaceStatisticsBlock, InterfaceStatisticsOption};
use pcap_file::{DataLink, Endianness};
use proptest::prelude::*;

use super::*;

/// 2026-11-23 00:00:00.000000007 UTC: `date -u -d 2026-11-23 +%s` says 1795392000.
const UNIX_NS: i64 = 1_795_392_000_000_000_007;

fn pcapng(endianness: Endianness) -> Vec<u8> {
    let mut writer = PcapNgWriter::with_endianness(Vec::new(), endianness).unwrap();
    let options = vec![InterfaceDescriptionOption::IfTsResol(9)];
    writer.write_pcapng_block(InterfaceDescriptionBlock { linktype: DataLink::RAW, snaplen: 0, options }).unwrap();
    for (flags, comment) in [(1, "one"), (2, "two")] {
        let options = vec![EnhancedPacketOption::Flags(flags), EnhancedPacketOption::Comment(comment.into())];
        writer
            .write_pcapng_block(EnhancedPacketBlock {
                interface_id: 0,
                timestamp: std::time::Duration::from_nanos(UNIX_NS.cast_unsigned()),
                original_len: 9,
                data: vec![0x45, 1, 2, 3, 4].into(),
                options,
            })
            .unwrap();
    }
    let options = vec![InterfaceStatisticsOption::IsbIfDrop(3), InterfaceStatisticsOption::IsbOsDrop(4)];
    writer.write_pcapng_block(InterfaceStatisticsBlock { interface_id: 0, timestamp: 0, options }).unwrap();
    writer.into_inner()
}

fn pcap(nanoseconds: bool, packets: u32) -> Vec<u8> {
    let mut file = if nanoseconds { vec![0x4d, 0x3c, 0xb2, 0xa1] } else { vec![0xd4, 0xc3, 0xb2, 0xa1] };
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0]);
    for number in 0..packets {
        for word in [10, number, 2, 60] {
            file.extend(u32::to_le_bytes(word));
        }
        file.extend([0xaa, number as u8]);
    }
    file
}

#[test]
fn pcapng_of_either_byte_order_gives_time_sense_comment_and_drops() {
    for endianness in [Endianness::Little, Endianness::Big] {
        let file = pcapng(endianness);
        let mut reader = Reader::new(&file).unwrap();
        let packets: Vec<_> = reader.by_ref().collect();
        assert_eq!(packets.len(), 2);
        assert_eq!((packets[0].unix_ns, packets[0].sense), (UNIX_NS, Sense::Inbound));
        assert_eq!((packets[1].number, packets[1].sense), (2, Sense::Outbound));
        assert_eq!(packets[1].comment.as_deref(), Some("two"));
        assert_eq!((packets[0].octets, packets[0].wire_length), (&[0x45, 1, 2, 3, 4][..], 9));
        assert_eq!(packets[0].link, LinkType::RawIp);
        assert_eq!(reader.dropped(), Some(7));
        assert_eq!(reader.flaws(), []);
    }
}

/// A block in the byte order that `e` writes.
fn block(e: fn(u32) -> [u8; 4], kind: u32, words: &[u32], tail: &[u8]) -> Vec<u8> {
    let length = 12 + 4 * words.len() as u32 + tail.len() as u32;
    let mut block: Vec<u8> = [kind, length].iter().chain(words).flat_map(|word| e(*word)).collect();
    block.extend(tail.iter().copied().chain(e(length)));
    block
}

/// Two sections of different byte order; in the first two interfaces: raw IP in seconds with an offset of 5 s
/// (`if_tsoffset`), Ethernet in 1/1024 s (`if_tsresol` 0x8a). Packets: enhanced, simple, obsolete.
#[test]
fn interfaces_and_sections_have_their_own_clocks_links_and_byte_orders() {
    let mut file = Vec::new();
    for e in [u32::to_le_bytes as fn(u32) -> [u8; 4], u32::to_be_bytes] {
        let big = e(1)[3] == 1;
        // 16-bit halves stand in the order of the section.
        let pair = |first: u32, second: u32| if big { first << 16 | second } else { second << 16 | first };
        file.extend(block(e, 0x0a0d_0d0a, &[0x1a2b_3c4d, pair(1, 0), u32::MAX, u32::MAX], &[]));
        let five = if big { 5u64.to_be_bytes() } else { 5u64.to_le_bytes() };
        let options = [&e(pair(9, 1))[..], &[0, 0, 0, 0], &e(pair(14, 8)), &five, &[0; 4]].concat();
        file.extend(block(e, 1, &[pair(101, 0), 0], &options));
        let options = [&e(pair(9, 1))[..], &[0x8a, 0, 0, 0], &[0; 4]].concat();
        file.extend(block(e, 1, &[pair(1, 0), 0], &options));
        file.extend(block(e, 6, &[0, 0, 10, 2, 60], &[1, 2, 0, 0]));
        file.extend(block(e, 3, &[4], &[1, 2, 3, 4]));
        file.extend(block(e, 2, &[pair(1, 0), 0, 512, 3, 3], &[7, 8, 9, 0]));
    }
    let mut reader = Reader::new(&file).unwrap();
    let seen: Vec<_> = reader.by_ref().map(|p| (p.number, p.unix_ns, p.link, p.octets.to_vec())).collect();
    let of = |first| {
        [
            (first, 15_000_000_000, LinkType::RawIp, vec![1, 2]),
            (first + 2, 500_000_000, LinkType::Ethernet, vec![7, 8, 9]),
        ]
    };
    assert_eq!(seen, [of(1), of(4)].concat());
    let flaw = &reader.flaws()[0];
    assert_eq!((flaw.count, flaw.after_packet, reader.packets()), (2, 1, 6));
}

#[test]
fn resolutions_are_powers_of_ten_or_two() {
    assert_eq!((ng_ticks(6), ng_ticks(9), ng_ticks(0x80 | 10)), (1_000_000, 1_000_000_000, 1024));
}

fn ng_ticks(resolution: u8) -> u128 {
    super::ng::ticks(resolution)
}

#[test]
fn classic_files_have_microseconds_or_nanoseconds() {
    let packets: Vec<_> = Reader::new(&pcap(false, 2)).unwrap().map(|packet| packet.unix_ns).collect();
    assert_eq!(packets, [10_000_000_000, 10_000_001_000]);
    let packets: Vec<_> = Reader::new(&pcap(true, 2)).unwrap().map(|packet| packet.unix_ns).collect();
    assert_eq!(packets, [10_000_000_000, 10_000_000_001]);
}

/// A modified libpcap writes eight octets more before each packet.
#[test]
fn the_modified_format_is_read_too() {
    let mut file = pcap(false, 1);
    file[..4].copy_from_slice(&[0x34, 0xcd, 0xb2, 0xa1]);
    file.splice(40..40, [0; 8]);
    let packets: Vec<_> = Reader::new(&file).unwrap().map(|packet| (packet.unix_ns, packet.octets)).collect();
    assert_eq!(packets, [(10_000_000_000, &[0xaa, 0][..])]);
}

#[test]
fn a_cut_file_gives_what_is_whole_and_says_after_which_packet() {
    // The last block of the pcapng file is the interface statistics (52 octets here), before it packet 2.
    let (classic, ng) = (pcap(false, 2), pcapng(Endianness::Little));
    for (file, cut, whole) in [(&classic, 1, 1), (&ng, 1, 2), (&ng, 53, 1)] {
        let mut reader = Reader::new(&file[..file.len() - cut]).unwrap();
        assert_eq!(reader.by_ref().count() as u64, whole);
        assert_eq!(reader.flaws().len(), 1);
        assert_eq!(reader.flaws()[0].after_packet, whole);
    }
}

#[test]
fn other_files_are_refused() {
    for (start, advice) in [
        (&b""[..], "it is empty"),
        (b"BZh91AY", "bzip2 -d"),
        (b"GMBU\x00\x02", "editcap -F pcapng"),
        (b"INVITE sip:", "begins with \"INVITE sip:\""),
        (&[0x7f, 1, 2, 3], "7f 01 02 03"),
        (&[0xd4, 0x3c, 0xb2, 0xa1], "d4 3c b2 a1"),
    ] {
        let error = Reader::new(start).unwrap_err();
        assert!(matches!(error, OpenError::UnknownFormat(_)) && error.to_string().contains(advice), "{error}");
    }
    assert_eq!(Reader::new(&[0x0a, 0x0d, 0x0d, 0x0a, 0]).unwrap_err(), OpenError::BadHeader("pcapng section"));
}

proptest! {
    #[test]
    fn no_octets_make_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..300) {
        for mut file in [pcap(false, 3), pcapng(Endianness::Little), pcapng(Endianness::Big)] {
            file.truncate(at.max(4));
            file.extend(&tail);
            if let Ok(reader) = Reader::new(&file) {
                prop_assert!(reader.take(1000).count() < 1000);
            }
        }
    }

    #[test]
    fn a_flipped_octet_does_not_make_it_panic(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut file = pcapng(Endianness::Little);
        let at = at.index(file.len());
        file[at] = value;
        if let Ok(reader) = Reader::new(&file) {
            prop_assert!(reader.count() <= 3);
        }
    }
}
