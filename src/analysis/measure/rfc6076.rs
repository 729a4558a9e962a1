//! The metrics of RFC 6076 from attempts, whether a capture or the history tells of them.

use super::figures::{mean, percentile};
use super::model::{SipDelay, SipMetrics, SipRatio};
use crate::units::RunTime;

/// Status of an attempt that nobody answered (RFC 3261 §8.1.3.1: a timeout is treated as a 408).
pub(super) const TIMEOUT: u16 = 408;

/// A final answer and when its last octet came; of a [`TIMEOUT`], when the timer fired.
pub(super) type Final = (RunTime, u16);

/// One registration, its challenge included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registration {
    /// First octet of the request.
    pub(super) sent: RunTime,
    /// Absent when it is not known.
    pub(super) outcome: Option<Final>,
}

/// One session attempt, its challenge included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    /// First octet of the request.
    pub(super) invited: RunTime,
    /// Last octet of the first answer that tells the user something; absent when it is not known.
    pub(super) status: Option<RunTime>,
    /// Absent when it is not known.
    pub(super) outcome: Option<Final>,
    /// First octet of the final answer; absent when none came.
    pub(super) answering: Option<RunTime>,
    /// The BYE and what became of it.
    pub(super) bye: Option<Bye>,
}

/// The end of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bye {
    /// Its first octet.
    pub(super) sent: RunTime,
    /// Its last octet.
    pub(super) whole: RunTime,
    /// 2xx, a refusal or [`TIMEOUT`]; absent when it is not known.
    pub(super) outcome: Option<Outcome>,
}

/// How a BYE ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Confirmed(RunTime),
    Refused,
    TimedOut(RunTime),
}

/// A challenge is no failure (§4.2, §4.3.2): the attempt goes on with credentials.
pub(super) fn is_challenge(code: u16) -> bool {
    matches!(code, 401 | 402 | 407)
}

/// All metrics; counts of messages are left empty.
pub(super) fn metrics(registrations: &[Registration], sessions: &[Session]) -> SipMetrics {
    let mut metrics = SipMetrics::default();
    register(&mut metrics, registrations);
    establish(&mut metrics, sessions);
    complete(&mut metrics, sessions);
    metrics
}

fn register(metrics: &mut SipMetrics, registrations: &[Registration]) {
    let decided: Vec<(RunTime, Final)> =
        registrations.iter().filter_map(|one| Some((one.sent, decided(one.outcome)?))).collect();
    let good = decided.iter().filter(|(_, (_, code))| is_success(*code));
    metrics.rrd = delay(good.map(|(sent, (at, _))| (*at - *sent).as_millis_f64()));
    let failed = decided.iter().filter(|(_, (_, code))| *code >= 400).count();
    metrics.ira = ratio(failed, decided.len());
    metrics.undecided_registrations = (registrations.len() - decided.len()) as u64;
}

fn establish(metrics: &mut SipMetrics, sessions: &[Session]) {
    let decided: Vec<(&Session, u16)> =
        sessions.iter().filter_map(|one| Some((one, decided(one.outcome)?.1))).collect();
    let of = |meant: fn(u16) -> bool| decided.iter().filter(move |(_, code)| meant(*code));
    let waited = |one: &Session| Some((one.status? - one.invited).as_millis_f64());
    metrics.srd_successful = delay(of(is_success).filter_map(|(one, _)| waited(one)));
    metrics.srd_failed = delay(of(|code| code >= 400).filter_map(|(one, _)| waited(one)));
    let count = |meant| of(meant).count();
    let not_redirected = decided.len() - count(|code| (300..400).contains(&code));
    metrics.ser = ratio(count(is_success), not_redirected);
    metrics.seer = ratio(count(|code| is_success(code) || matches!(code, 480 | 486 | 600 | 603)), not_redirected);
    metrics.isa = ratio(count(|code| matches!(code, TIMEOUT | 500 | 503 | 504)), decided.len());
    metrics.undecided_sessions = (sessions.len() - decided.len()) as u64;
}

