//! Reading capture files: pcap and pcapng, whole or cut off, in file order.
//!
//! [`Reader`] is an iterator over the packets of a file that lies in memory (a mapped file, as a rule).
//! What is whole is given; what is broken is kept in [`Reader::flaws`] with the number of the packet
//! before it. Nothing is copied.

mod ahead;
mod classic;
mod foreign;
mod ng;

use std::borrow::Cow;

use super::limits::MOST_FLAWS;

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
    /// PPP, with or without its address and control octets (9, 50).
    Ppp,
    /// PPP over Ethernet without the Ethernet header (51).
    PppEthernet,
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
    /// Octets of the file before it.
    pub offset: u64,
    /// How often the same was met; place and offset are those of the first time.
    pub count: u64,
    /// What is broken.
    pub what: String,
}

/// The flaws of one file: the same flaw is kept once and counted.
#[derive(Debug, Default)]
struct Flaws(Vec<Flaw>);

impl Flaws {
    fn add(&mut self, after_packet: u64, offset: usize, what: impl Into<String>) {
        let what = what.into();
        if let Some(known) = self.0.iter_mut().find(|flaw| flaw.what == what) {
            known.count += 1;
        } else if self.0.len() < MOST_FLAWS {
            self.0.push(Flaw { after_packet, offset: offset as u64, count: 1, what });
        }
    }
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    /// Neither pcap nor pcapng.
    #[error("is no capture file that can be read here: {0}")]
    UnknownFormat(String),
    /// The first header is cut off or damaged.
    #[error(
        "begins as a {0} file does, but its header is cut off or damaged within its first octets: nothing in it can be read"
    )]
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
    Empty,
}

impl<'a> Reader<'a> {
    /// Looks at the start of the file.
    ///
    /// # Errors
    /// When it is no capture file.
    pub fn new(file: &'a [u8]) -> Result<Reader<'a>, OpenError> {
        let format = match file.get(..4) {
            Some([0x0a, 0x0d, 0x0d, 0x0a]) => Format::Ng(ng::Ng::new(file)?),
            Some(
                // The second is that of a modified libpcap: its packets have eight octets more before them.
                [0xd4, 0xc3, 0xb2, 0xa1]
                | [0x34, 0xcd, 0xb2, 0xa1]
                | [0xa1, 0xb2, 0xc3, 0xd4]
                | [0x4d, 0x3c, 0xb2, 0xa1]
                | [0xa1, 0xb2, 0x3c, 0x4d],
            ) => Format::Classic(classic::Classic::new(file)?),
            _ => return Err(OpenError::UnknownFormat(foreign::advice(file))),
        };
        Ok(Reader { format })
    }

    /// The reader of a file in which nothing is.
    #[must_use]
    pub fn empty() -> Reader<'a> {
        Reader { format: Format::Empty }
    }

    /// What is broken, as far as the file has been read.
    #[must_use]
    pub fn flaws(&self) -> &[Flaw] {
        match &self.format {
            Format::Empty => &[],
            Format::Classic(classic) => classic.flaws(),
            Format::Ng(ng) => ng.flaws(),
        }
    }

    /// The number of the last packet so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        match &self.format {
            Format::Empty => 0,
            Format::Classic(classic) => classic.packets(),
            Format::Ng(ng) => ng.packets(),
        }
    }

    /// Packets that the capture lost, by the interface statistics read so far; absent when there are none.
    #[must_use]
    pub fn dropped(&self) -> Option<u64> {
        match &self.format {
            Format::Classic(_) | Format::Empty => None,
            Format::Ng(ng) => ng.dropped(),
        }
    }
}

impl<'a> Reader<'a> {
    /// Gives packets, as iterating does but without asking for each what format it is read from, up to the first one
    /// that is earlier than `latest` or lies in memory from `end` on: that one it returns. `latest` becomes the time of
    /// the last packet that was given.
    #[inline]
    pub fn each_before(&mut self, latest: &mut i64, end: usize, take: impl FnMut(&Packet<'a>)) -> Option<Packet<'a>> {
        match &mut self.format {
            Format::Empty => None,
            Format::Classic(classic) => each_before(|| classic.next(), latest, end, take),
            Format::Ng(ng) => each_before(|| ng.next(), latest, end, take),
        }
    }
}

#[inline(always)]
fn each_before<'a>(
    mut next: impl FnMut() -> Option<Packet<'a>>,
    latest: &mut i64,
    end: usize,
    mut take: impl FnMut(&Packet<'a>),
) -> Option<Packet<'a>> {
    loop {
        let packet = next()?;
        ahead::ask(packet.octets);
        if packet.unix_ns < *latest || packet.octets.as_ptr().addr() >= end {
            return Some(packet);
        }
        *latest = packet.unix_ns;
        take(&packet);
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Packet<'a>;

    #[inline]
    fn next(&mut self) -> Option<Packet<'a>> {
        match &mut self.format {
            Format::Empty => None,
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
            9 | 50 => LinkType::Ppp,
            51 => LinkType::PppEthernet,
            12 | 14 | 101 | 228 | 229 => LinkType::RawIp,
            113 => LinkType::LinuxCooked,
            276 => LinkType::LinuxCooked2,
            other => LinkType::Other(other),
        }
    }
}

#[cfg(test)]
mod tests;
