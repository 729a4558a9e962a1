//! Messages that we send, from typed values of `rsip`; what it cannot carry goes in as raw text.
//!
//! `rsip` knows only its own list of methods, prints reason phrases as identifiers and passes bodies through
//! UTF-8: so URIs are kept verbatim, reason phrases are ours, and the body is appended as octets.

use std::net::SocketAddr;

use rsip::common::uri::{Host, HostWithPort, Param, param::Tag};
use rsip::headers::UntypedHeader;
use rsip::{Header, Headers, Method, StatusCode, Version};

use super::message::Message;

/// A message being put together.
#[derive(Clone, Debug)]
pub struct Draft {
    start: Start,
    headers: Vec<Header>,
    body: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Start {
    Request(Method, rsip::Uri),
    Response(StatusCode),
}

impl Draft {
    /// An empty request.
    #[must_use]
    pub fn request(method: Method, uri: &str) -> Draft {
        Draft { start: Start::Request(method, verbatim(uri)), headers: Vec::new(), body: Vec::new() }
    }

    /// A response with what every response repeats from its request (RFC 3261 §8.2.6.2); `to_tag` is put on
    /// `To` where the request had none.
    #[must_use]
    pub fn reply(request: &Message<'_>, code: u16, to_tag: &str) -> Draft {
        let status = StatusCode::Other(code, reason_phrase(code).to_owned());
        let draft = Draft { start: Start::Response(status), headers: Vec::new(), body: Vec::new() };
        let draft = ["Via", "Record-Route", "From", "Call-ID", "CSeq"]
            .into_iter()
            .fold(draft, |draft, name| request.all(name).fold(draft, |draft, value| draft.raw(name, &value)));
        let to = request.header("To").unwrap_or_default();
        if request.to_tag().is_some() || code == 100 {
            return draft.raw("To", &to);
        }
        draft.raw("To", &format!("{to};tag={to_tag}"))
    }

    /// Adds a typed header.
    #[must_use]
    pub fn with(mut self, header: impl Into<Header>) -> Draft {
        self.headers.push(header.into());
        self
    }

    /// Adds a header as text.
    #[must_use]
    pub fn raw(self, name: &str, value: &str) -> Draft {
        self.with(Header::Other(name.to_owned(), value.to_owned()))
    }

    /// Adds a header in front of all others.
    #[must_use]
    pub fn first(mut self, header: impl Into<Header>) -> Draft {
        self.headers.insert(0, header.into());
        self
    }

    /// Writes down in the topmost Via where the request came from (RFC 3261 §18.2.1, RFC 3581 §4).
    #[must_use]
    pub fn received_from(mut self, source: SocketAddr) -> Draft {
        let topmost = self.headers.iter_mut().find_map(|header| match header {
            Header::Other(name, value) if name == "Via" => Some(value),
            _ => None,
        });
        if let Some(value) = topmost {
            let first = value.find(',').unwrap_or(value.len());
            let (via, others) = value.split_at(first);
            *value = format!("{}{others}", stamp(via, source));
        }
        self
    }

    /// `From: <uri>;tag=tag`.
    #[must_use]
    pub fn from(self, uri: &str, tag: &str) -> Draft {
        let params = vec![Param::Tag(Tag::new(tag))];
        self.with(rsip::typed::From { display_name: None, uri: verbatim(uri), params })
    }

    /// `To: <uri>`, with a tag inside a dialog.
    #[must_use]
    pub fn to(self, uri: &str, tag: Option<&str>) -> Draft {
        let params = tag.map(|tag| Param::Tag(Tag::new(tag))).into_iter().collect();
        self.with(rsip::typed::To { display_name: None, uri: verbatim(uri), params })
    }

    /// `Contact: <uri>`.
    #[must_use]
    pub fn contact(self, uri: &str) -> Draft {
        self.with(rsip::typed::Contact { display_name: None, uri: verbatim(uri), params: Vec::new() })
    }

    /// `Call-ID`.
    #[must_use]
    pub fn call_id(self, call_id: &str) -> Draft {
        self.with(rsip::headers::CallId::new(call_id))
    }

    /// `CSeq`; the method is the request's.
    #[must_use]
    pub fn cseq(self, seq: u32) -> Draft {
        match self.start {
            Start::Request(method, _) => self.with(rsip::typed::CSeq { seq, method }),
            Start::Response(_) => self,
        }
    }

    /// `Max-Forwards`.
    #[must_use]
    pub fn max_forwards(self, hops: u32) -> Draft {
        self.with(rsip::headers::MaxForwards::from(hops))
    }

