//! Attempts of users at a service, and the times in which all of them were in vain.
//!
//! An attempt is *good* when it succeeds within [`IN_TIME`] of its planned instant; otherwise its user
//! noticed something. A time between two successive successes (the instants at which answers came, late ones
//! included) is an outage when an attempt that was not good fell into it: of the times that touch the
//! [`IN_TIME`] in which it should have succeeded, the longest. The outage ends at a success after which the service holds for
//! `validate`; it begins at the last success before it, or at the fault that struck after that success.

use super::faults::Faults;
use crate::analysis::measure::model::{Estimates, Outage};
use crate::units::{RunTime, Span};

/// An attempt that succeeds within this of its planned instant is good: one retransmission of SIP over UDP
/// (T1 of 500 ms, RFC 3261 §17.1.1.1) makes it late.
pub(super) const IN_TIME: Span = Span::from_millis(500);

/// A short outage of all users is known from at least so many attempts.
const LEAST_WAITING: usize = 3;

/// One attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    /// When the user wanted it.
    pub(super) planned: RunTime,
    /// When it succeeded.
    pub(super) success: Option<RunTime>,
    /// When it was over without success.
    pub(super) given_up: Option<RunTime>,
}

/// How outages are taken from attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule<'a> {
    /// Nobody looks before.
    pub(super) start: RunTime,
    /// What is unrecovered now is censored.
    pub(super) end: RunTime,
    /// A recovery must hold for this long.
    pub(super) validate: Span,
    /// Whose attempts these are.
    pub(super) of: Of<'a>,
}

/// Whose attempts are judged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of<'a> {
    /// One user: whatever was not good is his outage.
    One,
    /// All users: a few who fail while nobody else happens to be due are no outage of the service. It is one
    /// when it lasts longer than [`IN_TIME`], or when one of these faults falls into it and at least
    /// [`LEAST_WAITING`] attempts.
    All(&'a Faults),
}

/// A time without success while attempts waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vain {
    /// Last success before it, or the start of observation.
    pub(super) start: RunTime,
    /// The success that ended it; absent when there was none.
    pub(super) end: Option<RunTime>,
    /// Attempts that were not good and waited in it.
    pub(super) waiting: usize,
    /// The last sign that it still lasted: the latest planned instant of those.
    pub(super) last_in_vain: RunTime,
}

impl Attempt {
    fn is_good(&self) -> bool {
        self.success.is_some_and(|at| at - self.planned <= IN_TIME)
    }

    /// Whether nothing can be said yet: still within its time when observation ends.
    fn is_pending(&self, end: RunTime) -> bool {
        self.given_up.is_none() && self.success.is_none_or(|at| at > end) && end - self.planned < IN_TIME
    }
}

/// Finds the outages of one user, or of all of them together.
pub(super) fn vain(attempts: &[Attempt], rule: Rule<'_>) -> Vec<Vain> {
    let mut successes: Vec<RunTime> =
        attempts.iter().filter_map(|attempt| attempt.success).filter(|at| *at <= rule.end).collect();
    successes.sort_unstable();
    let times = between(&successes, rule);
    let mut waiting: Vec<Vec<RunTime>> = vec![Vec::new(); times.len()];
    let due = |attempt: &&Attempt| attempt.planned >= rule.start && attempt.planned < rule.end;
    for attempt in attempts.iter().filter(due).filter(|attempt| !attempt.is_good() && !attempt.is_pending(rule.end)) {
        let until = attempt.planned + IN_TIME;
        let through = |place: &usize| times[*place].0 < until && times[*place].1 > attempt.planned;
        let longest = (0..times.len()).filter(through).max_by_key(|place| (times[*place].1 - times[*place].0, *place));
        if let Some(place) = longest {
            waiting[place].push(attempt.planned);
        }
    }
    let found = times.iter().zip(&waiting).filter_map(|(time, waiting)| judge(*time, waiting, rule));
    merge(found, rule)
}

/// The times between successive successes, from the start of observation (or the last success before it) on.
fn between(successes: &[RunTime], rule: Rule<'_>) -> Vec<(RunTime, RunTime)> {
    let before = successes.iter().rev().find(|at| **at < rule.start).copied().unwrap_or(rule.start);
    let inside = successes.iter().filter(|at| **at >= rule.start).copied();
    let edges: Vec<RunTime> = [before].into_iter().chain(inside).chain([rule.end]).collect();
    edges.windows(2).map(|pair| (pair[0], pair[1])).filter(|(start, end)| end > start).collect()
}

