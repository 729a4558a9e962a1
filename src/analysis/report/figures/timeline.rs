//! Timelines of one trial: a lane per service for papers, a lane for everything on the page.

use crate::analysis::measure::model::{CallMeasured, ChatterMeasured, FaultMeasured, Measured, Outage, StreamMeasured};
use crate::analysis::report::assemble::{ROW_NAMES, row_of};
use crate::analysis::report::model::Report;
use crate::analysis::report::words;
use crate::evidence::history::{Direction, OpKind};
use crate::units::RunTime;

use super::data::{Axis, FigureData, Glyph, Legend, Mark, Panel, Role, Vertical};
use super::which_trial;

/// More calls or chatters than this do not fit a page; those that were hit come first.
const MOST_LANES: usize = 40;

/// A lane per service, every user's outage a bar in it.
pub(super) fn of_services(report: &Report) -> FigureData {
    let Some(trial) = report.trials.first() else { return empty("timeline", "Outages over time") };
    let mut lanes = Lanes::of(&trial.measured);
    for name in ROW_NAMES {
        let outages: Vec<&Outage> =
            lanes.measured.outages.iter().filter(|outage| row_of(outage) == Some(name)).collect();
        if !outages.is_empty() {
            lanes.service(name, &outages);
        }
    }
    let caption = format!(
        "{}One bar for each user without the service; grey: from the fault until the address is back. An arrow: not back \
         when the window ended.",
        which_trial(report, trial)
    );
    lanes.figure("timeline", "Outages over time", caption, false)
}

/// Owners, services, calls, streams of no call, and chatters of one trial or capture, a lane each.
#[must_use]
pub fn every_lane(measured: &Measured) -> FigureData {
    let mut lanes = Lanes::of(measured);
    lanes.owners();
    for name in
        ["address", "sip_answer", "register", "new_call", "idle_registered", "idle_can_call", "idle_can_be_called"]
    {
        let outages: Vec<&Outage> =
            lanes.measured.outages.iter().filter(|outage| row_of(outage) == Some(name)).collect();
        if !outages.is_empty() {
            lanes.service(name, &outages);
        }
    }
    let left_out = lanes.calls();
    let without_call = lanes.streams();
    let silent = lanes.chatters();
    let halves = "Upper half of a call: what the caller hears; lower half: what the callee hears.";
    let mut caption = if measured.calls.is_empty() { String::new() } else { halves.to_owned() };
    if left_out > 0 {
        caption.push_str(&format!(" {left_out} further calls are in tables/calls.csv."));
    }
    if without_call > 0 {
        caption.push_str(&format!(" {without_call} further streams are in tables/streams.csv."));
    }
    if silent > 0 {
        caption.push_str(&format!(" {silent} further chatters are in report.json."));
    }
    lanes.figure("everything", "Second by second", caption, true)
}

struct Lanes<'a> {
    measured: &'a Measured,
    zero: RunTime,
    start_s: f64,
    end_s: f64,
    names: Vec<String>,
    marks: Vec<Mark>,
}

