//! Has failover become slower? One run against a baseline, service by service and fault by fault.
//!
//! The trial is the unit of replication: each gives one value, the outage of its median affected user. A service
//! has regressed only if two things hold: the lower end of the shift's interval lies beyond the tolerance, and the
//! Mann–Whitney test is significant after Holm's adjustment over all services, faults, coverages and figures of media
//! quality of the comparison. MOS, delay, jitter and loss are judged in the same way, each with its own tolerance. Where too few trials were made to tell, the outcome is unknown and says how many it takes.

mod annotations;
mod baseline;
mod coverage;
mod decide;
mod extract;
mod junit;
mod markdown;
mod model;
mod outages;
mod quality;
pub mod simulation;
mod terminal;
mod trend;

pub use annotations::annotations;
pub use baseline::{BASELINE_SCHEMA, Baseline, FailoverCounts, QualitySample, ServiceSample};
pub(crate) use extract::{SERVICES, service_of, users_of};
pub use junit::junit;
pub use markdown::{markdown, trend_markdown};
pub use model::{Comparison, CoverageComparison, OutageComparison, QualityComparison, Side};
pub use terminal::{terminal, trend_terminal};
pub use trend::{QualityTrendRow, Trend, TrendCell, TrendRow, trend};

use super::report::model::Outcome;
use super::report::words;
use super::stats::holm;

/// What counts as slower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// A shift up to this many milliseconds is tolerated.
    pub tolerance_ms: f64,
    /// So is one up to this share of the baseline's median, in percent; the larger of the two holds.
    pub tolerance_percent: f64,
    /// Probability of any false alarm in one comparison of two runs, at most; also 1 − confidence of each interval.
    pub alpha: f64,
    /// A drop of the MOS up to this is tolerated, in each period.
    pub tolerance_mos: f64,
    /// A rise of the one-way delay's 95th percentile up to this many milliseconds is tolerated.
    pub tolerance_delay_ms: f64,
    /// A rise of the jitter's 95th percentile up to this many milliseconds is tolerated.
    pub tolerance_jitter_ms: f64,
    /// A rise of the loss up to this many percentage points is tolerated.
    pub tolerance_loss_percent: f64,
    /// Power that is asked for before "no regression" is said without an interval that excludes one.
    pub power: f64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            tolerance_ms: 100.0,
            tolerance_percent: 10.0,
            tolerance_mos: 0.2,
            tolerance_delay_ms: 10.0,
            tolerance_jitter_ms: 5.0,
            tolerance_loss_percent: 1.0,
            alpha: 0.05,
            power: 0.8,
        }
    }
}

impl Options {
    /// Every shift that is significant counts: then the whole of `alpha` may be spent on false alarms.
    #[must_use]
    pub fn without_tolerance() -> Options {
        Options {
            tolerance_ms: 0.0,
            tolerance_percent: 0.0,
            tolerance_mos: 0.0,
            tolerance_delay_ms: 0.0,
            tolerance_jitter_ms: 0.0,
            tolerance_loss_percent: 0.0,
            ..Options::default()
        }
    }
}

/// Compares `run` with `baseline`.
#[must_use]
pub fn compare(baseline: &Baseline, run: &Baseline, options: &Options) -> Comparison {
    let mut outages = outages::pair(baseline, run, options);
    let mut coverage = coverage::pair(baseline, run);
    let mut quality = quality::pair(baseline, run, options);
    adjust(&mut outages, &mut coverage, &mut quality);
    let tests = outages.len() + coverage.len() + quality.len();
    outages.iter_mut().for_each(|row| outages::judge(row, tests, options));
    coverage.iter_mut().for_each(|row| coverage::judge(row, options));
    quality.iter_mut().for_each(|row| quality::judge(row, tests, options));
    let void = void_reasons(baseline, run);
    if !void.is_empty() {
        let outages = outages.iter_mut().map(|row| (&mut row.shown.outcome, &mut row.shown.why));
        let quality = quality.iter_mut().map(|row| (&mut row.shown.outcome, &mut row.shown.why));
        let coverage = coverage.iter_mut().map(|row| (&mut row.outcome, &mut row.why));
        outages.chain(coverage).chain(quality).for_each(withhold);
    }
    let mut comparison = Comparison {
        schema: "fivenines.compare.v1".to_owned(),
        baseline: Side::of(baseline),
        run: Side::of(run),
        tolerance_ms: options.tolerance_ms,
        tolerance_percent: options.tolerance_percent,
        alpha: options.alpha,
        outcome: Outcome::Unknown,
        void,
        reasons: Vec::new(),
        notes: notes(baseline, run),
        outages: outages.into_iter().map(|row| row.shown).collect(),
        coverage,
        quality: quality.into_iter().map(|row| row.shown).collect(),
    };
    comparison.outcome = conclude(&mut comparison);
    comparison
}

