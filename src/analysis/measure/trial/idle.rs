//! Idle phones after a fault: when each was registered again, could call, and could be called. Three sets of phones
//! answer the three questions, so that no question heals what another one measures.
//!
//! *Registered again* is the first REGISTER of the phone's own that was accepted after the fault. It is a time and no
//! outage: where nodes share their registrations nobody missed it. *Can call* and *can be called* are the first call
//! through after the fault; a phone whose first call due after it was answered in time had no outage.

use std::collections::BTreeMap;

use super::attempts::IN_TIME;
use super::faults::Faults;
use super::services::OpLife;
use crate::analysis::measure::model::{Estimates, Outage, ServiceUsers, Window};
use crate::evidence::history::OpKind;
use crate::scenario::{Cluster, Scenario};
use crate::units::{RunTime, Span};

/// What the instrument's ringers give every server before they try the next one.
const RINGER_TRIES: Span = Span::from_millis(500);

/// The idle phones of a trial.
pub(super) struct Idle<'a> {
    operations: &'a BTreeMap<u64, OpLife>,
    faults: &'a Faults,
    window: Window,
    /// A ringer that must try other servers first is later by this, through no fault of the phone's.
    detour: Span,
}

/// A question, and how it is measured.
struct Question {
    service: &'static str,
    kind: OpKind,
    /// Answered in time within this of the planned instant; absent: whatever comes first counts.
    in_time: Option<Span>,
    method: &'static str,
}

impl<'a> Idle<'a> {
    pub(super) fn of(
        scenario: &Scenario,
        operations: &'a BTreeMap<u64, OpLife>,
        faults: &'a Faults,
        window: Window,
    ) -> Idle<'a> {
        let servers = match &scenario.cluster {
            Cluster::Reference(cluster) => cluster.srv.len().max(1),
            Cluster::Lab(_) | Cluster::External(_) => 1,
        };
        let detour = Span(RINGER_TRIES.as_nanos() * (servers as i64 - 1));
        Idle { operations, faults, window, detour }
    }

    fn questions(&self) -> [Question; 3] {
        let own =
            Question { service: "idle_registered", kind: OpKind::OwnRegister, in_time: None, method: "own_registers" };
        let calls =
            Question { service: "idle_can_call", kind: OpKind::IdleCall, in_time: Some(IN_TIME), method: "first_call" };
        let in_time = Some(IN_TIME + self.detour);
        let called =
            Question { service: "idle_can_be_called", kind: OpKind::CallToIdle, in_time, method: "first_call" };
        [own, calls, called]
    }

    /// The times that followed each fault.
    pub(super) fn outages(&self) -> Vec<Outage> {
        let mut all = Vec::new();
        for question in self.questions() {
            for (phone, lives) in self.phones(&question) {
                let of_fault = |(fault, start, end)| answer(&question, &phone, &lives, fault, start, end);
                all.extend(super::spans(self.faults, self.window).into_iter().filter_map(of_fault));
            }
        }
        all
    }

    /// Whom each question was put to, and who had answered it with yes before the fault.
    pub(super) fn users(&self) -> Vec<ServiceUsers> {
        let mut all = Vec::new();
        for question in self.questions() {
            let phones = self.phones(&question);
            for (fault, start, _) in super::spans(self.faults, self.window) {
                let able = phones.iter().filter(|(_, lives)| was_able(lives, start)).map(|(phone, _)| phone.clone());
                all.extend(super::service_users(question.service, fault, able.collect()));
            }
        }
        all
    }

    fn phones(&self, question: &Question) -> BTreeMap<String, Vec<&'a OpLife>> {
        let mut phones: BTreeMap<String, Vec<&OpLife>> = BTreeMap::new();
        for life in self.operations.values().filter(|life| life.kind == question.kind) {
            if let Some(phone) = phone_of(life) {
                phones.entry(phone).or_default().push(life);
            }
        }
        phones
    }
}

/// The phone that an operation tells of: those that are only watched for their registrations, the caller, the called
/// one of a ringer.
fn phone_of(life: &OpLife) -> Option<String> {
    let actor = life.actor.as_str();
    let phone = match life.kind {
        OpKind::OwnRegister => Some(actor).filter(|actor| actor.ends_with("-watched")),
        OpKind::CallToIdle => actor.strip_prefix("rings-"),
        _ => Some(actor),
    };
    phone.map(str::to_owned)
}

/// Whether an attempt tells of the time after the fault. One that was under way when it struck tells what became of a
/// user who was just dialling, but nothing of a phone that was being called: the call was lost, not the phone.
fn struck(question: &Question, life: &OpLife, in_time: Span, start: RunTime) -> bool {
    if question.kind == OpKind::CallToIdle { life.planned > start } else { life.planned + in_time > start }
}

fn was_able(lives: &[&OpLife], start: RunTime) -> bool {
    lives.iter().any(|life| life.success().is_some_and(|at| at <= start))
}

