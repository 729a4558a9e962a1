//! Capture files as they lie about: plain, packed by gzip or zstd, or coming through a pipe.
//!
//! A plain file is mapped and never copied. What is packed, or comes through a pipe, is unpacked once: into memory
//! while it is small, into a temporary file of the system (removed at once, so that nothing is left behind) when it
//! is large, which is then mapped. What a file is, is told by its content and never by its name.

mod zstd;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::{Deref, Range};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use self::zstd::Zstd;
use super::mapped::MappedFile;
use crate::wire::limits::{MOST_UNPACKED, MOST_UNPACKED_IN_MEMORY};

/// The name that stands for standard input.
pub const STANDARD_INPUT: &str = "-";

/// The octets of a file, unpacked.
#[derive(Debug)]
pub struct Unpacked {
    octets: Octets,
    /// Why the octets end before the file does: it is damaged, cut off, or larger than the limit.
    pub trouble: Option<String>,
    packed: bool,
}

#[derive(Debug)]
enum Octets {
    Mapped(MappedFile),
    Memory(Vec<u8>),
}

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
}

impl Unpacked {
    /// Opens a file, a pipe, or standard input (`-`).
    ///
    /// # Errors
    /// When it cannot be opened or read, is a directory, or is packed and not one octet can be unpacked. What
    /// breaks off later is no error: see [`Unpacked::trouble`].
    pub fn open(path: &Path) -> io::Result<Unpacked> {
        if path.as_os_str() == STANDARD_INPUT {
            return piped(io::stdin().lock());
        }
        let file = File::open(path)?;
        let kind = file.metadata()?.file_type();
        if kind.is_dir() {
            return Err(io::Error::other("it is a directory: give capture files, or one run directory alone"));
        }
        if !kind.is_file() {
            return piped(BufReader::new(file));
        }
        let mapped = MappedFile::map(&file)?;
        match Packing::of(&mapped) {
            Some(packing) => packing.unpack(&mapped[..]),
            None => Ok(Unpacked { octets: Octets::Mapped(mapped), trouble: None, packed: false }),
        }
    }
}

impl Unpacked {
    /// Whether the octets are those of the file itself.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.packed
    }

    /// Gives the memory of a part back that is not needed any more, where the octets lie in a file.
    pub fn release(&self, part: Range<usize>) {
        if let Octets::Mapped(mapped) = &self.octets {
            mapped.release(part);
        }
    }
}

impl Deref for Unpacked {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.octets {
            Octets::Mapped(mapped) => mapped,
            Octets::Memory(octets) => octets,
        }
    }
}

fn piped(mut pipe: impl BufRead) -> io::Result<Unpacked> {
    let mut head = Vec::new();
    pipe.by_ref().take(4).read_to_end(&mut head)?;
    let packing = Packing::of(&head);
    let whole = io::Cursor::new(head).chain(pipe);
    match packing {
        Some(packing) => packing.unpack(whole),
        None => spool(whole, MOST_UNPACKED),
    }
}

impl Packing {
    /// By the magic numbers of RFC 1952 §2.3.1 and RFC 8878 §3.1.1 (a skippable frame may come first).
    fn of(start: &[u8]) -> Option<Packing> {
        match start {
            [0x1f, 0x8b, ..] => Some(Packing::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Packing::Zstd),
            _ => None,
        }
    }

    fn unpack(self, packed: impl BufRead) -> io::Result<Unpacked> {
        let (name, unpacked) = match self {
            Packing::Gzip => ("gzip", spool(MultiGzDecoder::new(packed), MOST_UNPACKED)?),
            Packing::Zstd => ("zstd", spool(Zstd::new(packed), MOST_UNPACKED)?),
        };
        let trouble = unpacked.trouble.map(|trouble| format!("{name}: {trouble}"));
        match trouble {
            Some(trouble) if unpacked.octets.is_empty() => Err(io::Error::other(trouble)),
            trouble => Ok(Unpacked { trouble, packed: true, ..unpacked }),
        }
    }
}

impl Octets {
    fn is_empty(&self) -> bool {
        match self {
            Octets::Mapped(mapped) => mapped.is_empty(),
            Octets::Memory(octets) => octets.is_empty(),
        }
    }
}