impl<'a> Lanes<'a> {
    fn of(measured: &'a Measured) -> Lanes<'a> {
        let (zero, (start, end)) = (measured.zero(), measured.span());
        let (start_s, end_s) = ((start - zero).as_secs_f64(), (end - zero).as_secs_f64());
        let mut lanes = Lanes { measured, zero, start_s, end_s, names: Vec::new(), marks: Vec::new() };
        for fault in &measured.faults {
            lanes.fault(fault);
        }
        lanes
    }

    fn s(&self, at: RunTime) -> f64 {
        (at - self.zero).as_secs_f64()
    }

    fn fault(&mut self, fault: &FaultMeasured) {
        let reachable = |outage: &&Outage| {
            outage.fault == Some(fault.fault) && ["address", "sip_answer"].contains(&outage.service.as_str())
        };
        let from = self.s(fault.command_start_ns);
        let back = self
            .measured
            .outages
            .iter()
            .find(reachable)
            .map(|outage| outage.end_ns.map_or(self.end_s, |end| self.s(end)));
        let what = format!("{} of {} at {from:.3} s", words::fault(&fault.kind), fault.node);
        self.marks.push(Mark::Band {
            from,
            to: back.unwrap_or(from).max(from),
            title: format!("{what}; nobody answers"),
        });
        let label = format!("{} off", fault.node);
        let label =
            if fault.kind == "power_off" { label } else { format!("{}: {}", fault.node, words::fault(&fault.kind)) };
        let label = words::clip(&label, 30);
        self.marks.push(Mark::Rule { x: from, role: Role::Ink, dashed: false, label, title: what });
    }

    fn lane(&mut self, name: String) -> usize {
        self.names.push(words::clip(&name, 26));
        self.names.len() - 1
    }

    fn service(&mut self, name: &str, outages: &[&Outage]) {
        let lane = self.lane(words::service(name).to_owned());
        let mut users: Vec<&str> = outages.iter().map(|outage| outage.scope.as_str()).collect();
        users.sort_unstable();
        users.dedup();
        for outage in outages {
            let slot = users.iter().position(|user| *user == outage.scope).unwrap_or(0);
            self.outage(lane, (slot, users.len()), outage);
        }
    }

    fn outage(&mut self, lane: usize, slot: (usize, usize), outage: &Outage) {
        let (from, open) = (self.s(outage.start_ns), outage.censored && !outage.left);
        let last_known = if outage.left { from + outage.duration_ms / 1e3 } else { self.end_s };
        let to = outage.end_ns.map_or(last_known, |end| self.s(end));
        let title = outage_title(outage);
        self.marks.push(Mark::Bar { lane, slot, from, to, open, role: Role::Outage, title });
    }

    fn owners(&mut self) {
        let owners = &self.measured.owners;
        let mut nodes: Vec<&String> = Vec::new();
        for node in owners.iter().flat_map(|owner| &owner.nodes) {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        for node in nodes {
            let lane = self.lane(format!("owner {node}"));
            for owner in owners.iter().filter(|owner| owner.nodes.contains(node)) {
                let (from, to) = (self.s(owner.start_ns).max(self.start_s), self.s(owner.end_ns));
                let role = if owner.nodes.len() > 1 { Role::Worst } else { Role::Up };
                let others = if owner.nodes.len() > 1 { ", another one too: split brain" } else { "" };
                let title = format!("{node} holds the address from {from:.3} to {to:.3} s{others} ({})", owner.source);
                self.marks.push(Mark::Bar { lane, slot: (0, 1), from, to, open: false, role, title });
            }
        }
    }

    /// Standing calls, new calls that were hit, and every call of a capture; returns how many had no room.
    fn calls(&mut self) -> usize {
        let measured = self.measured;
        let outages_of = |call: &CallMeasured| -> Vec<&'a Outage> {
            let scope = format!("call {}", call.call);
            measured.outages.iter().filter(|outage| outage.service == "media" && outage.scope == scope).collect()
        };
        let shown = |call: &&CallMeasured| call.kind != Some(OpKind::NewCall) || !outages_of(call).is_empty();
        let mut calls: Vec<&CallMeasured> = measured.calls.iter().filter(shown).collect();
        calls.sort_by_key(|call| outages_of(call).is_empty());
        for call in calls.iter().take(MOST_LANES) {
            let lane = self.lane(format!("call {}", call.call));
            if let Some(answered) = call.answered_ns {
                let (from, to) = (
                    self.s(answered).max(self.start_s),
                    call.ended_ns.map_or(self.end_s, |end| self.s(end)).min(self.end_s),
                );
                let title = format!("call {}, {} and {}, talks", call.call, call.caller, call.callee);
                self.marks.push(up(lane, from, to, title));
            }
            for outage in outages_of(call) {
                let slot = usize::from(outage.direction == Some(Direction::ToCallee));
                self.outage(lane, (slot, 2), outage);
            }
        }
        calls.len().saturating_sub(MOST_LANES)
    }

    /// Streams of no call, those with outages first; returns how many had no room.
    fn streams(&mut self) -> usize {
        let measured = self.measured;
        let outages_of = |stream: &StreamMeasured| -> Vec<&'a Outage> {
            let scope = stream.scope();
            measured.outages.iter().filter(|outage| outage.service == "media" && outage.scope == scope).collect()
        };
        let alone = measured.streams.iter().filter(|stream| stream.call.is_none() && stream.signed_stream.is_none());
        let mut streams: Vec<&StreamMeasured> = alone.collect();
        streams.sort_by_key(|stream| outages_of(stream).is_empty());
        for stream in streams.iter().take(MOST_LANES) {
            let lane = self.lane(format!("{:#010x}", stream.ssrc));
            let title = format!("{} from {} to {}", stream.codec.as_deref().unwrap_or("RTP"), stream.src, stream.dst);
            self.marks.push(up(lane, self.s(stream.start_ns), self.s(stream.end_ns), title));
            for outage in outages_of(stream) {
                self.outage(lane, (0, 1), outage);
            }
        }
        streams.len().saturating_sub(MOST_LANES)
    }

