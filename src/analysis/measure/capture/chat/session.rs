//! One session: what its segments and stanzas tell.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::Opening;
use crate::analysis::measure::capture::tcp::Segment;
use crate::analysis::measure::model::{ChatEnd, ChatMeasured};
use crate::units::{RunTime, Span};
use crate::wire::tcp::{FIN, RST};
use crate::wire::xmpp::{Header, Stanza};

/// A server that does not acknowledge for so long is silent: Linux delays an acknowledgment by 200 ms at most
/// (RFC 9293 §3.8.6.3 allows 500 ms), the network comes on top.
const LEAST_SILENCE: Span = Span::from_millis(600);
/// And for so many times the longest wait that was answered in the same session.
const SILENCE_FACTOR: i64 = 4;

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    opening: Opening,
    domain: Option<String>,
    jid: Option<String>,
    hidden: Option<RunTime>,
    client_encrypted: bool,
    authenticated: Option<RunTime>,
    refused: Vec<String>,
    up: Option<RunTime>,
    resumed: bool,
    error: Option<String>,
    close: Option<(RunTime, ChatEnd)>,
    server_last: Option<RunTime>,
    /// Since when the client waits for the server's TCP.
    unanswered: Option<RunTime>,
    slowest_answer: Span,
    holes: bool,
    sent: u64,
    delivered: u64,
    /// Stanzas of the client since it enabled stream management.
    counted: Option<u32>,
    /// Messages that the server has not acknowledged: the count with each, and its number.
    pub(super) unacknowledged: VecDeque<(u32, usize)>,
}

/// How a service ended for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The last sign of the service.
    pub(super) last_sign: RunTime,
    /// The first sign that it was gone.
    pub(super) noticed: RunTime,
}

/// Refused logins of one session that are kept.
const MOST_REFUSED: usize = 16;

impl Session {
    pub(super) fn new(opening: &Opening) -> Session {
        Session {
            opening: *opening,
            domain: None,
            jid: None,
            hidden: None,
            client_encrypted: false,
            authenticated: None,
            refused: Vec::new(),
            // Who talks when the capture begins has been let in before.
            up: (!opening.whole).then_some(opening.at),
            resumed: false,
            error: None,
            close: None,
            server_last: None,
            unanswered: None,
            slowest_answer: Span::ZERO,
            holes: false,
            sent: 0,
            delivered: 0,
            counted: None,
            unacknowledged: VecDeque::new(),
        }
    }

    /// Follows who waits for whom.
    pub(super) fn segment(&mut self, from_client: bool, segment: &Segment<'_>) {
        let at = segment.at;
        if segment.flags & RST != 0 {
            return self.close(at, if from_client { ChatEnd::ClientReset } else { ChatEnd::ServerReset });
        }
        let finishes = segment.flags & FIN != 0;
        if from_client {
            if finishes || !segment.payload.is_empty() {
                self.unanswered.get_or_insert(at);
            }
        } else {
            if let Some(since) = self.unanswered.take() {
                self.slowest_answer = self.slowest_answer.max(at - since);
            }
            self.server_last = Some(at);
        }
        if finishes {
            self.close(at, if from_client { ChatEnd::Closed } else { ChatEnd::ServerClosed });
        }
    }

    /// The first end counts; what follows is its echo.
    fn close(&mut self, at: RunTime, end: ChatEnd) {
        self.close.get_or_insert((at, end));
    }

    pub(super) fn said_goodbye(&mut self, at: RunTime, from_client: bool) {
        self.close(at, if from_client { ChatEnd::Closed } else { ChatEnd::ServerClosed });
    }

    pub(super) fn hidden(&mut self, at: RunTime) {
        self.hidden.get_or_insert(at);
    }

    /// Encrypted data. The server's first after the client's first comes when the handshake is over: in TLS 1.3
    /// the server's own handshake looks like data (RFC 8446 §5.2).
    pub(super) fn encrypted(&mut self, at: RunTime, from_client: bool) {
        self.client_encrypted |= from_client;
        if !from_client && self.client_encrypted {
            self.up.get_or_insert(at);
        }
    }

    pub(super) fn hole(&mut self) {
        self.holes = true;
    }

    pub(super) fn header(&mut self, header: Header) {
        self.domain = self.domain.take().or(header.to);
    }

