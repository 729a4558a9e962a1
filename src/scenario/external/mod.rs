//! `[cluster.external]`: a cluster of the user's own that is up already.

mod accounts;
mod check;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;
use serde_spanned::Spanned;

pub use accounts::Accounts;
pub(super) use check::check;

use super::{Duration, EngineTimers, Service};
use crate::units::Span;

/// `[cluster.external]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalCluster {
    /// The user's word that traffic and faults may go to these machines. Without it nothing is sent; `plan` and
    /// `doctor` work all the same.
    #[serde(default)]
    pub i_own_this_cluster: bool,
    /// The floating address.
    pub address: IpAddr,
    /// Port of SIP over UDP and TCP at the floating address.
    #[serde(default = "sip_port")]
    pub sip_port: u16,
    /// Port of XMPP with STARTTLS at the floating address.
    #[serde(default = "xmpp_port")]
    pub xmpp_port: u16,
    /// Domain of both services.
    pub domain: String,
    /// PEM file of the authority that signed the XMPP servers' certificates; absent: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Who may log in.
    #[serde(default)]
    pub accounts: Accounts,
    /// Address that phones and chatters bind; absent: the one that the routing table gives.
    pub client: Option<IpAddr>,
    /// Network namespace of this machine in which phones, chatters and captures stand; absent: this machine's own.
    pub client_namespace: Option<String>,
    /// Interfaces of this machine (or of that namespace) to capture on, as root.
    #[serde(default)]
    pub capture: Vec<String>,
    /// VRRP advertisement interval that the cluster is set to, where it has VRRP: the faults' phase is then drawn over it.
    pub advert_interval: Option<Spanned<Duration>>,
    /// How to tell whether a node holds the floating address; a node may have its own.
    #[serde(default)]
    pub owner: Owner,
    /// Command that exits with 0 on a healthy node, where it runs with the environment of a [`Hook`]; a node may have its
    /// own. Absent: a node that answers is healthy.
    pub health: Option<String>,
    /// Interface of the nodes that clients come in by; a node may have its own. Absent: the one with the node's address.
    pub interface: Option<String>,
    /// What runs on the nodes, for faults that hit one server or the engine; a node may have its own.
    #[serde(default)]
    pub services: BTreeMap<Role, Daemon>,
    /// Commands of the user's own, by kind of fault: they stand in for what is built in.
    #[serde(default)]
    pub hooks: BTreeMap<Spanned<String>, Hook>,
    /// The most load that the scenario may put on the cluster.
    #[serde(default)]
    pub limits: Limits,
    /// A command that runs longer has failed.
    #[serde(default = "command_timeout")]
    pub command_timeout: Duration,
    /// A healed node that is not healthy by then has not been healed. A real machine may need minutes to boot.
    #[serde(default = "heal_timeout")]
    pub heal_timeout: Duration,
    /// The nodes, preferred owner first.
    #[serde(rename = "node")]
    pub nodes: Vec<Spanned<ExternalNode>>,
}

/// `[[cluster.external.node]]`: a node and the ways to it. One of `local`, `namespace`, `ssh` and `docker` runs commands
/// on it; `virsh` and `docker` switch it on and off. `virsh` may stand beside `ssh`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalNode {
    /// Its name in faults and reports.
    pub name: String,
    /// Its own address, not the floating one.
    pub address: IpAddr,
    /// Commands run on this machine itself.
    #[serde(default)]
    pub local: bool,
    /// Commands run in this network namespace of this machine.
    pub namespace: Option<String>,
    /// Commands run by `ssh` to this `user@host`, without a password.
    pub ssh: Option<String>,
    /// Port of the SSH server.
    pub port: Option<u16>,
    /// Private key file.
    pub key: Option<PathBuf>,
    /// Further options of `ssh`, as `StrictHostKeyChecking=accept-new`.
    #[serde(default)]
    pub options: Vec<String>,
    /// Whether commands on it need `sudo -n`.
    #[serde(default)]
    pub sudo: bool,
    /// Container of this machine's docker.
    pub docker: Option<String>,
    /// Domain of libvirt.
    pub virsh: Option<String>,
    /// Where libvirt is, as `qemu+ssh://host/system`; absent: `virsh`'s own default.
    pub connect: Option<String>,
    /// Host side of the domain's network interface, as `virsh domiflist` shows it, for `link_down`.
    pub virsh_interface: Option<String>,
    /// See [`ExternalCluster::owner`].
    pub owner: Option<Owner>,
    /// See [`ExternalCluster::health`].
    pub health: Option<String>,
    /// See [`ExternalCluster::interface`].
    pub interface: Option<String>,
    /// See [`ExternalCluster::services`].
    #[serde(default)]
    pub services: BTreeMap<Role, Daemon>,
}

