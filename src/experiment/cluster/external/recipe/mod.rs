//! What is done to a node for each fault: pure, so that `plan` can print it.

mod daemon;
mod path;
mod power;

use super::command::Line;
use super::node::Node;
use crate::experiment::cluster::{Action, netem};
use crate::scenario::{ExternalCluster, Hook, Role, Way};
use crate::units::Span;

/// How a fault is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Breaks it.
    pub(super) inject: Line,
    /// Succeeds once it has bitten; none: nobody can tell, and the exit of `inject` is taken for it.
    pub(super) verify: Option<Line>,
    /// Mends it. Repeated until it succeeds; harmless where nothing is broken.
    pub(super) heal: Line,
    /// Mends it instead where another node holds the floating address by then.
    pub(super) heal_if_held: Option<Line>,
    /// What of it is other than the fault's name says.
    pub(super) remark: Option<&'static str>,
}

/// The recipe of `action` for a node; `due` is how long until it will be healed.
///
/// # Errors
/// Why it cannot be done, and what would help.
pub(super) fn of(cluster: &ExternalCluster, node: &Node, action: Action, due: Span) -> Result<Recipe, String> {
    if let Some(hook) = cluster.hook(kind(action)) {
        return own(hook, node, action);
    }
    match action {
        Action::PowerOff | Action::Freeze | Action::Reset | Action::KernelPanic(_) => power::recipe(node, action),
        Action::ServiceKill(service) => daemon::recipe(node, service.into(), daemon::Blow::Kill),
        Action::ServiceHang(service) => daemon::recipe(node, service.into(), daemon::Blow::Hang),
        Action::EngineStop => daemon::recipe(node, Role::Engine, daemon::Blow::Stop),
        Action::EngineKill => daemon::recipe(node, Role::Engine, daemon::Blow::Kill),
        Action::EngineHang => daemon::recipe(node, Role::Engine, daemon::Blow::Hang),
        Action::DiskFull | Action::StoreKill | Action::ClockStep(_) | Action::CpuExhaustion | Action::MachinePause => {
            Err(needs_hook(action))
        }
        _ => path::recipe(cluster, node, action, due),
    }
}

/// What to say of a fault that only the user knows how to do.
fn needs_hook(action: Action) -> String {
    let kind = kind(action);
    format!("{kind} has no command of its own: say how in [cluster.external.hooks.{kind}] inject and heal")
}

/// The user's own commands.
fn own(hook: &Hook, node: &Node, action: Action) -> Result<Recipe, String> {
    let environment = format!("{}{}", node.environment(), parameters(action));
    let line = |command: &String| {
        let script = format!("{environment}; {command}");
        if hook.on_node { node.shell(&script) } else { Ok(Line::here(&script)) }
    };
    let verify = hook.verify.as_ref().map(line).transpose()?;
    Ok(Recipe { inject: line(&hook.inject)?, verify, heal: line(&hook.heal)?, heal_if_held: None, remark: None })
}

/// What a user's command may want to know of the fault, as further exports.
fn parameters(action: Action) -> String {
    let of_fault = match action {
        Action::ServiceKill(service) | Action::ServiceHang(service) => {
            format!(" FIVENINES_SERVICE={}", Role::from(service).word())
        }
        Action::OneWay(Way::ToNode) => " FIVENINES_DROPPED=to_node".to_owned(),
        Action::OneWay(Way::FromNode) => " FIVENINES_DROPPED=from_node".to_owned(),
        Action::Degrade(of) => {
            let way = of.way.map_or("both", |way| if way == Way::ToNode { "to_node" } else { "from_node" });
            format!(" FIVENINES_WAY={way} FIVENINES_NETEM='{}'", netem::words(of.impairment))
        }
        _ => String::new(),
    };
    format!(" FIVENINES_FAULT={}{of_fault}", kind(action))
}

/// The scenario's name of the fault that an action is.
pub(super) fn kind(action: Action) -> &'static str {
    match action {
        Action::PowerOff => "power_off",
        Action::ServiceKill(_) => "service_kill",
        Action::ServiceHang(_) => "service_hang",
        Action::LinkDown => "link_down",
        Action::BlackHole => "black_hole",
        Action::EngineStop => "engine_stop",
        Action::EngineKill => "engine_kill",
        Action::EngineHang => "engine_hang",
        Action::Freeze => "node_freeze",
        Action::OneWay(_) => "one_way",
        Action::Split => "split",
        Action::AddressLoss => "address_loss",
        Action::Degrade(_) => "degraded_path",
        Action::DiskFull => "disk_full",
        Action::ConnectionsReset => "connections_reset",
        Action::StoreKill => "store_kill",
        Action::Reset => "reset",
        Action::KernelPanic(_) => "kernel_panic",
        Action::ClockStep(_) => "clock_step",
        Action::MachinePause => "machine_pause",
        Action::CpuExhaustion => "cpu_exhaustion",
    }
}

#[cfg(test)]
mod tests;
