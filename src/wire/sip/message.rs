//! The scanner: a SIP message as slices of the octets that came in.

use std::borrow::Cow;

use super::value::{NameAddr, Via, list, text};

/// Why octets are not a SIP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSip {
    /// Nothing but line ends: a keep-alive (RFC 5626 §3.5.1).
    #[error("only line ends: a keep-alive")]
    KeepAlive,
    /// The first line is neither a request line nor a status line.
    #[error("the first line is neither a request line nor a status line")]
    StartLine,
}

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// A request.
    Request {
        /// The method as written, known or not.
        method: &'a str,
        /// The Request-URI as written.
        uri: &'a str,
    },
    /// A response.
    Response {
        /// 100 to 699.
        code: u16,
        /// The reason phrase; empty where it is not UTF-8.
        reason: &'a str,
    },
}

/// A message as it was sent, read leniently: compact names, folded lines, bare LF, unknown methods and headers
/// and octets outside UTF-8 are all taken; a line without colon is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Request line or status line.
    pub start: StartLine<'a>,
    headers: Vec<(&'a [u8], &'a [u8])>,
    /// The body, cut at Content-Length.
    pub body: &'a [u8],
    /// Octets of the body that Content-Length promises and the input lacks.
    pub missing: usize,
}

impl<'a> Message<'a> {
    /// Scans one message: a datagram, or one frame of a stream. Leading line ends are skipped.
    ///
    /// # Errors
    /// When there is no start line of SIP/2.0.
    pub fn parse(octets: &'a [u8]) -> Result<Message<'a>, NotSip> {
        let skipped = octets.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        let octets = &octets[skipped..];
        if octets.is_empty() {
            return Err(NotSip::KeepAlive);
        }
        let (line, mut rest) = split_line(octets);
        let start = start_line(line).ok_or(NotSip::StartLine)?;
        let mut headers = Vec::with_capacity(16);
        while let Some((line, after)) = split_header(rest) {
            headers.extend(split_colon(line));
            rest = after;
        }
        let (_blank, body) = split_line(rest);
        let mut message = Message { start, headers, body, missing: 0 };
        message.cut_body();
        Ok(message)
    }

    fn cut_body(&mut self) {
        let Some(length) = self.content_length() else { return };
        self.missing = length.saturating_sub(self.body.len());
        self.body = self.body.get(..length).unwrap_or(self.body);
    }

    /// The status code of a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Response { code, .. } => Some(code),
            StartLine::Request { .. } => None,
        }
    }

    /// The method of a request.
    #[must_use]
    pub fn method(&self) -> Option<&'a str> {
        match self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// The Request-URI of a request.
    #[must_use]
    pub fn request_uri(&self) -> Option<&'a str> {
        match self.start {
            StartLine::Request { uri, .. } => Some(uri),
            StartLine::Response { .. } => None,
        }
    }

    /// All headers in their order: names as written, values without surrounding space, folds left in.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + '_ {
        self.headers.iter().copied()
    }

    /// The octets of every header of this name, full or compact, one a line.
    pub fn raw<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        let wanted = full_name(name.as_bytes());
        self.headers().filter(move |(name, _)| full_name(name).eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    /// The first header of this name as text: unfolded, foreign octets replaced.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).next().map(readable)
    }

    /// Every header of this name as text, one a line.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Cow<'a, str>> + 's {
        self.raw(name).map(readable)
    }

    /// `Call-ID`.
    #[must_use]
    pub fn call_id(&self) -> Option<&'a str> {
        text(self.raw("Call-ID").next()?)
    }

    /// Number and method of `CSeq`.
    #[must_use]
    pub fn cseq(&self) -> Option<(u32, &'a str)> {
        let mut words = text(self.raw("CSeq").next()?)?.split_ascii_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?))
    }

    /// `From`.
    #[must_use]
    pub fn from(&self) -> Option<NameAddr<'a>> {
        NameAddr::parse(self.raw("From").next()?)
    }

    /// `To`.
    #[must_use]
    pub fn to(&self) -> Option<NameAddr<'a>> {
        NameAddr::parse(self.raw("To").next()?)
    }

    /// Tag of `From`.
    #[must_use]
    pub fn from_tag(&self) -> Option<&'a str> {
        self.from()?.tag()
    }

    /// Tag of `To`.
    #[must_use]
    pub fn to_tag(&self) -> Option<&'a str> {
        self.to()?.tag()
    }

    /// User of `From`.
    #[must_use]
    pub fn from_user(&self) -> Option<&'a str> {
        self.from()?.user()
    }

    /// User of `To`.
    #[must_use]
    pub fn to_user(&self) -> Option<&'a str> {
        self.to()?.user()
    }

    /// Every `Via` value, topmost first.
    pub fn vias(&self) -> impl Iterator<Item = Via<'a>> + '_ {
        self.raw("Via").flat_map(list).filter_map(Via::parse)
    }

    /// The topmost `Via`.
    #[must_use]
    pub fn via(&self) -> Option<Via<'a>> {
        self.vias().next()
    }

    /// Branch of the topmost `Via`.
    #[must_use]
    pub fn branch(&self) -> Option<&'a str> {
        self.via()?.branch()
    }

    /// The first `Contact`.
    #[must_use]
    pub fn contact(&self) -> Option<NameAddr<'a>> {
        self.raw("Contact").flat_map(list).find_map(NameAddr::parse)
    }

    /// URI of the first `Contact`.
    #[must_use]
    pub fn contact_uri(&self) -> Option<&'a str> {
        Some(self.contact()?.uri)
    }

    /// URIs of `Record-Route`, topmost first.
    #[must_use]
    pub fn record_routes(&self) -> Vec<&'a str> {
        self.raw("Record-Route").flat_map(list).filter_map(NameAddr::parse).map(|route| route.uri).collect()
    }

    /// `Content-Type` without parameters.
    #[must_use]
    pub fn content_type(&self) -> Option<&'a str> {
        text(self.raw("Content-Type").next()?)?.split(';').next().map(str::trim)
    }

    /// `Content-Length`, where it is a number.
    #[must_use]
    pub fn content_length(&self) -> Option<usize> {
        text(self.raw("Content-Length").next()?)?.parse().ok()
    }

    /// Whether the body says that it is SDP.
    #[must_use]
    pub fn has_sdp(&self) -> bool {
        !self.body.is_empty() && self.content_type().is_some_and(|kind| kind.eq_ignore_ascii_case("application/sdp"))
    }
}

