//! The pcapng format. Only the blocks that carry packets, their interfaces and drop counters are parsed;
//! all others are skipped by their length.

use std::borrow::Cow;
use std::collections::BTreeMap;

use pcap_parser::nom::{Err, IResult};
use pcap_parser::{
    EnhancedPacketBlock, InterfaceDescriptionBlock, InterfaceStatisticsBlock, OptionCode, PcapError, PcapNGOption,
    parse_enhancedpacketblock_be, parse_enhancedpacketblock_le, parse_interfacedescriptionblock_be,
    parse_interfacedescriptionblock_le, parse_interfacestatisticsblock_be, parse_interfacestatisticsblock_le,
};

use super::{Flaw, Flaws, LinkType, OpenError, Packet, Sense};
use crate::wire::limits::{MOST_DROP_COUNTERS, MOST_INTERFACES};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
/// Replaced by the enhanced packet block in 2009; old files have it (draft-ietf-opsawg-pcapng appendix A).
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
/// Option `epb_flags` of a packet block.
const EPB_FLAGS: OptionCode = OptionCode(2);
/// Block type, length, length again.
const LEAST_BLOCK: u32 = 12;

#[derive(Debug)]
pub(super) struct Ng<'a> {
    rest: &'a [u8],
    big_endian: bool,
    interfaces: Vec<Interface>,
    section: u32,
    read: u64,
    /// Drop counters by section and interface: each statistics block replaces the one before it.
    drops: BTreeMap<(u32, u32), u64>,
    length: usize,
    /// Where the block that was read last begins.
    offset: usize,
    flaws: Flaws,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    /// Ticks a second.
    ticks: u128,
    /// Nanoseconds of a tick, where that is a whole number.
    tick_ns: Option<u64>,
    offset_s: i64,
}

/// A whole block, still octets.
struct Raw<'a> {
    kind: u32,
    octets: &'a [u8],
}

impl<'a> Ng<'a> {
    pub(super) fn new(file: &'a [u8]) -> Result<Ng<'a>, OpenError> {
        let mut ng = Ng {
            rest: file,
            big_endian: false,
            interfaces: Vec::new(),
            section: 0,
            read: 0,
            drops: BTreeMap::new(),
            length: file.len(),
            offset: 0,
            flaws: Flaws::default(),
        };
        ng.note_byte_order();
        match ng.block() {
            Some(Raw { kind: SECTION_HEADER, .. }) => Ok(ng),
            _ => Err(OpenError::BadHeader("pcapng section")),
        }
    }

    pub(super) fn flaws(&self) -> &[Flaw] {
        &self.flaws.0
    }

    pub(super) fn packets(&self) -> u64 {
        self.read
    }

    pub(super) fn dropped(&self) -> Option<u64> {
        (!self.drops.is_empty()).then(|| self.drops.values().fold(0, |sum: u64, n| sum.saturating_add(*n)))
    }

    pub(super) fn next(&mut self) -> Option<Packet<'a>> {
        loop {
            self.note_byte_order();
            let block = self.block()?;
            match block.kind {
                SECTION_HEADER => {
                    self.section += 1;
                    self.interfaces.clear();
                }
                INTERFACE_DESCRIPTION => self.interface(block.octets),
                INTERFACE_STATISTICS => self.statistics(block.octets),
                ENHANCED_PACKET => {
                    let packet = self.plain(block.octets).or_else(|| self.packet(block.octets));
                    self.read += 1;
                    if packet.is_some() {
                        return packet;
                    }
                }
                OBSOLETE_PACKET => {
                    let packet = self.obsolete_packet(block.octets);
                    self.read += 1;
                    if packet.is_some() {
                        return packet;
                    }
                }
                SIMPLE_PACKET => {
                    self.flaw("a packet without time (simple packet block) is left out");
                    self.read += 1;
                }
                _ => {}
            }
        }
    }

