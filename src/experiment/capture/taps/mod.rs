//! The writer of a trial's own evidence: history.jsonl, and taps.pcapng from the agents' sockets.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};

use pcap_file::DataLink;

use super::append::AppendFile;
use super::headers::Flows;
use super::pcapng::{PcapngFile, Way};
use crate::evidence::history;
use crate::evidence::rundir::TrialDir;
use crate::experiment::run::clock::Clock;
use crate::experiment::run::recorder::{Record, TapPacket};
use crate::units::{RunTime, Span};

/// What a crash of the tool may lose at most.
const FLUSH_EVERY: Span = Span::from_millis(200);

/// How soon the writer notices that it shall finish.
const IDLE: Span = Span::from_millis(20);

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Lines of the history.
    pub events: u64,
    /// Packets of the taps, as the sockets saw them.
    pub packets: u64,
    /// Tapped packets that no IPv4 packet can carry (IPv6, oversize); not written.
    pub unwritable: u64,
}

/// A thread that drains a [`Recorder`](crate::experiment::run::recorder::Recorder) into a trial's files.
#[derive(Debug)]
pub struct Writer {
    finish: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<WriterStats>>,
}

impl Writer {
    /// Creates the trial's directories and both files, and starts the thread.
    ///
    /// # Errors
    /// When a directory, a file or the thread cannot be made.
    pub fn start(receiver: Receiver<Record>, clock: Clock, trial: &TrialDir) -> io::Result<Writer> {
        trial.create()?;
        let files = Files::create(clock, trial)?;
        let finish = Arc::new(AtomicBool::new(false));
        let finishing = Arc::clone(&finish);
        let drain = move || drain(&receiver, clock, files, &finishing);
        let thread = thread::Builder::new().name("evidence".into()).spawn(drain)?;
        Ok(Writer { finish, thread })
    }

    /// Writes what has been recorded so far and ends; what is recorded later is lost.
    ///
    /// # Errors
    /// The first error of either file, a full disk for one. What was whole before it is in the files; the
    /// records after it were drained and dropped.
    pub fn finish(self) -> io::Result<WriterStats> {
        self.finish.store(true, Ordering::Release);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the evidence writer panicked")))
    }
}

/// Takes records until every sender is gone, or until the queue is empty after the call to finish.
fn drain(receiver: &Receiver<Record>, clock: Clock, mut files: Files, finish: &AtomicBool) -> io::Result<WriterStats> {
    let mut flush_at = clock.now() + FLUSH_EVERY;
    loop {
        // Read before the queue, so that nothing recorded before the call is left behind.
        let last_round = finish.load(Ordering::Acquire);
        match receiver.recv_timeout(IDLE.to_duration()) {
            Ok(record) => files.write(record)?,
            Err(RecvTimeoutError::Timeout) if !last_round => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return files.finish(),
        }
        flush_at = files.flush_when_due(clock.now(), flush_at);
    }
}

/// Both files and what has gone into them.
struct Files {
    clock: Clock,
    history: AppendFile,
    taps: PcapngFile,
    flows: Flows,
    stats: WriterStats,
}

impl Files {
    fn create(clock: Clock, trial: &TrialDir) -> io::Result<Files> {
        let history = AppendFile::create(&trial.history())?;
        let mut taps = PcapngFile::create(&trial.taps())?;
        taps.interface(DataLink::RAW, "agents")?;
        taps.flush();
        Ok(Files { clock, history, taps, flows: Flows::default(), stats: WriterStats::default() })
    }

    fn write(&mut self, record: Record) -> io::Result<()> {
        match record {
            Record::Event(event) => {
                history::write(self.history.pending(), &event)?;
                self.history.record_done();
                self.stats.events += 1;
            }
            Record::Tap(packet) => self.tap(&packet)?,
            Record::Mark(comment) => self.taps.comment(comment),
        }
        Ok(())
    }

    fn tap(&mut self, packet: &TapPacket) -> io::Result<()> {
        let packets = self.flows.packets(packet);
        let way = if packet.outbound { Way::Outbound } else { Way::Inbound };
        for octets in &packets {
            self.taps.packet(0, self.unix_ns(packet.t), way, octets, octets.len() as u32)?;
        }
        if packets.is_empty() {
            self.stats.unwritable += 1;
        } else {
            self.stats.packets += 1;
        }
        Ok(())
    }

    fn unix_ns(&self, t: RunTime) -> i64 {
        self.clock.wall_epoch_ns().saturating_add(t.as_nanos())
    }

    fn flush_when_due(&mut self, now: RunTime, due: RunTime) -> RunTime {
        if now < due {
            return due;
        }
        self.history.flush();
        self.taps.flush();
        now + FLUSH_EVERY
    }

    fn finish(mut self) -> io::Result<WriterStats> {
        self.taps.statistics(0, self.unix_ns(self.clock.now()), self.stats.packets, 0)?;
        let taps = self.taps.finish();
        self.history.finish().and(taps).map(|()| self.stats)
    }
}

#[cfg(test)]
mod tests;
