//! Names and addresses of the lab: who sits where on the network.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::profile::Profile;
use super::root::Root;
use crate::experiment::cluster::ClusterError;
use crate::scenario::{EngineTimers, LabCluster, MachineSize};
use crate::units::Span;

/// The floating address.
pub(super) const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 10);

/// Phones and chatters.
pub(super) const CLIENTS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

/// The store that relays share their calls through.
pub(super) const STORE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 20);

/// Domain of SIP and XMPP (RFC 2606 reserves `.test`).
pub(super) const DOMAIN: &str = "lab.test";

/// `password(user)` is this prefix and the user's name.
pub(super) const PASSWORD_PREFIX: &str = "secret-";

/// Namespace of the switch.
pub(super) const SWITCH_NETNS: &str = "fn-sw";

/// Namespace of phones and chatters.
pub(super) const CLIENTS_NETNS: &str = "fn-clients";

/// Namespace of the store.
pub(super) const STORE_NETNS: &str = "fn-store";

/// Everything of the lab on the machine's disk.
pub(super) const DIRECTORY: &str = "/run/fivenines/lab";

/// Addresses .11 to .18 are nodes.
const MOST_NODES: usize = 8;

/// Longest name of an interface, and so of a node: its switch port has the same name.
const LONGEST_NAME: usize = 15;

/// One node of the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Name: host name, switch port, `X-Node`.
    pub(super) name: String,
    /// Place in the order of priority, from 0.
    pub(super) index: usize,
}

impl Node {
    /// The node's own address.
    pub(super) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, 11 + self.index as u8)
    }

    /// A fixed hardware address: with a new one after each boot, clients' ARP entries would go stale.
    pub(super) fn mac(&self) -> String {
        format!("02:00:00:77:00:{:02x}", 11 + self.index)
    }

    /// VRRP priority: 150 for the first, 10 less for each further one.
    pub(super) fn priority(&self) -> u8 {
        150 - 10 * self.index as u8
    }

    /// Number of the node's database in the store.
    pub(super) fn database(&self) -> usize {
        self.index + 1
    }

    /// What the node keeps over its boots: configuration, accounts, disk, logs.
    pub(super) fn directory(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }
}

/// What the lab is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Preferred owner first.
    pub(super) nodes: Vec<Node>,
    /// The nodes that are machines of their own; the others stand in namespaces.
    pub(super) machines: BTreeMap<String, MachineSize>,
    /// Which servers run on a node.
    pub(super) profile: Profile,
    /// Where their programs come from.
    pub(super) root: Root,
    /// How the engine is set.
    pub(super) engine: EngineOptions,
    /// Whether relays share their calls through the store.
    pub(super) shares_calls: bool,
    /// Whether SIP servers tell each other who is registered, where they can.
    pub(super) shares_registrations: bool,
}

/// How the cluster engine is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EngineOptions {
    /// By which it notices a death.
    pub(super) timers: EngineTimers,
    /// Whether the address is given away when the SIP server dies.
    pub(super) watch_sip: bool,
    /// Whether a healed node of higher priority takes the address back.
    pub(super) preempt: bool,
    /// How often the owner repeats its gratuitous ARP; zero: never.
    pub(super) garp_refresh: Span,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            timers: EngineTimers::Keepalived { advert: Span::from_millis(100) },
            watch_sip: true,
            preempt: false,
            garp_refresh: Span::from_secs(2),
        }
    }
}

impl Layout {
    /// The layout that a scenario asks for.
    ///
    /// # Errors
    /// When a name cannot name a switch port.
    pub(super) fn new(cluster: &LabCluster) -> Result<Layout, ClusterError> {
        let engine = EngineOptions {
            timers: cluster.timers(),
            watch_sip: cluster.watches_sip(),
            preempt: cluster.preempt,
            garp_refresh: cluster.garp_refresh(),
        };
        let machines = cluster.nodes.iter().filter_map(|name| Some((name.clone(), cluster.machine(name)?))).collect();
        let layout = Layout::of(&cluster.nodes, cluster.profile.get_ref(), engine, Some(cluster.shares_calls()))?;
        let shares_registrations = cluster.share_registrations.as_ref().is_none_or(|of| *of.get_ref());
        Ok(Layout { machines, shares_registrations, ..layout })
    }

