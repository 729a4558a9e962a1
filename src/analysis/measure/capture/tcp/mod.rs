//! TCP in a capture: connections, what they carry, and who reads it.

mod connection;
mod decoder;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use self::connection::Connection;
pub(super) use self::decoder::Event;
use super::chat::Chats;
use super::excess::{Excess, Spot};
use super::filter::Filter;
use super::signalling::Signalling;
use crate::units::{RunTime, Span};
use crate::wire::limits::{IDLE_CONNECTION, MOST_BUFFERED, MOST_CONNECTIONS};
use crate::wire::tcp::{ACK, SYN};

/// A connection that carried nothing for so long is a flood's, and makes room first.
const IDLE_EMPTY: Span = Span::from_secs(5);
/// Looking for idle connections takes time in their number: not more often than this, in capture time.
const BETWEEN_SWEEPS: Span = Span::from_secs(1);

/// One captured segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) at: RunTime,
    pub(super) spot: Spot<'a>,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) sequence: u32,
    pub(super) acknowledgment: u32,
    pub(super) flags: u8,
    pub(super) payload: &'a [u8],
}

/// Who reads what connections carry.
pub(super) struct Readers<'a> {
    pub(super) filter: &'a Filter,
    pub(super) signalling: &'a mut Signalling,
    pub(super) chats: &'a mut Chats,
    pub(super) excess: &'a mut Excess,
}

/// All connections that are open.
#[derive(Debug, Default)]
pub(super) struct Connections {
    live: BTreeMap<Pair, Connection>,
    buffered: usize,
    swept: RunTime,
}

/// Both ends, the lower first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    low: SocketAddr,
    high: SocketAddr,
}

impl Segment<'_> {
    fn pair(&self) -> Pair {
        Pair { low: self.source.min(self.destination), high: self.source.max(self.destination) }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl Connections {
    /// Takes a segment and hands what it completes to the readers.
    pub(super) fn segment(&mut self, segment: &Segment<'_>, readers: &mut Readers<'_>) {
        let pair = segment.pair();
        let begins = segment.flags & (SYN | ACK) == SYN;
        if begins && self.live.get(&pair).is_some_and(Connection::carried_something) {
            self.remove(&pair, &segment.spot, readers);
        }
        if !self.live.contains_key(&pair) {
            let opens = segment.has(SYN) || !segment.payload.is_empty();
            if !opens || !self.make_room(segment, readers) {
                return;
            }
            self.live.insert(pair, Connection::new(segment));
        }
        let Some(connection) = self.live.get_mut(&pair) else { return };
        let before = connection.buffered();
        connection.segment(segment, readers);
        self.buffered = self.buffered + connection.buffered() - before;
        if self.buffered > MOST_BUFFERED && connection.buffered() > before {
            self.buffered -= connection.buffered();
            connection.give_up();
            readers
                .excess
                .note("TCP connections were given up: too much was waiting for missing pieces", &segment.spot);
        }
        if connection.is_over() {
            self.remove(&pair, &segment.spot, readers);
        }
    }

    /// The end of the capture: what waits for missing octets is read without them.
    pub(super) fn finish(&mut self, spot: &Spot<'_>, readers: &mut Readers<'_>) {
        while let Some((_, mut connection)) = self.live.pop_first() {
            connection.finish(spot, readers);
        }
    }

    fn remove(&mut self, pair: &Pair, spot: &Spot<'_>, readers: &mut Readers<'_>) {
        if let Some(mut connection) = self.live.remove(pair) {
            self.buffered -= connection.buffered();
            connection.finish(spot, readers);
        }
    }

    /// False when there are too many, none of them idle.
    fn make_room(&mut self, segment: &Segment<'_>, readers: &mut Readers<'_>) -> bool {
        if self.live.len() < MOST_CONNECTIONS {
            return true;
        }
        if segment.at - self.swept >= BETWEEN_SWEEPS {
            self.swept = segment.at;
            let idle: Vec<Pair> =
                self.live.iter().filter(|(_, live)| is_idle(live, segment.at)).map(|(p, _)| *p).collect();
            for pair in &idle {
                self.remove(pair, &segment.spot, readers);
            }
        }
        let room = self.live.len() < MOST_CONNECTIONS;
        if !room {
            readers.excess.note("segments of TCP connections beyond the number that is followed", &segment.spot);
        }
        room
    }
}

fn is_idle(connection: &Connection, now: RunTime) -> bool {
    let patience = if connection.carried_something() { IDLE_CONNECTION } else { IDLE_EMPTY };
    now - connection.last() > patience
}

#[cfg(test)]
mod tests;
