//! One direction of a connection: what protocol it is, and its messages.

use super::tls::{self, Records};
use crate::units::RunTime;
use crate::wire::limits::{MOST_UNDECIDED, MOST_UNDECIDED_SEGMENTS};
use crate::wire::sip::{Frame, Framer, Message};
use crate::wire::tcp::Piece;
use crate::wire::xmpp;

/// What came out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::analysis::measure::capture) enum Event {
    /// A whole SIP message, and when its first octet came.
    Sip { begun: RunTime, message: Vec<u8> },
    /// An XMPP stream was recognized.
    Xmpp,
    /// The start tag of an XMPP stream.
    Header(xmpp::Header),
    /// A stanza.
    Stanza(xmpp::Stanza),
    /// The end tag of an XMPP stream.
    End,
    /// TLS was recognized, from its handshake on or in its midst.
    Tls { from_handshake: bool },
    /// Encrypted data.
    Data,
    /// Octets are missing.
    Hole,
    /// Something was left out; says what.
    LeftOut(&'static str),
}

/// Reads one direction.
#[derive(Debug)]
pub(super) enum Decoder {
    /// The first octets, when they began to come, and the segments that were looked at.
    Undecided {
        start: Vec<u8>,
        begun: RunTime,
        segments: u32,
    },
    /// With the instant of the first octet that waits.
    Sip {
        framer: Framer,
        begun: RunTime,
    },
    Xmpp(Box<xmpp::Splitter>),
    Tls(Records),
    /// Something else.
    Off,
}

/// What the first octets are.
enum Guess {
    Sip,
    Xmpp { in_the_middle: bool },
    Tls,
    Unknown,
    TooShort,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::Undecided { start: Vec::new(), begun: RunTime::ZERO, segments: 0 }
    }
}

impl Decoder {
    /// Octets that are kept.
    pub(super) fn buffered(&self) -> usize {
        match self {
            Decoder::Undecided { start, .. } => start.capacity(),
            Decoder::Sip { framer, .. } => framer.buffered(),
            Decoder::Xmpp(splitter) => splitter.buffered(),
            Decoder::Tls(_) | Decoder::Off => 0,
        }
    }

    pub(super) fn is_off(&self) -> bool {
        matches!(self, Decoder::Off)
    }

    /// Takes the next piece of the stream.
    pub(super) fn take(&mut self, piece: Piece<'_>, events: &mut Vec<(RunTime, Event)>, now: RunTime) {
        match piece {
            Piece::Octets { came, read, octets } => {
                self.octets(came, octets, &mut |event| events.push((read, event)));
            }
            Piece::Hole(_) => {
                self.hole();
                events.push((now, Event::Hole));
            }
        }
    }

    fn hole(&mut self) {
        match self {
            // The next message is found where a segment begins with one.
            Decoder::Undecided { .. } | Decoder::Sip { .. } => *self = Decoder::default(),
            Decoder::Xmpp(splitter) => splitter.hole(),
            Decoder::Tls(records) => records.hole(),
            Decoder::Off => {}
        }
    }

    fn octets(&mut self, came: RunTime, octets: &[u8], out: &mut dyn FnMut(Event)) {
        match self {
            // Line ends keep a connection open, and blanks a stream of XML.
            Decoder::Undecided { start, .. } if start.is_empty() && octets.trim_ascii().is_empty() => {}
            Decoder::Undecided { start, begun, segments } => {
                if start.is_empty() {
                    *begun = came;
                }
                start.extend_from_slice(&octets[..octets.len().min(2 * MOST_UNDECIDED)]);
                *segments += 1;
                self.decide(came, octets, out);
            }
            Decoder::Sip { framer, begun } => {
                if framer.is_between() {
                    *begun = came;
                }
                framer.push(octets);
                self.sip(came, out);
            }
            // No XML has such octets: STARTTLS, its announcement missed.
            Decoder::Xmpp(_) if tls::is_tls(octets) => self.begin_tls(octets, true, out),
            Decoder::Xmpp(splitter) => splitter.push(octets, &mut |piece| out(event(piece))),
            Decoder::Tls(records) => {
                if records.push(octets) {
                    out(Event::Data);
                }
            }
            Decoder::Off => {}
        }
    }

