//! The classic pcap format.

use pcap_parser::nom::Err;
use pcap_parser::{
    LegacyPcapBlock, PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified, parse_pcap_header,
};

use super::{Flaw, Flaws, LinkType, OpenError, Packet, Sense};

/// The upper bits of the link type tell the length of the frame check sequence.
const LINK_TYPE_MASK: u32 = 0x0fff_ffff;

#[derive(Debug)]
pub(super) struct Classic<'a> {
    rest: &'a [u8],
    modified: bool,
    big_endian: bool,
    /// Neither of these.
    usual: bool,
    /// Nanoseconds of one unit of the stamps' second word.
    fraction_ns: i64,
    link: LinkType,
    read: u64,
    length: usize,
    flaws: Flaws,
}

impl<'a> Classic<'a> {
    pub(super) fn new(file: &'a [u8]) -> Result<Classic<'a>, OpenError> {
        let (rest, header) = parse_pcap_header(file).map_err(|_| OpenError::BadHeader("pcap"))?;
        let mut classic = Classic::of(&header);
        (classic.rest, classic.length) = (rest, file.len());
        Ok(classic)
    }

    fn of(header: &PcapHeader) -> Classic<'a> {
        Classic {
            rest: &[],
            modified: header.is_modified_format(),
            big_endian: header.is_bigendian(),
            usual: !header.is_modified_format() && !header.is_bigendian(),
            fraction_ns: if header.is_nanosecond_precision() { 1 } else { 1000 },
            link: LinkType::from(header.network.0.cast_unsigned() & LINK_TYPE_MASK),
            read: 0,
            length: 0,
            flaws: Flaws::default(),
        }
    }

    pub(super) fn flaws(&self) -> &[Flaw] {
        &self.flaws.0
    }

    pub(super) fn packets(&self) -> u64 {
        self.read
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<Packet<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (rest, frame) = self.whole().or_else(|| self.unusual())?;
        self.rest = rest;
        self.read += 1;
        let fraction = i64::from(frame.ts_usec) * self.fraction_ns;
        Some(Packet {
            number: self.read,
            unix_ns: i64::from(frame.ts_sec) * 1_000_000_000 + fraction,
            link: self.link,
            sense: Sense::Unknown,
            comment: None,
            octets: frame.data,
            wire_length: frame.origlen,
        })
    }

    /// The common case without detours: a packet of the usual format that is all there.
    #[inline]
    fn whole(&self) -> Option<(&'a [u8], LegacyPcapBlock<'a>)> {
        let (head, rest) = self.rest.split_first_chunk::<16>()?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (data, rest) = rest.split_at_checked(word(8) as usize).filter(|_| self.usual)?;
        let block = LegacyPcapBlock { ts_sec: word(0), ts_usec: word(4), caplen: word(8), origlen: word(12), data };
        Some((rest, block))
    }

    /// A packet of the modified format or of a big-endian machine, or the end of what can be read.
    #[cold]
    fn unusual(&mut self) -> Option<(&'a [u8], LegacyPcapBlock<'a>)> {
        match self.frame() {
            Ok(read) => Some(read),
            Err(error) => {
                self.end(&error);
                None
            }
        }
    }

    fn frame(&self) -> Frame<'a> {
        if self.modified {
            parse_pcap_frame_modified(self.rest)
        } else if self.big_endian {
            parse_pcap_frame_be(self.rest)
        } else {
            parse_pcap_frame(self.rest)
        }
    }

    fn end(&mut self, error: &Err<pcap_parser::PcapError<&[u8]>>) {
        let what = match error {
            Err::Incomplete(_) => format!("the file ends inside a packet ({} octets are left)", self.rest.len()),
            Err::Error(_) | Err::Failure(_) => "a packet header is damaged; the rest cannot be read".to_owned(),
        };
        self.flaws.add(self.read, self.length - self.rest.len(), what);
        self.rest = &[];
    }
}

type Frame<'a> = Result<(&'a [u8], LegacyPcapBlock<'a>), Err<pcap_parser::PcapError<&'a [u8]>>>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The short way gives what the parser gives, in every format and wherever the file ends.
        #[test]
        fn the_short_way_reads_what_the_parser_reads(
            magic in prop_oneof![Just(0xa1b2_c3d4_u32), Just(0xa1b2_3c4d), Just(0xa1b2_cd34)],
            big_endian in any::<bool>(),
            length in 0u32..40,
            rest in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let order = |word: u32| if big_endian { word.to_be_bytes() } else { word.to_le_bytes() };
            let words = [magic, 0x0004_0002, 0, 0, 65535, 1, 7, 8, length, 1500];
            let file: Vec<u8> = words.into_iter().flat_map(order).chain(rest).collect();
            if let Ok(classic) = Classic::new(&file) {
                let parts = |(rest, block): (&[u8], LegacyPcapBlock<'_>)| {
                    (rest.to_vec(), block.data.to_vec(), [block.ts_sec, block.ts_usec, block.caplen, block.origlen])
                };
                if let Some(short) = classic.whole() {
                    prop_assert_eq!(Some(parts(short)), classic.frame().ok().map(parts));
                } else {
                    prop_assert!(!classic.usual || classic.frame().is_err());
                }
            }
        }
    }
}
