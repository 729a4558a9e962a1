//! PID 1 of a lab node: `fivenines lab-init DIRECTORY`, started in fresh namespaces.
//!
//! It mounts the node's disk, then obeys: one datagram `start SERVICE` on the socket `control` starts a
//! service. It reaps what dies, tells keepalived by a file when the SIP server is down or up, and stamps
//! everything in `log/boot.log`. It ends only by being killed, which ends the node.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::signal::SigSet;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, User, chroot, sethostname};
use serde::{Deserialize, Serialize};

use crate::experiment::run::clock::Clock;
use crate::units::Span;

/// Where the node's directory is seen inside.
pub(super) const INSIDE: &str = "/run/lab";

/// What keepalived watches: 1 when the SIP server is down.
const SIP_DOWN_FILE: &str = "/run/lab-sip-down";

/// How often the SIP server's port is looked for while it starts.
const LOOK_EVERY: Span = Span::from_millis(5);

/// What PID 1 must know, in `spec.json` of the node's directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// Host name.
    pub(super) name: String,
    /// The root file system under the node's disk.
    pub(super) root: PathBuf,
    /// Directories to make before anything is started.
    pub(super) directories: Vec<DirectorySpec>,
    /// What can be started.
    pub(super) services: Vec<ServiceSpec>,
}

/// One directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DirectorySpec {
    /// Where.
    pub(super) path: PathBuf,
    /// User; none: root.
    pub(super) owner: Option<String>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServiceSpec {
    /// `sip`, `media`, `xmpp`, `ha`.
    pub(super) name: String,
    /// Program and arguments.
    pub(super) command: Vec<String>,
    /// User that it runs as; none: root.
    pub(super) user: Option<String>,
}

/// Runs as PID 1 of a node until it is killed. `arguments` is the node's directory.
///
/// Returns only when the node cannot be set up; the reason is on standard error.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    let [directory] = arguments else {
        eprintln!("lab-init is started by `fivenines lab up`: it wants a node's directory");
        return ExitCode::from(2);
    };
    // The tool may have blocked signals for itself; servers shall start with none blocked.
    let _never = SigSet::all().thread_unblock();
    let Err(error) = Init::boot(Path::new(directory)).and_then(|init| init.obey());
    eprintln!("lab-init {directory}: {error}");
    ExitCode::FAILURE
}

/// A booted node, seen from inside.
struct Init {
    clock: Clock,
    spec: Spec,
    control: UnixDatagram,
    running: Arc<Mutex<Running>>,
}

/// Services by number, and the log. Locked while a service is started, so that the reaper cannot take a
/// child that `spawn` itself still wants to wait for.
struct Running {
    services: HashMap<i32, String>,
    log: File,
    clock: Clock,
}

impl Init {
    fn boot(directory: &Path) -> Result<Init, String> {
        if std::process::id() != 1 {
            return Err("not PID 1 of a namespace".into());
        }
        // Before the new /proc is mounted this link still has the number that the outside knows.
        let outside = fs::read_link("/proc/self").map_err(|error| format!("/proc/self: {error}"))?;
        let text = fs::read(directory.join("spec.json")).map_err(|error| format!("spec.json: {error}"))?;
        let spec: Spec = serde_json::from_slice(&text).map_err(|error| format!("spec.json: {error}"))?;
        mount_root(directory, &spec.root)?;
        prepare(&spec).map_err(|error| format!("preparing the node: {error}"))?;
        let clock = Clock::start();
        let inside = Path::new(INSIDE);
        let log = OpenOptions::new().create(true).append(true).open(inside.join("log/boot.log"));
        let log = log.map_err(|error| format!("boot.log: {error}"))?;
        let control = bind_control(inside).map_err(|error| format!("control socket: {error}"))?;
        let running = Arc::new(Mutex::new(Running { services: HashMap::new(), log, clock }));
        let init = Init { clock, spec, control, running };
        init.stamp("init");
        // The last step: whoever reads this number may send commands.
        write_whole(&inside.join("pid1"), &outside.to_string_lossy()).map_err(|error| format!("pid1: {error}"))?;
        Ok(init)
    }

