//! Digest authentication: MD5 (RFC 2617) and SHA-256 (RFC 7616, RFC 8760), with `qop=auth` or none.

use md5::{Digest, Md5};
use sha2::Sha256;

use super::message::Message;

/// A hash that both sides here can compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 2617.
    Md5,
    /// RFC 7616.
    Sha256,
}

impl Algorithm {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    fn from_name(name: Option<&str>) -> Option<Algorithm> {
        let known = |algorithm: Algorithm| name.is_none_or(|name| name.eq_ignore_ascii_case(algorithm.name()));
        [Algorithm::Md5, Algorithm::Sha256].into_iter().find(|&algorithm| known(algorithm))
    }

    fn hash(self, text: &str) -> String {
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text)),
            Algorithm::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// Lower-case hexadecimal, as digests are written.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _infallible = write!(text, "{octet:02x}");
        text
    })
}

/// What a server asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Protection space: the domain.
    pub realm: String,
    /// The server's one-time value.
    pub nonce: String,
    /// To be sent back unchanged.
    pub opaque: Option<String>,
    /// The hash.
    pub algorithm: Algorithm,
    /// Whether `qop=auth` is offered; otherwise the form without client nonce is meant.
    pub qop_auth: bool,
    /// The password was right and only the nonce is out of date.
    pub stale: bool,
}

impl Challenge {
    /// Reads a `WWW-Authenticate` or `Proxy-Authenticate` value; `None` where the scheme, the algorithm or the
    /// qop is none of ours.
    #[must_use]
    pub fn parse(value: &str) -> Option<Challenge> {
        let fields = fields(value)?;
        let qop_auth = match fields.get("qop") {
            None => false,
            Some(offered) => offered.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")).then_some(true)?,
        };
        Some(Challenge {
            realm: fields.get("realm")?.to_owned(),
            nonce: fields.get("nonce")?.to_owned(),
            opaque: fields.get("opaque").map(str::to_owned),
            algorithm: Algorithm::from_name(fields.get("algorithm"))?,
            qop_auth,
            stale: fields.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The topmost challenge of a 401 or 407 that can be answered (RFC 8760 §2.4).
    #[must_use]
    pub fn of(response: &Message<'_>) -> Option<Challenge> {
        let name = if response.status() == Some(407) { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        response.all(name).find_map(|value| Challenge::parse(&value))
    }

    /// The value for `WWW-Authenticate`.
    #[must_use]
    pub fn to_value(&self) -> String {
        let qop = if self.qop_auth { ", qop=\"auth\"" } else { "" };
        let stale = if self.stale { ", stale=true" } else { "" };
        let opaque = self.opaque.as_ref().map(|opaque| format!(", opaque=\"{opaque}\"")).unwrap_or_default();
        let (realm, nonce, algorithm) = (&self.realm, &self.nonce, self.algorithm.name());
        format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}{qop}{opaque}{stale}")
    }

    /// The value for `Authorization` or `Proxy-Authorization`. `count` is how often this nonce was used,
    /// this time included.
    #[must_use]
    pub fn answer(&self, who: Credentials<'_>, method: &str, uri: &str, client_nonce: &str, count: u32) -> String {
        let uses = format!("{count:08x}");
        let qop = self.qop_auth.then_some((uses.as_str(), client_nonce));
        let response = response(self.algorithm, who, &self.realm, &self.nonce, method, uri, qop);
        let (user, realm, nonce, algorithm) = (who.user, &self.realm, &self.nonce, self.algorithm.name());
        let mut value = format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", algorithm={algorithm}"
        );
        if let Some((uses, client_nonce)) = qop {
            value += &format!(", qop=auth, nc={uses}, cnonce=\"{client_nonce}\"");
        }
        if let Some(opaque) = &self.opaque {
            value += &format!(", opaque=\"{opaque}\"");
        }
        value
    }
}

/// A user and the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// User name.
    pub user: &'a str,
    /// Password in clear.
    pub password: &'a str,
}

/// What a client answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who it claims to be.
    pub user: String,
    /// The realm that it answers for.
    pub realm: String,
    /// The nonce that it uses.
    pub nonce: String,
    uri: String,
    response: String,
    algorithm: Algorithm,
    qop: Option<(String, String)>,
}

