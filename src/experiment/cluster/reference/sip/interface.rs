//! What a server is told, what it is given, and what it wants done.

use std::net::SocketAddr;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A server's settings. All nodes of a cluster differ in `node` and `seed` only.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The node's name, told in every response as `X-Node`.
    pub node: String,
    /// Domain of the users, and realm of their passwords.
    pub domain: String,
    /// The floating SIP address.
    pub address: SocketAddr,
    /// The password of a user is the user's name behind this prefix.
    pub password_prefix: String,
    /// Whether registrations are copied to the other nodes.
    pub share_registrations: bool,
    /// Ports on the floating address for relayed media; the even ones are used, one a leg.
    pub media_ports: Range<u16>,
    /// Seed of tags, branches, Call-IDs and nonces; a node that starts again needs another one, or it would
    /// repeat the branches of its former life.
    pub seed: u64,
}

/// What happened to a server.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram came to the SIP address.
    Datagram {
        /// Its source.
        from: SocketAddr,
        /// Its payload.
        bytes: &'a [u8],
    },
    /// A connection gave these octets.
    Stream {
        /// Number of the connection: any, but never used twice.
        conn: u64,
        /// Any piece of the stream.
        bytes: &'a [u8],
    },
    /// A connection ended.
    Closed {
        /// Its number.
        conn: u64,
    },
    /// Another node sent what its [`Output::Replicate`] said.
    Replica {
        /// One JSON object.
        bytes: &'a [u8],
    },
}

/// What a server wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram from the SIP address.
    Datagram {
        /// Where.
        to: SocketAddr,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// Write to a connection.
    Stream {
        /// Its number.
        conn: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// Do something with relayed media.
    Relay(RelayCommand),
    /// Send this to every other node.
    Replicate(Vec<u8>),
}

/// What to do with relayed media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayCommand {
    /// Relay between two legs; for a session that is open already: with these addresses from now on.
    Open {
        /// Number of the session, the same on all nodes.
        session: u64,
        /// One pair for each media, audio first: what comes in on one leg goes out on the other.
        pairs: Vec<[RelayLeg; 2]>,
    },
    /// Relay no longer.
    Close {
        /// Number of the session.
        session: u64,
    },
}

/// One side of relayed media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayLeg {
    /// Port on the floating address.
    pub port: u16,
    /// The phone.
    pub remote: SocketAddr,
}
