//! `report.json`: the figures over all trials, and the trials themselves. Every other form of the report
//! (terminal, HTML, figures, CSV, JUnit) shows these values and computes none of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analysis::measure::model::{Caveat, Measured, QosPeriod, Timers};
use crate::analysis::theory::Law;
pub use crate::analysis::verdict::{Outcome, ThresholdResult, Verdict};
use crate::evidence::rundir::RunInfo;
use crate::scenario::Way;

/// The whole report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `fivenines.report.v1`.
    pub schema: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Its question.
    pub question: String,
    /// Where, when and with what it was run.
    pub run: RunInfo,
    /// The answer in words, before any table.
    pub headline: String,
    /// Each fault of the scenario, with its outages over all trials.
    pub transitions: Vec<Transition>,
    /// Idle phones by profile and fault; empty where there is one profile, whose rows stand in `transitions`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle: Vec<IdlePhones>,
    /// Outages per service over all faults and trials.
    pub outages: Vec<OutageSummary>,
    /// Further estimates of each service and fault over the trials, with their intervals.
    #[serde(default)]
    pub estimates: Vec<Estimate>,
    /// Phases per fault: medians over the trials.
    pub phases: Vec<PhaseSummary>,
    /// Media before, during and after, pooled over trials.
    pub qos: Vec<QosPeriod>,
    /// MOS per service, period and de-jitter buffer.
    pub mos: Vec<MosSummary>,
    /// R(t): whole streams first, then each fault.
    #[serde(default)]
    pub listening: Vec<ListeningSummary>,
    /// Number of calls by fate.
    pub calls: BTreeMap<String, u64>,
    /// Number of messages by fate.
    pub messages: BTreeMap<String, u64>,
    /// What it means for five nines.
    pub availability: Availability,
    /// What the cluster did that no outage tells, over all trials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingSummary>,
    /// Figures that others have published, beside ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PublishedRow>,
    /// What a reader must know, voiding ones first.
    pub caveats: Vec<Caveat>,
    /// Thresholds and the verdict.
    pub verdict: Verdict,
    /// What each trial measured that counts; where every trial is void, all of them.
    pub trials: Vec<Trial>,
    /// Trials whose measurement is void. They are in no figure, unless there is no other.
    #[serde(default)]
    pub void_trials: Vec<VoidTrial>,
}

/// A trial that is counted in nothing. Its evidence is kept; `fivenines measure RUN --trial N` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VoidTrial {
    /// From 1.
    pub number: u32,
    /// Its seed.
    pub seed: u64,
    /// Why.
    pub reasons: Vec<String>,
}

/// One trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// From 1.
    pub number: u32,
    /// Its seed.
    pub seed: u64,
    /// What was measured.
    pub measured: Measured,
}

/// A finding over all trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingSummary {
    /// As in [`crate::analysis::measure::model::Finding::kind`].
    pub kind: String,
    /// Trials in which it was seen.
    pub trials: u64,
    /// How often in all of them.
    pub count: u64,
    /// The longest in any of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_ms: Option<f64>,
    /// Who or what was seen, in the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// A published figure beside ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedRow {
    /// The failover, as in [`Transition::label`], or what else it was.
    pub label: String,
    /// The published figure.
    pub published_ms: f64,
    /// Who published it, and from how many trials.
    pub source: String,
    /// Our service that stands beside it.
    pub service: String,
    /// Our median; absent where we have no such failover, or it never came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours_ms: Option<f64>,
    /// Interval of our median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours_low_ms: Option<f64>,
    /// See `ours_low_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours_high_ms: Option<f64>,
    /// Our trials.
    pub n: u64,
    /// See [`Transition::machines`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<String>,
    /// What a failover of the published length can be.
    pub comment: String,
}

/// Takeovers over the trials against the law of the engine's timers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TakeoverSummary {
    /// By which the engine notices.
    #[serde(flatten)]
    pub timers: Timers,
    /// The old owner gave the address up by an advert of priority 0.
    pub resigned: bool,
    /// The law of the time from the fault to the engine's decision.
    pub law: Law,
    /// Trials that follow this law.
    pub n: u64,
    /// Trials whose takeover had other timers or another course.
    pub other: u64,
    /// Shortest time from the fault to the engine's decision: new owner's first advert, new membership, found dead.
    pub measured_ms_min: f64,
    /// Longest.
    pub measured_ms_max: f64,
    /// Median of measured less predicted for the phase of the engine's messages that the trial drew.
    pub residual_ms_median: f64,
    /// Smallest residual.
    pub residual_ms_min: f64,
    /// Largest residual.
    pub residual_ms_max: f64,
    /// Kolmogorov–Smirnov distance of the measured times to the law; absent under five trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ks_d: Option<f64>,
    /// Probability of such a distance if the law holds, exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ks_p: Option<f64>,
}

/// Where the time of a service's typical outage went: means over the trials, which add up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartsSummary {
    /// The service.
    pub service: String,
    /// Trials.
    pub n: u64,
    /// In order of time.
    pub parts: Vec<PartMean>,
    /// Mean of the outages: the sum of the parts.
    pub total_ms: f64,
}

