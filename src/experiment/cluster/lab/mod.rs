//! The lab: real servers in Linux namespaces of this machine, as root.
//!
//! A node is one of two kinds. One in namespaces has its own process, mount, network, host name and IPC namespaces,
//! with the machine's own root under an overlay, so that what apt installed is what runs, or a root file system of a
//! newer Debian. The other is a machine of its own ([`machine`]).
//! A profile says which servers run on a node and which engine moves the address. The nodes, the clients and
//! the store that relays share hang on one bridge, 10.77.0.0/24; the floating address is 10.77.0.10.

mod certificates;
mod config;
mod emulator;
mod fault;
mod health;
pub mod init;
mod journal;
mod layout;
mod machine;
mod network;
mod node;
mod process;
mod profile;
mod root;
mod store;
mod system;
mod templates;
mod tools;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

use certificates::Certificates;
use emulator::Emulator;
use fault::failed;
use journal::Journal;
use layout::{Layout, VIP, netns_path, not_ready};
use machine::Machine;
use machine::image::Image;
use node::{Booted, log_tail, not_up};
use process::Process;
use profile::{Profile, Ready, Replication, ServiceFile};
use store::Store;

use super::{Cluster, ClusterError};
use crate::experiment::run::clock::Clock;
use crate::experiment::run::recorder::Recorder;
use crate::scenario::{LabCluster, MachineSize, NodeFault, Service};
use crate::units::Span;

/// How long servers may take to answer. A busy machine needs a few seconds, replication one ping round.
const PATIENCE: Span = Span::from_secs(20);

/// How long another process that has the lab may take to end.
const OWNER_PATIENCE: Span = Span::from_secs(1);

/// A lab of namespace nodes.
#[derive(Debug)]
pub struct Lab {
    layout: Layout,
    program: PathBuf,
    clock: Clock,
    users: Vec<String>,
    journal: Option<Journal>,
    tls: Option<Certificates>,
    nodes: BTreeMap<String, Booted>,
    machines: BTreeMap<String, Machine>,
    accelerator: OnceCell<&'static str>,
    outlives: bool,
    store: Option<Store>,
    /// Of nodes whose path is degraded.
    emulators: BTreeMap<String, Emulator>,
    recorder: Option<Recorder>,
    keep: bool,
}

impl Lab {
    /// A lab as the scenario wants it; nothing is started.
    ///
    /// # Errors
    /// When names or the interval cannot work.
    pub fn new(cluster: &LabCluster) -> Result<Lab, ClusterError> {
        Ok(Lab::with(Layout::new(cluster)?))
    }

    /// A lab of a profile's usual nodes, for use by hand; timers by the names that a scenario has for them.
    ///
    /// # Errors
    /// When there is no such profile, or its engine cannot have such a timer.
    pub fn by_hand(profile: &str, timers: &[(String, Span)], shares_calls: bool) -> Result<Lab, ClusterError> {
        let cluster = LabCluster::by_hand(profile, timers)
            .map_err(|what| not_ready(what, "see [cluster.lab.engine] in the README"))?;
        let mut layout = Layout::new(&cluster)?;
        layout.shares_calls &= shares_calls;
        Ok(Lab::with(layout))
    }

    fn with(layout: Layout) -> Lab {
        // This link runs the same program even when its file was replaced meanwhile.
        let program = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
        let clock = Clock::start();
        Lab {
            layout,
            program,
            clock,
            users: Vec::new(),
            journal: None,
            tls: None,
            nodes: BTreeMap::new(),
            machines: BTreeMap::new(),
            accelerator: OnceCell::new(),
            outlives: false,
            store: None,
            emulators: BTreeMap::new(),
            recorder: None,
            keep: false,
        }
    }

    /// Makes these nodes machines of their own, of the usual size; they outlive this process if the lab does.
    #[must_use]
    pub fn with_machines(mut self, names: &[String]) -> Lab {
        let size = MachineSize::default();
        self.layout.machines = names.iter().map(|name| (name.clone(), size)).collect();
        self.outlives = true;
        self
    }

    /// Runs `program` as PID 1 of nodes instead of this program: a test's own binary has no `lab-init`.
    #[must_use]
    pub fn with_program(mut self, program: PathBuf) -> Lab {
        self.program = program;
        self
    }

