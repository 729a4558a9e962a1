//! zstd files (RFC 8878), frame after frame and block by block: of a file that is cut off every whole block counts.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// A last block without content (RFC 8878 §3.1.1.2), and room for a checksum. It makes the decoder give what it keeps
/// for references to it: up to the window, which is megabytes.
const END: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];
/// Octets of a block's header.
const HEADER: usize = 3;

/// All frames of a zstd file, one after the other (§3): the decoder knows one.
pub(super) struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    within_frame: bool,
    /// The block at hand.
    block: Vec<u8>,
    /// The file ended within the frame.
    cut: bool,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.within_frame || self.begin_frame()? {
            let count = self.read_frame(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.end_frame()?;
        }
        Ok(0)
    }
}

impl<R: BufRead> Zstd<R> {
    pub(super) fn new(source: R) -> Zstd<R> {
        Zstd { source, decoder: FrameDecoder::new(), within_frame: false, block: Vec::new(), cut: false }
    }

    /// False at the end of the file. A skippable frame holds no data of ours.
    fn begin_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => {
                    self.within_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }

    fn read_frame(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            self.next_block()?;
        }
        self.decoder.read(buffer)
    }

    fn next_block(&mut self) -> io::Result<()> {
        if !self.fill_block()? {
            return self.cut_short();
        }
        // Behind the last block the decoder reads the checksum.
        let block = self.block.chain(&mut self.source);
        match self.decoder.decode_blocks(block, BlockDecodingStrategy::UptoBlocks(1)) {
            Ok(_) => Ok(()),
            Err(FrameDecoderError::FailedToReadChecksum(_)) => self.cut_short(),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Fetches one block; false when the file ends within it (§3.1.1.2: type in bits 1 and 2, size above them).
    fn fill_block(&mut self) -> io::Result<bool> {
        self.block.clear();
        self.source.by_ref().take(HEADER as u64).read_to_end(&mut self.block)?;
        let &[low, middle, high] = &self.block[..] else { return Ok(false) };
        let header = u32::from_le_bytes([low, middle, high, 0]);
        // One octet that is repeated, else as many as it says: they fit into 21 bits.
        let size = if header >> 1 & 3 == 1 { 1 } else { header >> 3 };
        self.source.by_ref().take(size.into()).read_to_end(&mut self.block)?;
        Ok(self.block.len() == HEADER + size as usize)
    }

    fn cut_short(&mut self) -> io::Result<()> {
        self.cut = true;
        let ended = self.decoder.decode_blocks(&END[..], BlockDecodingStrategy::UptoBlocks(1));
        ended.map(|_| ()).map_err(io::Error::other)
    }

    fn end_frame(&mut self) -> io::Result<()> {
        self.within_frame = false;
        if self.cut {
            return Err(io::Error::other("the file ends within a frame"));
        }
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(stored), Some(computed)) if stored != computed => Err(io::Error::other("a checksum does not fit")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three blocks of which nothing is compressed, in a window of 8 MiB (§3.1.1.1), with a checksum or without.
    fn frame(with_checksum: bool) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, if with_checksum { 4 } else { 0 }, 13 << 3];
        for (number, last) in [(1, 0), (2, 0), (3, 1)] {
            frame.extend(&(1000_u32 << 3 | last).to_le_bytes()[..HEADER]);
            frame.extend([number; 1000]);
        }
        frame
    }

    /// What came out, and the complaint.
    fn read(octets: &[u8]) -> (usize, Option<String>) {
        let mut out = Vec::new();
        let trouble = Zstd::new(octets).read_to_end(&mut out).err();
        assert!(out.iter().enumerate().all(|(place, octet)| usize::from(*octet) == place / 1000 + 1));
        (out.len(), trouble.map(|trouble| trouble.to_string()))
    }

    #[test]
    fn whole_blocks_of_a_cut_file_are_read_though_the_window_is_larger() {
        let cut = Some("the file ends within a frame".to_owned());
        let whole = frame(false);
        assert_eq!(read(&whole), (3000, None));
        for (octets, expected) in [(whole.len() - 1, 2000), (1500, 1000), (6 + 1003 + 2, 1000), (1000, 0), (6, 0)] {
            assert_eq!(read(&whole[..octets]), (expected, cut.clone()), "{octets}");
        }
        assert_eq!(read(&frame(true)), (3000, cut), "the checksum is missing");
    }
}
