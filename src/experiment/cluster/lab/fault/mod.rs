//! What can be done to a node: inject, check that it bit, heal.

mod degraded;
mod path;
mod processes;
mod reason;

use std::fs;
use std::path::PathBuf;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::statvfs;

use super::layout::VIP;
use super::node::Booted;
use super::store::Store;
use super::{Lab, machine, network};
use crate::experiment::cluster::{Action, ClusterError};
use crate::units::Span;

pub(super) use reason::supports;

/// How long a fault may take to show. Adverts pass every `advert_int`, so a black hole bites within one.
const BITE_PATIENCE: Span = Span::from_secs(3);

/// The same of a machine, whose kernel may be emulated.
const MACHINE_PATIENCE: Span = Span::from_secs(15);

/// How often is looked.
const LOOK_EVERY: Span = Span::from_millis(10);

/// Does `action` to `node`; returns what was done.
pub(super) fn inject(lab: &mut Lab, node: &str, action: Action) -> Result<String, String> {
    if action == Action::StoreKill {
        return store(lab).map(|store| {
            store.process().kill();
            format!("SIGKILL to {} ({})", store.process().name, store.process().pid)
        });
    }
    if let Some(machine) = lab.machines.get(node).filter(|_| !path::is_of(action)) {
        return machine::fault::inject(machine, &lab.layout, action);
    }
    if let Action::Degrade(degradation) = action {
        return degraded::inject(lab, node, degradation);
    }
    if path::is_of(action) {
        return path::spoil(&lab.layout, node, action);
    }
    let booted = lab.booted(node).map_err(|error| error.to_string())?;
    match action {
        Action::PowerOff => {
            // The link first: a dying kernel would answer pings and send RST for some 50 ms more. Down is
            // enough, and takes 4 ms where removal takes 30; the port goes with the node's namespace.
            let cut = network::set_port(node, "down");
            booted.kill();
            cut.map(|()| format!("link down, SIGKILL to PID 1 ({})", booted.pid1.pid))
        }
        Action::LinkDown => network::set_port(node, "down").map(|()| format!("switch port {node} down")),
        Action::AddressLoss => network::drop_address(booted.pid1.pid, &VIP.to_string()),
        Action::DiskFull => fill_disk(booted),
        _ => processes::strike(&lab.layout, booted, action),
    }
}

/// Looks for the effect until it shows.
pub(super) fn verify(lab: &Lab, node: &str, action: Action) -> Result<String, String> {
    let patience = if lab.machines.contains_key(node) { MACHINE_PATIENCE } else { BITE_PATIENCE };
    let deadline = lab.clock.now() + patience;
    loop {
        match bite(lab, node, action) {
            Ok(evidence) => return Ok(evidence),
            Err(why) if lab.clock.now() >= deadline => return Err(why),
            Err(_) => lab.clock.sleep(LOOK_EVERY),
        }
    }
}

fn bite(lab: &Lab, node: &str, action: Action) -> Result<String, String> {
    if action == Action::StoreKill {
        let alive = store(lab)?.process().is_alive();
        return told(!alive, format!("the store {}", if alive { "still runs" } else { "is gone" }));
    }
    if let Some(machine) = lab.machines.get(node).filter(|_| !path::is_of(action)) {
        return machine::fault::verify(machine, &lab.layout, action, lab.clock);
    }
    if path::is_of(action) {
        return path::spoilt(node, action);
    }
    let booted = lab.booted(node).map_err(|error| error.to_string())?;
    match action {
        Action::PowerOff => powered_off(booted, node),
        Action::LinkDown => {
            let link = network::link_seen_by_node(booted.pid1.pid)?;
            told(link.contains("NO-CARRIER"), format!("the node sees: {link}"))
        }
        Action::AddressLoss => {
            let held = network::node_has_address(booted.pid1.pid, &VIP.to_string())?;
            told(!held, format!("the node {} {VIP}", if held { "holds" } else { "does not hold" }))
        }
        Action::DiskFull => {
            let free = free(booted)?;
            told(free == 0, format!("{free} octets are free on the node's disk"))
        }
        Action::Degrade(degradation) => degraded::bite(lab, node, degradation),
        _ => processes::struck(&lab.layout, booted, action),
    }
}

