//! A file that grows by whole records only.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Pending octets beyond which a record is written out at once.
const WRITE_OUT: usize = 256 * 1024;

/// Collects whole records in memory and writes them out together.
///
/// The first error closes the file for good and cuts it back to the last whole record: evidence with a
/// torn record in its middle would not read.
#[derive(Debug)]
pub(super) struct AppendFile {
    path: PathBuf,
    file: File,
    pending: Vec<u8>,
    whole: u64,
    error: Option<io::Error>,
}

impl AppendFile {
    /// Creates or empties the file.
    pub(super) fn create(path: &Path) -> io::Result<AppendFile> {
        let file = File::create(path).map_err(|error| at(path, &error))?;
        Ok(AppendFile { path: path.to_owned(), file, pending: Vec::new(), whole: 0, error: None })
    }

    /// Where records are put together; [`AppendFile::record_done`] after each.
    pub(super) fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Marks the end of a record and writes out when much is pending.
    pub(super) fn record_done(&mut self) {
        if self.pending.len() >= WRITE_OUT {
            self.flush();
        }
    }

    /// Hands what is pending to the kernel.
    pub(super) fn flush(&mut self) {
        if self.error.is_none()
            && let Err(error) = self.file.write_all(&self.pending)
        {
            // Cutting back may fail as well (a device, say); then the reader meets a torn last record.
            let _torn = self.file.set_len(self.whole);
            self.error = Some(at(&self.path, &error));
        }
        self.whole += self.pending.len() as u64;
        self.pending.clear();
    }

    /// Writes out the rest.
    ///
    /// # Errors
    /// The first error of the file's life; what was whole before it is in the file.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush();
        self.error.map_or(Ok(()), Err)
    }
}

/// The error with the file's name.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
