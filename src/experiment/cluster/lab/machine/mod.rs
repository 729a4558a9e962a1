//! A node that is a machine of its own: a QEMU guest with firmware, boot loader, kernel, systemd and disk.
//!
//! Its servers come from the same profile and templates as those of a node in namespaces. The image is made once
//! ([`image`]); what a node needs of its own lies on a second disk; the tool speaks with the machine through QEMU's
//! monitor ([`qmp`]) and an agent inside it ([`guest`]), never over the network that is measured.

mod disk;
pub(super) mod fault;
mod guest;
pub(super) mod image;
pub(super) mod qemu;
mod qmp;
mod units;

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Child;

use serde_json::json;

use super::certificates::Certificates;
use super::layout::{Layout, Node, VIP, not_ready};
use super::node::{LOOK_EVERY, not_up};
use super::process::Process;
use super::profile::words;
use super::{config, network, node, tools};
use crate::evidence::rundir::MachineInfo;
use crate::experiment::cluster::ClusterError;
use crate::experiment::run::clock::Clock;
use crate::scenario::MachineSize;
use crate::units::Span;
use guest::{Answer, Guest};
use image::Image;
use qemu::Files;
use qmp::Monitor;
use units::unit;

/// How long a machine may take from power-on to its agent: half a minute in software, more beside other work.
pub(super) const BOOT_PATIENCE: Span = Span::from_secs(240);

/// How long one question to the agent may take.
const ASK_PATIENCE: Span = Span::from_secs(20);

/// A greeting that a machine took while it was still coming up is lost, so it is repeated; seldom, since each is
/// answered in the end.
const GREET_EVERY: Span = Span::from_secs(15);

/// How long a machine may take to say whether it is there.
const GLANCE: Span = Span::from_millis(1500);

/// All files of a machine are in memory: its layer over the image, and the node's own disk.
const ROOM: &str = "size=3g,mode=0755";

/// Size of the node's own disk.
const LAB_DISK: &str = "96M";

/// A machine that was switched on.
#[derive(Debug)]
pub(super) struct Machine {
    /// Which node.
    pub(super) node: Node,
    /// The emulator.
    pub(super) qemu: Process,
    /// The emulator as a child; none for a lab that another process put up.
    child: Option<Child>,
    guest: Guest,
    monitor: Monitor,
    /// How much the console had said when the last fault was injected.
    mark: Cell<u64>,
    /// Whether a fault is open that may have silenced it.
    struck: Cell<bool>,
}

/// What the machines of a lab have in common.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    /// What executes their instructions.
    pub(super) accelerator: &'static str,
    /// Whether they end with the tool, whatever ends that.
    pub(super) dies_with_us: bool,
}

/// Checks what this machine must have for a layout with machines, and finds their accelerator.
///
/// # Errors
/// What is missing, and how to get it.
pub(super) fn check(layout: &Layout) -> Result<(), ClusterError> {
    if layout.machines.is_empty() {
        return Ok(());
    }
    if std::env::consts::ARCH != "x86_64" {
        let what = format!("machines are x86_64 guests, and this is {}", std::env::consts::ARCH);
        return Err(not_ready(what, "leave kind = \"vm\" out"));
    }
    tools::check_programs(qemu::PROGRAMS.into_iter())?;
    let mut wanted = layout.machines.values().map(|size| size.accelerator);
    let first = wanted.next();
    if wanted.any(|other| Some(other) != first) {
        return Err(not_ready("machines of one lab with different accelerators", "write the same for all of them"));
    }
    if layout.profile.engine.describe != "keepalived" && layout.nodes.len() > 1 {
        let what = format!("machines cannot run {}", layout.profile.engine.describe);
        return Err(not_ready(what, "use a profile with keepalived, or nodes in namespaces"));
    }
    Ok(())
}

/// What the machines of the layout are.
pub(super) fn describe(layout: &Layout, accelerator: &str) -> Vec<MachineInfo> {
    let image = Image::of(&layout.profile);
    let kernel = image.kernel().unwrap_or_else(|| "Linux".into());
    let version = if layout.machines.is_empty() { String::new() } else { qemu::version() };
    let info = |(node, size): (&String, &MachineSize)| MachineInfo {
        node: node.clone(),
        emulator: version.clone(),
        accelerator: accelerator.to_owned(),
        cpus: size.cpus,
        memory_mib: size.memory_mib,
        boot: format!("SeaBIOS, GRUB from disk without a menu, Linux {kernel}, systemd"),
        image: image.name(),
    };
    layout.machines.iter().map(info).collect()
}

