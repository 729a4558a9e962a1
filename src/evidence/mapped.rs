//! Files of evidence as octets in memory, without copying them.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::{Advice, Mmap};

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
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}
