//! What a stanza says, as far as sessions, authentication and delivery go.

use std::borrow::Cow;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::wire::limits::{DEEPEST_STANZA, LONGEST_NAME};

/// Attributes of an element, and elements of a stanza, that are looked at.
const MOST_LOOKED_AT: usize = 64;

/// The attributes of a stream's start tag (RFC 6120 §4.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Who speaks.
    pub from: Option<String>,
    /// Who is spoken to.
    pub to: Option<String>,
    /// The server's name for the stream; a client's header has none.
    pub id: Option<String>,
    /// `jabber:client` or `jabber:server`.
    pub namespace: Option<String>,
}

/// One element on the level of stanzas. Names are local: prefixes are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stanza {
    /// `message`, `iq`, `success`, …
    pub name: String,
    /// Its `xmlns`, where it has one.
    pub namespace: Option<String>,
    /// `type`.
    pub kind: Option<String>,
    /// `id`.
    pub id: Option<String>,
    /// `from`.
    pub from: Option<String>,
    /// `to`.
    pub to: Option<String>,
    /// `h` of stream management: how many stanzas the other side has handled (XEP-0198).
    pub handled: Option<u32>,
    /// The elements within, in document order, the first 64 of them.
    pub children: Vec<Child>,
}

/// An element within a stanza.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Child {
    /// Local name.
    pub name: String,
    /// Its `xmlns`, where it has one.
    pub namespace: Option<String>,
    /// Its `id`.
    pub id: Option<String>,
    /// 1 for a child of the stanza.
    pub depth: usize,
    /// Its text, cut at the limit of names; that of a body is not kept.
    pub text: String,
}

impl Header {
    /// Reads a start tag; `None` when it is none.
    #[must_use]
    pub fn parse(tag: &[u8]) -> Option<Header> {
        let mut header = Header::default();
        let Ok(Event::Start(start) | Event::Empty(start)) = Reader::from_reader(tag).read_event() else { return None };
        for (name, value) in attributes(&start) {
            match &name[..] {
                b"from" => header.from = Some(value),
                b"to" => header.to = Some(value),
                b"id" => header.id = Some(value),
                b"xmlns" => header.namespace = Some(value),
                _ => {}
            }
        }
        Some(header)
    }
}

impl Stanza {
    /// Reads one element; `None` when it is not well-formed.
    #[must_use]
    pub fn parse(element: &[u8]) -> Option<Stanza> {
        let mut reader = Reader::from_reader(element);
        let mut stanza = None;
        let mut open: Vec<Option<usize>> = Vec::new();
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    let place = enter(&mut stanza, &start, open.len());
                    open.push(place);
                    if open.len() > DEEPEST_STANZA {
                        return None;
                    }
                }
                Event::Empty(start) => {
                    enter(&mut stanza, &start, open.len());
                }
                Event::End(_) => {
                    open.pop()?;
                }
                Event::Text(text) => add(stanza.as_mut(), &open, &String::from_utf8_lossy(&text)),
                Event::CData(text) => add(stanza.as_mut(), &open, &String::from_utf8_lossy(&text)),
                Event::GeneralRef(reference) => add(stanza.as_mut(), &open, &resolved(&reference)),
                Event::Eof => break,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        stanza.filter(|_| open.is_empty())
    }

    /// The first element within of this name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Child> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The name of the first child: the condition of a failure or of a stream error.
    #[must_use]
    pub fn condition(&self) -> Option<&str> {
        self.children.first().map(|child| child.name.as_str())
    }

    /// The condition of a stanza error (RFC 6120 §8.3.3): the first element within `error`.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        let place = self.children.iter().position(|child| child.name == "error" && child.depth == 1)?;
        self.children.get(place + 1).filter(|condition| condition.depth == 2).map(|condition| condition.name.as_str())
    }
}

/// The stanza itself, or a child of it: its place among the children.
fn enter(stanza: &mut Option<Stanza>, start: &BytesStart<'_>, depth: usize) -> Option<usize> {
    let name = text(start.local_name().as_ref());
    let Some(stanza) = stanza else {
        *stanza = Some(root(name, start));
        return None;
    };
    if stanza.children.len() >= MOST_LOOKED_AT {
        return None;
    }
    let mut child = Child { name, depth, ..Child::default() };
    for (name, value) in attributes(start) {
        match &name[..] {
            b"xmlns" => child.namespace = Some(value),
            b"id" => child.id = Some(value),
            _ => {}
        }
    }
    stanza.children.push(child);
    Some(stanza.children.len() - 1)
}

