//! Each takeover against the law that the engine's timers declare, and where the time of an outage went.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use super::faults::Faults;
use crate::analysis::measure::address::{Advertised, Claim};
use crate::analysis::measure::model::{Outage, Part, Takeover};
use crate::analysis::theory::VrrpTimers;
use crate::evidence::history::Direction;
use crate::units::{RunTime, Span};

/// Services whose outages are taken apart: each of its own kind, and the last as users live it.
const TAKEN_APART: [&str; 4] = ["sip_answer", "register", "new_call", "media"];

/// Fills in the takeover and the parts of the outages of every fault.
pub(super) fn fill(faults: &mut Faults, evidence: &Evidence, outages: &[Outage]) {
    let spans = faults.spans(evidence.window.end_ns);
    for (fault, (number, start, end)) in faults.list.iter_mut().zip(spans) {
        // An address that a healed node takes back was not waited for.
        let struck = fault.command_end_ns.unwrap_or(start);
        let change = Change::of(&evidence.claims.adverts, start, end).filter(|change| change.follows(struck));
        let Some(change) = change.filter(|_| fault.heal_of.is_none()) else { continue };
        fault.takeover = Some(change.takeover(start));
        let garp = evidence.claims.announced_with(change.first.at);
        // Others have another cause than the address.
        let spans = |outage: &&Outage| {
            outage.start_ns < change.first.at && outage.end_ns.is_none_or(|back| back > change.first.at)
        };
        let of_fault: Vec<&Outage> = outages.iter().filter(|of| of.fault == Some(number)).filter(spans).collect();
        fault.parts = parts(&change, garp, &of_fault);
    }
}

/// The address changed hands: the old owner's last adverts, and the new owner's first one.
struct Change<'a> {
    /// The last advert before the new owner's first.
    last: &'a Claim,
    /// The new owner's first advert.
    first: &'a Claim,
    timers: VrrpTimers,
    resigned: bool,
}

impl Change<'_> {
    fn of(adverts: &[Claim], start: RunTime, end: RunTime) -> Option<Change<'_>> {
        let old = adverts.iter().rev().find(|claim| claim.at <= start)?;
        let first = adverts.iter().find(|claim| claim.at > start && claim.at < end && claim.who != old.who)?;
        let last = adverts.iter().rev().find(|claim| claim.who == old.who && claim.at < first.at)?;
        let new: Advertised = first.advert?;
        let resigned = last.advert.is_some_and(|advert| advert.resigns());
        // Whoever takes the address from an owner that is there has waited for nothing.
        let takes_over = resigned || first.at - last.at > Span(new.interval.as_nanos().saturating_mul(2));
        let timers = VrrpTimers { version: new.version, advert: new.interval, priority: new.priority };
        takes_over.then_some(Change { last, first, timers, resigned })
    }

    /// Whether the old owner's last advert fell to the fault: one that goes on has another reason to end.
    fn follows(&self, struck: RunTime) -> bool {
        self.last.at - struck <= Span(self.timers.advert.as_nanos().saturating_mul(2))
    }

    fn takeover(&self, start: RunTime) -> Takeover {
        let waits = if self.resigned { self.timers.skew() } else { self.timers.master_down() };
        let (expected, measured) = (self.last.at + waits - start, self.first.at - start);
        Takeover {
            version: self.timers.version,
            advert_ms: self.timers.advert.as_millis_f64(),
            priority: self.timers.priority,
            resigned: self.resigned,
            law: if self.resigned { self.timers.resignation() } else { self.timers.crash() },
            since_last_advert_ms: (start - self.last.at).as_millis_f64(),
            expected_ms: expected.as_millis_f64(),
            measured_ms: measured.as_millis_f64(),
            residual_ms: (measured - expected).as_millis_f64(),
        }
    }
}

