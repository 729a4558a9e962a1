//! SIP in a capture, out of datagrams and TCP streams.

use std::net::{IpAddr, SocketAddr};

use super::dialogs::{self, Dialogs};
use super::excess::{Excess, Spot};
use super::filter::Filter;
use super::transactions::{self, Transactions};
use crate::units::RunTime;
use crate::wire::sip::Message;

/// When a message was on the wire. What is asked counts from its first octet, what is answered up to its last
/// (RFC 6076 §3: t1 and t4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Its first octet was captured.
    pub(super) begun: RunTime,
    /// It could be read to its end.
    pub(super) whole: RunTime,
}

impl Heard {
    /// In a packet of its own.
    pub(super) fn at_once(at: RunTime) -> Heard {
        Heard { begun: at, whole: at }
    }
}

/// Finds SIP messages and hands them to the dialogs and transactions.
#[derive(Debug, Default)]
pub(super) struct Signalling {
    pub(super) dialogs: Dialogs,
    pub(super) transactions: Transactions,
    /// Whether what comes now lies in the measured time; before it SIP is only remembered.
    pub(super) counts: bool,
    /// Whether what comes now has an address that was asked for.
    pub(super) touches: bool,
    /// The hosts between which what comes now goes; absent where nobody will ask, because all is shown.
    pub(super) between: Option<[IpAddr; 2]>,
}

impl Signalling {
    /// Tells between which ends what comes now goes.
    pub(super) fn between(&mut self, ends: [SocketAddr; 2], filter: &Filter) {
        self.touches = filter.wants_address(ends);
        self.between = filter.chooses().then(|| ends.map(|end| end.ip()));
    }

    /// Takes a datagram; false when it is no SIP.
    pub(super) fn datagram(&mut self, heard: Heard, octets: &[u8]) -> bool {
        // Cheap: a request begins with its method in capitals, a response with SIP/2.0.
        if !octets.first().is_some_and(u8::is_ascii_uppercase) {
            return false;
        }
        let Ok(message) = Message::parse(octets) else { return false };
        self.message(heard, &message);
        true
    }

    /// Tells what was left out so far.
    pub(super) fn tell(&self, excess: &mut Excess, spot: &Spot<'_>) {
        excess.total(dialogs::LEFT_OUT, self.dialogs.left_out(), spot);
        excess.total(transactions::LEFT_OUT, self.transactions.left_out(), spot);
    }

    /// Takes a message that came out of a stream.
    pub(super) fn message(&mut self, heard: Heard, message: &Message<'_>) {
        self.dialogs.message(heard, message);
        if self.counts {
            self.transactions.message(heard, message);
        }
        if let Some(call_id) = message.call_id().filter(|_| self.touches) {
            self.transactions.touch(call_id);
        }
        if let (Some(call_id), Some(hosts)) = (message.call_id(), self.between) {
            self.transactions.seen_between(call_id, hosts);
        }
    }
}
