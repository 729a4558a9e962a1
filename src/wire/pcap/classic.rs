//! The classic pcap format.

use pcap_parser::nom::Err;
use pcap_parser::{PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified, parse_pcap_header};

use super::{Flaw, Flaws, LinkType, OpenError, Packet, Sense};

/// The upper bits of the link type tell the length of the frame check sequence.
const LINK_TYPE_MASK: u32 = 0x0fff_ffff;

#[derive(Debug)]
pub(super) struct Classic<'a> {
    rest: &'a [u8],
    header: PcapHeader,
    read: u64,
    length: usize,
    flaws: Flaws,
}

impl<'a> Classic<'a> {
    pub(super) fn new(file: &'a [u8]) -> Result<Classic<'a>, OpenError> {
        let (rest, header) = parse_pcap_header(file).map_err(|_| OpenError::BadHeader("pcap"))?;
        Ok(Classic { rest, header, read: 0, length: file.len(), flaws: Flaws::default() })
    }

    pub(super) fn flaws(&self) -> &[Flaw] {
        &self.flaws.0
    }

    pub(super) fn packets(&self) -> u64 {
        self.read
    }

    pub(super) fn next(&mut self) -> Option<Packet<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let frame = match self.frame() {
            Ok((rest, frame)) => {
                self.rest = rest;
                frame
            }
            Err(error) => {
                self.end(&error);
                return None;
            }
        };
        self.read += 1;
        let fraction = i64::from(frame.ts_usec) * if self.header.is_nanosecond_precision() { 1 } else { 1000 };
        Some(Packet {
            number: self.read,
            unix_ns: i64::from(frame.ts_sec) * 1_000_000_000 + fraction,
            link: LinkType::from(self.header.network.0.cast_unsigned() & LINK_TYPE_MASK),
            sense: Sense::Unknown,
            comment: None,
            octets: frame.data,
            wire_length: frame.origlen,
        })
    }

    fn frame(&self) -> Frame<'a> {
        if self.header.is_modified_format() {
            parse_pcap_frame_modified(self.rest)
        } else if self.header.is_bigendian() {
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

type Frame<'a> = Result<(&'a [u8], pcap_parser::LegacyPcapBlock<'a>), Err<pcap_parser::PcapError<&'a [u8]>>>;
