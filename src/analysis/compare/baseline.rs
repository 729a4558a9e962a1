//! What a comparison needs of a run, and no more: small enough to be committed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::extract;
use crate::analysis::report::model::Report;
use crate::analysis::stats::Observation;

/// `schema` of a baseline file.
pub const BASELINE_SCHEMA: &str = "fivenines.baseline.v1";

/// A run, reduced to one value for each trial, service and fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// [`BASELINE_SCHEMA`].
    pub schema: String,
    /// Name of the scenario.
    pub scenario: String,
    /// When the run started: UTC, RFC 3339.
    pub started_utc: String,
    /// Version of the program that measured it.
    pub version: String,
    /// Seed of its first trial.
    pub seed: u64,
    /// One line about the cluster.
    pub cluster: String,
    /// The traffic in words.
    pub traffic: Vec<String>,
    /// Versions of the servers under test.
    pub servers: BTreeMap<String, String>,
    /// Trials that were measured.
    pub trials: u64,
    /// Why the run cannot be trusted; empty when it can.
    pub void: Vec<String>,
    /// Outages: a sample for each fault and service.
    pub outages: Vec<ServiceSample>,
    /// How often failover worked, for each fault.
    pub failovers: Vec<FailoverCounts>,
    /// Media quality: a sample for each figure and period.
    pub quality: Vec<QualitySample>,
}

/// Outages of one service after one fault, or one heal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceSample {
    /// Number of the fault, from 0; a heal has one behind those of all faults.
    pub fault: usize,
    /// `power_off` …, `heal`.
    pub kind: String,
    /// The fault that was healed, where this is a heal: its outages are those of the failback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heal_of: Option<usize>,
    /// As in `OutageSummary::service` of the report: `media to caller`.
    pub service: String,
    /// Each trial's median affected user, 0 where nobody of those who were measured was affected, in order of trials.
    pub trials_ms: Vec<f64>,
    /// Trials whose median user had not recovered after this long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above_ms: Vec<f64>,
}

/// Trials in which the fault bit, and those after which every user had every service back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverCounts {
    /// Number of the fault, from 0.
    pub fault: usize,
    /// `power_off` …
    pub kind: String,
    /// Trials in which it bit.
    pub tried: u64,
    /// Of them, those with no service censored.
    pub recovered: u64,
}

/// One figure of media quality, a value for each trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QualitySample {
    /// `mos`, `loss_percent`, `delay_ms_p95`, `jitter_ms_p95`.
    pub figure: String,
    /// `before`, `during`, `after`.
    pub period: String,
    /// Values in order of trials; trials without the figure are left out.
    pub trials: Vec<f64>,
}

impl Baseline {
    /// Reduces a report.
    #[must_use]
    pub fn of(report: &Report) -> Baseline {
        let (run, trials) = (&report.run, &report.trials);
        Baseline {
            schema: BASELINE_SCHEMA.to_owned(),
            scenario: report.scenario.clone(),
            started_utc: run.started_utc.clone(),
            version: run.version.clone(),
            seed: run.seed,
            cluster: run.cluster.clone(),
            traffic: run.traffic.clone(),
            servers: run.servers.clone(),
            trials: trials.len() as u64,
            void: report.caveats.iter().filter(|caveat| caveat.voids).map(|caveat| caveat.text.clone()).collect(),
            outages: extract::outages(trials),
            failovers: extract::failovers(trials),
            quality: extract::quality(trials),
        }
    }

    /// The sample of a figure of media quality.
    #[must_use]
    pub fn quality(&self, figure: &str, period: &str) -> Option<&QualitySample> {
        self.quality.iter().find(|of| of.figure == figure && of.period == period)
    }

    /// The sample of a service after a fault of this number and kind.
    #[must_use]
    pub fn sample(&self, fault: usize, kind: &str, service: &str) -> Option<&ServiceSample> {
        self.outages.iter().find(|of| of.fault == fault && of.kind == kind && of.service == service)
    }
}

impl ServiceSample {
    /// All trials, recovered or not.
    #[must_use]
    pub fn observations(&self) -> Vec<Observation> {
        let exact = self.trials_ms.iter().map(|ms| Observation::Exact(*ms));
        exact.chain(self.above_ms.iter().map(|ms| Observation::Above(*ms))).collect()
    }
}
