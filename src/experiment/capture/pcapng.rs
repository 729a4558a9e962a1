//! pcapng files with nanosecond stamps and comments (draft-ietf-opsawg-pcapng).

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::time::Duration;

use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::interface_statistics::{InterfaceStatisticsBlock, InterfaceStatisticsOption};
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriter};
use pcap_file::{DataLink, PcapError};

use super::append::AppendFile;

/// Comments longer than this are cut: an option's length field has 16 bits.
const COMMENT_LIMIT: usize = 4096;

/// Way of a packet, seen from the capturing interface (epb_flags, bits 0 and 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Received.
    Inbound = 1,
    /// Sent.
    Outbound = 2,
}

/// A pcapng file with one section.
pub(super) struct PcapngFile {
    file: AppendFile,
    blocks: PcapNgWriter<Vec<u8>>,
    comments: Vec<String>,
}

impl PcapngFile {
    /// Creates the file; the section header goes out with the first flush.
    pub(super) fn create(path: &Path) -> io::Result<PcapngFile> {
        let mut file = AppendFile::create(path)?;
        let mut blocks = PcapNgWriter::new(Vec::new()).map_err(into_io)?;
        file.pending().append(blocks.get_mut());
        Ok(PcapngFile { file, blocks, comments: Vec::new() })
    }

    /// Describes the next interface; they are numbered from 0.
    pub(super) fn interface(&mut self, link: DataLink, name: &str) -> io::Result<()> {
        // Without if_tsresol readers take the stamps for microseconds; 9 says 10^-9 s.
        let options = vec![InterfaceDescriptionOption::IfName(name.into()), InterfaceDescriptionOption::IfTsResol(9)];
        self.put(InterfaceDescriptionBlock { linktype: link, snaplen: 0, options })
    }

    /// Keeps a comment for the next packet.
    pub(super) fn comment(&mut self, mut comment: String) {
        let cut = (0..=COMMENT_LIMIT.min(comment.len())).rev().find(|place| comment.is_char_boundary(*place));
        comment.truncate(cut.unwrap_or(0));
        self.comments.push(comment);
    }

    /// Writes a packet with the comments that wait for one. `length` is its length on the wire.
    pub(super) fn packet(
        &mut self,
        interface: u32,
        unix_ns: i64,
        way: Way,
        data: &[u8],
        length: u32,
    ) -> io::Result<()> {
        let mut options: Vec<_> =
            self.comments.drain(..).map(|comment| EnhancedPacketOption::Comment(comment.into())).collect();
        options.push(EnhancedPacketOption::Flags(way as u32));
        let timestamp = Duration::from_nanos(unix_ns.max(0).unsigned_abs());
        let data = Cow::Borrowed(data);
        self.put(EnhancedPacketBlock { interface_id: interface, timestamp, original_len: length, data, options })
    }

    /// Writes what an interface received and what the capture lost, with the comments that found no packet.
    pub(super) fn statistics(&mut self, interface: u32, unix_ns: i64, received: u64, lost: u64) -> io::Result<()> {
        let stamp = unix_ns.max(0).unsigned_abs();
        let mut options: Vec<_> =
            self.comments.drain(..).map(|comment| InterfaceStatisticsOption::Comment(comment.into())).collect();
        options.push(InterfaceStatisticsOption::IsbIfRecv(received));
        options.push(InterfaceStatisticsOption::IsbOsDrop(lost));
        // The two halves of this stamp stand high word first, whatever the byte order of the section.
        let timestamp = stamp.rotate_left(if cfg!(target_endian = "little") { 32 } else { 0 });
        self.put(InterfaceStatisticsBlock { interface_id: interface, timestamp, options })
    }

    /// Hands what is pending to the kernel.
    pub(super) fn flush(&mut self) {
        self.file.flush();
    }

    /// Writes out the rest.
    ///
    /// # Errors
    /// The first error of the file's life.
    pub(super) fn finish(self) -> io::Result<()> {
        self.file.finish()
    }

    fn put<'a>(&mut self, block: impl PcapNgBlock<'a>) -> io::Result<()> {
        self.blocks.write_pcapng_block(block).map_err(into_io)?;
        self.file.pending().append(self.blocks.get_mut());
        self.file.record_done();
        Ok(())
    }
}

fn into_io(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}
