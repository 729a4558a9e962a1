//! What a comparison says: the values behind `compare --json`, its tables and its JUnit file.

use serde::Serialize;

use super::Baseline;
use crate::analysis::report::model::Outcome;
use crate::analysis::report::words;

/// A run against a baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// `fivenines.compare.v1`.
    pub schema: String,
    /// What was compared with.
    pub baseline: Side,
    /// What was compared.
    pub run: Side,
    /// Tolerated shift, as given.
    pub tolerance_ms: f64,
    /// Tolerated share of the baseline's median, as given.
    pub tolerance_percent: f64,
    /// Probability of a false alarm in the whole comparison, at most.
    pub alpha: f64,
    /// `fail`: something regressed. `unknown`: it cannot be told. `pass`: neither.
    pub outcome: Outcome,
    /// Why one of the two cannot be trusted; nothing is judged then.
    pub void: Vec<String>,
    /// Why it is not `pass`, where it is not.
    pub reasons: Vec<String>,
    /// Differences between the two that are no regression but matter to a reader.
    pub notes: Vec<String>,
    /// A row for each service and fault, or heal, of the baseline.
    pub outages: Vec<OutageComparison>,
    /// A row for each fault of the baseline.
    pub coverage: Vec<CoverageComparison>,
    /// A row for each figure and period of media quality of the baseline.
    pub quality: Vec<QualityComparison>,
}

impl Comparison {
    /// Outcome, name and reason of each row.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Outcome, String, &str)> {
        let outages = self.outages.iter().map(|row| (row.outcome, row.name(), row.why.as_str()));
        let coverage = self.coverage.iter().map(|row| (row.outcome, row.name(), row.why.as_str()));
        outages.chain(coverage).chain(self.quality.iter().map(|row| (row.outcome, row.name(), row.why.as_str())))
    }

    /// Whether there is nothing to compare.
    pub(super) fn is_empty(&self) -> bool {
        self.outages.is_empty() && self.coverage.is_empty() && self.quality.is_empty()
    }

    /// The rows of one outcome: name and reason.
    pub(super) fn sentences(&self, outcome: Outcome) -> Vec<String> {
        self.rows().filter(|row| row.0 == outcome).map(|(_, name, why)| format!("{name}: {why}")).collect()
    }
}

/// One of the two runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Name of the scenario.
    pub scenario: String,
    /// When it started.
    pub started_utc: String,
    /// Version of the program.
    pub version: String,
    /// Trials.
    pub trials: u64,
}

impl Side {
    pub(super) fn of(run: &Baseline) -> Side {
        Side {
            scenario: run.scenario.clone(),
            started_utc: run.started_utc.clone(),
            version: run.version.clone(),
            trials: run.trials,
        }
    }
}

/// The outage of one service after one fault, before and now. Absent figures could not be defined.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutageComparison {
    /// Number of the fault, from 0.
    pub fault: usize,
    /// `power_off` …, `heal`.
    pub kind: String,
    /// The fault that was healed, where this is a heal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heal_of: Option<usize>,
    /// As in the report.
    pub service: String,
    /// Trials of the baseline.
    pub n_baseline: usize,
    /// Trials of the run.
    pub n_run: usize,
    /// Trials of the baseline whose median user never came back.
    pub censored_baseline: usize,
    /// Trials of the run whose median user never came back.
    pub censored_run: usize,
    /// Kaplan–Meier median of the baseline.
    pub baseline_median_ms: Option<f64>,
    /// Kaplan–Meier median of the run.
    pub run_median_ms: Option<f64>,
    /// Hodges–Lehmann shift; positive is slower.
    pub shift_ms: Option<f64>,
    /// Lower end of its interval.
    pub shift_low_ms: Option<f64>,
    /// Upper end of its interval.
    pub shift_high_ms: Option<f64>,
    /// Confidence that the interval has.
    pub confidence: Option<f64>,
    /// Mann–Whitney, two-sided.
    pub p: Option<f64>,
    /// The same, adjusted by Holm over the whole comparison.
    pub p_holm: Option<f64>,
    /// What is tolerated here: the larger of the two tolerances.
    pub tolerance_ms: f64,
    /// Trials on each side that would settle it, where it is not settled.
    pub needed_n: Option<u64>,
    /// `fail` is a regression.
    pub outcome: Outcome,
    /// Why, in words.
    pub why: String,
}

/// How often failover worked, before and now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CoverageComparison {
    /// Number of the fault, from 0.
    pub fault: usize,
    /// `power_off` …
    pub kind: String,
    /// Trials of the baseline in which the fault bit.
    pub tried_baseline: u64,
    /// Of them, those after which everybody had everything back.
    pub recovered_baseline: u64,
    /// Trials of the run in which the fault bit.
    pub tried_run: u64,
    /// Of them, those after which everybody had everything back.
    pub recovered_run: u64,
    /// Fisher's exact test, two-sided.
    pub p: Option<f64>,
    /// The same, adjusted by Holm over the whole comparison.
    pub p_holm: Option<f64>,
    /// Trials on each side that would settle it, where it is not settled.
    pub needed_n: Option<u64>,
    /// `fail` is a regression.
    pub outcome: Outcome,
    /// Why, in words.
    pub why: String,
}