/// Mean of one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartMean {
    /// As in [`crate::analysis::measure::model::Part::part`].
    pub part: String,
    /// Mean over the trials.
    pub mean_ms: f64,
}

/// One fault of the scenario, or one heal, over all trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// Number of the fault, from 0; a heal has one behind those of all faults.
    pub fault: usize,
    /// The fault that was healed, where this is a heal: its outages are those of the failback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heal_of: Option<usize>,
    /// `alpha → beta`; `several` for what differs between the trials.
    pub label: String,
    /// `power_off` …
    pub kind: String,
    /// Median instant of the injection from the start of the window, in seconds.
    pub at_s: f64,
    /// The outage that the reference cluster was told to produce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured_ms: Option<f64>,
    /// The takeover against its law; absent where no adverts show one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takeover: Option<TakeoverSummary>,
    /// Where the time went, for each service that came back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartsSummary>,
    /// What a degraded path did to packets, for each direction that it hit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathSummary>,
    /// Which knob decided, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The nodes of the failover that are machines of their own, with what their figures depend on: emulator,
    /// accelerator, processors and memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<String>,
    /// A row for each service (media: one for each direction).
    pub services: Vec<OutageSummary>,
}

/// What a degraded path did in one direction, over all trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathSummary {
    /// Which packets.
    pub way: Way,
    /// How it was done: `emulator`.
    pub method: String,
    /// Packets that came to it.
    pub packets: u64,
    /// Of them, those that were lost by chance, in percent.
    pub lost_percent: f64,
    /// Packets that found the queue of a limited rate full.
    pub overflowed: u64,
    /// Packets that overtook others.
    pub reordered: u64,
    /// How much later than asked for one packet in a hundred left, in the worst trial.
    pub late_ms_p99: f64,
}

/// The idle phones of one profile after one fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdlePhones {
    /// Number of the fault.
    pub fault: usize,
    /// Name of the profile.
    pub profile: String,
    /// `idle_registered`, `idle_can_call`, `idle_can_be_called`.
    pub services: Vec<OutageSummary>,
}

/// Outages of one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutageSummary {
    /// `address`, `sip_answer`, `register`, `new_call`, `idle_registered`, `idle_can_call`, `idle_can_be_called`,
    /// `media to caller`, `media to callee`, `video to caller`,
    /// `video to callee` (packets), `picture to caller`, `picture to callee` (frames that decode),
    /// `chat_session sender`, `chat_session receiver`, `chat_delivery`.
    pub service: String,
    /// Trials in which the service was measured: the unit of replication.
    pub n: u64,
    /// Users (calls, phones, chatters) that were measured, over all trials; one user counts once for each fault.
    pub users: u64,
    /// Users who had an outage. Of several outages after one fault the longest counts.
    pub affected: u64,
    /// Users for whom it had not come back by the end of the window.
    pub censored: u64,
    /// Users who hung up in the outage, as planned; they are counted in nothing else here, since they cannot
    /// tell how long it was.
    #[serde(default)]
    pub left: u64,
    /// Median over trials of the trial's median affected user; absent when that one is censored or nobody was hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_ms: Option<f64>,
    /// The median is only known to be larger than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_above_ms: Option<f64>,
    /// Exact order-statistic interval of the median over trials; absent under n = 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci_low_ms: Option<f64>,
    /// See `ci_low_ms`; absent with `ci_low_ms` present when the upper bound is censored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci_high_ms: Option<f64>,
    /// Confidence that the interval really has, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Longest recovered outage of any user in any trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_ms: Option<f64>,
    /// Longest censored lower bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_above_ms: Option<f64>,
    /// The users that `median_ms` rests on, as in [`OutageSummary::users`]: `calls`, `phones`, `chatters`, `pairs`, `probes`.
    pub unit: String,
    /// How it was measured, in words: `OPTIONS every 10 ms`.
    pub method: String,
    /// Sampling error of one outage, in milliseconds.
    pub error_ms: f64,
}

/// Estimates of one service's outage after one fault, over trials of the trial's median affected user; the median with
/// its exact interval stands in [`OutageSummary`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Number of the fault, from 0.
    pub fault: usize,
    /// As in [`OutageSummary::service`].
    pub service: String,
    /// Trials.
    pub n: u64,
    /// Of them, those whose median user never came back: they count as larger than everything and are never dropped.
    pub censored: u64,
    /// Kaplan–Meier median, which uses how long each censored trial was watched; interval after Brookmeyer & Crowley.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kaplan_meier: Option<Span95>,
    /// Mean with Student's t; absent under two trials, and where one is censored: then there is no mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Span95>,
    /// Mean with a BCa bootstrap interval (2,000 resamples, seed 1); absent under ten trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_bca: Option<Span95>,
    /// Geometric mean with Student's t on the logarithms (log-normal law).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geometric_mean: Option<Span95>,
    /// Where the next trial is expected, by the log-normal law.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Span95>,
    /// Distribution-free upper bounds of the 90th, 95th and 99th percentile.
    pub bounds: Vec<QuantileBound>,
}