/// Writes all that a machine needs; done once, and kept over its boots.
///
/// # Errors
/// When the directory cannot be written or a disk cannot be made.
pub(super) fn furnish(layout: &Layout, node: &Node, tls: &Certificates, users: &[String]) -> Result<(), String> {
    let (directory, image) = (node.directory(), Image::of(&layout.profile));
    node::insert_disk(&directory, ROOM).map_err(|error| format!("{}: {error}", directory.display()))?;
    let contents = directory.join("lab");
    let told = |error: std::io::Error| format!("{}: {error}", contents.display());
    ["etc", "log"].into_iter().try_for_each(|part| fs::create_dir_all(contents.join(part))).map_err(told)?;
    config::write(layout, node, users, &contents, &image.directory())?;
    let alone = layout.nodes.len() == 1;
    let of_node = format!(
        "NAME={}\nADDRESS={}\nALONE={}\n",
        node.name,
        node.address(),
        if alone { VIP.to_string() } else { String::new() }
    );
    let mut files = vec![("etc/lab.crt", &*tls.chain), ("etc/lab.key", &*tls.key), ("node.env", &*of_node)];
    files.extend(alone.then_some(("alone", "")));
    files.into_iter().try_for_each(|(name, text)| fs::write(contents.join(name), text)).map_err(told)?;
    make_disks(&Files::of(node), &image, &contents)?;
    fs::remove_dir_all(&contents).map_err(told)?;
    Guest::make_pipes(&directory)
}

fn make_disks(files: &Files, image: &Image, contents: &Path) -> Result<(), String> {
    let (lab, from) = (files.lab_disk(), contents.to_string_lossy().into_owned());
    tools::run("mke2fs", &["-q", "-t", "ext4", "-L", "lab", "-d", &from, &lab.to_string_lossy(), LAB_DISK])?;
    let (below, layer) = (image.disk(), files.disk());
    let line = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", &below.to_string_lossy(), &layer.to_string_lossy()];
    tools::run("qemu-img", &line).map(drop)
}

impl Machine {
    /// Switches the machine on and waits for its agent. `started` is told of the emulator at once.
    ///
    /// # Errors
    /// When it does not come up; with the last words of its console.
    pub(super) fn boot(
        node: &Node,
        size: MachineSize,
        ground: &Ground,
        clock: Clock,
        started: impl FnOnce(Process),
    ) -> Result<Machine, ClusterError> {
        network::plug_machine(node).map_err(|error| not_up(node, error))?;
        let child = qemu::start(node, size, ground.accelerator, ground.dies_with_us);
        let child = child.map_err(|error| not_up(node, error.to_string()))?;
        let qemu = Process::of(child.id()).ok_or_else(|| not_up(node, "QEMU ended at once".into()))?;
        started(qemu.clone());
        let machine = Machine::of(node, qemu, Some(child), clock);
        machine.wait_up(clock)?;
        Ok(machine)
    }

    fn of(node: &Node, qemu: Process, child: Option<Child>, clock: Clock) -> Machine {
        let guest = Guest::at(node.directory(), clock);
        let monitor = Monitor::at(Files::of(node).monitor());
        Machine { node: node.clone(), qemu, child, guest, monitor, mark: Cell::new(0), struck: Cell::new(false) }
    }

    /// A machine that another process switched on; none when it is off.
    pub(super) fn find(node: &Node, clock: Clock) -> Option<Machine> {
        let pid = fs::read_to_string(node.directory().join("qemu.pid")).ok()?.trim().parse().ok()?;
        let machine = Machine::of(node, Process::of(pid)?, None, clock);
        machine.is_on().then_some(machine)
    }

