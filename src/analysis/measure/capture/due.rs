//! When media was due to a listener, by what the dialog says: from the answer to the BYE, without the holds.

use std::borrow::Cow;

use super::dialogs::Call;
use crate::analysis::measure::silence::{self, Due, Rule, Silence};
use crate::analysis::measure::track::{self, Arrival, Train};
use crate::evidence::history::Direction;
use crate::units::{RunTime, Span};

/// After an answer or a resumption phones may take this long to send: no user calls that an outage.
pub(super) const PICK_UP: Span = Span::from_secs(1);

/// A stretch of time in which media was due without a break.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) due: Due,
    /// How long media may take to begin: the measured time may also begin in the middle of a call.
    pub(super) pick_up: Span,
    /// A hold ends it: phones may stop a little before they say so.
    pub(super) then_hold: bool,
}

/// Where no dialog tells, only the packets themselves do.
pub(super) const UNTOLD: Stretch =
    Stretch { due: Due { start: None, end: None, cut: false }, pick_up: Span::ZERO, then_hold: false };

/// The stretches of a call in one direction; none for a call that was never answered: early media may stop at
/// any time.
pub(super) fn stretches(call: &Call, direction: Direction, from: Option<RunTime>, end: RunTime) -> Vec<Stretch> {
    let Some((answered, last, cut)) = call.media_time(end) else { return Vec::new() };
    let first = from.map_or(answered, |from| from.max(answered));
    let mut edges = vec![first];
    edges.extend(call.changes().filter(|at| *at > first && *at < last));
    edges.push(last);
    let mut stretches: Vec<Stretch> = Vec::new();
    for pair in edges.windows(2) {
        if pair[1] <= pair[0] || call.on_hold(direction, pair[0]) {
            continue;
        }
        let ends_media = pair[1] == last;
        let stretch = Stretch {
            due: Due { start: Some(pair[0]), end: Some(pair[1]), cut: ends_media && cut },
            pick_up: if from == Some(pair[0]) { Span::ZERO } else { PICK_UP },
            then_hold: !ends_media,
        };
        match stretches.last_mut() {
            Some(before) if before.due.end == Some(pair[0]) => {
                let due = Due { start: before.due.start, ..stretch.due };
                *before = Stretch { due, pick_up: before.pick_up, ..stretch };
            }
            _ => stretches.push(stretch),
        }
    }
    stretches
}

