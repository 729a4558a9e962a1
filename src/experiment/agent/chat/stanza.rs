//! What a chatter writes, and what it understands of what comes in.
//!
//! RFC 6120 and 6121 (stanzas, presence), XEP-0184 (receipts), XEP-0198 (acknowledgements), XEP-0199 (ping), XEP-0203
//! (delay stamps), XEP-0359 (origin ids).

use std::fmt;

use tokio_xmpp::jid::{BareJid, Jid};
use tokio_xmpp::minidom::Element;
use tokio_xmpp::parsers::iq::Iq;
use tokio_xmpp::parsers::message::{Id, Lang, Message};
use tokio_xmpp::parsers::ns;
use tokio_xmpp::parsers::ping::Ping;
use tokio_xmpp::parsers::presence::{Presence, Type};
use tokio_xmpp::parsers::receipts::{Received, Request};
use tokio_xmpp::parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};
use tokio_xmpp::parsers::stanza_id::OriginId;

use crate::units::RunTime;

/// The mark that every one of our messages carries in its body: it is found again whatever the server does
/// to the stanza around it, and a message that an earlier trial left in an offline store is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    /// Which trial: any number that no other trial has.
    pub run: u64,
    /// Which message: unique within the trial.
    pub message: u64,
    /// Number of the pair.
    pub pair: u32,
    /// Number within the pair, from 0.
    pub seq: u32,
    /// When the user wanted to send it.
    pub planned: RunTime,
}

impl Tag {
    /// Reads the mark from a message's body; `None` for anybody else's text.
    #[must_use]
    pub fn read(body: &str) -> Option<Tag> {
        let mut words = body.split_ascii_whitespace();
        words.next().filter(|word| *word == "5n")?;
        let mut value = |key: &str| words.next()?.strip_prefix(key)?.strip_prefix('=');
        let tag = Tag {
            run: u64::from_str_radix(value("run")?, 16).ok()?,
            message: value("message")?.parse().ok()?,
            pair: value("pair")?.parse().ok()?,
            seq: value("seq")?.parse().ok()?,
            planned: RunTime(value("planned")?.parse().ok()?),
        };
        words.next().is_none().then_some(tag)
    }

    /// The stanza's `id`; receipts and errors name it.
    #[must_use]
    pub fn id(&self) -> String {
        format!("5n-{:x}-{}", self.run, self.message)
    }

    /// The message number of an `id` that [`Tag::id`] wrote in trial `run`.
    #[must_use]
    pub fn message_of(run: u64, id: &str) -> Option<u64> {
        let (of_run, message) = id.strip_prefix("5n-")?.split_once('-')?;
        (u64::from_str_radix(of_run, 16).ok()? == run).then_some(())?;
        message.parse().ok()
    }
}

impl fmt::Display for Tag {
    /// The body's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tag { run, message, pair, seq, planned } = self;
        write!(f, "5n run={run:x} message={message} pair={pair} seq={seq} planned={}", planned.as_nanos())
    }
}

/// A planned message as a stanza that asks for a receipt.
#[must_use]
pub fn message(to: &BareJid, tag: &Tag) -> Element {
    let mut message = Message::chat(Jid::from(to.clone()))
        .with_body(Lang::new(), tag.to_string())
        .with_payload(Request)
        .with_payload(OriginId { id: tag.id() });
    message.id = Some(Id(tag.id()));
    message.into()
}

/// The receipt for message `id`.
#[must_use]
pub fn receipt(to: Jid, id: &str) -> Element {
    let mut message = Message::chat(to).with_payload(Received { id: id.to_owned() });
    message.id = Some(Id(format!("receipt-{id}")));
    message.into()
}

/// A ping of the server.
#[must_use]
pub fn ping(domain: &BareJid, id: &str) -> Element {
    Iq::from_get(id, Ping).with_to(Jid::from(domain.clone())).into()
}

/// The wish to see whether `peer` is there (RFC 6121 §3.1.1). A server that knows of it already keeps still.
#[must_use]
pub fn subscription(peer: &BareJid) -> Element {
    Presence::new(Type::Subscribe).with_to(Jid::from(peer.clone())).into()
}

/// The leave to see whether we are there (RFC 6121 §3.1.4).
#[must_use]
pub fn approval(peer: &BareJid) -> Element {
    Presence::new(Type::Subscribed).with_to(Jid::from(peer.clone())).into()
}