    /// Waits until the agent answers.
    ///
    /// # Errors
    /// When it does not in time, or the emulator ended.
    pub(super) fn wait_up(&self, clock: Clock) -> Result<(), ClusterError> {
        let deadline = clock.now() + BOOT_PATIENCE;
        while self.guest.greet(GREET_EVERY).is_err() {
            if !self.is_on() || clock.now() >= deadline {
                let end = if self.is_on() { format!("waited {BOOT_PATIENCE}") } else { "QEMU ended".into() };
                let said = [node::log_tail(&self.node, "qemu"), node::log_tail(&self.node, "console")].join(" | ");
                return Err(not_up(&self.node, format!("no agent, {end}: {said}")));
            }
            clock.sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Whether the emulator runs.
    pub(super) fn is_on(&self) -> bool {
        self.qemu.is_alive()
    }

    /// Whether the system on it answers.
    pub(super) fn answers(&self) -> bool {
        self.is_on() && self.guest.run("true", GLANCE).is_ok()
    }

    /// Runs a command of a profile inside the machine and returns what it printed.
    ///
    /// # Errors
    /// When the machine does not answer, or the command's own words.
    pub(super) fn run(&self, line: &str) -> Result<String, String> {
        let quoted = |word: String| if word.contains(' ') { format!("'{word}'") } else { word };
        let line: Vec<_> = words(line).into_iter().map(quoted).collect();
        self.guest.run(&line.join(" "), ASK_PATIENCE)
    }

    /// Runs a shell command as a user gave it.
    ///
    /// # Errors
    /// When the machine does not answer.
    pub(super) fn shell(&self, line: &str) -> Result<Answer, String> {
        self.guest.ask(line, ASK_PATIENCE)
    }

    /// Whether some UDP socket of the machine has that port.
    pub(super) fn has_udp_port(&self, port: u16) -> bool {
        let table = self.guest.run("cat /proc/net/udp", ASK_PATIENCE);
        table.is_ok_and(|table| super::init::has_port(&table, port))
    }

    /// Starts a service, if it does not run; whether it answers is for the caller to ask.
    ///
    /// # Errors
    /// When the machine does not answer or has no such service.
    pub(super) fn start(&self, service: &str) -> Result<(), ClusterError> {
        let unit = unit(service);
        let line = format!("systemctl reset-failed {unit} 2>/dev/null; systemctl start --no-block {unit}");
        self.guest.run(&line, ASK_PATIENCE).map(drop).map_err(|said| not_up(&self.node, said))
    }

    /// Whether a service was started and has ended.
    pub(super) fn died(&self, service: &str) -> bool {
        let line = format!("systemctl is-failed --quiet {}", unit(service));
        self.guest.ask(&line, ASK_PATIENCE).is_ok_and(|answer| answer.code == 0)
    }

    /// The last lines of a service's log, in one line.
    pub(super) fn log_tail(&self, service: &str) -> String {
        let line = format!("tail -n 4 /run/lab/log/{service}.log; systemctl show -P Result {}", unit(service));
        let said = self.guest.run(&line, ASK_PATIENCE).unwrap_or_else(|error| error);
        said.trim().replace('\n', " | ")
    }

    /// From now on the machine starts its servers by itself when it boots.
    ///
    /// # Errors
    /// When the machine does not answer.
    pub(super) fn start_by_itself(&self) -> Result<(), String> {
        self.guest.run("touch /run/lab/autostart && sync", ASK_PATIENCE).map(drop)
    }

    /// Whether the machine holds the address. One that does not answer is no owner that anybody could ask.
    pub(super) fn has_address(&self, address: &str) -> bool {
        // One that was silenced shall not hold the next fault up; a slow one shall not be taken for dead.
        let patience = if self.struck.get() { GLANCE } else { ASK_PATIENCE };
        let text = self.guest.run("ip -4 -o addr show dev eth0", patience);
        text.is_ok_and(|text| text.contains(&format!(" {address}/")))
    }

    /// Cuts the power: nothing of the machine is written any more.
    pub(super) fn kill(&self) {
        self.qemu.kill();
    }

    /// Waits until the emulator is gone; `kill` comes first.
    pub(super) fn reap(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _gone = child.wait();
        }
    }

    /// `running`, `paused` …, as QEMU has it.
    fn status(&self) -> Result<String, String> {
        let status = self.monitor.execute("query-status", &json!({}))?;
        Ok(status["status"].as_str().unwrap_or("unknown").to_owned())
    }
}
