//! The adaptive profile: base and depth from the transits of the recent past.

use super::segment::NEVER;

/// How many transits are remembered.
const REMEMBERED: usize = 500;
/// What the depth keeps above the observed spread, ns.
const MARGIN_NS: i64 = 40_000_000;
/// How often the depth may move, in media time, ns.
const MOVE_EVERY_NS: i64 = 40_000_000;
/// By how much it may move, ns.
const MOVE_BY_NS: i64 = 20_000_000;
/// How many of the extreme transits are kept sorted: the 3 % that are left out, and as many to spare. The more, the
/// more often one of them comes or goes; the fewer, the more often the rest is searched again. At 32 the latter happens
/// every few thousand packets.
const TAIL: usize = 32;

/// The last transits of a stream, of which the extreme ones are kept sorted.
pub(super) struct History<'a> {
    min_depth: i64,
    max_depth: i64,
    transits: &'a [i64],
    /// How many packets take as long as the depth stays at least.
    move_every: usize,
    /// From which packet on it may move.
    move_at: usize,
    /// The oldest packet that is remembered.
    oldest: usize,
    /// How many are remembered.
    remembered: usize,
    /// How many of them are left out at each end.
    left_out: usize,
    lowest: Tail,
    /// The largest transits, complemented: `!` turns the order around.
    highest: Tail,
}

/// The smallest of many values, sorted. All others are at least as large as the last one here.
struct Tail {
    values: [i64; TAIL],
    length: usize,
    /// The last one; less than any value when there is none.
    bound: i64,
}

impl Default for Tail {
    fn default() -> Tail {
        Tail { values: [0; TAIL], length: 0, bound: i64::MIN }
    }
}

impl<'a> History<'a> {
    pub(super) fn new(min_depth: i64, max_depth: i64, transits: &'a [i64], interval: i64) -> History<'a> {
        let move_every = usize::try_from((MOVE_EVERY_NS - 1) / interval).unwrap_or(usize::MAX).saturating_add(1);
        History {
            min_depth,
            max_depth,
            transits,
            move_every,
            move_at: move_every,
            oldest: 0,
            remembered: 0,
            left_out: 0,
            lowest: Tail::default(),
            highest: Tail::default(),
        }
    }

    /// Starts over: the path is not the one that was remembered.
    pub(super) fn forget(&mut self) {
        (self.remembered, self.left_out) = (0, 0);
        (self.lowest, self.highest) = (Tail::default(), Tail::default());
    }

    /// Takes packets from `place` on as long as they arrive in time for (base, depth), up to the one after which these
    /// change. How many, and what to use for the next packet.
    pub(super) fn in_time(&mut self, place: usize, (base, depth): (i64, i64)) -> (usize, (i64, i64)) {
        let (mut next, deadline) = (place, base + depth);
        while let Some(transit) = self.transits.get(next).filter(|transit| **transit != NEVER && **transit <= deadline)
        {
            let adapted = self.adapt(next, *transit, (base, depth));
            next += 1;
            if adapted != (base, depth) {
                return (next - place, adapted);
            }
        }
        (next - place, (base, depth))
    }

    /// Remembers the packet at `place`; the (base, depth) to use for the next packet.
    #[inline(always)]
    pub(super) fn adapt(&mut self, place: usize, transit: i64, (base, depth): (i64, i64)) -> (i64, i64) {
        self.remember(place, transit);
        if place < self.move_at {
            return (base, depth);
        }
        self.move_at = place.saturating_add(self.move_every);
        let (low, high) = self.spread(place);
        let target = (high - low + MARGIN_NS).clamp(self.min_depth, self.max_depth);
        // The playout point base + depth moves smoothly; the base itself is only the reference of the depth.
        let (wanted, now) = (low + target, base + depth);
        let next = now + (wanted - now).clamp(-MOVE_BY_NS, MOVE_BY_NS);
        let depth = (next - low).clamp(self.min_depth, self.max_depth);
        (next - depth, depth)
    }

    #[inline(always)]
    fn remember(&mut self, place: usize, transit: i64) {
        let (low, high) = (self.lowest.bound, !self.highest.bound);
        if self.remembered < REMEMBERED {
            self.oldest = if self.remembered == 0 { place } else { self.oldest };
            if (transit <= low) | (transit >= high) | (self.remembered <= TAIL) {
                self.insert(transit);
            }
            self.remembered += 1;
            self.left_out = self.remembered * 3 / 100;
            return;
        }
        let oldest = self.transits[self.oldest];
        self.oldest += 1;
        while self.oldest < place && self.transits[self.oldest] == NEVER {
            self.oldest += 1;
        }
        // Nearly always neither is among the extremes, which is found out at once: one by one costs more than comparing.
        if (oldest <= low) | (transit <= low) | (oldest >= high) | (transit >= high) {
            self.exchange(oldest, transit);
        }
    }

    #[inline(never)]
    fn insert(&mut self, transit: i64) {
        self.lowest.insert(transit, self.remembered);
        self.highest.insert(!transit, self.remembered);
    }

    /// The oldest one gives way to another.
    #[inline(never)]
    fn exchange(&mut self, oldest: i64, newest: i64) {
        self.lowest.exchange(oldest, newest);
        self.highest.exchange(!oldest, !newest);
    }

    /// Smallest and largest transit without the extreme 3 % at each end; `newest` is the last packet, of one at least.
    #[inline(always)]
    fn spread(&mut self, newest: usize) -> (i64, i64) {
        if self.left_out >= self.lowest.length.min(self.highest.length) {
            self.search(newest);
        }
        (self.lowest.values[self.left_out % TAIL], !self.highest.values[self.left_out % TAIL])
    }

    /// Looks for the extremes among all that are remembered.
    #[cold]
    fn search(&mut self, newest: usize) {
        let all = self.transits[self.oldest..=newest].iter().filter(|transit| **transit != NEVER);
        let mut all: Vec<i64> = all.copied().collect();
        self.lowest.search(&mut all);
        all.iter_mut().for_each(|transit| *transit = !*transit);
        self.highest.search(&mut all);
    }
}

impl Tail {
    fn values(&self) -> &[i64] {
        &self.values[..self.length]
    }

