//! A path that is worse than a cable: which packet is lost on it, and when each of the others leaves it.
//!
//! A packet first waits for the line (rate), then travels (delay, jitter). Order is kept, as on a real path: what is
//! drawn shorter waits behind what is drawn longer. Only a reordered packet overtakes: it travels in no time.

mod loss;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fmt;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

pub use loss::Loss;

use crate::units::{RunTime, Span};

/// How long a packet may wait for a line of limited rate before it is dropped (tail drop).
pub const LONGEST_QUEUE: Span = Span::from_millis(200);

/// Octets that a frame has beside its IP packet: an Ethernet header (IEEE 802.3, without the check sequence).
const FRAME_OCTETS: i64 = 14;

/// What is wrong with a path, in each of its directions. The default is a good one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Impairment {
    /// Mean delay.
    pub delay: Span,
    /// The delay is even between the mean minus this and the mean plus this.
    pub jitter: Span,
    /// Which packets are lost.
    pub loss: Loss,
    /// Parts of a million that overtake what travels before them.
    pub reordered_ppm: u32,
    /// Thousands of bits a second that pass, frames counted; 0: no limit.
    pub kbit_per_s: u32,
}

impl fmt::Display for Impairment {
    /// `40 ms ± 10 ms, 2.9 % lost in bursts, 512 kbit/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delay = (self.delay > Span::ZERO).then(|| format!("{} ± {}", self.delay, self.jitter));
        let share = format!("{:.2} % lost", self.loss.share() * 100.0);
        let loss = match self.loss {
            Loss::None => None,
            Loss::Random { .. } => Some(share),
            Loss::GilbertElliott { .. } => Some(format!("{share} in bursts")),
        };
        let early = (self.reordered_ppm > 0).then(|| format!("{} % reordered", f64::from(self.reordered_ppm) / 1e4));
        let rate = (self.kbit_per_s > 0).then(|| format!("{} kbit/s", self.kbit_per_s));
        let all: Vec<String> = [delay, loss, early, rate].into_iter().flatten().collect();
        f.write_str(&all.join(", "))
    }
}

/// What a line did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Packets that left it.
    pub left: u64,
    /// Packets that were lost on it.
    pub lost: u64,
    /// Packets that found the queue of a limited rate full.
    pub overflowed: u64,
    /// Packets that travelled in no time.
    pub reordered: u64,
}

/// One direction of an impaired path. What travels is the caller's: `T` stands for it.
#[derive(Debug)]
pub struct Line<T> {
    impairment: Impairment,
    loss: loss::State,
    rng: SmallRng,
    /// When the line has sent what it has accepted.
    free_at: RunTime,
    /// The last departure of what was not reordered.
    last: RunTime,
    travelling: BinaryHeap<Reverse<Travelling<T>>>,
    number: u64,
    passed: Passed,
}

#[derive(Debug)]
struct Travelling<T> {
    leaves: RunTime,
    number: u64,
    packet: T,
}

impl<T> Line<T> {
    /// A line that nothing travels on. The same seed and packets give the same fates.
    #[must_use]
    pub fn new(impairment: Impairment, seed: u64) -> Line<T> {
        Line {
            impairment,
            loss: loss::State::new(impairment.loss),
            rng: SmallRng::seed_from_u64(seed),
            free_at: RunTime(i64::MIN),
            last: RunTime(i64::MIN),
            travelling: BinaryHeap::new(),
            number: 0,
            passed: Passed::default(),
        }
    }

    /// Puts a packet of `octets` (the IP packet) on the line; a packet that is lost comes back.
    pub fn handle(&mut self, now: RunTime, packet: T, octets: usize) -> Option<T> {
        if self.loss.next(&mut self.rng) {
            self.passed.lost += 1;
            return Some(packet);
        }
        let Some(sent) = self.send(now, octets) else {
            self.passed.overflowed += 1;
            return Some(packet);
        };
        let leaves = self.leaves(sent);
        self.number += 1;
        self.travelling.push(Reverse(Travelling { leaves, number: self.number, packet }));
        None
    }

    /// When the last bit is on the line; none when the queue is full.
    fn send(&mut self, now: RunTime, octets: usize) -> Option<RunTime> {
        let rate = i64::from(self.impairment.kbit_per_s);
        if rate == 0 {
            return Some(now);
        }
        let start = self.free_at.max(now);
        if start - now > LONGEST_QUEUE {
            return None;
        }
        let bits = (i64::try_from(octets).unwrap_or(i64::MAX / 16_000_000) + FRAME_OCTETS) * 8;
        self.free_at = start + Span(bits * 1_000_000 / rate);
        Some(self.free_at)
    }

    fn leaves(&mut self, sent: RunTime) -> RunTime {
        if draws(&mut self.rng, self.impairment.reordered_ppm) {
            self.passed.reordered += 1;
            return sent;
        }
        let jitter = self.impairment.jitter.as_nanos();
        let drawn = if jitter > 0 { self.rng.random_range(-jitter..=jitter) } else { 0 };
        self.last = self.last.max(sent + self.impairment.delay + Span(drawn));
        self.last
    }

    /// The next packet that has arrived by now, with the instant at which it was due.
    pub fn poll(&mut self, now: RunTime) -> Option<(RunTime, T)> {
        let first = self.travelling.peek_mut().filter(|first| first.0.leaves <= now)?;
        let Reverse(Travelling { leaves, packet, .. }) = PeekMut::pop(first);
        self.passed.left += 1;
        Some((leaves, packet))
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn wake_at(&self) -> Option<RunTime> {
        self.travelling.peek().map(|first| first.0.leaves)
    }

    /// What it has done so far.
    #[must_use]
    pub fn passed(&self) -> Passed {
        self.passed
    }
}

/// True with the probability of so many parts of a million.
fn draws(rng: &mut SmallRng, ppm: u32) -> bool {
    ppm > 0 && rng.random_range(0..1_000_000) < ppm
}

impl<T> PartialEq for Travelling<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Travelling<T> {}

impl<T> PartialOrd for Travelling<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Travelling<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.leaves, self.number).cmp(&(other.leaves, other.number))
    }
}
