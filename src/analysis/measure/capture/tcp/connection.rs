//! One connection: both directions, and what it turned out to be.

use super::decoder::{Decoder, Event};
use super::tls::Records;
use super::{Readers, Segment};
use crate::analysis::measure::capture::chat::Opening;
use crate::analysis::measure::capture::excess::Spot;
use crate::analysis::measure::capture::signalling::Heard;
use crate::units::RunTime;
use crate::wire::sip::Message;
use crate::wire::tcp::{ACK, FIN, Piece, RST, Reassembly, SYN};
use crate::wire::xmpp::CLIENT_PORTS;

/// SIP over TLS (RFC 3261 §19.1.2).
const SIPS_PORT: u16 = 5061;

/// A connection between two ends, told apart by which address is the lower.
#[derive(Debug)]
pub(super) struct Connection {
    opening: Opening,
    /// Whether the end with the lower address is the client.
    client_is_low: bool,
    sides: [Side; 2],
    /// The session that it carries.
    chat: Option<usize>,
    /// It is neither SIP nor chat.
    uninteresting: bool,
    last: RunTime,
    reset: bool,
}

/// What one end sent.
#[derive(Debug, Default)]
struct Side {
    reassembly: Reassembly,
    decoder: Decoder,
    carried: bool,
    finished: bool,
}

impl Connection {
    pub(super) fn new(first: &Segment<'_>) -> Connection {
        let from_client = is_from_client(first);
        let (client, server) =
            if from_client { (first.source, first.destination) } else { (first.destination, first.source) };
        let opening = Opening { client, server, at: first.at, whole: first.has(SYN), file: first.spot.file };
        Connection {
            opening,
            client_is_low: client < server,
            sides: Default::default(),
            chat: None,
            uninteresting: false,
            last: first.at,
            reset: false,
        }
    }

    pub(super) fn carried_something(&self) -> bool {
        self.reset || self.sides.iter().any(|side| side.carried || side.finished)
    }

    /// Both ends are done, or one has broken it.
    pub(super) fn is_over(&self) -> bool {
        self.reset || self.sides.iter().all(|side| side.finished)
    }

    pub(super) fn last(&self) -> RunTime {
        self.last
    }

    pub(super) fn buffered(&self) -> usize {
        self.sides.iter().map(|side| side.reassembly.waiting() + side.decoder.buffered()).sum()
    }

    /// Keeps watching its segments and reads it no more.
    pub(super) fn give_up(&mut self) {
        for side in &mut self.sides {
            (side.reassembly, side.decoder) = (Reassembly::default(), Decoder::Off);
        }
        self.uninteresting = true;
    }

    pub(super) fn segment(&mut self, segment: &Segment<'_>, readers: &mut Readers<'_>) {
        self.last = segment.at;
        let from_client = segment.source == self.opening.client;
        if let Some(chat) = self.chat {
            readers.chats.segment(chat, from_client, segment);
        }
        let sender = self.side(from_client);
        self.reset |= segment.has(RST);
        self.sides[sender].finished |= segment.has(FIN);
        self.sides[sender].carried |= !segment.payload.is_empty();
        if self.uninteresting {
            return;
        }
        if segment.has(ACK) {
            self.read(1 - sender, segment.at, &segment.spot, readers, &|side, out| {
                side.acknowledge(segment.acknowledgment, out)
            });
        }
        let (sequence, flags, payload) = (segment.sequence, segment.flags, segment.payload);
        self.read(sender, segment.at, &segment.spot, readers, &|side, out| {
            side.push(segment.at, sequence, flags, payload, out);
        });
        self.uninteresting = self.chat.is_none() && self.sides.iter().all(|side| side.decoder.is_off());
    }

    /// The capture, or the connection, is over.
    pub(super) fn finish(&mut self, spot: &Spot<'_>, readers: &mut Readers<'_>) {
        for side in 0..2 {
            self.read(side, self.last, spot, readers, &|side, out| side.finish(out));
        }
    }

    fn side(&self, from_client: bool) -> usize {
        usize::from(from_client != self.client_is_low)
    }

    /// Lets `step` move one direction on, and hands what it completes to its reader.
    fn read(&mut self, side: usize, now: RunTime, spot: &Spot<'_>, readers: &mut Readers<'_>, step: Step<'_>) {
        let mut events = Vec::new();
        let Side { reassembly, decoder, .. } = &mut self.sides[side];
        step(reassembly, &mut |piece| decoder.take(piece, &mut events, now));
        let from_client = side == self.side(true);
        for (at, event) in events {
            self.event(at, from_client, event, spot, readers);
        }
    }

    fn event(&mut self, at: RunTime, from_client: bool, event: Event, spot: &Spot<'_>, readers: &mut Readers<'_>) {
        match event {
            Event::Sip { begun, message } => {
                if let Ok(message) = Message::parse(&message) {
                    let ends = [self.opening.client, self.opening.server];
                    readers.signalling.between(ends, readers.filter);
                    readers.signalling.message(Heard { begun, whole: at }, &message);
                    readers.signalling.tell(readers.excess, spot);
                }
            }
            Event::LeftOut(what) => readers.excess.note(what, spot),
            Event::Xmpp => self.begin_chat(spot, readers),
            Event::Tls { from_handshake } => self.begin_tls(at, from_handshake, spot, readers),
            Event::Header(header) if header.namespace.as_deref() == Some("jabber:server") => {
                readers.excess.note("XMPP streams between servers were not measured", spot);
                self.chat = None;
                self.give_up();
            }
            event => {
                let Some(chat) = self.chat else { return };
                let proceeds = matches!(&event, Event::Stanza(stanza) if stanza.name == "proceed");
                readers.chats.event(chat, at, from_client, event, spot, readers.excess);
                if proceeds && !from_client {
                    readers.chats.hidden(chat, at);
                    self.sides.iter_mut().for_each(|side| side.decoder = Decoder::Tls(Records::default()));
                }
            }
        }
    }

    fn begin_chat(&mut self, spot: &Spot<'_>, readers: &mut Readers<'_>) {
        if self.chat.is_none() {
            self.chat = readers.chats.open(&self.opening, spot, readers.excess);
        }
    }

    /// TLS hides what it carries; only the port tells that it is chat.
    fn begin_tls(&mut self, at: RunTime, from_handshake: bool, spot: &Spot<'_>, readers: &mut Readers<'_>) {
        if CLIENT_PORTS.contains(&self.opening.server.port()) {
            self.opening.whole &= from_handshake;
            self.begin_chat(spot, readers);
        } else if self.chat.is_none() {
            if self.opening.server.port() == SIPS_PORT {
                readers.excess.note("TCP connections with SIP over TLS hide their calls", spot);
            }
            self.give_up();
        }
        if let Some(chat) = self.chat {
            readers.chats.hidden(chat, at);
        }
    }
}

type Step<'a> = &'a dyn Fn(&mut Reassembly, &mut dyn FnMut(Piece<'_>));

/// Who opened the connection: by its SYN; where that was not captured, by the port of a known service, else the
/// lower port is the server's.
fn is_from_client(first: &Segment<'_>) -> bool {
    if first.has(SYN) {
        return !first.has(ACK);
    }
    let (source, destination) = (first.source.port(), first.destination.port());
    match (CLIENT_PORTS.contains(&source), CLIENT_PORTS.contains(&destination)) {
        (true, false) => false,
        (false, true) => true,
        _ => destination <= source,
    }
}
