//! What can be done to a node: inject, check that it bit, heal.

use nix::sys::signal::Signal;

use super::node::{Booted, service_name};
use super::process::Process;
use super::{Lab, network};
use crate::experiment::cluster::{Action, ClusterError};
use crate::units::Span;

/// How long a fault may take to show. Adverts pass every `advert_int`, so a black hole bites within one.
const BITE_PATIENCE: Span = Span::from_secs(3);

/// How often is looked.
const LOOK_EVERY: Span = Span::from_millis(10);

/// Does `action`; returns what was done.
pub(super) fn inject(booted: &Booted, action: Action) -> Result<String, String> {
    let port = booted.node.name.as_str();
    match action {
        Action::PowerOff => {
            // The link first: a dying kernel would answer pings and send RST for some 50 ms more. Down is
            // enough, and takes 4 ms where removal takes 30; the port goes with the node's namespace.
            let cut = network::set_port(port, "down");
            booted.kill();
            cut.map(|()| format!("link down, SIGKILL to PID 1 ({})", booted.pid1.pid))
        }
        Action::ServiceKill(service) => signal(booted.service(service)?, Signal::SIGKILL),
        Action::ServiceHang(service) => signal(booted.service(service)?, Signal::SIGSTOP),
        Action::LinkDown => network::set_port(port, "down").map(|()| format!("switch port {port} down")),
        Action::BlackHole => {
            network::dig_hole(port).map(|()| format!("the switch drops all frames from and to {port}"))
        }
    }
}

fn signal(process: &Process, signal: Signal) -> Result<String, String> {
    let group = format!("{signal} to process group {} ({})", process.pid, process.name);
    process.signal_group(signal).map(|()| group.clone()).map_err(|error| format!("{group}: {error}"))
}

/// Looks for the effect until it shows.
pub(super) fn verify(lab: &Lab, booted: &Booted, action: Action) -> Result<String, String> {
    let deadline = lab.clock.now() + BITE_PATIENCE;
    loop {
        match bite(booted, action) {
            Ok(evidence) => return Ok(evidence),
            Err(why) if lab.clock.now() >= deadline => return Err(why),
            Err(_) => lab.clock.sleep(LOOK_EVERY),
        }
    }
}

fn bite(booted: &Booted, action: Action) -> Result<String, String> {
    let port = booted.node.name.as_str();
    match action {
        Action::PowerOff => powered_off(booted, port),
        Action::ServiceKill(service) => {
            let process = booted.service(service)?;
            let states = process.group_states();
            let dead = states.iter().all(|state| *state == 'Z');
            told(dead, format!("{} ({}): processes left: {}", service_name(service), process.pid, list(&states)))
        }
        Action::ServiceHang(service) => {
            let process = booted.service(service)?;
            let states = process.group_states();
            let stopped = !states.is_empty() && states.iter().all(|state| *state == 'T');
            told(stopped, format!("{} ({}): process states {}", service_name(service), process.pid, list(&states)))
        }
        Action::LinkDown => {
            let link = network::link_seen_by_node(booted.pid1.pid)?;
            told(link.contains("NO-CARRIER"), format!("the node sees: {link}"))
        }
        Action::BlackHole => {
            let counts = network::swallowed(port)?;
            let bit = counts.iter().any(|count| *count > 0);
            told(bit, format!("frames swallowed (from, to {port}): {counts:?}"))
        }
    }
}

fn powered_off(booted: &Booted, port: &str) -> Result<String, String> {
    let (alive, plugged) = (booted.is_alive(), network::port_is_up(port));
    let alive_text = if alive { "still runs" } else { "is gone" };
    let plugged_text = if plugged { "is up" } else { "is down or gone" };
    told(!alive && !plugged, format!("PID 1 ({}) {alive_text}, switch port {plugged_text}", booted.pid1.pid))
}

fn told(bit: bool, evidence: String) -> Result<String, String> {
    if bit { Ok(evidence) } else { Err(evidence) }
}

fn list(states: &[char]) -> String {
    if states.is_empty() { "none".into() } else { states.iter().collect() }
}

/// Undoes `action` and waits until the node is healthy.
pub(super) fn heal(lab: &mut Lab, name: &str, action: Action) -> Result<(), ClusterError> {
    match action {
        Action::PowerOff => lab.boot_again(name)?,
        Action::ServiceKill(service) => lab.restart(name, service)?,
        Action::ServiceHang(service) => {
            let resumed = lab.booted(name)?.service(service).and_then(|process| signal(process, Signal::SIGCONT));
            resumed.map_err(|reason| failed("heal", name, reason))?;
        }
        Action::LinkDown => network::set_port(name, "up").map_err(|reason| failed("heal", name, reason))?,
        Action::BlackHole => network::fill_hole(name).map_err(|reason| failed("heal", name, reason))?,
    }
    lab.wait_healthy(name)
}

/// An action that failed.
pub(super) fn failed(action: &str, node: &str, reason: String) -> ClusterError {
    ClusterError::Failed { action: action.to_owned(), node: node.to_owned(), reason }
}
