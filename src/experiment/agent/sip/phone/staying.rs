//! Staying registered: refresh, retry and recover by itself, as the phone's behaviour says.

use super::behaviour::{Behaviour, Reaction};
use super::keepalive::Watch;
use super::ops::Record;
use super::registering::Start;
use super::targets::Walk;
use super::{Phone, Transport};
use crate::experiment::agent::sip::transaction::Peer;
use crate::units::{RunTime, Span};
use crate::wire::sip::{Message, parameter};

/// Nobody waits for a registration that the phone makes by itself; its transactions end it.
const NO_PATIENCE: Span = Span::from_secs(86_400);

/// One registration that is kept up (a flow of RFC 5626, where there are several).
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Where it was registered last.
    pub(super) target: Option<usize>,
    /// The last REGISTER was accepted, and nothing has been missed since.
    pub(super) up: bool,
    /// Failures in a row.
    failures: u32,
    /// When the next REGISTER is due.
    pub(super) due: Option<RunTime>,
    /// The operation that is under way.
    busy: Option<u64>,
    /// It was registered before.
    settled: bool,
    /// A target that was silent: it is tried last.
    avoid: Option<usize>,
    pub(super) watch: Watch,
}

impl Phone {
    /// Registers and stays registered. Told again, it registers anew at once.
    pub(super) fn stay_registered(&mut self, now: RunTime, op: u64, planned: RunTime) {
        let Some(behaviour) = &self.config.behaviour else { return };
        let count = (behaviour.flows as usize).clamp(1, self.targets.len().max(1));
        self.flows.resize_with(count, Flow::default);
        for flow in 0..count {
            if let Some(busy) = self.flows[flow].busy.take() {
                self.abandon_register(now, busy, "asked again");
            }
            let op = if flow == 0 { op } else { self.numbers.next() };
            self.begin_flow(now, flow, op, planned);
        }
    }

    fn begin_flow(&mut self, now: RunTime, flow: usize, op: u64, planned: RunTime) {
        let Some(expires_s) = self.config.behaviour.as_ref().map(|behaviour| behaviour.expires_s) else { return };
        let mut walk = if self.flows.len() > 1 { Walk::only(flow) } else { self.targets.walk(now, &mut self.tokens) };
        let state = &mut self.flows[flow];
        let avoid = state.avoid.take();
        walk.prefer(|target| Some(target) != avoid);
        (state.due, state.busy) = (None, Some(op));
        let record = Record { op, kind: self.config.register_kind, planned, call: None };
        let (deadline, flow) = (planned + NO_PATIENCE, Some(flow));
        self.begin_register(now, Start { record, expires_s, deadline, flow, walk });
    }

    /// Registers again whatever is due.
    pub(super) fn register_due_flows(&mut self, now: RunTime) {
        for flow in 0..self.flows.len() {
            if self.flows[flow].due.is_some_and(|due| due <= now) {
                let op = self.numbers.next();
                self.begin_flow(now, flow, op, now);
            }
        }
    }

    pub(super) fn flow_registered(&mut self, now: RunTime, flow: usize, target: usize, response: &Message<'_>) {
        let Some(behaviour) = &self.config.behaviour else { return };
        let refresh = behaviour.refresh_after(granted(behaviour, response));
        let new = behaviour.long_up && self.flows.get(flow).is_some_and(|state| !state.settled);
        let [of_refresh, of_ping] = [0, 1].map(|_| if new { self.tokens.share() } else { 1.0 });
        let refresh = Span((refresh.as_nanos() as f64 * of_refresh) as i64);
        let begun = Watch::begin(now, behaviour.keepalive, of_ping);
        let several = self.flows.len() > 1;
        let Some(state) = self.flows.get_mut(flow) else { return };
        let due = Some(now + refresh);
        // Pings keep their own time: a phone that registers often must not forget them.
        let watch = if state.up { state.watch.proved() } else { begun };
        *state = Flow { target: Some(target), up: true, due, watch, settled: true, ..Flow::default() };
        if !several {
            self.targets.worked = Some(target);
        }
    }