    /// Whether an engine moves the address: a single node holds it by itself.
    pub(super) fn is_cluster(&self) -> bool {
        self.nodes.len() > 1
    }

    /// Whether some node stands in namespaces.
    pub(super) fn has_namespaces(&self) -> bool {
        self.nodes.iter().any(|node| !self.machines.contains_key(&node.name))
    }

    /// See [`Layout::new`]. Relays share their calls wherever the profile has a store, unless that is told otherwise.
    pub(super) fn of(
        names: &[String],
        profile: &str,
        engine: EngineOptions,
        shares_calls: Option<bool>,
    ) -> Result<Layout, ClusterError> {
        check_names(names)?;
        let profile = Profile::named(profile)?;
        let nodes = names.iter().enumerate().map(|(index, name)| Node { name: name.clone(), index }).collect();
        let has_store = profile.servers.store.is_some();
        let (root, shares_calls) = (Root::of(&profile), has_store && shares_calls.unwrap_or(true));
        let machines = BTreeMap::new();
        Ok(Layout { nodes, machines, profile, root, engine, shares_calls, shares_registrations: true })
    }

    /// The node of that name.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn node(&self, name: &str) -> Result<&Node, ClusterError> {
        self.nodes.iter().find(|node| node.name == name).ok_or_else(|| {
            not_ready(format!("the lab has no node `{name}`"), &format!("nodes: {}", self.names().join(", ")))
        })
    }

    /// Node names in order.
    pub(super) fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }
}

/// The path under which iproute2 keeps a named namespace.
pub(super) fn netns_path(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

/// Where a client stands, as endpoints want it.
pub(super) fn client_address() -> IpAddr {
    IpAddr::V4(CLIENTS)
}

fn check_names(names: &[String]) -> Result<(), ClusterError> {
    if !(1..=MOST_NODES).contains(&names.len()) {
        return Err(not_ready(
            format!("a lab of {} nodes is not possible", names.len()),
            &format!("give 1 to {MOST_NODES} names"),
        ));
    }
    for (index, name) in names.iter().enumerate() {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
        let taken = ["br0", "clients", "store", "lo"].contains(&name.as_str()) || names[..index].contains(name);
        if !starts_well || !name.chars().all(plain) || name.len() > LONGEST_NAME || taken {
            return Err(not_ready(
                format!("`{name}` cannot name a node and its switch port"),
                "use distinct names of up to 15 small letters, digits and -, not br0, clients, store or lo",
            ));
        }
    }
    Ok(())
}

/// An error that the user can cure.
pub(super) fn not_ready(what: impl Into<String>, remedy: &str) -> ClusterError {
    ClusterError::NotReady { what: what.into(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::LAB_PROFILES;

    fn layout(names: &[&str]) -> Result<Layout, ClusterError> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Layout::of(&names, LAB_PROFILES[0], EngineOptions::default(), None)
    }

    #[test]
    fn nodes_have_the_documented_addresses() {
        let layout = layout(&["alpha", "beta", "charlie"]).unwrap();
        let charlie = layout.node("charlie").unwrap();
        assert_eq!(charlie.address().to_string(), "10.77.0.13");
        assert_eq!(charlie.mac(), "02:00:00:77:00:0d");
        assert_eq!((charlie.priority(), charlie.database()), (130, 3));
        assert!(layout.node("delta").unwrap_err().to_string().contains("alpha, beta, charlie"));
    }

    #[test]
    fn names_that_cannot_work_are_refused() {
        for names in [&[][..], &["alpha", "alpha"], &["alpha", "br0"], &["alpha", "be/ta"], &["alpha", "-x"]] {
            assert!(layout(names).is_err(), "{names:?}");
        }
        assert!(layout(&["alpha", "sixteen-letters-"]).is_err());
    }
}