fn powered_off(booted: &Booted, port: &str) -> Result<String, String> {
    let (alive, plugged) = (booted.is_alive(), network::port_is_up(port));
    let alive_text = if alive { "still runs" } else { "is gone" };
    let plugged_text = if plugged { "is up" } else { "is down or gone" };
    told(!alive && !plugged, format!("PID 1 ({}) {alive_text}, switch port {plugged_text}", booted.pid1.pid))
}

fn store(lab: &Lab) -> Result<&Store, String> {
    lab.store.as_ref().ok_or_else(|| "the lab has no store".to_owned())
}

/// The file that takes all room.
fn ballast(booted: &Booted) -> PathBuf {
    booted.node.directory().join("ballast")
}

/// Octets that are free on the node's disk, which is a file system of its own.
fn free(booted: &Booted) -> Result<u64, String> {
    let disk = statvfs(&booted.node.directory()).map_err(|errno| format!("statvfs: {errno}"))?;
    Ok(disk.blocks_available() * disk.fragment_size())
}

fn fill_disk(booted: &Booted) -> Result<String, String> {
    let room = i64::try_from(free(booted)?).unwrap_or(i64::MAX);
    let path = ballast(booted);
    let file = fs::File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    fallocate(file, FallocateFlags::empty(), 0, room).map_err(|errno| format!("{}: {errno}", path.display()))?;
    Ok(format!("a file of {room} octets on the node's disk"))
}

fn told(bit: bool, evidence: String) -> Result<String, String> {
    if bit { Ok(evidence) } else { Err(evidence) }
}

/// Undoes `action` and waits until the node is healthy.
pub(super) fn heal(lab: &mut Lab, name: &str, action: Action) -> Result<(), ClusterError> {
    if action == Action::StoreKill {
        if let Some(dead) = lab.store.take() {
            dead.stop();
        }
        return lab.start_store();
    }
    mend(lab, name, action)?;
    lab.wait_healthy(name)
}

fn mend(lab: &mut Lab, name: &str, action: Action) -> Result<(), ClusterError> {
    match action {
        Action::PowerOff => return lab.boot_again(name),
        Action::ServiceKill(service) => return lab.restart(name, service),
        Action::EngineStop | Action::EngineKill => return lab.start_engine(name),
        _ => {}
    }
    if let Some(machine) = lab.machines.get(name).filter(|_| !path::is_of(action)) {
        return machine::fault::mend(machine, &lab.layout, action, lab.clock);
    }
    if let Action::Degrade(degradation) = action {
        return degraded::repair(lab, name, degradation).map_err(|reason| failed("heal", name, reason));
    }
    if path::is_of(action) {
        return path::repair(name, action).map_err(|reason| failed("heal", name, reason));
    }
    let booted = lab.booted(name)?;
    let mended = match action {
        Action::LinkDown => network::set_port(name, "up"),
        // Whoever took it meanwhile keeps it; else it goes back where it was.
        Action::AddressLoss if lab.answering().is_some() => Ok(()),
        Action::AddressLoss => network::add_address(booted.pid1.pid, &VIP.to_string()),
        Action::DiskFull => fs::remove_file(ballast(booted)).map_err(|error| error.to_string()),
        Action::ConnectionsReset => Ok(()),
        _ => processes::wake(&lab.layout, booted, action),
    };
    mended.map_err(|reason| failed("heal", name, reason))
}

/// An action that failed.
pub(super) fn failed(action: &str, node: &str, reason: String) -> ClusterError {
    ClusterError::Failed { action: action.to_owned(), node: node.to_owned(), reason }
}