/// When the earliest of some packets came, and the latest.
fn ends(track: &[Train<'_>]) -> Option<(RunTime, RunTime)> {
    let first = track.first()?.first.at;
    Some(track.iter().fold((first, first), |(from, to), train| (from.min(train.first.at), to.max(train.last_at))))
}

/// The silences of all stretches.
pub(super) fn silences(good: &[Train<'_>], rule: Rule, stretches: &[Stretch]) -> Vec<Silence> {
    let ends = ends(good);
    stretches.iter().flat_map(|stretch| silences_of(good, ends, rule, stretch)).collect()
}

fn silences_of(good: &[Train<'_>], ends: Option<(RunTime, RunTime)>, rule: Rule, stretch: &Stretch) -> Vec<Silence> {
    let Due { start, end, .. } = stretch.due;
    let inside = |at: RunTime| start.is_none_or(|start| at >= start) && end.is_none_or(|end| at <= end);
    let good = match ends.is_none_or(|(from, to)| inside(from) && inside(to)) {
        true => Cow::Borrowed(good),
        false => Cow::Owned(track::within(good, start, end)),
    };
    let first = good.first().map(|train| train.first.at).or(end);
    let late = |start: &RunTime| first.is_some_and(|first| first - *start > stretch.pick_up);
    let start = start.filter(late);
    let mut found = silence::silences(&good, rule, Due { start, ..stretch.due });
    if stretch.then_hold {
        found.retain(|silence| silence.end.is_some() || silence.length > PICK_UP);
    }
    found
}

/// Whether media was due all the time from one instant to another.
pub(super) fn without_break(stretches: &[Stretch], from: RunTime, to: RunTime) -> bool {
    let edges = stretches.iter().flat_map(|stretch| [stretch.due.start, stretch.due.end]);
    !edges.flatten().any(|edge| edge > from && edge < to)
}

/// Whether media was due all the time from the earliest to the latest of some packets.
pub(super) fn all_without_break(stretches: &[Stretch], track: &[Train<'_>]) -> bool {
    ends(track).is_none_or(|(from, to)| without_break(stretches, from, to))
}

/// Gives what comes after a hold a numbering of its own, as long as none is missing: how long the hold was says
/// nothing about the network.
pub(super) fn renumber_after_holds<'a>(track: &[Train<'a>], stretches: &[Stretch]) -> Vec<Train<'a>> {
    let mut added = 0;
    let mut before: Option<Arrival> = None;
    let renumbered = track::arrivals(track).map(|mut arrival| {
        let goes_on = |before: Arrival| {
            before.segment == arrival.segment
                && arrival.index == before.index + 1
                && !without_break(stretches, before.at, arrival.at)
        };
        added += u32::from(before.is_some_and(goes_on));
        before = Some(arrival);
        arrival.segment += added;
        Train::from(arrival)
    });
    renumbered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule =
        Rule { interval: Span::from_millis(20), threshold: Span::from_millis(100), validate: Span::from_secs(1) };

    fn stretch(from_ms: i64, to_ms: i64, then_hold: bool) -> Stretch {
        let (start, end) = (Some(RunTime::from_millis(from_ms)), Some(RunTime::from_millis(to_ms)));
        Stretch { due: Due { start, end, cut: false }, pick_up: PICK_UP, then_hold }
    }

    fn packets(from_ms: i64, to_ms: i64) -> Vec<Train<'static>> {
        let at = (from_ms..to_ms).step_by(20);
        at.map(|at| Arrival { at: RunTime::from_millis(at), segment: 0, index: at / 20, media: None, pause: false })
            .map(Train::from)
            .collect()
    }

    #[test]
    fn a_phone_that_stops_a_little_before_its_hold_makes_no_outage() {
        assert_eq!(silences(&packets(0, 4600), RULE, &[stretch(0, 5000, true)]), []);
        let dead = silences(&packets(0, 3000), RULE, &[stretch(0, 5000, true)]);
        // 5000 − 2980 − 20 ms.
        assert_eq!((dead.len(), dead[0].end, dead[0].length), (1, None, Span::from_secs(2)));
    }

    #[test]
    fn media_may_be_picked_up_for_a_second_and_no_longer() {
        assert_eq!(silences(&packets(900, 5000), RULE, &[stretch(0, 5000, false)]), []);
        let late = silences(&packets(1500, 5000), RULE, &[stretch(0, 5000, false)]);
        assert_eq!((late[0].start, late[0].length), (RunTime::ZERO, Span::from_millis(1500)));
        assert_eq!(silences(&[], RULE, &[stretch(0, 800, false)]), []);
        let amid = Stretch { pick_up: Span::ZERO, ..stretch(0, 800, false) };
        assert_eq!(silences(&packets(500, 800), RULE, &[amid])[0].length, Span::from_millis(500));
        assert_eq!(silences(&[], RULE, &[stretch(0, 8000, false)])[0].length, Span::from_secs(8));
    }

    #[test]
    fn a_hold_ends_a_numbering_only_where_none_is_missing() {
        let mut track = [packets(0, 2000), packets(4000, 5000)].concat();
        track.iter_mut().skip(100).zip(100..).for_each(|(train, index)| train.first.index = index);
        let stretches = [stretch(0, 2000, true), stretch(3900, 5000, false)];
        let segments = |track: &[Train<'_>]| -> Vec<u32> {
            renumber_after_holds(track, &stretches).iter().map(|train| train.first.segment).collect()
        };
        assert_eq!(segments(&track), [[0; 100].as_slice(), &[1; 50]].concat());
        assert_eq!(segments(&[packets(0, 2000), packets(4000, 5000)].concat()), [0; 150]);
    }
}
