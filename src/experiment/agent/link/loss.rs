//! Which packets a path loses: independently of each other, or in bursts.

use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};

use super::draws;

/// The law of the losses. Shares are in parts of a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Nothing is lost.
    #[default]
    None,
    /// Each packet for itself (Bernoulli).
    Random {
        /// Share of the packets.
        ppm: u32,
    },
    /// Two states with a share of loss each (Gilbert 1960, Elliott 1963). The path is good at first, and may change
    /// its state before each packet.
    GilbertElliott {
        /// p: from good to bad.
        to_bad_ppm: u32,
        /// r: from bad to good; the mean stay in the bad state is 1/r packets.
        to_good_ppm: u32,
        /// 1 − h: lost in the bad state.
        bad_ppm: u32,
        /// 1 − k: lost in the good state.
        good_ppm: u32,
    },
}

impl Loss {
    /// The share of packets that it loses in the long run, 0 to 1: for two states
    /// (p (1 − h) + r (1 − k)) / (p + r).
    #[must_use]
    pub fn share(self) -> f64 {
        let part = |ppm: u32| f64::from(ppm) / 1e6;
        match self {
            Loss::None => 0.0,
            Loss::Random { ppm } => part(ppm),
            Loss::GilbertElliott { to_bad_ppm, to_good_ppm, bad_ppm, good_ppm } => {
                let (p, r) = (part(to_bad_ppm), part(to_good_ppm));
                (p * part(bad_ppm) + r * part(good_ppm)) / (p + r)
            }
        }
    }
}

/// The law at work.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    loss: Loss,
    bad: bool,
}

impl State {
    pub(super) fn new(loss: Loss) -> State {
        State { loss, bad: false }
    }

    /// Whether the next packet is lost.
    pub(super) fn next(&mut self, rng: &mut SmallRng) -> bool {
        match self.loss {
            Loss::None => false,
            Loss::Random { ppm } => draws(rng, ppm),
            Loss::GilbertElliott { to_bad_ppm, to_good_ppm, bad_ppm, good_ppm } => {
                if draws(rng, if self.bad { to_good_ppm } else { to_bad_ppm }) {
                    self.bad = !self.bad;
                }
                draws(rng, if self.bad { bad_ppm } else { good_ppm })
            }
        }
    }
}
