//! Outages of the SIP services, and who was measured.

use std::collections::{BTreeMap, BTreeSet};

use super::attempts::{self, Attempt, Of};
use super::faults::Faults;
use super::idle::Idle;
use crate::analysis::measure::model::{Caveat, Outage, ServiceUsers, Window};
use crate::analysis::measure::silence::{self, Due, Rule};
use crate::analysis::measure::track::{self, Arrival};
use crate::evidence::history::{Event, Op, OpKind, Step, What};
use crate::units::{RunTime, Span};

/// Silences of the probe train up to this are no outage.
const LEAST_SILENCE: Span = Span::from_millis(60);
/// An outage in which fewer attempts than this fell is known by hearsay.
const LEAST_PROBES: usize = 3;

/// The life of one operation.
#[derive(Clone, Debug)]
pub(super) struct OpLife {
    pub(super) kind: OpKind,
    pub(super) actor: String,
    pub(super) planned: RunTime,
    pub(super) invoked: Option<RunTime>,
    /// When and how it ended.
    pub(super) end: Option<(RunTime, Op)>,
}

/// All operations by number. `RemoteEnd` is no step of an operation of ours and is left out.
pub(super) fn operations(events: &[Event]) -> BTreeMap<u64, OpLife> {
    let mut lives: BTreeMap<u64, OpLife> = BTreeMap::new();
    for event in events {
        let What::Op(op) = &event.what else { continue };
        if op.step == Step::RemoteEnd {
            continue;
        }
        let life = lives.entry(op.op).or_insert_with(|| OpLife {
            kind: op.kind,
            actor: op.actor.clone(),
            planned: op.planned_ns,
            invoked: None,
            end: None,
        });
        match op.step {
            Step::Invoke => life.invoked = Some(event.t_ns),
            _ if life.end.is_none() => life.end = Some((event.t_ns, op.clone())),
            _ => {}
        }
    }
    lives
}

impl OpLife {
    /// When it succeeded.
    pub(super) fn success(&self) -> Option<RunTime> {
        self.end.as_ref().filter(|(_, op)| op.step == Step::Ok).map(|(at, _)| *at)
    }

    fn attempt(&self) -> Attempt {
        let given_up = self.end.as_ref().filter(|(_, op)| op.step != Step::Ok).map(|(at, _)| *at);
        Attempt { planned: self.planned, success: self.success(), given_up }
    }
}

/// What is measured of a trial's SIP services.
pub(super) struct Services<'a> {
    pub(super) operations: &'a BTreeMap<u64, OpLife>,
    pub(super) faults: &'a Faults,
    pub(super) window: Window,
    pub(super) validate: Span,
    /// Interval of the OPTIONS train.
    pub(super) probe_interval: Option<Span>,
    /// Phones that lie idle, and are asked.
    pub(super) idle: Idle<'a>,
}