    /// `octets` are the last ones that came, of which the start may hold only a part.
    fn decide(&mut self, came: RunTime, octets: &[u8], out: &mut dyn FnMut(Event)) {
        let Decoder::Undecided { start, begun, segments } = self else { return };
        let (start, begun, segments) = (std::mem::take(start), *begun, *segments);
        // All but the last octets are shorter than the limit, so that nothing of them is missing here.
        let before = start.len() - octets.len().min(2 * MOST_UNDECIDED);
        let whole = [&start[..before], octets].concat();
        match guess(&start) {
            Guess::Sip => {
                let mut framer = Framer::default();
                framer.push(&whole);
                *self = Decoder::Sip { framer, begun };
                self.sip(came, out);
            }
            Guess::Xmpp { in_the_middle } => {
                let mut splitter =
                    if in_the_middle { xmpp::Splitter::in_the_middle() } else { xmpp::Splitter::default() };
                out(Event::Xmpp);
                splitter.push(&whole, &mut |piece| out(event(piece)));
                *self = Decoder::Xmpp(Box::new(splitter));
            }
            Guess::Tls => self.begin_tls(&whole, tls::is_handshake(&whole), out),
            Guess::Unknown | Guess::TooShort if segments >= MOST_UNDECIDED_SEGMENTS => *self = Decoder::Off,
            Guess::TooShort => *self = Decoder::Undecided { start, begun, segments },
            Guess::Unknown => *self = Decoder::Undecided { start: Vec::new(), begun, segments },
        }
    }

    fn begin_tls(&mut self, octets: &[u8], from_handshake: bool, out: &mut dyn FnMut(Event)) {
        out(Event::Tls { from_handshake });
        let mut records = Records::default();
        if records.push(octets) {
            out(Event::Data);
        }
        *self = Decoder::Tls(records);
    }

    /// Behind a message that the last octets completed, the next one began with them: they came at `came`.
    fn sip(&mut self, came: RunTime, out: &mut dyn FnMut(Event)) {
        let Decoder::Sip { framer, begun } = self else { return };
        loop {
            match framer.next_frame() {
                Ok(Some(Frame::Message(message))) => out(Event::Sip { begun: std::mem::replace(begun, came), message }),
                Ok(Some(Frame::Ping)) => {}
                Ok(None) => return,
                Err(_) => {
                    out(Event::LeftOut(
                        "places where a SIP stream over TCP was longer than a message may be, or no SIP",
                    ));
                    *self = Decoder::default();
                    return;
                }
            }
        }
    }
}

fn event(piece: xmpp::Piece<'_>) -> Event {
    const UNREADABLE: &str = "XMPP stanzas that are not well-formed were left out";
    match piece {
        xmpp::Piece::Header(tag) => xmpp::Header::parse(tag).map_or(Event::LeftOut(UNREADABLE), Event::Header),
        xmpp::Piece::Stanza(octets) => xmpp::Stanza::parse(octets).map_or(Event::LeftOut(UNREADABLE), Event::Stanza),
        xmpp::Piece::TooLong => Event::LeftOut("XMPP stanzas were longer than the limit and left out"),
        xmpp::Piece::End => Event::End,
    }
}

/// Tells the protocol by how a stream, or a segment in its midst, begins.
fn guess(start: &[u8]) -> Guess {
    const STANZAS: [&[u8]; 5] = [b"<message", b"<iq", b"<presence", b"<r xmlns", b"<a xmlns"];
    let text = start.trim_ascii_start();
    let holds = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    let room = text.len() < MOST_UNDECIDED;
    match text {
        _ if tls::is_tls(start) => Guess::Tls,
        [b'<', ..] if holds(b"http://etherx.jabber.org/streams") => Guess::Xmpp { in_the_middle: false },
        [b'<', ..] if STANZAS.iter().any(|stanza| text.starts_with(stanza)) => Guess::Xmpp { in_the_middle: true },
        [b'<', ..] if room => Guess::TooShort,
        [b'A'..=b'Z', ..] if !text.contains(&b'\n') && room => Guess::TooShort,
        [b'A'..=b'Z', ..] if Message::parse(text).is_ok() => Guess::Sip,
        [20..=23] => Guess::TooShort,
        _ => Guess::Unknown,
    }
}