/// One figure of media quality, before and now: in the unit of its name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QualityComparison {
    /// `mos`, `loss_percent`, `delay_ms_p95`, `jitter_ms_p95`.
    pub figure: String,
    /// `before`, `during`, `after`.
    pub period: String,
    /// Trials of the baseline.
    pub n_baseline: usize,
    /// Trials of the run; 0: not measured.
    pub n_run: usize,
    /// Median over the baseline's trials.
    pub baseline_median: Option<f64>,
    /// Median over the run's trials.
    pub run_median: Option<f64>,
    /// Hodges–Lehmann shift, run minus baseline.
    pub shift: Option<f64>,
    /// Lower end of its interval.
    pub shift_low: Option<f64>,
    /// Upper end of its interval.
    pub shift_high: Option<f64>,
    /// Confidence that the interval has.
    pub confidence: Option<f64>,
    /// Mann–Whitney, two-sided.
    pub p: Option<f64>,
    /// The same, adjusted by Holm over the whole comparison.
    pub p_holm: Option<f64>,
    /// What is tolerated towards worse (a lower MOS, more of everything else), in the unit of the figure.
    pub tolerance: f64,
    /// Trials on each side that would settle it, where it is not settled.
    pub needed_n: Option<u64>,
    /// `fail` is a regression.
    pub outcome: Outcome,
    /// Why, in words.
    pub why: String,
}

impl OutageComparison {
    /// `new call after power-off 1`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} after {}", words::service(&self.service), self.disturbance())
    }

    /// `power-off 1`, `heal of fault 1`.
    #[must_use]
    pub fn disturbance(&self) -> String {
        words::disturbance(&self.kind, self.fault, self.heal_of)
    }

    /// The shift with its interval: `+302 ms [+251 ms, +349 ms]`.
    #[must_use]
    pub fn shift_text(&self) -> String {
        let shift = self.shift_ms.map_or_else(|| "–".to_owned(), signed);
        let (low, high) = (self.shift_low_ms.map(signed), self.shift_high_ms.map(signed));
        match self.confidence {
            None => shift,
            Some(_) => {
                format!("{shift} [{}, {}]", low.unwrap_or_else(|| "−∞".into()), high.unwrap_or_else(|| "∞".into()))
            }
        }
    }
}

impl CoverageComparison {
    /// `recovery after power-off 1`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("recovery after {}", words::disturbance(&self.kind, self.fault, None))
    }
}

impl QualityComparison {
    /// `delay p95 before`.
    #[must_use]
    pub fn name(&self) -> String {
        let figure = match self.figure.as_str() {
            "mos" => "MOS",
            "loss_percent" => "loss",
            "delay_ms_p95" => "delay p95",
            "jitter_ms_p95" => "jitter p95",
            other => other,
        };
        format!("{figure} {}", self.period)
    }

    /// A value in its unit.
    #[must_use]
    pub fn value_text(&self, value: Option<f64>) -> String {
        let Some(value) = value else { return "–".to_owned() };
        match self.figure.as_str() {
            "mos" => format!("{value:.2}"),
            "loss_percent" => words::percent(value),
            _ => words::fine(value),
        }
    }

    /// The shift with its interval: `−0.31 [−0.40, −0.22]`.
    #[must_use]
    pub fn shift_text(&self) -> String {
        let signed = |value: f64| {
            let size = self.value_text(Some(value.abs()));
            if value < 0.0 { format!("−{size}") } else { format!("+{size}") }
        };
        let shift = self.shift.map_or_else(|| "–".to_owned(), signed);
        match (self.shift_low, self.shift_high) {
            (Some(low), Some(high)) => format!("{shift} [{}, {}]", signed(low), signed(high)),
            _ => shift,
        }
    }

    /// What is tolerated, in its unit.
    #[must_use]
    pub fn tolerated(&self) -> String {
        let sign = if self.figure == "mos" { "−" } else { "+" };
        format!("{sign}{}", self.value_text(Some(self.tolerance)))
    }
}

/// A duration with its sign: `+302 ms`, `−1.20 s`.
pub(super) fn signed(ms: f64) -> String {
    let sign = if ms < 0.0 { "−" } else { "+" };
    format!("{sign}{}", words::duration(ms.abs()))
}

/// A p value: three digits, and never "0".
pub(super) fn probability(p: Option<f64>) -> String {
    match p {
        None => "–".to_owned(),
        Some(p) if p < 0.001 => "<0.001".to_owned(),
        Some(p) => format!("{p:.3}"),
    }
}