    /// A REGISTER failed for good: the next one is due after the behaviour's wait, or when the server said.
    pub(super) fn flow_failed(&mut self, now: RunTime, flow: usize, retry_after: Option<Span>) {
        let Some(behaviour) = &self.config.behaviour else { return };
        let other = self.flows.iter().enumerate().any(|(at, state)| at != flow && state.up);
        let Some(state) = self.flows.get_mut(flow) else { return };
        state.failures += 1;
        let (failures, draw, shift) = (state.failures, self.tokens.share(), self.tokens.share());
        let wait = retry_after.unwrap_or_else(|| behaviour.retry.wait(failures, other, draw, shift));
        (state.up, state.busy, state.due) = (false, None, Some(now + wait));
        state.watch = Watch::default();
        if self.flows.len() == 1 {
            self.targets.worked = None;
        }
    }

    /// The way to the server is known to be gone, without a REGISTER that failed: a new flow is made at once
    /// (RFC 5626 §4.5, no failures yet), or after the behaviour's first wait.
    pub(super) fn flow_lost(&mut self, now: RunTime, flow: usize) {
        let Some(behaviour) = &self.config.behaviour else { return };
        let wait = behaviour.retry.first.unwrap_or(Span::ZERO);
        let Some(state) = self.flows.get_mut(flow) else { return };
        (state.up, state.avoid, state.watch) = (false, state.target, Watch::default());
        let busy = state.busy;
        if busy.is_none() {
            state.due = Some(now + wait);
        }
        if self.flows.len() == 1 {
            self.targets.worked = None;
        }
        // What was under way on it has failed with it.
        if let Some(op) = busy {
            self.register_unanswered(now, op, "flow lost");
        }
    }

    /// What a REGISTER does whose target failed it.
    pub(super) fn register_reaction(&self, unavailable: bool) -> Reaction {
        let reactions = self.config.behaviour.as_ref().map(|behaviour| behaviour.register);
        reactions.map_or(Reaction::GiveUp, |of| if unavailable { of.unavailable } else { of.timeout })
    }

    /// What a call does whose target failed it. Over a connection it has no other way than the registered one.
    pub(super) fn call_reaction(&self, unavailable: bool) -> Reaction {
        if self.config.transport == Transport::Tcp {
            return Reaction::GiveUp;
        }
        let reactions = self.config.behaviour.as_ref().map(|behaviour| behaviour.call);
        reactions.map_or(Reaction::GiveUp, |of| if unavailable { of.unavailable } else { of.timeout })
    }

    /// The order of targets for a call: those that a flow of ours stands with come first.
    pub(super) fn call_walk(&mut self, now: RunTime) -> Walk {
        let mut walk = self.targets.walk(now, &mut self.tokens);
        if self.flows.len() > 1 {
            walk.prefer(|target| self.flows.iter().any(|flow| flow.up && flow.target == Some(target)));
        }
        walk
    }

    /// The server asked for rest: how long, where the phone cares.
    pub(super) fn rest(&mut self, now: RunTime, target: usize, response: &Message<'_>) -> Option<Span> {
        let honours = self.config.behaviour.as_ref().is_some_and(|behaviour| behaviour.honours_retry_after);
        let header = response.header("Retry-After").filter(|_| honours)?;
        let digits: String = header.trim().chars().take_while(char::is_ascii_digit).collect();
        let rest = Span::from_secs(digits.parse::<u32>().ok()?.into());
        self.targets.shun(target, now + rest);
        Some(rest)
    }

    /// The network says that nobody is at `peer` (ICMP, RFC 3261 §18.4).
    pub(super) fn unreachable(&mut self, now: RunTime, peer: Peer) {
        if self.config.behaviour.is_some() {
            "unreachable".clone_into(&mut self.link.lost_by);
            self.layer.peer_lost(peer);
            self.settle(now);
        }
    }

    pub(super) fn flows_wake_at(&self) -> Option<RunTime> {
        self.flows.iter().flat_map(|flow| flow.due.into_iter().chain(flow.watch.wake_at())).min()
    }
}

/// The lifetime that the server granted: the Contact's own, else the header's, else what was asked for.
fn granted(behaviour: &Behaviour, response: &Message<'_>) -> Span {
    let of_contact = response.contact().and_then(|contact| parameter(contact.parameters, "expires"));
    let of_header = response.header("Expires");
    let text = of_contact.or(of_header.as_deref());
    let granted: Option<u32> = text.and_then(|text| text.trim().parse().ok());
    Span::from_secs(granted.unwrap_or(behaviour.expires_s).into())
}
