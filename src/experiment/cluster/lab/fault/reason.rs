//! Which actions a node in namespaces can do, and why it cannot do the others.

use nix::unistd::geteuid;

use super::super::layout::Layout;
use super::super::profile::service_name;
use crate::experiment::cluster::Action;

/// Whether the lab can do `action` on this machine.
///
/// # Errors
/// Why not.
pub(in super::super) fn supports(layout: &Layout, action: Action) -> Result<(), String> {
    match action {
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
        Action::KernelPanic => Err(whole_machine("no kernel of its own: the panic would be this machine's")),
        Action::ClockStep => {
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
    use crate::scenario::{LAB_PROFILES, Service};

    fn layout(profile: &str) -> Layout {
        let names = ["alpha".to_owned(), "beta".to_owned()];
        Layout::of(&names, profile, EngineOptions::default(), None).unwrap()
    }

    #[test]
    fn what_namespaces_lack_is_offered_and_refused_with_a_reason() {
        let layout = layout(LAB_PROFILES[0]);
        for action in [Action::Reset, Action::KernelPanic, Action::ClockStep, Action::CpuExhaustion] {
            assert!(supports(&layout, action).unwrap_err().contains("whole machine"), "{action:?}");
        }
        for action in [Action::PowerOff, Action::Split, Action::Freeze, Action::StoreKill, Action::DiskFull] {
            assert_eq!(supports(&layout, action), Ok(()), "{action:?}");
        }
    }

    #[test]
    fn a_pbx_has_no_relay_and_no_store() {
        let layout = layout(LAB_PROFILES[1]);
        assert!(supports(&layout, Action::ServiceKill(Service::Media)).unwrap_err().contains("no media server"));
        assert!(supports(&layout, Action::StoreKill).is_err());
        assert_eq!(supports(&layout, Action::ServiceKill(Service::Sip)), Ok(()));
    }
}
