//! What a cluster did that no outage tells: each finding has its own line in the report.

use std::collections::BTreeMap;

use super::chat::Chat;
use super::evidence::Evidence;
use super::faults::Faults;
use super::presence;
use super::services::OpLife;
use crate::analysis::measure::membership::{Said, Sign};
use crate::analysis::measure::model::{CallFate, CallMeasured, Finding, MessageFate, MessageMeasured, OwnerInterval};
use crate::evidence::history::OpKind;
use crate::scenario::EngineTimers;
use crate::units::{RunTime, Span};

/// A takeover later than this, and four adverts, after a fault or heal is not its doing.
const FOLLOWS: Span = Span::from_secs(2);

/// What is looked through.
pub(super) struct Seen<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) faults: &'a Faults,
    pub(super) operations: &'a BTreeMap<u64, OpLife>,
    pub(super) owners: &'a [OwnerInterval],
    pub(super) calls: &'a [CallMeasured],
    pub(super) messages: &'a [MessageMeasured],
    pub(super) chat: &'a Chat,
}

impl Seen<'_> {
    /// All findings of the trial.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let found = [
            self.two_owners(),
            self.false_takeovers(),
            self.zombie_calls(),
            self.pictures_gone(),
            self.byes_refused(),
            self.registrations_lost(),
            self.black_holed(),
            presence::ghosts(&self.evidence.events, self.chat, self.evidence.window),
        ];
        found.into_iter().flatten().chain(self.declared_otherwise()).collect()
    }

    /// More than one node held the address at once.
    fn two_owners(&self) -> Option<Finding> {
        let times = self.owners.iter().filter(|interval| interval.nodes.len() > 1);
        let times: Vec<_> = times.map(|interval| (interval, (interval.end_ns - interval.start_ns))).collect();
        let (longest, length) = times.iter().max_by_key(|(_, length)| *length)?;
        Some(Finding {
            kind: "two_owners".to_owned(),
            count: times.len() as u64,
            longest_ms: Some(length.as_millis_f64()),
            who: Some(longest.nodes.join(" and ")),
        })
    }

    /// The address went to another node, and nothing had been broken or healed shortly before.
    fn false_takeovers(&self) -> Option<Finding> {
        let interval = self.evidence.claims.adverts.iter().find_map(|claim| claim.advert)?.interval;
        let after = Span(interval.as_nanos().saturating_mul(4)) + FOLLOWS;
        let window = self.evidence.window;
        let held: Vec<&OwnerInterval> = self.owners.iter().filter(|owner| !owner.nodes.is_empty()).collect();
        let unexplained = held.windows(2).filter(|pair| {
            let at = pair[1].start_ns;
            let disturbed = |start: RunTime| start <= at && at - start <= after;
            let moved = pair[1].nodes.iter().any(|node| !pair[0].nodes.contains(node));
            let inside = at > window.start_ns && at < window.end_ns;
            moved && inside && !self.faults.list.iter().any(|fault| disturbed(fault.command_start_ns))
        });
        let moves: Vec<String> = unexplained
            .map(|pair| {
                format!("{} to {} at {}", pair[0].nodes.join(" and "), pair[1].nodes.join(" and "), pair[1].start_ns)
            })
            .collect();
        finding("false_takeovers", moves.len(), None, moves.first().cloned())
    }

    /// Calls without media that could not even be hung up.
    fn zombie_calls(&self) -> Option<Finding> {
        let zombies = self.calls.iter().filter(|call| call.fate == Some(CallFate::Zombie));
        finding("zombie_calls", zombies.count(), None, None)
    }

    /// Video calls whose sound came back and whose picture did not.
    fn pictures_gone(&self) -> Option<Finding> {
        let gone = self.calls.iter().filter(|call| call.fate == Some(CallFate::PictureDead));
        finding("pictures_gone", gone.count(), None, None)
    }

    /// BYEs that a survivor answered with 481: it does not know the call.
    fn byes_refused(&self) -> Option<Finding> {
        finding("byes_refused", self.calls.iter().filter(|call| call.bye_code == Some(481)).count(), None, None)
    }

    /// New calls that a survivor refused because it did not know the callee, who had registered with the dead node.
    fn registrations_lost(&self) -> Option<Finding> {
        let first = self.faults.list.iter().map(|fault| fault.command_start_ns).min()?;
        let unknown = self.operations.values().filter_map(|life| {
            let (at, op) = life.end.as_ref()?;
            let call = matches!(life.kind, OpKind::NewCall | OpKind::CallToIdle);
            (call && op.code == Some(404) && life.planned > first).then_some(*at)
        });
        let refused: Vec<RunTime> = unknown.collect();
        let last = refused.iter().max()?;
        let since = self.faults.list.iter().rev().map(|fault| fault.command_start_ns).find(|start| start < last)?;
        finding("registrations_lost", refused.len(), Some((*last - since).as_millis_f64()), None)
    }

    /// Messages that a server took and nobody ever got: it believed the receiver to be there.
    fn black_holed(&self) -> Option<Finding> {
        let lost = self.messages.iter().filter(|message| message.fate == MessageFate::AcknowledgedLost).count();
        finding("messages_black_holed", lost, None, None)
    }

    /// The timers on the wire are not those that the scenario asks for.
    fn declared_otherwise(&self) -> Option<Finding> {
        let (declared, other) = match self.faults.declared? {
            EngineTimers::Keepalived { advert } => {
                let seen = self.evidence.claims.adverts.iter().filter_map(|claim| claim.advert);
                (advert, seen.map(|advert| advert.interval).find(|interval| *interval != advert)?)
            }
            EngineTimers::Heartbeat { deadtime, .. } => {
                // A node that boots, after the window, starts with more patience.
                let window = self.evidence.window;
                let inside = move |said: &&Said| said.at >= window.start_ns && said.at < window.end_ns;
                let told = self.evidence.membership.said.iter().filter(inside).filter_map(|said| match said.sign {
                    Sign::Alive { deadtime } => deadtime,
                    _ => None,
                });
                (deadtime, told.clone().find(|told| *told != deadtime)?)
            }
            // Its messages carry no timers.
            EngineTimers::Pacemaker { .. } => return None,
        };
        let who = format!("{declared} asked for, {other} on the wire");
        finding("other_timers", 1, None, Some(who))
    }
}

fn finding(kind: &str, count: usize, longest_ms: Option<f64>, who: Option<String>) -> Option<Finding> {
    (count > 0).then(|| Finding { kind: kind.to_owned(), count: count as u64, longest_ms, who })
}