    /// The lab that stands on this machine; none when there is none. It stays when this handle goes.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn standing() -> Result<Option<Lab>, ClusterError> {
        let Some(journal) = read_journal()? else { return Ok(None) };
        let mut lab = Lab::with(journal.layout()?);
        lab.keep = true;
        for node in &lab.layout.nodes {
            if lab.layout.machines.contains_key(&node.name) {
                lab.machines.extend(Machine::find(node, lab.clock).map(|machine| (node.name.clone(), machine)));
            } else if let Some(booted) = Booted::find(node) {
                lab.nodes.insert(node.name.clone(), booted);
            }
        }
        lab.journal = Some(journal);
        Ok(Some(lab))
    }

    /// Leaves the lab standing when this handle goes.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn leave_standing(mut self) -> Result<(), ClusterError> {
        if let Some(journal) = &mut self.journal {
            journal.owner = None;
            journal.write(&journal::file()).map_err(|error| failed("write the journal", "lab", error.to_string()))?;
        }
        self.keep = true;
        Ok(())
    }

    /// Removes whatever a lab left on this machine; returns whether there was anything.
    ///
    /// # Errors
    /// When a journal is there and cannot be read.
    pub fn remove_standing() -> Result<bool, ClusterError> {
        let journal = read_journal()?;
        let found = journal.is_some() || netns_path(layout::SWITCH_NETNS).exists();
        clean(journal.as_ref());
        Ok(found)
    }

    /// The root file system that nodes mount under their own disks.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.layout.root.path()
    }

    /// PID 1 of a node, as this machine numbers it; none when the node is off.
    #[must_use]
    pub fn pid1(&self, node: &str) -> Option<u32> {
        self.nodes.get(node).filter(|booted| booted.is_alive()).map(|booted| booted.pid1.pid)
    }

    /// The node that answers SIP at the floating address now.
    #[must_use]
    pub fn answering(&self) -> Option<String> {
        health::sip_answer(VIP)
    }

    /// What a node is and whether it is on, in words.
    #[must_use]
    pub fn state(&self, node: &str) -> String {
        match (self.machines.get(node), self.pid1(node)) {
            (Some(machine), _) if !machine.is_on() => "off".into(),
            (Some(machine), _) if machine.answers() => format!("on, QEMU is {}", machine.qemu.pid),
            (Some(machine), _) => format!("on, does not answer, QEMU is {}", machine.qemu.pid),
            (None, Some(pid1)) => format!("on, PID 1 is {pid1}"),
            (None, None) => "off".into(),
        }
    }

    /// Runs a command inside a node that is a machine of its own: its exit code and what it printed; none for a node
    /// in namespaces, see [`Lab::exec`].
    ///
    /// # Errors
    /// When the machine does not answer.
    pub fn exec_in_machine(&self, node: &str, command: &[String]) -> Option<Result<(i32, String), ClusterError>> {
        let answer = self.machines.get(node)?.shell(&command.join(" "));
        let answer = answer.map(|answer| (answer.code, answer.output));
        Some(answer.map_err(|reason| failed("exec", node, reason)))
    }

    /// The image that machines start from.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        Image::of(&self.layout.profile).directory()
    }

    /// The command line that runs `command` inside a node in namespaces.
    ///
    /// # Errors
    /// When the node is off.
    pub fn exec(&self, node: &str, command: &[String]) -> Result<std::process::Command, ClusterError> {
        self.layout.node(node)?;
        let pid1 = self.pid1(node).ok_or_else(|| not_ready(format!("{node} is off"), "heal it or put the lab up"))?;
        let mut line = tools::command("nsenter");
        line.args(["-t", &pid1.to_string(), "-a", "-r", "-w", "--"]).args(command);
        line.stdin(std::process::Stdio::inherit());
        Ok(line)
    }

    /// What this machine must have, and what the scenario wants of it.
    fn check(&self) -> Result<(), ClusterError> {
        tools::check(&self.layout)?;
        machine::check(&self.layout)
    }

    /// Makes what nodes start from, where it is not there.
    fn make_roots(&self, tell: &mut dyn FnMut(&str)) -> Result<(), ClusterError> {
        if self.layout.has_namespaces() {
            self.layout.root.make(tell)?;
        }
        if self.layout.machines.is_empty() {
            return Ok(());
        }
        self.accelerator()?;
        Image::of(&self.layout.profile).make(tell)
    }

    /// What executes the machines' instructions; tried once.
    fn accelerator(&self) -> Result<&'static str, ClusterError> {
        let Some(size) = self.layout.machines.values().next() else { return Ok("none") };
        if let Some(found) = self.accelerator.get() {
            return Ok(found);
        }
        let found = machine::qemu::accelerator(size.accelerator, self.clock)?;
        Ok(self.accelerator.get_or_init(|| found))
    }

    fn take_possession(&mut self, users: &[String]) -> Result<(), ClusterError> {
        self.check()?;
        // Whoever did not ask for it before gets it here, without a word.
        self.make_roots(&mut |_| {})?;
        check_users(users)?;
        let stale = self.wait_for_owner()?;
        clean(stale.as_ref());
        self.users = users.to_vec();
        let tls = Certificates::make().map_err(|error| failed("make certificates", "lab", error.to_string()))?;
        self.tls = Some(tls);
        self.journal = Some(Journal::new(&self.layout));
        self.write_journal()
    }

    /// The journal of a dead process, if there is one. A tool that was just killed takes a moment to die.
    fn wait_for_owner(&self) -> Result<Option<Journal>, ClusterError> {
        let deadline = self.clock.now() + OWNER_PATIENCE;
        loop {
            let Some(journal) = read_journal()? else { return Ok(None) };
            match journal.check_free() {
                Ok(()) => return Ok(Some(journal)),
                Err(taken) if self.clock.now() >= deadline => return Err(taken),
                Err(_) => self.clock.sleep(node::LOOK_EVERY),
            }
        }
    }

    fn write_journal(&self) -> Result<(), ClusterError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        journal.write(&journal::file()).map_err(|error| failed("write the journal", "lab", error.to_string()))
    }

    fn bring_up(&mut self) -> Result<(), ClusterError> {
        network::up().map_err(|reason| failed("make the network", "switch", reason))?;
        self.start_store()?;
        let names = self.layout.names();
        for name in &names {
            self.furnish(name)?;
            self.boot(name)?;
        }
        // One after the other: a node that asks a peer for its registrations must find it answering.
        names.iter().try_for_each(|name| self.start_services(name))?;
        // The preferred owner's engine first: nobody takes the address from whoever has it.
        for name in &names {
            self.start_engine(name)?;
            if !self.layout.profile.engine.starts_together {
                self.wait_for_address(name)?;
            }
        }
        self.wait_for_address(&names[0])?;
        names.iter().try_for_each(|name| self.wait_healthy(name))?;
        for machine in self.machines.values() {
            machine.start_by_itself().map_err(|reason| failed("let it start by itself", &machine.node.name, reason))?;
        }
        self.wait(&names[0], "XMPP at the floating address", "xmpp", |_| health::tcp_open(VIP, 5222))
    }

    fn wait_for_address(&self, name: &str) -> Result<(), ClusterError> {
        let patience = Span::from_secs(self.layout.profile.engine.settles_in_s.into());
        self.wait_for(name, "SIP at the floating address", "ha", patience, |_| health::sip_answer(VIP).is_some())
    }

    fn start_store(&mut self) -> Result<(), ClusterError> {
        let Some(file) = self.layout.profile.servers.store.as_ref().filter(|_| self.layout.shares_calls) else {
            return Ok(());
        };
        let store = Store::start(file).map_err(|reason| failed("start", NodeFault::STORE, reason))?;
        if let Some(journal) = &mut self.journal {
            journal.processes.push(store.process().clone());
        }
        self.store = Some(store);
        self.write_journal()
    }

    fn furnish(&self, name: &str) -> Result<(), ClusterError> {
        let node = self.layout.node(name)?;
        let tls = self.tls.as_ref().ok_or_else(|| failed("furnish", name, "no certificates".into()))?;
        let furnish = if self.layout.machines.contains_key(name) { machine::furnish } else { node::furnish };
        furnish(&self.layout, node, tls, &self.users).map_err(|reason| not_up(node, reason))
    }

    fn boot(&mut self, name: &str) -> Result<(), ClusterError> {
        let node = self.layout.node(name)?.clone();
        let ground = machine::Ground { accelerator: self.accelerator()?, dies_with_us: !self.outlives };
        let mut journal = self.journal.take();
        let started = |process| {
            if let Some(journal) = &mut journal {
                journal.processes.retain(Process::is_alive);
                journal.processes.push(process);
                // The name of its directory in its command line finds it as well.
                let _full = journal.write(&journal::file());
            }
        };
        let booted = match self.layout.machines.get(name) {
            Some(size) => Machine::boot(&node, *size, &ground, self.clock, started)
                .map(|machine| drop(self.machines.insert(name.to_owned(), machine))),
            None => Booted::boot(&node, &self.program, self.clock, started)
                .map(|booted| drop(self.nodes.insert(name.to_owned(), booted))),
        };
        self.journal = journal;
        booted?;
        if self.layout.is_cluster() || self.layout.machines.contains_key(name) {
            return Ok(());
        }
        // A server without a cluster holds its address by itself; a machine does so at boot.
        let held = network::add_address(self.booted(name)?.pid1.pid, &VIP.to_string());
        held.map_err(|reason| failed("give it its address", name, reason))
    }

    fn start_services(&mut self, name: &str) -> Result<(), ClusterError> {
        for service in self.layout.profile.services().to_vec() {
            self.start_service(name, &service.name)?;
            self.wait_ready(name, &service)?;
            self.tell(name, service.after_start.as_deref())?;
        }
        Ok(())
    }

    fn start_engine(&mut self, name: &str) -> Result<(), ClusterError> {
        if !self.layout.is_cluster() {
            return Ok(());
        }
        let processes = self.layout.profile.engine_services().to_vec();
        processes.iter().try_for_each(|process| {
            self.start_service(name, &process.name)?;
            self.wait_ready(name, process)
        })
    }

    fn start_service(&mut self, name: &str, service: &str) -> Result<(), ClusterError> {
        if let Some(machine) = self.machines.get(name) {
            return machine.start(service);
        }
        let clock = self.clock;
        self.booted_mut(name)?.start(service, clock)
    }

    /// Boots a node that lost its power.
    fn boot_again(&mut self, name: &str) -> Result<(), ClusterError> {
        if let Some(mut old) = self.nodes.remove(name) {
            old.kill();
            old.reap();
        }
        if let Some(mut old) = self.machines.remove(name) {
            old.kill();
            old.reap();
        }
        self.boot(name)?;
        self.start_services(name)?;
        self.start_engine(name)
    }

    /// Starts a server again that died.
    fn restart(&mut self, name: &str, service: Service) -> Result<(), ClusterError> {
        let Some(file) = self.layout.profile.service(service).cloned() else { return Ok(()) };
        self.start_service(name, &file.name)?;
        self.wait_ready(name, &file)?;
        self.tell(name, file.after_start.as_deref())?;
        self.tell(name, file.after_restart.as_deref())
    }

    /// Runs what a profile wants to be run after a start, if anything.
    fn tell(&self, name: &str, line: Option<&str>) -> Result<(), ClusterError> {
        let Some(line) = line else { return Ok(()) };
        let told = self.run_in(name, line);
        told.map(drop).map_err(|reason| failed("finish the start of a server", name, reason))
    }

    /// Waits until the node's own server works.
    fn wait_ready(&self, name: &str, service: &ServiceFile) -> Result<(), ClusterError> {
        let address = self.layout.node(name)?.address();
        self.wait(name, &service.name, &service.name, |lab| match &service.ready {
            None => true,
            Some(Ready::Command(line)) => lab.run_in(name, line).is_ok(),
            Some(Ready::UdpPort(port)) => match lab.machines.get(name) {
                Some(machine) => machine.has_udp_port(*port),
                None => lab.booted(name).is_ok_and(|booted| booted.has_udp_port(*port)),
            },
            Some(Ready::TcpPort(port)) => health::tcp_open(address, *port),
            Some(Ready::Options) => health::sip_answer(address).is_some(),
        })
    }

    /// Runs a command inside a node of either kind.
    fn run_in(&self, name: &str, line: &str) -> Result<String, String> {
        match self.machines.get(name) {
            Some(machine) => machine.run(line),
            None => self.booted(name).map_err(|error| error.to_string())?.run(line),
        }
    }

    fn booted(&self, name: &str) -> Result<&Booted, ClusterError> {
        self.nodes.get(name).ok_or_else(|| not_ready(format!("{name} is off"), "bring the lab up"))
    }

    fn booted_mut(&mut self, name: &str) -> Result<&mut Booted, ClusterError> {
        self.nodes.get_mut(name).ok_or_else(|| not_ready(format!("{name} is off"), "bring the lab up"))
    }

    /// Waits until the node's servers answer, every node that is on replicates with every other, and the engine has
    /// all of them.
    fn wait_healthy(&self, name: &str) -> Result<(), ClusterError> {
        let Profile { servers, engine, .. } = &self.layout.profile;
        self.layout.profile.services().iter().try_for_each(|service| self.wait_ready(name, service))?;
        if let Some(replication) = &servers.replication {
            self.wait(name, "replication of registrations", "sip", |lab| lab.lists_all(name, replication))?;
        }
        let Some(members) = &engine.members else { return Ok(()) };
        let patience = Span::from_secs(engine.settles_in_s.into());
        self.wait_for(name, "membership of all nodes", "ha", patience, |lab| lab.lists_all(name, members))
    }

    /// Whether a listing inside the node has its line for every node that is on.
    fn lists_all(&self, name: &str, of: &Replication) -> bool {
        let on = self.nodes.values().filter(|booted| booted.is_alive()).count()
            + self.machines.values().filter(|machine| machine.answers()).count();
        let listing = self.run_in(name, &of.command).ok();
        listing.is_some_and(|listing| listing.lines().filter(|line| line.trim() == of.line).count() >= on)
    }

    /// Waits for `what`; if it does not come, the service `log` may have written why.
    fn wait(&self, name: &str, what: &str, log: &str, ready: impl Fn(&Lab) -> bool) -> Result<(), ClusterError> {
        self.wait_for(name, what, log, PATIENCE, ready)
    }

    fn wait_for(
        &self,
        name: &str,
        what: &str,
        log: &str,
        patience: Span,
        ready: impl Fn(&Lab) -> bool,
    ) -> Result<(), ClusterError> {
        let node = self.layout.node(name)?;
        let patience = if self.machines.is_empty() { patience } else { machine::BOOT_PATIENCE };
        let deadline = self.clock.now() + patience;
        while !ready(self) {
            let machine = self.machines.get(name);
            let died = match machine {
                Some(machine) => machine.died(log) || !machine.is_on(),
                None => self.booted(name)?.died(log),
            };
            if died || self.clock.now() >= deadline {
                let end = if died { "it ended".to_owned() } else { format!("waited {patience}") };
                let said = machine.map_or_else(|| log_tail(node, log), |machine| machine.log_tail(log));
                return Err(not_up(node, format!("no {what}, {end}: {said}")));
            }
            self.clock.sleep(node::LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.keep {
            self.down();
        }
    }
}

fn read_journal() -> Result<Option<Journal>, ClusterError> {
    Journal::read(&journal::file())
        .map_err(|error| not_ready(format!("{}: {error}", journal::FILE), "delete the file, then: fivenines lab down"))
}

/// User names go into files' contents and SIP addresses as they are.
fn check_users(users: &[String]) -> Result<(), ClusterError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    match users.iter().find(|user| user.is_empty() || !user.chars().all(plain)) {
        None => Ok(()),
        Some(user) => Err(not_ready(format!("`{user}` cannot be a user"), "use small letters, digits, - _ and .")),
    }
}

