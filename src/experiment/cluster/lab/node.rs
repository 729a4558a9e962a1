//! One node from outside: its boot, its services, its end.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Child;

use nix::mount::{MsFlags, mount};

use super::certificates::Certificates;
use super::init::{self, DirectorySpec, ServiceSpec, Spec};
use super::layout::{Layout, Node};
use super::process::{self, Process};
use super::profile::words;
use super::{config, network, tools};
use crate::experiment::cluster::ClusterError;
use crate::experiment::run::clock::Clock;
use crate::units::Span;

/// How long PID 1 may take to mount its disk, and a service to be forked.
const START_PATIENCE: Span = Span::from_secs(5);

/// How often what starts is looked at.
pub(super) const LOOK_EVERY: Span = Span::from_millis(5);

/// A node that was booted.
#[derive(Debug)]
pub(super) struct Booted {
    /// Which one.
    pub(super) node: Node,
    /// Its PID 1.
    pub(super) pid1: Process,
    /// The `unshare` that waits for PID 1; none for a lab that another process put up.
    outer: Option<Child>,
    /// Service name → main process, which leads the service's group.
    services: BTreeMap<String, Process>,
}

/// The node's disk is so large; it is in memory, so that a full one fills no other.
const DISK: &str = "size=160m,mode=0755";

/// Writes all that a node needs; done once, and kept over boots.
///
/// # Errors
/// When the directory cannot be written.
pub(super) fn furnish(layout: &Layout, node: &Node, tls: &Certificates, users: &[String]) -> Result<(), String> {
    let directory = node.directory();
    insert_disk(&directory, DISK)
        .and_then(|()| make_places(&directory))
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    config::write(layout, node, users, &directory, &layout.root.path())?;
    let files = [
        ("etc/lab.crt", tls.chain.clone().into_bytes()),
        ("etc/lab.key", tls.key.clone().into_bytes()),
        ("spec.json", serde_json::to_vec_pretty(&spec(layout, node)).map_err(|error| error.to_string())?),
    ];
    files.into_iter().try_for_each(|(name, text)| {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    })
}

/// Gives the node a directory of its own file system, with a place for logs.
///
/// # Errors
/// When it cannot be mounted.
pub(super) fn insert_disk(directory: &Path, room: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    mount(Some("fivenines"), directory, Some("tmpfs"), MsFlags::empty(), Some(room))?;
    fs::create_dir_all(directory.join("log"))
}

fn make_places(directory: &Path) -> io::Result<()> {
    ["root", "upper", "work", "etc"].into_iter().try_for_each(|part| fs::create_dir_all(directory.join(part)))
}

fn spec(layout: &Layout, node: &Node) -> Spec {
    let processes = || layout.profile.processes();
    let directories = processes().flat_map(|service| &service.directories);
    Spec {
        name: node.name.clone(),
        root: layout.root.path(),
        directories: directories
            .map(|of| DirectorySpec { path: PathBuf::from(&of.path), owner: of.owner.clone() })
            .collect(),
        services: processes()
            .map(|service| ServiceSpec {
                name: service.name.clone(),
                command: words(&service.command),
                user: service.user.clone(),
            })
            .collect(),
    }
}

impl Booted {
    /// Starts PID 1 in fresh namespaces. `started` is told of each process at once.
    ///
    /// # Errors
    /// When PID 1 does not get through its mounts; with its last words.
    pub(super) fn boot(
        node: &Node,
        program: &Path,
        clock: Clock,
        mut started: impl FnMut(Process),
    ) -> Result<Booted, ClusterError> {
        let directory = node.directory();
        remove_numbers(&directory);
        let mut outer = spawn(program, &directory).map_err(|error| not_up(node, error.to_string()))?;
        Process::of(outer.id()).into_iter().for_each(&mut started);
        let Some(pid) = wait_for_number(clock, &directory.join("pid1")) else {
            let _gone = outer.kill();
            let _gone = outer.wait();
            return Err(not_up(node, format!("PID 1 said: {}", log_tail(node, "init"))));
        };
        let pid1 = Process::of(pid).ok_or_else(|| not_up(node, format!("PID 1 ({pid}) died")))?;
        started(pid1.clone());
        network::plug(node, pid).map_err(|error| not_up(node, error))?;
        Ok(Booted { node: node.clone(), pid1, outer: Some(outer), services: BTreeMap::new() })
    }

    /// A node that another process booted; none when it does not run.
    pub(super) fn find(node: &Node) -> Option<Booted> {
        let pid = read_number(&node.directory().join("pid1"))?;
        let pid1 = Process::of(pid)?;
        let booted = Booted { node: node.clone(), pid1, outer: None, services: BTreeMap::new() };
        booted.is_alive().then_some(booted)
    }

    /// Whether PID 1 runs.
    pub(super) fn is_alive(&self) -> bool {
        self.pid1.is_alive()
    }

