//! REGISTER (RFC 3261 §10.3): one binding a user, with the way back to the phone.

use serde::{Deserialize, Serialize};

use super::Server;
use super::replica::Change;
use crate::experiment::agent::sip::transaction::Peer;
use crate::units::{RunTime, Span};
use crate::wire::sip::{Message, parameter};

const DEFAULT_EXPIRES_S: u32 = 3600;

/// Where a user is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Binding {
    /// The phone's Contact.
    pub(super) contact: String,
    /// The way to it; `None` for a connection that is gone, or that another node had.
    pub(super) peer: Option<Peer>,
    expires_at: RunTime,
    call_id: String,
    sequence: u32,
}

impl Server {
    pub(super) fn registered(&mut self, now: RunTime, server: u64, from: Peer, request: &Message<'_>) {
        let Some(user) = request.to_user() else { return self.respond(now, server, request, 400) };
        if !self.authorized(now, server, request, user) {
            return;
        }
        let (call_id, sequence) =
            (request.call_id().unwrap_or_default(), request.cseq().map_or(0, |(number, _)| number));
        let stored = self.bindings.get(user);
        if stored.is_some_and(|stored| stored.call_id == call_id && sequence < stored.sequence) {
            return self.respond(now, server, request, 500);
        }
        let expires_s = expires_s(request);
        match request.contact_uri() {
            Some(contact) if contact != "*" && expires_s > 0 => {
                let expires_at = now + Span::from_secs(i64::from(expires_s));
                let (contact, call_id) = (contact.to_owned(), call_id.to_owned());
                self.bind(user, Binding { contact, peer: Some(from), expires_at, call_id, sequence });
            }
            Some(_) => self.unbind(user),
            // Without Contact it is a question (§10.2.3).
            None => {}
        }
        self.confirm(now, server, request, user);
    }

    fn bind(&mut self, user: &str, binding: Binding) {
        self.bindings.insert(user.to_owned(), binding.clone());
        if self.config.share_registrations {
            self.replicate(&Change::Registered { user: user.to_owned(), binding });
        }
    }

    fn unbind(&mut self, user: &str) {
        self.bindings.remove(user);
        if self.config.share_registrations {
            self.replicate(&Change::Unregistered { user: user.to_owned() });
        }
    }

    fn confirm(&mut self, now: RunTime, server: u64, request: &Message<'_>, user: &str) {
        let tag = self.tokens.name();
        let mut draft = self.reply(request, 200, &tag);
        if let Some(binding) = self.binding(now, user) {
            let left = (binding.expires_at - now).as_nanos() / 1_000_000_000;
            draft = draft.raw("Contact", &format!("<{}>;expires={left}", binding.contact));
        }
        self.layer.respond(now, server, draft);
    }

    /// Where `user` is, unless the registration has run out.
    pub(super) fn binding(&self, now: RunTime, user: &str) -> Option<&Binding> {
        self.bindings.get(user).filter(|binding| binding.expires_at > now)
    }
}

/// The Contact's own lifetime, else the header's, else an hour (§10.2.1.1).
fn expires_s(request: &Message<'_>) -> u32 {
    let of_contact = request.contact().and_then(|contact| parameter(contact.parameters, "expires"));
    let of_header = request.header("Expires");
    of_contact.or(of_header.as_deref()).and_then(|text| text.trim().parse().ok()).unwrap_or(DEFAULT_EXPIRES_S)
}
