//! Capture files as one sequence of packets in order of time.

use std::path::{Path, PathBuf};

use super::MeasureError;
use super::model::{Anomaly, Caveat};
use crate::evidence::mapped::MappedFile;
use crate::wire::pcap::{Packet, Reader};

/// A backward step of the stamps within one file beyond this is a clock step and not mere queueing.
const BACKWARD_STEP_NS: i64 = 1_000_000;

/// An open capture file.
#[derive(Debug)]
pub(super) struct CaptureFile {
    /// Name for the reader, without directories.
    pub(super) name: String,
    path: PathBuf,
    octets: MappedFile,
}

/// The packets of several files, merged by time; of equal times, the file that was named first comes first.
pub(super) struct Merged<'a> {
    files: &'a [CaptureFile],
    readers: Vec<Reader<'a>>,
    heads: Vec<Option<Packet<'a>>>,
    latest_ns: Vec<i64>,
    steps: Vec<Anomaly>,
}

impl CaptureFile {
    pub(super) fn open(path: &Path) -> Result<CaptureFile, MeasureError> {
        let octets = MappedFile::open(path).map_err(|source| MeasureError::Io { path: path.to_owned(), source })?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(CaptureFile { name, path: path.to_owned(), octets })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }
}

impl<'a> Merged<'a> {
    pub(super) fn new(files: &'a [CaptureFile]) -> Result<Merged<'a>, MeasureError> {
        let mut readers = Vec::new();
        for file in files {
            let reader = Reader::new(&file.octets)
                .map_err(|source| MeasureError::NotACapture { path: file.path.clone(), source })?;
            readers.push(reader);
        }
        let heads: Vec<_> = readers.iter_mut().map(Iterator::next).collect();
        let latest_ns = vec![i64::MIN; files.len()];
        Ok(Merged { files, readers, heads, latest_ns, steps: Vec::new() })
    }

    /// Gives all packets with their file's number. One file needs no merging.
    #[inline]
    pub(super) fn each(&mut self, mut take: impl FnMut(usize, &Packet<'a>)) {
        if self.readers.len() > 1 {
            return self.by_ref().for_each(|(file, packet)| take(file, &packet));
        }
        let Some(mut reader) = self.readers.pop() else { return };
        let head = self.heads.pop().flatten();
        reader.each(head, |packet| {
            self.note_step(0, &packet);
            take(0, &packet);
        });
        self.readers.push(reader);
    }

    /// What is broken in the files, once all packets have been read.
    pub(super) fn anomalies(&self) -> Vec<Anomaly> {
        let flaws = self.files.iter().zip(&self.readers).flat_map(|(file, reader)| {
            reader.flaws().iter().map(|flaw| Anomaly {
                place: format!("{} after packet {}", file.name, flaw.after_packet),
                what: flaw.what.clone(),
            })
        });
        flaws.chain(self.steps.iter().cloned()).collect()
    }

    /// What the captures lost, once all packets have been read.
    pub(super) fn caveats(&self) -> Vec<Caveat> {
        let lossy = self.files.iter().zip(&self.readers).filter_map(|(file, reader)| {
            reader.dropped().filter(|dropped| *dropped > 0).map(|dropped| (file, dropped))
        });
        lossy
            .map(|(file, dropped)| Caveat {
                text: format!("{} lacks {dropped} frames that the capture dropped: they read as loss", file.name),
                remedy: "capture with a larger buffer or a narrower filter".to_owned(),
                voids: false,
            })
            .collect()
    }

    #[inline]
    fn note_step(&mut self, file: usize, packet: &Packet<'_>) {
        if packet.unix_ns < self.latest_ns[file] {
            self.note_step_back(file, packet);
        }
        self.latest_ns[file] = self.latest_ns[file].max(packet.unix_ns);
    }

    #[cold]
    fn note_step_back(&mut self, file: usize, packet: &Packet<'_>) {
        let behind = self.latest_ns[file].saturating_sub(packet.unix_ns);
        let tapped = packet.sense != crate::wire::pcap::Sense::Unknown;
        // Taps are written by several threads; there a small step back is order of writing, not of time.
        if behind > BACKWARD_STEP_NS && !tapped {
            self.steps.push(Anomaly {
                place: format!("{} packet {}", self.files[file].name, packet.number),
                what: format!("the capture's clock steps back by {:.3} ms", behind as f64 / 1e6),
            });
            self.latest_ns[file] = packet.unix_ns;
        }
    }
}

impl<'a> Iterator for Merged<'a> {
    /// The file's number and the packet.
    type Item = (usize, Packet<'a>);

    fn next(&mut self) -> Option<(usize, Packet<'a>)> {
        let waiting = self.heads.iter().enumerate();
        let (_, file) = waiting.filter_map(|(file, head)| Some((head.as_ref()?.unix_ns, file))).min()?;
        let packet = std::mem::replace(&mut self.heads[file], self.readers[file].next())?;
        self.note_step(file, &packet);
        Some((file, packet))
    }
}
