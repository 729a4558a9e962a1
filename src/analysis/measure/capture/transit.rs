//! How long media take through a server that gives them new SSRC, numbers and timestamps, as a back-to-back user agent
//! does: packets of both legs are known again by their payload.
//!
//! Both stamps must be of one file, thus of one clock: then the difference of two stamps is off by less than one unit
//! of the stamps. The capture is read a second time, and only where a host sent on what it had received (`relays`).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use super::index::Folding;
use super::streams::Flow;
use crate::analysis::measure::figures::{mean, percentile};
use crate::analysis::measure::model::{Caveat, Delay, Transit};
use crate::units::{RunTime, Span};
use crate::wire::limits::MOST_IN_TRANSIT;
use crate::wire::rtp::Rtp;

/// A server that holds a packet for longer is a voice box.
const LONGEST: Span = Span::from_secs(1);
/// Octets by which a payload is known: all of G.729's, a seventh of G.711's.
pub(super) const KEY: usize = 20;
/// Fewer packets of a pair may match by chance.
const LEAST_MATCHES: usize = 10;
/// Delays of one pair that are kept; of more, every second, fourth … is.
const MOST_DELAYS: usize = 20_000;

type Key = [u8; KEY];

/// The flows between which packets are looked for, by number.
#[derive(Debug, Default)]
pub(super) struct Routes {
    flows: Vec<Route>,
    span: (RunTime, RunTime),
    numbers: HashMap<Flow, usize, Folding>,
    waiting: HashMap<Key, Waiting, Folding>,
    order: VecDeque<(RunTime, Key)>,
    pairs: BTreeMap<(usize, usize), Matches>,
    /// Matches whose stamps are of two files.
    two_clocks: u64,
    /// Whether a stamp had nanoseconds.
    nanoseconds: bool,
}

#[derive(Debug)]
struct Route {
    flow: Flow,
    call: Option<u64>,
    into: bool,
    out: bool,
    /// Packets with a payload of their own that came in.
    entered: u64,
}

/// A packet that came to a server.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    at: RunTime,
    file: usize,
    route: usize,
    number: (u32, u16),
    /// Another packet had the same payload, or this one has left already.
    spent: bool,
}

#[derive(Debug, Default)]
struct Matches {
    count: u64,
    delays: Vec<f64>,
    /// Every how manyth match is kept, less one.
    skipping: u64,
}

