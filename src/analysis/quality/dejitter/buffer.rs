//! A buffer that plays one segment.

use std::collections::VecDeque;

use super::Profile;
use super::adaptive::History;
use super::segment::{NEVER, Segment};
use crate::analysis::quality::bursts::Slot;

/// One second of media: anchors, and how long everything must come late before the buffer follows.
const SECOND_NS: i64 = 1_000_000_000;

/// The buffer within one segment. Times in ns.
pub(super) struct Buffer<'a> {
    transits: &'a [i64],
    interval: i64,
    /// The next packet.
    place: usize,
    base: i64,
    depth: i64,
    adapting: Option<History<'a>>,
    /// Place and transit of the packets that came late one after the other.
    late: VecDeque<(usize, i64)>,
    resynchronised: u32,
}

impl<'a> Buffer<'a> {
    /// Before the first packet; `None` when none arrived.
    pub(super) fn new(profile: Profile, segment: &'a Segment) -> Option<Buffer<'a>> {
        let (min, max) = profile.limits();
        let (transits, interval) = (segment.transits(), segment.interval_ns());
        let adaptive = matches!(profile, Profile::Adaptive { .. });
        Some(Buffer {
            transits,
            interval,
            place: 0,
            base: anchor(transits, interval)?,
            depth: min,
            adapting: adaptive.then(|| History::new(min, max, transits, interval)),
            late: VecDeque::new(),
            resynchronised: 0,
        })
    }

    /// How deep it is for the next packet.
    pub(super) fn depth(&self) -> i64 {
        self.depth
    }

    /// How often it followed a path that had become slower.
    pub(super) fn resynchronised(&self) -> u32 {
        self.resynchronised
    }

    /// The fate of the next packet, and how many after it have the same at the same depth.
    pub(super) fn next(&mut self) -> Option<(Slot, usize)> {
        let rest = self.transits.get(self.place..)?;
        let transit = *rest.first()?;
        if transit == NEVER {
            let lost = rest.iter().take_while(|transit| **transit == NEVER).count();
            self.place += lost;
            return Some((Slot::Lost, lost));
        }
        match self.received() {
            0 => Some((self.take(transit), 1)),
            received => Some((Slot::Received, received)),
        }
    }

    /// Takes packets as long as they are in time and the depth stays; how many.
    fn received(&mut self) -> usize {
        let deadline = self.base + self.depth;
        let received = match &mut self.adapting {
            None => self.transits[self.place..].iter().take_while(|t| **t <= deadline && **t != NEVER).count(),
            Some(history) => {
                let (received, adapted) = history.in_time(self.place, (self.base, self.depth));
                (self.base, self.depth) = adapted;
                received
            }
        };
        self.place += received;
        if received > 0 {
            self.late.clear();
        }
        received
    }

    /// Takes the next packet.
    pub(super) fn take(&mut self, transit: i64) -> Slot {
        if transit == NEVER {
            self.place += 1;
            return Slot::Lost;
        }
        let slot = if transit - self.base > self.depth { Slot::Discarded } else { Slot::Received };
        if let Some(history) = &mut self.adapting {
            (self.base, self.depth) = history.adapt(self.place, transit, (self.base, self.depth));
        }
        match slot {
            Slot::Received => self.late.clear(),
            _ => self.follow(transit),
        }
        self.place += 1;
        slot
    }

    /// Takes another packet that came late: follows the path once a whole second did so by amounts that differ by no
    /// more than the depth.
    #[cold]
    fn follow(&mut self, transit: i64) {
        self.late.push_back((self.place, transit));
        let spread = |late: &VecDeque<(usize, i64)>| {
            let transits = late.iter().map(|(_, transit)| *transit);
            transits.clone().max().unwrap_or(0).saturating_sub(transits.min().unwrap_or(0))
        };
        while spread(&self.late) > self.depth {
            self.late.pop_front();
        }
        let since = self.late.front().map_or(self.place, |(place, _)| *place);
        if self.interval.saturating_mul((self.place - since) as i64) >= SECOND_NS {
            self.base = self.late.iter().map(|(_, transit)| *transit).min().unwrap_or(self.base);
            self.adapting.iter_mut().for_each(History::forget);
            self.late.clear();
            self.resynchronised += 1;
        }
    }
}

/// The smallest transit in the first second of media that has arrivals, ns.
fn anchor(transits: &[i64], interval: i64) -> Option<i64> {
    let first = transits.iter().position(|transit| *transit != NEVER)?;
    let second = usize::try_from((SECOND_NS - 1) / interval).unwrap_or(usize::MAX).saturating_add(1);
    let early = transits[first..].iter().take(second);
    early.copied().filter(|transit| *transit != NEVER).min()
}
