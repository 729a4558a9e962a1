//! Further estimates over trials: each with its interval, and nothing where the trials are too few.

use crate::analysis::report::model::{Estimate, QuantileBound, Span95, Transition, Trial};
use crate::analysis::stats::{
    MeanCi, Sample, bca_interval, geometric_mean_ci, geometric_prediction, kaplan_meier_median_ci, mean_ci,
    quantile_upper_bound, samples_for_quantile_bound,
};

use super::outages::sample;
use super::rows::ROWS;

const CONFIDENCE: f64 = 0.95;
/// Percentiles that are bounded.
const PERCENTS: [u8; 3] = [90, 95, 99];
const RESAMPLES: usize = 2_000;

/// Every service that went away, after each fault, from two trials on.
pub(super) fn estimates(transitions: &[Transition], trials: &[Trial]) -> Vec<Estimate> {
    let rows = transitions.iter().flat_map(|transition| ROWS.map(|row| (transition.fault, row)));
    let with_sample = rows.filter_map(|(fault, row)| Some((fault, row.name, sample(trials, row, fault)?)));
    with_sample.filter(|(.., sample)| sample.n() > 1).map(|(fault, name, sample)| of(fault, name, &sample)).collect()
}

fn of(fault: usize, service: &str, sample: &Sample) -> Estimate {
    let whole = (sample.censored() == 0)
        .then(|| sample.observations().iter().map(|observation| observation.at_least()).collect::<Vec<f64>>());
    let values = whole.unwrap_or_default();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let bca = bca_interval(&values, mean, CONFIDENCE, RESAMPLES, 1).ok();
    Estimate {
        fault,
        service: service.to_owned(),
        n: sample.n() as u64,
        censored: sample.censored() as u64,
        kaplan_meier: kaplan_meier(sample),
        mean: mean_ci(&values, CONFIDENCE).ok().map(span),
        mean_bca: bca.map(|ci| Span95 { value_ms: Some(ci.estimate), low_ms: ci.low, high_ms: Some(ci.high) }),
        geometric_mean: geometric_mean_ci(&values, CONFIDENCE).ok().map(span),
        next: geometric_prediction(&values, CONFIDENCE).ok().map(span),
        bounds: PERCENTS.into_iter().filter_map(|percent| bound(sample, percent)).collect(),
    }
}

fn span(ci: MeanCi) -> Span95 {
    Span95 { value_ms: Some(ci.mean), low_ms: ci.low, high_ms: Some(ci.high) }
}

fn kaplan_meier(sample: &Sample) -> Option<Span95> {
    let span = kaplan_meier_median_ci(sample, CONFIDENCE).ok()??;
    Some(Span95 { value_ms: span.median.known(), low_ms: span.low.value, high_ms: span.high.known() })
}

fn bound(sample: &Sample, percent: u8) -> Option<QuantileBound> {
    let p = f64::from(percent) / 100.0;
    let bound = quantile_upper_bound(sample, p, CONFIDENCE).ok()?.map(|bound| bound.bound);
    Some(QuantileBound {
        percent,
        bound_ms: bound.and_then(|bound| bound.known()),
        above_ms: bound.filter(|bound| bound.censored).map(|bound| bound.value),
        needed_n: samples_for_quantile_bound(p, CONFIDENCE).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::stats::Observation;

    /// 1..=15 by hand: mean 8, s² = 20, t(0.975; 14) = 2.1448: 8 ± 2.4766. Fifteen bound no percentile from P90 on.
    #[test]
    fn fifteen_trials_give_means_and_claim_no_high_percentile() {
        let values: Vec<f64> = (1..=15).map(f64::from).collect();
        let got = of(0, "media to caller", &Sample::exact(&values).unwrap());
        let mean = got.mean.unwrap();
        assert!((mean.value_ms.unwrap() - 8.0).abs() < 1e-12 && (mean.low_ms - 5.5234).abs() < 1e-3, "{mean:?}");
        assert!(got.mean_bca.is_some() && got.geometric_mean.is_some() && got.next.is_some());
        assert!(got.bounds.iter().all(|bound| bound.bound_ms.is_none() && bound.above_ms.is_none()));
        assert_eq!(got.bounds.iter().map(|bound| bound.needed_n).collect::<Vec<_>>(), [29, 59, 299]);
    }

    #[test]
    fn a_censored_trial_leaves_no_mean_and_is_not_dropped() {
        let mut trials: Vec<Observation> = (1..=29).map(|i| Observation::Exact(f64::from(i))).collect();
        trials.push(Observation::Above(20.5));
        let got = of(1, "new_call", &Sample::new(trials).unwrap());
        assert_eq!((got.n, got.censored, got.mean, got.geometric_mean, got.next), (30, 1, None, None, None));
        assert!(got.kaplan_meier.unwrap().value_ms.is_some());
        // The largest of thirty bounds P90, and it is the censored one.
        assert_eq!((got.bounds[0].bound_ms, got.bounds[0].above_ms), (None, Some(29.0)));
    }

    #[test]
    fn few_trials_have_no_bootstrap_interval() {
        let got = of(0, "address", &Sample::exact(&[1.0, 2.0, 4.0]).unwrap());
        assert!(got.mean_bca.is_none() && got.mean.is_some());
    }
}