    /// A section header tells the byte order of all that follows, its own length included.
    fn note_byte_order(&mut self) {
        if self.rest.get(..4) == Some(&[0x0a, 0x0d, 0x0d, 0x0a]) {
            self.big_endian = self.rest.get(8..12) == Some(&[0x1a, 0x2b, 0x3c, 0x4d]);
        }
    }

    fn block(&mut self) -> Option<Raw<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (Some(kind), Some(length)) = (self.word(0), self.word(4)) else {
            return self.end(format!("the file ends inside a block ({} octets are left)", self.rest.len()));
        };
        if length < LEAST_BLOCK || length % 4 != 0 {
            return self.end(format!("a block has the impossible length {length}; the rest cannot be read"));
        }
        let Some((octets, rest)) = self.rest.split_at_checked(length as usize) else {
            let left = self.rest.len();
            return self.end(format!("the file ends inside a block ({left} of {length} octets are there)"));
        };
        self.offset = self.length - self.rest.len();
        self.rest = rest;
        Some(Raw { kind, octets })
    }

    fn word(&self, at: usize) -> Option<u32> {
        Some(word(self.rest.get(at..at + 4)?.try_into().ok()?, self.big_endian))
    }

    fn end(&mut self, what: String) -> Option<Raw<'a>> {
        self.flaws.add(self.read, self.length - self.rest.len(), what);
        self.rest = &[];
        None
    }

    fn flaw(&mut self, what: &str) {
        self.flaws.add(self.read, self.offset, what);
    }

    fn interface(&mut self, octets: &[u8]) {
        if self.interfaces.len() >= MOST_INTERFACES {
            return self.flaw("too many interfaces are described; packets of the further ones are left out");
        }
        let block: Option<InterfaceDescriptionBlock<'_>> =
            whole(octets, self.big_endian, parse_interfacedescriptionblock_le, parse_interfacedescriptionblock_be);
        let interface = block.map(|block| {
            let offset_s = self.signed_option(&block.options, OptionCode::IfTsoffset).unwrap_or(0);
            Interface::new(LinkType::from(block.linktype.0.cast_unsigned()), ticks(block.if_tsresol), offset_s)
        });
        if interface.is_none() {
            self.flaw("an interface description is damaged; its packets are read as microseconds on Ethernet");
        }
        // A damaged description still counts: packets name their interface by its place in the list.
        self.interfaces.push(interface.unwrap_or_else(|| Interface::new(LinkType::Ethernet, 1_000_000, 0)));
    }

    fn statistics(&mut self, octets: &[u8]) {
        let block: Option<InterfaceStatisticsBlock<'_>> =
            whole(octets, self.big_endian, parse_interfacestatisticsblock_le, parse_interfacestatisticsblock_be);
        let Some(block) = block else { return self.flaw("an interface statistics block is damaged") };
        let counts = [OptionCode::IsbIfDrop, OptionCode::IsbOsDrop]
            .map(|code| self.signed_option(&block.options, code).map(i64::cast_unsigned));
        if counts.iter().any(Option::is_some) {
            let dropped = counts.into_iter().flatten().fold(0, u64::saturating_add);
            let counter = (self.section, block.if_id);
            if self.drops.len() >= MOST_DROP_COUNTERS && !self.drops.contains_key(&counter) {
                return self.flaw("too many interfaces have drop counters; the further ones are not counted");
            }
            self.drops.insert(counter, dropped);
        }
    }

    /// The common case without detours: a whole packet block without options.
    #[inline]
    fn plain(&self, octets: &'a [u8]) -> Option<Packet<'a>> {
        let (head, rest) = octets.split_first_chunk::<28>()?;
        let order = |octets: [u8; 4]| {
            if self.big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) }
        };
        let word = |at: usize| order([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let interface = self.interfaces.get(word(8) as usize)?;
        let captured = word(20) as usize;
        let (data, tail) = rest.split_at_checked(captured.checked_next_multiple_of(4)?)?;
        if tail.try_into().ok().map(order) != Some(word(4)) {
            return None;
        }
        Some(Packet {
            number: self.read + 1,
            unix_ns: interface.unix_ns(u64::from(word(12)) << 32 | u64::from(word(16))),
            link: interface.link,
            sense: Sense::Unknown,
            comment: None,
            octets: data.get(..captured)?,
            wire_length: word(24),
        })
    }

    fn packet(&mut self, octets: &'a [u8]) -> Option<Packet<'a>> {
        let block: Option<EnhancedPacketBlock<'a>> =
            whole(octets, self.big_endian, parse_enhancedpacketblock_le, parse_enhancedpacketblock_be);
        let Some(block) = block else {
            self.flaw("a packet block is damaged and left out");
            return None;
        };
        let Some(interface) = self.interfaces.get(block.if_id as usize).copied() else {
            self.flaw("a packet of an interface that is not described is left out");
            return None;
        };
        let Some(data) = block.data.get(..block.caplen as usize) else {
            self.flaw("a packet is longer than its block and left out");
            return None;
        };
        Some(Packet {
            number: self.read + 1,
            unix_ns: interface.unix_ns(u64::from(block.ts_high) << 32 | u64::from(block.ts_low)),
            link: interface.link,
            sense: self.sense(&block.options),
            comment: comment(&block.options),
            octets: data,
            wire_length: block.origlen,
        })
    }

    /// Interface and drop counter in 16 bits each, then as in an enhanced packet block; its options are not read.
    fn obsolete_packet(&mut self, octets: &'a [u8]) -> Option<Packet<'a>> {
        let word = |at: usize| Some(word(octets.get(at..at + 4)?.try_into().ok()?, self.big_endian));
        let head = word(8).zip(word(12)).zip(word(16)).zip(word(20)).zip(word(24));
        let Some(((((ids, high), low), captured), wire_length)) = head else {
            self.flaw("a packet block is damaged and left out");
            return None;
        };
        let number = if self.big_endian { ids >> 16 } else { ids & 0xffff };
        let Some(interface) = self.interfaces.get(number as usize).copied() else {
            self.flaw("a packet of an interface that is not described is left out");
            return None;
        };
        let data = octets.get(28..octets.len() - 4).and_then(|data| data.get(..captured as usize));
        let Some(data) = data else {
            self.flaw("a packet is longer than its block and left out");
            return None;
        };
        Some(Packet {
            number: self.read + 1,
            unix_ns: interface.unix_ns(u64::from(high) << 32 | u64::from(low)),
            link: interface.link,
            sense: Sense::Unknown,
            comment: None,
            octets: data,
            wire_length,
        })
    }

    fn sense(&self, options: &[PcapNGOption<'_>]) -> Sense {
        let flags = options.iter().find(|option| option.code == EPB_FLAGS);
        let Some(octets) = flags.and_then(|option| option.value.get(..4)?.try_into().ok()) else {
            return Sense::Unknown;
        };
        let flags = if self.big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) };
        match flags & 3 {
            1 => Sense::Inbound,
            2 => Sense::Outbound,
            _ => Sense::Unknown,
        }
    }

    /// An option of eight octets in the section's byte order (the parser's own accessors assume one).
    fn signed_option(&self, options: &[PcapNGOption<'_>], code: OptionCode) -> Option<i64> {
        let option = options.iter().find(|option| option.code == code)?;
        let octets = option.value.get(..8)?.try_into().ok()?;
        Some(if self.big_endian { i64::from_be_bytes(octets) } else { i64::from_le_bytes(octets) })
    }
}

impl Interface {
    fn new(link: LinkType, ticks: u128, offset_s: i64) -> Interface {
        let whole = ticks > 0 && 1_000_000_000 % ticks == 0;
        let tick_ns = if whole { u64::try_from(1_000_000_000 / ticks).ok() } else { None };
        Interface { link, ticks, tick_ns, offset_s }
    }

    fn unix_ns(self, stamp: u64) -> i64 {
        let exact = self.tick_ns.and_then(|tick| i64::try_from(stamp.checked_mul(tick)?).ok());
        if let (Some(ns), 0) = (exact, self.offset_s) {
            return ns;
        }
        let ns = (u128::from(stamp) * 1_000_000_000 / self.ticks.max(1)).min(i64::MAX as u128) as i64;
        ns.saturating_add(self.offset_s.saturating_mul(1_000_000_000))
    }
}

fn word(octets: [u8; 4], big_endian: bool) -> u32 {
    if big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) }
}

