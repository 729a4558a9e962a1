//! Ratios and delays over the operations of the window, from their planned instants and by RFC 6076.

use std::collections::BTreeMap;

use super::services::OpLife;
use crate::analysis::measure::figures::percentile;
use crate::analysis::measure::model::{OpsMeasured, SipMetrics, Window};
use crate::analysis::measure::rfc6076::{self, Bye, Final, Outcome, Registration, Session, TIMEOUT};
use crate::evidence::history::{Op, OpKind, Step};
use crate::units::RunTime;

const KINDS: [OpKind; 9] = [
    OpKind::Register,
    OpKind::Options,
    OpKind::StandingCall,
    OpKind::NewCall,
    OpKind::Bye,
    OpKind::Ping,
    OpKind::OwnRegister,
    OpKind::IdleCall,
    OpKind::CallToIdle,
];

/// RFC 6076 over what was due in the window; `None` when nothing was. Who ran out of patience before anybody answered
/// has no Session Request Delay; nor has anybody in histories that do not tell of provisional answers.
pub(super) fn sip(operations: &BTreeMap<u64, OpLife>, window: Window) -> Option<SipMetrics> {
    let due = |life: &&OpLife| life.planned >= window.start_ns && life.planned < window.end_ns;
    let of_kind = |kinds: &'static [OpKind]| operations.values().filter(due).filter(|life| kinds.contains(&life.kind));
    let registrations: Vec<Registration> = of_kind(&[OpKind::Register])
        .map(|life| Registration { sent: life.invoked.unwrap_or(life.planned), outcome: outcome(life) })
        .collect();
    let byes = operations.values().filter(|life| life.kind == OpKind::Bye);
    let byes: BTreeMap<u64, Bye> = byes.filter_map(|life| Some((life.end.as_ref()?.1.call?, bye(life)))).collect();
    let sessions: Vec<Session> = of_kind(&[OpKind::StandingCall, OpKind::NewCall])
        .map(|life| Session {
            invited: life.invoked.unwrap_or(life.planned),
            status: told(life),
            outcome: outcome(life),
            answering: outcome(life).map(|(at, _)| at),
            bye: life.end.as_ref().and_then(|(_, op)| byes.get(&op.call?)).copied(),
        })
        .collect();
    (!registrations.is_empty() || !sessions.is_empty()).then(|| rfc6076::metrics(&registrations, &sessions))
}

fn outcome(life: &OpLife) -> Option<Final> {
    let (at, op) = life.end.as_ref()?;
    Some((*at, status(op)?))
}

/// The final status, or what RFC 3261 §8.1.3.1 puts in its place: 503 for a broken connection, 408 for no answer.
/// Whether an unanswered request was carried out nobody knows, but that it was not answered is certain.
fn status(op: &Op) -> Option<u16> {
    let reason = op.reason.as_deref().unwrap_or_default();
    match op.step {
        Step::Ok => Some(op.code.unwrap_or(200)),
        _ if op.code.is_some() => op.code,
        _ if reason.starts_with("timer") => Some(TIMEOUT),
        Step::Fail if reason.contains("connection") => Some(503),
        Step::Fail => Some(TIMEOUT),
        _ => None,
    }
}

/// When the user first learned something. Timer B fires only where nobody had answered at all.
fn told(life: &OpLife) -> Option<RunTime> {
    let (at, op) = life.end.as_ref()?;
    let timer = op.reason.as_deref().is_some_and(|reason| reason.starts_with("timer"));
    op.status_ns.or(timer.then_some(*at))
}

fn bye(life: &OpLife) -> Bye {
    let outcome = life.end.as_ref().and_then(|(at, op)| match (status(op)?, op.code) {
        (200..300, _) => Some(Outcome::Confirmed(*at)),
        (TIMEOUT, None) => Some(Outcome::TimedOut(*at)),
        _ => Some(Outcome::Refused),
    });
    let sent = life.invoked.unwrap_or(life.planned);
    Bye { sent, whole: sent, outcome }
}

