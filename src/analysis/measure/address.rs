//! Who holds the floating address, by VRRP advertisements and gratuitous ARP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::model::OwnerInterval;
use crate::units::{RunTime, Span};
use crate::wire::arp::Arp;
use crate::wire::limits::MOST_REIGNS;
use crate::wire::vrrp::Advert;

/// A backup takes over when it has missed three adverts and its skew time (RFC 5798 §6.1), which is below one
/// interval: without adverts for this many intervals nobody claims the address any more.
const INTERVALS_TO_SILENCE: i64 = 4;

/// A new owner's first advert and its gratuitous ARP are no further apart.
const WITH_ADVERT: Span = Span::from_millis(100);

/// A sign that somebody claims the floating address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// When.
    pub(super) at: RunTime,
    /// Address (VRRP) or Ethernet address (ARP) of the claimant.
    pub(super) who: String,
    /// `bridge.pcapng packet 4711`.
    pub(super) place: String,
    /// What is claimed: the virtual router (VRRP), the address (ARP).
    pub(super) what: What,
    /// What the advert declares; absent for ARP.
    pub(super) advert: Option<Advertised>,
}

/// What a VRRP advertisement declares of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Advertised {
    /// 2 or 3.
    pub(super) version: u8,
    /// Advertisement interval.
    pub(super) interval: Span,
    /// Priority; 0: it resigns.
    pub(super) priority: u8,
}

impl Advertised {
    /// Whether it gives the address up.
    pub(super) fn resigns(self) -> bool {
        self.priority == 0
    }
}

/// What somebody claims.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// Number of the virtual router, and its first floating address where it has one.
    Router(u8, Option<IpAddr>),
    /// An address.
    Address(Ipv4Addr),
}

/// All claims of a trial or capture, in order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    pub(super) adverts: Vec<Claim>,
    pub(super) announcements: Vec<Claim>,
}

impl Claims {
    pub(super) fn advert(&mut self, at: RunTime, source: String, advert: &Advert, place: String) {
        let Advert { version, interval, priority, .. } = *advert;
        let what = What::Router(advert.vrid, advert.addresses.first().copied());
        let advert = Some(Advertised { version, interval, priority });
        self.adverts.push(Claim { at, who: source, place, what, advert });
    }

    pub(super) fn arp(&mut self, at: RunTime, arp: &Arp, place: String) {
        if arp.gratuitous() {
            let what = What::Address(arp.sender);
            self.announcements.push(Claim { at, who: arp.sender_mac.to_string(), place, what, advert: None });
        }
    }

    /// The gratuitous ARP that goes with a new owner's first advert: an owner may repeat its own at any time.
    pub(super) fn announced_with(&self, advert: RunTime) -> Option<RunTime> {
        let with = |at: &RunTime| *at > advert - WITH_ADVERT && *at < advert + WITH_ADVERT;
        self.announcements.iter().map(|claim| claim.at).find(with)
    }

    /// Owners over time: by VRRP where adverts were seen, else by gratuitous ARP until `end`. Each virtual router,
    /// or address, by itself, in order of router or address.
    pub(super) fn owners(&self, end: RunTime) -> Vec<OwnerInterval> {
        if self.adverts.is_empty() {
            let by_address = apart(&self.announcements).into_iter();
            // A host that announces its own address holds no floating one.
            let floating = by_address.filter(|(_, claims)| claims.iter().any(|claim| claim.who != claims[0].who));
            return floating.flat_map(|(what, claims)| by_announcement(&what, &claims, end)).collect();
        }
        apart(&self.adverts).into_iter().flat_map(|(what, claims)| by_advert(&what, &claims)).collect()
    }

    /// Adverts that came after too many changes of the owner, which are not read.
    pub(super) fn left_out(&self) -> u64 {
        apart(&self.adverts).values().map(|claims| reigns(claims).1).sum()
    }
}

/// Claims of different things have nothing to do with each other.
fn apart(claims: &[Claim]) -> BTreeMap<What, Vec<Claim>> {
    let mut apart: BTreeMap<What, Vec<Claim>> = BTreeMap::new();
    for claim in claims {
        apart.entry(claim.what.clone()).or_default().push(claim.clone());
    }
    apart
}

fn by_announcement(what: &What, claims: &[Claim], end: RunTime) -> Vec<OwnerInterval> {
    let mut owners: Vec<OwnerInterval> = Vec::new();
    for claim in claims {
        match owners.last_mut() {
            Some(last) if last.nodes == [claim.who.clone()] => continue,
            Some(last) => last.end_ns = claim.at,
            None => {}
        }
        owners.push(OwnerInterval {
            nodes: vec![claim.who.clone()],
            address: what.address(),
            start_ns: claim.at,
            end_ns: end,
            source: "gratuitous ARP".to_owned(),
        });
    }
    owners
}

