//! One node from outside: its boot, its services, its end.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Child;

use nix::unistd::User;

use super::certificates::Certificates;
use super::init::{self, INSIDE, ServiceSpec, Spec};
use super::layout::{DOMAIN, Layout, Node, PASSWORD_PREFIX};
use super::process::{self, Process};
use super::{config, network, tools};
use crate::experiment::cluster::ClusterError;
use crate::experiment::run::clock::Clock;
use crate::scenario::Service;
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
    services: BTreeMap<&'static str, Process>,
}

/// Name of a service in commands and file names of a node.
pub(super) fn service_name(service: Service) -> &'static str {
    match service {
        Service::Sip => "sip",
        Service::Media => "media",
        Service::Xmpp => "xmpp",
    }
}

/// The HA engine; faults of it are not in the list of services.
pub(super) const ENGINE: &str = "ha";

/// Writes all that a node needs; done once, and kept over boots.
///
/// # Errors
/// When the directory cannot be written.
pub(super) fn furnish(layout: &Layout, node: &Node, tls: &Certificates, users: &[String]) -> io::Result<()> {
    let directory = node.directory();
    for part in ["root", "upper", "work", "log", "etc"] {
        fs::create_dir_all(directory.join(part))?;
    }
    config::write(layout, node, &directory.join("etc"))?;
    fs::write(directory.join("etc/lab.crt"), &tls.chain)?;
    fs::write(directory.join("etc/lab.key"), &tls.key)?;
    let spec = Spec { name: node.name.clone(), services: services() };
    fs::write(directory.join("spec.json"), serde_json::to_vec_pretty(&spec)?)?;
    write_accounts(&directory.join("prosody"), users)
}

fn services() -> Vec<ServiceSpec> {
    let service = |name: &str, user: Option<&str>, line: &str| ServiceSpec {
        name: name.into(),
        command: line.split(' ').map(|word| word.replace("@etc", &format!("{INSIDE}/etc"))).collect(),
        user: user.map(String::from),
    };
    vec![
        service("media", None, "rtpengine --config-file=@etc/rtpengine.conf --pidfile=/run/rtpengine.pid"),
        service("sip", None, "kamailio -DD -E -m 128 -M 16 -f @etc/kamailio.cfg -u root -P /run/kamailio/kamailio.pid"),
        service("xmpp", Some("prosody"), "prosody -F --config @etc/prosody.cfg.lua"),
        service(ENGINE, None, "keepalived -n -l -D -f @etc/keepalived.conf"),
    ]
}

/// One file an account, as Prosody's internal storage has them: its own tool takes 0.2 s for each.
fn write_accounts(data: &Path, users: &[String]) -> io::Result<()> {
    let host = data.join(encoded(DOMAIN));
    let accounts = host.join("accounts");
    fs::create_dir_all(&accounts)?;
    let mut paths = vec![data.to_owned(), host, accounts.clone()];
    for user in users {
        let file = accounts.join(format!("{}.dat", encoded(user)));
        fs::write(&file, format!("return {{\n\t[\"password\"] = \"{PASSWORD_PREFIX}{user}\";\n}};\n"))?;
        paths.push(file);
    }
    let owner = User::from_name("prosody")?.ok_or_else(|| io::Error::other("the machine has no user `prosody`"))?;
    paths.iter().try_for_each(|path| chown(path, Some(owner.uid.as_raw()), Some(owner.gid.as_raw())))
}

/// Prosody's file names: every octet but letters and digits as `%xx`.
fn encoded(name: &str) -> String {
    let octet = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(octet).to_string(),
        other => format!("%{other:02x}"),
    };
    name.bytes().map(octet).collect()
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
        for stale in ["pid1", "media.pid", "sip.pid", "xmpp.pid", "ha.pid"] {
            let _none = fs::remove_file(directory.join(stale));
        }
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

    /// Whether some UDP socket of the node has that port.
    pub(super) fn has_udp_port(&self, port: u16) -> bool {
        let table = fs::read_to_string(format!("/proc/{}/net/udp", self.pid1.pid));
        table.is_ok_and(|table| init::has_port(&table, port))
    }

    /// Starts a service and waits until it is forked; whether it answers is for the caller to ask.
    ///
    /// # Errors
    /// When PID 1 cannot be reached or the program cannot be started.
    pub(super) fn start(&mut self, service: &'static str, clock: Clock) -> Result<(), ClusterError> {
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
        self.services.insert(service, process);
        Ok(())
    }

    /// The main process of a service.
    ///
    /// # Errors
    /// When it was never started.
    pub(super) fn service(&self, service: Service) -> Result<&Process, String> {
        let name = service_name(service);
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
    use super::*;

    #[test]
    fn account_files_are_named_as_prosody_names_them() {
        // '.' is 0x2e, '-' 0x2d, '_' 0x5f.
        assert_eq!(encoded("lab.test"), "lab%2etest");
        assert_eq!(encoded("chat-03_a"), "chat%2d03%5fa");
    }

    #[test]
    fn every_service_of_a_fault_can_be_started() {
        let names: Vec<_> = services().into_iter().map(|service| service.name).collect();
        for service in [Service::Sip, Service::Media, Service::Xmpp] {
            assert!(names.contains(&service_name(service).to_owned()));
        }
        assert!(names.contains(&ENGINE.to_owned()));
        assert!(services().iter().all(|service| service.command.iter().all(|word| !word.contains('@'))));
    }
}
