//! The adaptive profile: base and depth from the transits of the recent past.

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

/// The last transits in arrival order, and the extreme ones of them sorted.
pub(super) struct History {
    min_depth: i64,
    max_depth: i64,
    /// Until then it stays where it is.
    move_at: i64,
    /// A ring once it is full: then the oldest one is at `next`.
    recent: Vec<i64>,
    next: usize,
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

impl History {
    pub(super) fn new(min_depth: i64, max_depth: i64, media_start: i64) -> History {
        History {
            min_depth,
            max_depth,
            move_at: media_start.saturating_add(MOVE_EVERY_NS),
            recent: Vec::with_capacity(REMEMBERED),
            next: 0,
            lowest: Tail::default(),
            highest: Tail::default(),
        }
    }

    /// Starts over: the path is not the one that was remembered.
    pub(super) fn forget(&mut self) {
        self.recent.clear();
        self.next = 0;
        (self.lowest, self.highest) = (Tail::default(), Tail::default());
    }

    /// Remembers a transit, whose amount is at most [`super::MOST`]; the (base, depth) to use for the next packet.
    #[inline]
    pub(super) fn adapt(&mut self, media: i64, transit: i64, (base, depth): (i64, i64)) -> (i64, i64) {
        self.remember(transit);
        if media < self.move_at {
            return (base, depth);
        }
        self.move_at = media.saturating_add(MOVE_EVERY_NS);
        let Some((low, high)) = self.spread() else { return (base, depth) };
        let target = (high - low + MARGIN_NS).clamp(self.min_depth, self.max_depth);
        // The playout point base + depth moves smoothly; the base itself is only the reference of the depth.
        let (wanted, now) = (low + target, base + depth);
        let next = now + (wanted - now).clamp(-MOVE_BY_NS, MOVE_BY_NS);
        let depth = (next - low).clamp(self.min_depth, self.max_depth);
        (next - depth, depth)
    }

    #[inline]
    fn remember(&mut self, transit: i64) {
        if self.recent.len() < REMEMBERED {
            self.lowest.insert(transit, self.recent.len());
            self.highest.insert(!transit, self.recent.len());
            self.recent.push(transit);
            return;
        }
        let oldest = std::mem::replace(&mut self.recent[self.next], transit);
        self.next = if self.next + 1 == REMEMBERED { 0 } else { self.next + 1 };
        self.lowest.exchange(oldest, transit);
        self.highest.exchange(!oldest, !transit);
    }

    /// Smallest and largest transit without the extreme 3 % at each end.
    #[inline]
    fn spread(&mut self) -> Option<(i64, i64)> {
        let trim = self.recent.len() * 3 / 100;
        let low = self.lowest.nth(trim, &self.recent, |transit| transit)?;
        let high = self.highest.nth(trim, &self.recent, |transit| !transit)?;
        Some((low, !high))
    }
}

impl Tail {
    fn values(&self) -> &[i64] {
        &self.values[..self.length]
    }

    /// One of the values, of which there are more than here, gives way to another.
    #[inline]
    fn exchange(&mut self, old: i64, new: i64) {
        // Nearly always neither is among the smallest.
        if (old <= self.bound || new <= self.bound) && old != new {
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
        // Into its place from the end, where the largest one drops out of a full tail.
        let mut place = self.length - 1;
        while let Some(before) = place.checked_sub(1).filter(|before| self.values[*before] > value) {
            self.values[place] = self.values[before];
            place = before;
        }
        self.values[place] = value;
        self.bound = self.values[self.length - 1];
    }

    /// Gives up one such value. Of equal ones it does not matter which is meant.
    fn remove(&mut self, value: i64) {
        if value > self.bound || self.length == 0 {
            return;
        }
        let place = self.values().partition_point(|known| *known < value);
        self.length -= 1;
        for place in place..self.length {
            self.values[place] = self.values[place + 1];
        }
        self.bound = self.values().last().copied().unwrap_or(i64::MIN);
    }

    /// The value with `n` smaller ones; it is searched in `all` when too few are kept.
    #[inline]
    fn nth(&mut self, n: usize, all: &[i64], order: impl Fn(i64) -> i64) -> Option<i64> {
        if n >= self.length {
            self.search(all, order);
        }
        self.values().get(n).copied()
    }

    #[cold]
    fn search(&mut self, all: &[i64], order: impl Fn(i64) -> i64) {
        let mut all: Vec<i64> = all.iter().map(|value| order(*value)).collect();
        if all.len() > TAIL {
            all.select_nth_unstable(TAIL - 1);
            all.truncate(TAIL);
        }
        all.sort_unstable();
        self.length = all.len();
        self.values[..all.len()].copy_from_slice(&all);
        self.bound = all.last().copied().unwrap_or(i64::MIN);
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
            let mut history = History::new(0, 0, 0);
            let drifting = |(place, transit): (usize, &i64)| transit.saturating_add(drift * place as i64);
            let transits: Vec<i64> = transits.iter().enumerate().map(drifting).collect();
            for (place, transit) in transits.iter().enumerate() {
                history.remember(*transit);
                if place % ask_every == 0 {
                    let window = &transits[(place + 1).saturating_sub(REMEMBERED)..=place];
                    prop_assert_eq!(history.spread(), by_sorting(window));
                }
            }
        }
    }
}
