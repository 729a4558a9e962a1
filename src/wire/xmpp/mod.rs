//! XMPP as it is seen in a capture (RFC 6120): a stream cut into its header, its stanzas and its end, and what a
//! stanza says. Reading is lenient, as a capture may begin or break off anywhere; agents that speak XMPP use a
//! library that is not.

mod splitter;
mod stanza;

pub use splitter::{Piece, Splitter};
pub use stanza::{Child, Header, Stanza};

/// Ports of XMPP between client and server: RFC 6120 §14.7, and direct TLS by custom.
pub const CLIENT_PORTS: [u16; 2] = [5222, 5223];