impl Routes {
    /// Flows that may be two legs of one medium: into a host, and from it to another one.
    /// `span` is the measured time.
    pub(super) fn new(flows: impl Iterator<Item = (Flow, Option<u64>)>, span: (RunTime, RunTime)) -> Routes {
        let flows: Vec<(Flow, Option<u64>)> = flows.collect();
        let mut from: BTreeMap<IpAddr, Vec<IpAddr>> = BTreeMap::new();
        let mut to: BTreeMap<IpAddr, Vec<IpAddr>> = BTreeMap::new();
        for (flow, _) in &flows {
            from.entry(flow.source.ip()).or_default().push(flow.destination.ip());
            to.entry(flow.destination.ip()).or_default().push(flow.source.ip());
        }
        let another =
            |hosts: Option<&Vec<IpAddr>>, but: IpAddr| hosts.is_some_and(|all| all.iter().any(|ip| *ip != but));
        let mut routes = Routes { span, ..Routes::default() };
        for (flow, call) in flows {
            let (source, destination) = (flow.source.ip(), flow.destination.ip());
            let into = another(from.get(&destination), source);
            let out = another(to.get(&source), destination);
            if into || out {
                routes.numbers.insert(flow, routes.flows.len());
                routes.flows.push(Route { flow, call, into, out, entered: 0 });
            }
        }
        routes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Takes a packet of the second reading.
    pub(super) fn packet(&mut self, at: RunTime, file: usize, flow: Flow, rtp: &Rtp<'_>) {
        if at < self.span.0 || at > self.span.1 {
            return;
        }
        self.nanoseconds |= at.as_nanos() % 1000 != 0;
        let Some(&route) = self.numbers.get(&flow) else { return };
        let Some(key) = key(rtp.payload) else { return };
        self.forget(at);
        if self.flows[route].out {
            self.leave(at, file, route, &key);
        }
        if self.flows[route].into && self.order.len() < MOST_IN_TRANSIT {
            self.enter(Waiting { at, file, route, number: (rtp.ssrc, rtp.sequence), spent: false }, key);
        }
    }

    fn forget(&mut self, now: RunTime) {
        while let Some((at, key)) = self.order.front().filter(|(at, _)| now - *at > LONGEST) {
            if self.waiting.get(key).is_some_and(|waiting| waiting.at == *at) {
                self.waiting.remove(key);
            }
            self.order.pop_front();
        }
    }

    fn enter(&mut self, packet: Waiting, key: Key) {
        match self.waiting.get_mut(&key) {
            // The copy of a mirror port.
            Some(known) if known.route == packet.route && known.number == packet.number => {}
            Some(known) => {
                if !known.spent {
                    self.flows[known.route].entered -= 1;
                }
                known.spent = true;
            }
            None => {
                self.flows[packet.route].entered += 1;
                self.order.push_back((packet.at, key));
                self.waiting.insert(key, packet);
            }
        }
    }

    fn leave(&mut self, at: RunTime, file: usize, route: usize, key: &Key) {
        let Some(known) = self.waiting.get_mut(key).filter(|known| !known.spent) else { return };
        let (into, out) = (&self.flows[known.route].flow, &self.flows[route].flow);
        let through = into.destination.ip() == out.source.ip() && into.source != out.destination;
        if !through || at < known.at {
            return;
        }
        if known.file != file {
            self.two_clocks += 1;
            return;
        }
        let pair = (known.route, route);
        self.pairs.entry(pair).or_default().push((at - known.at).as_millis_f64());
    }

    /// What the second reading found. `stepped` when the capture's clock was not steady: then there is no bound.
    pub(super) fn transits(self, stepped: bool) -> (Vec<Transit>, Option<Caveat>) {
        let error_ms = if self.nanoseconds { 1e-6 } else { 1e-3 };
        let found = self.pairs.iter().filter(|(_, matches)| matches.count >= LEAST_MATCHES as u64);
        let transits = found.map(|((into, out), matches)| {
            let (into, out) = (&self.flows[*into], &self.flows[*out]);
            Transit {
                src: into.flow.source.to_string(),
                via_in: into.flow.destination.to_string(),
                via_out: out.flow.source.to_string(),
                dst: out.flow.destination.to_string(),
                call_in: into.call,
                call_out: out.call,
                entered: into.entered,
                left: matches.count,
                delay: if stepped { None } else { matches.delay(error_ms) },
            }
        });
        let caveat = (self.two_clocks > 0).then(|| Caveat {
            text: format!(
                "{} packets left a server in another file than that in which they came to it: two files are two clocks, \
                 and no delay is given",
                self.two_clocks
            ),
            remedy: "capture both sides of the server on one host into one file".to_owned(),
            voids: false,
        });
        (transits.collect(), caveat)
    }
}

impl Matches {
    fn push(&mut self, delay_ms: f64) {
        if self.count.is_multiple_of(self.skipping + 1) {
            if self.delays.len() == MOST_DELAYS {
                self.delays = self.delays.iter().step_by(2).copied().collect();
                self.skipping = self.skipping * 2 + 1;
            }
            self.delays.push(delay_ms);
        }
        self.count += 1;
    }