/// What an incoming element means to a chatter.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// A message of ours (of any trial) arrived.
    Delivered {
        /// The mark in its body.
        tag: Tag,
        /// Whether it has a delay stamp: it comes from a store.
        delayed: bool,
        /// Where the receipt goes, when one is asked for.
        receipt_to: Option<Jid>,
    },
    /// The receipt for the message with this `id`.
    Receipt(String),
    /// The message with this `id` came back with an error.
    Bounced {
        /// The message's `id`.
        id: String,
        /// RFC 6120 §8.3.3 condition.
        condition: String,
    },
    /// The answer to the request with this `id`, be it a result or an error.
    Answer(String),
    /// A request to us and what RFC 6120 §8.2.3 obliges us to answer.
    Question(Element),
    /// The other side handled so many of our stanzas (XEP-0198).
    Ack(u32),
    /// The other side wants to know how many we handled (XEP-0198).
    AckRequest,
    /// Somebody is there, or is not any more (RFC 6121 §4.2.3, §4.5.3).
    Presence {
        /// Who.
        of: BareJid,
        /// Whether he is there.
        available: bool,
    },
    /// Somebody wants to see whether we are there (RFC 6121 §3.1.3).
    Subscription(BareJid),
    /// The stream ends with this error.
    StreamError(String),
    /// Nothing that counts: carbons, other people's messages.
    Nothing,
}

impl Meaning {
    /// Reads an element. Total: whatever it does not understand is [`Meaning::Nothing`].
    #[must_use]
    pub fn of(element: &Element) -> Meaning {
        let meaning = if element.is("message", ns::JABBER_CLIENT) {
            of_message(element)
        } else if element.is("iq", ns::JABBER_CLIENT) {
            of_iq(element)
        } else if element.is("presence", ns::JABBER_CLIENT) {
            of_presence(element)
        } else if element.is("a", ns::SM) {
            element.attr("h").and_then(|h| h.parse().ok()).map(Meaning::Ack)
        } else if element.is("r", ns::SM) {
            Some(Meaning::AckRequest)
        } else if element.is("error", ns::STREAM) {
            Some(Meaning::StreamError(condition(element, ns::XMPP_STREAMS)))
        } else {
            None
        };
        meaning.unwrap_or(Meaning::Nothing)
    }
}

/// Whether XEP-0198 counts the element: messages, presence and iq.
#[must_use]
pub fn is_stanza(element: &Element) -> bool {
    ["message", "presence", "iq"].iter().any(|name| element.is(*name, ns::JABBER_CLIENT))
}

/// Only direct children count: a carbon (XEP-0280) or an archived copy (XEP-0313) wraps the message, body,
/// receipt and all, in a `<forwarded/>` and is no delivery.
fn of_message(element: &Element) -> Option<Meaning> {
    let id = element.attr("id").map(str::to_owned);
    if element.attr("type") == Some("error") {
        let error = element.get_child("error", ns::JABBER_CLIENT);
        let condition = error.map_or_else(unnamed, |error| condition(error, ns::XMPP_STANZAS));
        return Some(Meaning::Bounced { id: id?, condition });
    }
    if let Some(received) = element.get_child("received", ns::RECEIPTS) {
        return Some(Meaning::Receipt(received.attr("id")?.to_owned()));
    }
    let tag = Tag::read(&element.get_child("body", ns::JABBER_CLIENT)?.text())?;
    let wants_receipt = element.has_child("request", ns::RECEIPTS);
    let receipt_to = element.attr("from").and_then(|from| from.parse().ok()).filter(|_| wants_receipt);
    Some(Meaning::Delivered { tag, delayed: element.has_child("delay", ns::DELAY), receipt_to })
}

fn of_iq(element: &Element) -> Option<Meaning> {
    match Iq::try_from(element.clone()) {
        Ok(Iq::Get { from, id, payload, .. }) if payload.is("ping", ns::PING) => {
            let pong = Iq::Result { from: None, to: from, id, payload: None };
            Some(Meaning::Question(pong.into()))
        }
        Ok(Iq::Get { from, id, .. } | Iq::Set { from, id, .. }) => {
            let error =
                StanzaError::new(ErrorType::Cancel, DefinedCondition::ServiceUnavailable, "en", "only chats here");
            Some(Meaning::Question(Iq::Error { from: None, to: from, id, error, payload: None }.into()))
        }
        Ok(Iq::Result { id, .. } | Iq::Error { id, .. }) => Some(Meaning::Answer(id)),
        // An answer that the typed parser refuses (an unknown error element, say) still is an answer.
        Err(_) if matches!(element.attr("type"), Some("result" | "error")) => {
            element.attr("id").map(|id| Meaning::Answer(id.to_owned()))
        }
        Err(_) => None,
    }
}

fn of_presence(element: &Element) -> Option<Meaning> {
    let of = element.attr("from")?.parse::<Jid>().ok()?.into_bare();
    match element.attr("type") {
        None => Some(Meaning::Presence { of, available: true }),
        Some("unavailable") => Some(Meaning::Presence { of, available: false }),
        Some("subscribe") => Some(Meaning::Subscription(of)),
        Some(_) => None,
    }
}

fn condition(error: &Element, namespace: &str) -> String {
    let named = error.children().find(|child| child.has_ns(namespace) && child.name() != "text");
    named.map_or_else(unnamed, |child| child.name().to_owned())
}

fn unnamed() -> String {
    "error".to_owned()
}
