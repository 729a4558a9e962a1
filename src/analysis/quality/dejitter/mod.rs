//! Replays arrivals through a de-jitter buffer: what would the listener have missed, and how late is it all?
//!
//! Deterministic and offline: packet i is played at `base + media time + depth`, and counts as discarded if it
//! arrives later (ETSI TS 101 329-5). `base` is the smallest transit of the first second of media, so that one
//! early slow packet does not set the clock. The replay starts over where the sender's clock does (another SSRC,
//! a timestamp reset), and where a whole second came late by much the same amount: then the path has become
//! slower. Audio that a server held back and flushed after a failover comes late by less and less; it is
//! discarded, and the clock stays. Drift between the clocks is not removed here.

mod adaptive;
mod buffer;
mod segment;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use super::bursts::{Runs, Slot};
use buffer::Buffer;
pub use segment::Segment;

/// A kind of de-jitter buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The same depth throughout.
    Fixed {
        /// Depth, ms.
        depth_ms: u32,
    },
    /// Depth 40 ms above the spread of the last 500 transits (without the extreme 3 % at each end), within limits;
    /// it moves by at most 20 ms for every 40 ms of media.
    Adaptive {
        /// Smallest depth, ms.
        min_ms: u32,
        /// Largest depth, ms.
        max_ms: u32,
    },
}

impl Profile {
    /// The profiles that every stream is scored with.
    pub const ALL: [Profile; 3] = [
        Profile::Fixed { depth_ms: 50 },
        Profile::Fixed { depth_ms: 200 },
        Profile::Adaptive { min_ms: 40, max_ms: 200 },
    ];

    /// The profile's name in scenarios and JSON: `fixed50`, `fixed200`, `adaptive`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Profile::Fixed { depth_ms } => format!("fixed{depth_ms}"),
            Profile::Adaptive { .. } => "adaptive".to_owned(),
        }
    }

    fn limits(self) -> (i64, i64) {
        let (min, max) = match self {
            Profile::Fixed { depth_ms } => (depth_ms, depth_ms),
            Profile::Adaptive { min_ms, max_ms } => (min_ms, max_ms.max(min_ms)),
        };
        (i64::from(min) * 1_000_000, i64::from(max) * 1_000_000)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Profile::Fixed { depth_ms } => write!(f, "fixed {depth_ms} ms"),
            Profile::Adaptive { min_ms, max_ms } => write!(f, "adaptive {min_ms} to {max_ms} ms"),
        }
    }
}

/// What a buffer made of a stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replay {
    /// The buffer.
    pub profile: Profile,
    /// The fate of every expected packet, in sequence order.
    #[serde(skip)]
    pub slots: Vec<Slot>,
    /// Losses and discards.
    pub runs: Runs,
    /// Mean depth over the packets that arrived, ms: what the buffer adds to Ta. `None` if none arrived.
    pub nominal_ms: Option<f64>,
    /// How often the buffer followed a path that had become slower.
    pub resynchronised: u32,
    /// From which packet on the depth was how large, ns; in order.
    #[serde(skip)]
    depths: Vec<(usize, i64)>,
}

impl Replay {
    /// Mean depth over the packets of some parts of the stream that arrived, ms; `None` if none did.
    #[must_use]
    pub fn nominal_ms_of(&self, parts: &[Range<usize>]) -> Option<f64> {
        if let [part] = parts
            && part.start == 0
            && part.end == self.slots.len()
        {
            return self.nominal_ms;
        }
        let slots = |part: &Range<usize>, from: usize, until: usize| {
            self.slots.get(part.start.max(from)..part.end.min(until)).unwrap_or_default().iter()
        };
        if let [(_, depth_ns)] = self.depths[..] {
            let arrived = parts.iter().any(|part| slots(part, 0, self.slots.len()).any(|slot| *slot != Slot::Lost));
            return arrived.then_some(depth_ns as f64 / 1e6);
        }
        let mut mean = Depths::default();
        for (place, (from, depth_ns)) in self.depths.iter().enumerate() {
            let until = self.depths.get(place + 1).map_or(self.slots.len(), |(next, _)| *next);
            for part in parts {
                let arrived = slots(part, *from, until).filter(|slot| **slot != Slot::Lost);
                mean.add(*depth_ns, arrived.count() as u64);
            }
        }
        mean.mean_ms()
    }