impl Services<'_> {
    pub(super) fn outages(&self) -> Vec<Outage> {
        let mut outages = self.sip_answer();
        outages.extend(self.of_all("register", OpKind::Register));
        for (phone, attempts) in self.by_actor(OpKind::Register) {
            outages.extend(self.measure_attempts("register", &phone, &attempts, Of::One));
        }
        outages.extend(self.of_all("new_call", OpKind::NewCall));
        outages.extend(self.idle.outages());
        outages
    }

    /// The probe train, seen like a stream of packets: a probe that is answered is good at the instant at
    /// which it was sent.
    fn sip_answer(&self) -> Vec<Outage> {
        let Some(interval) = self.probe_interval else { return Vec::new() };
        let good = self.answered_probes(interval);
        let rule = Rule {
            interval,
            threshold: LEAST_SILENCE.max(Span(interval.as_nanos().saturating_mul(3))),
            validate: self.validate,
        };
        let due = Due { start: Some(self.window.start_ns), end: Some(self.window.end_ns), cut: true };
        let silences = silence::silences(&track::singles(&good), rule, due).into_iter();
        silences
            .map(|silence| Outage {
                fault: self.faults.of_outage(silence.start, silence.end.unwrap_or(self.window.end_ns)),
                ..silence.outage("sip_answer", "all".to_owned(), None)
            })
            .collect()
    }

    fn answered_probes(&self, interval: Span) -> Vec<Arrival> {
        let probes = self.operations.values().filter(|life| life.kind == OpKind::Options);
        let inside = probes.filter(|life| life.planned >= self.window.start_ns && life.planned < self.window.end_ns);
        let mut answered: Vec<Arrival> = inside
            .filter(|life| life.success().is_some())
            .map(|life| Arrival {
                at: life.invoked.unwrap_or(life.planned),
                segment: 0,
                index: (life.planned - self.window.start_ns).as_nanos() / interval.as_nanos().max(1),
                media: None,
                pause: false,
            })
            .collect();
        answered.sort_by_key(|arrival| (arrival.at, arrival.index));
        answered
    }

    fn of_all(&self, service: &str, kind: OpKind) -> Vec<Outage> {
        let all: Vec<Attempt> = self.of_kind(kind).map(OpLife::attempt).collect();
        self.measure_attempts(service, "all", &all, Of::All(self.faults))
    }

    fn measure_attempts(&self, service: &str, scope: &str, attempts: &[Attempt], of: Of<'_>) -> Vec<Outage> {
        let Window { start_ns: start, end_ns: end } = self.window;
        let rule = attempts::Rule { start, end, validate: self.validate, of };
        let vain = attempts::vain(attempts, rule);
        vain.iter().map(|vain| vain.outage(service, scope, self.faults, end)).collect()
    }

    fn of_kind(&self, kind: OpKind) -> impl Iterator<Item = &OpLife> {
        self.operations.values().filter(move |life| life.kind == kind)
    }

    fn by_actor(&self, kind: OpKind) -> BTreeMap<String, Vec<Attempt>> {
        let mut actors: BTreeMap<String, Vec<Attempt>> = BTreeMap::new();
        for life in self.of_kind(kind) {
            actors.entry(life.actor.clone()).or_default().push(life.attempt());
        }
        actors
    }

    /// Who was measured over each fault: whoever had an attempt due before the next one.
    pub(super) fn users(&self) -> Vec<ServiceUsers> {
        let services = [("sip_answer", OpKind::Options), ("register", OpKind::Register), ("new_call", OpKind::NewCall)];
        let mut all = self.idle.users();
        for (service, kind) in services {
            for (fault, start, end) in super::spans(self.faults, self.window) {
                let due = self.of_kind(kind).filter(|life| life.planned >= start && life.planned < end);
                let users: BTreeSet<String> = due
                    .map(|life| if kind == OpKind::Register { life.actor.clone() } else { "all".to_owned() })
                    .collect();
                all.extend(super::service_users(service, fault, users));
            }
        }
        all
    }

    /// Outages in which so few attempts fell that their length is a guess.
    pub(super) fn thin(&self, outages: &[Outage]) -> Vec<Caveat> {
        let of_service = |service: &str| match service {
            "sip_answer" => Some(OpKind::Options),
            "register" => Some(OpKind::Register),
            "new_call" => Some(OpKind::NewCall),
            _ => None,
        };
        let mut caveats = Vec::new();
        for outage in outages.iter().filter(|outage| outage.scope == "all") {
            let Some(kind) = of_service(&outage.service) else { continue };
            let until = outage.end_ns.unwrap_or(self.window.end_ns);
            let inside = |life: &&OpLife| life.planned >= outage.start_ns && life.planned < until;
            let n = self.of_kind(kind).filter(inside).count();
            if n < LEAST_PROBES {
                caveats.push(Caveat {
                    text: format!("only {n} attempts fell into the {} outage at {}", outage.service, outage.start_ns),
                    remedy: format!("let more traffic of {} run: at least {LEAST_PROBES} in an outage", outage.service),
                    voids: false,
                });
            }
        }
        caveats
    }
}
