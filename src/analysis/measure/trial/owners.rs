//! Who held the floating address, and how long nobody did.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::Evidence;
use super::faults::Faults;
use crate::analysis::measure::address::Claim;
use crate::analysis::measure::model::{Estimates, Outage, OwnerInterval, ServiceUsers};
use crate::evidence::history::What;
use crate::units::{RunTime, Span};

/// Frames and statements carry the instant at which they were made; this is for writing them down.
const STATED: Span = Span::from_millis(1);

/// A node that is heard so long after a fault was not silenced by it.
const SILENT_AFTER: Span = Span::from_secs(2);

/// Owners over time: by VRRP or gratuitous ARP where captures show them, else as the cluster itself said.
pub(super) fn owners(evidence: &Evidence) -> Vec<OwnerInterval> {
    if let Some(announced) = announced(evidence) {
        return announced;
    }
    let mut seen = evidence.claims.owners(evidence.window.end_ns);
    if seen.is_empty() {
        return told(evidence);
    }
    let names = names(evidence);
    for interval in &mut seen {
        for node in &mut interval.nodes {
            if let Some(name) = names.get(node) {
                node.clone_from(name);
            }
        }
        interval.nodes.sort();
    }
    seen
}

/// Where nodes talk to each other, but not by adverts: whom the cluster named before any of its nodes announced the
/// address, and then whoever announced it. A former holder held it until it was last heard.
fn announced(evidence: &Evidence) -> Option<Vec<OwnerInterval>> {
    if !evidence.claims.adverts.is_empty() || evidence.membership.said.is_empty() {
        return None;
    }
    let end = evidence.window.end_ns;
    let interval = |nodes: Vec<String>, start_ns, source: &str| OwnerInterval {
        nodes,
        address: None,
        start_ns,
        end_ns: end.max(start_ns),
        source: source.to_owned(),
    };
    let first = evidence.events.iter().find_map(|event| match &event.what {
        What::Owner { nodes } if nodes.len() == 1 => Some(interval(nodes.clone(), event.t_ns, "cluster")),
        _ => None,
    });
    let (mut owners, names) = (vec![first?], names(evidence));
    for claim in evidence.announcements_of_others("") {
        let (Some(name), Some(last)) = (names.get(&claim.who), owners.last_mut()) else { continue };
        if last.nodes == [name.clone()] || claim.at <= last.start_ns {
            continue;
        }
        let address = last.nodes.first().and_then(|node| evidence.address_of(node));
        let heard = address.and_then(|address| evidence.membership.last_beat(&address, claim.at)).map(|said| said.at);
        last.end_ns = heard.unwrap_or(claim.at).max(last.start_ns);
        let gap = OwnerInterval { end_ns: claim.at, ..interval(Vec::new(), last.end_ns, "gratuitous ARP") };
        owners.push(gap);
        owners.push(interval(vec![name.clone()], claim.at, "gratuitous ARP"));
    }
    Some(owners)
}

/// What the cluster said, each statement until the next one.
fn told(evidence: &Evidence) -> Vec<OwnerInterval> {
    let mut owners: Vec<OwnerInterval> = Vec::new();
    for event in &evidence.events {
        let What::Owner { nodes } = &event.what else { continue };
        match owners.last_mut() {
            Some(last) if last.nodes == *nodes => continue,
            Some(last) => last.end_ns = event.t_ns,
            None => {}
        }
        owners.push(OwnerInterval {
            nodes: nodes.clone(),
            address: None,
            start_ns: event.t_ns,
            end_ns: evidence.window.end_ns.max(event.t_ns),
            source: "cluster".to_owned(),
        });
    }
    owners
}

/// The node's name for each address and Ethernet address that may claim, as the cluster stated it.
fn names(evidence: &Evidence) -> BTreeMap<String, String> {
    let stated = evidence.events.iter().filter_map(|event| match &event.what {
        What::Node { name, address } => Some((address.to_string(), name.clone())),
        _ => None,
    });
    let mut names: BTreeMap<String, String> = stated.collect();
    let macs = evidence.membership.hosts.iter();
    let macs: Vec<_> = macs.filter_map(|(mac, address)| Some((mac.clone(), names.get(address)?.clone()))).collect();
    names.extend(macs);
    names
}

/// The outage of the address after each fault that took its owner away.
pub(super) fn outages(evidence: &Evidence, faults: &Faults) -> Vec<Outage> {
    let ends = faults.spans(evidence.window.end_ns);
    let seen = !evidence.claims.adverts.is_empty();
    // An address that a healed node takes back goes over from an owner that is there.
    let struck = ends.iter().zip(&faults.list).filter(|(_, fault)| fault.heal_of.is_none());
    struck
        .filter_map(|((fault, start, end), _)| {
            if seen {
                by_claims(evidence, faults, *fault, *start, *end)
            } else {
                by_announcement(evidence, faults, *fault, *start, *end)
                    .or_else(|| by_word(evidence, faults, *fault, *start, *end))
            }
        })
        .collect()
}

