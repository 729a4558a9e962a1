//! The system under test: what it is, and what can be done to it.

pub mod external;
pub mod lab;
mod netem;
pub mod reference;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::evidence::rundir::MachineInfo;
pub use crate::experiment::agent::link::{Impairment, Loss};
use crate::experiment::agent::sip::phone::behaviour::Target;
use crate::experiment::run::recorder::Recorder;
use crate::scenario::{Service, Way};
use crate::units::Span;

/// Why a cluster cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Something that the user can provide is missing: packages, privilege, a free port.
    #[error("{what}\n  remedy: {remedy}")]
    NotReady {
        /// What is missing.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A node or server did not come up in time.
    #[error("{node} did not come up: {reason}")]
    NotUp {
        /// The node.
        node: String,
        /// The last lines of its log, or what was waited for.
        reason: String,
    },
    /// An action failed.
    #[error("{action} on {node} failed: {reason}")]
    Failed {
        /// What was tried.
        action: String,
        /// Where.
        node: String,
        /// Why.
        reason: String,
    },
}

/// What can be done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Link first, then everything on the node, at once.
    PowerOff,
    /// SIGKILL of one server.
    ServiceKill(Service),
    /// SIGSTOP of one server.
    ServiceHang(Service),
    /// The switch port goes down.
    LinkDown,
    /// The switch drops the node's frames both ways.
    BlackHole,
    /// The cluster engine is told to hand the address over.
    EngineStop,
    /// SIGKILL of the cluster engine.
    EngineKill,
    /// SIGSTOP of the cluster engine.
    EngineHang,
    /// SIGSTOP of everything on the node.
    Freeze,
    /// The switch drops the node's frames in one direction.
    OneWay(Way),
    /// The switch drops frames between the node and its peers.
    Split,
    /// The floating address is taken off the node's interface.
    AddressLoss,
    /// The node's packets are delayed, lost, reordered or slowed down.
    Degrade(Degradation),
    /// No room on the node's disk.
    DiskFull,
    /// The node's TCP connections of SIP and XMPP are reset.
    ConnectionsReset,
    /// SIGKILL of the store, which is no node.
    StoreKill,
    /// Firmware, kernel, init and services start again.
    Reset,
    /// The node's kernel panics; after how long it starts the machine again, if ever.
    KernelPanic(Option<Span>),
    /// The node's clock jumps so far.
    ClockStep(Span),
    /// The whole machine stands still.
    MachinePause,
    /// The node's processors are busy.
    CpuExhaustion,
}

impl Action {
    /// The same action; what chance has in it follows from `seed`.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Action {
        match self {
            Action::Degrade(degradation) => Action::Degrade(Degradation { seed, ..degradation }),
            other => other,
        }
    }
}

/// What is wrong with a node's path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Degradation {
    /// What happens to a packet, in each direction for itself.
    pub impairment: Impairment,
    /// Which direction suffers; `None`: both.
    pub way: Option<Way>,
    /// The same seed gives the same packets the same fates.
    pub seed: u64,
}

impl Degradation {
    /// Whether packets that go this way suffer.
    #[must_use]
    pub fn hits(self, way: Way) -> bool {
        self.way.is_none_or(|only| only == way)
    }
}

/// What traffic must know of a cluster.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// SIP over UDP and TCP: the floating address, or the best server where there is none.
    pub sip: SocketAddr,
    /// What the domain's DNS SRV records say: the floating address alone, or the nodes' own ones.
    pub targets: Vec<Target>,
    /// XMPP with STARTTLS.
    pub xmpp: SocketAddr,
    /// Domain of both services.
    pub domain: String,
    /// PEM of the authority that signed the XMPP servers' certificates.
    pub ca_pem: String,
    /// Address that phones and chatters bind.
    pub client: IpAddr,
    /// Network namespace that their threads must enter first.
    pub client_netns: Option<PathBuf>,
    /// Passwords of the accounts.
    pub passwords: Passwords,
}

/// How a user's password is found.
#[derive(Clone)]
pub enum Passwords {
    /// The user's name between these two.
    Around(String, String),
    /// Each user's own.
    Each(BTreeMap<String, String>),
}

impl Passwords {
    /// The user's name behind `prefix`.
    #[must_use]
    pub fn behind(prefix: &str) -> Passwords {
        Passwords::Around(prefix.to_owned(), String::new())
    }

