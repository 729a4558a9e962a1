//! `[design]`: the trial around its faults. A trial is warm-up, baseline, fault, recovery held for `validate`, and
//! cool-down; one whose cluster was not healthy before the fault, or whose traffic was too thin, is void.

use std::ops::Range;

use serde::Deserialize;
use serde_spanned::Spanned;

use super::error::Complaint;
use super::{Cluster, Duration, EngineTimers, Need, Scenario, Traffic};
use crate::units::Span;

/// How a trial is made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Design {
    /// How long standing calls talk and chatters are logged in before the window begins; not measured.
    pub warm_up: Duration,
    /// Least time of the window before the first fault. The cluster must be healthy in it: it is what outages are
    /// held against.
    pub baseline: Duration,
    /// Signs of each service (answers, registrations, calls set up, messages) that the time before the first fault
    /// must show: with fewer the traffic is too thin to tell that the service was there.
    pub least_signs: u32,
    /// How long the cluster may take, once its faults are healed, to be healthy again: one owner of the floating
    /// address, every phone registered. Zero: nobody waits or asks.
    pub cool_down: Duration,
    /// How many further trials may be run, over the whole run, in place of void ones.
    pub repeats: Spanned<u32>,
}

impl Default for Design {
    fn default() -> Design {
        Design {
            warm_up: Duration(Span::from_secs(1)),
            baseline: Duration(Span::from_secs(1)),
            least_signs: 3,
            cool_down: Duration(Span::from_secs(20)),
            repeats: Spanned::new(0..0, 2),
        }
    }
}

impl Scenario {
    /// The interval of the timer by which the cluster notices a death, where it has one: a fault's phase against it
    /// decides how long the outage is, so it is drawn evenly over the interval and recorded.
    #[must_use]
    pub fn timer(&self) -> Option<Span> {
        match &self.cluster {
            // Its takeover delay is planted and runs from the death itself.
            Cluster::Reference(_) => None,
            Cluster::Lab(lab) => lab.timers_in_force().map(EngineTimers::beat),
            Cluster::External(external) => external.timers().map(EngineTimers::beat),
        }
    }

    /// The shortest packet interval of any call; absent without calls.
    #[must_use]
    pub fn least_ptime(&self) -> Option<Span> {
        let standing = self.traffic.standing_calls.as_ref().map(|calls| calls.ptime.get_ref().0);
        let fresh = self.traffic.new_calls.as_ref().map(|calls| calls.get_ref().ptime.0);
        [standing, fresh].into_iter().flatten().min()
    }

    /// When the first fault is due at the earliest, from the start of the window.
    #[must_use]
    pub fn first_fault(&self) -> Option<Span> {
        self.faults.iter().map(|fault| fault.get_ref().times().0).min()
    }
}

/// Checks that a trial of this design can be sound: a run that can only be void is refused before it begins.
pub(super) fn check(scenario: &Scenario) -> Result<(), Complaint> {
    if *scenario.design.repeats.get_ref() > 100 {
        let message = format!("{} repeats of void trials", scenario.design.repeats.get_ref());
        let help = "use 100 at most; a machine that voids more trials than that cannot measure";
        return Err(complaint(scenario.design.repeats.span(), message, "repeats", help));
    }
    let Some((first, fault)) = scenario.first_fault().zip(scenario.faults.first()) else { return Ok(()) };
    if first < scenario.design.baseline.0 {
        let message = format!("the first fault comes {first} after the start of the window, within the baseline");
        let help = format!("inject at {} or later, or shorten design.baseline", scenario.design.baseline.0);
        return Err(complaint(fault.span(), message, "this fault", &help));
    }
    check_phases(scenario)?;
    let least = f64::from(scenario.design.least_signs);
    match expected_signs(&scenario.traffic, first).into_iter().find(|(_, signs)| *signs < least) {
        None => Ok(()),
        Some((what, signs)) => {
            let message = format!("only {signs:.1} {what} fall before the first fault: too thin to tell that it works");
            let help =
                format!("let at least {least} fall: more traffic, a later fault, or a smaller design.least_signs");
            Err(complaint(fault.span(), message, "this fault", &help))
        }
    }
}

