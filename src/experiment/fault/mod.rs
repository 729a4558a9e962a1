//! Faults: injected at known instants, verified that they bit, and healed whatever happens.

mod path;

use crate::evidence::history::{FaultMark, FaultStep, What};
use crate::experiment::cluster::{Action, Cluster, ClusterError};
use crate::experiment::run::recorder::Recorder;
use crate::scenario::{Fault, NodeFault};

/// The action that a scenario's fault means.
#[must_use]
pub fn action(fault: &Fault) -> Action {
    match fault {
        Fault::PowerOff(_) => Action::PowerOff,
        Fault::ServiceKill(fault) => Action::ServiceKill(fault.service),
        Fault::ServiceHang(fault) => Action::ServiceHang(fault.service),
        Fault::EngineStop(_) => Action::EngineStop,
        Fault::EngineKill(_) => Action::EngineKill,
        Fault::EngineHang(_) => Action::EngineHang,
        Fault::NodeFreeze(_) => Action::Freeze,
        // A flap is read as single faults.
        Fault::LinkDown(_) | Fault::LinkFlap(_) => Action::LinkDown,
        Fault::BlackHole(_) => Action::BlackHole,
        Fault::OneWay(of) => Action::OneWay(of.dropped),
        Fault::Split(_) => Action::Split,
        Fault::AddressLoss(_) => Action::AddressLoss,
        Fault::DegradedPath(of) => Action::Degrade(path::degradation(of)),
        Fault::DiskFull(_) => Action::DiskFull,
        Fault::ConnectionsReset(_) => Action::ConnectionsReset,
        Fault::StoreKill(_) => Action::StoreKill,
        Fault::Reset(_) => Action::Reset,
        Fault::KernelPanic(of) => Action::KernelPanic(of.reboot_after.as_ref().map(|after| after.get_ref().0)),
        Fault::ClockStep(of) => Action::ClockStep(of.by.get_ref().0),
        Fault::MachinePause(_) => Action::MachinePause,
        Fault::CpuExhaustion(_) => Action::CpuExhaustion,
    }
}

/// Breaks a cluster and mends it. What is still broken when this is dropped (a panic, an early return) is
/// healed then.
pub struct Injector<'a> {
    cluster: &'a mut dyn Cluster,
    recorder: Recorder,
    seed: u64,
    open: Vec<Open>,
}

/// A fault that is not healed yet.
#[derive(Clone, Debug)]
struct Open {
    fault: usize,
    kind: &'static str,
    node: String,
    action: Action,
}

impl<'a> Injector<'a> {
    /// An injector with nothing broken. What chance has in a fault follows from `seed`, the trial's.
    pub fn new(cluster: &'a mut dyn Cluster, recorder: Recorder, seed: u64) -> Injector<'a> {
        Injector { cluster, recorder, seed, open: Vec::new() }
    }

    /// The cluster itself.
    pub fn cluster(&mut self) -> &mut dyn Cluster {
        self.cluster
    }

    /// Injects fault number `fault` and verifies that it bit; the node that was hit. The three steps are in the
    /// history and as comments in the taps.
    ///
    /// # Errors
    /// When there is no owner to hit, or a command failed; the fault is still healed later.
    pub fn inject(&mut self, fault: usize, spec: &Fault) -> Result<String, ClusterError> {
        let node = self.resolve(spec)?;
        let open = Open {
            fault,
            kind: spec.kind(),
            node: node.clone(),
            action: action(spec).seeded(self.seed.wrapping_add(fault as u64)),
        };
        self.open.push(open.clone());
        self.mark(&open, FaultStep::CommandStart, None);
        let done = self.cluster.inject(&node, open.action);
        self.mark(&open, FaultStep::CommandEnd, Some(done.as_ref().map_or_else(ToString::to_string, Clone::clone)));
        done?;
        match self.cluster.verify(&node, open.action) {
            Ok(evidence) => self.mark(&open, FaultStep::Verified, Some(evidence)),
            Err(error) => self.mark(&open, FaultStep::NotVerified, Some(error.to_string())),
        }
        Ok(node)
    }

    /// Heals fault number `fault`, if it is open. What could not be healed stays open for [`Injector::heal_all`].
    ///
    /// # Errors
    /// When the node does not come back.
    pub fn heal(&mut self, fault: usize) -> Result<(), ClusterError> {
        let Some(at) = self.open.iter().position(|open| open.fault == fault) else { return Ok(()) };
        let open = self.open.remove(at);
        let healed = self.mend(&open);
        if healed.is_err() {
            self.open.push(open);
        }
        healed
    }

    fn mend(&mut self, open: &Open) -> Result<(), ClusterError> {
        self.mark(open, FaultStep::HealStart, None);
        let healed = self.cluster.heal(&open.node, open.action);
        match &healed {
            Ok(()) => self.mark(open, FaultStep::HealEnd, None),
            Err(error) => self.mark(open, FaultStep::HealFailed, Some(error.to_string())),
        }
        healed
    }

    /// Heals everything, the last fault first; what could not be healed, in words.
    pub fn heal_all(&mut self) -> Vec<String> {
        let open = std::mem::take(&mut self.open);
        open.iter().rev().filter_map(|open| self.mend(open).err()).map(|error| error.to_string()).collect()
    }

    fn resolve(&mut self, spec: &Fault) -> Result<String, ClusterError> {
        let nobody = |reason: &str| ClusterError::Failed {
            action: spec.kind().into(),
            node: spec.target().into(),
            reason: reason.into(),
        };
        match spec.target() {
            NodeFault::OWNER => {
                let owner = self.cluster.owners()?.into_iter().next();
                owner.ok_or_else(|| nobody("no node holds the floating address"))
            }
            NodeFault::BACKUP => {
                let owners = self.cluster.owners()?;
                let hit = |node: &String| self.open.iter().any(|open| open.node == *node);
                let mut backups = self.cluster.nodes().into_iter().filter(|node| !owners.contains(node) && !hit(node));
                backups.next().ok_or_else(|| nobody("every other node is hit by a fault already"))
            }
            node => Ok(node.to_owned()),
        }
    }

    fn mark(&self, open: &Open, step: FaultStep, detail: Option<String>) {
        let now = self.recorder.clock().now();
        let step_name = serde_json::to_string(&step).unwrap_or_default();
        let told = detail.as_deref().unwrap_or_default();
        self.recorder.mark(format!("fault {} {} {} {step_name} at {now} {told}", open.fault, open.kind, open.node));
        let mark = FaultMark { fault: open.fault, kind: open.kind.into(), node: open.node.clone(), step, detail };
        self.recorder.record_at(now, What::Fault(mark));
    }
}

impl Drop for Injector<'_> {
    fn drop(&mut self) {
        self.heal_all();
    }
}

#[cfg(test)]
mod tests;