fn root(name: String, start: &BytesStart<'_>) -> Stanza {
    let mut stanza = Stanza { name, ..Stanza::default() };
    for (name, value) in attributes(start) {
        match &name[..] {
            b"xmlns" => stanza.namespace = Some(value),
            b"type" => stanza.kind = Some(value),
            b"id" => stanza.id = Some(value),
            b"from" => stanza.from = Some(value),
            b"to" => stanza.to = Some(value),
            b"h" => stanza.handled = value.parse().ok(),
            _ => {}
        }
    }
    stanza
}

/// Text belongs to the element that is open last. What people write is nobody's business here.
fn add(stanza: Option<&mut Stanza>, open: &[Option<usize>], text: &str) {
    let place = open.last().copied().flatten();
    let child = stanza.zip(place).and_then(|(stanza, place)| stanza.children.get_mut(place));
    if let Some(child) = child.filter(|child| child.name != "body") {
        let room = LONGEST_NAME.saturating_sub(child.text.len());
        child.text.extend(text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= room).map(|(_, c)| c));
    }
}

fn resolved(reference: &BytesRef<'_>) -> Cow<'static, str> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string().into();
    }
    let name = std::str::from_utf8(reference).ok();
    name.and_then(resolve_predefined_entity).unwrap_or_default().into()
}

fn attributes<'a>(start: &'a BytesStart<'_>) -> impl Iterator<Item = (Vec<u8>, String)> + 'a {
    let mut attributes = start.attributes();
    // The check for names that occur twice takes the square of their number.
    attributes.with_checks(false);
    let read = attributes.take(MOST_LOOKED_AT).filter_map(Result::ok);
    read.map(|attribute| (attribute.key.as_ref().to_vec(), value(&attribute)))
}

fn value(attribute: &Attribute<'_>) -> String {
    let value = attribute.normalized_value(XmlVersion::Implicit1_0);
    value.map_or_else(|_| text(&attribute.value), |value| cut(&value).to_owned())
}

fn text(octets: &[u8]) -> String {
    cut(&String::from_utf8_lossy(octets)).to_owned()
}

/// Cut at the limit of names.
fn cut(text: &str) -> &str {
    let end = (0..=LONGEST_NAME.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_tells_domain_and_namespace() {
        let tag = b"<stream:stream xmlns='jabber:client' to='example.org' version='1.0'>";
        let header = Header::parse(tag).unwrap();
        assert_eq!((header.to.as_deref(), header.id), (Some("example.org"), None));
        assert_eq!(header.namespace.as_deref(), Some("jabber:client"));
    }

    #[test]
    fn bind_delay_error_and_acknowledgment_are_found() {
        let bind = b"<iq type='result' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
            <jid>d&#39;a@x/r&amp;d</jid></bind></iq>";
        let stanza = Stanza::parse(bind).unwrap();
        assert_eq!((stanza.kind.as_deref(), stanza.id.as_deref()), (Some("result"), Some("b1")));
        assert_eq!(stanza.child("jid").unwrap().text, "d'a@x/r&d");
        let error = b"<message type='error' id='7'><body>secret</body><error type='cancel'>\
            <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
        let stanza = Stanza::parse(error).unwrap();
        assert_eq!((stanza.error(), stanza.child("body").unwrap().text.as_str()), (Some("service-unavailable"), ""));
        let answer = Stanza::parse(b"<a xmlns='urn:xmpp:sm:3' h='12'/>").unwrap();
        assert_eq!((answer.name.as_str(), answer.handled), ("a", Some(12)));
        let failure = Stanza::parse(b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>");
        assert_eq!(failure.unwrap().condition(), Some("not-authorized"));
    }

    #[test]
    fn hostile_stanzas_end_soon() {
        let deep = [b"<a>".repeat(100_000), b"</a>".repeat(100_000)].concat();
        assert_eq!(Stanza::parse(&deep), None);
        let wide = [&b"<message>"[..], &b"<x y='1'>z</x>".repeat(10_000), b"</message>"].concat();
        assert_eq!(Stanza::parse(&wide).unwrap().children.len(), MOST_LOOKED_AT);
        let long = format!("<iq id='{}'><jid>{}</jid></iq>", "é".repeat(5000), "é".repeat(5000));
        let stanza = Stanza::parse(long.as_bytes()).unwrap();
        assert!(stanza.id.unwrap().len() <= LONGEST_NAME && stanza.children[0].text.len() <= LONGEST_NAME);
        assert_eq!(Stanza::parse(b"<message><body></message>"), None);
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(text in "<m[<>/!?\\-\\[\\]'\"&;# a-c=]{0,120}", octets in any::<Vec<u8>>()) {
            let _ = (Stanza::parse(text.as_bytes()), Header::parse(text.as_bytes()));
            let _ = (Stanza::parse(&octets), Header::parse(&octets));
        }
    }
}