    /// One of the values, of which there are more than here, gives way to another.
    fn exchange(&mut self, old: i64, new: i64) {
        if old != new {
            self.remove(old);
            self.insert(new, REMEMBERED - 1);
        }
    }

    /// Takes a value; `others` is how many there are besides, here and elsewhere.
    fn insert(&mut self, value: i64, others: usize) {
        let knows_all = self.length == others;
        if value > self.bound && !knows_all {
            return;
        }
        if self.length < TAIL {
            self.length += 1;
        } else if value >= self.bound {
            return;
        }
        // The largest one drops out of a full tail.
        let kept = self.length - 1;
        let place = self.values[..kept].partition_point(|known| *known <= value);
        self.values.copy_within(place..kept, place + 1);
        self.values[place] = value;
        self.bound = self.values[kept];
    }

    /// Gives up one such value. Of equal ones it does not matter which is meant.
    fn remove(&mut self, value: i64) {
        if value > self.bound || self.length == 0 {
            return;
        }
        let place = self.values().partition_point(|known| *known < value);
        self.values.copy_within(place + 1..self.length, place);
        self.length -= 1;
        self.bound = self.values().last().copied().unwrap_or(i64::MIN);
    }

    /// Takes the smallest of all values, which change places.
    fn search(&mut self, all: &mut [i64]) {
        if all.len() > TAIL {
            all.select_nth_unstable(TAIL - 1);
        }
        self.length = all.len().min(TAIL);
        let values = &mut self.values[..self.length];
        values.copy_from_slice(&all[..self.length]);
        values.sort_unstable();
        self.bound = values.last().copied().unwrap_or(i64::MIN);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the definition says: the sorted transits of the window without 3 % at each end.
    fn by_sorting(window: &[i64]) -> Option<(i64, i64)> {
        let mut sorted = window.to_vec();
        sorted.sort_unstable();
        let trim = sorted.len() * 3 / 100;
        Some((*sorted.get(trim)?, *sorted.get(sorted.len().checked_sub(trim + 1)?)?))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_spread_is_that_of_the_sorted_window(
            transits in prop::collection::vec(prop_oneof![0i64..5, -50i64..1000, any::<i64>()], 0..1500),
            ask_every in 1usize..50,
            drift in -3i64..4,
        ) {
            let drifting = |(place, transit): (usize, &i64)| transit.saturating_add(drift * place as i64).max(NEVER + 1);
            let transits: Vec<i64> = transits.iter().enumerate().map(drifting).collect();
            let mut history = History::new(0, 0, &transits, 1);
            for place in 0..transits.len() {
                history.remember(place, transits[place]);
                if place % ask_every == 0 {
                    let window = &transits[(place + 1).saturating_sub(REMEMBERED)..=place];
                    prop_assert_eq!(Some(history.spread(place)), by_sorting(window));
                }
            }
        }
    }
}
