//! Capture files as one sequence of packets in order of time.

use std::path::{Path, PathBuf};

use super::MeasureError;
use super::model::{Anomaly, Caveat};
use crate::evidence::unpack::{STANDARD_INPUT, Unpacked};
use crate::wire::limits::MOST_FLAWS;
use crate::wire::pcap::{Flaw, Packet, Reader};

/// A backward step of the stamps within one file beyond this is a clock step and not mere queueing.
const BACKWARD_STEP_NS: i64 = 1_000_000;
/// So many octets of a file are read before their memory is given back.
const RELEASED_AT_ONCE: usize = 2 << 20;

/// An open capture file.
#[derive(Debug)]
pub(super) struct CaptureFile {
    /// Name for the reader, without directories.
    pub(super) name: String,
    path: PathBuf,
    octets: Unpacked,
}

/// The packets of several files, merged by time; of equal times, the file that was named first comes first.
pub(super) struct Merged<'a> {
    files: &'a [CaptureFile],
    readers: Vec<Reader<'a>>,
    heads: Vec<Option<Packet<'a>>>,
    progress: Vec<Progress>,
    steps: Vec<Anomaly>,
    /// Steps that are not listed any more.
    more_steps: u64,
}

/// How far a file has been read.
#[derive(Clone, Copy, Debug)]
struct Progress {
    latest_ns: i64,
    /// Octets whose memory was given back.
    released: usize,
    /// At which address of a packet more is given back.
    release_at: usize,
}

