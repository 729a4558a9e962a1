//! Who is here, and what waits for whom: routing and the offline store, without sockets.

mod roster;

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio_xmpp::jid::{BareJid, Jid};
use tokio_xmpp::minidom::Element;
use tokio_xmpp::parsers::date::DateTime;
use tokio_xmpp::parsers::delay::Delay;
use tokio_xmpp::parsers::message::{Message, MessageType};
use tokio_xmpp::parsers::ns;
use tokio_xmpp::parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use crate::experiment::agent::chat::Acks;
use roster::Subscribers;

/// What a session finds in its mailbox.
pub(super) enum Delivery {
    /// Pass it on to the client.
    Stanza(Element),
    /// The account has logged in elsewhere: end (RFC 6120 §4.9.3.3).
    Replaced,
    /// The client resumes this session on another connection: hand it over.
    HandOver(oneshot::Sender<Detached>),
}

/// What a session is without its connection.
pub(super) struct Detached {
    /// Tells the sessions of one account apart.
    pub(super) number: u64,
    /// The client's full address.
    pub(super) address: Jid,
    /// What comes in for it.
    pub(super) mailbox: UnboundedReceiver<Delivery>,
    /// Stream management, once the client has enabled it.
    pub(super) acks: Option<Acks>,
}

/// Answer to a request for resumption.
pub(super) enum Resumable {
    Now(Box<Detached>),
    Soon(oneshot::Receiver<Detached>),
}

struct Seat {
    number: u64,
    mailbox: UnboundedSender<Delivery>,
    available: bool,
    resumption: Option<String>,
    detached: Option<Box<Detached>>,
}

#[derive(Default)]
struct Account {
    seat: Option<Seat>,
    offline: Vec<Message>,
    subscribers: Subscribers,
}

/// All accounts of one node.
pub(super) struct Hub {
    domain: BareJid,
    wall_now: fn() -> i64,
    accounts: HashMap<String, Account>,
    last_number: u64,
}

impl Hub {
    pub(super) fn new(domain: BareJid, users: Vec<String>, wall_now: fn() -> i64) -> Hub {
        let accounts = users.into_iter().map(|user| (user, Account::default())).collect();
        Hub { domain, wall_now, accounts, last_number: 0 }
    }

    /// Seats a new session of `user` and ends the old one; its unread messages go to the offline store.
    pub(super) fn seat(&mut self, user: &str, address: Jid) -> Detached {
        self.last_number += 1;
        let number = self.last_number;
        let (sender, mailbox) = unbounded_channel();
        let seat = Seat { number, mailbox: sender, available: false, resumption: None, detached: None };
        let old = self.accounts.entry(user.to_owned()).or_default().seat.replace(seat);
        if let Some(mut old) = old {
            if old.available {
                self.show(user, false);
            }
            match old.detached.take() {
                Some(detached) => self.give_back(user, unread(*detached)),
                None => drop(old.mailbox.send(Delivery::Replaced)),
            }
        }
        Detached { number, address, mailbox, acks: None }
    }

    /// The session may be resumed under this name.
    pub(super) fn set_resumption(&mut self, user: &str, number: u64, name: &str) {
        if let Some(seat) = self.seat_of(user, number) {
            seat.resumption = Some(name.to_owned());
        }
    }

    /// Presence of the session; what is stored goes to it as soon as it is available (RFC 6121 §8.5.2.2).
    pub(super) fn set_available(&mut self, user: &str, number: u64, available: bool) {
        let Some(seat) = self.seat_of(user, number) else { return };
        if std::mem::replace(&mut seat.available, available) != available {
            self.show(user, available);
        }
        if available {
            self.look_around(user);
        }
        if available && let Some(account) = self.accounts.get_mut(user) {
            for message in std::mem::take(&mut account.offline) {
                self.deliver(user, message);
            }
        }
    }

    /// The connection of a resumable session is gone.
    pub(super) fn detach(&mut self, user: &str, detached: Detached) {
        match self.seat_of(user, detached.number) {
            Some(seat) => seat.detached = Some(Box::new(detached)),
            None => self.give_back(user, unread(detached)),
        }
    }

