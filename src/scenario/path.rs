//! `degraded_path`: a path that is worse than a cable, and how bad it is.

use serde::Deserialize;
use serde_spanned::Spanned;

use super::error::Complaint;
use super::{Duration, Way};
use crate::units::Span;

/// A node's path to everybody else becomes worse. What is not given stays good.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathFault {
    /// See [`super::NodeFault::target`].
    pub target: String,
    /// Which packets suffer; absent: those of both directions, each for itself.
    pub way: Option<Way>,
    /// Mean delay.
    #[serde(default)]
    pub delay: Duration,
    /// The delay is even between the mean minus this and the mean plus this; order is kept.
    pub jitter: Option<Spanned<Duration>>,
    /// Percent of the packets that are lost, each for itself.
    pub loss_percent: Option<Spanned<f64>>,
    /// Losses in bursts.
    pub gilbert_elliott: Option<Spanned<GilbertElliott>>,
    /// Percent of the packets that overtake those before them: they are not delayed.
    pub reordered_percent: Option<Spanned<f64>>,
    /// Thousands of bits a second that pass; what would wait for longer than 200 ms is dropped.
    pub kbit_per_s: Option<Spanned<u32>>,
    /// When, from the start of the window.
    pub at: Duration,
    /// When it is healed; absent: at the end of the window.
    pub heal_at: Option<Duration>,
}

/// Two states of a path, each with its loss (Gilbert 1960, Elliott 1963). It may change its state before each packet.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GilbertElliott {
    /// p: how probable a change from good to bad is.
    pub to_bad_percent: f64,
    /// r: how probable a change from bad to good is. Bursts have a mean of 100/r packets.
    pub to_good_percent: f64,
    /// 1 − h: lost in the bad state.
    #[serde(default = "all")]
    pub bad_loss_percent: f64,
    /// 1 − k: lost in the good state.
    #[serde(default)]
    pub good_loss_percent: f64,
}

fn all() -> f64 {
    100.0
}

impl PathFault {
    /// Complains of what cannot be meant.
    pub(super) fn check(&self, whole: std::ops::Range<usize>) -> Result<(), Complaint> {
        let complain = |span, message: &str, label: &str, help: &str| {
            Err(Complaint { span, message: message.into(), label: label.into(), help: help.into() })
        };
        let share = |percent: f64| percent > 0.0 && percent <= 100.0;
        let wrong = |percent: &Option<Spanned<f64>>| {
            percent.as_ref().filter(|percent| !share(*percent.get_ref())).map(Spanned::span)
        };
        if let Some(span) = wrong(&self.loss_percent).or_else(|| wrong(&self.reordered_percent)) {
            return complain(
                span,
                "that is no share of the packets",
                "more than 0, at most 100",
                "1 is one of a hundred",
            );
        }
        if let (Some(_), Some(bursts)) = (&self.loss_percent, &self.gilbert_elliott) {
            let help = "leave loss_percent out: good_loss_percent loses packets outside of bursts";
            return complain(bursts.span(), "two laws of loss at once", "the second one", help);
        }
        if let Some(bursts) = self.gilbert_elliott.as_ref().filter(|of| !of.get_ref().is_possible()) {
            let help = "to_bad_percent and to_good_percent: more than 0, at most 100; the losses: 0 to 100";
            return complain(bursts.span(), "these two states are not possible", "here", help);
        }
        if let Some(jitter) = self.jitter.as_ref().filter(|jitter| jitter.get_ref().0 > self.delay.0) {
            let help = "jitter goes to both sides of the delay: give at least as much delay";
            return complain(
                jitter.span(),
                "some packets would arrive before they are sent",
                "more than the delay",
                help,
            );
        }
        if let Some(early) = self.reordered_percent.as_ref().filter(|_| self.delay.0 == Span::ZERO) {
            let help = "a packet overtakes by not being delayed: give a delay of more than the packets' interval";
            return complain(early.span(), "there is nothing to overtake", "without a delay", help);
        }
        if let Some(rate) = self.kbit_per_s.as_ref().filter(|rate| *rate.get_ref() == 0) {
            return complain(rate.span(), "no rate at all", "at least 1", "black_hole drops everything");
        }
        if !self.is_degraded() {
            let help = "give delay, jitter, loss_percent, gilbert_elliott, reordered_percent or kbit_per_s";
            return complain(whole, "nothing is wrong with this path", "this fault", help);
        }
        Ok(())
    }

    fn is_degraded(&self) -> bool {
        let losses = self.loss_percent.is_some() || self.gilbert_elliott.is_some();
        losses || self.kbit_per_s.is_some() || self.delay.0 > Span::ZERO
    }
}

impl GilbertElliott {
    fn is_possible(self) -> bool {
        let change = |percent: f64| percent > 0.0 && percent <= 100.0;
        let loss = |percent: f64| (0.0..=100.0).contains(&percent);
        change(self.to_bad_percent)
            && change(self.to_good_percent)
            && loss(self.bad_loss_percent)
            && loss(self.good_loss_percent)
    }
}