fn judge(time: (RunTime, RunTime), waiting: &[RunTime], rule: Rule<'_>) -> Option<Vain> {
    let last_in_vain = *waiting.iter().max()?;
    let enough = match rule.of {
        Of::One => true,
        Of::All(faults) => {
            let struck = faults.anchor(time.0, time.1) > time.0;
            time.1 - time.0 > IN_TIME || (struck && waiting.len() >= LEAST_WAITING)
        }
    };
    enough.then_some(Vain {
        start: time.0,
        end: (time.1 < rule.end).then_some(time.1),
        waiting: waiting.len(),
        last_in_vain,
    })
}

/// A recovery that does not hold is none.
fn merge(found: impl Iterator<Item = Vain>, rule: Rule<'_>) -> Vec<Vain> {
    let mut merged: Vec<Vain> = Vec::new();
    for next in found {
        match merged.last_mut() {
            Some(last) if last.end.is_some_and(|end| next.start - end < rule.validate) => {
                last.end = next.end;
                last.waiting += next.waiting;
                last.last_in_vain = next.last_in_vain;
            }
            _ => merged.push(next),
        }
    }
    merged
}

impl Vain {
    /// The outage. Its end lies between the last attempt in vain and the success: half of that is its error,
    /// and the same at its start unless a fault marks it.
    pub(super) fn outage(&self, service: &str, scope: &str, faults: &Faults, window_end: RunTime) -> Outage {
        let until = self.end.unwrap_or(window_end);
        let start = faults.anchor(self.start, until);
        let in_doubt = until - self.last_in_vain.max(start);
        Outage {
            service: service.to_owned(),
            scope: scope.to_owned(),
            direction: None,
            fault: faults.of_outage(start, until),
            start_ns: start,
            end_ns: self.end,
            duration_ms: (until - start).as_millis_f64(),
            censored: self.end.is_none(),
            left: false,
            method: "planned_ops".to_owned(),
            error_ms: in_doubt.max(Span::ZERO).as_millis_f64() / 2.0,
            estimates: Estimates::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: i64) -> RunTime {
        RunTime::from_millis(millis)
    }

    const ONE: Rule<'static> = Rule { start: ms(0), end: ms(20_000), validate: Span::from_secs(1), of: Of::One };

    fn ok(planned: i64, success: i64) -> Attempt {
        Attempt { planned: ms(planned), success: Some(ms(success)), given_up: None }
    }

    fn failed(planned: i64, given_up: i64) -> Attempt {
        Attempt { planned: ms(planned), success: None, given_up: Some(ms(given_up)) }
    }

    #[test]
    fn a_user_who_was_served_in_time_noticed_nothing() {
        assert_eq!(vain(&[ok(1000, 1002), ok(3000, 3499), ok(5000, 5500)], ONE), []);
    }

    #[test]
    fn a_late_success_ends_the_outage_that_it_waited_through() {
        let found = vain(&[ok(8000, 8002), ok(10_100, 11_700), ok(12_000, 12_003)], ONE);
        assert_eq!(found, [Vain { start: ms(8002), end: Some(ms(11_700)), waiting: 1, last_in_vain: ms(10_100) }]);
    }

    #[test]
    fn an_attempt_that_gave_up_later_does_not_hide_the_recovery() {
        let attempts = [ok(8000, 8002), failed(10_000, 18_000), ok(12_000, 12_400), ok(14_000, 14_001)];
        let found = vain(&attempts, ONE);
        assert_eq!((found.len(), found[0].start, found[0].end), (1, ms(8002), Some(ms(12_400))));
    }

    #[test]
    fn never_again_is_open() {
        let found = vain(&[ok(8000, 8002), failed(10_000, 18_000), failed(19_000, 19_900)], ONE);
        assert_eq!((found.len(), found[0].start, found[0].end, found[0].waiting), (1, ms(8002), None, 2));
    }

    #[test]
    fn an_attempt_still_in_its_time_at_the_end_says_nothing() {
        let pending = Attempt { planned: ms(19_800), success: None, given_up: None };
        assert_eq!(vain(&[ok(8000, 8002), pending], ONE), []);
    }

    #[test]
    fn one_refusal_among_many_users_is_no_outage_of_the_service() {
        let mut attempts: Vec<_> = (0..190).map(|k| ok(k * 100, k * 100 + 2)).collect();
        attempts[50] = failed(5000, 5002);
        assert_eq!(vain(&attempts, Rule { of: Of::All(&Faults::default()), ..ONE }), []);
        assert_eq!(vain(&attempts, ONE).len(), 1);
    }

    #[test]
    fn a_recovery_that_does_not_hold_is_none() {
        let attempts = [ok(1000, 1001), failed(2000, 3000), ok(3500, 3501), failed(4000, 5000), ok(6000, 6001)];
        let found = vain(&attempts, ONE);
        assert_eq!((found.len(), found[0].start, found[0].end), (1, ms(1001), Some(ms(6001))));
    }
}
