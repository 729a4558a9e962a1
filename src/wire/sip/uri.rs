//! SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966), as far as routing and accounting need them.

use std::net::SocketAddr;

use super::DEFAULT_PORT;
use super::value::{host_port, parameter};

/// The parts of a URI, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// `sip`, `sips`, `tel`, …
    pub scheme: &'a str,
    /// User, or the number of a `tel` URI.
    pub user: Option<&'a str>,
    /// Host, IPv6 without brackets; empty in a `tel` URI.
    pub host: &'a str,
    /// Port, where written.
    pub port: Option<u16>,
    /// Parameters, from the first `;` behind the host.
    pub parameters: &'a str,
}

impl<'a> Uri<'a> {
    /// Reads a URI without brackets; `None` where it has no scheme or no host.
    #[must_use]
    pub fn parse(uri: &'a str) -> Option<Uri<'a>> {
        let (scheme, rest) = uri.trim().split_once(':')?;
        let rest = rest.split('?').next()?;
        if scheme.eq_ignore_ascii_case("tel") {
            let (number, parameters) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
            return Some(Uri { scheme, user: Some(number), host: "", port: None, parameters });
        }
        let (user, rest) = match rest.split_once('@') {
            Some((user, rest)) => (user.split(':').next(), rest),
            None => (None, rest),
        };
        let (host, parameters) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
        let (host, port) = host_port(host)?;
        Some(Uri { scheme, user, host, port, parameters })
    }

    /// A parameter's value; an empty text where it has none (`;lr`).
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        parameter(self.parameters.as_bytes(), name)
    }

    /// Where to send to, when the host is an address: its port or 5060.
    #[must_use]
    pub fn socket_address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.parse().ok()?, self.port.unwrap_or(DEFAULT_PORT)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_uris() {
        let uri = Uri::parse("sip:1001:pw@10.0.0.1:5070;transport=tcp;lr?x=y").unwrap();
        assert_eq!((uri.user, uri.host, uri.port), (Some("1001"), "10.0.0.1", Some(5070)));
        assert_eq!((uri.parameter("TRANSPORT"), uri.parameter("lr")), (Some("tcp"), Some("")));
        assert_eq!(uri.socket_address(), Some("10.0.0.1:5070".parse().unwrap()));
        let v6 = Uri::parse("sips:[::1]").unwrap();
        assert_eq!((v6.user, v6.socket_address()), (None, Some("[::1]:5060".parse().unwrap())));
        assert_eq!(Uri::parse("tel:+15551234;phone-context=x").unwrap().user, Some("+15551234"));
        assert_eq!(Uri::parse("sip:a@lab.test").unwrap().socket_address(), None);
        assert_eq!(Uri::parse("nonsense"), None);
    }
}
