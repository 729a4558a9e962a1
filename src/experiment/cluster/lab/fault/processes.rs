//! Processes of a node: killed, stopped, told to resign; and their connections.

use nix::sys::signal::Signal;

use super::super::layout::Layout;
use super::super::node::Booted;
use super::super::process::{self, Process};
use super::super::profile::service_name;
use super::super::tools;
use super::told;
use crate::experiment::cluster::Action;

/// Connections of SIP and XMPP clients, as ss(8) filters them.
const CLIENTS: &str = "( sport = :5060 or sport = :5222 )";

/// Does the action.
pub(super) fn strike(layout: &Layout, booted: &Booted, action: Action) -> Result<String, String> {
    match action {
        Action::Freeze => {
            let all = others(booted);
            all.iter().for_each(|process| process.signal(Signal::SIGSTOP));
            Ok(format!("SIGSTOP to all {} processes behind PID 1 ({})", all.len(), booted.pid1.pid))
        }
        // The leader alone: it ends its own children, and says farewell before.
        Action::EngineStop => {
            let signal = resigning(layout)?;
            let leader = victims(layout, booted, action)?;
            leader.iter().for_each(|process| process.signal(signal));
            Ok(format!("{signal} to {}", names(&leader)))
        }
        Action::ConnectionsReset => reset(booted),
        _ => {
            let (signal, victims) = (signal_of(action)?, victims(layout, booted, action)?);
            let sent = victims.iter().try_for_each(|process| process.signal_group(signal));
            let text = format!("{signal} to process group of {}", names(&victims));
            sent.map(|()| text.clone()).map_err(|error| format!("{text}: {error}"))
        }
    }
}

fn reset(booted: &Booted) -> Result<String, String> {
    let killed = connections(booted, &["-K"])?;
    let count = killed.lines().count();
    if count == 0 {
        return Err("no client has a TCP connection to reset".to_owned());
    }
    Ok(format!("ss -K closed {count} connections with RST"))
}

fn connections(booted: &Booted, options: &[&str]) -> Result<String, String> {
    let pid1 = booted.pid1.pid.to_string();
    let inside = ["-t", &pid1, "-n", "ss", "-H", "-t", "-n"];
    tools::run("nsenter", &[&inside[..], options, &["state", "established", CLIENTS]].concat())
}

/// Whether the action shows.
pub(super) fn struck(layout: &Layout, booted: &Booted, action: Action) -> Result<String, String> {
    match action {
        Action::Freeze => {
            let states: Vec<char> = others(booted).iter().filter_map(Process::state).collect();
            let stopped = !states.is_empty() && states.iter().all(|state| "TZ".contains(*state));
            told(stopped, format!("process states {}", list(&states)))
        }
        // Clients come back at once, so that there is nothing to see but what the command itself told.
        Action::ConnectionsReset => Ok("the kernel listed the connections that it closed".to_owned()),
        _ => {
            let victims = victims(layout, booted, action)?;
            let states: Vec<char> = victims.iter().flat_map(Process::group_states).collect();
            let hangs = matches!(action, Action::ServiceHang(_) | Action::EngineHang);
            let bit = if hangs {
                !states.is_empty() && states.iter().all(|state| *state == 'T')
            } else {
                states.iter().all(|state| *state == 'Z')
            };
            told(bit, format!("{}: process states {}", names(&victims), list(&states)))
        }
    }
}

/// Lets what was stopped go on.
pub(super) fn wake(layout: &Layout, booted: &Booted, action: Action) -> Result<(), String> {
    if action == Action::Freeze {
        others(booted).iter().for_each(|process| process.signal(Signal::SIGCONT));
        return Ok(());
    }
    let victims = victims(layout, booted, action)?;
    victims.iter().try_for_each(|process| process.signal_group(Signal::SIGCONT)).map_err(|errno| errno.to_string())
}

/// All processes of the node but its PID 1, which is no server.
fn others(booted: &Booted) -> Vec<Process> {
    let mut all = process::in_namespace_of(booted.pid1.pid);
    all.retain(|process| process.pid != booted.pid1.pid);
    all
}

fn victims(layout: &Layout, booted: &Booted, action: Action) -> Result<Vec<Process>, String> {
    match action {
        Action::ServiceKill(service) | Action::ServiceHang(service) => {
            booted.process(service_name(service)).map(|process| vec![process.clone()])
        }
        Action::EngineKill | Action::EngineHang => engine(layout, booted),
        // What was started last stands on what was started before.
        Action::EngineStop => engine(layout, booted).map(|all| all.into_iter().next_back().into_iter().collect()),
        _ => Err(format!("{action:?} hits no process")),
    }
}

fn engine(layout: &Layout, booted: &Booted) -> Result<Vec<Process>, String> {
    let of = layout.profile.engine_services().iter();
    of.map(|service| booted.process(&service.name).cloned()).collect()
}

fn signal_of(action: Action) -> Result<Signal, String> {
    match action {
        Action::ServiceKill(_) | Action::EngineKill => Ok(Signal::SIGKILL),
        Action::ServiceHang(_) | Action::EngineHang => Ok(Signal::SIGSTOP),
        _ => Err(format!("a node in namespaces cannot do {action:?}")),
    }
}

fn resigning(layout: &Layout) -> Result<Signal, String> {
    let name = &layout.profile.engine.resigns_on;
    name.parse().map_err(|_| format!("`{name}` is no signal"))
}

fn names(processes: &[Process]) -> String {
    let name = |process: &Process| format!("{} ({})", process.name, process.pid);
    processes.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn list(states: &[char]) -> String {
    if states.is_empty() { "none".into() } else { states.iter().collect() }
}
