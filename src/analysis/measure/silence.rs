//! Silences of a track: where the media of a listener was gone, how long, and how well that is known.
//!
//! A silence begins with the last good packet and ends with the first good packet after which no further
//! silence begins within the validation time (RFC 6412, sustained convergence validation time). Until the end of the
//! expected media it may stay open: then its length is a lower bound and never 0.

use super::model::{Estimates, Outage};
use super::track::{self, Arrival, Train};
use crate::evidence::history::Direction;
use crate::units::{RunTime, Span};

/// What counts as a silence.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Packet interval.
    pub interval: Span,
    /// Two good packets further apart than this are a silence.
    pub threshold: Span,
    /// A recovery must hold for this long.
    pub validate: Span,
}

/// The time in which media was due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Due {
    /// The first packet was due; absent when only the packets themselves tell.
    pub start: Option<RunTime>,
    /// No packet was due afterwards; absent when only the packets themselves tell.
    pub end: Option<RunTime>,
    /// Whether observation was cut at `end` while media was still due: a recovery that had not yet held for
    /// the validation time then stays open. A user who hangs up does not reopen what had come back.
    pub cut: bool,
}

/// One silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Silence {
    /// Last good packet, or the start of the due media.
    pub start: RunTime,
    /// First good packet of the recovery that held.
    pub end: Option<RunTime>,
    /// Length; the least that it can be when `end` is absent.
    pub length: Span,
    /// How far `length` may be from the truth.
    pub error: Span,
    /// All estimators.
    pub estimates: Estimates,
}

impl Silence {
    /// The outage that it was to a user of `service`, who did not leave in it. No fault is named yet.
    #[must_use]
    pub fn outage(&self, service: &str, scope: String, direction: Option<Direction>) -> Outage {
        Outage {
            service: service.to_owned(),
            scope,
            direction,
            fault: None,
            start_ns: self.start,
            end_ns: self.end,
            duration_ms: self.length.as_millis_f64(),
            censored: self.end.is_none(),
            left: false,
            method: "timestamp".to_owned(),
            error_ms: self.error.as_millis_f64(),
            estimates: self.estimates,
        }
    }
}

/// A pair of neighbours that are too far apart; `None` stands for the edges of the due time.
#[derive(Clone, Copy)]
struct Hole {
    before: Option<Arrival>,
    after: Option<Arrival>,
    start: RunTime,
    end: RunTime,
}

