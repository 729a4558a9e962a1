//! What a reader must know, voiding caveats first, each once.

use super::void;
use crate::analysis::measure::model::Caveat;
use crate::analysis::report::model::{Trial, VoidTrial};
use crate::analysis::report::words;
use crate::evidence::rundir::RunInfo;

/// The trials' caveats with the trials that they concern, and those of the run as a whole.
pub(super) fn caveats(run: &RunInfo, trials: &[Trial], void: &[VoidTrial]) -> Vec<Caveat> {
    let mut all: Vec<Caveat> = Vec::new();
    all.extend(no_trial(trials));
    all.extend(of_trials(trials));
    all.extend(void::caveats(trials, void));
    all.extend(missing_trials(run, trials));
    all.extend(not_verified(trials));
    all.extend(unexplained(trials));
    all.extend(half_open(trials));
    all.extend(few_trials(trials));
    all.sort_by_key(|caveat| !caveat.voids);
    all
}

fn no_trial(trials: &[Trial]) -> Option<Caveat> {
    trials.is_empty().then(|| Caveat {
        text: "no trial left evidence that can be measured".to_owned(),
        remedy: "run the scenario again and read what it prints when it stops".to_owned(),
        voids: true,
    })
}

fn of_trials(trials: &[Trial]) -> Vec<Caveat> {
    let mut seen: Vec<(Caveat, Vec<u32>)> = Vec::new();
    for trial in trials {
        for caveat in &trial.measured.caveats {
            match seen.iter_mut().find(|(known, _)| known == caveat) {
                Some((_, numbers)) => numbers.push(trial.number),
                None => seen.push((caveat.clone(), vec![trial.number])),
            }
        }
    }
    seen.into_iter().map(|(caveat, numbers)| named(caveat, &numbers, trials.len())).collect()
}

fn named(mut caveat: Caveat, numbers: &[u32], of: usize) -> Caveat {
    if of > 1 {
        let list: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let word = if numbers.len() == 1 { "trial" } else { "trials" };
        caveat.text = format!("{word} {}: {}", list.join(", "), caveat.text);
    }
    caveat
}

fn missing_trials(run: &RunInfo, trials: &[Trial]) -> Option<Caveat> {
    let (planned, there) = (run.trials_planned as usize, trials.len());
    (there > 0 && there < planned).then(|| Caveat {
        text: format!("{there} of {planned} planned trials count"),
        remedy: "figures rest on these; run the scenario again for the rest".to_owned(),
        voids: false,
    })
}

fn not_verified(trials: &[Trial]) -> Option<Caveat> {
    let faults = || trials.iter().flat_map(|trial| &trial.measured.faults).filter(|fault| fault.heal_of.is_none());
    let failed = faults().filter(|fault| !fault.verified).count();
    (failed > 0).then(|| Caveat {
        text: format!("{failed} of {} injected faults were not seen to bite", faults().count()),
        remedy: "see the fault's lines in history.jsonl; the node may have lived on".to_owned(),
        voids: true,
    })
}

fn unexplained(trials: &[Trial]) -> Option<Caveat> {
    let loose = || trials.iter().flat_map(|trial| &trial.measured.outages).filter(|outage| outage.fault.is_none());
    let first = loose().next()?;
    Some(Caveat {
        text: format!(
            "{} no fault, the first of {} ({}) at {}",
            words::plural(loose().count() as u64, "outage follows", "outages follow"),
            words::service(&first.service),
            first.scope,
            first.start_ns
        ),
        remedy: "they are in tables/outages.csv and in no row of the report; look for a second cause".to_owned(),
        voids: false,
    })
}

fn half_open(trials: &[Trial]) -> Option<Caveat> {
    let deaf = trials.iter().flat_map(|trial| &trial.measured.chatters).filter(|who| who.half_open).count() as u64;
    (deaf > 0).then(|| Caveat {
        text: format!("{} half open", words::plural(deaf, "idle receiver is", "idle receivers are")),
        remedy: "their clients need a keepalive (XEP-0199 pings or XEP-0198)".to_owned(),
        voids: false,
    })
}

fn few_trials(trials: &[Trial]) -> Option<Caveat> {
    (1..6).contains(&trials.len()).then(|| Caveat {
        text: format!(
            "{}: no interval can be given for a median",
            words::plural(trials.len() as u64, "trial", "trials")
        ),
        remedy: "run with --trials 6 or more".to_owned(),
        voids: false,
    })
}