fn answer(
    question: &Question,
    phone: &str,
    lives: &[&OpLife],
    fault: Option<usize>,
    start: RunTime,
    end: RunTime,
) -> Option<Outage> {
    fault?;
    if !was_able(lives, start) {
        return None;
    }
    let first = lives.iter().filter_map(|life| life.success()).filter(|at| *at > start && *at <= end).min();
    let until = first.unwrap_or(end);
    let vain = |in_time: Span| {
        let waited = lives.iter().filter(|life| struck(question, life, in_time, start) && life.planned < until);
        let late = waited.filter(|life| life.success().is_none_or(|at| at > life.planned + in_time));
        late.filter(|life| life.planned + in_time <= end && life.success().is_none_or(|at| at > start))
            .map(|life| life.planned)
            .max()
    };
    let last_in_vain = match question.in_time {
        Some(in_time) => vain(in_time)?,
        None => until,
    };
    Some(Outage {
        service: question.service.to_owned(),
        scope: phone.to_owned(),
        direction: None,
        fault,
        start_ns: start,
        end_ns: first,
        duration_ms: (until - start).as_millis_f64(),
        censored: first.is_none(),
        left: false,
        method: question.method.to_owned(),
        error_ms: (until - last_in_vain.max(start)).max(Span::ZERO).as_millis_f64() / 2.0,
        estimates: Estimates::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::history::{Op, Step};

    fn life(kind: OpKind, actor: &str, planned: i64, ended: i64, step: Step) -> OpLife {
        let (planned, at) = (RunTime::from_millis(planned), RunTime::from_millis(ended));
        let op = Op {
            op: 1,
            kind,
            step,
            actor: actor.into(),
            planned_ns: planned,
            call: None,
            code: None,
            node: None,
            retransmissions: None,
            reason: None,
            status_ns: None,
        };
        OpLife { kind, actor: actor.into(), planned, invoked: Some(planned), end: Some((at, op)) }
    }

    fn asked(kind: OpKind, lives: &[OpLife]) -> Option<(f64, bool)> {
        let (faults, operations) = (Faults::default(), BTreeMap::new());
        let window = Window { start_ns: RunTime::ZERO, end_ns: RunTime::from_millis(60_000) };
        let idle = Idle { operations: &operations, faults: &faults, window, detour: Span::ZERO };
        let question = idle.questions().into_iter().find(|question| question.kind == kind).unwrap();
        let lives: Vec<&OpLife> = lives.iter().collect();
        let found = answer(&question, "p", &lives, Some(0), RunTime::from_millis(10_000), window.end_ns)?;
        Some((found.duration_ms, found.censored))
    }

    /// Fault at 10 s. Calls at 9, 11 (given up at 19) and 19.5 s: through at 19.6, 9.6 s after the fault.
    #[test]
    fn the_first_call_through_ends_the_time_in_which_nobody_could() {
        let call = |planned, ended, step| life(OpKind::IdleCall, "pjsua-01-calls", planned, ended, step);
        let before = call(9000, 9100, Step::Ok);
        let lives = [before.clone(), call(11_000, 19_000, Step::Fail), call(19_500, 19_600, Step::Ok)];
        assert_eq!(asked(OpKind::IdleCall, &lives), Some((9600.0, false)));
        assert_eq!(asked(OpKind::IdleCall, &lives[..2]), Some((50_000.0, true)));
        // The first call after the fault went through at once: nobody noticed anything.
        assert_eq!(asked(OpKind::IdleCall, &[before.clone(), call(11_000, 11_100, Step::Ok)]), None);
        // One that was late by more than half a second did notice.
        let late = [before, call(11_000, 18_500, Step::Ok)];
        assert_eq!(asked(OpKind::IdleCall, &late), Some((8500.0, false)));
        // Who could not before, tells nothing of the fault.
        assert_eq!(asked(OpKind::IdleCall, &late[1..]), None);
    }

    #[test]
    fn a_call_that_was_lost_in_its_setup_tells_nothing_of_the_phone() {
        let call = |kind, planned, ended, step| life(kind, "a", planned, ended, step);
        let lives = |kind| {
            [
                call(kind, 9000, 9100, Step::Ok),
                call(kind, 9990, 13_990, Step::Fail),
                call(kind, 15_000, 15_100, Step::Ok),
            ]
        };
        assert_eq!(asked(OpKind::CallToIdle, &lives(OpKind::CallToIdle)), None);
        assert_eq!(asked(OpKind::IdleCall, &lives(OpKind::IdleCall)), Some((5100.0, false)));
    }

    #[test]
    fn a_phone_is_registered_again_with_its_first_accepted_register() {
        let own = |planned, ended, step| life(OpKind::OwnRegister, "pjsua-01-watched", planned, ended, step);
        let lives = [own(1000, 1010, Step::Ok), own(15_000, 47_000, Step::Fail), own(47_000, 47_010, Step::Ok)];
        assert_eq!(asked(OpKind::OwnRegister, &lives), Some((37_010.0, false)));
        assert_eq!(asked(OpKind::OwnRegister, &lives[..2]), Some((50_000.0, true)));
    }
}
