//! A node's degraded path without help of a queueing discipline: its own kernel hands each packet over to this
//! program (NFQUEUE), which drops it or lets it go on at its instant.
//!
//! Only IP passes there: ARP does not suffer. The crate offers no descriptor to wait for, so the queue is looked
//! into every fifth of a millisecond; how late packets left is counted and recorded.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use nfq::{Message, Queue, Verdict};
use nix::sched::{CloneFlags, setns};

use super::tools;
use crate::evidence::history::PathWork;
use crate::experiment::agent::link::{Line, Passed};
use crate::experiment::cluster::Degradation;
use crate::experiment::run::clock::Clock;
use crate::experiment::run::machine;
use crate::scenario::Way;
use crate::units::Span;

/// How often the kernel's queue is looked into.
const LOOK_EVERY: Span = Span(200_000);

/// Packets that the kernel keeps for us at most: 200 ms of a very busy node.
const MOST_QUEUED: u32 = 65_536;

/// The kernel copies so much of each packet: nothing is read but its length.
const COPIED: u16 = 64;

/// Each direction: its queue's number, the chain and how packets of the node's link are told there.
const DIRECTIONS: [(Way, u16, [&str; 3]); 2] =
    [(Way::ToNode, 1, ["INPUT", "-i", "eth0"]), (Way::FromNode, 2, ["OUTPUT", "-o", "eth0"])];

/// The emulated path of a node.
#[derive(Debug)]
pub(super) struct Emulator {
    pid1: u32,
    degradation: Degradation,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    work: Mutex<[Work; 2]>,
}

/// What was done in one direction.
#[derive(Clone, Debug, Default)]
struct Work {
    passed: Passed,
    late_ns: Vec<i64>,
}

/// Whether this machine's kernel can hand packets over.
///
/// # Errors
/// What it said.
pub(super) fn works() -> Result<(), String> {
    let line = "--net iptables -A INPUT -j NFQUEUE --queue-num 1 --queue-bypass";
    let words: Vec<_> = line.split(' ').collect();
    tools::run("unshare", &words).map(drop)
}

impl Emulator {
    /// Degrades the path of the node whose PID 1 is `pid1`.
    ///
    /// # Errors
    /// What could not be done; nothing is left behind then.
    pub(super) fn start(pid1: u32, degradation: Degradation, clock: Clock) -> Result<Emulator, String> {
        let shared = Arc::new(Shared::default());
        let (tell, told) = mpsc::channel();
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("path".into()).spawn(move || {
            // Better than a late packet; where it is not granted, the lateness says so.
            machine::real_time();
            match open(pid1) {
                Ok(queue) => {
                    let _gone = tell.send(Ok(()));
                    Path::new(queue, degradation, clock, &of_thread).run();
                }
                Err(error) => drop(tell.send(Err(error.to_string()))),
            }
        });
        let thread = thread.map_err(|error| error.to_string())?;
        let emulator = Emulator { pid1, degradation, shared, thread: Some(thread) };
        told.recv().unwrap_or_else(|_| Err("the emulator ended at once".into()))?;
        // Where they cannot be put, dropping the emulator ends it.
        emulator.rules("-I")?;
        Ok(emulator)
    }

    /// Puts the rules in force (`-I`) or takes them away (`-D`).
    fn rules(&self, change: &str) -> Result<(), String> {
        for (way, queue, [chain, of, link]) in DIRECTIONS.into_iter().filter(|(way, ..)| self.degradation.hits(*way)) {
            let line = format!(
                "-t {} -n iptables -w {change} {chain} {of} {link} -j NFQUEUE --queue-num {queue} --queue-bypass",
                self.pid1
            );
            let words: Vec<_> = line.split(' ').collect();
            tools::run("nsenter", &words).map_err(|error| format!("{way:?}: {error}"))?;
        }
        Ok(())
    }

    /// Packets that came by so far, both ways.
    pub(super) fn seen(&self) -> u64 {
        let work = self.shared.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.iter().map(|of| of.passed.left + of.passed.lost + of.passed.overflowed).sum()
    }