impl Answer {
    /// Reads an `Authorization` or `Proxy-Authorization` value.
    #[must_use]
    pub fn parse(value: &str) -> Option<Answer> {
        let fields = fields(value)?;
        let own = |name: &str| fields.get(name).map(str::to_owned);
        let qop = match fields.get("qop") {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => Some((own("nc")?, own("cnonce")?)),
            Some(_) => return None,
        };
        let algorithm = Algorithm::from_name(fields.get("algorithm"))?;
        let (user, realm, nonce) = (own("username")?, own("realm")?, own("nonce")?);
        Some(Answer { user, realm, nonce, uri: own("uri")?, response: own("response")?, algorithm, qop })
    }

    /// Whether the answer proves knowledge of `password`.
    #[must_use]
    pub fn proves(&self, password: &str, method: &str) -> bool {
        let who = Credentials { user: &self.user, password };
        let qop = self.qop.as_ref().map(|(uses, client_nonce)| (uses.as_str(), client_nonce.as_str()));
        response(self.algorithm, who, &self.realm, &self.nonce, method, &self.uri, qop) == self.response
    }
}

/// RFC 7616 §3.4.1.
fn response(
    algorithm: Algorithm,
    who: Credentials<'_>,
    realm: &str,
    nonce: &str,
    method: &str,
    uri: &str,
    qop: Option<(&str, &str)>,
) -> String {
    let secret = algorithm.hash(&format!("{}:{realm}:{}", who.user, who.password));
    let request = algorithm.hash(&format!("{method}:{uri}"));
    match qop {
        Some((uses, client_nonce)) => algorithm.hash(&format!("{secret}:{nonce}:{uses}:{client_nonce}:auth:{request}")),
        None => algorithm.hash(&format!("{secret}:{nonce}:{request}")),
    }
}

/// The `name=value` pairs behind `Digest`.
struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

fn fields(value: &str) -> Option<Fields<'_>> {
    let (scheme, rest) = value.trim().split_once(|c: char| c.is_ascii_whitespace())?;
    if !scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let pairs = super::value::list(rest.as_bytes()).filter_map(|pair| {
        let (name, value) = str::from_utf8(pair).ok()?.split_once('=')?;
        let value = value.trim();
        Some((name.trim(), value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)))
    });
    Some(Fields(pairs.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(value: &str) -> Challenge {
        Challenge::parse(value).unwrap()
    }

    fn field(value: &str, name: &str) -> String {
        fields(value).unwrap().get(name).unwrap().to_owned()
    }

    // RFC 2617 §3.5.
    #[test]
    fn the_example_of_rfc_2617() {
        let asked = challenge(
            "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        );
        let who = Credentials { user: "Mufasa", password: "Circle Of Life" };
        let answer = asked.answer(who, "GET", "/dir/index.html", "0a4f113b", 1);
        assert_eq!(field(&answer, "response"), "6629fae49393a05397450978507c4ef1");
        assert_eq!(field(&answer, "opaque"), "5ccc069c403ebaf9f0171e9517f40e41");
        assert!(Answer::parse(&answer).unwrap().proves("Circle Of Life", "GET"));
        assert!(!Answer::parse(&answer).unwrap().proves("circle of life", "GET"));
        assert!(!Answer::parse(&answer).unwrap().proves("Circle Of Life", "PUT"));
    }

    // RFC 7616 §3.9.1.
    #[test]
    fn the_examples_of_rfc_7616() {
        let who = Credentials { user: "Mufasa", password: "Circle of Life" };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, expected) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let asked = challenge(&format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            ));
            assert_eq!(field(&asked.answer(who, "GET", "/dir/index.html", cnonce, 1), "response"), expected);
        }
    }

    // RFC 2617 §3.2.2.1 without qop: MD5(MD5("u:r:p"):n:MD5("REGISTER:sip:h")), computed with md5sum.
    #[test]
    fn a_server_without_qop_gets_the_old_form() {
        let asked = challenge("Digest realm=\"r\",nonce=\"n\"");
        let answer = asked.answer(Credentials { user: "u", password: "p" }, "REGISTER", "sip:h", "x", 1);
        assert_eq!(field(&answer, "response"), "f7949f33797a7abbe390eaa95b1ca294");
        assert!(fields(&answer).unwrap().get("cnonce").is_none());
    }

    #[test]
    fn the_topmost_answerable_challenge_is_taken() {
        let response = Message::parse(
            b"SIP/2.0 401 x\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"1\", algorithm=SHA-512-256, qop=\"auth\"\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\", stale=TRUE\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"3\"\r\n\r\n",
        )
        .unwrap();
        let taken = Challenge::of(&response).unwrap();
        assert_eq!((taken.algorithm, taken.nonce.as_str(), taken.stale), (Algorithm::Sha256, "2", true));
        assert_eq!(Challenge::parse(&taken.to_value()), Some(taken));
    }
}
