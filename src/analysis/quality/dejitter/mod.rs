//! Replays arrivals through a de-jitter buffer: what would the listener have missed, and how late is it all?
//!
//! Deterministic and offline: packet i is played at `base + media time + depth`, and counts as discarded if it
//! arrives later (ETSI TS 101 329-5). `base` is the smallest transit of the first second of media, so that one
//! early slow packet does not set the clock. The replay starts over where the sender's clock does (another SSRC,
//! a timestamp reset), and where a whole second came late by much the same amount: then the path has become
//! slower. Audio that a server held back and flushed after a failover comes late by less and less; it is
//! discarded, and the clock stays. Drift between the clocks is not removed here.

mod adaptive;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use serde::Serialize;

use super::bursts::{Runs, Slot};
use crate::units::{RunTime, Span};
use adaptive::History;

/// One second of media: anchors, and how long everything must come late before the buffer follows.
const SECOND_NS: i64 = 1_000_000_000;

/// An expected packet, in sequence order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its instant on the sender's media clock (RTP timestamp over clock rate, or planned send time).
    pub media: Span,
    /// When it arrived; `None` if it never did.
    pub arrived: Option<RunTime>,
    /// Changes where the media clock started over (SSRC change, timestamp reset).
    pub segment: u32,
}

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
        let mut mean = Depths::default();
        for (place, (from, depth_ns)) in self.depths.iter().enumerate() {
            let until = self.depths.get(place + 1).map_or(self.slots.len(), |(next, _)| *next);
            for part in parts {
                let slots = self.slots.get(part.start.max(*from)..part.end.min(until)).unwrap_or_default();
                mean.add(*depth_ns, slots.iter().filter(|slot| **slot != Slot::Lost).count() as u64);
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

/// Replays a stream; packets in sequence order, lost ones included.
///
/// ```
/// use fivenines::analysis::quality::dejitter::{replay, Expected, Profile};
/// use fivenines::units::{RunTime, Span};
/// let packet = |i: i64, transit_ms: i64| Expected {
///     media: Span::from_millis(20 * i),
///     arrived: Some(RunTime::from_millis(20 * i + transit_ms)),
///     segment: 0,
/// };
/// let stream = [packet(0, 10), packet(1, 10), packet(2, 75), packet(3, 10)];
/// assert_eq!(replay(Profile::Fixed { depth_ms: 50 }, &stream).runs.discarded, 1);
/// assert_eq!(replay(Profile::Fixed { depth_ms: 200 }, &stream).runs.discarded, 0);
/// ```
#[must_use]
pub fn replay(profile: Profile, stream: &[Expected]) -> Replay {
    Transits::of(stream).replay(profile)
}

/// Replays a stream behind each of [`Profile::ALL`].
#[must_use]
pub fn replays(stream: &[Expected]) -> [Replay; 3] {
    let [shallow, deep, adaptive] = Profile::ALL;
    let transits = Transits::of(stream);
    let shallow = transits.replay(shallow);
    let deep = shallow.in_deeper(deep).unwrap_or_else(|| transits.replay(deep));
    [shallow, deep, transits.replay(adaptive)]
}

/// The transit of a packet that never arrived.
const NEVER: i64 = i64::MIN;
/// The most that a transit may be, either way, in nanoseconds: 145 years from any origin. Sums and differences of two
/// of them do not overflow.
const MOST: i64 = (1 << 62) - (1 << 40);

/// A stream as its buffers see it.
struct Transits<'a> {
    /// The packets of each media clock, with the nanoseconds from each one's instant on it until it arrived.
    segments: Vec<(&'a [Expected], Vec<i64>)>,
}

impl<'a> Transits<'a> {
    fn of(stream: &'a [Expected]) -> Transits<'a> {
        let transit =
            |arrived: RunTime, media: Span| (arrived.as_nanos().saturating_sub(media.as_nanos())).clamp(-MOST, MOST);
        let of = |packet: &Expected| packet.arrived.map_or(NEVER, |arrived| transit(arrived, packet.media));
        let segments = stream.chunk_by(|a, b| a.segment == b.segment && a.media <= b.media);
        Transits { segments: segments.map(|segment| (segment, segment.iter().map(of).collect())).collect() }
    }

    fn replay(&self, profile: Profile) -> Replay {
        let packets = self.segments.iter().map(|(segment, _)| segment.len()).sum();
        let mut fates = Fates { slots: Vec::with_capacity(packets), ..Fates::default() };
        self.segments.iter().for_each(|(segment, transits)| fates.add(profile, segment, transits));
        fates.replay(profile)
    }
}

/// What became of the packets so far.
#[derive(Default)]
struct Fates {
    slots: Vec<Slot>,
    depths: Vec<(usize, i64)>,
    mean: Depths,
    resynchronised: u32,
}

impl Fates {
    /// Replays packets of one media clock.
    fn add(&mut self, profile: Profile, segment: &[Expected], transits: &[i64]) {
        match anchor(segment, transits) {
            None => self.slots.extend(segment.iter().map(|_| Slot::Lost)),
            Some(base) if self.all_in_time(profile, base, transits) => {}
            Some(base) => self.one_by_one(profile, base, segment, transits),
        }
    }

    fn one_by_one(&mut self, profile: Profile, base: i64, segment: &[Expected], transits: &[i64]) {
        let mut buffer = Buffer::new(profile, base, segment.first().map_or(0, |p| p.media.as_nanos()));
        let (mut depth, mut arrived) = (buffer.depth, 0);
        self.note_depth(depth);
        for (packet, transit) in segment.iter().zip(transits) {
            if depth != buffer.depth {
                self.mean.add(depth, arrived);
                (depth, arrived) = (buffer.depth, 0);
                self.note_depth(depth);
            }
            let slot = if *transit == NEVER { Slot::Lost } else { buffer.take(packet.media.as_nanos(), *transit) };
            arrived += u64::from(slot != Slot::Lost);
            self.slots.push(slot);
        }
        self.mean.add(depth, arrived);
        self.resynchronised += buffer.resynchronised;
    }

    /// The common case of a buffer that does not move and for which nothing comes too late; false if this is another.
    fn all_in_time(&mut self, profile: Profile, base: i64, transits: &[i64]) -> bool {
        let Profile::Fixed { .. } = profile else { return false };
        let (depth, _) = profile.limits();
        if transits.iter().any(|transit| *transit > base + depth) {
            return false;
        }
        self.note_depth(depth);
        self.slots.extend(transits.iter().map(|transit| if *transit == NEVER { Slot::Lost } else { Slot::Received }));
        self.mean.add(depth, transits.iter().filter(|transit| **transit != NEVER).count() as u64);
        true
    }

    fn replay(self, profile: Profile) -> Replay {
        let Fates { slots, depths, mean, resynchronised } = self;
        let runs = Runs::count(slots.iter().copied());
        Replay { profile, slots, runs, nominal_ms: mean.mean_ms(), resynchronised, depths }
    }

    /// From the next packet on the depth is this.
    fn note_depth(&mut self, depth: i64) {
        if self.depths.last().is_none_or(|(_, last)| *last != depth) {
            self.depths.push((self.slots.len(), depth));
        }
    }
}

/// The smallest transit in the first second of media that has arrivals, ns.
fn anchor(segment: &[Expected], transits: &[i64]) -> Option<i64> {
    let first = transits.iter().position(|transit| *transit != NEVER)?;
    let start = segment.get(first)?.media;
    // Within a segment the media clock does not run backwards.
    let early = segment.iter().zip(transits).take_while(|(packet, _)| (packet.media - start).as_nanos() < SECOND_NS);
    early.map(|(_, transit)| *transit).filter(|transit| *transit != NEVER).min()
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

/// The buffer within one segment. Times in ns.
struct Buffer {
    base: i64,
    depth: i64,
    adapting: Option<History>,
    /// Media instant and transit of the packets that came late one after the other.
    late: VecDeque<(i64, i64)>,
    resynchronised: u32,
}

impl Buffer {
    fn new(profile: Profile, base: i64, media_start: i64) -> Buffer {
        let (min, max) = profile.limits();
        let adapting = matches!(profile, Profile::Adaptive { .. }).then(|| History::new(min, max, media_start));
        Buffer { base, depth: min, adapting, late: VecDeque::new(), resynchronised: 0 }
    }

    /// Takes a packet that arrived.
    #[inline]
    fn take(&mut self, media: i64, transit: i64) -> Slot {
        let slot = if transit - self.base > self.depth { Slot::Discarded } else { Slot::Received };
        if let Some(history) = &mut self.adapting {
            (self.base, self.depth) = history.adapt(media, transit, (self.base, self.depth));
        }
        self.watch(slot, media, transit);
        slot
    }

    /// Follows the path once a whole second came late by amounts that differ by no more than the depth.
    #[inline]
    fn watch(&mut self, slot: Slot, media: i64, transit: i64) {
        if slot == Slot::Received {
            if !self.late.is_empty() {
                self.late.clear();
            }
            return;
        }
        self.follow(media, transit);
    }

    /// Takes another packet that came late.
    #[cold]
    fn follow(&mut self, media: i64, transit: i64) {
        self.late.push_back((media, transit));
        let spread = |late: &VecDeque<(i64, i64)>| {
            let transits = late.iter().map(|(_, transit)| *transit);
            transits.clone().max().unwrap_or(0).saturating_sub(transits.min().unwrap_or(0))
        };
        while spread(&self.late) > self.depth {
            self.late.pop_front();
        }
        let since = self.late.front().map_or(media, |(media, _)| *media);
        if media.saturating_sub(since) >= SECOND_NS {
            self.base = self.late.iter().map(|(_, transit)| *transit).min().unwrap_or(self.base);
            self.adapting.iter_mut().for_each(History::forget);
            self.late.clear();
            self.resynchronised += 1;
        }
    }
}
