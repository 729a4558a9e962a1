//! Loss runs: the two-state Markov (Gilbert) model and the burst ratio of ITU-T G.107 (06/2015) §7.5.

use serde::Serialize;

use super::super::QualityError;
use super::Slot;

/// Loss runs of one stream. Fractions of slots; `None` where there is nothing to divide by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// Expected packets.
    pub slots: u64,
    /// Packets that never arrived.
    pub lost: u64,
    /// Packets that the de-jitter buffer discarded.
    pub discarded: u64,
    /// Number of runs of missing packets.
    pub runs: u64,
    /// Length of the longest run.
    pub longest_run: u64,
    /// Length of the run with which the stream ends; 0 if its last packet was received.
    pub terminal_run: u64,
    /// Received packets that were followed by another slot.
    received_followed: u64,
    /// Of those, how many were followed by a missing one.
    onsets: u64,
    /// Missing packets that were followed by another slot.
    missing_followed: u64,
    /// Of those, how many were followed by a received one.
    recoveries: u64,
}

impl Runs {
    /// Counts the runs of a stream.
    ///
    /// ```
    /// use fivenines::analysis::quality::bursts::{Runs, Slot};
    /// let slots = [Slot::Received, Slot::Lost, Slot::Lost, Slot::Received];
    /// let runs = Runs::count(slots);
    /// assert_eq!((runs.longest_run, runs.ppl(), runs.burst_r()), (2, Some(50.0), Some(1.0)));
    /// ```
    #[must_use]
    pub fn count(slots: impl IntoIterator<Item = Slot>) -> Runs {
        let mut runs = Runs::default();
        let mut slots = slots.into_iter();
        let mut next = slots.next();
        while let Some(slot) = next {
            let mut length = 1;
            next = slots.find(|other| {
                let same = *other == slot;
                length += u64::from(same);
                !same
            });
            runs.extend(slot, length);
        }
        runs
    }

    /// The same of slots that lie together, of which mostly none is missing.
    #[must_use]
    pub fn of(slots: &[Slot]) -> Runs {
        // Without a branch for each, many are looked at together.
        let missing = slots.iter().fold(false, |missing, slot| missing | slot.is_missing());
        if missing {
            return Runs::count(slots.iter().copied());
        }
        let mut runs = Runs::default();
        runs.extend(Slot::Received, slots.len() as u64);
        runs
    }

    /// Goes on with `length` slots of one fate.
    pub(in crate::analysis::quality) fn extend(&mut self, slot: Slot, length: u64) {
        if length == 0 {
            return;
        }
        let (begins, was_missing) = (self.slots == 0, self.terminal_run > 0);
        self.slots += length;
        match slot {
            Slot::Received => {
                self.received_followed += length - 1 + u64::from(!begins && !was_missing);
                self.missing_followed += u64::from(was_missing);
                self.recoveries += u64::from(was_missing);
                self.terminal_run = 0;
                return;
            }
            Slot::Lost => self.lost += length,
            Slot::Discarded => self.discarded += length,
        }
        let onset = !begins && !was_missing;
        self.received_followed += u64::from(onset);
        self.onsets += u64::from(onset);
        self.missing_followed += length - 1 + u64::from(was_missing);
        self.runs += u64::from(!was_missing);
        self.terminal_run += length;
        self.longest_run = self.longest_run.max(self.terminal_run);
    }