    fn delay(&self, error_ms: f64) -> Option<Delay> {
        let mut sorted = self.delays.clone();
        sorted.sort_by(f64::total_cmp);
        Some(Delay {
            n: sorted.len() as u64,
            mean_ms: mean(sorted.iter().copied())?,
            p50_ms: percentile(&sorted, 0.5)?,
            p95_ms: percentile(&sorted, 0.95)?,
            max_ms: *sorted.last()?,
            error_ms,
            method: "one clock, both legs in one file, matched by payload".to_owned(),
        })
    }
}

/// What a payload is known by; `None` where it is too short, or is silence (one octet over and over).
fn key(payload: &[u8]) -> Option<Key> {
    let key: Key = payload.get(..KEY)?.try_into().ok()?;
    key.iter().any(|octet| *octet != key[0]).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::pcap::Sense;

    const SPAN: (RunTime, RunTime) = (RunTime::ZERO, RunTime::from_millis(10_000));

    fn flow(source: &str, destination: &str) -> Flow {
        Flow { source: source.parse().unwrap(), destination: destination.parse().unwrap(), sense: Sense::Unknown }
    }

    fn rtp(payload: &[u8], sequence: u16) -> Rtp<'_> {
        Rtp { payload_type: 8, marker: false, sequence, timestamp: 0, ssrc: 1, payload }
    }

    fn payload(k: u8) -> Vec<u8> {
        (0..40).map(|octet: u8| octet.wrapping_mul(7).wrapping_add(k)).collect()
    }

    fn legs() -> (Flow, Flow, Routes) {
        let (into, out) = (flow("10.0.0.1:4000", "10.0.0.9:7000"), flow("10.0.0.9:7002", "10.0.0.2:4002"));
        let back = flow("10.0.0.9:7000", "10.0.0.1:4000");
        (into, out, Routes::new([into, out, back].into_iter().map(|flow| (flow, None)), SPAN))
    }

    /// Each of 20 packets leaves the server `after_us` later.
    fn pass(
        routes: &mut Routes,
        (into, out): (Flow, Flow),
        after_us: i64,
        out_file: usize,
        of: impl Fn(u8) -> Vec<u8>,
    ) {
        for k in 0..20u8 {
            let at = RunTime::from_millis(i64::from(k) * 20);
            let payload = of(k);
            routes.packet(at, 0, into, &rtp(&payload, k.into()));
            routes.packet(at, 0, into, &rtp(&payload, k.into()));
            routes.packet(at + Span(after_us * 1000), out_file, out, &rtp(&payload, 500 + u16::from(k)));
        }
    }

    #[test]
    fn a_packet_is_known_again_behind_the_server() {
        let (into, out, mut routes) = legs();
        pass(&mut routes, (into, out), 1500, 0, payload);
        let (transits, caveat) = routes.transits(false);
        assert_eq!((transits.len(), caveat), (1, None));
        assert_eq!((transits[0].entered, transits[0].left), (20, 20));
        let delay = transits[0].delay.as_ref().unwrap();
        assert_eq!((delay.n, delay.p50_ms, delay.max_ms, delay.error_ms), (20, 1.5, 1.5, 0.001));
    }

    #[test]
    fn no_delay_is_given_across_two_clocks_or_a_stepped_one() {
        let (into, out, mut routes) = legs();
        pass(&mut routes, (into, out), 1500, 1, payload);
        let (transits, caveat) = routes.transits(false);
        assert!(transits.is_empty() && caveat.unwrap().text.contains("20 packets"));
        let (into, out, mut routes) = legs();
        pass(&mut routes, (into, out), 1500, 0, payload);
        assert_eq!(routes.transits(true).0[0].delay, None);
    }

    #[test]
    fn payloads_that_repeat_tell_nothing() {
        let (into, out, mut routes) = legs();
        pass(&mut routes, (into, out), 1500, 0, |_| vec![0xd5; 160]);
        let tone = |k: u8| (0..160).map(|octet: u8| octet.wrapping_mul(k % 2 + 1)).collect();
        pass(&mut routes, (into, out), 30_000, 0, tone);
        assert!(routes.transits(false).0.is_empty());
    }

    #[test]
    fn two_hosts_that_only_talk_to_each_other_have_no_server_between_them() {
        let there = flow("10.0.0.1:4000", "10.0.0.2:4002");
        let back = flow("10.0.0.2:4002", "10.0.0.1:4000");
        assert!(Routes::new([(there, None), (back, None)].into_iter(), SPAN).is_empty());
    }
}
