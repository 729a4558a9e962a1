//! Who may see whom, and what they are shown (RFC 6121 §3, §4).

use std::collections::BTreeSet;

use tokio_xmpp::jid::{BareJid, Jid};
use tokio_xmpp::parsers::presence::{Presence, Type};

use super::{Delivery, Hub, Seat};

/// The accounts that see an account, and those that want to.
#[derive(Default)]
pub(super) struct Subscribers {
    approved: BTreeSet<String>,
    waiting: BTreeSet<String>,
}

impl Hub {
    /// Presence that `user` sends to another account.
    pub(in super::super) fn subscription(&mut self, user: &str, presence: &Presence) {
        let local = presence.to.as_ref().filter(|to| to.domain() == self.domain.domain());
        let Some(other) = local.and_then(Jid::node).map(|node| node.as_str().to_owned()) else { return };
        match presence.type_ {
            Type::Subscribe => self.wants_to_see(user, &other),
            Type::Subscribed => {
                let Some(account) = self.accounts.get_mut(user) else { return };
                account.subscribers.waiting.remove(&other);
                account.subscribers.approved.insert(other.clone());
                self.tell(&other, user, Type::Subscribed);
                self.look_at(&other, user);
            }
            _ => {}
        }
    }

    /// RFC 6121 §3.1.3: who is approved already is so without asking; else the account is asked, now or when it comes.
    fn wants_to_see(&mut self, user: &str, other: &str) {
        let Some(account) = self.accounts.get_mut(other) else { return };
        if account.subscribers.approved.contains(user) {
            return self.look_at(user, other);
        }
        account.subscribers.waiting.insert(user.to_owned());
        self.tell(other, user, Type::Subscribe);
    }

    /// Shows `user` to all who may see him.
    pub(super) fn show(&mut self, user: &str, available: bool) {
        let Some(account) = self.accounts.get(user) else { return };
        for watcher in account.subscribers.approved.clone() {
            self.tell(&watcher, user, if available { Type::None } else { Type::Unavailable });
        }
    }

    /// What `user` finds when he comes: the presence of those whom he may see, and who wants to see him.
    pub(super) fn look_around(&mut self, user: &str) {
        let there = |seat: &Option<Seat>| seat.as_ref().is_some_and(|seat| seat.available);
        let seen = self.accounts.iter().filter(|(_, of)| of.subscribers.approved.contains(user) && there(&of.seat));
        let seen: Vec<String> = seen.map(|(name, _)| name.clone()).collect();
        seen.iter().for_each(|other| self.tell(user, other, Type::None));
        let waiting = self.accounts.get(user).map(|account| account.subscribers.waiting.clone()).unwrap_or_default();
        waiting.iter().for_each(|other| self.tell(user, other, Type::Subscribe));
    }

    /// Shows `other` to `user` if he is there.
    fn look_at(&mut self, user: &str, other: &str) {
        let seat = self.accounts.get(other).and_then(|account| account.seat.as_ref());
        if seat.is_some_and(|seat| seat.available) {
            self.tell(user, other, Type::None);
        }
    }

    /// Presence of `other` to `user`'s session, if there is one that wants presence.
    fn tell(&self, user: &str, other: &str, type_: Type) {
        let seat = self.accounts.get(user).and_then(|account| account.seat.as_ref()).filter(|seat| seat.available);
        let (Some(seat), Some(from)) = (seat, self.address(other)) else { return };
        let _ended = seat.mailbox.send(Delivery::Stanza(Presence::new(type_).with_from(from).into()));
    }

    fn address(&self, user: &str) -> Option<BareJid> {
        format!("{user}@{}", self.domain).parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Detached;
    use super::*;

    fn hub() -> Hub {
        let users = vec!["alice".into(), "bob".into()];
        Hub::new(BareJid::new("lab.test").unwrap(), users, || 1_764_000_000_000_000_000)
    }

    fn come(hub: &mut Hub, user: &str) -> Detached {
        let session = hub.seat(user, format!("{user}@lab.test/5n").parse().unwrap());
        hub.set_available(user, session.number, true);
        session
    }

    fn say(hub: &mut Hub, user: &str, type_: Type, to: &str) {
        hub.subscription(user, &Presence::new(type_).with_to(to.parse::<Jid>().unwrap()));
    }

    /// Presence in the mailbox: who, and what of him.
    fn read(session: &mut Detached) -> Vec<String> {
        let mut read = Vec::new();
        while let Ok(delivery) = session.mailbox.try_recv() {
            let Delivery::Stanza(stanza) = delivery else { continue };
            let presence = Presence::try_from(stanza).unwrap();
            read.push(format!("{} {:?}", presence.from.unwrap(), presence.type_));
        }
        read
    }

    #[test]
    fn who_is_approved_sees_the_other_come_and_go() {
        let mut hub = hub();
        let mut alice = come(&mut hub, "alice");
        say(&mut hub, "alice", Type::Subscribe, "bob@lab.test");
        let mut bob = come(&mut hub, "bob");
        assert_eq!(read(&mut bob), ["alice@lab.test Subscribe"], "asked while he was away");
        assert!(read(&mut alice).is_empty(), "nothing is shown without leave");
        say(&mut hub, "bob", Type::Subscribed, "alice@lab.test");
        assert_eq!(read(&mut alice), ["bob@lab.test Subscribed", "bob@lab.test None"]);
        hub.leave("bob", bob);
        assert_eq!(read(&mut alice), ["bob@lab.test Unavailable"]);
        let bob = come(&mut hub, "bob");
        assert_eq!(read(&mut alice), ["bob@lab.test None"]);
        hub.set_available("bob", bob.number, false);
        assert_eq!(read(&mut alice), ["bob@lab.test Unavailable"]);
    }

    #[test]
    fn a_login_elsewhere_is_seen_as_gone_and_back() {
        let mut hub = hub();
        let (mut alice, _old) = (come(&mut hub, "alice"), come(&mut hub, "bob"));
        say(&mut hub, "bob", Type::Subscribed, "alice@lab.test");
        read(&mut alice);
        let _new = come(&mut hub, "bob");
        assert_eq!(read(&mut alice), ["bob@lab.test Unavailable", "bob@lab.test None"]);
        let mut alice = come(&mut hub, "alice");
        assert_eq!(read(&mut alice), ["bob@lab.test None"], "whoever comes is told who is there");
    }
}
