//! The reference cluster: small SIP and XMPP nodes of this program itself, as child processes on loopback
//! addresses, behind a floating address whose takeover delay is configured. It needs no root and no installed
//! server; and since its outage is planted, it is the standard that the instrument is calibrated with.
//!
//! What its faults are, on loopback (the switch, [`switch`], says how):
//! - *power off*: SIGKILL of the node; datagrams vanish, TCP connections stand half open.
//! - *service kill*: SIGKILL of the node, whose one process is all services; TCP connections are closed (FIN).
//!   Unlike on a real host, datagrams vanish and draw no ICMP error.
//! - *service hang*: SIGSTOP of the node; it is fenced (SIGKILL) when the next node takes the address over.

mod control;
mod node;
mod relay;
mod sip;
mod sip_loop;
mod switch;
pub(crate) mod xmpp;

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub use node::main as node_main;

use super::{Action, CapturePoint, Cluster, ClusterError, Endpoints, Passwords};
use crate::experiment::agent::sip::phone::behaviour::Target;
use crate::experiment::run::clock::Clock;
use crate::experiment::run::recorder::Recorder;
use crate::scenario::{ReferenceCluster, SrvRecord};
use crate::units::Span;
use control::{Channel, NodeConfig, ToNode};
use switch::Switch;

const DOMAIN: &str = "fivenines.test";
const PASSWORD_PREFIX: &str = "secret-";
/// A node that is not ready by then will never be.
const BOOT_TIMEOUT: Span = Span::from_secs(5);
const FIRST_MEDIA_PORT: u16 = 30000;
/// Nobody takes a node's own address over.
const NEVER: Span = Span::from_secs(86_400);

/// The cluster and its child processes.
#[derive(Debug)]
pub struct Reference {
    config: ReferenceCluster,
    program: PathBuf,
    /// Two relay ports for each leg of each call that can be up at a time.
    media_ports: std::ops::Range<u16>,
    clock: Clock,
    /// One for the floating address; with SRV records one for each node.
    switches: Vec<Switch>,
    nodes: Vec<Option<Child>>,
    users: Vec<String>,
    /// A node that starts again must not repeat the tags and branches of its former life.
    boots: u64,
    certificates: xmpp::Certificates,
}

