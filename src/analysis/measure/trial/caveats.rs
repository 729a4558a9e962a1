//! What a reader must know: the instrument's own health against its limits, and what was heard by strangers.

use super::evidence::Evidence;
use crate::analysis::measure::model::Caveat;
use crate::evidence::history::{Health, What};
use crate::scenario::Scenario;
use crate::units::Span;

/// More of the due packets not sent, or dropped at our own sockets, than this share void the trial.
const MOST_OWN_LOSS: f64 = 0.001;

/// All caveats that do not come from reading the evidence itself.
pub(super) fn of(evidence: &Evidence, scenario: &Scenario) -> Vec<Caveat> {
    let mut caveats: Vec<Caveat> = Vec::new();
    for event in &evidence.events {
        match &event.what {
            What::Caveat { text, remedy } => caveats.push(caveat(text.clone(), remedy, false)),
            What::Health(health) => caveats.extend(unhealthy(health, scenario)),
            _ => {}
        }
    }
    caveats.extend(misdelivered(evidence));
    caveats
}

/// Callers heard strangers: worse than silence, and no recovery.
fn misdelivered(evidence: &Evidence) -> Option<Caveat> {
    let (calls, packets) = (evidence.misdelivered.len(), evidence.misdelivered.values().sum::<u64>());
    let of = if calls == 1 { "call" } else { "calls" };
    let text = format!("{packets} packets of {calls} {of} were heard at phones of other calls");
    let remedy = "the media relay mixed calls up: look whether a new owner gives out ports that are in use";
    (calls > 0).then(|| caveat(text, remedy, false))
}

fn caveat(text: String, remedy: &str, voids: bool) -> Caveat {
    Caveat { text, remedy: remedy.to_owned(), voids }
}

fn unhealthy(health: &Health, scenario: &Scenario) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    caveats.extend(late(health, scenario));
    let share = |n: u64| n as f64 / (health.rtp_sent + health.rtp_not_sent).max(1) as f64;
    let lost = [
        (
            health.rtp_not_sent,
            "RTP packets were due and not sent: they read as loss",
            "use fewer calls or a faster machine",
        ),
        (
            health.socket_drops,
            "datagrams were dropped at our own sockets: they read as loss",
            "raise net.core.rmem_max",
        ),
        (
            health.capture_drops,
            "frames are missing in the captures",
            "capture with a larger buffer, or fewer interfaces",
        ),
    ];
    for (n, what, remedy) in lost {
        if n > 0 {
            caveats.push(caveat(format!("{n} {what}"), remedy, share(n) > MOST_OWN_LOSS));
        }
    }
    if health.not_started > 0 {
        let text = format!("{} operations were due and not started; they count as failed", health.not_started);
        caveats.push(caveat(text, "use less traffic or a faster machine", false));
    }
    caveats
}

/// Packets that leave later than half an interval blur every gap; a whole interval late is no stream any more.
fn late(health: &Health, scenario: &Scenario) -> Option<Caveat> {
    let traffic = &scenario.traffic;
    let standing = traffic.standing_calls.as_ref().map(|calls| calls.ptime.as_ref().0);
    let fresh = traffic.new_calls.as_ref().map(|calls| calls.as_ref().ptime.0);
    let interval = [standing, fresh].into_iter().flatten().min()?;
    let late = Span(health.send_late_p99_ns);
    (late.as_nanos() > interval.as_nanos() / 2).then(|| {
        let text = format!("1 % of the RTP packets left {late} late or later, at an interval of {interval}");
        caveat(text, "use fewer calls, a faster machine, or let the tool run with real-time priority", late > interval)
    })
}