    /// The session that `user` may resume under `name`.
    pub(super) fn resume(&mut self, user: &str, name: &str) -> Option<Resumable> {
        let seat = self.accounts.get_mut(user)?.seat.as_mut()?;
        if seat.resumption.as_deref() != Some(name) {
            return None;
        }
        if let Some(detached) = seat.detached.take() {
            return Some(Resumable::Now(detached));
        }
        let (hand_over, handed_over) = oneshot::channel();
        seat.mailbox.send(Delivery::HandOver(hand_over)).ok()?;
        Some(Resumable::Soon(handed_over))
    }

    /// The session has ended; what it had not passed on is delivered otherwise.
    pub(super) fn leave(&mut self, user: &str, ended: Detached) {
        let was_there = self.seat_of(user, ended.number).map(|seat| seat.available);
        if let (Some(available), Some(account)) = (was_there, self.accounts.get_mut(user)) {
            account.seat = None;
            if available {
                self.show(user, false);
            }
        }
        self.give_back(user, unread(ended));
    }

    /// Routes a message from a client; `Some` is the error that goes back to it.
    pub(super) fn route(&mut self, message: Message) -> Option<Message> {
        let local = message.to.as_ref().filter(|to| to.domain() == self.domain.domain());
        let user = local.and_then(Jid::node).map(|node| node.as_str().to_owned());
        match user.filter(|user| self.accounts.contains_key(user)) {
            Some(user) => {
                self.deliver(&user, message);
                None
            }
            None => bounce(message),
        }
    }

    /// RFC 6121 §8.5: to the session when there is one, else into the store.
    fn deliver(&mut self, user: &str, mut message: Message) {
        let stamp = self.stamp();
        let Some(account) = self.accounts.get_mut(user) else { return };
        if let Some(seat) = account.seat.as_ref().filter(|seat| seat.available) {
            // The receiver lives as long as the seat's session: it is given back when that ends.
            let _ended = seat.mailbox.send(Delivery::Stanza(message.into()));
        } else if matches!(message.type_, MessageType::Chat | MessageType::Normal) {
            if !message.payloads.iter().any(|payload| payload.is("delay", ns::DELAY)) {
                message.payloads.extend(stamp.map(Element::from));
            }
            account.offline.push(message);
        }
    }

    /// Messages that a session did not pass on: they come late, so they get a stamp.
    fn give_back(&mut self, user: &str, stanzas: Vec<Element>) {
        for mut message in stanzas.into_iter().filter_map(|stanza| Message::try_from(stanza).ok()) {
            if !message.payloads.iter().any(|payload| payload.is("delay", ns::DELAY)) {
                message.payloads.extend(self.stamp().map(Element::from));
            }
            self.deliver(user, message);
        }
    }

    fn stamp(&self) -> Option<Delay> {
        let since = Duration::from_nanos((self.wall_now)().max(0).unsigned_abs());
        let text = humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string();
        let stamp: DateTime = text.parse().ok()?;
        Some(Delay { from: Some(Jid::from(self.domain.clone())), stamp, data: None })
    }

    fn seat_of(&mut self, user: &str, number: u64) -> Option<&mut Seat> {
        self.accounts.get_mut(user)?.seat.as_mut().filter(|seat| seat.number == number)
    }
}

fn unread(mut session: Detached) -> Vec<Element> {
    let acks = session.acks.unwrap_or_default();
    let mut stanzas: Vec<Element> = acks.unacknowledged().cloned().collect();
    session.mailbox.close();
    while let Ok(delivery) = session.mailbox.try_recv() {
        if let Delivery::Stanza(stanza) = delivery {
            stanzas.push(stanza);
        }
    }
    stanzas
}

/// RFC 6121 §8.5.1: nobody of that name here. An error is never answered with another.
fn bounce(message: Message) -> Option<Message> {
    if message.type_ == MessageType::Error {
        return None;
    }
    let error = StanzaError::new(ErrorType::Cancel, DefinedCondition::ServiceUnavailable, "en", "no such user");
    let mut answer = Message::error(message.from).with_payload(error);
    answer.id = message.id;
    answer.from = message.to;
    Some(answer)
}

#[cfg(test)]
mod tests {
    use tokio_xmpp::parsers::message::Lang;

    use super::*;

    fn hub() -> Hub {
        Hub::new(BareJid::new("lab.test").unwrap(), vec!["bob".into()], || 1_764_000_000_000_000_000)
    }

