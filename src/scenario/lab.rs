//! `[cluster.lab]`: real servers in Linux namespaces on this machine.

use serde::Deserialize;
use serde_spanned::Spanned;

use super::{Duration, EngineTable, LabNode, MachineSize};

/// The profiles of the lab: which servers run on a node. A profile's name lists its servers.
pub const LAB_PROFILES: [&str; 4] = [
    "kamailio-rtpengine-redis-prosody-keepalived",
    "asterisk-prosody-keepalived",
    "asterisk-ejabberd-pacemaker",
    "asterisk-prosody-heartbeat",
];

/// `[cluster.lab]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabCluster {
    /// Node names, preferred owner of the address first. A single one is a server without a cluster: it holds the
    /// address by itself, and no engine runs.
    pub nodes: Vec<String>,
    /// `[[cluster.lab.node]]`: which nodes are machines of their own.
    #[serde(default, rename = "node")]
    pub kinds: Vec<LabNode>,
    /// One of [`LAB_PROFILES`].
    #[serde(default = "default_profile")]
    pub profile: Spanned<String>,
    /// VRRPv3 advertisement interval of keepalived, which needs it; no other engine and no single node has it.
    pub advert_interval: Option<Spanned<Duration>>,
    /// The timers of the other engines.
    #[serde(default)]
    pub engine: Box<EngineTable>,
    /// The SIP server; it must be the profile's.
    pub sip: Option<Spanned<LabSip>>,
    /// The XMPP server; it must be the profile's.
    pub xmpp: Option<Spanned<LabXmpp>>,
    /// Whether media relays share their calls; absent: wherever the profile has a store.
    pub redis: Option<Spanned<bool>>,
    /// Whether SIP servers tell each other who is registered; absent: wherever the profile's can. Otherwise a survivor
    /// answers 404 until the callee registers with it.
    pub share_registrations: Option<Spanned<bool>>,
    /// Whether the engine gives the address away when the SIP server dies. Without it the address stays with a
    /// host that no longer answers, as in many clusters. Absent: where the engine can.
    pub watch_sip: Option<Spanned<bool>>,
    /// Whether a healed node of higher priority takes the address back: the failback is then a second interruption.
    #[serde(default)]
    pub preempt: bool,
    /// How often keepalived's owner repeats its gratuitous ARP; absent: 2 s. `"0s"` is keepalived's own default: never.
    /// Clients of a healed split may then go on asking the other owner until their ARP entry ages.
    pub garp_refresh: Option<Spanned<Duration>>,
}

/// SIP servers that the lab knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabSip {
    /// Kamailio as registrar and proxy, rtpengine (userspace) as media relay.
    Kamailio,
    /// Asterisk as registrar and back-to-back user agent; media pass through it.
    Asterisk,
}

/// XMPP servers that the lab knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabXmpp {
    /// Prosody with stream management.
    Prosody,
    /// ejabberd with stream management, each node by itself.
    Ejabberd,
}

impl LabSip {
    /// The word for it in a profile's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            LabSip::Kamailio => "kamailio",
            LabSip::Asterisk => "asterisk",
        }
    }
}

impl LabXmpp {
    /// The word for it in a profile's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            LabXmpp::Prosody => "prosody",
            LabXmpp::Ejabberd => "ejabberd",
        }
    }
}

impl LabCluster {
    /// Whether the profile's name has that server.
    #[must_use]
    pub fn has(&self, server: &str) -> bool {
        self.profile.get_ref().split('-').any(|word| word == server)
    }

    /// Whether an engine moves the address: with a single node there is nowhere to move it.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.nodes.len() > 1
    }

    /// The machine of its own that the node is; none for a node in namespaces.
    #[must_use]
    pub fn machine(&self, node: &str) -> Option<MachineSize> {
        self.kinds.iter().find(|of| of.name.get_ref() == node).and_then(LabNode::machine)
    }

    /// Whether media relays share their calls through a store.
    #[must_use]
    pub fn shares_calls(&self) -> bool {
        self.redis.as_ref().map_or_else(|| self.has("redis"), |redis| *redis.get_ref())
    }
}

fn default_profile() -> Spanned<String> {
    Spanned::new(0..0, LAB_PROFILES[0].to_owned())
}
