//! Bursts and gaps slot by slot: the definitions of RFC 3611 §4.7.2 without the artefacts of its algorithm.
//!
//! A burst is a maximal stretch that begins and ends with a missing packet, holds at least two, and has fewer
//! than Gmin received packets in a row inside. Everything else is gap; a missing packet with Gmin received ones
//! (or the stream's end) on both sides is an isolated loss of the gap.

use serde::Serialize;

use super::{GMIN, Slot};

/// One burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Burst {
    /// Index of its first missing packet among the expected ones, from 0.
    pub first: u64,
    /// Index of its last missing packet.
    pub last: u64,
    /// Missing packets in it.
    pub missing: u64,
}

impl Burst {
    /// Packets from the first to the last missing one.
    #[must_use]
    pub fn slots(self) -> u64 {
        self.last - self.first + 1
    }
}

/// The bursts of one stream and what lies between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stretches {
    /// All bursts in order.
    pub bursts: Vec<Burst>,
    /// Expected packets outside of bursts.
    pub gap_slots: u64,
    /// Isolated losses.
    pub gap_missing: u64,
}

impl Stretches {
    /// Finds the bursts of a stream, with Gmin = 16.
    #[must_use]
    pub fn find(slots: impl IntoIterator<Item = Slot>) -> Stretches {
        let mut found = Stretches::default();
        let mut open: Option<Burst> = None;
        for (index, slot) in (0_u64..).zip(slots) {
            found.gap_slots += 1;
            if slot.is_missing() {
                open = Some(found.extend(open, index));
            }
        }
        open.into_iter().for_each(|stretch| found.close(stretch));
        found
    }

    /// The stretch that ends with the missing packet `index`.
    fn extend(&mut self, open: Option<Burst>, index: u64) -> Burst {
        match open {
            Some(stretch) if index - stretch.last <= GMIN => {
                Burst { last: index, missing: stretch.missing + 1, ..stretch }
            }
            Some(stretch) => {
                self.close(stretch);
                Burst { first: index, last: index, missing: 1 }
            }
            None => Burst { first: index, last: index, missing: 1 },
        }
    }

    fn close(&mut self, stretch: Burst) {
        if stretch.missing == 1 {
            self.gap_missing += 1;
        } else {
            self.gap_slots -= stretch.slots();
            self.bursts.push(stretch);
        }
    }

    /// Share of packets missing within bursts; `None` without bursts.
    #[must_use]
    pub fn burst_density(&self) -> Option<f64> {
        let (missing, slots) = self.bursts.iter().fold((0, 0), |(m, s), burst| (m + burst.missing, s + burst.slots()));
        (slots > 0).then(|| missing as f64 / slots as f64)
    }

    /// Share of packets missing within gaps; `None` without a gap.
    #[must_use]
    pub fn gap_density(&self) -> Option<f64> {
        (self.gap_slots > 0).then(|| self.gap_missing as f64 / self.gap_slots as f64)
    }

    /// The longest burst in packets, 0 without bursts.
    #[must_use]
    pub fn longest_burst(&self) -> u64 {
        self.bursts.iter().map(|burst| burst.slots()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Runs, patterns, slots};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn isolated_losses_belong_to_the_gap() {
        let found = Stretches::find(patterns::isolated());
        assert_eq!((found.bursts.len(), found.gap_slots, found.gap_missing), (0, 1000, 20));
        assert_eq!((found.burst_density(), found.gap_density()), (None, Some(0.02)));
    }

    #[test]
    fn an_outage_is_one_burst() {
        let found = Stretches::find(patterns::outage());
        assert_eq!(found.bursts, [Burst { first: 1000, last: 1084, missing: 85 }]);
        assert_eq!((found.gap_slots, found.burst_density()), (2915, Some(1.0)));
    }

    /// 0101010: four losses in seven slots; the later single loss is isolated.
    #[test]
    fn fewer_than_gmin_received_do_not_end_a_burst() {
        let found = Stretches::find(patterns::alternating());
        assert_eq!(found.bursts, [Burst { first: 100, last: 106, missing: 4 }]);
        assert_eq!((found.gap_missing, found.gap_slots), (1, 302));
        assert_eq!(Stretches::find(patterns::two_bursts()).bursts.len(), 2);
    }

    #[test]
    fn gmin_is_the_border() {
        let apart = |received| Stretches::find(slots(&[(Slot::Lost, 1), (Slot::Received, received), (Slot::Lost, 1)]));
        assert_eq!(apart(15).bursts.len(), 1);
        assert_eq!((apart(16).bursts.len(), apart(16).gap_missing), (0, 2));
    }

    #[test]
    fn the_terminal_outage_is_a_burst_to_the_end() {
        assert_eq!(Stretches::find(patterns::terminal()).bursts, [Burst { first: 1000, last: 1084, missing: 85 }]);
    }

    proptest! {
        #[test]
        fn every_slot_and_loss_is_counted_once(fates in prop::collection::vec(prop::bool::weighted(0.1), 0..600)) {
            let slots: Vec<Slot> = fates.iter().map(|lost| if *lost { Slot::Lost } else { Slot::Received }).collect();
            let (found, runs) = (Stretches::find(slots.iter().copied()), Runs::count(slots));
            let (missing, length) = found.bursts.iter().fold((0, 0), |(m, s), b| (m + b.missing, s + b.slots()));
            prop_assert_eq!(found.gap_slots + length, runs.slots);
            prop_assert_eq!(found.gap_missing + missing, runs.missing());
        }
    }
}
