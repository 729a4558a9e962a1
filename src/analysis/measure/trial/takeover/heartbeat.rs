//! Heartbeat: the survivor says whom it takes for dead, and a gratuitous ARP shows the address.

use super::{Course, Struck};
use crate::analysis::measure::membership::Sign;
use crate::analysis::measure::model::{Takeover, Timers};
use crate::analysis::theory::HeartbeatTimers;
use crate::scenario::EngineTimers;

/// How the node that was hit was found dead and its address taken, if it was.
pub(super) fn course(struck: &Struck<'_>) -> Option<Course> {
    let Some(EngineTimers::Heartbeat { keepalive, deadtime, .. }) = struck.faults.declared else { return None };
    let timers = HeartbeatTimers { keepalive, deadtime };
    let dead = Sign::Dead(struck.fault.node.clone());
    let found = struck.evidence.membership.first(struck.start, struck.end, |said| said.sign == dead)?.at;
    let last = struck.last_beat(found, keepalive)?;
    let death = struck.death(last).min(found);
    let (expected, measured) = (last + timers.death() - death, found - death);
    let takeover = Takeover {
        timers: Timers::Heartbeat { keepalive_ms: keepalive.as_millis_f64(), deadtime_ms: deadtime.as_millis_f64() },
        resigned: false,
        law: timers.crash(),
        since_last_beat_ms: (death - last).as_millis_f64(),
        expected_ms: expected.as_millis_f64(),
        measured_ms: measured.as_millis_f64(),
        residual_ms: (measured - expected).as_millis_f64(),
    };
    let taken = struck.announced(found).map(|at| ("takeover", at));
    Some(Course { takeover, decided: found, until: [("detection", found)].into_iter().chain(taken).collect() })
}
