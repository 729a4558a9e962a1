//! From the trials of a report to one value for each trial, service and fault.

use std::collections::BTreeMap;

use super::baseline::{FailoverCounts, QualitySample, ServiceSample};
use crate::analysis::measure::model::{FaultMeasured, Measured, Outage, QosPeriod, ServiceUsers};
use crate::analysis::report::model::Trial;
use crate::analysis::stats::{Bound, Observation, Sample, median};
use crate::evidence::history::{ChatRole, Direction};

/// Services in the order in which a cluster gives them back, named as in the report.
pub(crate) const SERVICES: [&str; 16] = [
    "address",
    "sip_answer",
    "register",
    "new_call",
    "idle_registered",
    "idle_can_call",
    "idle_can_be_called",
    "media to caller",
    "media to callee",
    "video to caller",
    "video to callee",
    "picture to caller",
    "picture to callee",
    "chat_session sender",
    "chat_session receiver",
    "chat_delivery",
];

pub(super) fn outages(trials: &[Trial]) -> Vec<ServiceSample> {
    let disturbances = disturbances(trials);
    let pairs = disturbances.iter().flat_map(|of| SERVICES.map(|service| (of, service)));
    pairs.filter_map(|(of, service)| sample(trials, of, service)).collect()
}

/// A fault that was seen to bite, or a heal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Disturbance {
    number: usize,
    kind: String,
    heal_of: Option<usize>,
}

impl Disturbance {
    fn of(fault: &FaultMeasured) -> Disturbance {
        Disturbance { number: fault.fault, kind: fault.kind.clone(), heal_of: fault.heal_of }
    }

    fn bit(&self, measured: &Measured) -> bool {
        measured.faults.iter().any(|of| of.verified && Disturbance::of(of) == *self)
    }
}

/// All disturbances in order. A fault whose kind changes between trials of one run is several.
fn disturbances(trials: &[Trial]) -> Vec<Disturbance> {
    let faults = trials.iter().flat_map(|trial| &trial.measured.faults);
    let mut all: Vec<Disturbance> = faults.filter(|fault| fault.verified).map(Disturbance::of).collect();
    all.sort();
    all.dedup();
    all
}

fn sample(trials: &[Trial], of: &Disturbance, service: &str) -> Option<ServiceSample> {
    let mut sample = ServiceSample {
        fault: of.number,
        kind: of.kind.clone(),
        heal_of: of.heal_of,
        service: service.to_owned(),
        trials_ms: Vec::new(),
        above_ms: Vec::new(),
    };
    for trial in trials.iter().filter(|trial| of.bit(&trial.measured)) {
        match typical(&trial.measured, of.number, service) {
            Some(Bound { value, censored: false }) => sample.trials_ms.push(rounded(value)),
            Some(Bound { value, censored: true }) => sample.above_ms.push(rounded(value)),
            None => {}
        }
    }
    (!sample.trials_ms.is_empty() || !sample.above_ms.is_empty()).then_some(sample)
}

/// The trial's median affected user; 0 if nobody was affected, `None` if nobody was measured.
fn typical(measured: &Measured, fault: usize, service: &str) -> Option<Bound> {
    let of_row = measured.outages.iter().filter(|of| of.fault == Some(fault) && service_of(of) == Some(service));
    let (left, stayed): (Vec<&Outage>, Vec<&Outage>) = of_row.partition(|outage| outage.left);
    let longest = longest_of_each_user(&stayed);
    if longest.is_empty() {
        return (users_of(measured, fault, service) > left.len()).then_some(Bound::exact(0.0));
    }
    median(&Sample::new(longest.into_values()).ok()?)
}

/// What never came back counts as longer than everything that did.
fn longest_of_each_user<'a>(outages: &[&'a Outage]) -> BTreeMap<&'a str, Observation> {
    let mut users: BTreeMap<&str, (bool, f64)> = BTreeMap::new();
    for outage in outages {
        let length = (outage.censored, outage.duration_ms);
        let known = users.entry(&outage.scope).or_insert(length);
        if *known < length {
            *known = length;
        }
    }
    let observation = |(censored, ms)| if censored { Observation::Above(ms) } else { Observation::Exact(ms) };
    users.into_iter().map(|(user, length)| (user, observation(length))).collect()
}

