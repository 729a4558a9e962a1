//! How long somebody had no session: from the last sign of the one that was cut to the next one.

use std::collections::BTreeMap;

use super::messages::bare;
use super::session::{Cut, Session};
use crate::analysis::measure::model::{Estimates, Outage};
use crate::units::RunTime;

/// Outages, and whose could not be told, with the reason.
pub(super) fn outages(sessions: &[Session], end: RunTime) -> (Vec<Outage>, Vec<(String, String)>) {
    let (mut outages, mut unjudged) = (Vec::new(), Vec::new());
    for (who, group) in groups(sessions, end) {
        if is_ambiguous(&group, end) {
            let cut = group.iter().filter(|session| session.cut(end).is_some()).count();
            if cut > 0 {
                unjudged.push((
                    who,
                    format!(
                        "had several chat sessions at once, of which {cut} were cut: which of the later ones took the \
                     place of which cannot be told, so their outages are not judged"
                    ),
                ));
            }
            continue;
        }
        outages.extend(of_one(&who, &group, end));
    }
    outages.sort_by(|a, b| (&a.scope, a.start_ns).cmp(&(&b.scope, b.start_ns)));
    (outages, unjudged)
}

type Groups<'a> = BTreeMap<String, Vec<&'a Session>>;

/// Sessions of one user, in order of time: by bare JID; by full JID where he has several devices; by client address
/// and server where TLS hides the JID.
fn groups(sessions: &[Session], end: RunTime) -> Groups<'_> {
    let mut by_user = Groups::new();
    let up = sessions.iter().filter(|session| session.up().is_some());
    for session in up {
        let who = session.jid().map_or_else(|| by_address(session), |jid| bare(jid).to_owned());
        by_user.entry(who).or_default().push(session);
    }
    let mut groups = Groups::new();
    for (who, mut group) in by_user {
        group.sort_by_key(|session| session.start());
        if !is_ambiguous(&group, end) {
            groups.insert(who, group);
            continue;
        }
        for session in group {
            let device = session.jid().map_or_else(|| who.clone(), str::to_owned);
            groups.entry(device).or_default().push(session);
        }
    }
    groups
}

fn by_address(session: &Session) -> String {
    format!("{} at {}", session.client().ip(), session.server())
}

/// Whether two of them were up at once.
fn is_ambiguous(group: &[&Session], end: RunTime) -> bool {
    group.windows(2).any(|pair| {
        let gone = pair[0].cut(end).map(|cut| cut.last_sign).or(pair[0].end(end).map(|(at, _)| at));
        gone.unwrap_or(end) > pair[1].up().unwrap_or(end)
    })
}

fn of_one<'a>(who: &'a str, group: &'a [&Session], end: RunTime) -> impl Iterator<Item = Outage> + 'a {
    group.iter().enumerate().filter_map(move |(place, session)| {
        let cut = session.cut(end)?;
        let next = group.get(place + 1).and_then(|next| next.up());
        Some(outage(who, cut, next, end))
    })
}

fn outage(who: &str, cut: Cut, next: Option<RunTime>, end: RunTime) -> Outage {
    let duration_ms = (next.unwrap_or(end) - cut.last_sign).as_millis_f64();
    Outage {
        service: "chat_session".to_owned(),
        scope: who.to_owned(),
        direction: None,
        fault: None,
        start_ns: cut.last_sign,
        end_ns: next,
        duration_ms,
        censored: next.is_none(),
        left: false,
        method: "reconnect".to_owned(),
        // The service was lost somewhere between its last sign and the first sign of its absence.
        error_ms: (cut.noticed - cut.last_sign).as_millis_f64().max(0.0),
        estimates: Estimates { timestamp_ms: Some(duration_ms), ..Estimates::default() },
    }
}
