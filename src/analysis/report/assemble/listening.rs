//! R(t) of the streams over trials.

use crate::analysis::measure::model::{FaultStretch, OverTime, Stretch};
use crate::analysis::report::model::{Distribution, ListeningSummary, Trial};
use crate::analysis::stats::{Bound, Sample, quantile};

use super::outages::median_of_values;

/// Whole streams, then from each fault to the recovery.
pub(super) fn listening(trials: &[Trial]) -> Vec<ListeningSummary> {
    let mut faults: Vec<usize> = trials.iter().flat_map(over_time).flat_map(|of| &of.faults).map(|f| f.fault).collect();
    faults.sort_unstable();
    faults.dedup();
    whole(trials).into_iter().chain(faults.into_iter().filter_map(|fault| after(trials, fault))).collect()
}

fn over_time(trial: &Trial) -> impl Iterator<Item = &OverTime> {
    trial.measured.streams.iter().filter_map(|stream| stream.over_time.as_ref())
}

fn whole(trials: &[Trial]) -> Option<ListeningSummary> {
    let scores = |trial: &Trial| -> Vec<(f64, bool)> {
        let scored = trial.measured.streams.iter().filter(|stream| stream.over_time.is_some());
        scored.filter_map(|stream| stream.mos_cqe.as_ref()).map(|mos| (mos.value, mos.valid)).collect()
    };
    let plain: Vec<Vec<f64>> =
        trials.iter().map(|trial| scores(trial).into_iter().map(|(value, _)| value).collect()).collect();
    let outside = trials.iter().flat_map(scores).filter(|(_, valid)| !valid).count() as u64;
    let stretches = trials.iter().map(|trial| over_time(trial).map(|of| of.whole).collect()).collect();
    Some(ListeningSummary {
        whole_call_mos: distribution(&plain),
        whole_call_outside_validity: Some(outside),
        ..summary(stretches)?
    })
}

fn after(trials: &[Trial], fault: usize) -> Option<ListeningSummary> {
    let of = |trial| over_time(trial).flat_map(|of| &of.faults).filter(move |of: &&FaultStretch| of.fault == fault);
    let recovered = trials.iter().flat_map(of).filter(|of| of.recovered).count() as u64;
    let stretches = trials.iter().map(|trial| of(trial).map(|of| of.heard).collect()).collect();
    Some(ListeningSummary { fault: Some(fault), recovered: Some(recovered), ..summary(stretches)? })
}

/// The stretches of each trial as one row; `None` without any.
fn summary(trials: Vec<Vec<Stretch>>) -> Option<ListeningSummary> {
    let of = |get: fn(&Stretch) -> f64| -> Option<Distribution> {
        distribution(&trials.iter().map(|stretches| stretches.iter().map(get).collect()).collect::<Vec<Vec<f64>>>())
    };
    Some(ListeningSummary {
        fault: None,
        n: trials.iter().filter(|stretches| !stretches.is_empty()).count() as u64,
        streams: trials.iter().map(Vec::len).sum::<usize>() as u64,
        recovered: None,
        r_min: of(|stretch| stretch.r_min)?,
        mos_min: of(|stretch| stretch.mos_min)?,
        mos_of_mean_r: of(|stretch| stretch.mos_of_mean_r)?,
        mos_below_3_6_s: of(|stretch| stretch.mos_below_3_6_s as f64)?,
        whole_call_mos: None,
        whole_call_outside_validity: None,
    })
}

fn distribution(trials: &[Vec<f64>]) -> Option<Distribution> {
    let samples: Vec<Sample> = trials.iter().filter_map(|values| Sample::exact(values).ok()).collect();
    let at = |p: f64| {
        let of_trials = samples.iter().filter_map(|sample| quantile(sample, p).ok().flatten().and_then(Bound::known));
        median_of_values(of_trials)
    };
    Some(Distribution {
        lowest: trials.iter().flatten().copied().reduce(f64::min)?,
        p25: at(0.25)?,
        median: at(0.5)?,
        p75: at(0.75)?,
        highest: trials.iter().flatten().copied().reduce(f64::max)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type 7 quartiles of 1..5 are 2, 3, 4, of 11..15 they are 12, 13, 14; the median of two trials is their mean.
    #[test]
    fn quartiles_are_of_trials_and_ends_of_all() {
        let trials = [vec![1.0, 2.0, 3.0, 4.0, 5.0], vec![11.0, 12.0, 13.0, 14.0, 15.0], vec![]];
        let wanted = Distribution { lowest: 1.0, p25: 7.0, median: 8.0, p75: 9.0, highest: 15.0 };
        assert_eq!(distribution(&trials), Some(wanted));
        assert_eq!(distribution(&[vec![]]), None);
    }

    #[test]
    fn a_run_without_streams_has_no_row() {
        assert_eq!(listening(&[]), []);
    }
}