    /// What concerns the session itself.
    pub(super) fn stanza(&mut self, at: RunTime, from_client: bool, stanza: &Stanza) {
        match (stanza.name.as_str(), from_client) {
            ("success", false) => {
                self.authenticated = Some(at);
                // SASL 2 binds at once (XEP-0388, XEP-0386).
                let jid = stanza.child("authorization-identifier").map(|jid| jid.text.trim().to_owned());
                if stanza.child("bound").is_some() {
                    self.bound(at, jid);
                } else if stanza.child("resumed").is_some() {
                    (self.jid, self.resumed) = (jid.or(self.jid.take()), true);
                    self.up.get_or_insert(at);
                }
            }
            ("failure", false) if self.refused.len() < MOST_REFUSED => {
                self.refused.push(stanza.condition().unwrap_or("no reason given").to_owned());
            }
            ("iq", false) if stanza.kind.as_deref() == Some("result") => {
                let jid = stanza.child("bind").and(stanza.child("jid"));
                if let Some(jid) = jid.map(|jid| jid.text.trim().to_owned()) {
                    self.bound(at, Some(jid));
                }
            }
            ("resumed", false) => {
                self.resumed = true;
                self.up.get_or_insert(at);
            }
            ("enable", true) => self.counted = Some(0),
            ("error", false) if stanza.namespace.is_none() => {
                self.error = stanza.condition().map(str::to_owned);
                self.close(at, ChatEnd::ServerClosed);
            }
            _ => {}
        }
    }

    fn bound(&mut self, at: RunTime, jid: Option<String>) {
        self.jid = jid.filter(|jid| !jid.is_empty());
        self.up.get_or_insert(at);
    }

    /// A stanza of the client that stream management counts.
    pub(super) fn counts_one(&mut self) {
        self.counted = self.counted.map(|count| count.wrapping_add(1));
    }

    /// The number by which the server will acknowledge the next stanza.
    pub(super) fn next_count(&self) -> Option<u32> {
        self.counted.map(|count| count.wrapping_add(1))
    }

    pub(super) fn note_message(&mut self, from_client: bool) {
        *(if from_client { &mut self.sent } else { &mut self.delivered }) += 1;
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.hidden.is_some()
    }

    pub(super) fn file(&self) -> usize {
        self.opening.file
    }

    pub(super) fn up(&self) -> Option<RunTime> {
        self.up
    }

    pub(super) fn start(&self) -> RunTime {
        self.opening.at
    }

    pub(super) fn jid(&self) -> Option<&str> {
        self.jid.as_deref()
    }

    pub(super) fn client(&self) -> SocketAddr {
        self.opening.client
    }

    pub(super) fn server(&self) -> SocketAddr {
        self.opening.server
    }

    /// Whether every stanza to its client since `at` was seen.
    pub(super) fn shows_everything(&self) -> bool {
        !self.holes && self.hidden.is_none()
    }

    /// How and when it ended, as known at `capture_end`.
    pub(super) fn end(&self, capture_end: RunTime) -> Option<(RunTime, ChatEnd)> {
        let silent = |until: RunTime| {
            let patience = LEAST_SILENCE.max(Span(self.slowest_answer.as_nanos().saturating_mul(SILENCE_FACTOR)));
            self.unanswered.is_some_and(|since| until - since >= patience)
        };
        match (self.close, self.unanswered) {
            // A farewell that nobody answers is the client's patience at its end.
            (Some((at, ChatEnd::Closed)), _) if silent(capture_end) => Some((at, ChatEnd::Silent)),
            (Some((at, ChatEnd::ClientReset)), _) if silent(at) => Some((at, ChatEnd::Silent)),
            (Some(close), _) => Some(close),
            (None, Some(since)) if silent(capture_end) => Some((since, ChatEnd::Silent)),
            (None, _) => None,
        }
    }

    /// Whether the user lost the service without wanting to, and when.
    pub(super) fn cut(&self, capture_end: RunTime) -> Option<Cut> {
        let (at, end) = self.end(capture_end)?;
        let noticed = match (end, self.unanswered) {
            (ChatEnd::Closed | ChatEnd::ClientReset, _) => return None,
            (ChatEnd::ServerClosed, _) | (_, None) => at,
            (_, Some(since)) => since,
        };
        let before = self.server_last.filter(|last| *last <= noticed);
        let last_sign = if noticed == at && self.unanswered.is_none() { at } else { before.unwrap_or(noticed) };
        Some(Cut { last_sign, noticed })
    }

    pub(super) fn measured(&self, capture_end: RunTime) -> ChatMeasured {
        let end = self.end(capture_end);
        let readable = self.hidden.is_none();
        ChatMeasured {
            client: self.opening.client.to_string(),
            server: self.opening.server.to_string(),
            jid: self.jid.clone(),
            domain: self.domain.clone(),
            start_ns: self.opening.at,
            from_its_beginning: self.opening.whole,
            hidden_ns: self.hidden,
            authenticated_ns: self.authenticated,
            refused: self.refused.clone(),
            up_ns: self.up,
            resumed: self.resumed,
            end_ns: end.map(|(at, _)| at),
            end: end.map(|(_, end)| end),
            server_last_ns: self.server_last,
            error: self.error.clone(),
            sent: readable.then_some(self.sent),
            delivered: readable.then_some(self.delivered),
        }
    }
}