impl Reference {
    /// A cluster that is not up yet. `program`: this program, which serves as node when told so.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn new(
        config: &ReferenceCluster,
        program: PathBuf,
        concurrent_calls: usize,
    ) -> Result<Reference, ClusterError> {
        let ports = u16::try_from(concurrent_calls * 4 + 16).unwrap_or(20_000).min(20_000);
        let names = [DOMAIN.to_owned(), config.address.get_ref().to_string()];
        let certificates =
            xmpp::issue(&names).map_err(|error| failed("making a certificate", DOMAIN, &error.to_string()))?;
        Ok(Reference {
            nodes: config.nodes.iter().map(|_| None).collect(),
            config: config.clone(),
            program,
            media_ports: FIRST_MEDIA_PORT..FIRST_MEDIA_PORT + ports,
            clock: Clock::start(),
            switches: Vec::new(),
            users: Vec::new(),
            boots: 0,
            certificates,
        })
    }

    fn index(&self, node: &str) -> Result<usize, ClusterError> {
        self.config.nodes.iter().position(|name| name == node).ok_or_else(|| failed("finding", node, "no such node"))
    }

    /// The switch that a node is plugged into, and its place there.
    fn plug(&self, index: usize) -> Option<(&Switch, usize)> {
        if self.floats() { Some((self.switches.first()?, index)) } else { Some((self.switches.get(index)?, 0)) }
    }

    /// Where a node serves.
    fn served(&self, index: usize) -> Ipv4Addr {
        if self.floats() { *self.config.address.get_ref() } else { self.own_ip(index) }
    }

    fn own_ip(&self, index: usize) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(*self.config.address.get_ref()) + 1 + index as u32)
    }

    /// What the domain's SRV records say.
    fn targets(&self) -> Vec<Target> {
        let address = switch::sip_address(*self.config.address.get_ref());
        if self.floats() {
            return vec![Target { address, priority: 0, weight: 0 }];
        }
        let record = |record: &SrvRecord| {
            let node = self.config.nodes.iter().position(|node| *node == record.node).unwrap_or(0);
            let address = switch::sip_address(self.own_ip(node));
            Target { address, priority: record.priority, weight: record.weight }
        };
        self.config.srv.iter().map(|of| record(of.get_ref())).collect()
    }

    fn start_switches(&mut self) -> std::io::Result<()> {
        if self.floats() {
            let takeovers = self.config.takeover.iter().map(|delay| delay.0).collect();
            let address = *self.config.address.get_ref();
            let switch = Switch::start(address, self.media_ports.clone(), &self.config.nodes, takeovers, self.clock)?;
            self.switches.push(switch);
            return Ok(());
        }
        for (index, name) in self.config.nodes.iter().enumerate() {
            let (address, names) = (self.own_ip(index), std::slice::from_ref(name));
            let switch = Switch::start(address, self.media_ports.clone(), names, vec![NEVER], self.clock)?;
            self.switches.push(switch);
        }
        Ok(())
    }

    fn own_address(&self, index: usize) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.own_ip(index)), 5070)
    }

    fn boot(&mut self, index: usize) -> Result<(), ClusterError> {
        let name = self.config.nodes[index].clone();
        let failed = |reason: std::io::Error| failed("starting", &name, &reason.to_string());
        let (channel, theirs) = Channel::pair().map_err(failed)?;
        let child = Command::new(&self.program)
            .arg("reference-node")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C at the terminal is for the tool, which ends its nodes itself.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pid = Pid::from_raw(child.id().cast_signed());
        self.boots += 1;
        self.nodes[index] = Some(child);
        channel.send(&ToNode::Begin(Box::new(self.node_config(index))), &[]).map_err(failed)?;
        if let Some((switch, place)) = self.plug(index) {
            switch.plug(place, channel, pid);
        }
        self.wait_ready(index)?;
        if !self.floats()
            && let Some((switch, place)) = self.plug(index)
        {
            switch.assign(place);
        }
        Ok(())
    }

    fn node_config(&self, index: usize) -> NodeConfig {
        let own = self.own_address(index);
        NodeConfig {
            name: self.config.nodes[index].clone(),
            domain: DOMAIN.into(),
            address: switch::sip_address(self.served(index)),
            own,
            share_registrations: self.config.share_registrations,
            peers: (0..self.nodes.len()).map(|peer| self.own_address(peer)).filter(|peer| *peer != own).collect(),
            password_prefix: PASSWORD_PREFIX.into(),
            media_ports: (self.media_ports.start, self.media_ports.end),
            users: self.users.clone(),
            cert_pem: self.certificates.certificate_pem.clone(),
            key_pem: self.certificates.key_pem.clone(),
            seed: u64::from(std::process::id()) << 32 | self.boots,
            monotonic_epoch_ns: self.clock.monotonic_epoch_ns(),
        }
    }

    fn wait_ready(&mut self, index: usize) -> Result<(), ClusterError> {
        let deadline = self.clock.now() + BOOT_TIMEOUT;
        while !self.plug(index).is_some_and(|(switch, place)| switch.is_ready(place)) {
            let ended = self.nodes[index].as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))));
            if ended || self.clock.now() > deadline {
                let reason = self.last_words(index);
                return Err(ClusterError::NotUp { node: self.config.nodes[index].clone(), reason });
            }
            self.clock.sleep(Span::from_millis(2));
        }
        Ok(())
    }

    /// Ends the node and reads what it said before.
    fn last_words(&mut self, index: usize) -> String {
        let Some(mut child) = self.nodes[index].take() else { return "it was not started".into() };
        let _ended_already = child.kill();
        let _reaped = child.wait();
        let mut words = String::new();
        if let Some(stderr) = &mut child.stderr {
            let _unreadable = stderr.read_to_string(&mut words);
        }
        if words.is_empty() { format!("not ready within {BOOT_TIMEOUT}") } else { words }
    }

    fn end(&mut self, index: usize) {
        if let Some(mut child) = self.nodes[index].take() {
            let _ended_already = child.kill();
            let _reaped = child.wait();
        }
    }

    fn pid(&self, index: usize, action: &str) -> Result<Pid, ClusterError> {
        let child =
            self.nodes[index].as_ref().ok_or_else(|| failed(action, &self.config.nodes[index], "it is down"))?;
        Ok(Pid::from_raw(child.id().cast_signed()))
    }
}

fn failed(action: &str, node: &str, reason: &str) -> ClusterError {
    ClusterError::Failed { action: action.into(), node: node.into(), reason: reason.into() }
}

impl Cluster for Reference {
    fn describe(&self) -> String {
        let nodes = self.config.nodes.join(" ");
        if !self.floats() {
            return format!("reference: {nodes} by DNS SRV, without a floating address");
        }
        format!("reference: {nodes} behind {}", self.config.address.get_ref())
    }

    fn versions(&self) -> Vec<(String, String)> {
        vec![("fivenines reference node".into(), env!("CARGO_PKG_VERSION").into())]
    }

    fn nodes(&self) -> Vec<String> {
        self.config.nodes.clone()
    }