/// From the fault to the first advert or gratuitous ARP of another claimant.
fn by_claims(evidence: &Evidence, faults: &Faults, fault: usize, start: RunTime, end: RunTime) -> Option<Outage> {
    let adverts = &evidence.claims.adverts;
    let old = adverts.iter().rev().find(|claim| claim.at <= start)?;
    let last_old = adverts.iter().rev().find(|claim| claim.who == old.who && claim.at < end)?;
    let new = adverts.iter().find(|claim| claim.at > start && claim.at < end && claim.who != old.who);
    let interval = old.advert.map_or(Span::ZERO, |of| of.interval);
    // The old owner goes on advertising, until the end or beside the new one: nothing was taken from it.
    if new.is_none() && end - last_old.at <= Span(interval.as_nanos().saturating_mul(4)) {
        return None;
    }
    if new.is_some_and(|new| still_claims(adverts, &old.who, new.at, interval)) {
        return None;
    }
    // It went on after the fault as before, and lost the address for another reason later.
    let struck = faults.list.iter().find(|of| of.fault == fault).and_then(|of| of.command_end_ns).unwrap_or(start);
    let last_before =
        adverts.iter().rev().find(|claim| claim.who == old.who && new.is_none_or(|new| claim.at < new.at))?;
    if new.is_some() && last_before.at - struck > Span(interval.as_nanos().saturating_mul(2)) {
        return None;
    }
    let recovered = new.map(|claim| {
        evidence.claims.announced_with(claim.at).filter(|at| *at > start).unwrap_or(claim.at).min(claim.at)
    });
    Some(outage(fault, start, recovered, end, "timestamp", STATED))
}

/// Whether the old owner has advertised within the last two intervals, and not to resign.
fn still_claims(adverts: &[Claim], who: &str, at: RunTime, interval: Span) -> bool {
    let last = adverts.iter().rev().find(|claim| claim.who == *who && claim.at < at);
    last.is_some_and(|last| {
        at - last.at <= Span(interval.as_nanos().saturating_mul(2)) && !last.advert.is_some_and(|of| of.resigns())
    })
}

/// As the cluster itself says, when it names the hit node as owner before and another one afterwards. This
/// is a hint only: it tells when a node took the address, not when the first frame reached it.
fn by_word(evidence: &Evidence, faults: &Faults, fault: usize, start: RunTime, end: RunTime) -> Option<Outage> {
    let hit = faults.list.iter().find(|other| other.fault == fault)?;
    let statements = || {
        evidence.events.iter().filter_map(|event| match &event.what {
            What::Owner { nodes } => Some((event.t_ns, nodes)),
            _ => None,
        })
    };
    let before = statements().rfind(|(at, _)| *at <= start)?;
    let after = || statements().filter(|(at, _)| *at > start && *at < end);
    let gone = after().find(|(_, nodes)| !nodes.contains(&hit.node))?;
    if !before.1.contains(&hit.node) {
        return None;
    }
    let recovered = after().find(|(at, nodes)| *at >= gone.0 && !nodes.is_empty()).map(|(at, _)| at);
    Some(outage(fault, start, recovered, end, "cluster", STATED))
}

/// Without adverts: from the fault to the gratuitous ARP of another node. A node that fell silent and whose address
/// nobody took is out until the end.
fn by_announcement(evidence: &Evidence, faults: &Faults, fault: usize, start: RunTime, end: RunTime) -> Option<Outage> {
    let hit = faults.list.iter().find(|of| of.fault == fault)?;
    let held =
        announced(evidence)?.into_iter().rev().find(|owner| owner.start_ns <= start && !owner.nodes.is_empty())?;
    if !held.nodes.contains(&hit.node) {
        return None;
    }
    let mut others = evidence.announcements_of_others(&hit.node).map(|claim| claim.at);
    let recovered = others.find(|at| *at > start && *at < end);
    let address = evidence.address_of(&hit.node)?;
    let last = evidence.membership.last_beat(&address, end).map(|said| said.at);
    let silent = last.is_some_and(|last| last <= hit.command_end_ns.unwrap_or(start) + SILENT_AFTER);
    (recovered.is_some() || silent).then(|| outage(fault, start, recovered, end, "timestamp", STATED))
}

fn outage(fault: usize, start: RunTime, recovered: Option<RunTime>, end: RunTime, method: &str, error: Span) -> Outage {
    let length = recovered.unwrap_or(end) - start;
    Outage {
        service: "address".to_owned(),
        scope: "all".to_owned(),
        direction: None,
        fault: Some(fault),
        start_ns: start,
        end_ns: recovered,
        duration_ms: length.as_millis_f64(),
        censored: recovered.is_none(),
        left: false,
        method: method.to_owned(),
        error_ms: error.as_millis_f64(),
        estimates: Estimates { timestamp_ms: recovered.map(|_| length.as_millis_f64()), ..Estimates::default() },
    }
}

pub(super) fn users(evidence: &Evidence, faults: &Faults) -> Vec<ServiceUsers> {
    let known = !evidence.claims.adverts.is_empty()
        || evidence.events.iter().any(|event| matches!(event.what, What::Owner { .. }));
    let all = BTreeSet::from(["all".to_owned()]);
    let spans = super::spans(faults, evidence.window).into_iter().filter(|_| known);
    spans.filter_map(|(fault, _, _)| super::service_users("address", fault, all.clone())).collect()
}