/// How to tell whether a node holds the floating address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The node lists it among its addresses (`ip addr`).
    #[default]
    Address,
    /// This machine's neighbour table has the same link address for both (same network only).
    Arp,
    /// This command exits with 0 on a node that holds it and with 1 on one that does not. It runs on the node, or here if
    /// there is no way to run commands on it; its environment says which node is meant, as with a [`Hook`].
    Command(String),
}

/// Something that runs on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The SIP server.
    Sip,
    /// The media relay.
    Media,
    /// The XMPP server.
    Xmpp,
    /// The cluster engine, which moves the address.
    Engine,
}

/// How a server is known on a node: by its systemd unit, or by its process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Daemon {
    /// A systemd unit.
    Unit(String),
    /// Processes of one name, where there is no systemd.
    Process(Processes),
}

/// Processes of one name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Processes {
    /// As in `/proc/PID/comm`, 15 characters at most.
    pub name: String,
    /// Command that starts it again, in the background.
    pub start: String,
}

/// `[cluster.external.hooks.FAULT]`: commands for `sh -c`. Their environment says what is meant: `FIVENINES_NODE`,
/// `FIVENINES_NODE_ADDRESS`, `FIVENINES_ADDRESS` (the floating one), `FIVENINES_FAULT`, and where the fault has them
/// `FIVENINES_SERVICE`, `FIVENINES_DROPPED`, `FIVENINES_PERCENT`, `FIVENINES_DELAY_MS`, `FIVENINES_JITTER_MS`,
/// `FIVENINES_KBIT_PER_S`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Breaks it. Another exit than 0 is an error.
    pub inject: String,
    /// Exits with 0 once the fault has bitten; what it prints is the evidence. It is repeated for three seconds. Absent:
    /// nobody checks, and the exit of `inject` is taken for it.
    pub verify: Option<String>,
    /// Mends it; it is repeated until it exits with 0. It must do no harm where nothing is broken.
    pub heal: String,
    /// Whether the commands run on the node instead of here.
    #[serde(default)]
    pub on_node: bool,
}

/// `[cluster.external.limits]`: a scenario that asks for more is refused.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls that stand at one time, video calls included.
    pub standing_calls: u32,
    /// New calls a second.
    pub new_calls_per_s: f64,
    /// Registrations a second over all phones.
    pub registrations_per_s: f64,
    /// OPTIONS a second.
    pub options_per_s: f64,
    /// Chat messages a second.
    pub messages_per_s: f64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            standing_calls: 50,
            new_calls_per_s: 5.0,
            registrations_per_s: 20.0,
            options_per_s: 100.0,
            messages_per_s: 50.0,
        }
    }
}

impl ExternalCluster {
    /// Timers of the engine that the user declares; none without `advert_interval`.
    #[must_use]
    pub fn timers(&self) -> Option<EngineTimers> {
        self.advert_interval.as_ref().map(|advert| EngineTimers::Keepalived { advert: advert.get_ref().0 })
    }

    /// SIP at the floating address.
    #[must_use]
    pub fn sip(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.sip_port)
    }

    /// XMPP at the floating address.
    #[must_use]
    pub fn xmpp(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.xmpp_port)
    }

    /// Node names, preferred owner first.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.get_ref().name.clone()).collect()
    }

    /// The user's own commands for a kind of fault.
    #[must_use]
    pub fn hook(&self, kind: &str) -> Option<&Hook> {
        self.hooks.iter().find(|(name, _)| name.get_ref() == kind).map(|(_, hook)| hook)
    }
}

impl From<Service> for Role {
    fn from(service: Service) -> Role {
        match service {
            Service::Sip => Role::Sip,
            Service::Media => Role::Media,
            Service::Xmpp => Role::Xmpp,
        }
    }
}

impl Role {
    /// Its key in `services`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Role::Sip => "sip",
            Role::Media => "media",
            Role::Xmpp => "xmpp",
            Role::Engine => "engine",
        }
    }
}

fn sip_port() -> u16 {
    5060
}

fn xmpp_port() -> u16 {
    5222
}

fn command_timeout() -> Duration {
    Duration(Span::from_secs(10))
}

fn heal_timeout() -> Duration {
    Duration(Span::from_secs(120))
}

#[cfg(test)]
mod tests;
