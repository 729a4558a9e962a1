//! Which actions a node of either kind can do, and why it cannot do the others.

use nix::unistd::geteuid;

use super::super::layout::Layout;
use super::super::profile::service_name;
use crate::experiment::cluster::Action;

/// Whether the lab can do `action` to `node` on this machine.
///
/// # Errors
/// Why not.
pub(in super::super) fn supports(layout: &Layout, node: &str, action: Action) -> Result<(), String> {
    let is_machine = layout.machines.contains_key(node);
    match action {
        // A machine's own kernel has netem, and everything else that a machine has is its own.
        Action::Degrade(_)
        | Action::Reset
        | Action::KernelPanic(_)
        | Action::ClockStep(_)
        | Action::MachinePause
        | Action::CpuExhaustion
            if is_machine =>
        {
            Ok(())
        }
        Action::ServiceKill(service) | Action::ServiceHang(service) if layout.profile.service(service).is_none() => {
            let (name, profile) = (service_name(service), &layout.profile.name);
            Err(format!("the profile {profile} has no {name} server of its own: hit the one that does its work"))
        }
        Action::StoreKill if !layout.shares_calls => {
            Err("no store runs: set redis = true, with a profile that has one".into())
        }
        // Whoever is not root is told so when the lab is to be used.
        Action::Degrade(_) if !geteuid().is_root() => Ok(()),
        Action::Degrade(_) => super::degraded::works(),
        Action::Reset => {
            Err(whole_machine("no firmware, kernel and init to start again; power_off with heal_at boots it in 0.1 s"))
        }
        Action::KernelPanic(_) => Err(whole_machine("no kernel of its own: the panic would be this machine's")),
        Action::MachinePause => {
            Err(whole_machine("nothing that could be paused but its processes, as node_freeze does"))
        }
        Action::ClockStep(_) => {
            Err(whole_machine("no clock of its own: the step would be this machine's, and the instrument's"))
        }
        Action::CpuExhaustion => Err(whole_machine(
            "no processors of its own: the instrument would be starved as well, and the figures void",
        )),
        _ => Ok(()),
    }
}

fn whole_machine(lacks: &str) -> String {
    format!("a node in namespaces has {lacks}. It needs a node that is a whole machine")
}

#[cfg(test)]
mod tests {
    use super::super::super::layout::EngineOptions;
    use super::*;
    use crate::scenario::{Accelerator, LAB_PROFILES, MachineSize, Service};
    use crate::units::Span;

    fn layout(profile: &str) -> Layout {
        let names = ["alpha".to_owned(), "beta".to_owned()];
        Layout::of(&names, profile, EngineOptions::default(), None).unwrap()
    }

    #[test]
    fn what_namespaces_lack_is_offered_and_refused_with_a_reason() {
        let mut layout = layout(LAB_PROFILES[0]);
        let step = Action::ClockStep(Span::from_secs(60));
        let hard = [Action::Reset, Action::KernelPanic(None), step, Action::CpuExhaustion, Action::MachinePause];
        for action in hard {
            assert!(supports(&layout, "alpha", action).unwrap_err().contains("whole machine"), "{action:?}");
        }
        for action in [Action::PowerOff, Action::Split, Action::Freeze, Action::StoreKill, Action::DiskFull] {
            assert_eq!(supports(&layout, "alpha", action), Ok(()), "{action:?}");
        }
        let size = MachineSize { cpus: 1, memory_mib: 512, accelerator: Accelerator::Tcg };
        layout.machines.insert("alpha".into(), size);
        for action in hard {
            assert_eq!(supports(&layout, "alpha", action), Ok(()), "{action:?}");
            assert!(supports(&layout, "beta", action).is_err(), "beta stands in namespaces");
        }
    }

    #[test]
    fn a_pbx_has_no_relay_and_no_store() {
        let layout = layout(LAB_PROFILES[1]);
        assert!(
            supports(&layout, "alpha", Action::ServiceKill(Service::Media)).unwrap_err().contains("no media server")
        );
        assert!(supports(&layout, "alpha", Action::StoreKill).is_err());
        assert_eq!(supports(&layout, "alpha", Action::ServiceKill(Service::Sip)), Ok(()));
    }
}