fn by_advert(what: &What, adverts: &[Claim]) -> Vec<OwnerInterval> {
    let (reigns, _) = reigns(adverts);
    let edges: BTreeSet<RunTime> = reigns.iter().flat_map(|reign| [reign.start, reign.end]).collect();
    let edges: Vec<RunTime> = edges.into_iter().collect();
    let mut owners: Vec<OwnerInterval> = Vec::new();
    for pair in edges.windows(2) {
        let holding = |reign: &&Reign| reign.start <= pair[0] && reign.end >= pair[1];
        let mut nodes: Vec<String> = reigns.iter().filter(holding).map(|reign| reign.who.clone()).collect();
        nodes.sort();
        nodes.dedup();
        match owners.last_mut() {
            Some(last) if last.nodes == nodes => last.end_ns = pair[1],
            _ => owners.push(OwnerInterval {
                nodes,
                address: what.address(),
                start_ns: pair[0],
                end_ns: pair[1],
                source: "VRRP adverts".to_owned(),
            }),
        }
    }
    owners
}

impl What {
    /// The address, as text.
    pub(super) fn address(&self) -> Option<String> {
        match self {
            What::Router(_, address) => address.map(|address| address.to_string()),
            What::Address(address) => Some(address.to_string()),
        }
    }
}

/// One claimant's unbroken run of adverts, from the first to the last.
struct Reign {
    who: String,
    start: RunTime,
    end: RunTime,
    resigned: bool,
}

/// All reigns, and how many claims came after too many.
fn reigns(adverts: &[Claim]) -> (Vec<Reign>, u64) {
    let (mut reigns, mut left_out): (Vec<Reign>, u64) = (Vec::new(), 0);
    for claim in adverts {
        let (interval, resigns) = claim.advert.map_or((Span::ZERO, false), |of| (of.interval, of.resigns()));
        let silence = Span(interval.as_nanos().saturating_mul(INTERVALS_TO_SILENCE));
        let full = reigns.len() >= MOST_REIGNS;
        let current = reigns.iter_mut().rev().find(|reign| reign.who == claim.who);
        match current {
            Some(reign) if !reign.resigned && claim.at - reign.end <= silence => {
                reign.end = claim.at;
                reign.resigned = resigns;
            }
            _ if full => left_out += 1,
            _ => reigns.push(Reign { who: claim.who.clone(), start: claim.at, end: claim.at, resigned: resigns }),
        }
    }
    hand_over(&mut reigns, adverts);
    (reigns, left_out)
}

/// When a claimant's last advert crosses the first one of its successor, the address changed hands in order;
/// only a longer overlap is two owners at once.
fn hand_over(reigns: &mut [Reign], adverts: &[Claim]) {
    let interval = adverts.first().and_then(|claim| claim.advert).map_or(Span::ZERO, |of| of.interval);
    let starts: Vec<(String, RunTime)> = reigns.iter().map(|reign| (reign.who.clone(), reign.start)).collect();
    for reign in reigns {
        let next = starts.iter().find(|(who, start)| {
            *who != reign.who && *start > reign.start && *start < reign.end && reign.end - *start <= interval
        });
        if let Some((_, start)) = next {
            reign.end = *start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adverts(of: &[(&str, std::ops::RangeInclusive<i64>)]) -> Claims {
        let mut claims: Vec<Claim> = Vec::new();
        for (who, seconds) in of {
            claims.extend(seconds.clone().map(|second| Claim {
                at: RunTime::from_millis(second * 1000),
                who: (*who).to_owned(),
                place: String::new(),
                what: What::Router(51, None),
                advert: Some(Advertised { version: 3, interval: Span::from_secs(1), priority: 100 }),
            }));
        }
        claims.sort_by_key(|claim| claim.at);
        Claims { adverts: claims, announcements: Vec::new() }
    }

    fn nodes(claims: &Claims) -> Vec<(Vec<String>, i64, i64)> {
        let owners = claims.owners(RunTime::from_millis(99_000)).into_iter();
        owners.map(|o| (o.nodes, o.start_ns.0 / 1_000_000_000, o.end_ns.0 / 1_000_000_000)).collect()
    }

    #[test]
    fn after_a_power_off_nobody_owns_the_address_until_the_next_advert() {
        let owners = nodes(&adverts(&[("10.0.0.1", 0..=10), ("10.0.0.2", 14..=20)]));
        let (a, b) = (vec!["10.0.0.1".to_owned()], vec!["10.0.0.2".to_owned()]);
        assert_eq!(owners, [(a, 0, 10), (vec![], 10, 14), (b, 14, 20)]);
    }

    #[test]
    fn two_claimants_at_once_are_seen_and_a_hand_over_is_not_taken_for_them() {
        let split = nodes(&adverts(&[("10.0.0.1", 0..=10), ("10.0.0.2", 5..=20)]));
        assert_eq!(split[1], (vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()], 5, 10));
        let handed = nodes(&adverts(&[("10.0.0.1", 0..=10), ("10.0.0.2", 10..=20)]));
        assert_eq!(handed.len(), 2);
    }
}
