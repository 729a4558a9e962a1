//! Each takeover against the law that the engine's timers declare, and where the time of an outage went.

mod heartbeat;
mod totem;
mod vrrp;

use std::collections::BTreeMap;

use super::evidence::Evidence;
use super::faults::Faults;
use crate::analysis::measure::model::{FaultMeasured, Outage, Part, Takeover};
use crate::evidence::history::Direction;
use crate::units::{RunTime, Span};

/// Services whose outages are taken apart: each of its own kind, and the last as users live it.
const TAKEN_APART: [&str; 4] = ["sip_answer", "register", "new_call", "media"];

/// How an engine moved the address after a fault.
struct Course {
    takeover: Takeover,
    /// When the engine had decided.
    decided: RunTime,
    /// The parts of the outage before the service's own, each with the instant at which it ended.
    until: Vec<(&'static str, RunTime)>,
}

/// One fault that may have moved the address, and the time that belongs to it.
struct Struck<'a> {
    evidence: &'a Evidence,
    faults: &'a Faults,
    fault: &'a FaultMeasured,
    start: RunTime,
    end: RunTime,
}

/// Fills in the takeover and the parts of the outages of every fault.
pub(super) fn fill(faults: &mut Faults, evidence: &Evidence, outages: &[Outage]) {
    let found: Vec<(usize, Course)> = courses(faults, evidence);
    for (place, course) in found {
        let Some(fault) = faults.list.get_mut(place) else { continue };
        // Others have another cause than the address.
        let spans = |outage: &&Outage| {
            outage.start_ns < course.decided && outage.end_ns.is_none_or(|back| back > course.decided)
        };
        let of_fault: Vec<&Outage> = outages.iter().filter(|of| of.fault == Some(fault.fault)).filter(spans).collect();
        fault.parts = parts(&course.until, &of_fault);
        fault.takeover = Some(course.takeover);
    }
}

/// By the place of the fault in the list.
fn courses(faults: &Faults, evidence: &Evidence) -> Vec<(usize, Course)> {
    let spans = faults.spans(evidence.window.end_ns).into_iter().enumerate();
    let struck = spans
        .zip(&faults.list)
        .map(|((place, (_, start, end)), fault)| (place, Struck { evidence, faults, fault, start, end }));
    // An address that a healed node takes back was not waited for.
    let struck = struck.filter(|(_, struck)| struck.fault.heal_of.is_none());
    struck.filter_map(|(place, struck)| struck.course().map(|course| (place, course))).collect()
}

impl Struck<'_> {
    fn course(&self) -> Option<Course> {
        vrrp::course(self).or_else(|| totem::course(self)).or_else(|| heartbeat::course(self))
    }

    /// When the node died, as far as is known: not before the command began, nor before the last sign of the service that
    /// it took or before `last`, the node's own last beat. A kernel that is told to panic takes its time. An engine
    /// alone takes no service with it: what falls silent then fell to the takeover.
    fn death(&self, last: RunTime) -> RunTime {
        let effect = self.fault.effect_ns.filter(|_| !self.fault.kind.starts_with("engine_"));
        self.start.max(last).max(effect.unwrap_or(self.start))
    }

    /// When the last command of the injection returned.
    fn command_end(&self) -> RunTime {
        self.fault.command_end_ns.unwrap_or(self.start)
    }

    /// When the node that was hit last showed that it lives, before `at`; none if it went on after the fault for longer
    /// than two beats: then it has another reason to be silent.
    fn last_beat(&self, at: RunTime, beat: Span) -> Option<RunTime> {
        let address = self.evidence.address_of(&self.fault.node)?;
        let last = self.evidence.membership.last_beat(&address, at)?.at;
        (last - self.command_end() <= Span(beat.as_nanos().saturating_mul(2))).then_some(last)
    }

    /// When another node than the one that was hit announced the address, after `from`.
    fn announced(&self, from: RunTime) -> Option<RunTime> {
        let by_other = self.evidence.announcements_of_others(&self.fault.node);
        by_other.map(|claim| claim.at).find(|at| *at > from && *at < self.end)
    }
}

/// The parts of the median outage of each service that came back; they add up to it.
fn parts(until: &[(&'static str, RunTime)], outages: &[&Outage]) -> Vec<Part> {
    let mut parts = Vec::new();
    for service in TAKEN_APART {
        let Some(outage) = typical(service, outages) else { continue };
        let Some(end) = outage.end_ns else { continue };
        // A silence is as long as what is missing in it: it begins an interval after the last sign of life.
        let mut from = (end - Span::from_secs_f64(outage.duration_ms / 1e3)).min(end);
        for (part, at) in until.iter().copied().chain([("service", end)]) {
            let at = at.clamp(from, end);
            parts.push(Part { service: service.to_owned(), part: part.to_owned(), ms: (at - from).as_millis_f64() });
            from = at;
        }
    }
    parts
}

/// The outage in the middle, each user's longest: of all users together where that is measured, but of single
/// phones that register, as in the report's rows.
fn typical<'a>(service: &str, outages: &[&'a Outage]) -> Option<&'a Outage> {
    let mut longest: BTreeMap<(&str, Option<Direction>), &Outage> = BTreeMap::new();
    for outage in outages.iter().filter(|outage| outage.service == service && !outage.left) {
        let known = longest.entry((&outage.scope, outage.direction)).or_insert(outage);
        if (outage.censored, outage.duration_ms) > (known.censored, known.duration_ms) {
            *known = outage;
        }
    }
    let (all, single): (Vec<&Outage>, Vec<&Outage>) = longest.into_values().partition(|outage| outage.scope == "all");
    let mut of = if all.is_empty() || service == "register" { single } else { all };
    of.sort_by(|a, b| a.censored.cmp(&b.censored).then(a.duration_ms.total_cmp(&b.duration_ms)));
    of.get(of.len().checked_sub(1)? / 2).copied()
}