impl CaptureFile {
    pub(super) fn open(path: &Path) -> Result<CaptureFile, MeasureError> {
        let octets = Unpacked::open(path).map_err(|source| MeasureError::Io { path: path.to_owned(), source })?;
        let name = match path.as_os_str() {
            dash if dash == STANDARD_INPUT => "standard input".to_owned(),
            whole => path.file_name().unwrap_or(whole).to_string_lossy().into_owned(),
        };
        Ok(CaptureFile { name, path: path.to_owned(), octets })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Of a file of which so many octets are given back.
    fn progress(&self, latest_ns: i64, released: usize) -> Progress {
        let start = self.octets.as_ptr().addr();
        Progress { latest_ns, released, release_at: start.saturating_add(released).saturating_add(RELEASED_AT_ONCE) }
    }

    /// What is broken in it, once its packets have been read.
    fn anomalies(&self, reader: &Reader<'_>) -> Vec<Anomaly> {
        let of_file = |what: String| Anomaly { place: self.name.clone(), what };
        let mut anomalies: Vec<Anomaly> = reader.flaws().iter().map(|flaw| self.flaw(flaw)).collect();
        if let Some(trouble) = &self.octets.trouble {
            anomalies.push(of_file(format!(
                "could be unpacked to {} octets, to packet {}, and no further: {trouble}",
                self.octets.len(),
                reader.packets()
            )));
        }
        if self.is_empty() {
            anomalies.push(of_file("is empty (0 octets): nothing was captured".to_owned()));
        } else if reader.packets() == 0 {
            anomalies.push(of_file("holds no packet".to_owned()));
        }
        anomalies
    }

    fn flaw(&self, flaw: &Flaw) -> Anomaly {
        let unpacked = if self.octets.is_plain() { "" } else { " of what is unpacked" };
        let times = if flaw.count > 1 { format!("{} times, first here: ", flaw.count) } else { String::new() };
        Anomaly {
            place: format!("{} after packet {}, octet {}{unpacked}", self.name, flaw.after_packet, flaw.offset),
            what: format!("{times}{}", flaw.what),
        }
    }
}

impl<'a> Merged<'a> {
    pub(super) fn new(files: &'a [CaptureFile]) -> Result<Merged<'a>, MeasureError> {
        let mut readers = Vec::new();
        for file in files {
            readers.push(match file.is_empty() {
                true => Reader::empty(),
                false => Reader::new(&file.octets)
                    .map_err(|source| MeasureError::NotACapture { path: file.path.clone(), source })?,
            });
        }
        let heads: Vec<_> = readers.iter_mut().map(Iterator::next).collect();
        let progress = files.iter().map(|file| file.progress(i64::MIN, 0)).collect();
        Ok(Merged { files, readers, heads, progress, steps: Vec::new(), more_steps: 0 })
    }

    /// Gives all packets with their file's number. One file needs no merging.
    #[inline]
    pub(super) fn each(&mut self, mut take: impl FnMut(usize, &Packet<'a>)) {
        if self.readers.len() > 1 {
            return self.by_ref().for_each(|(file, packet)| take(file, &packet));
        }
        let Some(mut reader) = self.readers.pop() else { return };
        let mut unusual = self.heads.pop().flatten();
        while let Some(packet) = unusual {
            self.note(0, &packet);
            take(0, &packet);
            let Progress { latest_ns, release_at, .. } = &mut self.progress[0];
            unusual = reader.each_before(latest_ns, *release_at, |packet| take(0, packet));
        }
        self.readers.push(reader);
    }

    /// The number of the last packet of a file, as far as it has been read.
    pub(super) fn packets(&self, file: usize) -> u64 {
        self.readers.get(file).map_or(0, Reader::packets)
    }

    /// What is broken in the files, once all packets have been read.
    pub(super) fn anomalies(&self) -> Vec<Anomaly> {
        let flaws = self.files.iter().zip(&self.readers).flat_map(|(file, reader)| file.anomalies(reader));
        let more = (self.more_steps > 0).then(|| Anomaly {
            place: "whole capture".to_owned(),
            what: format!("the clock steps back {} times more", self.more_steps),
        });
        flaws.chain(self.steps.iter().cloned()).chain(more).collect()
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

    fn note(&mut self, file: usize, packet: &Packet<'_>) {
        let progress = &mut self.progress[file];
        if packet.octets.as_ptr().addr() >= progress.release_at {
            self.release(file, packet);
        } else if packet.unix_ns < progress.latest_ns {
            self.note_step_back(file, packet);
        } else {
            progress.latest_ns = packet.unix_ns;
        }
    }

    /// What has been read lies in the file: a capture may be larger than the memory.
    #[cold]
    fn release(&mut self, file: usize, packet: &Packet<'_>) {
        let (whole, Progress { latest_ns, released, .. }) = (&self.files[file], self.progress[file]);
        let read = packet.octets.as_ptr().addr() - whole.octets.as_ptr().addr() - released;
        let next = released + read - read % RELEASED_AT_ONCE;
        whole.octets.release(released..next);
        self.progress[file] = whole.progress(latest_ns, next);
        self.note(file, packet);
    }

    #[cold]
    fn note_step_back(&mut self, file: usize, packet: &Packet<'_>) {
        let behind = self.progress[file].latest_ns.saturating_sub(packet.unix_ns);
        let tapped = packet.sense != crate::wire::pcap::Sense::Unknown;
        // Taps are written by several threads; there a small step back is order of writing, not of time.
        if behind > BACKWARD_STEP_NS && !tapped {
            self.add_step(file, packet.number, behind);
            self.progress[file].latest_ns = packet.unix_ns;
        }
    }

    fn add_step(&mut self, file: usize, packet: u64, behind: i64) {
        if self.steps.len() >= MOST_FLAWS {
            self.more_steps += 1;
            return;
        }
        self.steps.push(Anomaly {
            place: format!("{} packet {packet}", self.files[file].name),
            what: format!("the capture's clock steps back by {:.3} ms", behind as f64 / 1e6),
        });
    }
}

impl<'a> Iterator for Merged<'a> {
    /// The file's number and the packet.
    type Item = (usize, Packet<'a>);

    fn next(&mut self) -> Option<(usize, Packet<'a>)> {
        let waiting = self.heads.iter().enumerate();
        let (_, file) = waiting.filter_map(|(file, head)| Some((head.as_ref()?.unix_ns, file))).min()?;
        let packet = std::mem::replace(&mut self.heads[file], self.readers[file].next())?;
        self.note(file, &packet);
        Some((file, packet))
    }
}
