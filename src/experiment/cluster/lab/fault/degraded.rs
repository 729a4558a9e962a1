//! A node's degraded path: by the kernel's own emulator (netem) where there is one, else by ours.

use super::super::emulator::{self, Emulator};
use super::super::{Lab, network, tools};
use crate::evidence::history::What;
use crate::experiment::cluster::{Degradation, netem};
use crate::scenario::Way;

/// Whether the kernel has netem: tried in a network namespace of its own.
fn has_netem() -> bool {
    let line = "--net tc qdisc add dev lo root netem delay 1ms";
    tools::run("unshare", &line.split(' ').collect::<Vec<_>>()).is_ok()
}

/// Whether this machine can do it in one of the two ways.
///
/// # Errors
/// What is missing.
pub(super) fn works() -> Result<(), String> {
    if has_netem() {
        return Ok(());
    }
    emulator::works().map_err(|said| {
        format!("this kernel has neither netem (sch_netem) nor NFQUEUE, or iptables is not installed: {said}")
    })
}

/// Degrades the path to `node`.
pub(super) fn inject(lab: &mut Lab, node: &str, degradation: Degradation) -> Result<String, String> {
    let pid1 = lab.booted(node).map_err(|error| error.to_string())?.pid1.pid;
    if has_netem() {
        let queue = netem::words(degradation.impairment);
        let mut ways = [Way::ToNode, Way::FromNode].into_iter().filter(|way| degradation.hits(*way));
        return ways.try_for_each(|way| network::set_queue(way, node, pid1, &queue)).map(|()| queue);
    }
    let emulator = Emulator::start(pid1, degradation, lab.clock)?;
    lab.emulators.insert(node.to_owned(), emulator);
    Ok(format!("emulator: {}", degradation.impairment))
}

/// Whether packets pass through it.
pub(super) fn bite(lab: &Lab, node: &str, degradation: Degradation) -> Result<String, String> {
    if let Some(emulator) = lab.emulators.get(node) {
        let seen = emulator.seen();
        return super::told(seen > 0, format!("{seen} packets came to the emulator"));
    }
    let pid1 = lab.booted(node).map_err(|error| error.to_string())?.pid1.pid;
    let way = if degradation.hits(Way::ToNode) { Way::ToNode } else { Way::FromNode };
    let queue = network::queue(way, node, pid1)?;
    super::told(queue.contains("netem"), format!("the queue: {queue}"))
}

/// Makes the path good again.
pub(super) fn repair(lab: &mut Lab, node: &str, degradation: Degradation) -> Result<(), String> {
    if let Some(emulator) = lab.emulators.remove(node) {
        let (healed, work) = emulator.heal(node);
        for of in work {
            lab.recorder.iter().for_each(|recorder| recorder.record(What::Path(of.clone())));
        }
        return healed;
    }
    let pid1 = lab.booted(node).map_err(|error| error.to_string())?.pid1.pid;
    let mut ways = [Way::ToNode, Way::FromNode].into_iter().filter(|way| degradation.hits(*way));
    ways.try_for_each(|way| network::reset_queue(way, node, pid1))
}