    /// Runs a command inside the node and returns what it printed.
    ///
    /// # Errors
    /// The command line and what it said.
    pub(super) fn run(&self, line: &str) -> Result<String, String> {
        let pid1 = self.pid1.pid.to_string();
        let inside = words(line);
        let command: Vec<_> = inside.iter().map(String::as_str).collect();
        tools::run("nsenter", &[&["-t", &pid1, "-a", "-r", "-w", "--"], &command[..]].concat())
    }

    /// Whether some UDP socket of the node has that port.
    pub(super) fn has_udp_port(&self, port: u16) -> bool {
        let table = fs::read_to_string(format!("/proc/{}/net/udp", self.pid1.pid));
        table.is_ok_and(|table| init::has_port(&table, port))
    }

    /// Starts a service and waits until it is forked; whether it answers is for the caller to ask.
    ///
    /// # Errors
    /// When PID 1 cannot be reached or the program cannot be started.
    pub(super) fn start(&mut self, service: &str, clock: Clock) -> Result<(), ClusterError> {
        let directory = self.node.directory();
        let file = directory.join(format!("{service}.pid"));
        let _none = fs::remove_file(&file);
        let words = format!("start {service}");
        let sent =
            UnixDatagram::unbound().and_then(|socket| socket.send_to(words.as_bytes(), directory.join("control")));
        sent.map_err(|error| not_up(&self.node, format!("{words}: {error}")))?;
        let process = wait_for_number(clock, &file)
            .and_then(|inner| process::translate(self.pid1.pid, inner))
            .and_then(Process::of)
            .ok_or_else(|| not_up(&self.node, format!("{service}: {}", log_tail(&self.node, service))))?;
        self.services.insert(service.to_owned(), process);
        Ok(())
    }

    /// The main process of a service.
    ///
    /// # Errors
    /// When it was never started.
    pub(super) fn process(&self, name: &str) -> Result<&Process, String> {
        self.services.get(name).ok_or_else(|| format!("{name} was never started on {}", self.node.name))
    }

    /// Whether a service of that name was started and has ended.
    pub(super) fn died(&self, service: &str) -> bool {
        self.services.get(service).is_some_and(|process| !process.is_alive())
    }

    /// Ends the node at once, as a power cut does.
    pub(super) fn kill(&self) {
        self.pid1.kill();
    }

    /// Waits until the node's processes are gone; `kill` comes first.
    pub(super) fn reap(&mut self) {
        if let Some(mut outer) = self.outer.take() {
            let _gone = outer.kill();
            let _gone = outer.wait();
        }
    }
}

/// Removes the numbers of a former boot's processes.
fn remove_numbers(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let numbers = paths.filter(|path| path.ends_with("pid1") || path.extension().is_some_and(|end| end == "pid"));
    numbers.for_each(|path| {
        let _none = fs::remove_file(path);
    });
}

fn spawn(program: &Path, directory: &Path) -> io::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(directory.join("log/init.log"))?;
    let mut command = tools::command("unshare");
    command.args(["--pid", "--mount", "--uts", "--ipc", "--net", "--fork", "--kill-child", "--"]);
    command.arg(program).arg("lab-init").arg(directory);
    // A group of its own: Ctrl-C in the terminal is for the tool, not for the nodes.
    command.process_group(0).stdout(log.try_clone()?).stderr(log).spawn()
}

fn wait_for_number(clock: Clock, file: &Path) -> Option<u32> {
    let deadline = clock.now() + START_PATIENCE;
    while clock.now() < deadline {
        if let Some(number) = read_number(file) {
            return Some(number);
        }
        clock.sleep(LOOK_EVERY);
    }
    None
}

fn read_number(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The last lines of a service's log, in one line.
pub(super) fn log_tail(node: &Node, service: &str) -> String {
    let file: PathBuf = node.directory().join("log").join(format!("{service}.log"));
    let text = fs::read(&file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    match lines.get(lines.len().saturating_sub(4)..) {
        None | Some([]) => format!("nothing in {}", file.display()),
        Some(last) => last.join(" | "),
    }
}

/// The node did not come up.
pub(super) fn not_up(node: &Node, reason: String) -> ClusterError {
    ClusterError::NotUp { node: node.name.clone(), reason }
}

#[cfg(test)]
mod tests {
    use super::super::layout::EngineOptions;
    use super::*;
    use crate::scenario::LAB_PROFILES;

    #[test]
    fn pid_1_of_every_profile_knows_what_to_start() {
        for profile in LAB_PROFILES {
            let names = ["alpha".to_owned(), "beta".to_owned()];
            let layout = Layout::of(&names, profile, EngineOptions::default(), None).unwrap();
            let spec = spec(&layout, &layout.nodes[0]);
            for process in layout.profile.processes() {
                assert!(spec.services.iter().any(|service| service.name == process.name), "{profile}");
            }
            assert!(spec.services.iter().all(|service| service.command.iter().all(|word| !word.contains('@'))));
            let places = ["/run", "/var/lib"];
            let known = |path: &Path| places.iter().any(|place| path.starts_with(place));
            assert!(spec.directories.iter().all(|directory| known(&directory.path)));
        }
    }
}