    /// One `Route` header a URI.
    #[must_use]
    pub fn routes(self, routes: &[String]) -> Draft {
        routes.iter().fold(self, |draft, route| draft.with(rsip::headers::Route::new(format!("<{route}>"))))
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: Vec<u8>) -> Draft {
        self.body = body;
        self.with(rsip::headers::ContentType::new(content_type))
    }

    /// The octets to send, with Content-Length.
    #[must_use]
    pub fn to_bytes(mut self) -> Vec<u8> {
        self.headers.push(rsip::headers::ContentLength::from(self.body.len() as u32).into());
        let (headers, version) = (Headers::from(self.headers), Version::V2);
        let head = match self.start {
            Start::Request(method, uri) => {
                rsip::Request { method, uri, version, headers, body: Vec::new() }.to_string()
            }
            Start::Response(status_code) => {
                rsip::Response { status_code, version, headers, body: Vec::new() }.to_string()
            }
        };
        let mut octets = head.into_bytes();
        octets.append(&mut self.body);
        octets
    }
}

fn stamp(via: &str, source: SocketAddr) -> String {
    let parts: Vec<_> = via.split(';').map(str::trim).collect();
    let wants_port = parts.iter().any(|part| part.eq_ignore_ascii_case("rport"));
    let kept = parts.iter().filter(|part| !part.eq_ignore_ascii_case("rport"));
    let via = kept.copied().collect::<Vec<_>>().join(";");
    let port = if wants_port { format!(";rport={}", source.port()) } else { String::new() };
    format!("{via};received={}{port}", source.ip())
}

/// A URI that is printed exactly as it was written.
fn verbatim(uri: &str) -> rsip::Uri {
    let host_with_port = HostWithPort { host: Host::Domain(uri.into()), port: None };
    rsip::Uri { scheme: None, auth: None, host_with_port, params: Vec::new(), headers: Vec::new() }
}

/// The reason phrase of RFC 3261 §21 for the codes that are sent here.
#[must_use]
pub fn reason_phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        600..=699 => "Global Failure",
        _ => "Unspecified",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_back() {
        let octets = Draft::request(Method::Invite, "sip:1002@10.0.0.2;transport=tcp;ob")
            .raw("Via", "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa;rport")
            .max_forwards(70)
            .from("sip:1001@lab.test", "t1")
            .to("sip:1002@lab.test", None)
            .call_id("c")
            .cseq(3)
            .contact("sip:1001@10.0.0.1:5060")
            .routes(&["sip:p;lr".to_owned()])
            .body("application/sdp", b"\xffv=0".to_vec())
            .to_bytes();
        let message = Message::parse(&octets).unwrap();
        assert_eq!(message.request_uri(), Some("sip:1002@10.0.0.2;transport=tcp;ob"));
        assert_eq!((message.cseq(), message.from_tag(), message.to_tag()), (Some((3, "INVITE")), Some("t1"), None));
        assert_eq!(message.header("Route").as_deref(), Some("<sip:p;lr>"));
        assert_eq!((message.body, message.content_length()), (&b"\xffv=0"[..], Some(4)));
        assert_eq!(message.contact_uri(), Some("sip:1001@10.0.0.1:5060"));
    }

    #[test]
    fn a_reply_repeats_what_it_must() {
        let request = Message::parse(
            b"FOO sip:x SIP/2.0\nv: SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b\nVia: SIP/2.0/UDP c\nf: <sip:1@h>;tag=f\nt: <sip:2@h>\ni: c\nCSeq: 9 FOO\n\n",
        )
        .unwrap();
        let octets = Draft::reply(&request, 481, "mine").to_bytes();
        let reply = Message::parse(&octets).unwrap();
        assert!(octets.starts_with(b"SIP/2.0 481 Call/Transaction Does Not Exist\r\n"));
        assert_eq!(reply.vias().count(), 3);
        assert_eq!((reply.to_tag(), reply.from_tag(), reply.cseq()), (Some("mine"), Some("f"), Some((9, "FOO"))));
    }

    #[test]
    fn the_source_goes_into_the_topmost_via_only() {
        let request = Message::parse(
            b"BYE sip:x SIP/2.0\nVia: SIP/2.0/UDP a;rport;branch=1, SIP/2.0/UDP b;rport\nTo: <sip:2@h>;tag=q\n\n",
        );
        let octets = Draft::reply(&request.unwrap(), 200, "").received_from("10.0.0.9:99".parse().unwrap()).to_bytes();
        let reply = Message::parse(&octets).unwrap();
        let vias: Vec<_> = reply.vias().collect();
        assert_eq!((vias[0].parameter("rport"), vias[0].parameter("received")), (Some("99"), Some("10.0.0.9")));
        assert_eq!((vias[0].branch(), vias[1].parameter("rport")), (Some("1"), Some("")));
    }
}
