//! `[[cluster.lab.node]]`: what a node of the lab is. A node without an entry stands in namespaces.

use serde::Deserialize;
use serde_spanned::Spanned;

use super::check::{Checked, complain};
use super::{Cluster, Fault, LabCluster, NodeFault, Scenario};
use crate::units::Span;

/// What a node is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabNode {
    /// One of the cluster's `nodes`.
    pub name: Spanned<String>,
    /// In namespaces of this machine, or a machine of its own.
    #[serde(default)]
    pub kind: NodeKind,
    /// Processors of a `vm`; absent: 1.
    pub cpus: Option<Spanned<u32>>,
    /// Memory of a `vm` in MiB; absent: 512.
    pub memory_mib: Option<Spanned<u32>>,
    /// What executes a `vm`'s instructions; absent: whatever works, the fastest first.
    pub accelerator: Option<Spanned<Accelerator>>,
}

/// The two kinds of lab node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Namespaces of this machine: starts in 0.1 s and shares the machine's kernel.
    #[default]
    Namespace,
    /// A QEMU guest with firmware, boot loader, kernel, init and disk of its own.
    Vm,
}

/// What executes a guest's instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Accelerator {
    /// KVM where a short boot with it succeeds, else TCG.
    #[default]
    Auto,
    /// The processor itself; refused where a short boot with it fails.
    Kvm,
    /// Software: works everywhere, some ten times slower.
    Tcg,
}

/// A machine of its own, as the scenario wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
pub struct MachineSize {
    /// Processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// What executes its instructions.
    pub accelerator: Accelerator,
}

impl Default for MachineSize {
    fn default() -> MachineSize {
        MachineSize { cpus: 1, memory_mib: 512, accelerator: Accelerator::Auto }
    }
}

impl LabNode {
    /// The machine; none for a node in namespaces.
    #[must_use]
    pub fn machine(&self) -> Option<MachineSize> {
        let usual = MachineSize::default();
        (self.kind == NodeKind::Vm).then(|| MachineSize {
            cpus: self.cpus.as_ref().map_or(usual.cpus, |cpus| *cpus.get_ref()),
            memory_mib: self.memory_mib.as_ref().map_or(usual.memory_mib, |memory| *memory.get_ref()),
            accelerator: self.accelerator.as_ref().map_or(usual.accelerator, |of| *of.get_ref()),
        })
    }
}

/// Checks the entries of `[[cluster.lab.node]]`.
pub(super) fn check(cluster: &LabCluster) -> Checked {
    for (place, node) in cluster.kinds.iter().enumerate() {
        let name = node.name.get_ref();
        if !cluster.nodes.contains(name) {
            let help = format!("nodes are: {}", cluster.nodes.join(", "));
            return complain(node.name.span(), format!("the lab has no node `{name}`"), "here", &help);
        }
        if cluster.kinds[..place].iter().any(|before| before.name.get_ref() == name) {
            let message = format!("`{name}` is described twice");
            return complain(node.name.span(), message, "again", "keep one [[cluster.lab.node]] for each node");
        }
        check_machine(node)?;
    }
    match &cluster.advert_interval {
        Some(interval) if !cluster.is_cluster() => {
            let message = "a single node advertises nothing: no engine runs on it".to_owned();
            complain(interval.span(), message, "advert_interval", "leave it out, or name a second node")
        }
        _ => Ok(()),
    }
}

fn check_machine(node: &LabNode) -> Checked {
    let of_vm = [
        node.cpus.as_ref().map(|cpus| ("cpus", cpus.span(), (1..=8).contains(cpus.get_ref()))),
        node.memory_mib.as_ref().map(|size| ("memory_mib", size.span(), (256..=16_384).contains(size.get_ref()))),
        node.accelerator.as_ref().map(|of| ("accelerator", of.span(), true)),
    ];
    for (key, span, fits) in of_vm.into_iter().flatten() {
        if node.kind != NodeKind::Vm {
            let message = format!("`{key}` is of no use here: `{}` stands in namespaces", node.name.get_ref());
            return complain(span, message, key, "add kind = \"vm\", or leave it out");
        }
        if !fits {
            let help = "use 1 to 8 processors and 256 to 16384 MiB";
            return complain(span, format!("no machine of that size: {key}"), key, help);
        }
    }
    Ok(())
}

