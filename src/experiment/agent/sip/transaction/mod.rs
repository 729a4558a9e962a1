//! Transactions (RFC 3261 §17, corrected by RFC 6026): retransmission, matching and timeouts.
//!
//! [`Layer`] holds the transactions of one element. It also does two duties of the user above it that need
//! nothing but timers: retransmitting a 2xx until its ACK comes (§13.3.1.4), and repeating the ACK when a 2xx
//! comes again (§13.2.2.4).

mod client;
mod layer;
mod server;
#[cfg(test)]
mod tests;
mod unacked;

use std::net::SocketAddr;

pub use layer::{Action, Indication, Layer, response_target};
use serde::{Deserialize, Serialize};

use crate::units::Span;

/// RFC 3261 §17.1.1.1 and table 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Estimate of the round-trip time.
    pub t1: Span,
    /// Longest interval between retransmissions of all but INVITE.
    pub t2: Span,
    /// How long a message can stay in the network.
    pub t4: Span,
    /// A request without final response has failed after this; absent: after 64·T1 (timers B and F).
    pub give_up: Option<Span>,
}

impl Default for Timers {
    /// 500 ms, 4 s, 5 s; 32 s for a request.
    fn default() -> Timers {
        Timers { t1: Span::from_millis(500), t2: Span::from_secs(4), t4: Span::from_secs(5), give_up: None }
    }
}

impl Timers {
    /// 64·T1: timers H, J, L and M, and B and F unless [`Timers::give_up`] says otherwise.
    #[must_use]
    pub fn timeout(self) -> Span {
        Span(self.t1.0.saturating_mul(64))
    }

    /// Timers B and F.
    fn request_timeout(self) -> Span {
        self.give_up.unwrap_or_else(|| self.timeout())
    }

    /// The interval after `interval`, growing to T2.
    fn next_up_to_t2(self, interval: Span) -> Span {
        doubled(interval).min(self.t2)
    }
}

fn doubled(interval: Span) -> Span {
    Span(interval.0.saturating_mul(2))
}

/// The far end of one hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Peer {
    /// Datagrams to this address.
    Udp(SocketAddr),
    /// The TCP connection with this number.
    Flow(u64),
}

impl Peer {
    /// Whether the transport itself retransmits.
    #[must_use]
    pub fn is_reliable(self) -> bool {
        matches!(self, Peer::Flow(_))
    }

    fn via_transport(self) -> &'static str {
        if self.is_reliable() { "TCP" } else { "UDP" }
    }
}
