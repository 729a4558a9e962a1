//! Which trial is void: one rule over its history, for the run (which repeats such a trial) and for the measurement
//! (which counts it in nothing).

use std::collections::BTreeSet;

use super::history::{Event, FaultStep, Health, OpKind, Seen, Step, TrialStage, What};
use super::readiness::Moment;
use crate::scenario::Scenario;
use crate::units::{RunTime, Span};

/// More of the due packets not sent, or dropped at our own sockets, than this share void the trial.
const MOST_OWN_LOSS: f64 = 0.001;

/// Why a trial is void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What was wrong.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
}

fn complaint(text: String, remedy: &str) -> Complaint {
    Complaint { text, remedy: remedy.to_owned() }
}

/// Why the trial with this history is void; empty: it counts.
#[must_use]
pub fn complaints(events: &[Event], scenario: &Scenario) -> Vec<Complaint> {
    let mut all = unready(events);
    if all.is_empty() {
        all.extend(cut_short(events));
        all.extend(thin(events, scenario));
    }
    all.extend(not_verified(events));
    let health = events.iter().rev().find_map(|event| match &event.what {
        What::Health(health) => Some(health),
        _ => None,
    });
    let instrument = health.map(|health| instrument(health, scenario)).unwrap_or_default();
    all.extend(instrument.into_iter().filter(|(_, voids)| *voids).map(|(complaint, _)| complaint));
    all
}

/// The cluster or its users were not what the fault should have struck.
fn unready(events: &[Event]) -> Vec<Complaint> {
    let asked = events.iter().filter_map(|event| match &event.what {
        What::Readiness(readiness) if readiness.moment != Moment::AfterHeal => Some(readiness),
        _ => None,
    });
    let told = asked.map(|readiness| (readiness.moment, readiness.complaints())).filter(|told| !told.1.is_empty());
    let remedy = "give the cluster fewer users or more time, or fix it: see history.jsonl of the trial";
    let text = |(moment, complaints): (Moment, Vec<String>)| match moment {
        Moment::NotSettled => format!("the traffic never became steady: {}", complaints.join("; ")),
        _ => format!("the cluster was not healthy before the fault: {}", complaints.join("; ")),
    };
    told.map(|told| complaint(text(told), remedy)).collect()
}

fn stage(events: &[Event], wanted: TrialStage) -> Option<RunTime> {
    events.iter().find(|event| event.what == What::Stage { stage: wanted }).map(|event| event.t_ns)
}

fn cut_short(events: &[Event]) -> Option<Complaint> {
    let whole = stage(events, TrialStage::Steady).and(stage(events, TrialStage::WindowEnd)).is_some();
    (!whole).then(|| {
        complaint(
            "the trial did not reach the end of its window: only what was written before is measured".to_owned(),
            "run it again; the last lines of history.jsonl tell how far it came",
        )
    })
}

/// Services that gave too few signs of life before the first fault to tell that it took them away.
fn thin(events: &[Event], scenario: &Scenario) -> Option<Complaint> {
    let (start, fault) = stage(events, TrialStage::Steady).zip(first_fault(events))?;
    let inside = |planned: RunTime| planned >= start && planned < fault;
    let done = |wanted: OpKind| {
        let ok = events.iter().filter(|event| match &event.what {
            What::Op(op) => op.kind == wanted && op.step == Step::Ok && inside(op.planned_ns),
            _ => false,
        });
        ok.count()
    };
    let traffic = &scenario.traffic;
    let asked = [
        (traffic.options.is_some(), "OPTIONS answered", done(OpKind::Options)),
        (traffic.registrations.is_some(), "registrations", done(OpKind::Register)),
        (traffic.new_calls.is_some(), "new calls set up", done(OpKind::NewCall)),
        (traffic.chat.is_some(), "messages delivered", delivered(events, inside)),
    ];
    let least = scenario.design.least_signs as usize;
    let few: Vec<String> = asked
        .into_iter()
        .filter(|(asked, _, signs)| *asked && *signs < least)
        .map(|(_, what, signs)| format!("{signs} {what}"))
        .collect();
    (!few.is_empty()).then(|| {
        complaint(
            format!("too thin before the fault to tell that the service was there: {}", few.join(", ")),
            "use more traffic, a later fault, or look why it did not get through",
        )
    })
}

fn first_fault(events: &[Event]) -> Option<RunTime> {
    let starts = events.iter().filter(|event| match &event.what {
        What::Fault(mark) => mark.step == FaultStep::CommandStart,
        _ => false,
    });
    starts.map(|event| event.t_ns).min()
}

fn delivered(events: &[Event], inside: impl Fn(RunTime) -> bool) -> usize {
    let messages = events.iter().filter_map(|event| match &event.what {
        What::Message(mark) if mark.seen == Seen::Delivered && inside(mark.planned_ns) => Some(mark.message),
        _ => None,
    });
    messages.collect::<BTreeSet<u64>>().len()
}

fn not_verified(events: &[Event]) -> Vec<Complaint> {
    let faults = events.iter().filter_map(|event| match &event.what {
        What::Fault(mark) if mark.step == FaultStep::NotVerified => Some(mark.fault),
        _ => None,
    });
    let told = |fault: usize| {
        complaint(
            format!("fault {fault} was injected and then not seen to bite: its outages mean nothing"),
            "read the fault's lines in history.jsonl; run the trial again",
        )
    };
    faults.map(told).collect()
}

/// What the instrument itself could not do, and whether it is so much that the trial is void.
#[must_use]
pub fn instrument(health: &Health, scenario: &Scenario) -> Vec<(Complaint, bool)> {
    let lost = [
        (
            health.rtp_not_sent,
            "RTP packets were due and not sent: they read as loss",
            "use fewer calls or a faster machine",
        ),
        (
            health.socket_drops,
            "datagrams were dropped at our own sockets: they read as loss",
            "raise net.core.rmem_max",
        ),
        (
            health.capture_drops,
            "frames are missing in the captures",
            "capture with a larger buffer, or fewer interfaces",
        ),
    ];
    let share = |n: u64| n as f64 / (health.rtp_sent + health.rtp_not_sent).max(1) as f64;
    let told = |(n, what, remedy): (u64, &str, &str)| {
        (n > 0).then(|| (complaint(format!("{n} {what}"), remedy), share(n) > MOST_OWN_LOSS))
    };
    late(health, scenario).into_iter().chain(lost.into_iter().filter_map(told)).collect()
}

/// Packets that leave later than half an interval blur every gap; a whole interval late is no stream any more.
fn late(health: &Health, scenario: &Scenario) -> Option<(Complaint, bool)> {
    let interval = scenario.least_ptime()?;
    let late = Span(health.send_late_p99_ns);
    (late.as_nanos() > interval.as_nanos() / 2).then(|| {
        let text = format!("1 % of the RTP packets left {late} late or later, at an interval of {interval}");
        let remedy = "use fewer calls, a faster machine, or let the tool run with real-time priority";
        (complaint(text, remedy), late > interval)
    })
}

#[cfg(test)]
mod tests;