/// One family for Holm: everything that can raise an alarm.
fn adjust(outages: &mut [outages::Pair], coverage: &mut [CoverageComparison], quality: &mut [quality::Pair]) {
    let slots = outages.iter_mut().map(|row| (row.shown.p, &mut row.shown.p_holm));
    let slots = slots.chain(coverage.iter_mut().map(|row| (row.p, &mut row.p_holm)));
    let slots = slots.chain(quality.iter_mut().map(|row| (row.shown.p, &mut row.shown.p_holm)));
    let (p, places): (Vec<f64>, Vec<&mut Option<f64>>) = slots.filter_map(|(p, place)| p.map(|p| (p, place))).unzip();
    for (place, adjusted) in places.into_iter().zip(holm(&p)) {
        *place = Some(adjusted);
    }
}

/// An instrument that was not healthy may have caused what it saw, and may have hidden what it did not see.
fn withhold((outcome, why): (&mut Outcome, &mut String)) {
    (*outcome, *why) = (Outcome::Unknown, format!("not judged, the measurement is void ({why})"));
}

fn void_reasons(baseline: &Baseline, run: &Baseline) -> Vec<String> {
    let of = |what: &'static str, side: &Baseline| {
        side.void.iter().map(move |reason| format!("the {what} cannot be trusted: {reason}")).collect::<Vec<_>>()
    };
    [of("baseline", baseline), of("run", run)].concat()
}

fn notes(baseline: &Baseline, run: &Baseline) -> Vec<String> {
    let differs = |what: &str, a: String, b: String| (a != b).then(|| format!("{what} differ: {a} | {b}"));
    let servers = |side: &Baseline| {
        side.servers.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(", ")
    };
    let new = run.outages.iter().filter(|of| baseline.sample(of.fault, &of.kind, &of.service).is_none());
    let unheard = run.quality.iter().filter(|of| baseline.quality(&of.figure, &of.period).is_none());
    [
        differs("the scenarios", baseline.scenario.clone(), run.scenario.clone()),
        differs("the clusters", baseline.cluster.clone(), run.cluster.clone()),
        differs("the loads", baseline.traffic.join(" · "), run.traffic.join(" · ")),
        differs("the servers", servers(baseline), servers(run)),
    ]
    .into_iter()
    .flatten()
    .chain(new.map(|of| {
        let after = words::disturbance(&of.kind, of.fault, of.heal_of);
        format!("{} after {after} is not in the baseline: not compared", of.service)
    }))
    .chain(unheard.map(|of| format!("{} {} is not in the baseline: not compared", of.figure, of.period)))
    .collect()
}

fn conclude(comparison: &mut Comparison) -> Outcome {
    if comparison.is_empty() {
        comparison.reasons.push("the two have no service and no fault in common: nothing was compared".to_owned());
        return Outcome::Unknown;
    }
    if !comparison.void.is_empty() {
        comparison.reasons = comparison.void.clone();
        return Outcome::Unknown;
    }
    let (failed, unknown) = (comparison.sentences(Outcome::Fail), comparison.sentences(Outcome::Unknown));
    let outcome = match (failed.is_empty(), unknown.is_empty()) {
        (false, _) => Outcome::Fail,
        (true, false) => Outcome::Unknown,
        (true, true) => Outcome::Pass,
    };
    comparison.reasons = [failed, unknown].concat();
    outcome
}

#[cfg(test)]
mod tests;