/// Finds the silences of a track's good packets (first arrivals, in order of arrival).
#[must_use]
pub fn silences(good: &[Train<'_>], rule: Rule, due: Due) -> Vec<Silence> {
    let holes = holes(good, rule, due);
    if holes.is_empty() {
        return Vec::new();
    }
    let loss = background_loss(good, &holes);
    let holes = merge(holes, rule, loss);
    let error = edge_error(loss, rule.interval);
    holes.iter().map(|hole| judge(hole, good, rule, due, error)).collect()
}

fn holes(good: &[Train<'_>], rule: Rule, due: Due) -> Vec<Hole> {
    let mut holes = Vec::new();
    let mut before: Option<Arrival> = None;
    for train in good {
        holes.extend(hole(before, train.first, rule, due));
        if train.longest() > rule.threshold {
            let neighbours = train.arrivals().zip(train.arrivals().skip(1));
            holes.extend(neighbours.filter_map(|(before, after)| hole(Some(before), after, rule, due)));
        }
        before = Some(train.last());
    }
    if let Some(end) = due.end
        && let Some(start) = before.map(|arrival| arrival.at).or(due.start)
        && end - start > rule.threshold
        && !before.is_some_and(|arrival| arrival.pause)
    {
        holes.push(Hole { before, after: None, start, end });
    }
    holes
}

fn hole(before: Option<Arrival>, after: Arrival, rule: Rule, due: Due) -> Option<Hole> {
    let start = before.map(|before| since(&before, &after, rule)).or(due.start)?;
    (after.at - start > rule.threshold).then_some(Hole { before, after: Some(after), start, end: after.at })
}

/// When a hole between neighbours began. After a pause that the sender means only missing numbers make one.
fn since(before: &Arrival, after: &Arrival, rule: Rule) -> RunTime {
    if !before.pause {
        return before.at;
    }
    let same = before.segment == after.segment;
    let missing = if same { (after.index - before.index - 1).max(0) } else { 0 };
    let before_them = Span(rule.interval.as_nanos().saturating_mul(missing.saturating_add(1)));
    (after.at - before_them).max(before.at)
}

/// Joins holes where the media came back for less than the validation time.
///
/// A hole that the background loss alone may make, with a chance above 0.1 % within one validation time, does
/// not undo a recovery; it stays a silence of its own.
fn merge(holes: Vec<Hole>, rule: Rule, loss: f64) -> Vec<Hole> {
    let trials = rule.validate.as_nanos() as f64 / rule.interval.as_nanos().max(1) as f64;
    let by_chance = (1..100).find(|packets| loss.powi(*packets) * trials <= 0.001).unwrap_or(100);
    let undoing = Span(rule.interval.as_nanos().saturating_mul(i64::from(by_chance)));
    let (large, small): (Vec<Hole>, Vec<Hole>) = holes.into_iter().partition(|hole| hole.end - hole.start > undoing);
    let mut merged: Vec<Hole> = Vec::new();
    for hole in large {
        match merged.last_mut() {
            Some(last) if hole.start - last.end < rule.validate => {
                last.after = hole.after;
                last.end = hole.end;
            }
            _ => merged.push(hole),
        }
    }
    let outside = |hole: &Hole| !merged.iter().any(|other| hole.start >= other.start && hole.end <= other.end);
    let apart: Vec<Hole> = small.into_iter().filter(outside).collect();
    merged.extend(apart);
    merged.sort_by_key(|hole| hole.start);
    merged
}

fn judge(hole: &Hole, good: &[Train<'_>], rule: Rule, due: Due, error: Span) -> Silence {
    let edge = if hole.before.is_some() { rule.interval } else { Span::ZERO };
    let length = hole.end - hole.start - edge;
    let held = hole.after.is_some() && !(due.cut && due.end.is_some_and(|end| end - hole.end < rule.validate));
    let lost = hole.after.and_then(|after| lost_between(hole.before, after, good));
    let times = |packets: i64| Some(Span(packets.saturating_mul(rule.interval.as_nanos())).as_millis_f64());
    Silence {
        start: hole.start,
        end: hole.after.filter(|_| held).map(|after| after.at),
        length,
        error,
        estimates: Estimates {
            timestamp_ms: hole.after.map(|_| length.as_millis_f64()),
            sequence_ms: lost.and_then(|(span, _)| times(span)),
            loss_derived_ms: lost.and_then(|(_, lost)| times(lost)),
        },
    }
}

/// Packets between the neighbours by their numbers, and how many of those never came. Only within one
/// numbering; before the first packet the numbering starts at 0 for our own traffic.
fn lost_between(before: Option<Arrival>, after: Arrival, good: &[Train<'_>]) -> Option<(i64, i64)> {
    let before = before?;
    if before.segment != after.segment || after.index <= before.index {
        return None;
    }
    let inside = |train: &Train<'_>| {
        let (from, to) = (train.first.index.max(before.index + 1), train.last_index().min(after.index - 1));
        (to - from + 1).max(0)
    };
    let same = good.iter().filter(|train| train.first.segment == after.segment);
    let span = after.index - before.index - 1;
    Some((span, span - same.map(inside).sum::<i64>()))
}

/// How far the edges of a silence may lie off: one interval, and more when packets get lost anyway, since
/// the packets next to the outage may be among them.
///
/// With background loss p the number of such packets on both edges is negative binomial:
/// P(K ≥ m) = p^m (1 + m (1 − p)). The error is the least m intervals, m ≥ 1, for which this is at most 0.1 %;
/// p is taken two standard errors above the observed share.
fn edge_error(lost: f64, interval: Span) -> Span {
    let beyond = |m: i32| lost.powi(m) * (1.0 + f64::from(m) * (1.0 - lost));
    let packets = (1..100).find(|m| beyond(*m) <= 0.001).unwrap_or(100);
    Span(interval.as_nanos().saturating_mul(i64::from(packets)))
}

/// Share of packets lost outside the holes, two standard errors up.
fn background_loss(good: &[Train<'_>], holes: &[Hole]) -> f64 {
    let in_hole = |from: RunTime, to: RunTime| holes.iter().any(|hole| from >= hole.start && to <= hole.end);
    let (mut steps, mut lost) = (0i64, 0i64);
    for (before, after) in track::pairs(good) {
        let step = after.index - before.index;
        if before.segment == after.segment && step > 0 && !in_hole(before.at, after.at) {
            steps += step;
            lost += step - 1;
        }
    }
    if steps == 0 {
        return 0.0;
    }
    let share = lost as f64 / steps as f64;
    (share + 2.0 * (share * (1.0 - share) / steps as f64).sqrt()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(i64) -> RunTime = RunTime::from_millis;

    fn rule() -> Rule {
        Rule { interval: Span::from_millis(20), threshold: Span::from_millis(60), validate: Span::from_millis(1000) }
    }

    /// Packets of 20 ms, each 1 ms on the way, without those due in `gone`.
    fn track(packets: i64, gone: &[(i64, i64)]) -> Vec<Train<'static>> {
        let lost = |index: i64| gone.iter().any(|(from, to)| (*from..*to).contains(&(index * 20)));
        (0..packets)
            .filter(|index| !lost(*index))
            .map(|index| Arrival { at: MS(index * 20 + 1), segment: 0, index, media: None, pause: false }.into())
            .collect()
    }

    fn due(end_ms: i64, cut: bool) -> Due {
        Due { start: Some(MS(0)), end: Some(MS(end_ms)), cut }
    }

    #[test]
    fn one_outage_has_three_estimators_that_agree() {
        // Due at 1000 … 1680 ms and lost: 35 packets of 20 ms are 700 ms.
        let found = silences(&track(500, &[(1000, 1700)]), rule(), due(10_000, true));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].start, found[0].end), (MS(981), Some(MS(1701))));
        let all = Some(700.0);
        let estimates = Estimates { timestamp_ms: all, sequence_ms: all, loss_derived_ms: all };
        assert_eq!(found[0].estimates, estimates);
        assert_eq!(found[0].error, Span::from_millis(20));
    }

    #[test]
    fn a_recovery_that_does_not_hold_is_none() {
        // Back for 500 ms only, then gone again: one outage of 1000 … 3000 ms with 25 packets in it.
        let found = silences(&track(500, &[(1000, 1500), (2000, 3000)]), rule(), due(10_000, true));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].end, Some(MS(3001)));
        assert_eq!(found[0].estimates.sequence_ms, Some(2000.0));
        assert_eq!(found[0].estimates.loss_derived_ms, Some(1500.0));
        let apart = silences(&track(500, &[(1000, 1500), (3000, 3500)]), rule(), due(10_000, true));
        assert_eq!(apart.len(), 2);
    }

    #[test]
    fn silence_to_the_end_is_open_and_at_least_so_long() {
        let found = silences(&track(50, &[]), rule(), due(5000, true));
        assert_eq!((found.len(), found[0].end), (1, None));
        // 5000 − 981 − 20 ms.
        assert_eq!(found[0].length, Span::from_millis(3999));
        assert_eq!(found[0].estimates, Estimates::default());
    }

    #[test]
    fn a_recovery_just_before_the_window_closes_is_not_yet_one() {
        let track = track(500, &[(9000, 9500)]);
        let cut = silences(&track, rule(), due(10_000, true));
        assert_eq!((cut[0].end, cut[0].length), (None, Span::from_millis(500)));
        let hung_up = silences(&track, rule(), due(10_000, false));
        assert_eq!(hung_up[0].end, Some(MS(9501)));
    }

    #[test]
    fn media_that_never_came_is_an_outage_from_its_start() {
        let found = silences(&[], rule(), due(5000, false));
        assert_eq!((found[0].start, found[0].end, found[0].length), (MS(0), None, Span::from_secs(5)));
        let late = silences(&track(500, &[(0, 400)]), rule(), due(10_000, true));
        assert_eq!((late[0].start, late[0].length), (MS(0), Span::from_millis(401)));
    }

    #[test]
    fn announced_silence_is_no_outage() {
        let mut track = track(500, &[(1000, 1700)]);
        track[49].first.pause = true;
        // 35 packets got lost after the pause had been announced.
        assert_eq!(silences(&track, rule(), due(10_000, true))[0].length, Span::from_millis(700));
        track.iter_mut().skip(50).for_each(|train| train.first.index -= 35);
        assert_eq!(silences(&track, rule(), due(10_000, true)), []);
    }

    #[test]
    fn without_a_due_time_only_the_packets_tell() {
        let open = Due { start: None, end: None, cut: false };
        assert_eq!(silences(&track(50, &[]), rule(), open), []);
        assert_eq!(silences(&[], rule(), open), []);
    }

    #[test]
    fn background_loss_widens_the_error() {
        // 23 of 464 packets lost outside the outage: p = 0.0496 + 2 · 0.0101 = 0.0697,
        // P(K ≥ 3) = 0.000339 · 3.79 = 0.13 %, P(K ≥ 4) = 0.011 %: 4 intervals.
        let lost: Vec<_> = (1..25).map(|k| (k * 400, k * 400 + 1)).chain([(5000, 5700)]).collect();
        let found = silences(&track(500, &lost), rule(), due(10_000, true));
        assert_eq!(found.iter().map(|silence| silence.error).max(), Some(Span::from_millis(80)));
    }
}
