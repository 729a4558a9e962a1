//! Trials that are void: kept, listed, and counted in nothing.

use crate::analysis::measure::model::Caveat;
use crate::analysis::report::model::{Trial, VoidTrial};

/// The trials that count, and a list of those that do not. Where every trial is void all are shown, and their voiding
/// caveats keep the verdict unknown.
pub(super) fn set_aside(trials: Vec<Trial>) -> (Vec<Trial>, Vec<VoidTrial>) {
    let void: Vec<VoidTrial> = trials.iter().filter_map(listed).collect();
    if void.len() == trials.len() {
        return (trials, void);
    }
    (trials.into_iter().filter(|trial| listed(trial).is_none()).collect(), void)
}

/// The trial with its reasons, if it has any.
fn listed(trial: &Trial) -> Option<VoidTrial> {
    let mut reasons: Vec<String> =
        trial.measured.caveats.iter().filter(|caveat| caveat.voids).map(|caveat| caveat.text.clone()).collect();
    let unseen = trial.measured.faults.iter().filter(|fault| !fault.verified);
    if reasons.is_empty() {
        reasons.extend(unseen.map(|fault| format!("fault {} was not seen to bite", fault.fault)));
    }
    (!reasons.is_empty()).then_some(VoidTrial { number: trial.number, seed: trial.seed, reasons })
}

/// What a reader is told of each trial that was set aside.
pub(super) fn caveats(trials: &[Trial], void: &[VoidTrial]) -> Vec<Caveat> {
    let set_aside = |of: &&VoidTrial| !trials.iter().any(|trial| trial.number == of.number);
    let told = |of: &VoidTrial| Caveat {
        text: format!("trial {} is void and counted in nothing: {}", of.number, of.reasons.join("; ")),
        remedy: format!("its evidence is kept: fivenines measure RUN --trial {}", of.number),
        voids: false,
    };
    void.iter().filter(set_aside).map(told).collect()
}
