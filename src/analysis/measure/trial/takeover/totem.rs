//! Corosync and Pacemaker: token, join and commit messages show the membership, a gratuitous ARP the address.

use super::{Course, Struck};
use crate::analysis::measure::membership::Sign;
use crate::analysis::measure::model::{Takeover, Timers};
use crate::analysis::theory::TotemTimers;
use crate::scenario::EngineTimers;

/// How the node that was hit was found to be gone, and the address started elsewhere, if it was.
pub(super) fn course(struck: &Struck<'_>) -> Option<Course> {
    let Some(declared @ EngineTimers::Pacemaker { token_in_force, consensus, .. }) = struck.faults.declared else {
        return None;
    };
    let timers = TotemTimers { token: token_in_force, consensus, hold: declared.beat() };
    let said = &struck.evidence.membership;
    let lost = said.first(struck.start, struck.end, |said| said.sign == Sign::TokenLost)?.at;
    let agreed = said.first(lost, struck.end, |said| said.sign == Sign::Agreed)?.at;
    let last = struck.last_beat(lost, timers.hold)?;
    let death = struck.death(last).min(agreed);
    let (expected, measured) = (last + timers.membership() - death, agreed - death);
    let takeover = Takeover {
        timers: Timers::Totem {
            token_ms: timers.token.as_millis_f64(),
            consensus_ms: timers.consensus.as_millis_f64(),
            hold_ms: timers.hold.as_millis_f64(),
        },
        resigned: false,
        law: timers.crash(),
        since_last_beat_ms: (death - last).as_millis_f64(),
        expected_ms: expected.as_millis_f64(),
        measured_ms: measured.as_millis_f64(),
        residual_ms: (measured - expected).as_millis_f64(),
    };
    let started = struck.announced(agreed).map(|at| ("takeover", at));
    let until = [("detection", lost), ("consensus", agreed)].into_iter().chain(started).collect();
    Some(Course { takeover, decided: agreed, until })
}
