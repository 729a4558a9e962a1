//! Ghost presence: a server shows somebody who has no session any more.

use std::collections::BTreeMap;

use super::chat::Chat;
use crate::analysis::measure::model::{Finding, Window};
use crate::evidence::history::{Event, SessionState, What};
use crate::units::{RunTime, Span};

/// A shorter one is a server that is being told: closing a session takes as long.
const LEAST: Span = Span::from_millis(100);

/// From and until.
type Stretch = (RunTime, RunTime);

/// What is known of one chatter.
#[derive(Debug, Default)]
struct Watcher<'a> {
    states: &'a [(RunTime, SessionState)],
    /// When its server was heard, but for presence.
    signs: &'a [RunTime],
    /// When it was shown that the other one of the pair is there (or not).
    shown: Vec<(RunTime, bool)>,
}

/// Who was shown as there although his session had ended and he did not resume it: RFC 6121 §4.5.2 has the server tell
/// his contacts. Only what is seen inside the window counts, by contacts whose own session lived: a screen that has
/// stood still since the server died shows no ghosts.
pub(super) fn ghosts(events: &[Event], chat: &Chat, window: Window) -> Option<Finding> {
    let watchers = watchers(events, chat);
    let mut seen: Vec<(Span, &str)> = Vec::new();
    for (name, watcher) in &watchers {
        let other = other_of(name).and_then(|other| watchers.get_key_value(&other[..]));
        let Some((other, peer)) = other else { continue };
        let absent = peer.absent(window);
        for (start, end) in watcher.sees(window) {
            let overlaps = absent.iter().map(|(from, to)| (*to).min(end) - (*from).max(start));
            seen.extend(overlaps.filter(|length| *length >= LEAST).map(|length| (length, *other)));
        }
    }
    let (longest, who) = seen.iter().max()?;
    let (count, longest_ms, who) = (seen.len() as u64, Some(longest.as_millis_f64()), Some((*who).to_owned()));
    Some(Finding { kind: "ghost_presence".to_owned(), count, longest_ms, who })
}

fn watchers<'a>(events: &[Event], chat: &'a Chat) -> BTreeMap<&'a str, Watcher<'a>> {
    let all = chat.sessions().map(|(name, states, signs)| (name, Watcher { states, signs, shown: Vec::new() }));
    let mut watchers: BTreeMap<&str, Watcher<'_>> = all.collect();
    for event in events {
        if let What::Presence(presence) = &event.what
            && let Some(watcher) = watchers.get_mut(&presence.chatter[..])
        {
            watcher.shown.push((event.t_ns, presence.available));
        }
    }
    watchers
}

/// `chat-03-b` of `chat-03-a`.
fn other_of(name: &str) -> Option<String> {
    let (pair, end) = name.rsplit_once('-')?;
    Some(format!("{pair}-{}", if end == "a" { "b" } else { "a" }))
}