fn readable(value: &[u8]) -> Cow<'_, str> {
    let value = String::from_utf8_lossy(value);
    if value.contains('\n') {
        return Cow::Owned(value.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    }
    value
}

fn start_line(line: &[u8]) -> Option<StartLine<'_>> {
    if let Some(status) = line.strip_prefix(b"SIP/2.0 ") {
        let code = text(status.get(..3)?)?.parse().ok().filter(|code| (100..700).contains(code))?;
        let reason = status.get(3..).and_then(text).unwrap_or_default();
        return Some(StartLine::Response { code, reason });
    }
    let line = text(line)?;
    let (method, rest) = line.split_once(' ')?;
    let (uri, version) = rest.rsplit_once(' ')?;
    let token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    let sound = version.eq_ignore_ascii_case("SIP/2.0") && !method.is_empty() && method.chars().all(token);
    let uri = uri.trim();
    (sound && !uri.is_empty()).then_some(StartLine::Request { method, uri })
}

/// The next line without its end, and what follows.
fn split_line(octets: &[u8]) -> (&[u8], &[u8]) {
    match octets.iter().position(|&octet| octet == b'\n') {
        Some(end) => (octets[..end].strip_suffix(b"\r").unwrap_or(&octets[..end]), &octets[end + 1..]),
        None => (octets, &[]),
    }
}

/// The next header with its folded lines (RFC 3261 §7.3.1); `None` at the blank line or the end.
fn split_header(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, mut rest) = split_line(octets);
    if line.is_empty() {
        return None;
    }
    while rest.first().is_some_and(|octet| matches!(octet, b' ' | b'\t')) {
        (_, rest) = split_line(rest);
    }
    Some((octets[..octets.len() - rest.len()].trim_ascii_end(), rest))
}

fn split_colon(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&octet| octet == b':')?;
    Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
}