/// Reads to the end, to the first error, or to the limit.
fn spool(mut source: impl Read, most: u64) -> io::Result<Unpacked> {
    let mut memory = Vec::new();
    let trouble = copy(&mut source, &mut memory, MOST_UNPACKED_IN_MEMORY as u64);
    if trouble.is_some() || (memory.len() as u64) < MOST_UNPACKED_IN_MEMORY as u64 {
        return Ok(Unpacked { octets: Octets::Memory(memory), trouble, packed: false });
    }
    // Without a name: it is gone when it is closed, however the process ends.
    let mut file = tempfile::tempfile().map_err(no_room)?;
    file.write_all(&memory).map_err(no_room)?;
    let mut written = Written { file, octets: memory.len() as u64, failure: None };
    drop(memory);
    let rest = most.saturating_sub(written.octets);
    let mut trouble = copy(&mut source, &mut written, rest);
    if let Some(failure) = written.failure {
        return Err(no_room(failure));
    }
    if trouble.is_none() && written.octets >= most && source.read(&mut [0])? > 0 {
        trouble = Some(format!("only the first {most} octets are read: cut the trace with editcap -c"));
    }
    Ok(Unpacked { octets: Octets::Mapped(MappedFile::map(&written.file)?), trouble, packed: false })
}

/// A file whose failures are kept apart from those of what is read.
struct Written {
    file: File,
    octets: u64,
    failure: Option<io::Error>,
}

impl Write for Written {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self.file.write(octets) {
            Ok(count) => {
                self.octets += count as u64;
                Ok(count)
            }
            Err(failure) if failure.kind() == io::ErrorKind::Interrupted => Err(failure),
            Err(failure) => {
                self.failure = Some(failure);
                Err(io::ErrorKind::WriteZero.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// What stopped it, if not the end of the source or the limit.
fn copy(source: &mut impl Read, target: &mut impl Write, most: u64) -> Option<String> {
    let mut piece = vec![0; 64 << 10];
    let mut copied: u64 = 0;
    while copied < most {
        let wanted = piece.len().min(usize::try_from(most - copied).unwrap_or(usize::MAX));
        match source.read(&mut piece[..wanted]) {
            Ok(0) => return None,
            Ok(count) => {
                if let Err(failure) = target.write_all(&piece[..count]) {
                    return Some(failure.to_string());
                }
                copied += count as u64;
            }
            Err(failure) if failure.kind() == io::ErrorKind::Interrupted => {}
            Err(failure) => return Some(format!("the data end or are damaged: {failure}")),
        }
    }
    None
}

fn no_room(failure: io::Error) -> io::Error {
    let folder = std::env::temp_dir();
    io::Error::other(format!(
        "cannot be unpacked into {}: {failure}; make room there, or name another folder in TMPDIR",
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn gzip(octets: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(octets).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(octets: &[u8]) -> Vec<u8> {
        compress_to_vec(octets, CompressionLevel::Fastest)
    }

    fn text() -> Vec<u8> {
        (0..200_000u32).flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn packed_files_read_as_what_was_packed_in_one_piece_or_several() {
        let (text, skippable) = (text(), [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
        let half = text.len() / 2;
        let packed = [
            gzip(&text),
            [gzip(&text[..half]), gzip(&text[half..])].concat(),
            zstd(&text),
            [&skippable[..], &zstd(&text[..half]), &skippable, &zstd(&text[half..])].concat(),
        ];
        for packed in packed.iter().chain([&text]) {
            let unpacked = piped(&packed[..]).unwrap();
            assert!(unpacked[..] == text[..] && unpacked.trouble.is_none());
        }
    }

    #[test]
    fn what_is_whole_of_a_cut_file_is_read_and_the_rest_is_told() {
        let text = text();
        for packed in [gzip(&text), zstd(&text)] {
            let unpacked = piped(&packed[..packed.len() / 2]).unwrap();
            assert!(!unpacked.is_empty() && text.starts_with(&unpacked));
            assert!(unpacked.trouble.is_some());
        }
    }

    #[test]
    fn what_is_damaged_from_the_start_is_an_error() {
        assert!(piped(&b"\x1f\x8bnonsense"[..]).is_err());
        assert!(piped(&b"\x28\xb5\x2f\xfd"[..]).is_err());
    }

    /// A megabyte of zeros packs into a kilobyte: the limit holds, and says that it did.
    #[test]
    fn a_bomb_ends_at_the_limit() {
        let bomb = gzip(&vec![0; MOST_UNPACKED_IN_MEMORY + (2 << 20)]);
        let most = MOST_UNPACKED_IN_MEMORY as u64 + 1000;
        let unpacked = spool(MultiGzDecoder::new(&bomb[..]), most).unwrap();
        assert_eq!(unpacked.len() as u64, most);
        assert!(unpacked.trouble.unwrap().contains("only the first"));
    }
}