/// The parts of the median outage of each service that came back; they add up to it.
fn parts(change: &Change<'_>, garp: Option<RunTime>, outages: &[&Outage]) -> Vec<Part> {
    let announced = garp.unwrap_or(change.first.at).max(change.first.at);
    let mut parts = Vec::new();
    for service in TAKEN_APART {
        let Some(outage) = typical(service, outages) else { continue };
        let Some(end) = outage.end_ns else { continue };
        // A silence is as long as what is missing in it: it begins an interval after the last sign of life.
        let start = (end - Span::from_secs_f64(outage.duration_ms / 1e3)).min(end);
        let inside = |at: RunTime| at.clamp(start, end);
        let resigned = if change.resigned { inside(change.last.at) } else { start };
        let edges = [start, resigned, inside(change.first.at), inside(announced), end];
        let names = ["resignation", "detection", "announcement", "service"];
        parts.extend(names.into_iter().zip(edges.windows(2)).map(|(part, edge)| Part {
            service: service.to_owned(),
            part: part.to_owned(),
            ms: (edge[1] - edge[0]).as_millis_f64(),
        }));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::measure::address::What;
    use crate::analysis::theory::Law;

    fn claim(at_ms: i64, who: &str, priority: u8) -> Claim {
        let advert = Some(Advertised { version: 3, interval: Span::from_secs(1), priority });
        Claim {
            at: RunTime::from_millis(at_ms),
            who: who.to_owned(),
            place: String::new(),
            what: What::Router(51, None),
            advert,
        }
    }

    fn change(adverts: &[Claim]) -> Option<Takeover> {
        let (start, end) = (RunTime::from_millis(10_400), RunTime::from_millis(20_000));
        Change::of(adverts, start, end).map(|change| change.takeover(start))
    }

    /// Adverts of 1 s, the last one 400 ms before the crash. Skew of priority 140 in version 3: 116/256 of 1 s =
    /// 453.125 ms, so the takeover is due 3453.125 − 400 = 3053.125 ms after the crash.
    #[test]
    fn after_a_crash_three_adverts_and_the_skew_are_waited_from_the_last_advert_on() {
        let takeover = change(&[claim(9000, "a", 150), claim(10_000, "a", 150), claim(13_456, "b", 140)]).unwrap();
        assert!(!takeover.resigned);
        assert_eq!(takeover.law, Law::Uniform { low_ms: 2453.125, high_ms: 3453.125 });
        assert_eq!((takeover.since_last_advert_ms, takeover.expected_ms), (400.0, 3053.125));
        assert!((takeover.residual_ms - 2.875).abs() < 1e-9);
    }

    #[test]
    fn after_a_resignation_only_the_skew_is_waited() {
        let adverts = [claim(10_000, "a", 150), claim(10_410, "a", 0), claim(10_865, "b", 140)];
        let takeover = change(&adverts).unwrap();
        assert_eq!((takeover.resigned, takeover.law), (true, Law::Constant { ms: 453.125 }));
        assert!((takeover.residual_ms - 1.875).abs() < 1e-9, "{takeover:?}");
    }

    #[test]
    fn the_parts_of_an_outage_add_up_to_it() {
        let adverts = [claim(10_000, "a", 150), claim(10_410, "a", 0), claim(10_865, "b", 140)];
        let (start, end) = (RunTime::from_millis(10_400), RunTime::from_millis(20_000));
        let change = Change::of(&adverts, start, end).unwrap();
        // The last answer at 10.398 s, the next at 10.880 s, probes every 10 ms: 472 ms are missing.
        let outage = Outage {
            service: "sip_answer".into(),
            scope: "all".into(),
            start_ns: RunTime::from_millis(10_398),
            end_ns: Some(RunTime::from_millis(10_880)),
            duration_ms: 472.0,
            ..Outage::default()
        };
        let parts = parts(&change, Some(RunTime::from_millis(10_867)), &[&outage]);
        let told: Vec<(&str, f64)> = parts.iter().map(|part| (part.part.as_str(), part.ms)).collect();
        assert_eq!(told, [("resignation", 2.0), ("detection", 455.0), ("announcement", 2.0), ("service", 13.0)]);
        assert!((told.iter().map(|(_, ms)| ms).sum::<f64>() - outage.duration_ms).abs() < 1e-9);
    }

    #[test]
    fn a_second_owner_beside_the_first_has_taken_nothing_over() {
        let adverts = [claim(10_000, "a", 150), claim(11_000, "a", 150), claim(11_900, "b", 140)];
        assert_eq!(change(&adverts), None);
    }
}