/// A value with its 95 % interval, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span95 {
    /// The estimate; absent where it is censored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_ms: Option<f64>,
    /// Lower end.
    pub low_ms: f64,
    /// Upper end; absent where it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_ms: Option<f64>,
}

/// An upper bound of a percentile with 95 % confidence, or how many trials it takes to claim one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantileBound {
    /// 90, 95 or 99.
    pub percent: u8,
    /// The bound; absent where it is not claimable or only known to be larger than `above_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_ms: Option<f64>,
    /// The bound is censored at this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above_ms: Option<f64>,
    /// Trials from which on it can be claimed.
    pub needed_n: u64,
}

/// One phase of a failover over the trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseSummary {
    /// Number of the fault.
    pub fault: usize,
    /// Name, as in `Phase`.
    pub phase: String,
    /// Trials in which it was seen.
    pub n: u64,
    /// Median time since the injection.
    pub median_ms: f64,
    /// Smallest.
    pub min_ms: f64,
    /// Largest.
    pub max_ms: f64,
}

/// Scores of one service behind one de-jitter buffer, on one scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MosSummary {
    /// `voice, standing calls`, `voice, new calls`.
    pub service: String,
    /// `before`, `during`, `after`, `whole call`.
    pub period: String,
    /// `fixed50`, `fixed200`, `adaptive` (40 to 200 ms).
    #[serde(default)]
    pub dejitter: String,
    /// Whether it is the scenario's own.
    #[serde(default)]
    pub chosen: bool,
    /// Streams.
    pub n: u64,
    /// Share of the packets due that arrived too late for the buffer; of whole calls the median over the streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discarded_percent: Option<f64>,
    /// Its depth, the median over the streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nominal_delay_ms: Option<f64>,
    /// Median R over the streams, on the model's scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r_median: Option<f64>,
    /// Median over the streams.
    pub median: f64,
    /// Lowest.
    pub min: f64,
    /// Label and model: `MOS-CQEN, ITU-T G.107 (06/2015)`.
    pub model: String,
    /// Whether the model was inside its range.
    pub valid: bool,
}

/// R(t) over the streams: what whole-call scores average away. See [`Stretch`] for the figures.
///
/// [`Stretch`]: crate::analysis::measure::model::Stretch
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListeningSummary {
    /// From this fault until each stream that it silenced was heard again; absent: whole streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<usize>,
    /// Trials with such streams.
    pub n: u64,
    /// Streams, over all trials.
    pub streams: u64,
    /// Streams that were heard again after the fault; absent for whole streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<u64>,
    /// Lowest perceived R.
    pub r_min: Distribution,
    /// Lowest perceived MOS.
    pub mos_min: Distribution,
    /// MOS of the mean perceived R.
    pub mos_of_mean_r: Distribution,
    /// Seconds with a perceived MOS below 3.6.
    pub mos_below_3_6_s: Distribution,
    /// The plain whole-call MOS of the same streams; absent for a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_call_mos: Option<Distribution>,
    /// Streams whose whole-call score is outside the validity of its model; absent for a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_call_outside_validity: Option<u64>,
}

/// A figure over the streams: quartiles are the median over trials of each trial's own (type 7, streams of different
/// trials are not pooled), the ends are of all trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Smallest.
    pub lowest: f64,
    /// A quarter of the streams lie below.
    pub p25: f64,
    /// Half of them.
    pub median: f64,
    /// Three quarters.
    pub p75: f64,
    /// Largest.
    pub highest: f64,
}

/// What the outages mean against a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Availability {
    /// 0.99999.
    pub target: f64,
    /// Failovers tried: faults that were seen to bite, over all trials.
    pub failovers: u64,
    /// Failovers after which every user had every service back by the end of the window.
    pub succeeded: u64,
    /// Lower 95 % one-sided Clopper–Pearson bound of the probability that a failover works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage_low: Option<f64>,
    /// One row for each service: how often a year it may fail like this.
    pub budget: Vec<BudgetRow>,
    /// What each number of nines leaves of a year: with it every other budget follows.
    #[serde(default)]
    pub targets: Vec<TargetBudget>,
    /// The sentence that may be quoted.
    pub statement: String,
}

/// How many such failures a year the target allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetRow {
    /// Service, as in [`OutageSummary`].
    pub service: String,
    /// Downtime that is assumed for each failure: the median of the slowest transition.
    pub downtime_ms: f64,
    /// Failures a year (365 days) that the target allows.
    pub failures_per_year: f64,
    /// The same at the upper end of the downtime's interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures_per_year_low: Option<f64>,
    /// Interval of the downtime, both ends or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime_interval_ms: Option<(f64, f64)>,
    /// Mean time between failures that the target needs at this downtime, in hours.
    #[serde(default)]
    pub mtbf_needed_h: f64,
    /// Hours without a single failure that would show that mean time at 95 %.
    #[serde(default)]
    pub observation_needed_h: f64,
}

/// An availability and what it leaves of a year of 365 days.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetBudget {
    /// 0.999, 0.9999, 0.99999, 0.999999.
    pub target: f64,
    /// Seconds a year.
    pub downtime_s: f64,
}