/// Whether a fault makes sense for the kind and number of nodes.
pub(super) fn check_fault(scenario: &Scenario, fault: &Spanned<Fault>) -> Checked {
    let Cluster::Lab(lab) = &scenario.cluster else { return Ok(()) };
    let needs_peers = fault.get_ref().target() == NodeFault::BACKUP
        || matches!(
            fault.get_ref(),
            Fault::EngineStop(_) | Fault::EngineKill(_) | Fault::EngineHang(_) | Fault::Split(_)
        );
    if needs_peers && !lab.is_cluster() {
        let message = format!("{} needs a cluster, and there is one node alone", fault.get_ref().kind());
        return complain(fault.span(), message, "this fault", "name a second node and an advert_interval");
    }
    check_whole_seconds(fault)
}

fn check_whole_seconds(fault: &Spanned<Fault>) -> Checked {
    const MOST: Span = Span::from_secs(366 * 86_400);
    let whole = |span: Span| span.as_nanos() % 1_000_000_000 == 0 && span != Span::ZERO;
    match fault.get_ref() {
        Fault::KernelPanic(of) => match &of.reboot_after {
            Some(after) if !whole(after.get_ref().0) || after.get_ref().0 > Span::from_secs(3600) => {
                let message = format!("a kernel cannot wait {} before it reboots", after.get_ref().0);
                complain(after.span(), message, "reboot_after", "use whole seconds from 1s to 1h")
            }
            _ => Ok(()),
        },
        Fault::ClockStep(of) => {
            let by = of.by.get_ref().0;
            if whole(by) && by <= MOST && by >= Span::ZERO - MOST {
                return Ok(());
            }
            complain(
                of.by.span(),
                format!("a clock step of {by} is not possible"),
                "by",
                "use whole seconds, a year at most",
            )
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scenario;

    const ALONE: &str = r#"
name = "alone"
question = "how long is one server gone that is reset?"
window = "60s"
[cluster.lab]
nodes = ["alpha"]
[[cluster.lab.node]]
name = "alpha"
kind = "vm"
memory_mib = 768
[traffic.options]
interval = "20ms"
[[fault]]
reset = { target = "alpha", at = "5s" }
"#;

    fn told(text: &str) -> String {
        let error = Scenario::parse("test.toml", text).expect_err(text);
        format!("{:?}", miette::Report::new(*error))
    }

    #[test]
    fn one_machine_alone_is_a_scenario() {
        let scenario = Scenario::parse("test.toml", ALONE).unwrap();
        let super::Cluster::Lab(lab) = &scenario.cluster else { panic!("a lab") };
        let machine = lab.machine("alpha").unwrap();
        assert_eq!((machine.cpus, machine.memory_mib, machine.accelerator), (1, 768, super::Accelerator::Auto));
        assert!(!lab.is_cluster() && scenario.timer().is_none());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_hint() {
        for (from, to, hint) in [
            ("name = \"alpha\"\nkind", "name = \"beta\"\nkind", "nodes are: alpha"),
            ("kind = \"vm\"", "kind = \"namespace\"", "add kind = \"vm\""),
            ("kind = \"vm\"", "kind = \"docker\"", "namespace"),
            ("memory_mib = 768", "memory_mib = 64", "256 to 16384 MiB"),
            ("memory_mib = 768", "cpus = 0", "1 to 8 processors"),
            ("nodes = [\"alpha\"]", "nodes = [\"alpha\"]\nadvert_interval = \"1s\"", "name a second node"),
            ("nodes = [\"alpha\"]", "nodes = [\"alpha\", \"beta\"]", "advert_interval = \"100ms\""),
            ("reset = { target = \"alpha\"", "split = { target = \"alpha\"", "name a second node"),
            ("reset = { target", "kernel_panic = { reboot_after = \"1500ms\", target", "whole seconds"),
            ("reset = { target", "clock_step = { by = \"0s\", target", "whole seconds"),
            ("reset = { target", "clock_step = { by = \"back\", target", "-90s"),
            ("reset = { target", "clock_step = { target", "by"),
        ] {
            let text = ALONE.replace(from, to);
            assert_ne!(text, ALONE, "{from}");
            assert!(told(&text).contains(hint), "{to}: {}", told(&text));
        }
    }

    #[test]
    fn a_clock_may_step_back() {
        let text = ALONE.replace("reset = { target", "clock_step = { by = \"-90s\", target");
        let scenario = Scenario::parse("test.toml", &text).unwrap();
        let super::Fault::ClockStep(step) = scenario.faults[0].get_ref() else { panic!("a step") };
        assert_eq!(step.by.get_ref().0.as_nanos(), -90_000_000_000);
    }
}