    fn seat(hub: &mut Hub) -> Detached {
        hub.seat("bob", "bob@lab.test/5n".parse().unwrap())
    }

    fn say(hub: &mut Hub, to: &str, body: &str) -> Option<Message> {
        let mut message = Message::chat(to.parse::<Jid>().unwrap()).with_body(Lang::new(), body.into());
        message.from = Some("alice@lab.test/5n".parse().unwrap());
        hub.route(message)
    }

    /// Bodies in the mailbox; a star for a delay stamp, `!` for the order to end.
    fn read(session: &mut Detached) -> Vec<String> {
        let mut read = Vec::new();
        while let Ok(delivery) = session.mailbox.try_recv() {
            read.push(match delivery {
                Delivery::Stanza(stanza) => {
                    let star = if stanza.has_child("delay", ns::DELAY) { "*" } else { "" };
                    stanza.get_child("body", ns::JABBER_CLIENT).unwrap().text() + star
                }
                Delivery::Replaced => "!".into(),
                Delivery::HandOver(_) => "handover".into(),
            });
        }
        read
    }

    #[test]
    fn a_message_waits_until_its_user_is_available() {
        let mut hub = hub();
        assert_eq!(say(&mut hub, "bob@lab.test", "nobody here"), None);
        let mut bob = seat(&mut hub);
        say(&mut hub, "bob@lab.test/5n", "no presence yet");
        assert!(read(&mut bob).is_empty());
        hub.set_available("bob", bob.number, true);
        say(&mut hub, "bob@lab.test/other", "live");
        assert_eq!(read(&mut bob), ["nobody here*", "no presence yet*", "live"]);
        hub.set_available("bob", bob.number, false);
        say(&mut hub, "bob@lab.test", "gone");
        assert!(read(&mut bob).is_empty());
    }

    #[test]
    fn strangers_bounce_and_an_error_does_not() {
        let mut hub = hub();
        for to in ["nobody@lab.test", "bob@elsewhere.test", "lab.test"] {
            let bounced = say(&mut hub, to, "hello").unwrap();
            assert_eq!(bounced.type_, MessageType::Error);
            assert_eq!(bounced.to.unwrap().to_string(), "alice@lab.test/5n");
        }
        assert_eq!(hub.route(Message::error("nobody@lab.test".parse::<Jid>().unwrap())), None);
    }

    #[test]
    fn what_an_ended_session_did_not_pass_on_reaches_the_next_one() {
        let mut hub = hub();
        let old = seat(&mut hub);
        hub.set_available("bob", old.number, true);
        say(&mut hub, "bob@lab.test", "unread");
        hub.leave("bob", old);
        say(&mut hub, "bob@lab.test", "stored");
        let mut new = seat(&mut hub);
        hub.set_available("bob", new.number, true);
        assert_eq!(read(&mut new), ["unread*", "stored*"]);
    }

    #[test]
    fn a_new_login_ends_the_old_session_and_takes_over_from_a_detached_one() {
        let mut hub = hub();
        let mut first = seat(&mut hub);
        let mut second = seat(&mut hub);
        assert_eq!(read(&mut first), ["!"]);
        hub.leave("bob", first);
        hub.set_available("bob", second.number, true);
        let mut acks = Acks::new(Some("s2".into()));
        acks.sent(Message::chat(None).with_body(Lang::new(), "unacknowledged".into()).into(), None);
        second.acks = Some(acks);
        hub.detach("bob", second);
        say(&mut hub, "bob@lab.test", "while away");
        let mut third = seat(&mut hub);
        hub.set_available("bob", third.number, true);
        assert_eq!(read(&mut third), ["unacknowledged*", "while away*"]);
    }

    #[test]
    fn only_the_named_session_is_resumed() {
        let mut hub = hub();
        let bob = seat(&mut hub);
        let number = bob.number;
        hub.set_resumption("bob", number, "s1");
        assert!(hub.resume("bob", "s2").is_none());
        assert!(hub.resume("alice", "s1").is_none());
        assert!(matches!(hub.resume("bob", "s1"), Some(Resumable::Soon(_))));
        hub.detach("bob", bob);
        assert!(matches!(hub.resume("bob", "s1"), Some(Resumable::Now(old)) if old.number == number));
    }
}
