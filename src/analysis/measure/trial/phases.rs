//! The instants of each failover, in order, each with its evidence.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use super::faults::Faults;
use super::services::OpLife;
use crate::analysis::measure::address::Claim;
use crate::analysis::measure::membership::Sign;
use crate::analysis::measure::model::{Outage, Phase};
use crate::evidence::history::{Direction, OpKind, SessionState, What};
use crate::units::{RunTime, Span};

/// The last sign of a hit service can come so long after the command that hit it.
const EFFECT_WITHIN: Span = Span::from_secs(2);
/// Nothing at all came in for so long: the cluster was not reachable.
const UNREACHABLE: Span = Span::from_millis(60);

/// One fault and the evidence around it.
struct Failover<'a> {
    evidence: &'a Evidence,
    operations: &'a BTreeMap<u64, OpLife>,
    /// The outages that follow this fault.
    outages: Vec<&'a Outage>,
    start: RunTime,
    command_end: RunTime,
    /// The next fault, or the end of the window.
    end: RunTime,
}

/// A phase that was seen: name, instant, evidence.
type Seen = (&'static str, RunTime, String);

/// Fills in effect and phases of every fault.
pub(super) fn fill(faults: &mut Faults, evidence: &Evidence, operations: &BTreeMap<u64, OpLife>, outages: &[Outage]) {
    let spans = faults.spans(evidence.window.end_ns);
    for (fault, (number, start, end)) in faults.list.iter_mut().zip(spans) {
        let failover = Failover {
            evidence,
            operations,
            outages: outages.iter().filter(|outage| outage.fault == Some(number)).collect(),
            start,
            command_end: fault.command_end_ns.unwrap_or(start),
            end,
        };
        let effect = failover.effect();
        fault.effect_ns = effect.as_ref().map(|(_, at, _)| *at);
        let mut seen: Vec<Seen> = effect.into_iter().chain(failover.after(fault.effect_ns.unwrap_or(start))).collect();
        seen.sort_by_key(|(_, at, _)| *at);
        fault.phases = seen.into_iter().map(|seen| phase(seen, start)).collect();
    }
}

fn phase((name, at_ns, evidence): Seen, start: RunTime) -> Phase {
    Phase { phase: name.to_owned(), at_ns, after_ms: (at_ns - start).as_millis_f64(), evidence }
}

impl Failover<'_> {
    fn of(&self, service: &str) -> impl Iterator<Item = &Outage> {
        self.outages.iter().copied().filter(move |outage| outage.service == service)
    }

    /// The last packet of the hit service: of the streams and probes that then fell silent, the last one.
    fn effect(&self) -> Option<Seen> {
        let silent = self.of("media").chain(self.of("sip_answer"));
        let prompt = silent.filter(|outage| outage.start_ns <= self.command_end + EFFECT_WITHIN);
        let last = prompt.max_by_key(|outage| outage.start_ns)?;
        let what = match last.direction {
            Some(direction) => format!("last RTP packet of {} {}, taps.pcapng", last.scope, to(direction)),
            None => "last OPTIONS that was answered, history.jsonl".to_owned(),
        };
        Some(("effect", last.start_ns, what))
    }

    fn after(&self, effect: RunTime) -> Vec<Seen> {
        let mut seen: Vec<Seen> = Vec::new();
        let advert = self.first_advert();
        seen.extend(self.first_garp(advert.as_ref().map(|(_, at, _)| *at)));
        seen.extend(advert);
        seen.extend(self.membership());
        seen.extend(self.reachable());
        seen.extend(self.first_sip_answer(effect));
        seen.extend(self.first_xmpp_answer());
        seen.extend(self.registered());
        let new_call = self.of("new_call").filter_map(|outage| outage.end_ns).min();
        seen.extend(new_call.map(|at| ("first_new_call", at, "200 to a planned INVITE, history.jsonl".to_owned())));
        seen.extend(self.media("media_to_caller", Direction::ToCaller));
        seen.extend(self.media("media_to_callee", Direction::ToCallee));
        seen.extend(self.stable());
        seen
    }

    fn first_advert(&self) -> Option<Seen> {
        let adverts = &self.evidence.claims.adverts;
        let old = adverts.iter().rev().find(|claim| claim.at <= self.start).map(|claim| &claim.who);
        let new = adverts.iter().find(|claim| self.inside(claim.at) && old != Some(&claim.who))?;
        Some(("first_advert", new.at, format!("VRRP advert of {}, {}", new.who, new.place)))
    }

    /// What the nodes told each other of the one that was hit.
    fn membership(&self) -> Vec<Seen> {
        let said = &self.evidence.membership;
        let first = |from, wanted: &dyn Fn(&Sign) -> bool| said.first(from, self.end, |said| wanted(&said.sign));
        let lost = first(self.start, &|sign| *sign == Sign::TokenLost);
        let agreed = lost.and_then(|lost| first(lost.at, &|sign| *sign == Sign::Agreed));
        let dead = first(self.start, &|sign| matches!(sign, Sign::Dead(_)));
        let told = [
            lost.map(|said| ("token_lost", said, "join message")),
            agreed.map(|said| ("membership", said, "commit token")),
            dead.map(|said| ("declared_dead", said, "stonith message")),
        ];
        let told = told.into_iter().flatten();
        told.map(|(phase, said, what)| (phase, said.at, format!("{what} of {}, {}", said.who, said.place))).collect()
    }

    /// The one that goes with the new owner's first advert; where no adverts are seen at all, the first one.
    fn first_garp(&self, advert: Option<RunTime>) -> Option<Seen> {
        let claims = &self.evidence.claims;
        let with = advert.and_then(|at| claims.announced_with(at));
        let wanted = |claim: &&Claim| match with {
            Some(at) => claim.at == at,
            None => claims.adverts.is_empty() && self.inside(claim.at),
        };
        let claim = claims.announcements.iter().find(wanted)?;
        Some(("first_garp", claim.at, format!("gratuitous ARP of {}, {}", claim.who, claim.place)))
    }

    /// The first packet of any kind after a time in which none came in at all.
    fn reachable(&self) -> Option<Seen> {
        let inbound = &self.evidence.inbound;
        let from = inbound.partition_point(|at| *at < self.start).saturating_sub(1);
        let until = inbound.partition_point(|at| *at < self.end);
        let silence = inbound.get(from..until)?.windows(2).find(|pair| pair[1] - pair[0] > UNREACHABLE)?;
        let prompt = silence[0] <= self.command_end + EFFECT_WITHIN;
        let what = "first packet of any kind after none came in, taps.pcapng".to_owned();
        prompt.then_some(("reachable", silence[1], what))
    }

    /// Any answer, be it a 503, to a request that was sent after the effect and after the command: the last
    /// sign of the dead node need not be an answer, and one may have come between.
    fn first_sip_answer(&self, effect: RunTime) -> Option<Seen> {
        let out = ["sip_answer", "register", "new_call"].iter().any(|service| self.of(service).next().is_some());
        let answers = self.operations.values().filter_map(|life| {
            let (at, op) = life.end.as_ref()?;
            let after = life.invoked.is_some_and(|invoked| invoked > effect.max(self.start)) && *at < self.end;
            op.code.filter(|_| after).map(|code| (*at, code, op))
        });
        let (at, code, op) = answers.min_by_key(|(at, _, op)| (*at, op.op)).filter(|_| out)?;
        let node = op.node.as_ref().map(|node| format!(" by {node}")).unwrap_or_default();
        Some(("first_sip_answer", at, format!("{code} to operation {}{node}, history.jsonl", op.op)))
    }

    fn first_xmpp_answer(&self) -> Option<Seen> {
        self.of("chat_session").next()?;
        self.evidence.events.iter().filter(|event| self.inside(event.t_ns)).find_map(|event| match &event.what {
            What::Session(session) if matches!(session.state, SessionState::Up | SessionState::Resumed) => {
                let what = format!("{} has a session again, history.jsonl", session.chatter);
                Some(("first_xmpp_answer", event.t_ns, what))
            }
            _ => None,
        })
    }

    /// When half, 95 % and all of the phones that registered after the fault had done so once.
    fn registered(&self) -> Vec<Seen> {
        if self.of("register").next().is_none() {
            return Vec::new();
        }
        let mut first: BTreeMap<&str, Option<RunTime>> = BTreeMap::new();
        let due = |life: &&OpLife| life.kind == OpKind::Register && self.inside(life.planned);
        for life in self.operations.values().filter(due) {
            let success = life.success().filter(|at| *at < self.end);
            let earliest = first.entry(&life.actor).or_default();
            *earliest = [*earliest, success].into_iter().flatten().min();
        }
        let mut times: Vec<RunTime> = first.values().flatten().copied().collect();
        times.sort_unstable();
        let at = |share: f64| times.get(((share * first.len() as f64).ceil() as usize).saturating_sub(1)).copied();
        let names = [("registered_50", 0.5), ("registered_95", 0.95), ("registered_all", 1.0)];
        let all = first.len();
        let what = |share: f64| {
            format!("{:.0} % of {all} phones have registered since the fault, history.jsonl", share * 100.0)
        };
        names.into_iter().filter_map(|(name, share)| Some((name, at(share)?, what(share)))).collect()
    }

    fn media(&self, name: &'static str, direction: Direction) -> Option<Seen> {
        let of: Vec<&Outage> = self.of("media").filter(|outage| outage.direction == Some(direction)).collect();
        let first = of.iter().filter(|outage| outage.end_ns.is_some()).min_by_key(|outage| outage.end_ns)?;
        let what = format!("RTP of {} again, the first of {} streams, taps.pcapng", first.scope, of.len());
        Some((name, first.end_ns?, what))
    }

    /// All services that this fault took are back.
    fn stable(&self) -> Option<Seen> {
        let ends: Option<Vec<RunTime>> = self.outages.iter().map(|outage| outage.end_ns).collect();
        let at = ends?.into_iter().max()?;
        Some(("stable", at, format!("the last of {} outages ended", self.outages.len())))
    }

    fn inside(&self, at: RunTime) -> bool {
        at > self.start && at < self.end
    }
}

fn to(direction: Direction) -> &'static str {
    match direction {
        Direction::ToCallee => "to the callee",
        Direction::ToCaller => "to the caller",
    }
}