/// The full name behind a compact form (RFC 3261 §7.3.3 and the IANA registry).
fn full_name(name: &[u8]) -> &[u8] {
    let [letter] = name else { return name };
    match letter.to_ascii_lowercase() {
        b'a' => b"Accept-Contact",
        b'b' => b"Referred-By",
        b'c' => b"Content-Type",
        b'd' => b"Request-Disposition",
        b'e' => b"Content-Encoding",
        b'f' => b"From",
        b'i' => b"Call-ID",
        b'j' => b"Reject-Contact",
        b'k' => b"Supported",
        b'l' => b"Content-Length",
        b'm' => b"Contact",
        b'o' => b"Event",
        b'r' => b"Refer-To",
        b's' => b"Subject",
        b't' => b"To",
        b'u' => b"Allow-Events",
        b'v' => b"Via",
        b'x' => b"Session-Expires",
        b'y' => b"Identity",
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMPACT: &[u8] = b"\r\nFROBNICATE sip:b@[::1] SIP/2.0\nv: SIP/2.0/TCP [::1]:5070;branch=z9hG4bK1,\n SIP/2.0/UDP h2;branch=z9hG4bK2\nf : \"A\" <sip:1001@lab.test>;tag=x\nt:sip:1002@lab.test\ni: a@b\nCSEQ: 7\tFROBNICATE\nm: <sip:1001@10.0.0.1>\nRecord-Route: <sip:p1;lr>, <sip:p2;lr>\nRecord-Route: <sip:p3;lr>\njunk without colon\nSubject: one\r\n\ttwo\nc: application/sdp;x=y\nl: 4\n\nbodyand more";

    #[test]
    fn reads_what_strict_parsers_refuse() {
        let message = Message::parse(COMPACT).unwrap();
        assert_eq!(message.start, StartLine::Request { method: "FROBNICATE", uri: "sip:b@[::1]" });
        let branches: Vec<_> = message.vias().map(|via| via.branch().unwrap()).collect();
        assert_eq!(branches, ["z9hG4bK1", "z9hG4bK2"]);
        assert_eq!(message.via().unwrap().host, "::1");
        assert_eq!((message.from_user(), message.from_tag()), (Some("1001"), Some("x")));
        assert_eq!((message.to_user(), message.to_tag()), (Some("1002"), None));
        assert_eq!((message.call_id(), message.cseq()), (Some("a@b"), Some((7, "FROBNICATE"))));
        assert_eq!(message.contact_uri(), Some("sip:1001@10.0.0.1"));
        assert_eq!(message.record_routes(), ["sip:p1;lr", "sip:p2;lr", "sip:p3;lr"]);
        assert_eq!(message.header("subject").as_deref(), Some("one two"));
        assert!(message.has_sdp());
        assert_eq!((message.body, message.missing), (&b"body"[..], 0));
    }

    #[test]
    fn a_foreign_octet_costs_only_its_own_header() {
        let octets =
            b"SIP/2.0 200 \xff\r\nFrom: M\xfcller <sip:9@h>;tag=t\r\nCall-ID: c\r\nContent-Length: 9\r\n\r\nabc";
        let message = Message::parse(octets).unwrap();
        assert_eq!((message.status(), message.from_tag(), message.call_id()), (Some(200), Some("t"), Some("c")));
        assert_eq!((message.body, message.missing), (&b"abc"[..], 6));
    }

    #[test]
    fn other_traffic_is_not_sip() {
        assert_eq!(Message::parse(b"\r\n\r\n"), Err(NotSip::KeepAlive));
        for octets in [&b""[..], b"\x80\x08\x00\x01abcdefgh", b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 99 x\r\n\r\n"] {
            assert!(Message::parse(octets).is_err(), "{octets:?}");
        }
    }

    fn touch(message: &Message<'_>) {
        let _ = (message.call_id(), message.cseq(), message.from_tag(), message.to_user(), message.branch());
        let _ = (message.contact_uri(), message.record_routes(), message.content_type(), message.has_sdp());
        let _ = (message.vias().count(), message.header("Subject"), message.all("Via").count());
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(message) = Message::parse(&octets) {
                touch(&message);
            }
        }

        #[test]
        fn no_damage_panics(at in 0..COMPACT.len(), octet: u8, cut in 0..COMPACT.len()) {
            let mut octets = COMPACT.to_vec();
            octets[at] = octet;
            if let Ok(message) = Message::parse(&octets[..cut]) {
                touch(&message);
            }
        }
    }
}
