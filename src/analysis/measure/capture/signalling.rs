//! SIP in a capture: messages out of datagrams and TCP streams.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::dialogs::Dialogs;
use super::transactions::Transactions;
use crate::units::RunTime;
use crate::wire::sip::{Frame, Framer, Message};

const SYN: u8 = 2;
/// More TCP streams than this are not followed at once.
const MOST_STREAMS: usize = 10_000;

/// Finds SIP messages and hands them to the dialogs and transactions.
#[derive(Debug, Default)]
pub(super) struct Signalling {
    pub(super) dialogs: Dialogs,
    pub(super) transactions: Transactions,
    /// Whether what comes now lies in the measured time; before it SIP is only remembered.
    pub(super) counts: bool,
    /// Whether what comes now has an address that was asked for.
    pub(super) touches: bool,
    streams: BTreeMap<(SocketAddr, SocketAddr), TcpStream>,
}

/// One direction of a connection, put together as far as nothing is missing.
#[derive(Debug, Default)]
struct TcpStream {
    next: Option<u32>,
    framer: Framer,
    /// It does not carry SIP, or lacks a piece.
    given_up: bool,
}

impl Signalling {
    /// Takes a datagram; false when it is no SIP.
    pub(super) fn datagram(&mut self, at: RunTime, octets: &[u8]) -> bool {
        // Cheap: a request begins with its method in capitals, a response with SIP/2.0.
        if !octets.first().is_some_and(u8::is_ascii_uppercase) {
            return false;
        }
        let Ok(message) = Message::parse(octets) else { return false };
        self.message(at, &message);
        true
    }

    fn message(&mut self, at: RunTime, message: &Message<'_>) {
        self.dialogs.message(at, message);
        if self.counts {
            self.transactions.message(at, message);
        }
        if let Some(call_id) = message.call_id().filter(|_| self.touches) {
            self.transactions.touch(call_id);
        }
    }

    /// Takes a TCP segment.
    pub(super) fn segment(
        &mut self,
        at: RunTime,
        flow: (SocketAddr, SocketAddr),
        sequence: u32,
        flags: u8,
        payload: &[u8],
    ) {
        if flags & SYN != 0 {
            self.streams.remove(&flow);
        }
        if payload.is_empty() || (self.streams.len() >= MOST_STREAMS && !self.streams.contains_key(&flow)) {
            return;
        }
        let stream = self.streams.entry(flow).or_default();
        stream.push(sequence, payload);
        let whole: Vec<Vec<u8>> = std::iter::from_fn(|| stream.message()).collect();
        for message in &whole {
            if let Ok(message) = Message::parse(message) {
                self.message(at, &message);
            }
        }
    }
}

impl TcpStream {
    /// Adds what continues the stream; what was seen already is skipped, a hole ends the stream.
    fn push(&mut self, sequence: u32, payload: &[u8]) {
        let next = *self.next.get_or_insert(sequence);
        let seen = next.wrapping_sub(sequence);
        if self.given_up || (seen as usize >= payload.len() && seen < u32::MAX / 2) {
            return;
        }
        match payload.get(seen as usize..) {
            Some(fresh) => {
                self.framer.push(fresh);
                self.next = Some(next.wrapping_add(fresh.len() as u32));
            }
            None => self.given_up = true,
        }
    }

    fn message(&mut self) -> Option<Vec<u8>> {
        while !self.given_up {
            match self.framer.next_frame() {
                Ok(Some(Frame::Message(message))) => return Some(message),
                Ok(Some(Frame::Ping)) => {}
                Ok(None) => return None,
                Err(_) => self.given_up = true,
            }
        }
        None
    }
}
