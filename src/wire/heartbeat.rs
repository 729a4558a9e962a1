//! Messages of Heartbeat (the Linux-HA project's, version 3), as far as they tell who lives and who is dead.
//!
//! A message is a list of `key=value`: lines between `>>>` and `<<<`, or netstrings (`LENGTH:(TYPE)key=value,`)
//! between `###` and `%%%`.

use crate::units::Span;

/// UDP port where nothing else is configured (ha.cf(5), `udpport`).
pub const PORT: u16 = 694;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Name of the node that sent it.
    pub source: String,
    /// What it tells.
    pub told: Told,
}

/// What a message tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The sender lives; with the silence after which it takes others for dead, where it says so.
    Alive(Option<Span>),
    /// The sender takes this node for dead: it has just been fenced, or there is nothing to fence it with.
    Dead(String),
    /// Anything else; it shows that the sender lives as well.
    Other,
}

impl Heartbeat {
    /// Reads the payload of a datagram; anything else is `None`.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Option<Heartbeat> {
        let fields = fields(octets)?;
        let value = |key: &str| fields.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
        let told = match value("t")? {
            // Milliseconds, in hexadecimal digits.
            "status" => Told::Alive(
                value("dt")
                    .and_then(|ms| i64::from_str_radix(ms, 16).ok())
                    .map(|ms| Span(ms.saturating_mul(1_000_000))),
            ),
            "stonith" => Told::Dead(value("node")?.to_owned()),
            _ => Told::Other,
        };
        Some(Heartbeat { source: value("src")?.to_owned(), told })
    }
}

/// Keys and values that are text; binary ones are left out.
fn fields(octets: &[u8]) -> Option<Vec<(&str, &str)>> {
    let pieces = match octets.split_at_checked(4)? {
        (b"###\n", rest) => netstrings(rest),
        (b">>>\n", rest) => rest.split(|octet| *octet == b'\n').collect(),
        _ => return None,
    };
    let pair = |piece: &'_ [u8]| -> Option<(usize, usize)> {
        let text = std::str::from_utf8(piece).ok()?;
        let start = if text.starts_with('(') { text.find(')')? + 1 } else { 0 };
        text[start..].find('=').map(|at| (start, start + at))
    };
    let text = |piece| std::str::from_utf8(piece).unwrap_or_default();
    let found = pieces.into_iter().filter_map(|piece| pair(piece).map(|(start, equals)| (piece, start, equals)));
    Some(found.map(|(piece, start, equals)| (&text(piece)[start..equals], &text(piece)[equals + 1..])).collect())
}

/// `LENGTH:octets,` one behind the other, as far as they are whole. What follows the mark at the end is not read.
fn netstrings(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some(colon) = rest.iter().take(6).position(|octet| *octet == b':') {
        let length = std::str::from_utf8(&rest[..colon]).ok().and_then(|digits| digits.parse::<usize>().ok());
        let Some((piece, after)) = length.and_then(|length| rest[colon + 1..].split_at_checked(length)) else { break };
        let Some((b",", after)) = after.split_at_checked(1) else { break };
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Heartbeat 3.0.6 sent them, shortened; the second field of the first one is binary there.
    #[test]
    fn a_status_and_a_death_are_read_in_both_forms() {
        let status = b"###\n11:(0)t=status,13:(1)srcuuid=\xff\x01,9:(0)dt=3e8,11:(0)src=beta,%%%\n10:1 ba9a675e,";
        let read = Heartbeat::parse(status).unwrap();
        assert_eq!((read.source.as_str(), read.told), ("beta", Told::Alive(Some(Span::from_secs(1)))));
        let death = b">>>\nt=stonith\nnode=alpha\nresult=n_stnth\nsrc=beta\n<<<\n";
        let read = Heartbeat::parse(death).unwrap();
        assert_eq!(read, Heartbeat { source: "beta".into(), told: Told::Dead("alpha".into()) });
        assert_eq!(Heartbeat::parse(b">>>\nt=resource\nsrc=beta\n<<<\n").unwrap().told, Told::Other);
    }

    #[test]
    fn foreign_and_broken_payloads_are_none() {
        for octets in [&b"GET / HTTP/1.1"[..], b"###", b"###\n", b"###\n99999:(0)t=status,", b">>>\nsrc=beta\n<<<\n"] {
            assert_eq!(Heartbeat::parse(octets), None, "{octets:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for mark in [&b"###\n"[..], b">>>\n"] {
                let _ = Heartbeat::parse(&[mark, &octets].concat());
            }
        }
    }
}
