//! The faults of a trial, and which outage follows which.

use super::evidence::Evidence;
use crate::analysis::measure::model::{FaultMeasured, OwnerInterval, TimerPhase};
use crate::evidence::history::{Event, FaultStep, PathWork, What};
use crate::scenario::{Cluster, EngineTimers, Fault, Scenario};
use crate::units::{RunTime, Span};

/// An outage that begins later than this after a fault is not put down to it.
const FOLLOWS: Span = Span::from_secs(10);
/// The fault that takes nothing away and makes what passes worse.
const DEGRADED: &str = "degraded_path";
/// The last sign of life may lie so far before the command that takes it away.
const JUST_BEFORE: Span = Span::from_millis(200);

/// The faults, in order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// Faults, and what was healed inside the window: that is a disturbance of its own, with a number behind those of
    /// the scenario's faults.
    pub(super) list: Vec<FaultMeasured>,
    /// The timers of the engine that the scenario asks for.
    pub(super) declared: Option<EngineTimers>,
}

impl Faults {
    pub(super) fn of(events: &[Event], scenario: &Scenario, end: RunTime) -> Faults {
        let mut faults = Faults { declared: declared(scenario), ..Faults::default() };
        for event in events {
            match &event.what {
                What::Fault(mark) => faults.step(event.t_ns, mark, scenario, end),
                What::Path(work) => faults.path(work),
                _ => {}
            }
        }
        faults.list.sort_by_key(|fault| (fault.command_start_ns, fault.fault));
        faults
    }

    /// Names who held the address after each fault.
    pub(super) fn name_successors(&mut self, owners: &[OwnerInterval], end: RunTime) {
        for fault in &mut self.list {
            fault.successor = successor(owners, fault, end);
        }
    }

    /// How long after the last advert of the owner, or the last beat of the node that was hit, each fault struck: the wire's own word on what was drawn.
    pub(super) fn note_phases(&mut self, evidence: &Evidence) {
        for fault in &mut self.list {
            let drawn = evidence.events.iter().find_map(|event| match &event.what {
                What::Phase(phase) if phase.fault == fault.fault => Some(*phase),
                _ => None,
            });
            let adverts = evidence.claims.adverts.iter().rev();
            let advert = adverts.map(|claim| claim.at).find(|at| *at <= fault.command_start_ns);
            let tick = advert.or_else(|| {
                let address = evidence.address_of(&fault.node)?;
                evidence.membership.last_beat(&address, fault.command_start_ns).map(|said| said.at)
            });
            fault.phase = drawn.map(|drawn| TimerPhase {
                interval_ms: Span(drawn.interval_ns).as_millis_f64(),
                drawn_ms: Span(drawn.drawn_ns).as_millis_f64(),
                seen_ms: tick.map(|tick| (fault.command_start_ns - tick).as_millis_f64()),
            });
        }
    }

    fn step(&mut self, at: RunTime, mark: &crate::evidence::history::FaultMark, scenario: &Scenario, end: RunTime) {
        let behind = scenario.faults.len() + mark.fault;
        if mark.step == FaultStep::CommandStart {
            let configured_ms = configured(scenario, mark.fault).map(Span::as_millis_f64);
            self.list.push(FaultMeasured { configured_ms, ..begun(mark.fault, &mark.kind, &mark.node, at) });
        } else if mark.step == FaultStep::HealStart && at <= end && self.list.iter().all(|of| of.fault != behind) {
            let heal = begun(behind, "heal", &mark.node, at);
            self.list.push(FaultMeasured { heal_of: Some(mark.fault), verified: true, ..heal });
        }
        if mark.step == FaultStep::HealEnd
            && let Some(heal) = self.list.iter_mut().find(|of| of.fault == behind)
        {
            heal.command_end_ns = Some(at);
        }
        let Some(fault) = self.list.iter_mut().find(|fault| fault.fault == mark.fault) else { return };
        match mark.step {
            FaultStep::CommandEnd => fault.command_end_ns = Some(at),
            FaultStep::Verified => fault.verified = true,
            FaultStep::HealEnd if at <= end => fault.healed_ns = Some(at),
            FaultStep::CommandStart
            | FaultStep::NotVerified
            | FaultStep::HealStart
            | FaultStep::HealEnd
            | FaultStep::HealFailed => {}
        }
    }