    /// Lost and discarded packets.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.lost + self.discarded
    }

    /// Ppl in %, discards included; `None` without slots.
    #[must_use]
    pub fn ppl(&self) -> Option<f64> {
        ratio(self.missing(), self.slots).map(|share| 100.0 * share)
    }

    /// Mean length of a loss run, packets; `None` without loss.
    #[must_use]
    pub fn mean_run(&self) -> Option<f64> {
        ratio(self.missing(), self.runs)
    }

    /// BurstR: mean run length over the one that independent loss would have, `1/(1−Ppl)`; `None` without loss.
    ///
    /// Evenly spread loss gives a little less than 1; the models take 1 then (see [`Runs::model_burst_r`]).
    #[must_use]
    pub fn burst_r(&self) -> Option<f64> {
        Some(self.mean_run()? * (1.0 - ratio(self.missing(), self.slots)?))
    }

    /// BurstR for the E-model, which begins at 1 (random loss).
    #[must_use]
    pub fn model_burst_r(&self) -> f64 {
        self.burst_r().unwrap_or(1.0).max(1.0)
    }

    /// The Gilbert model with the observed transition frequencies; `None` unless both states were left at least
    /// once, for else one of the two is not identified.
    #[must_use]
    pub fn gilbert(&self) -> Option<Gilbert> {
        let p = ratio(self.onsets, self.received_followed)?;
        let q = ratio(self.recoveries, self.missing_followed)?;
        (p > 0.0 && q > 0.0).then_some(Gilbert { p, q })
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A two-state Markov chain of loss: `p` = P(loss after received), `q` = P(received after loss).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gilbert {
    p: f64,
    q: f64,
}

impl Gilbert {
    /// A chain with stated probabilities.
    ///
    /// # Errors
    /// [`QualityError::OutOfRange`] if one is not in (0, 1].
    pub fn new(p: f64, q: f64) -> Result<Gilbert, QualityError> {
        for (parameter, value) in [("p", p), ("q", q)] {
            if !(value > 0.0 && value <= 1.0) {
                let (low, high, unit, model) = (f64::MIN_POSITIVE, 1.0, "", "the Gilbert model");
                return Err(QualityError::OutOfRange { parameter, value, low, high, unit, model });
            }
        }
        Ok(Gilbert { p, q })
    }

    /// P(loss after a received packet).
    #[must_use]
    pub fn p(self) -> f64 {
        self.p
    }

    /// P(received after a lost packet).
    #[must_use]
    pub fn q(self) -> f64 {
        self.q
    }

    /// Long-run loss, %: `p/(p+q)`.
    #[must_use]
    pub fn ppl(self) -> f64 {
        100.0 * self.p / (self.p + self.q)
    }

    /// Burst ratio `1/(p+q)`.
    #[must_use]
    pub fn burst_r(self) -> f64 {
        1.0 / (self.p + self.q)
    }

    /// Mean length of a loss run, packets: `1/q`.
    #[must_use]
    pub fn mean_run(self) -> f64 {
        1.0 / self.q
    }
}

#[cfg(test)]
mod tests {
    use super::super::{patterns, slots};
    use super::*;
    use proptest::prelude::*;

    fn close(got: Option<f64>, want: f64, tolerance: f64) {
        let got = got.unwrap();
        assert!((got - want).abs() <= tolerance, "{got} instead of {want}");
    }

    /// Independent calculation: mean run and BurstR = mean run × (1 − Ppl).
    #[test]
    fn burst_ratios_of_the_patterns() {
        let golden = [
            (patterns::isolated(), 2.0, 1.0, 0.98),
            (patterns::outage(), 2.8333, 85.0, 82.5917),
            (patterns::alternating(), 1.6181, 1.0, 0.9838),
            (patterns::two_bursts(), 1.8692, 4.0, 3.9252),
            (patterns::terminal(), 7.8341, 85.0, 78.341),
        ];
        for (pattern, ppl, mean_run, burst_r) in golden {
            let runs = Runs::count(pattern);
            close(runs.ppl(), ppl, 5e-5);
            close(runs.mean_run(), mean_run, 1e-12);
            close(runs.burst_r(), burst_r, 5e-5);
        }
    }

    /// By hand: 2/52 and 1/0.52; 1/21 and 1/0.21.
    #[test]
    fn gilbert_gives_loss_and_burst_ratio() {
        for (p, q, ppl, burst_r) in [(0.02, 0.5, 3.846, 1.923), (0.01, 0.2, 4.762, 4.762)] {
            let model = Gilbert::new(p, q).unwrap();
            close(Some(model.ppl()), ppl, 5e-4);
            close(Some(model.burst_r()), burst_r, 5e-4);
        }
        assert!(Gilbert::new(0.0, 0.5).is_err() && Gilbert::new(0.1, f64::NAN).is_err());
    }

    /// 20 runs after 980 received slots, all but the last of which recover.
    #[test]
    fn gilbert_counts_transitions() {
        let model = Runs::count(patterns::isolated()).gilbert().unwrap();
        close(Some(model.p()), 20.0 / 980.0, 1e-12);
        close(Some(model.q()), 1.0, 0.0);
    }

    #[test]
    fn without_loss_there_is_no_burst_ratio_and_random_is_assumed() {
        let runs = Runs::count(patterns::no_loss());
        assert_eq!((runs.ppl(), runs.burst_r(), runs.gilbert()), (Some(0.0), None, None));
        assert_eq!(runs.model_burst_r(), 1.0);
        assert_eq!(Runs::count([]).ppl(), None);
    }

    #[test]
    fn the_terminal_outage_is_the_last_run() {
        let runs = Runs::count(patterns::terminal());
        assert_eq!((runs.longest_run, runs.terminal_run, runs.gilbert()), (85, 85, None));
        assert_eq!(Runs::count(patterns::outage()).terminal_run, 0);
    }

    #[test]
    fn discards_count_as_missing() {
        let runs = Runs::count(slots(&[(Slot::Received, 8), (Slot::Discarded, 1), (Slot::Lost, 1)]));
        assert_eq!((runs.lost, runs.discarded, runs.runs, runs.longest_run), (1, 1, 1, 2));
        assert_eq!(runs.ppl(), Some(20.0));
    }

    proptest! {
        #[test]
        fn counts_add_up(fates in prop::collection::vec(prop::bool::weighted(0.3), 0..400)) {
            let runs = Runs::count(fates.iter().map(|lost| if *lost { Slot::Lost } else { Slot::Received }));
            prop_assert_eq!(runs.slots, fates.len() as u64);
            prop_assert_eq!(runs.lost, fates.iter().filter(|lost| **lost).count() as u64);
            prop_assert!(runs.runs <= runs.lost && runs.longest_run <= runs.lost && runs.model_burst_r() >= 1.0);
        }
    }
}