    /// Starts what it is told to start, for ever.
    fn obey(self) -> Result<Infallible, String> {
        let running = Arc::clone(&self.running);
        let clock = self.clock;
        thread::Builder::new()
            .name("reaper".into())
            .spawn(move || reap(&running, clock))
            .map_err(|error| format!("reaper: {error}"))?;
        let mut buffer = [0; 64];
        loop {
            let length = self.control.recv(&mut buffer).map_err(|error| format!("control socket: {error}"))?;
            let words = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if let Some(service) = words.strip_prefix("start ").and_then(|name| self.service(name)) {
                self.start(service);
            } else {
                self.stamp(&format!("unknown command {words:?}"));
            }
        }
    }

    fn service(&self, name: &str) -> Option<&ServiceSpec> {
        self.spec.services.iter().find(|service| service.name == name)
    }

    fn start(&self, service: &ServiceSpec) {
        let mut running = lock(&self.running);
        if running.services.values().any(|name| *name == service.name) {
            return running.stamp(&format!("{} runs already", service.name));
        }
        match spawn(service) {
            Ok(pid) => {
                running.services.insert(pid, service.name.clone());
                running.stamp(&format!("started {} pid={pid}", service.name));
                // A full disk is seen by whoever waits for the file.
                let _full = write_whole(&Path::new(INSIDE).join(format!("{}.pid", service.name)), &pid.to_string());
                drop(running);
                if service.name == "sip" {
                    self.watch_sip(pid);
                }
            }
            Err(error) => running.stamp(&format!("cannot start {}: {error}", service.name)),
        }
    }

    /// Tells keepalived as soon as the SIP server that just started has its port.
    fn watch_sip(&self, pid: i32) {
        let running = Arc::clone(&self.running);
        let clock = self.clock;
        let watch = move || {
            while !sip_port_bound() {
                if !lock(&running).services.contains_key(&pid) {
                    return;
                }
                clock.sleep(LOOK_EVERY);
            }
            let mut running = lock(&running);
            if running.services.contains_key(&pid) {
                running.sip_is("0", "sip port bound");
            }
        };
        if let Err(error) = thread::Builder::new().name("sip-port".into()).spawn(watch) {
            self.stamp(&format!("cannot watch the SIP port: {error}"));
        }
    }

    fn stamp(&self, text: &str) {
        lock(&self.running).stamp(text);
    }
}

impl Running {
    /// A line `UNIX_SECONDS text` in the log.
    fn stamp(&mut self, text: &str) {
        let now = self.clock.wall_now();
        let _full = writeln!(self.log, "{}.{:09} {text}", now / 1_000_000_000, now % 1_000_000_000);
    }

    fn died(&mut self, status: WaitStatus) {
        let Some(name) = status.pid().and_then(|pid| self.services.remove(&pid.as_raw())) else { return };
        if name == "sip" {
            self.sip_is("1", "sip died");
        }
        self.stamp(&format!("died {name}: {status:?}"));
    }

    fn sip_is(&mut self, value: &str, text: &str) {
        if let Err(error) = fs::write(SIP_DOWN_FILE, value) {
            self.stamp(&format!("{SIP_DOWN_FILE}: {error}"));
        }
        self.stamp(text);
    }
}

/// Waits for every child that dies, adopted ones included.
fn reap(running: &Mutex<Running>, clock: Clock) {
    loop {
        // Only looks: the child is taken under the lock.
        if waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::ECHILD) {
            clock.sleep(LOOK_EVERY);
            continue;
        }
        let mut running = lock(running);
        if let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            running.died(status);
        }
    }
}

