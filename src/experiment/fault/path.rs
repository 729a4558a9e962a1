//! From a scenario's `degraded_path` to what is done to packets.

use crate::experiment::cluster::{Degradation, Impairment, Loss};
use crate::scenario::PathFault;
use crate::units::Span;

/// What the fault does to a node's packets.
pub(super) fn degradation(fault: &PathFault) -> Degradation {
    let impairment = Impairment {
        delay: fault.delay.0,
        jitter: fault.jitter.as_ref().map_or(Span::ZERO, |jitter| jitter.get_ref().0),
        loss: loss(fault),
        reordered_ppm: fault.reordered_percent.as_ref().map_or(0, |percent| ppm(*percent.get_ref())),
        kbit_per_s: fault.kbit_per_s.as_ref().map_or(0, |rate| *rate.get_ref()),
    };
    Degradation { impairment, way: fault.way, seed: 0 }
}

fn loss(fault: &PathFault) -> Loss {
    let bursts = fault.gilbert_elliott.as_ref().map(|of| *of.get_ref());
    let single = fault.loss_percent.as_ref().map(|percent| Loss::Random { ppm: ppm(*percent.get_ref()) });
    let two_states = bursts.map(|of| Loss::GilbertElliott {
        to_bad_ppm: ppm(of.to_bad_percent),
        to_good_ppm: ppm(of.to_good_percent),
        bad_ppm: ppm(of.bad_loss_percent),
        good_ppm: ppm(of.good_loss_percent),
    });
    two_states.or(single).unwrap_or_default()
}

/// Parts of a million; a share that is not nothing stays something.
fn ppm(percent: f64) -> u32 {
    let parts = (percent * 1e4).round() as u32;
    if percent > 0.0 { parts.max(1) } else { 0 }
}