    /// Makes the path good again and lets what travels arrive; what was done in each direction that suffered.
    ///
    /// # Errors
    /// When the rules cannot be taken away, as on a node that is gone.
    pub(super) fn heal(mut self, node: &str) -> (Result<(), String>, Vec<PathWork>) {
        let removed = self.rules("-D");
        self.end();
        let work = std::mem::take(&mut *self.shared.work.lock().unwrap_or_else(PoisonError::into_inner));
        let all = DIRECTIONS.into_iter().zip(work).filter(|((way, ..), _)| self.degradation.hits(*way));
        (removed, all.map(|((way, ..), work)| work.told(node, way)).collect())
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.end();
    }
}

impl Work {
    fn told(mut self, node: &str, way: Way) -> PathWork {
        self.late_ns.sort_unstable();
        let at = |share: f64| {
            let last = self.late_ns.len().saturating_sub(1) as f64;
            self.late_ns.get((last * share).round() as usize).copied().unwrap_or_default()
        };
        PathWork {
            node: node.to_owned(),
            way,
            method: "emulator".into(),
            left: self.passed.left,
            lost: self.passed.lost,
            overflowed: self.passed.overflowed,
            reordered: self.passed.reordered,
            late_p50_ns: at(0.5),
            late_p99_ns: at(0.99),
            late_max_ns: at(1.0),
        }
    }
}

/// The queue of the node's network namespace; the calling thread enters it.
fn open(pid1: u32) -> io::Result<Queue> {
    setns(File::open(format!("/proc/{pid1}/ns/net"))?, CloneFlags::CLONE_NEWNET)?;
    let mut queue = Queue::open()?;
    for (_, number, _) in DIRECTIONS {
        queue.bind(number)?;
        queue.set_copy_range(number, COPIED)?;
        queue.set_queue_max_len(number, MOST_QUEUED)?;
    }
    // A full socket buffer drops packets as a full queue does; it is no error.
    queue.set_recv_enobufs(false)?;
    queue.set_nonblocking(true);
    Ok(queue)
}

/// Both directions at work.
struct Path<'a> {
    queue: Queue,
    lines: [Line<Message>; 2],
    clock: Clock,
    shared: &'a Shared,
}

impl<'a> Path<'a> {
    fn new(queue: Queue, degradation: Degradation, clock: Clock, shared: &'a Shared) -> Path<'a> {
        let Degradation { impairment, seed, .. } = degradation;
        let line = |way: u64| Line::new(impairment, seed.wrapping_mul(2).wrapping_add(way));
        Path { queue, lines: [line(0), line(1)], clock, shared }
    }

    /// Until it is told to stop and what travels then has arrived. What comes later is none of its business: rules
    /// that could not be taken away let packets through once nobody listens to the queue.
    fn run(mut self) {
        loop {
            let stopped = self.shared.stop.load(Ordering::Relaxed);
            if !stopped {
                self.take();
            }
            self.release();
            let wake = self.lines.iter().filter_map(Line::wake_at).min();
            if stopped && wake.is_none() {
                return;
            }
            let next = self.clock.now() + LOOK_EVERY;
            self.clock.sleep_until(wake.map_or(next, |wake| wake.min(next)));
        }
    }

    fn take(&mut self) {
        while let Ok(message) = self.queue.recv() {
            let line = usize::from(message.get_queue_num() != DIRECTIONS[0].1);
            let octets = message.get_original_len();
            if let Some(lost) = self.lines[line].handle(self.clock.now(), message, octets) {
                self.decide(lost, Verdict::Drop);
            }
        }
    }

    fn release(&mut self) {
        let mut late = [Vec::new(), Vec::new()];
        for (line, late) in late.iter_mut().enumerate() {
            while let Some((due, message)) = self.lines[line].poll(self.clock.now()) {
                self.decide(message, Verdict::Accept);
                late.push((self.clock.now() - due).as_nanos());
            }
        }
        self.count(late);
    }

    fn decide(&mut self, mut message: Message, verdict: Verdict) {
        message.set_verdict(verdict);
        // A packet of a namespace that is going away needs no verdict.
        let _gone = self.queue.verdict(message);
    }

    fn count(&self, late: [Vec<i64>; 2]) {
        let mut work = self.shared.work.lock().unwrap_or_else(PoisonError::into_inner);
        for ((of, line), late) in work.iter_mut().zip(&self.lines).zip(late) {
            of.passed = line.passed();
            of.late_ns.extend(late);
        }
    }
}