    /// The same behind a deeper buffer, if nothing needs to be looked at again: what this one had in time, that one has.
    fn in_deeper(&self, profile: Profile) -> Option<Replay> {
        let (Profile::Fixed { depth_ms: own }, Profile::Fixed { depth_ms }) = (self.profile, profile) else {
            return None;
        };
        if depth_ms < own || self.runs.discarded > 0 {
            return None;
        }
        let (depth, _) = profile.limits();
        let mut deeper = Replay { profile, ..self.clone() };
        deeper.nominal_ms = self.nominal_ms.map(|_| f64::from(depth_ms));
        deeper.depths.iter_mut().for_each(|(_, ns)| *ns = depth);
        Some(deeper)
    }
}

/// Replays a stream, one segment after the other.
///
/// ```
/// use fivenines::analysis::quality::dejitter::{replay, Profile, Segment};
/// use fivenines::units::{RunTime, Span};
/// let transits_ms = [10, 10, 75, 10];
/// let arrived = (0..).zip(transits_ms).map(|(i, transit)| Some(RunTime::from_millis(20 * i + transit)));
/// let stream = [Segment::of(Span::ZERO, Span::from_millis(20), arrived)];
/// assert_eq!(replay(Profile::Fixed { depth_ms: 50 }, &stream).runs.discarded, 1);
/// assert_eq!(replay(Profile::Fixed { depth_ms: 200 }, &stream).runs.discarded, 0);
/// ```
#[must_use]
pub fn replay(profile: Profile, stream: &[Segment]) -> Replay {
    let packets = stream.iter().map(Segment::len).sum();
    let mut fates = Fates { slots: Vec::with_capacity(packets), ..Fates::default() };
    for segment in stream {
        match Buffer::new(profile, segment) {
            Some(buffer) => fates.play(buffer),
            None => fates.push(Slot::Lost, segment.len()),
        }
    }
    fates.replay(profile)
}

/// Replays a stream behind each of [`Profile::ALL`].
#[must_use]
pub fn replays(stream: &[Segment]) -> [Replay; 3] {
    let [shallow, deep, adaptive] = Profile::ALL;
    let shallow = replay(shallow, stream);
    let deep = shallow.in_deeper(deep).unwrap_or_else(|| replay(deep, stream));
    [shallow, deep, replay(adaptive, stream)]
}

/// What became of the packets so far.
#[derive(Default)]
struct Fates {
    slots: Vec<Slot>,
    runs: Runs,
    /// The last ones, which are not among the slots and runs yet.
    latest: Option<(Slot, usize)>,
    depths: Vec<(usize, i64)>,
    mean: Depths,
    resynchronised: u32,
}

impl Fates {
    /// Replays the packets of one media clock.
    fn play(&mut self, mut buffer: Buffer<'_>) {
        loop {
            let depth = buffer.depth();
            let Some((slot, packets)) = buffer.next() else { break };
            self.note_depth(depth);
            self.push(slot, packets);
            if slot != Slot::Lost {
                self.mean.add(depth, packets as u64);
            }
        }
        self.resynchronised += buffer.resynchronised();
    }

    fn push(&mut self, slot: Slot, packets: usize) {
        match &mut self.latest {
            Some((latest, so_far)) if *latest == slot => *so_far += packets,
            _ => {
                self.settle();
                self.latest = Some((slot, packets));
            }
        }
    }

    fn settle(&mut self) {
        if let Some((slot, packets)) = self.latest.take() {
            self.slots.resize(self.slots.len() + packets, slot);
            self.runs.extend(slot, packets as u64);
        }
    }

    fn replay(mut self, profile: Profile) -> Replay {
        self.settle();
        let Fates { slots, runs, depths, mean, resynchronised, .. } = self;
        Replay { profile, slots, runs, nominal_ms: mean.mean_ms(), resynchronised, depths }
    }

    /// From the next packet on the depth is this.
    fn note_depth(&mut self, depth: i64) {
        if self.depths.last().is_none_or(|(_, last)| *last != depth) {
            let latest = self.latest.map_or(0, |(_, packets)| packets);
            self.depths.push((self.slots.len() + latest, depth));
        }
    }
}

#[derive(Default)]
struct Depths {
    sum_ns: i128,
    n: u64,
}

impl Depths {
    fn add(&mut self, depth_ns: i64, packets: u64) {
        self.sum_ns += i128::from(depth_ns) * i128::from(packets);
        self.n += packets;
    }

    fn mean_ms(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum_ns as f64 / self.n as f64 / 1e6)
    }
}