impl Watcher<'_> {
    /// From the end of each session until the next one is up; a session that is resumed did not end (XEP-0198).
    fn absent(&self, window: Window) -> Vec<Stretch> {
        let mut absent = Vec::new();
        let mut since = None;
        for (at, state) in self.states {
            match state {
                SessionState::Lost | SessionState::Closed => since = since.or(Some(*at)),
                SessionState::Up => absent.extend(since.take().map(|from| (from, *at))),
                SessionState::Resumed => since = None,
                SessionState::Connecting | SessionState::Refused => {}
            }
        }
        absent.extend(since.map(|from| (from, window.end_ns)));
        absent.retain(|(from, _)| *from < window.end_ns);
        absent
    }

    /// While the other one was shown as there: each until it was told otherwise or lost its own session, and no longer
    /// than it heard of its server.
    fn sees(&self, window: Window) -> Vec<Stretch> {
        let shown = self.shown.iter().filter(|(_, available)| *available);
        shown.map(|(from, _)| ((*from).max(window.start_ns), self.seen_until(*from, window))).collect()
    }

    fn seen_until(&self, from: RunTime, window: Window) -> RunTime {
        let told = self.shown.iter().filter(|(_, available)| !available).map(|(at, _)| *at);
        let over = |state| matches!(state, SessionState::Lost | SessionState::Closed);
        let lost = self.states.iter().filter(|(_, state)| over(*state)).map(|(at, _)| *at);
        let until = told.chain(lost).filter(|at| *at >= from).min().unwrap_or(window.end_ns).min(window.end_ns);
        let heard = self.signs.iter().copied().chain(self.shown.iter().map(|(at, _)| *at));
        heard.filter(|at| *at <= until).max().unwrap_or(from).max(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::history::{ChatRole, Op, OpKind, Presence, Session, Step};

    fn session(at: i64, chatter: &str, state: SessionState) -> Event {
        let session = Session { chatter: chatter.into(), role: ChatRole::Sender, state, reason: None };
        Event { t_ns: RunTime::from_millis(at), what: What::Session(session) }
    }

    fn sight(at: i64, available: bool) -> Event {
        Event {
            t_ns: RunTime::from_millis(at),
            what: What::Presence(Presence { chatter: "chat-00-a".into(), available }),
        }
    }

    /// The server answers a ping of chatter a.
    fn pong(at: i64) -> Event {
        let at = RunTime::from_millis(at);
        let op = Op {
            op: 1,
            kind: OpKind::Ping,
            step: Step::Ok,
            actor: "chat-00-a".into(),
            planned_ns: at,
            call: None,
            code: None,
            status_ns: None,
            node: None,
            retransmissions: None,
            reason: None,
        };
        Event { t_ns: at, what: What::Op(op) }
    }

    fn found(events: &[Event]) -> Option<(u64, f64, String)> {
        let window = Window { start_ns: RunTime::ZERO, end_ns: RunTime::from_millis(10_000) };
        ghosts(events, &Chat::of(events), window).map(|of| (of.count, of.longest_ms.unwrap(), of.who.unwrap()))
    }

    /// b is gone from 2 s to 5 s, or for good, while a goes on.
    fn planted(told_at: Option<i64>, back: Option<SessionState>) -> Vec<Event> {
        use SessionState::{Lost, Up};
        let mut events = vec![session(0, "chat-00-a", Up), session(1, "chat-00-b", Up), sight(2, true)];
        events.push(session(2000, "chat-00-b", Lost));
        events.extend(told_at.map(|at| sight(at, false)));
        events.extend(back.map(|state| session(5000, "chat-00-b", state)));
        events.extend((0..=20).map(|ping| pong(ping * 500)));
        events
    }

    #[test]
    fn who_is_shown_after_his_session_ended_is_a_ghost() {
        let ghost = |length| Some((1, length, "chat-00-b".to_owned()));
        assert_eq!(found(&planted(Some(3500), Some(SessionState::Up))), ghost(1500.0));
        assert_eq!(found(&planted(None, Some(SessionState::Up))), ghost(3000.0));
        assert_eq!(found(&planted(None, None)), ghost(8000.0), "until the window ends, at least");
    }

    #[test]
    fn no_ghost_is_who_goes_at_once_or_resumes_or_is_watched_by_nobody() {
        assert_eq!(found(&planted(Some(2050), Some(SessionState::Up))), None);
        assert_eq!(found(&planted(None, Some(SessionState::Resumed))), None);
        let mut both = planted(None, None);
        both.insert(3, session(1990, "chat-00-a", SessionState::Lost));
        assert_eq!(found(&both), None, "whoever lost his own session is shown nothing");
        let mut deaf = planted(None, None);
        deaf.retain(|event| !matches!(event.what, What::Op(_)));
        assert_eq!(found(&deaf), None, "whoever has heard nothing since looks at a screen that stands still");
    }
}