    fn supports(&self, action: Action) -> Result<(), String> {
        match action {
            Action::PowerOff | Action::ServiceKill(_) | Action::ServiceHang(_) => Ok(()),
            _ => Err("a node of the reference cluster has no link, no engine and no disk".into()),
        }
    }

    fn up(&mut self, users: &[String]) -> Result<(), ClusterError> {
        self.users = users.to_vec();
        self.start_switches().map_err(|error| ClusterError::NotReady {
            what: error.to_string(),
            remedy: "end the program that holds the port, or give the cluster another address in 127.0.0.0/8".into(),
        })?;
        for index in 0..self.nodes.len() {
            self.boot(index)?;
        }
        if self.floats()
            && let Some(switch) = self.switches.first()
        {
            switch.assign(0);
        }
        Ok(())
    }

    fn observe(&mut self, recorder: &Recorder) {
        // Without a floating address nobody owns it.
        if self.floats() {
            self.switches.iter().for_each(|switch| switch.observe(recorder));
        }
    }

    fn endpoints(&self) -> Endpoints {
        let address = *self.config.address.get_ref();
        let client = u32::from(address) & !0xff | 201;
        Endpoints {
            sip: self.targets().first().map_or(switch::sip_address(address), |target| target.address),
            targets: self.targets(),
            xmpp: switch::xmpp_address(address),
            domain: DOMAIN.into(),
            ca_pem: self.certificates.ca_pem.clone(),
            client: IpAddr::V4(Ipv4Addr::from(client)),
            client_netns: None,
            passwords: Passwords::behind(PASSWORD_PREFIX),
        }
    }

    fn floats(&self) -> bool {
        self.config.srv.is_empty()
    }

    fn capture_points(&self) -> Vec<CapturePoint> {
        Vec::new()
    }

    fn owners(&mut self) -> Result<Vec<String>, ClusterError> {
        let owner = self.switches.first().filter(|_| self.floats()).and_then(Switch::owner);
        Ok(owner.map(|owner| self.config.nodes[owner].clone()).into_iter().collect())
    }

    fn inject(&mut self, node: &str, action: Action) -> Result<String, ClusterError> {
        let index = self.index(node)?;
        let pid = self.pid(index, "injecting")?;
        let (signal, word) = match action {
            Action::PowerOff | Action::ServiceKill(_) => (Signal::SIGKILL, "SIGKILL"),
            Action::ServiceHang(_) => (Signal::SIGSTOP, "SIGSTOP"),
            _ => return Err(failed("injecting", node, "it has no link, no engine and no disk")),
        };
        let at = self.clock.now();
        kill(pid, signal).map_err(|errno| failed("injecting", node, errno.desc()))?;
        if let Some((switch, place)) = self.plug(index) {
            match action {
                Action::ServiceHang(_) => switch.hangs(place, at),
                _ => switch.lost(place, action == Action::PowerOff, at),
            }
        }
        Ok(format!("{word} to process {pid}"))
    }

    fn verify(&mut self, node: &str, action: Action) -> Result<String, ClusterError> {
        let index = self.index(node)?;
        let pid = self.pid(index, "verifying")?;
        let wanted = if matches!(action, Action::ServiceHang(_)) { ["T", "Z"] } else { ["Z", "X"] };
        let deadline = self.clock.now() + Span::from_secs(1);
        loop {
            let state = process_state(pid);
            if wanted.contains(&state.as_str()) {
                return Ok(format!("process {pid} is in state {state}"));
            }
            if self.clock.now() > deadline {
                return Err(failed("verifying", node, &format!("process {pid} is in state {state}")));
            }
            self.clock.sleep(Span::from_millis(1));
        }
    }

    fn heal(&mut self, node: &str, _action: Action) -> Result<(), ClusterError> {
        // A node that was stopped and fenced is dead as well: every heal is a boot.
        let index = self.index(node)?;
        self.end(index);
        if let Some((switch, place)) = self.plug(index) {
            switch.lost(place, true, self.clock.now());
        }
        self.boot(index)
    }

    fn configured_takeover(&self, index: usize) -> Option<Span> {
        self.config.takeover.get(index).or(self.config.takeover.last()).map(|delay| delay.0)
    }

    fn down(&mut self) {
        for index in 0..self.nodes.len() {
            self.end(index);
        }
        self.switches.clear();
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.down();
    }
}

/// The state letter of a process (proc(5)); `X` when there is none.
fn process_state(pid: Pid) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().next().unwrap_or("X").to_owned()
}

/// The control channel of a node process is its standard input.
fn standard_input() -> std::io::Result<OwnedFd> {
    use std::os::fd::AsFd;
    std::io::stdin().as_fd().try_clone_to_owned()
}
