//! Dialogs (RFC 3261 §12): who talks to whom, by which route, and what number comes next.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::wire::sip::{Draft, Message, Uri};

/// One side's view of a dialog. It can be written down and carried on by another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The far side's tag.
    pub remote_tag: String,
    /// Our URI.
    pub local_uri: String,
    /// The far side's URI.
    pub remote_uri: String,
    /// CSeq of our last request.
    pub local_sequence: u32,
    /// CSeq of the far side's last request, if there was one.
    pub remote_sequence: Option<u32>,
    /// The far side's Contact.
    pub target: String,
    /// Route set, nearest hop first.
    pub routes: Vec<String>,
}

impl Dialog {
    /// The dialog that a 2xx to our INVITE makes (§12.1.2).
    #[must_use]
    pub fn of_response(invite: &Message<'_>, response: &Message<'_>) -> Option<Dialog> {
        let routes = response.record_routes().into_iter().rev().map(str::to_owned).collect();
        // A peer that forgot its Contact is still reachable the way that the INVITE went.
        let target = response.contact_uri().or(invite.request_uri())?.to_owned();
        Some(Dialog {
            call_id: invite.call_id()?.to_owned(),
            local_tag: invite.from_tag()?.to_owned(),
            remote_tag: response.to_tag().unwrap_or_default().to_owned(),
            local_uri: invite.from()?.uri.to_owned(),
            remote_uri: invite.to()?.uri.to_owned(),
            local_sequence: invite.cseq()?.0,
            remote_sequence: None,
            target,
            routes,
        })
    }

    /// The dialog that our 2xx with `local_tag` to an INVITE makes (§12.1.1).
    #[must_use]
    pub fn of_request(invite: &Message<'_>, local_tag: &str) -> Option<Dialog> {
        Some(Dialog {
            call_id: invite.call_id()?.to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: invite.from_tag().unwrap_or_default().to_owned(),
            local_uri: invite.to()?.uri.to_owned(),
            remote_uri: invite.from()?.uri.to_owned(),
            local_sequence: 0,
            remote_sequence: Some(invite.cseq()?.0),
            target: invite.contact_uri().unwrap_or(invite.from()?.uri).to_owned(),
            routes: invite.record_routes().into_iter().map(str::to_owned).collect(),
        })
    }

    /// Whether a request from the far side belongs here (§12.2.2).
    #[must_use]
    pub fn owns(&self, request: &Message<'_>) -> bool {
        request.call_id() == Some(&self.call_id)
            && request.to_tag() == Some(&self.local_tag)
            && request.from_tag().unwrap_or_default() == self.remote_tag
    }

    /// Takes note of the number of a request from the far side; `false` for one out of order, which gets
    /// a 500 (§12.2.2).
    pub fn advance(&mut self, request: &Message<'_>) -> bool {
        let Some((sequence, _)) = request.cseq() else { return false };
        if self.remote_sequence.is_some_and(|last| sequence <= last) {
            return false;
        }
        self.remote_sequence = Some(sequence);
        true
    }

    /// Takes the new Contact of a target refresh (§12.2.2).
    pub fn refresh(&mut self, message: &Message<'_>) {
        if let Some(target) = message.contact_uri() {
            target.clone_into(&mut self.target);
        }
    }

    /// The next request of ours (§12.2.1.1), still without Via.
    pub fn request(&mut self, method: rsip::Method) -> Draft {
        self.local_sequence += 1;
        self.draft(method, self.local_sequence)
    }

    /// The ACK to the 2xx of the request with number `sequence` (§13.2.2.4), still without Via.
    #[must_use]
    pub fn ack(&self, sequence: u32) -> Draft {
        self.draft(rsip::Method::Ack, sequence)
    }

