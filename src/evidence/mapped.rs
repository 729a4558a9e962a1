//! Files of evidence as octets in memory, without copying them.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;

use memmap2::{Advice, Mmap, UncheckedAdvice};

/// A file that is mapped for reading; an empty file is an empty slice.
#[derive(Debug)]
pub struct MappedFile {
    map: Option<Mmap>,
}

impl MappedFile {
    /// Opens and maps a file.
    ///
    /// # Errors
    /// When it cannot be opened or mapped (a directory, no permission).
    pub fn open(path: &Path) -> io::Result<MappedFile> {
        MappedFile::map(&File::open(path)?)
    }

    /// Maps an open file; a pipe, which has no length, reads as empty.
    ///
    /// # Errors
    /// When it cannot be mapped (a directory).
    pub fn map(file: &File) -> io::Result<MappedFile> {
        if file.metadata()?.len() == 0 {
            return Ok(MappedFile { map: None });
        }
        // SAFETY: the mapping is private and read-only, and evidence is never changed once it is written.
        // Should somebody truncate the file meanwhile, the process ends by SIGBUS; no memory is misread.
        #[expect(unsafe_code, reason = "mapping is what makes large captures readable at the speed of the disk")]
        let map = unsafe { Mmap::map(file)? };
        // Only a hint: reading works without it.
        let _ = map.advise(Advice::Sequential);
        Ok(MappedFile { map: Some(map) })
    }

    /// Gives the memory of a part back that is not needed any more: reading it again reads the file again.
    pub fn release(&self, part: Range<usize>) {
        let Some(map) = self.map.as_ref().filter(|map| part.end <= map.len() && !part.is_empty()) else { return };
        // SAFETY: the mapping is read-only and of a file, so that its pages come back with the same octets.
        // Only a hint: without it the memory is given back at the end.
        #[expect(unsafe_code, reason = "a capture may be larger than the memory")]
        let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, part.start, part.len()) };
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}