    /// Chatters, those that were cut off first where there are too many; returns how many had no room.
    fn chatters(&mut self) -> usize {
        let measured = self.measured;
        let outages_of = |chatter: &ChatterMeasured| -> Vec<&'a Outage> {
            let is_of = |outage: &&Outage| outage.service == "chat_session" && outage.scope == chatter.chatter;
            measured.outages.iter().filter(is_of).collect()
        };
        let mut chatters: Vec<&ChatterMeasured> = measured.chatters.iter().collect();
        if chatters.len() > MOST_LANES {
            chatters.sort_by_key(|chatter| (!chatter.half_open, outages_of(chatter).is_empty()));
        }
        for chatter in chatters.iter().take(MOST_LANES) {
            let lane = self.lane(chatter.chatter.clone());
            self.sessions(lane, chatter);
            for outage in outages_of(chatter) {
                self.outage(lane, (0, 1), outage);
            }
        }
        chatters.len().saturating_sub(MOST_LANES)
    }

    fn sessions(&mut self, lane: usize, chatter: &ChatterMeasured) {
        for (start, end) in &chatter.sessions {
            let (from, to) =
                (self.s(*start).max(self.start_s), end.map_or(self.end_s, |end| self.s(end)).min(self.end_s));
            let title = format!("{} has a session", chatter.chatter);
            self.marks.push(up(lane, from, to, title));
        }
    }

    fn figure(self, name: &'static str, title: &str, caption: String, everything: bool) -> FigureData {
        let mut legend = vec![
            Legend { glyph: Glyph::Box, role: Role::Outage, text: "without service" },
            Legend { glyph: Glyph::Box, role: Role::Fault, text: "nobody answers" },
        ];
        if everything {
            legend.insert(0, Legend { glyph: Glyph::Box, role: Role::Up, text: "owns the address" });
            legend.insert(
                1,
                Legend { glyph: Glyph::Box, role: Role::Worst, text: "owns it beside another: split brain" },
            );
            legend.insert(2, Legend { glyph: Glyph::Box, role: Role::Plain, text: "call or session up" });
        }
        let drawn = |legend: &Legend| self.marks.iter().any(|mark| mark.role() == legend.role);
        legend.retain(drawn);
        let since = if self.measured.window.is_some() { "the start of the window" } else { "the first packet" };
        let x = Axis::linear(format!("time since {since}, s"), self.start_s, self.end_s);
        let panel =
            Panel { title: String::new(), x, y: Vertical::Lanes(self.names), notes: Vec::new(), marks: self.marks };
        FigureData { name, title: title.to_owned(), caption, legend, panels: vec![panel] }
    }
}

/// A thin line while a call talks or a session is up, so that faults show behind it.
fn up(lane: usize, from: f64, to: f64, title: String) -> Mark {
    Mark::Bar { lane, slot: (1, 3), from, to, open: false, role: Role::Plain, title }
}

/// What stands at a pointer: who, how long, by which estimator, how exact.
fn outage_title(outage: &Outage) -> String {
    let hung_up = if outage.left { ", then hung up" } else { "" };
    let length =
        if outage.censored { words::longer_than(outage.duration_ms) } else { format!("{:.1} ms", outage.duration_ms) };
    let hears = outage.direction.map_or("", words::hears);
    let who = if outage.scope == "all" { String::new() } else { format!(" of {}", outage.scope) };
    let service = words::service(&outage.service);
    format!("{service}{who}{hears}: {length}{hung_up} ± {:.1} ms, {}", outage.error_ms, outage.method.replace('_', " "))
}

fn empty(name: &'static str, title: &str) -> FigureData {
    FigureData { name, title: title.to_owned(), caption: String::new(), legend: Vec::new(), panels: Vec::new() }
}