/// How many users of the service were measured over the fault.
pub(crate) fn users_of(measured: &Measured, fault: usize, service: &str) -> usize {
    let of_row = |users: &&ServiceUsers| {
        users.fault == Some(fault) && row(&users.service, users.direction, users.role) == Some(service)
    };
    measured.users.iter().filter(of_row).map(|users| users.users.len()).sum()
}

/// The row that an outage belongs to; registrations over all phones together are no phone's.
pub(crate) fn service_of(outage: &Outage) -> Option<&'static str> {
    if outage.service == "register" && outage.scope == "all" {
        return None;
    }
    // Chat pairs are named `chat-03-a`, who writes, and `chat-03-b`, who reads.
    let role = if outage.scope.ends_with("-a") { ChatRole::Sender } else { ChatRole::Receiver };
    row(&outage.service, outage.direction, Some(role))
}

fn row(service: &str, direction: Option<Direction>, role: Option<ChatRole>) -> Option<&'static str> {
    match (service, direction, role) {
        ("media", Some(Direction::ToCaller), _) => Some("media to caller"),
        ("media", Some(Direction::ToCallee), _) => Some("media to callee"),
        ("video", Some(Direction::ToCaller), _) => Some("video to caller"),
        ("video", Some(Direction::ToCallee), _) => Some("video to callee"),
        ("picture", Some(Direction::ToCaller), _) => Some("picture to caller"),
        ("picture", Some(Direction::ToCallee), _) => Some("picture to callee"),
        ("chat_session", _, Some(ChatRole::Sender)) => Some("chat_session sender"),
        ("chat_session", _, Some(ChatRole::Receiver)) => Some("chat_session receiver"),
        _ => SERVICES.into_iter().find(|name| *name == service),
    }
}

pub(super) fn failovers(trials: &[Trial]) -> Vec<FailoverCounts> {
    let count = |of: Disturbance| {
        let tried: Vec<&Trial> = trials.iter().filter(|trial| of.bit(&trial.measured)).collect();
        let came_back = |trial: &&&Trial| !trial.measured.outages.iter().any(|out| is_unrecovered(out, of.number));
        let recovered = tried.iter().filter(came_back).count() as u64;
        FailoverCounts { fault: of.number, tried: tried.len() as u64, recovered, kind: of.kind }
    };
    // A heal is no failover that could work or not.
    disturbances(trials).into_iter().filter(|of| of.heal_of.is_none()).map(count).collect()
}

/// A user who is out since an earlier fault has not come back either; who hung up meanwhile tells nothing.
fn is_unrecovered(outage: &Outage, fault: usize) -> bool {
    outage.fault.is_some_and(|of| of <= fault) && outage.censored && !outage.left
}

/// A figure's name and how it is read.
type Figure = (&'static str, fn(&QosPeriod) -> Option<f64>);

pub(super) fn quality(trials: &[Trial]) -> Vec<QualitySample> {
    const FIGURES: [Figure; 4] = [
        ("mos", |qos| qos.mos_median),
        ("loss_percent", |qos| qos.loss_percent),
        ("delay_ms_p95", |qos| qos.delay_ms_p95),
        ("jitter_ms_p95", |qos| qos.jitter_ms_p95),
    ];
    let of = |(figure, read): Figure, period: &str| {
        let periods = trials.iter().filter_map(|trial| trial.measured.qos.iter().find(|qos| qos.period == period));
        let trials: Vec<f64> = periods.filter_map(read).map(rounded).collect();
        QualitySample { figure: figure.to_owned(), period: period.to_owned(), trials }
    };
    let all = ["before", "during", "after"].into_iter().flat_map(|period| FIGURES.map(|figure| of(figure, period)));
    all.filter(|sample| !sample.trials.is_empty()).collect()
}

/// To a thousandth: a microsecond, which no probe resolves.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