fn lock(running: &Mutex<Running>) -> std::sync::MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a service in a process group of its own, so that a fault hits its workers as well.
fn spawn(service: &ServiceSpec) -> io::Result<i32> {
    let [program, arguments @ ..] = service.command.as_slice() else {
        return Err(io::Error::other("no command"));
    };
    let log = Path::new(INSIDE).join("log").join(format!("{}.log", service.name));
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let mut command = Command::new(program);
    command.args(arguments).process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    if let Some(user) = &service.user {
        let user = User::from_name(user)?.ok_or_else(|| io::Error::other(format!("no user {user}")))?;
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    Ok(command.spawn()?.id().cast_signed())
}

/// The node's root: the machine's own root or one that was made, unchanged, with the node's disk over it.
fn mount_root(directory: &Path, lower: &Path) -> Result<(), String> {
    let root = directory.join("root");
    let none = MsFlags::empty();
    put(None, Path::new("/"), None, MsFlags::MS_PRIVATE | MsFlags::MS_REC, "")?;
    let disk = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        directory.join("upper").display(),
        directory.join("work").display()
    );
    put(Some("overlay"), &root, Some("overlay"), none, &disk)?;
    put(Some("proc"), &root.join("proc"), Some("proc"), none, "")?;
    put(Some("sysfs"), &root.join("sys"), Some("sysfs"), none, "")?;
    put(Some("/dev"), &root.join("dev"), None, MsFlags::MS_BIND | MsFlags::MS_REC, "")?;
    for place in ["dev/shm", "run", "tmp"] {
        put(Some("tmpfs"), &root.join(place), Some("tmpfs"), none, "mode=1777")?;
    }
    let inside = root.join(INSIDE.trim_start_matches('/'));
    fs::create_dir(&inside).map_err(|error| format!("{}: {error}", inside.display()))?;
    put(directory.to_str(), &inside, None, MsFlags::MS_BIND, "")?;
    chroot(&root).map_err(|error| format!("chroot {}: {error}", root.display()))?;
    std::env::set_current_dir("/").map_err(|error| format!("/: {error}"))
}

fn put(source: Option<&str>, target: &Path, kind: Option<&str>, flags: MsFlags, data: &str) -> Result<(), String> {
    mount(source, target, kind, flags, Some(data).filter(|data| !data.is_empty()))
        .map_err(|error| format!("mount {} on {}: {error}", source.unwrap_or("nothing"), target.display()))
}

/// What services expect of a booted machine.
fn prepare(spec: &Spec) -> io::Result<()> {
    sethostname(&spec.name)?;
    // Servers bind the floating address while another node holds it.
    fs::write("/proc/sys/net/ipv4/ip_nonlocal_bind", "1")?;
    // A kernel without IPv6 has no such file.
    let _without = fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    fs::create_dir_all("/run/lock")?;
    for directory in &spec.directories {
        fs::create_dir_all(&directory.path)?;
        if let Some(user) = directory.owner.as_deref().map(User::from_name).transpose()?.flatten() {
            std::os::unix::fs::chown(&directory.path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
    }
    fs::write(SIP_DOWN_FILE, "1")
}

fn bind_control(inside: &Path) -> io::Result<UnixDatagram> {
    let path: PathBuf = inside.join("control");
    // Left behind by the boot before.
    let _none = fs::remove_file(&path);
    UnixDatagram::bind(path)
}

/// Writes a file that nobody ever sees half written.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, text)?;
    fs::rename(fresh, path)
}

/// Whether any UDP socket of this namespace has port 5060: asking the server itself would be traffic.
fn sip_port_bound() -> bool {
    fs::read_to_string("/proc/net/udp").is_ok_and(|table| has_port(&table, 5060))
}

/// Whether the kernel's table of UDP sockets (`/proc/net/udp`) has that local port.
pub(super) fn has_port(table: &str, port: u16) -> bool {
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().nth(1)).any(|local| local.ends_with(&suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_port_is_seen_in_the_kernels_table() {
        let table = "  sl  local_address rem_address   st\n 93: 0A004D0A:13C4 00000000:0000 07 00000000\n";
        assert!(has_port(table, 5060));
        assert!(!has_port(table, 5061));
        assert!(!has_port("", 5060));
    }

    #[test]
    fn outside_a_namespace_it_refuses_to_run() {
        let code = |arguments: &[String]| format!("{:?}", main(arguments));
        assert_eq!(code(&[]), format!("{:?}", ExitCode::from(2)));
        // Must fail before any mount: a test is not PID 1.
        assert_eq!(code(&["/no/such/node".to_owned()]), format!("{:?}", ExitCode::FAILURE));
    }
}