/// Ends every process of the lab and removes its namespaces and files.
fn clean(journal: Option<&Journal>) {
    let clock = Clock::start();
    let mut processes = process::with_argument_under(Path::new(layout::DIRECTORY));
    processes.extend(store::processes());
    processes.extend(journal.into_iter().flat_map(|journal| journal.processes.clone()));
    processes.iter().for_each(Process::kill);
    let deadline = clock.now() + PATIENCE;
    while processes.iter().any(Process::is_alive) && clock.now() < deadline {
        clock.sleep(node::LOOK_EVERY);
    }
    // Each node's disk was a mount of its own.
    journal::mount_points_under(Path::new(layout::DIRECTORY)).iter().for_each(|place| {
        let _busy = umount2(place, MntFlags::MNT_DETACH);
    });
    network::down(journal.is_some_and(|journal| journal.mounted_netns));
    // Files that were never there need no removal.
    let _none = fs::remove_dir_all(layout::DIRECTORY);
    let _none = fs::remove_file(journal::FILE);
    let _none = Path::new(journal::FILE).parent().map(fs::remove_dir);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::cluster::Action;
    use crate::scenario::LAB_PROFILES;

    #[test]
    fn users_that_would_need_quoting_are_refused() {
        assert!(check_users(&["phone-01".into(), "chat-03-a".into()]).is_ok());
        for user in ["", "a b", "a\"b", "Ärger", "x\n"] {
            assert!(check_users(&[user.to_owned()]).is_err(), "{user:?}");
        }
    }

    #[test]
    fn a_lab_that_was_never_up_touches_nothing_when_it_goes() {
        let mut lab = Lab::by_hand(LAB_PROFILES[0], &[], true).unwrap();
        assert_eq!(lab.nodes(), ["alpha", "beta", "charlie"]);
        assert!(lab.inject("alpha", Action::PowerOff).is_err());
        assert!(lab.inject("delta", Action::PowerOff).is_err());
        assert!(lab.describe().contains("every 100 ms"));
        lab.down();
    }
}
