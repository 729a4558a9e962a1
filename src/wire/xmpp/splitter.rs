//! A stream cut into pieces (RFC 6120 §4): only markup is followed, nothing is understood.

use crate::wire::limits::LONGEST_STANZA;

/// One piece of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The start tag of the stream.
    Header(&'a [u8]),
    /// A whole element below it: a stanza, or a word of the negotiation.
    Stanza(&'a [u8]),
    /// A stanza that is longer than the limit and was not kept.
    TooLong,
    /// The end tag of the stream.
    End,
}

/// Cuts one direction of a stream.
#[derive(Debug, Default)]
pub struct Splitter {
    state: State,
    /// Elements that are open: 0 before the stream's header, 1 between stanzas.
    depth: usize,
    /// The stanza so far, or the tag that may begin one.
    buffer: Vec<u8>,
    too_long: bool,
    /// Something is missing: the next tag that begins a stanza counts as one.
    lost: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind `<`.
    Opening,
    /// In a tag: the quote that is open, the octet before, and whether it is an end tag.
    Tag {
        quote: Option<u8>,
        before: u8,
        closes: bool,
    },
    /// Behind `<!`.
    Declaration(Declared),
    /// `<!-- … -->`, `<![CDATA[ … ]]>` and `<? … ?>`: octets of their ends that were seen.
    Comment(usize),
    Cdata(usize),
    Instruction(usize),
}

/// What stands behind `<!` so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declared {
    Unknown,
    Dash,
    /// So many octets of `[CDATA[`.
    Bracket(usize),
    Other,
}

const CDATA: &[u8] = b"[CDATA[";
/// Elements by which a stream is found again after a hole.
const STANZAS: [&[u8]; 4] = [b"message", b"presence", b"iq", b"stream:error"];

impl Splitter {
    /// For a stream whose beginning is not in the capture.
    #[must_use]
    pub fn in_the_middle() -> Splitter {
        Splitter { depth: 1, lost: true, ..Splitter::default() }
    }

    /// Octets are missing here.
    pub fn hole(&mut self) {
        *self = Splitter::in_the_middle();
    }