/// One entry for each kind that had an operation due in the window.
pub(super) fn summaries(operations: &BTreeMap<u64, OpLife>, window: Window) -> Vec<OpsMeasured> {
    let due = |life: &&OpLife| life.planned >= window.start_ns && life.planned < window.end_ns;
    let of_kind = |kind: OpKind| operations.values().filter(due).filter(|life| life.kind == kind).collect::<Vec<_>>();
    KINDS.into_iter().map(|kind| (kind, of_kind(kind))).filter(|(_, lives)| !lives.is_empty()).map(summary).collect()
}

fn summary((kind, lives): (OpKind, Vec<&OpLife>)) -> OpsMeasured {
    let ends = || lives.iter().filter_map(|life| life.end.as_ref());
    let count = |step: Step| ends().filter(|(_, op)| op.step == step).count() as u64;
    let mut codes = BTreeMap::new();
    for code in ends().filter_map(|(_, op)| op.code) {
        *codes.entry(code).or_insert(0) += 1;
    }
    let success = |life: &&OpLife| Some((life.success()? - life.planned).as_millis_f64());
    let mut delays: Vec<f64> = lives.iter().filter_map(success).collect();
    delays.sort_by(f64::total_cmp);
    let unended = lives.iter().filter(|life| life.end.is_none()).count() as u64;
    OpsMeasured {
        kind,
        due: lives.len() as u64,
        ok: count(Step::Ok),
        failed: count(Step::Fail),
        unknown: count(Step::Info) + unended,
        not_started: count(Step::NotStarted),
        retransmissions: ends().filter_map(|(_, op)| op.retransmissions).map(u64::from).sum(),
        codes,
        p50_ms: percentile(&delays, 0.5),
        p95_ms: percentile(&delays, 0.95),
        max_ms: delays.last().copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(
        number: u64,
        step: Step,
        code: Option<u16>,
        (status, end): (Option<i64>, i64),
        reason: &str,
    ) -> (u64, OpLife) {
        let op = Op {
            op: number,
            kind: OpKind::NewCall,
            step,
            actor: "phone-01".into(),
            planned_ns: RunTime::ZERO,
            call: Some(number),
            code,
            status_ns: status.map(RunTime::from_millis),
            node: None,
            retransmissions: None,
            reason: Some(reason.to_owned()),
        };
        let end = Some((RunTime::from_millis(end), op));
        let (planned, invoked) = (RunTime::ZERO, Some(RunTime::from_millis(10)));
        (number, OpLife { kind: OpKind::NewCall, actor: "phone-01".into(), planned, invoked, end })
    }

    /// From the INVITE at 10 ms: 180 at 110 ms; 486 at 60 ms without ringing; nobody until Timer B; given up before and
    /// after ringing.
    #[test]
    fn the_session_request_delay_ends_with_what_the_user_first_heard() {
        let operations = BTreeMap::from([
            life(1, Step::Ok, Some(200), (Some(110), 900), ""),
            life(2, Step::Fail, Some(486), (Some(60), 60), "486 from server"),
            life(3, Step::Fail, None, (None, 32_010), "timer_b"),
            life(4, Step::Fail, None, (None, 8000), "patience"),
            life(5, Step::Fail, None, (Some(210), 8000), "patience"),
        ]);
        let window = Window { start_ns: RunTime::ZERO, end_ns: RunTime::from_millis(60_000) };
        let sip = sip(&operations, window).unwrap();
        assert_eq!(sip.srd_successful.map(|delay| (delay.n, delay.mean_ms)), Some((1, 100.0)));
        let failed = sip.srd_failed.unwrap();
        assert_eq!((failed.n, failed.p50_ms, failed.max_ms), (3, 200.0, 32_000.0));
    }

    #[test]
    fn a_history_that_does_not_tell_of_ringing_has_no_session_request_delay() {
        let operations = BTreeMap::from([life(1, Step::Ok, Some(200), (None, 900), "")]);
        let window = Window { start_ns: RunTime::ZERO, end_ns: RunTime::from_millis(60_000) };
        assert_eq!(sip(&operations, window).unwrap().srd_successful, None);
    }
}
