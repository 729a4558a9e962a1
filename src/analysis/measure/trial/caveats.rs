//! What a reader must know: the instrument's own health against its limits, and what was heard by strangers.

use super::evidence::Evidence;
use crate::analysis::measure::model::Caveat;
use crate::evidence::fitness;
use crate::evidence::history::{Health, PathWork, What};
use crate::evidence::readiness::{Moment, Readiness};
use crate::scenario::Scenario;
use crate::units::Span;

/// One packet in a hundred may leave an emulated path so much later than asked for: far below every delay that is
/// worth emulating.
const PATH_LATE: Span = Span::from_millis(1);

/// All caveats that do not come from reading the evidence itself.
pub(super) fn of(evidence: &Evidence, scenario: &Scenario) -> Vec<Caveat> {
    let mut caveats: Vec<Caveat> = Vec::new();
    for event in &evidence.events {
        match &event.what {
            What::Caveat { text, remedy } => caveats.push(caveat(text.clone(), remedy, false)),
            What::Health(health) => caveats.extend(unhealthy(health, scenario)),
            What::Path(work) => caveats.extend(late_path(work)),
            What::Readiness(readiness) => caveats.extend(after_heal(readiness)),
            _ => {}
        }
    }
    let void = fitness::complaints(&evidence.events, scenario);
    caveats.extend(void.into_iter().map(|told| caveat(told.text, &told.remedy, true)));
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

/// What the instrument could not do, where it is too little to void the trial.
fn unhealthy(health: &Health, scenario: &Scenario) -> Vec<Caveat> {
    let little = fitness::instrument(health, scenario).into_iter().filter(|(_, voids)| !voids);
    let mut caveats: Vec<Caveat> = little.map(|(told, _)| caveat(told.text, &told.remedy, false)).collect();
    if health.not_started > 0 {
        let text = format!("{} operations were due and not started; they count as failed", health.not_started);
        caveats.push(caveat(text, "use less traffic or a faster machine", false));
    }
    caveats
}

/// An emulated path that was not the one that was asked for.
fn late_path(work: &PathWork) -> Option<Caveat> {
    let late = Span(work.late_p99_ns);
    (late > PATH_LATE).then(|| {
        let text = format!(
            "one in a hundred packets on the degraded path of {} left more than {late} later than asked for",
            work.node
        );
        caveat(text, "use less traffic or a faster machine, or a kernel with netem", false)
    })
}

/// What the cluster was like after its faults had been healed.
fn after_heal(readiness: &Readiness) -> Option<Caveat> {
    let complaints = readiness.complaints();
    (readiness.moment == Moment::AfterHeal && !complaints.is_empty()).then(|| {
        let text = format!("the cluster was not healthy again after its faults were healed: {}", complaints.join("; "));
        caveat(text, "look at the failback; design.cool_down says how long it may take", false)
    })
}