    /// Octets that are kept.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.capacity()
    }

    /// Takes the next octets and gives the pieces that they complete.
    pub fn push(&mut self, octets: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
        for &octet in octets {
            self.octet(octet, out);
        }
    }

    fn octet(&mut self, octet: u8, out: &mut dyn FnMut(Piece<'_>)) {
        if self.state == State::Text && octet == b'<' && self.depth <= 1 {
            self.begin();
        }
        if self.depth > 1 || self.state != State::Text || octet == b'<' {
            self.keep(octet);
        }
        self.state = match self.state {
            State::Text if octet == b'<' => State::Opening,
            State::Text => State::Text,
            State::Opening => opening(octet),
            State::Tag { quote, before, closes } => match (quote, octet) {
                (None, b'>') => {
                    self.tag(closes, before == b'/', out);
                    State::Text
                }
                (None, b'"' | b'\'') => State::Tag { quote: Some(octet), before: octet, closes },
                (Some(open), _) if open == octet => State::Tag { quote: None, before: octet, closes },
                _ => State::Tag { quote, before: octet, closes },
            },
            State::Declaration(seen) => declaration(seen, octet),
            State::Comment(seen) => until(b"-->", seen, octet, State::Comment),
            State::Cdata(seen) => until(b"]]>", seen, octet, State::Cdata),
            State::Instruction(seen) => until(b"?>", seen, octet, State::Instruction),
        };
    }

    fn begin(&mut self) {
        self.buffer.clear();
        // A stanza that was huge shall not hold its memory until the end.
        self.buffer.shrink_to(4096);
        self.too_long = false;
    }

    fn keep(&mut self, octet: u8) {
        if self.buffer.len() < LONGEST_STANZA {
            self.buffer.push(octet);
        } else {
            self.too_long = true;
        }
    }

    /// A tag has ended; the buffer ends with it.
    fn tag(&mut self, closes: bool, empty: bool, out: &mut dyn FnMut(Piece<'_>)) {
        if self.lost {
            return self.find_again(closes, empty, out);
        }
        match (closes, self.depth) {
            (true, 0) => {}
            (true, 1) => self.end(out),
            (true, 2) => {
                self.depth = 1;
                self.stanza(out);
            }
            (true, _) => self.depth -= 1,
            // After authentication the stream begins anew without an end (RFC 6120 §4.3.3).
            (false, 0 | 1) if self.depth == 0 || self.names_stream() => {
                self.depth = usize::from(!empty);
                out(if self.too_long { Piece::TooLong } else { Piece::Header(&self.buffer) });
            }
            (false, 1) if empty => self.stanza(out),
            (false, _) => self.depth += usize::from(!empty),
        }
    }

    /// An end tag between stanzas ends the stream, if it is the stream's. Another one tells that the count was
    /// wrong.
    fn end(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        if self.names_stream() {
            self.depth = 0;
            out(Piece::End);
        } else {
            self.lost = true;
        }
    }

    fn stanza(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        out(if self.too_long { Piece::TooLong } else { Piece::Stanza(&self.buffer) });
        self.begin();
    }

    fn find_again(&mut self, closes: bool, empty: bool, out: &mut dyn FnMut(Piece<'_>)) {
        let known = self.names_stream() || (!closes && STANZAS.contains(&name(&self.buffer)));
        if known {
            (self.lost, self.depth) = (false, 1);
            self.tag(closes, empty, out);
        }
    }

    fn names_stream(&self) -> bool {
        let name = name(&self.buffer);
        name == b"stream" || name.ends_with(b":stream")
    }
}

fn opening(octet: u8) -> State {
    match octet {
        b'!' => State::Declaration(Declared::Unknown),
        b'?' => State::Instruction(0),
        // No name begins so: it was no tag.
        b'<' => State::Opening,
        b'>' | b' ' | b'\t' | b'\r' | b'\n' => State::Text,
        _ => State::Tag { quote: None, before: octet, closes: octet == b'/' },
    }
}

fn declaration(seen: Declared, octet: u8) -> State {
    match (seen, octet) {
        (Declared::Unknown, b'-') => State::Declaration(Declared::Dash),
        (Declared::Unknown, b'[') => State::Declaration(Declared::Bracket(1)),
        (Declared::Dash, b'-') => State::Comment(0),
        (_, b'>') => State::Text,
        (Declared::Bracket(seen), _) if CDATA.get(seen) == Some(&octet) => match seen + 1 {
            seen if seen == CDATA.len() => State::Cdata(0),
            seen => State::Declaration(Declared::Bracket(seen)),
        },
        // Nothing that XMPP allows (RFC 6120 §11.1): it ends with its bracket.
        _ => State::Declaration(Declared::Other),
    }
}

/// Follows a text that ends with `end`, of whose octets the last `seen` have come.
fn until(end: &[u8], seen: usize, octet: u8, state: fn(usize) -> State) -> State {
    let seen = match end.get(seen) {
        Some(wanted) if *wanted == octet => seen + 1,
        // `--->` and `]]]>` end too: the octet before the bracket may come any number of times.
        _ if octet == end[0] => seen,
        _ => 0,
    };
    if seen == end.len() { State::Text } else { state(seen) }
}

/// The name in a tag.
fn name(tag: &[u8]) -> &[u8] {
    let start = tag.iter().position(|octet| !matches!(octet, b'<' | b'/')).unwrap_or(tag.len());
    let rest = &tag[start..];
    let end = rest.iter().position(|octet| octet.is_ascii_whitespace() || matches!(octet, b'>' | b'/'));
    &rest[..end.unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='x' \
        xmlns:stream='http://etherx.jabber.org/streams'> <auth mechanism='PLAIN'>AGEAYg==</auth>\n\
        <!-- a > comment - -- --><stream:stream to=\"x>y\"><iq id='1/'><bind><r/></bind></iq><r/>\
        <message><body a='<>'><![CDATA[</body>]]]></body></message></stream:stream>";

    const PIECES: [&str; 7] = [
        "H <stream:stream xmlns='jabber:client' to='x' xmlns:stream='http://etherx.jabber.org/streams'>",
        "S <auth mechanism='PLAIN'>AGEAYg==</auth>",
        "H <stream:stream to=\"x>y\">",
        "S <iq id='1/'><bind><r/></bind></iq>",
        "S <r/>",
        "S <message><body a='<>'><![CDATA[</body>]]]></body></message>",
        "E",
    ];

    fn shown(piece: Piece<'_>) -> String {
        match piece {
            Piece::Header(octets) => format!("H {}", String::from_utf8_lossy(octets)),
            Piece::Stanza(octets) => format!("S {}", String::from_utf8_lossy(octets)),
            Piece::TooLong => "L".to_owned(),
            Piece::End => "E".to_owned(),
        }
    }

    fn pieces(splitter: &mut Splitter, octets: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        splitter.push(octets, &mut |piece| found.push(shown(piece)));
        found
    }

    proptest! {
        #[test]
        fn segments_of_any_size_give_the_same_pieces(size in 1usize..80) {
            let mut splitter = Splitter::default();
            let found: Vec<_> =
                STREAM.as_bytes().chunks(size).flat_map(|piece| pieces(&mut splitter, piece)).collect();
            prop_assert_eq!(found, PIECES);
        }

        #[test]
        fn no_octets_make_it_panic(text in "[<>/!?\\-\\[\\]'\" a-c]{0,200}", octets in any::<Vec<u8>>(), hole in any::<bool>()) {
            let mut splitter = Splitter::default();
            let _ = pieces(&mut splitter, text.as_bytes());
            if hole {
                splitter.hole();
            }
            let _ = pieces(&mut splitter, &octets);
        }
    }

    #[test]
    fn after_a_hole_it_goes_on_with_the_next_stanza() {
        let mut splitter = Splitter::default();
        assert_eq!(pieces(&mut splitter, b"<stream:stream><message><bo").len(), 1);
        splitter.hole();
        let rest = b"dy>x</body></message><presence/><iq id='2'></iq></stream:stream>";
        assert_eq!(pieces(&mut splitter, rest), ["S <presence/>", "S <iq id='2'></iq>", "E"]);
    }

    #[test]
    fn a_forwarded_message_after_a_hole_is_not_the_end_of_the_stream() {
        let mut splitter = Splitter::in_the_middle();
        let rest = b"<message id='1'><body/></message></forwarded></message><iq/></stream:stream>";
        assert_eq!(pieces(&mut splitter, rest), ["S <message id='1'><body/></message>", "S <iq/>", "E"]);
    }

    #[test]
    fn endless_xml_is_told_and_not_kept() {
        let mut splitter = Splitter::default();
        assert_eq!(pieces(&mut splitter, b"<stream:stream><message>").len(), 1);
        for _ in 0..20 {
            assert_eq!(pieces(&mut splitter, &[b'x'; 100_000]), Vec::<String>::new());
            assert!(splitter.buffered() <= 2 * LONGEST_STANZA);
        }
        assert_eq!(pieces(&mut splitter, b"</message><iq/>"), ["L", "S <iq/>"]);
        assert!(splitter.buffered() <= 4096);
    }
}