/// Waiting for a tick of the cluster's timer and the phase after it takes two intervals at most.
fn check_phases(scenario: &Scenario) -> Result<(), Complaint> {
    let Some(interval) = scenario.timer() else { return Ok(()) };
    for fault in &scenario.faults {
        let (at, heal_at) = fault.get_ref().times();
        let latest = at + scenario.phase_jitter.0 + interval + interval;
        if latest >= heal_at.unwrap_or(scenario.window.get_ref().0) {
            let message = format!("the fault may strike as late as {latest}, which is not before its heal");
            let help = format!("leave two intervals of the cluster's timer ({interval}) after it");
            return Err(complaint(fault.span(), message, "this fault", &help));
        }
    }
    Ok(())
}

/// What a plan places before the first fault, on average.
fn expected_signs(traffic: &Traffic, first: Span) -> Vec<(&'static str, f64)> {
    let seconds = first.as_secs_f64();
    let each = |interval: Span| seconds / interval.as_secs_f64().max(1e-9);
    let options = traffic.options.as_ref().map(|train| ("OPTIONS", each(train.interval.get_ref().0)));
    let registrations = traffic.registrations.as_ref().map(|of| {
        let interval = of.interval.get_ref().0;
        ("registrations", f64::from(of.phones) * each(interval))
    });
    let calls = traffic.new_calls.as_ref().map(|calls| ("new calls", calls.get_ref().rate_per_s * seconds));
    let chat = traffic.chat.as_ref().map(|chat| ("messages", chat.messages_per_s.get_ref() * seconds));
    [options, registrations, calls, chat].into_iter().flatten().collect()
}

/// A threshold whose figure nothing in the scenario can define would only ever be unknown.
pub(super) fn check_thresholds(scenario: &Scenario) -> Result<(), Complaint> {
    for threshold in &scenario.thresholds {
        let metric = &threshold.get_ref().metric;
        if let Some(missing) = missing(metric.need(), &scenario.traffic) {
            let message = format!("`{}` needs {missing}, which the scenario does not have", threshold.get_ref().text);
            let help = format!("add {missing}, or leave the threshold out");
            return Err(complaint(threshold.span(), message, "this threshold", &help));
        }
        if metric.needs_fault() && scenario.faults.is_empty() {
            let message = format!("`{}` needs a fault, and the scenario has none", threshold.get_ref().text);
            return Err(complaint(threshold.span(), message, "this threshold", "add a [[fault]]"));
        }
    }
    Ok(())
}

fn missing(need: Need, traffic: &Traffic) -> Option<&'static str> {
    let (there, what) = match need {
        Need::Nothing => (true, ""),
        Need::Options => (traffic.options.is_some(), "[traffic.options]"),
        Need::Registrations => (traffic.registrations.is_some(), "[traffic.registrations]"),
        Need::NewCalls => (traffic.new_calls.is_some(), "[traffic.new_calls]"),
        Need::IdlePhones => (traffic.idle_phones.is_some(), "[traffic.idle_phones]"),
        Need::Calls => {
            let standing = traffic.standing_calls.is_some() || traffic.video_calls.is_some();
            (standing || traffic.new_calls.is_some(), "[traffic.standing_calls], video_calls or new_calls")
        }
        Need::VideoCalls => (traffic.video_calls.is_some(), "[traffic.video_calls]"),
        Need::Chat => (traffic.chat.is_some(), "[traffic.chat]"),
    };
    (!there).then_some(what)
}

fn complaint(span: Range<usize>, message: String, label: &str, help: &str) -> Complaint {
    Complaint { span, message, label: label.to_owned(), help: help.to_owned() }
}