    /// The password of `user`; empty for a user of whom none is known.
    #[must_use]
    pub fn of(&self, user: &str) -> String {
        match self {
            Passwords::Around(before, behind) => format!("{before}{user}{behind}"),
            Passwords::Each(passwords) => passwords.get(user).cloned().unwrap_or_default(),
        }
    }
}

impl std::fmt::Debug for Passwords {
    /// Passwords do not belong into messages.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords")
    }
}

/// Where frames can be captured, as root.
#[derive(Clone, Debug)]
pub struct CapturePoint {
    /// Short name; the file is `NAME.pcapng`.
    pub name: String,
    /// Network namespace of the interface.
    pub netns: PathBuf,
    /// Interface (both directions), or [`CapturePoint::ALL_PORTS`].
    pub interface: String,
}

impl CapturePoint {
    /// Stands for an interface: what every port of a switch receives. Each frame is seen once, where it
    /// enters; a frame that the switch then drops is seen as well.
    pub const ALL_PORTS: &str = "*";
}

/// A cluster under test.
///
/// Every implementation kills what it started when it is dropped, and can clean up after a previous
/// process that could not.
pub trait Cluster: Send {
    /// One line for the report: `reference: alpha beta charlie behind 127.0.77.10`.
    fn describe(&self) -> String;

    /// Names and versions of the servers.
    fn versions(&self) -> Vec<(String, String)>;

    /// Node names, preferred owner first.
    fn nodes(&self) -> Vec<String>;

    /// Whether a node of this kind can do `action`; if not, why.
    ///
    /// # Errors
    /// The reason in words for the user.
    fn supports(&self, action: Action) -> Result<(), String>;

    /// Whether `action` can be done to every node that `target` (a name or a role) may stand for; if not, why.
    ///
    /// # Errors
    /// The reason in words for the user.
    fn supports_at(&self, _target: &str, action: Action) -> Result<(), String> {
        self.supports(action)
    }

    /// Whether this machine has what [`Cluster::up`] needs. Touches nothing.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    fn ready(&self) -> Result<(), ClusterError> {
        Ok(())
    }

    /// Makes what takes long and stays on this machine, as a root file system. `tell` gets a line for each step.
    ///
    /// # Errors
    /// When it cannot be made, and what would help.
    fn prepare(&mut self, _tell: &mut dyn FnMut(&str)) -> Result<(), ClusterError> {
        Ok(())
    }

    /// Brings everything up for users `users` and waits until each server answers.
    ///
    /// # Errors
    /// When something is missing or a node does not come up.
    fn up(&mut self, users: &[String]) -> Result<(), ClusterError>;

    /// Tells the cluster where to record what it knows by itself: the instants of a change of the owner.
    fn observe(&mut self, _recorder: &Recorder) {}

    /// What traffic must know. Only after [`Cluster::up`].
    fn endpoints(&self) -> Endpoints;

    /// Whether there is a floating address that one node holds at a time.
    fn floats(&self) -> bool {
        true
    }

    /// Where frames can be captured; empty where there is no privilege.
    fn capture_points(&self) -> Vec<CapturePoint>;

    /// The nodes that are machines of their own, and what they are; only after [`Cluster::prepare`].
    fn machines(&self) -> Vec<MachineInfo> {
        Vec::new()
    }

    /// The nodes that hold the floating address now, asked of the nodes themselves.
    ///
    /// # Errors
    /// When a node that should run cannot be asked.
    fn owners(&mut self) -> Result<Vec<String>, ClusterError>;

    /// Does `action` to `node`.
    ///
    /// # Errors
    /// When a command fails; the fault must then be healed all the same.
    fn inject(&mut self, node: &str, action: Action) -> Result<String, ClusterError>;

    /// Tells when the next injected action will be healed, from its injection; none: at the end of the window at the
    /// latest. A node that cannot be reached meanwhile must mend itself then.
    fn heal_due(&mut self, _after: Option<Span>) {}

    /// Checks that the injected action bit: evidence in words.
    ///
    /// # Errors
    /// When it did not.
    fn verify(&mut self, node: &str, action: Action) -> Result<String, ClusterError>;

    /// Undoes `action`; for a power-off, boots the node again and waits until it is healthy.
    ///
    /// # Errors
    /// When the node cannot be brought back.
    fn heal(&mut self, node: &str, action: Action) -> Result<(), ClusterError>;

    /// The configured outage of the takeover that follows the `index`th fault, where it is planted.
    fn configured_takeover(&self, index: usize) -> Option<Span>;

    /// Ends everything and removes every trace. Idempotent.
    fn down(&mut self);
}
