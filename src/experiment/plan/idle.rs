//! Idle phones: who is watched, who calls, who is called, and when.

use rand::rngs::StdRng;

use super::traffic::repeat;
use super::{Part, Plan, PlannedCall, PlannedPhone, Question, Wish};
use crate::scenario::phone::{self, Registration};
use crate::scenario::{Cluster, Duration, IdlePhones, Scenario};
use crate::units::Span;

/// The desk registers so often: what it is not known by is at most this late.
const DESK_INTERVAL: Span = Span::from_millis(500);
/// A call that only asks is held so long.
const HOLD: Span = Span::from_millis(200);
/// A ringer gives every server this, and as much for the ringing: then it tries anew.
const RINGER_TRIES: Span = Span::from_millis(500);
/// The numbers of the asking calls begin here, apart from those of the workload.
const FIRST_CALL: u64 = 1 << 24;

/// Puts a profile into the plan, with another lifetime of registrations where one is given.
pub(super) fn profile(plan: &mut Plan, scenario: &Scenario, name: &str, expires: Option<Duration>) {
    let Some(mut profile) = phone::find(&scenario.phones, name) else { return };
    if let Some(expires) = expires {
        let published = profile.registration.take().or_else(|| phone::embedded("rfc3261")?.registration);
        profile.registration = published.map(|of| Registration {
            source: format!("{}; lifetime {} by the scenario", of.source, expires.0),
            expires,
            ..of
        });
    }
    plan.profiles.insert(name.to_owned(), profile);
}

pub(super) fn add(plan: &mut Plan, scenario: &Scenario, idle: &IdlePhones, rng: &mut StdRng) {
    let hand = idle.phone.get_ref().deal(idle.phones);
    let expires = idle.expires.as_ref().map(|expires| *expires.get_ref());
    hand.iter().for_each(|name| profile(plan, scenario, name, expires));
    let desk = add_phone(plan, "desk".to_owned(), Part::Desk);
    repeat(plan, rng, DESK_INTERVAL, |_| Wish::Register { phone: desk, patience_ns: DESK_INTERVAL });
    let ringer_patience = Span(RINGER_TRIES.as_nanos() * (servers(scenario) + 1));
    let mut call = FIRST_CALL;
    for (number, name) in hand.into_iter().enumerate() {
        let mut phone =
            |asked: &str| add_phone(plan, format!("{name}-{number:02}-{asked}"), Part::Profiled(name.to_owned()));
        let (_watched, calls, called) = (phone("watched"), phone("calls"), phone("called"));
        let ringer = add_phone(plan, format!("rings-{name}-{number:02}-called"), Part::Ringer);
        for (caller, callee, question, patience_ns) in [
            (calls, desk, Question::CanCall, idle.patience.0),
            (ringer, called, Question::CanBeCalled, ringer_patience),
        ] {
            repeat(plan, rng, idle.interval.get_ref().0, |_| {
                call += 1;
                Wish::Call(PlannedCall {
                    call,
                    caller,
                    callee,
                    codec: "PCMA".to_owned(),
                    ptime_ns: Span::from_millis(20),
                    hold_ns: Some(HOLD),
                    patience_ns,
                    video: None,
                    question: Some(question),
                })
            });
        }
    }
}

fn servers(scenario: &Scenario) -> i64 {
    match &scenario.cluster {
        Cluster::Reference(cluster) => cluster.srv.len().max(1) as i64,
        Cluster::Lab(_) | Cluster::External(_) => 1,
    }
}

fn add_phone(plan: &mut Plan, name: String, part: Part) -> usize {
    let number = plan.phones.len();
    plan.phones.push(PlannedPhone { name, user: format!("{}", 1001 + number), tcp: false, part });
    number
}
