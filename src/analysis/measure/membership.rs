//! What the nodes of a cluster tell each other beside VRRP: who lives, and when somebody is found to be dead.

use std::collections::BTreeMap;

use crate::units::{RunTime, Span};
use crate::wire::frame::Mac;
use crate::wire::heartbeat::{self, Heartbeat, Told};
use crate::wire::totem::{self, Totem};

/// What a message tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Corosync's token went on.
    Token,
    /// Corosync: the sender has lost the token.
    TokenLost,
    /// Corosync: those who are left agree.
    Agreed,
    /// Heartbeat: the sender lives.
    Alive {
        /// Its own dead time, where it says so.
        deadtime: Option<Span>,
    },
    /// Heartbeat: the sender takes this node for dead.
    Dead(String),
}

/// One message between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// When.
    pub(super) at: RunTime,
    /// Address of the sender.
    pub(super) who: String,
    /// `switch.pcapng packet 4711`.
    pub(super) place: String,
    /// What.
    pub(super) sign: Sign,
}

/// All such messages, in order of time, and which Ethernet address belongs to whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Membership {
    pub(super) said: Vec<Said>,
    /// Ethernet address → address of the node.
    pub(super) hosts: BTreeMap<String, String>,
}

impl Sign {
    /// Reads a datagram to `port`; none when it tells nothing of the membership.
    pub(super) fn read(port: u16, payload: &[u8]) -> Option<Sign> {
        match port {
            totem::PORT => match Totem::parse(payload)? {
                Totem::Token => Some(Sign::Token),
                Totem::Join => Some(Sign::TokenLost),
                Totem::Commit => Some(Sign::Agreed),
                Totem::Other => None,
            },
            heartbeat::PORT => Some(match Heartbeat::parse(payload)?.told {
                Told::Alive(deadtime) => Sign::Alive { deadtime },
                Told::Dead(node) => Sign::Dead(node),
                Told::Other => Sign::Alive { deadtime: None },
            }),
            _ => None,
        }
    }

    /// Whether it shows only that the sender lives.
    pub(super) fn is_beat(&self) -> bool {
        matches!(self, Sign::Token | Sign::Alive { .. })
    }
}

impl Membership {
    /// Takes a message.
    pub(super) fn note(&mut self, said: Said, mac: Option<Mac>) {
        if let Some(mac) = mac {
            self.hosts.entry(mac.to_string()).or_insert_with(|| said.who.clone());
        }
        self.said.push(said);
    }

    /// The last beat of a node up to `at`.
    pub(super) fn last_beat(&self, address: &str, at: RunTime) -> Option<&Said> {
        self.said.iter().rev().find(|said| said.at <= at && said.who == address && said.sign.is_beat())
    }

    /// The first message after `from` and before `until` that `wanted` picks.
    pub(super) fn first(&self, from: RunTime, until: RunTime, wanted: impl Fn(&Said) -> bool) -> Option<&Said> {
        self.said.iter().find(|said| said.at > from && said.at < until && wanted(said))
    }
}
