//! What nodes tell each other: registrations and answered calls, as JSON.

use serde::{Deserialize, Serialize};

use super::registrar::Binding;
use super::session::Session;
use super::{Output, Server};
use crate::experiment::agent::sip::transaction::Peer;

/// One change of the state that all nodes share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Registered { user: String, binding: Binding },
    Unregistered { user: String },
    Answered { session: Box<Session> },
    Ended { session: u64 },
}

impl Server {
    pub(super) fn replicate(&mut self, change: &Change) {
        self.outputs.extend(encode(change).map(Output::Replicate));
    }

    /// The whole shared state, for a node that has just come up: each item is one replica input.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Vec<u8>> {
        let bindings = self
            .bindings
            .iter()
            .filter(|_| self.config.share_registrations)
            .map(|(user, binding)| encode(&Change::Registered { user: user.clone(), binding: binding.clone() }));
        let sessions =
            self.sessions.values().map(|session| encode(&Change::Answered { session: Box::new(session.clone()) }));
        bindings.chain(sessions).flatten().collect()
    }

    /// Takes over what another node tells. What cannot be read is of a foreign version and is left out.
    pub(super) fn copied(&mut self, octets: &[u8]) {
        match serde_json::from_slice(octets) {
            Ok(Change::Registered { user, mut binding }) => {
                binding.peer = datagrams_only(binding.peer);
                self.bindings.insert(user, binding);
            }
            Ok(Change::Unregistered { user }) => drop(self.bindings.remove(&user)),
            Ok(Change::Answered { mut session }) => {
                for leg in &mut session.legs {
                    leg.peer = datagrams_only(leg.peer);
                }
                self.sessions.insert(session.id, *session);
            }
            Ok(Change::Ended { session }) => drop(self.sessions.remove(&session)),
            Err(_) => {}
        }
    }
}

/// Writing plain data to memory cannot fail; if it did, there would be nothing to send.
fn encode(change: &Change) -> Option<Vec<u8>> {
    serde_json::to_vec(change).ok()
}

/// A connection ends at the node that accepted it; its number means nothing elsewhere.
fn datagrams_only(peer: Option<Peer>) -> Option<Peer> {
    peer.filter(|peer| !peer.is_reliable())
}
