//! Messages: seen from their senders and seen on their way to the recipients.

use std::collections::BTreeMap;

use super::session::Session;
use crate::analysis::measure::model::{ChatMessageMeasured, MessageFate};
use crate::units::{RunTime, Span};
use crate::wire::limits::MOST_CHAT_MESSAGES;
use crate::wire::xmpp::Stanza;

/// So long before the end of the capture a message must have been sent to count as lost.
const TIME_TO_ARRIVE: Span = Span::from_secs(5);

/// All messages with a body between two people.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// By `id` and bare JID of the recipient.
    numbers: BTreeMap<(String, String), usize>,
    all: Vec<Message>,
}

#[derive(Debug, Default)]
struct Message {
    id: String,
    from: Option<String>,
    to: String,
    /// When, and the file in which it was seen.
    sent: Option<(RunTime, usize)>,
    delivered: Option<(RunTime, usize)>,
    deliveries: u32,
    from_storage: bool,
    bounced: bool,
    acknowledged: bool,
}

impl Messages {
    /// A message of a client; false when there are too many.
    pub(super) fn sent(&mut self, at: RunTime, session: &mut Session, stanza: &Stanza) -> bool {
        let Some((id, to)) = addressed(stanza, None) else { return true };
        session.note_message(true);
        let Some(number) = self.number(id, to) else { return false };
        let message = &mut self.all[number];
        message.sent.get_or_insert((at, session.file()));
        if message.from.is_none() {
            message.from = session.jid().map(|jid| bare(jid).to_owned());
        }
        // What was never resent cannot be waiting twice: the queue is no longer than the messages.
        session.unacknowledged.extend(session.next_count().map(|count| (count, number)));
        true
    }

    /// A message to a client; false when there are too many.
    pub(super) fn delivered(&mut self, at: RunTime, session: &mut Session, stanza: &Stanza) -> bool {
        if stanza.kind.as_deref() == Some("error") {
            self.bounced(stanza);
            return true;
        }
        let Some((id, to)) = addressed(stanza, session.jid()) else { return true };
        let number = self.number(id, to);
        session.note_message(false);
        let Some(number) = number else { return false };
        let message = &mut self.all[number];
        message.delivered.get_or_insert((at, session.file()));
        message.deliveries += 1;
        message.from_storage |= stanza.children.iter().any(is_from_storage);
        if let Some(from) = &stanza.from {
            message.from = Some(bare(from).to_owned());
        }
        true
    }

    /// An error comes back to the sender: it names the recipient as its source (RFC 6120 §8.3.1).
    fn bounced(&mut self, stanza: &Stanza) {
        let (Some(id), Some(from)) = (&stanza.id, &stanza.from) else { return };
        if let Some(number) = self.numbers.get(&(id.clone(), bare(from).to_owned())) {
            self.all[*number].bounced = true;
        }
    }

    /// The server has handled so many stanzas of the session (XEP-0198 §4).
    pub(super) fn acknowledged(&mut self, session: &mut Session, handled: Option<u32>) {
        let Some(handled) = handled else { return };
        while let Some(&(count, number)) = session.unacknowledged.front() {
            // Counts wrap at 2^32.
            if handled.wrapping_sub(count).cast_signed() < 0 {
                return;
            }
            session.unacknowledged.pop_front();
            self.all[number].acknowledged = true;
        }
    }

    fn number(&mut self, id: &str, to: &str) -> Option<usize> {
        let key = (id.to_owned(), to.to_owned());
        if let Some(number) = self.numbers.get(&key) {
            return Some(*number);
        }
        if self.all.len() >= MOST_CHAT_MESSAGES {
            return None;
        }
        self.all.push(Message { id: id.to_owned(), to: to.to_owned(), ..Message::default() });
        self.numbers.insert(key, self.all.len() - 1);
        Some(self.all.len() - 1)
    }

    pub(super) fn measured(self, sessions: &[Session], end: RunTime) -> Vec<ChatMessageMeasured> {
        let visible = visible(sessions);
        let mut messages: Vec<_> = self.all.into_iter().map(|message| message.measured(&visible, end)).collect();
        messages.sort_by_key(|message| message.sent_ns.or(message.delivered_ns));
        messages
    }
}

/// Bare JIDs of those to whom everything that is delivered can be seen, and since when.
fn visible(sessions: &[Session]) -> BTreeMap<&str, Option<RunTime>> {
    let mut visible: BTreeMap<&str, Option<RunTime>> = BTreeMap::new();
    for session in sessions {
        let (Some(jid), Some(up)) = (session.jid(), session.up()) else { continue };
        let since = session.shows_everything().then_some(up);
        visible.entry(bare(jid)).and_modify(|known| *known = known.zip(since).map(|(a, b)| a.min(b))).or_insert(since);
    }
    visible
}

impl Message {
    fn measured(self, visible: &BTreeMap<&str, Option<RunTime>>, end: RunTime) -> ChatMessageMeasured {
        let legs = self.sent.zip(self.delivered);
        let one_clock = legs.filter(|((_, from), (_, to))| from == to);
        ChatMessageMeasured {
            fate: self.fate(visible, end),
            id: self.id,
            from: self.from,
            to: self.to,
            sent_ns: self.sent.map(|(at, _)| at),
            delivered_ns: self.delivered.map(|(at, _)| at),
            delay_ms: one_clock.map(|((sent, _), (delivered, _))| (delivered - sent).as_millis_f64()),
            deliveries: self.deliveries,
            acknowledged: self.acknowledged,
        }
    }

    fn fate(&self, visible: &BTreeMap<&str, Option<RunTime>>, end: RunTime) -> Option<MessageFate> {
        match self.deliveries {
            0 => self.lost(visible, end),
            1 if self.from_storage => Some(MessageFate::RecoveredOffline),
            1 => Some(MessageFate::DeliveredOnce),
            _ => Some(MessageFate::Duplicated),
        }
    }

    /// Nobody got it, as far as the capture could have shown.
    fn lost(&self, visible: &BTreeMap<&str, Option<RunTime>>, end: RunTime) -> Option<MessageFate> {
        if self.bounced {
            return Some(MessageFate::Bounced);
        }
        let (sent, _) = self.sent?;
        let since = (*visible.get(self.to.as_str())?)?;
        let shown = since <= sent && end - sent >= TIME_TO_ARRIVE;
        let lost = if self.acknowledged { MessageFate::AcknowledgedLost } else { MessageFate::UnacknowledgedLost };
        shown.then_some(lost)
    }
}

/// Id and recipient of a message between two people that has a body; carbons and archives wrap theirs.
fn addressed<'a>(stanza: &'a Stanza, recipient: Option<&'a str>) -> Option<(&'a str, &'a str)> {
    let written = stanza.children.iter().any(|child| child.name == "body" && child.depth == 1);
    let kind = stanza.kind.as_deref().unwrap_or("normal");
    let to = stanza.to.as_deref().or(recipient)?;
    (written && matches!(kind, "chat" | "normal")).then_some((stanza.id.as_deref()?, bare(to)))
}

/// Delayed delivery by a server (XEP-0203).
fn is_from_storage(child: &crate::wire::xmpp::Child) -> bool {
    child.name == "delay" && child.depth == 1 && child.namespace.as_deref() == Some("urn:xmpp:delay")
}

/// A JID without its resource (RFC 7622 §3.1).
pub(super) fn bare(jid: &str) -> &str {
    jid.split('/').next().unwrap_or(jid)
}