/// Ticks a second of an `if_tsresol` octet: a power of ten, or of two with the high bit set.
pub(super) fn ticks(resolution: u8) -> u128 {
    let exponent = u32::from(resolution & 0x7f).min(38);
    if resolution & 0x80 == 0 { 10u128.pow(exponent) } else { 1 << exponent }
}

fn comment<'a>(options: &[PcapNGOption<'a>]) -> Option<Cow<'a, str>> {
    let option = options.iter().find(|option| option.code == OptionCode::Comment)?;
    let length = usize::from(option.len).min(option.value.len());
    Some(match &option.value {
        Cow::Borrowed(octets) => String::from_utf8_lossy(octets.get(..length).unwrap_or_default()),
        Cow::Owned(octets) => {
            Cow::Owned(String::from_utf8_lossy(octets.get(..length).unwrap_or_default()).into_owned())
        }
    })
}

type Parser<'a, B> = fn(&'a [u8]) -> IResult<&'a [u8], B, PcapError<&'a [u8]>>;

fn whole<'a, B>(octets: &'a [u8], big_endian: bool, little: Parser<'a, B>, big: Parser<'a, B>) -> Option<B> {
    match if big_endian { big(octets) } else { little(octets) } {
        Ok((_, block)) => Some(block),
        Err(Err::Incomplete(_) | Err::Error(_) | Err::Failure(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Blocks that are nearly whole: the short way gives what the parser gives, or nothing.
        #[test]
        fn the_short_way_reads_what_the_parser_reads(
            data in prop::collection::vec(any::<u8>(), 0..40),
            big_endian in any::<bool>(),
            (interface, stamp) in (0u32..3, any::<[u32; 2]>()),
            (fewer, more, second_length) in (0u32..6, prop_oneof![3 => Just(0usize), 1 => 0usize..16], -1i32..2),
            (ticks, offset_s) in (prop_oneof![Just(1_000_000u128), Just(1_000_000_000), Just(1024), Just(0)], -2i64..3),
        ) {
            let padded = data.len().next_multiple_of(4) + more / 4 * 4;
            let length = 32 + padded as u32;
            let captured = (data.len() as u32).saturating_sub(fewer);
            let order = |word: u32| if big_endian { word.to_be_bytes() } else { word.to_le_bytes() };
            let head = [6, length, interface, stamp[0], stamp[1], captured, 1500];
            let mut octets: Vec<u8> = head.into_iter().flat_map(order).chain(data).collect();
            octets.resize(length as usize - 4, 0);
            octets.extend(order(length.wrapping_add_signed(second_length.max(0))));
            let mut section = [0x0a, 0x0d, 0x0d, 0x0a].to_vec();
            section.extend([28, 0x1a2b_3c4d, 1, 0, 0, 28].into_iter().flat_map(order));
            let mut ng = Ng::new(&section).unwrap();
            ng.interfaces.push(Interface::new(LinkType::Ethernet, ticks, offset_s));
            ng.interfaces.push(Interface::new(LinkType::RawIp, ticks, 0));
            if let Some(packet) = ng.plain(&octets) {
                prop_assert_eq!(Some(packet), ng.packet(&octets));
            }
        }

        #[test]
        fn exact_ticks_are_what_division_gives(stamp in any::<u64>(), offset_s in -2i64..3) {
            for ticks in [1, 1000, 1_000_000, 1_000_000_000] {
                let exact = Interface::new(LinkType::RawIp, ticks, offset_s);
                let divided = Interface { tick_ns: None, ..exact };
                prop_assert_eq!(exact.unix_ns(stamp), divided.unix_ns(stamp));
            }
        }
    }
}