    /// A path tells what it did while it is being healed: it belongs to the last fault that degraded it.
    fn path(&mut self, work: &PathWork) {
        let of_node = |fault: &&mut FaultMeasured| fault.kind == DEGRADED && fault.node == work.node;
        if let Some(fault) = self.list.iter_mut().rev().find(of_node) {
            fault.paths.push(work.clone());
        }
    }

    /// When paths were degraded, up to `end`.
    pub(super) fn degraded(&self, end: RunTime) -> impl Iterator<Item = (RunTime, RunTime)> + '_ {
        let degraded = self.list.iter().filter(|fault| fault.kind == DEGRADED);
        let times = degraded.map(move |fault| (fault.command_start_ns, fault.healed_ns.unwrap_or(end).min(end)));
        times.filter(|(start, end)| start < end)
    }

    /// The fault or heal that an outage follows: one that struck right at its start, else the last one before it,
    /// else the first one that struck within it.
    pub(super) fn of_outage(&self, start: RunTime, until: RunTime) -> Option<usize> {
        let struck = |fault: &&FaultMeasured| fault.command_start_ns > start && fault.command_start_ns < until;
        let inside = self.list.iter().find(struck);
        if let Some(fault) = inside.filter(|fault| fault.command_start_ns - start <= JUST_BEFORE) {
            return Some(fault.fault);
        }
        let before = self.list.iter().rev().find(|fault| fault.command_start_ns <= start);
        let before = before.filter(|fault| start - fault.command_start_ns <= FOLLOWS);
        before.or(inside).map(|fault| fault.fault)
    }

    /// Where an outage that sparse operations bracket can have begun at the earliest: at the first fault in
    /// between, else at the last success.
    pub(super) fn anchor(&self, last_success: RunTime, until: RunTime) -> RunTime {
        let inside = |at: &RunTime| *at > last_success && *at < until;
        self.list.iter().map(|fault| fault.command_start_ns).find(inside).unwrap_or(last_success)
    }

    /// For each fault, the time in which users count for it: until the next fault or the end. What is healed
    /// meanwhile does not end it, since the heal may be what ends the outage; a heal's own time ends with whatever
    /// comes next.
    pub(super) fn spans(&self, end: RunTime) -> Vec<(usize, RunTime, RunTime)> {
        let next = |place: usize| {
            let of_heal = self.list[place].heal_of.is_some();
            let mut later = self.list.iter().skip(place + 1).filter(|next| of_heal || next.heal_of.is_none());
            later.next().map_or(end, |next| next.command_start_ns.min(end))
        };
        let span = |(place, fault): (usize, &FaultMeasured)| (fault.fault, fault.command_start_ns, next(place));
        self.list.iter().enumerate().map(span).collect()
    }
}

/// A fault of which only the beginning is known.
fn begun(fault: usize, kind: &str, node: &str, at: RunTime) -> FaultMeasured {
    FaultMeasured {
        fault,
        kind: kind.to_owned(),
        node: node.to_owned(),
        command_start_ns: at,
        ..FaultMeasured::default()
    }
}

fn declared(scenario: &Scenario) -> Option<EngineTimers> {
    match &scenario.cluster {
        Cluster::Lab(lab) => lab.timers_in_force(),
        Cluster::External(external) => external.timers(),
        Cluster::Reference(_) => None,
    }
}

/// The planted takeover of the reference cluster: only where a node goes, its address moves.
fn configured(scenario: &Scenario, fault: usize) -> Option<Span> {
    let Cluster::Reference(reference) = &scenario.cluster else { return None };
    let of_node = scenario.faults.get(fault).is_some_and(|fault| Fault::service(fault.as_ref()).is_none());
    let takeover = reference.takeover.get(fault).or(reference.takeover.last())?;
    of_node.then_some(takeover.0)
}

/// The first other node that held the address after the fault. After a heal it is whoever took it from its holder.
fn successor(owners: &[OwnerInterval], fault: &FaultMeasured, end: RunTime) -> Option<String> {
    if fault.heal_of.is_some() {
        let held = owners.iter().rev().find(|owner| owner.start_ns <= fault.command_start_ns)?;
        let later = owners.iter().filter(|owner| owner.start_ns > fault.command_start_ns && owner.start_ns <= end);
        return later.flat_map(|owner| &owner.nodes).find(|node| !held.nodes.contains(node)).cloned();
    }
    let after = owners.iter().filter(|owner| owner.end_ns > fault.command_start_ns && owner.start_ns <= end);
    after.flat_map(|owner| &owner.nodes).find(|node| **node != fault.node).cloned()
}
