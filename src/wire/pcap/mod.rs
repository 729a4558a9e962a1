//! Reading capture files: pcap and pcapng, whole or cut off, in file order.
//!
//! [`Reader`] is an iterator over the packets of a file that lies in memory (a mapped file, as a rule).
//! What is whole is given; what is broken is kept in [`Reader::flaws`] with the number of the packet
//! before it. Nothing is copied.

mod classic;
mod ng;

use std::borrow::Cow;

/// One captured packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Number in the file, from 1, as Wireshark counts.
    pub number: u64,
    /// Unix time in nanoseconds.
    pub unix_ns: i64,
    /// What the octets begin with.
    pub link: LinkType,
    /// Whether the capturing host received or sent it, where the file says so.
    pub sense: Sense,
    /// Comment of the packet (pcapng `opt_comment`).
    pub comment: Option<Cow<'a, str>>,
    /// The captured octets.
    pub octets: &'a [u8],
    /// Length on the wire; larger than `octets.len()` when the capture cut it (snap length).
    pub wire_length: u32,
}

/// Direction of a packet as seen by the capturing host (`epb_flags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sense {
    /// The file does not say.
    #[default]
    Unknown,
    /// Received.
    Inbound,
    /// Sent.
    Outbound,
}

/// What the octets of a packet begin with (tcpdump.org/linktypes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// BSD loopback: four octets of address family in the byte order of the host (0) or network order (108).
    Loopback,
    /// Ethernet (1).
    Ethernet,
    /// An IPv4 or IPv6 header (101, and 12, 14, 228, 229).
    RawIp,
    /// Linux cooked capture, version 1 (113).
    LinuxCooked,
    /// Linux cooked capture, version 2 (276).
    LinuxCooked2,
    /// Anything else, by number; its packets are not decoded.
    Other(u32),
}

/// Something broken in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The last whole packet before it; 0 at the start of the file.
    pub after_packet: u64,
    /// What is broken.
    pub what: String,
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    /// Neither pcap nor pcapng.
    #[error("is neither pcap nor pcapng (it begins with {0}); compressed files must be unpacked first")]
    UnknownFormat(String),
    /// The first header is cut off or damaged.
    #[error("has a damaged {0} header; nothing in it can be read")]
    BadHeader(&'static str),
}

/// Iterator over the packets of one file.
#[derive(Debug)]
pub struct Reader<'a> {
    format: Format<'a>,
}

#[derive(Debug)]
enum Format<'a> {
    Classic(classic::Classic<'a>),
    Ng(ng::Ng<'a>),
}

impl<'a> Reader<'a> {
    /// Looks at the start of the file.
    ///
    /// # Errors
    /// When it is no capture file.
    pub fn new(file: &'a [u8]) -> Result<Reader<'a>, OpenError> {
        let format = match file.get(..4) {
            Some([0x0a, 0x0d, 0x0d, 0x0a]) => Format::Ng(ng::Ng::new(file)?),
            Some([0xd4 | 0x4d, 0xc3 | 0x3c, 0xb2, 0xa1] | [0xa1, 0xb2, 0xc3 | 0x3c, 0xd4 | 0x4d]) => {
                Format::Classic(classic::Classic::new(file)?)
            }
            start => return Err(OpenError::UnknownFormat(format!("{:02x?}", start.unwrap_or(file)))),
        };
        Ok(Reader { format })
    }

    /// What is broken, as far as the file has been read.
    #[must_use]
    pub fn flaws(&self) -> &[Flaw] {
        match &self.format {
            Format::Classic(classic) => classic.flaws(),
            Format::Ng(ng) => ng.flaws(),
        }
    }

    /// Packets that the capture lost, by the interface statistics read so far; absent when there are none.
    #[must_use]
    pub fn dropped(&self) -> Option<u64> {
        match &self.format {
            Format::Classic(_) => None,
            Format::Ng(ng) => ng.dropped(),
        }
    }
}

impl<'a> Reader<'a> {
    /// Gives `first` and all packets that are left, as iterating does but without asking for each what format it is
    /// read from.
    #[inline]
    pub fn each(&mut self, first: Option<Packet<'a>>, mut take: impl FnMut(Packet<'a>)) {
        let mut next = first;
        match &mut self.format {
            Format::Classic(classic) => {
                while let Some(packet) = next.take().or_else(|| classic.next()) {
                    take(packet);
                }
            }
            Format::Ng(ng) => {
                while let Some(packet) = next.take().or_else(|| ng.next()) {
                    take(packet);
                }
            }
        }
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Packet<'a>;

    #[inline]
    fn next(&mut self) -> Option<Packet<'a>> {
        match &mut self.format {
            Format::Classic(classic) => classic.next(),
            Format::Ng(ng) => ng.next(),
        }
    }
}

impl From<u32> for LinkType {
    fn from(number: u32) -> LinkType {
        match number {
            0 | 108 => LinkType::Loopback,
            1 => LinkType::Ethernet,
            12 | 14 | 101 | 228 | 229 => LinkType::RawIp,
            113 => LinkType::LinuxCooked,
            276 => LinkType::LinuxCooked2,
            other => LinkType::Other(other),
        }
    }
}

#[cfg(test)]
mod tests;
