//! The values inside header fields: name-addr, Via and parameters (RFC 3261 §25.1), read from octets.

use super::uri::Uri;

/// `"Display" <uri>;params` or the bare form without brackets (RFC 3261 §20.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// The URI, without brackets.
    pub uri: &'a str,
    /// The header's parameters, from the first `;`.
    pub parameters: &'a [u8],
}

impl<'a> NameAddr<'a> {
    /// Reads one value; `None` where there is no URI in UTF-8.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<NameAddr<'a>> {
        let (uri, parameters) = match find_unquoted(value, b'<') {
            Some(open) => {
                let inside = value.get(open + 1..)?;
                let close = inside.iter().position(|&octet| octet == b'>')?;
                (&inside[..close], &inside[close + 1..])
            }
            None => value.split_at(find_unquoted(value, b';').unwrap_or(value.len())),
        };
        let uri = text(uri)?;
        (!uri.is_empty()).then_some(NameAddr { uri, parameters })
    }

    /// The `tag` parameter.
    #[must_use]
    pub fn tag(&self) -> Option<&'a str> {
        parameter(self.parameters, "tag")
    }

    /// The user part of the URI.
    #[must_use]
    pub fn user(&self) -> Option<&'a str> {
        Uri::parse(self.uri)?.user
    }
}

/// One Via value (RFC 3261 §20.42).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`, …, as written.
    pub transport: &'a str,
    /// Host of the sender, IPv6 without brackets.
    pub host: &'a str,
    /// Port of the sender, where written.
    pub port: Option<u16>,
    /// Parameters, from the first `;`.
    pub parameters: &'a [u8],
}

impl<'a> Via<'a> {
    /// Reads one value; `None` where it has no transport or no host.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Via<'a>> {
        let (head, parameters) = value.split_at(value.iter().position(|&octet| octet == b';').unwrap_or(value.len()));
        let head = text(head)?;
        let (protocol, sent_by) = head.rsplit_once(|c: char| c.is_ascii_whitespace())?;
        let (host, port) = host_port(sent_by)?;
        let transport = protocol.rsplit('/').next()?.trim();
        (!transport.is_empty()).then_some(Via { transport, host, port, parameters })
    }

    /// The transaction's branch.
    #[must_use]
    pub fn branch(&self) -> Option<&'a str> {
        parameter(self.parameters, "branch")
    }

    /// A parameter's value; an empty text where it has none (`;rport`).
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        parameter(self.parameters, name)
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
pub(super) fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        // An IPv6 address without brackets is wrong but seen: more than one colon is no port.
        None if text.matches(':').count() > 1 => (text, ""),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = rest.strip_prefix(':').and_then(|port| port.trim().parse().ok());
    (!host.is_empty()).then_some((host, port))
}

/// Looks up a parameter in `;name=value;name;name="quoted"`, without regard to case.
///
/// A parameter without value gives an empty text. Quotes are taken off, escapes inside are left.
#[must_use]
pub fn parameter<'a>(parameters: &'a [u8], name: &str) -> Option<&'a str> {
    split_unquoted(parameters, b';').find_map(|part| {
        let (key, value) = part.split_at(part.iter().position(|&octet| octet == b'=').unwrap_or(part.len()));
        if !key.trim_ascii().eq_ignore_ascii_case(name.as_bytes()) {
            return None;
        }
        let value = text(value.strip_prefix(b"=").unwrap_or(value))?;
        Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
    })
}

/// Splits a header's comma-separated list; commas in quotes or angle brackets do not count.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_unquoted(value, b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty())
}

/// The octets as text without surrounding space, where they are UTF-8.
pub(super) fn text(octets: &[u8]) -> Option<&str> {
    str::from_utf8(octets).ok().map(str::trim)
}

fn split_unquoted(octets: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(octets);
    std::iter::from_fn(move || {
        let octets = rest?;
        let end = find_unquoted(octets, separator);
        rest = end.map(|end| &octets[end + 1..]);
        Some(&octets[..end.unwrap_or(octets.len())])
    })
}

/// First place of `wanted` outside quoted strings and angle brackets.
fn find_unquoted(octets: &[u8], wanted: u8) -> Option<usize> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    octets.iter().position(|&octet| {
        if !quoted && !bracketed && octet == wanted {
            return true;
        }
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !bracketed => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_addr_in_every_dress() {
        for (value, uri, tag) in [
            ("<sip:1@h>;tag=a", "sip:1@h", Some("a")),
            ("sip:1@h;tag=a", "sip:1@h", Some("a")),
            ("\"A, <b>;tag=no\" <sip:1@h;lr>;x; TAG = b", "sip:1@h;lr", Some("b")),
            ("\"q\\\"<\" <tel:+15551234>", "tel:+15551234", None),
        ] {
            let parsed = NameAddr::parse(value.as_bytes()).unwrap();
            assert_eq!((parsed.uri, parsed.tag()), (uri, tag), "{value}");
        }
        assert_eq!(NameAddr::parse(b"<sip:never closed"), None);
        assert_eq!(NameAddr::parse(b"M\xfcller <sip:7@h>;tag=x").unwrap().tag(), Some("x"));
    }

    #[test]
    fn via_with_ipv6_flags_and_spaces() {
        let via = Via::parse(b"SIP/2.0/UDP [2001:db8::1]:5080;branch=z9hG4bKx;rport").unwrap();
        assert_eq!((via.host, via.port, via.branch()), ("2001:db8::1", Some(5080), Some("z9hG4bKx")));
        assert_eq!(via.parameter("rport"), Some(""));
        assert_eq!(via.parameter("received"), None);
        // RFC 4475 §3.1.1.1 writes it so.
        let via = Via::parse(b"SIP  / 2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw").unwrap();
        assert_eq!((via.transport, via.host, via.port), ("UDP", "192.0.2.2", None));
    }

    #[test]
    fn lists_split_outside_quotes_and_brackets() {
        let parts: Vec<_> = list(b"<sip:a;x=1,2>, \"b,c\" <sip:d> ,, <sip:e>").collect();
        assert_eq!(parts, [&b"<sip:a;x=1,2>"[..], b"\"b,c\" <sip:d>", b"<sip:e>"]);
    }
}