fn complete(metrics: &mut SipMetrics, sessions: &[Session]) {
    // A session lasts from the first octet of the 2xx to the last one of the BYE (§4.5).
    let set_up = |one: &Session| one.answering.filter(|_| one.outcome.is_some_and(|(_, code)| is_success(code)));
    let ended = |one: &Session| Some((set_up(one)?, one.bye?, one.bye?.outcome?));
    let ends: Vec<_> = sessions.iter().filter_map(ended).collect();
    let (mut confirmed, mut timed_out) = (Vec::new(), Vec::new());
    for (answering, bye, outcome) in &ends {
        match outcome {
            Outcome::Confirmed(at) => confirmed.push((*at - bye.sent, bye.whole - *answering)),
            Outcome::TimedOut(at) => timed_out.push((*at - bye.sent, *at - *answering)),
            Outcome::Refused => {}
        }
    }
    metrics.sdd_completed = delay(confirmed.iter().map(|(disconnect, _)| disconnect.as_millis_f64()));
    metrics.sdt_completed = delay(confirmed.iter().map(|(_, duration)| duration.as_millis_f64()));
    metrics.sdd_failed = delay(timed_out.iter().map(|(disconnect, _)| disconnect.as_millis_f64()));
    metrics.sdt_failed = delay(timed_out.iter().map(|(_, duration)| duration.as_millis_f64()));
    let established = sessions.iter().filter(|one| set_up(one).is_some()).count();
    let decided = sessions.iter().filter(|one| decided(one.outcome).is_some()).count();
    let open = established - ends.len();
    metrics.open_sessions = open as u64;
    metrics.scr = ratio(confirmed.len(), decided - open);
}

fn is_success(code: u16) -> bool {
    (200..300).contains(&code)
}

fn decided(outcome: Option<Final>) -> Option<Final> {
    outcome.filter(|(_, code)| !is_challenge(*code))
}

fn ratio(numerator: usize, denominator: usize) -> SipRatio {
    let percent = (denominator > 0).then(|| 100.0 * numerator as f64 / denominator as f64);
    SipRatio { numerator: numerator as u64, denominator: denominator as u64, percent }
}

fn delay(delays: impl Iterator<Item = f64>) -> Option<SipDelay> {
    let mut sorted: Vec<f64> = delays.collect();
    sorted.sort_by(f64::total_cmp);
    Some(SipDelay {
        n: sorted.len() as u64,
        mean_ms: mean(sorted.iter().copied())?,
        p50_ms: percentile(&sorted, 0.5)?,
        p95_ms: percentile(&sorted, 0.95)?,
        max_ms: *sorted.last()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(code: Option<u16>, bye: Option<Option<Outcome>>) -> Session {
        let at = RunTime::from_millis;
        Session {
            invited: at(0),
            status: Some(at(200)),
            outcome: code.map(|code| (at(1000), code)),
            answering: code.map(|_| at(990)),
            bye: bye.map(|outcome| Bye { sent: at(5000), whole: at(5007), outcome }),
        }
    }

    #[test]
    fn each_ratio_has_its_own_numerator_and_denominator() {
        let confirmed = Some(Some(Outcome::Confirmed(RunTime::from_millis(5030))));
        let timed_out = Some(Some(Outcome::TimedOut(RunTime::from_millis(37_000))));
        let sessions = [
            session(Some(200), confirmed),
            session(Some(200), timed_out),
            session(Some(200), Some(Some(Outcome::Refused))),
            session(Some(200), None),
            session(Some(200), Some(None)),
            session(Some(302), None),
            session(Some(486), None),
            session(Some(503), None),
            session(Some(TIMEOUT), None),
            session(Some(404), None),
            session(Some(407), None),
            session(None, None),
        ];
        let metrics = metrics(&[], &sessions);
        let parts = |ratio: SipRatio| (ratio.numerator, ratio.denominator);
        // Decided: 10, of which one was redirected; two of the five sessions go on.
        assert_eq!((parts(metrics.ser), parts(metrics.seer)), ((5, 9), (6, 9)));
        assert_eq!((parts(metrics.isa), parts(metrics.scr)), ((2, 10), (1, 8)));
        assert_eq!((metrics.undecided_sessions, metrics.open_sessions), (2, 2));
        assert_eq!(metrics.sdd_completed.map(|delay| (delay.n, delay.max_ms)), Some((1, 30.0)));
        assert_eq!(metrics.sdt_completed.map(|delay| delay.mean_ms), Some(4017.0));
        assert_eq!(metrics.sdd_failed.map(|delay| delay.mean_ms), Some(32_000.0));
        assert_eq!(metrics.sdt_failed.map(|delay| delay.mean_ms), Some(36_010.0));
    }

    #[test]
    fn what_has_no_denominator_is_undefined() {
        let metrics = metrics(&[Registration { sent: RunTime::ZERO, outcome: None }], &[]);
        assert_eq!((metrics.ira, metrics.rrd, metrics.ser.percent), (SipRatio::default(), None, None));
        assert_eq!(metrics.undecided_registrations, 1);
    }
}
