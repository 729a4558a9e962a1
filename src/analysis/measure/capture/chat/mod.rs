//! XMPP in a capture: sessions, messages, and how long somebody had no session.

mod messages;
mod outages;
mod session;

use std::net::SocketAddr;

use self::messages::Messages;
use self::session::Session;
use super::excess::{Excess, Spot};
use super::filter::Filter;
use super::tcp::{Event, Segment};
use crate::analysis::measure::model::{Anomaly, Caveat, ChatMessageMeasured, Measured};
use crate::units::RunTime;
use crate::wire::limits::MOST_CHAT_SESSIONS;
use crate::wire::xmpp::Stanza;

/// How a connection began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) at: RunTime,
    /// Whether its SYN was captured.
    pub(super) whole: bool,
    /// Number of the file.
    pub(super) file: usize,
}

/// All sessions and messages.
#[derive(Debug, Default)]
pub(super) struct Chats {
    sessions: Vec<Session>,
    messages: Messages,
}

impl Chats {
    /// A connection turned out to carry chat; `None` when there are too many.
    pub(super) fn open(&mut self, opening: &Opening, spot: &Spot<'_>, excess: &mut Excess) -> Option<usize> {
        if self.sessions.len() >= MOST_CHAT_SESSIONS {
            excess.note("chat sessions beyond the number that is kept", spot);
            return None;
        }
        self.sessions.push(Session::new(opening));
        Some(self.sessions.len() - 1)
    }

    /// A segment of the session's connection, before its octets are read.
    pub(super) fn segment(&mut self, session: usize, from_client: bool, segment: &Segment<'_>) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.segment(from_client, segment);
        }
    }

    /// From now on TLS hides what is said.
    pub(super) fn hidden(&mut self, session: usize, at: RunTime) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.hidden(at);
        }
    }

    /// Something was said.
    pub(super) fn event(
        &mut self,
        number: usize,
        at: RunTime,
        from_client: bool,
        event: Event,
        spot: &Spot<'_>,
        excess: &mut Excess,
    ) {
        let Some(session) = self.sessions.get_mut(number) else { return };
        match event {
            Event::Header(header) if from_client => session.header(header),
            Event::Stanza(stanza) => {
                session.stanza(at, from_client, &stanza);
                self.stanza(number, at, from_client, &stanza, spot, excess);
            }
            Event::End => session.said_goodbye(at, from_client),
            Event::Data => session.encrypted(at, from_client),
            Event::Hole => {
                session.hole();
                excess.note("holes in chat sessions: TCP segments that were not captured", spot);
            }
            Event::Header(_) | Event::Sip { .. } | Event::Xmpp | Event::Tls { .. } | Event::LeftOut(_) => {}
        }
    }

    fn stanza(
        &mut self,
        number: usize,
        at: RunTime,
        from_client: bool,
        stanza: &Stanza,
        spot: &Spot<'_>,
        excess: &mut Excess,
    ) {
        let session = &mut self.sessions[number];
        let kept = match (stanza.name.as_str(), from_client) {
            ("message", true) => self.messages.sent(at, session, stanza),
            ("message", false) => self.messages.delivered(at, session, stanza),
            ("a" | "resumed", false) => {
                self.messages.acknowledged(session, stanza.handled);
                true
            }
            _ => true,
        };
        if !kept {
            excess.note("chat messages beyond the number that is kept", spot);
        }
        if from_client && matches!(stanza.name.as_str(), "message" | "iq" | "presence") {
            session.counts_one();
        }
    }

    /// Puts what the filter leaves into the figures. Calls and sources have nothing to do with chat.
    pub(super) fn measure(mut self, filter: &Filter, from: Option<RunTime>, end: RunTime, measured: &mut Measured) {
        let asked = !filter.chooses() || (filter.call_ids.is_empty() && filter.ssrcs.is_empty());
        self.sessions.retain(|session| asked && filter.wants_address([session.client(), session.server()]));
        let since = from.unwrap_or(RunTime(i64::MIN));
        let (outages, unjudged) = outages::outages(&self.sessions, end);
        measured.outages.extend(outages.into_iter().filter(|outage| outage.end_ns.is_none_or(|at| at >= since)));
        measured.anomalies.extend(unjudged.into_iter().map(|(who, what)| Anomaly { place: who, what }));
        measured.caveats.extend(hidden(&self.sessions));
        let messages = self.messages.measured(&self.sessions, end);
        let told = |message: &ChatMessageMeasured| {
            asked && filter.addresses.is_empty() && message.sent_ns.or(message.delivered_ns) >= Some(since)
        };
        measured.chat_messages = messages.into_iter().filter(told).collect();
        let chats = self.sessions.iter().map(|session| session.measured(end));
        measured.chats = chats.filter(|chat| chat.end_ns.is_none_or(|at| at >= since)).collect();
        measured.chats.sort_by_key(|chat| chat.start_ns);
    }
}

fn hidden(sessions: &[Session]) -> Option<Caveat> {
    let hidden = sessions.iter().filter(|session| session.is_hidden()).count();
    (hidden > 0).then(|| Caveat {
        text: format!(
            "TLS hides what {hidden} of {} chat sessions say: no logins, messages or stream errors; their outages end \
             with the first encrypted data, before the login is complete",
            sessions.len()
        ),
        remedy: "capture on the server behind its TLS, or take the server's own log beside the capture".to_owned(),
        voids: false,
    })
}

#[cfg(test)]
mod tests;
