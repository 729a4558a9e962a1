//! The adaptive profile: base and depth from the transits of the recent past.

use std::collections::VecDeque;

/// How many transits are remembered.
const REMEMBERED: usize = 500;
/// What the depth keeps above the observed spread, ns.
const MARGIN_NS: i64 = 40_000_000;
/// How often the depth may move, in media time, ns.
const MOVE_EVERY_NS: i64 = 40_000_000;
/// By how much it may move, ns.
const MOVE_BY_NS: i64 = 20_000_000;

/// The last transits, in arrival order and sorted.
pub(super) struct History {
    min_depth: i64,
    max_depth: i64,
    moved_at: i64,
    recent: VecDeque<i64>,
    sorted: Vec<i64>,
}

impl History {
    pub(super) fn new(min_depth: i64, max_depth: i64, moved_at: i64) -> History {
        History { min_depth, max_depth, moved_at, recent: VecDeque::new(), sorted: Vec::new() }
    }

    /// Starts over: the path is not the one that was remembered.
    pub(super) fn forget(&mut self) {
        self.recent.clear();
        self.sorted.clear();
    }

    /// Remembers a transit; the (base, depth) to use for the next packet.
    pub(super) fn adapt(&mut self, media: i64, transit: i64, (base, depth): (i64, i64)) -> (i64, i64) {
        self.remember(transit);
        if media.saturating_sub(self.moved_at) < MOVE_EVERY_NS {
            return (base, depth);
        }
        self.moved_at = media;
        let Some((low, high)) = self.spread() else { return (base, depth) };
        let target = high.saturating_sub(low).saturating_add(MARGIN_NS).clamp(self.min_depth, self.max_depth);
        // The playout point base + depth moves smoothly; the base itself is only the reference of the depth.
        let wanted = low.saturating_add(target);
        let now = base.saturating_add(depth);
        let next = now.saturating_add((wanted.saturating_sub(now)).clamp(-MOVE_BY_NS, MOVE_BY_NS));
        let depth = next.saturating_sub(low).clamp(self.min_depth, self.max_depth);
        (next.saturating_sub(depth), depth)
    }

    fn remember(&mut self, transit: i64) {
        if self.recent.len() == REMEMBERED {
            let oldest = self.recent.pop_front();
            if let Some(place) = oldest.and_then(|old| self.sorted.binary_search(&old).ok()) {
                self.sorted.remove(place);
            }
        }
        self.recent.push_back(transit);
        let place = self.sorted.partition_point(|t| *t < transit);
        self.sorted.insert(place, transit);
    }

    /// Smallest and largest transit without the extreme 3 % at each end.
    fn spread(&self) -> Option<(i64, i64)> {
        let trim = self.sorted.len() * 3 / 100;
        let low = *self.sorted.get(trim)?;
        let high = *self.sorted.get(self.sorted.len().checked_sub(trim + 1)?)?;
        Some((low, high))
    }
}