    fn draft(&self, method: rsip::Method, sequence: u32) -> Draft {
        let (uri, routes) = self.path();
        Draft::request(method, uri)
            .max_forwards(70)
            .routes(&routes)
            .from(&self.local_uri, &self.local_tag)
            .to(&self.remote_uri, Some(&self.remote_tag).filter(|tag| !tag.is_empty()).map(String::as_str))
            .call_id(&self.call_id)
            .cseq(sequence)
    }

    /// Request-URI and Route headers: loose routing, or the strict one of old proxies (§12.2.1.1).
    fn path(&self) -> (&str, Vec<String>) {
        match self.routes.split_first() {
            Some((first, rest)) if !is_loose(first) => (first, rest.iter().chain([&self.target]).cloned().collect()),
            _ => (&self.target, self.routes.clone()),
        }
    }

    /// The Request-URI of our next request.
    #[must_use]
    pub fn request_uri(&self) -> &str {
        self.path().0
    }

    /// Where our requests go, when that is written as an address.
    #[must_use]
    pub fn next_hop(&self) -> Option<SocketAddr> {
        Uri::parse(self.routes.first().unwrap_or(&self.target))?.socket_address()
    }
}

fn is_loose(route: &str) -> bool {
    Uri::parse(route).is_some_and(|route| route.parameter("lr").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:2@d SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\nFrom: <sip:1@d>;tag=f\nTo: <sip:2@d>\nCall-ID: c\nCSeq: 4 INVITE\nContact: <sip:1@10.0.0.1:5080>\nRecord-Route: <sip:10.0.0.8;lr>\nRecord-Route: <sip:10.0.0.9;lr>\n\n";

    // RFC 3261 §12.1: the caller reverses the Record-Route of the response, the callee keeps the request's.
    #[test]
    fn both_sides_see_the_route_from_their_end() {
        let invite = Message::parse(INVITE).unwrap();
        let callee = Dialog::of_request(&invite, "t").unwrap();
        assert_eq!(callee.next_hop(), Some("10.0.0.8:5060".parse().unwrap()));
        let ok = Draft::reply(&invite, 200, "t").contact("sip:2@10.0.0.2").to_bytes();
        let mut caller = Dialog::of_response(&invite, &Message::parse(&ok).unwrap()).unwrap();
        assert_eq!(caller.routes, ["sip:10.0.0.9;lr", "sip:10.0.0.8;lr"]);
        let bye = caller.request(rsip::Method::Bye).to_bytes();
        let bye = Message::parse(&bye).unwrap();
        assert_eq!((bye.request_uri(), bye.cseq()), (Some("sip:2@10.0.0.2"), Some((5, "BYE"))));
        let routes: Vec<_> = bye.all("Route").collect();
        assert_eq!(routes, ["<sip:10.0.0.9;lr>", "<sip:10.0.0.8;lr>"]);
        assert!(callee.owns(&bye) && !caller.owns(&bye));
    }

    #[test]
    fn a_strict_router_gets_its_own_uri() {
        let invite = Message::parse(INVITE).unwrap();
        let mut dialog = Dialog::of_request(&invite, "t").unwrap();
        dialog.routes = vec!["sip:10.0.0.8".into(), "sip:10.0.0.9;lr".into()];
        let bye = dialog.request(rsip::Method::Bye).to_bytes();
        let bye = Message::parse(&bye).unwrap();
        assert_eq!(bye.request_uri(), Some("sip:10.0.0.8"));
        assert_eq!(bye.all("Route").collect::<Vec<_>>(), ["<sip:10.0.0.9;lr>", "<sip:1@10.0.0.1:5080>"]);
    }

    #[test]
    fn numbers_only_rise() {
        let mut dialog = Dialog::of_request(&Message::parse(INVITE).unwrap(), "t").unwrap();
        let numbered = |number: u32| format!("BYE sip:x SIP/2.0\nCSeq: {number} BYE\n\n");
        for (number, taken) in [(4, false), (5, true), (5, false), (7, true)] {
            assert_eq!(dialog.advance(&Message::parse(numbered(number).as_bytes()).unwrap()), taken);
        }
    }
}
