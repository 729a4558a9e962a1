//! How media sounded: scores with their inputs, the curve over time, categories by named tables.

use serde::{Deserialize, Serialize};

use crate::units::RunTime;

/// A score with its model (P.800.1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mos {
    /// 1 to 4.5.
    pub value: f64,
    /// `ITU-T G.107 (06/2015)`: scores of different models are on different scales.
    pub model: String,
    /// `MOS-CQEN`, `MOS-CQEW` or `MOS-CQEF`.
    #[serde(default)]
    pub label: String,
    /// The rating behind it, on the model's scale: 0 to 93, 129 or 148, and below 0 where loss is worse than silence.
    pub r: f64,
    /// False when the inputs lie outside what the model was validated for.
    pub valid: bool,
    /// Why they do, one sentence each; a long outage (BurstR > 2 at Ppl ≥ 2 %) is among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside_validity: Vec<String>,
    /// The de-jitter buffer that was assumed: `fixed50`, `fixed200`, `adaptive`.
    #[serde(default)]
    pub dejitter: String,
    /// Ppl: packets due that were lost or came too late for the buffer.
    #[serde(default)]
    pub loss_percent: f64,
    /// BurstR of that loss; 1 for random or no loss.
    #[serde(default)]
    pub burst_r: f64,
    /// Ta: mean network delay, mean depth of the buffer, one packet, and the codec's look-ahead where it is known.
    #[serde(default)]
    pub ta_ms: f64,
    /// Bound of the clock error in `ta_ms`; absent where the network's delay is not known and was taken as 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ta_error_ms: Option<f64>,
    /// Where the inputs come from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What one de-jitter buffer makes of a stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DejitterScore {
    /// `fixed50`, `fixed200`, `adaptive` (40 to 200 ms).
    pub dejitter: String,
    /// Share of the packets due that arrived too late for it; absent where none was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discarded_percent: Option<f64>,
    /// Its mean depth over the packets that arrived; absent where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nominal_delay_ms: Option<f64>,
    /// Label and model of the score, `MOS-CQEN, ITU-T G.107 (06/2015)`; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Rating behind it, as [`Mos::r`]; absent where the codec or the condition has no score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<f64>,
    /// As [`Mos::value`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos_cqe: Option<f64>,
    /// As [`Mos::valid`]; absent without a score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<bool>,
}

/// R(t) of a stream in a few figures: each second rated by itself, then followed as listeners do (annoyance grows in
/// about 5 s and fades in about 15 s; Clark 2001, time constants provisional). Narrowband only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OverTime {
    /// The models behind it.
    pub model: String,
    /// The whole stream.
    #[serde(flatten)]
    pub whole: Stretch,
    /// Start of the worst second.
    pub worst_at_ns: RunTime,
    /// From each fault until the stream was heard again, for the faults that silenced it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultStretch>,
}

/// A stretch of R(t).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// Seconds of it in which media was due.
    pub length_s: u64,
    /// Lowest perceived R.
    pub r_min: f64,
    /// Its MOS.
    pub mos_min: f64,
    /// MOS of the mean perceived R.
    pub mos_of_mean_r: f64,
    /// Seconds with a perceived MOS below 3.6 (R 70: some users are dissatisfied).
    pub mos_below_3_6_s: u64,
    /// Seconds whose own loss or delay lies outside the model's range.
    pub outside_validity_s: u64,
}

/// R(t) between a fault and the recovery of the stream. Seconds that the two instants cut are counted whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultStretch {
    /// The fault.
    pub fault: usize,
    /// The fault's command started.
    pub start_ns: RunTime,
    /// The stream was heard again, or was no more due.
    pub end_ns: RunTime,
    /// Whether it was heard again.
    pub recovered: bool,
    /// What it was like.
    #[serde(flatten)]
    pub heard: Stretch,
}

/// Score of one second of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MosSecond {
    /// Start of the second.
    pub at_ns: RunTime,
    /// MOS-CQE of the second, with the first-order response of listeners; absent where there is no R(t).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos: Option<f64>,
    /// Share of packets due in it that were lost or came too late, 0 to 1.
    pub loss: f64,
    /// Mean one-way delay of the packets that arrived in it; absent where none arrived or it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<f64>,
}

/// Media quality in one part of the trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QosPeriod {
    /// `before`, `during`, `after`.
    pub period: String,
    /// Streams that had media due in it.
    pub streams: u64,
    /// Packets due.
    pub expected: u64,
    /// Percent of them lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_percent: Option<f64>,
    /// Mean over the packets of all streams (Y.1540 IPTD).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms_mean: Option<f64>,
    /// Percentiles over the packets of all streams, with the number of streams as the honest n.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms_p50: Option<f64>,
    /// See `delay_ms_p50`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms_p95: Option<f64>,
    /// Bound of the clock error in the delays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_error_ms: Option<f64>,
    /// Y.1540 IPDV, 99.9 % quantile of the delay minus the smallest, the median over the streams that have the 1,000
    /// packets which such a quantile takes; absent where none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipdv_ms: Option<f64>,
    /// Mean of the interarrival jitter (RFC 3550) over packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter_ms_mean: Option<f64>,
    /// 95th percentile of the interarrival jitter (RFC 3550) over packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter_ms_p95: Option<f64>,
    /// Median over the streams of MOS-CQE in this period, behind the scenario's buffer; absent where the streams were
    /// scored on different scales, which have no common median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos_median: Option<f64>,
    /// Lowest of the streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos_min: Option<f64>,
    /// Whether the model was inside its range for every stream.
    pub mos_valid: bool,
    /// Why streams have no score here, each reason once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mos_refused: Vec<String>,
    /// The same behind each de-jitter buffer, the scenario's own among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dejitter: Vec<PeriodDejitter>,
    /// What named tables call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Categories>,
}

/// One period behind one de-jitter buffer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeriodDejitter {
    /// `fixed50`, `fixed200`, `adaptive` (40 to 200 ms).
    pub dejitter: String,
    /// Whether it is the scenario's own.
    pub chosen: bool,
    /// P.800.1 label and model of the scores: `MOS-CQEN, ITU-T G.107 (06/2015)`; empty without scores.
    pub model: String,
    /// Streams that were scored.
    pub scored: u64,
    /// Share of all packets due that arrived too late for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discarded_percent: Option<f64>,
    /// Its depth, the median over the streams of which packets arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nominal_delay_ms: Option<f64>,
    /// Median R over the streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r_median: Option<f64>,
    /// Median MOS-CQE over the streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos_median: Option<f64>,
    /// Lowest of the streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos_min: Option<f64>,
    /// Whether the model was inside its range for every stream.
    pub valid: bool,
}

/// Grades by named tables. A grade without its table says nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Categories {
    /// One for each figure and table; empty for the streams of a trial, whose periods have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grades: Vec<Grade>,
    /// ITU-T Y.1541 classes whose objectives for delay, its variation and loss are all met; class 5 has none.
    /// Absent where one of the three is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y1541_classes: Option<Vec<u8>>,
    /// How far the objectives of the classes can be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y1541_provenance: Option<String>,
    /// The overall index from one-way delay, RFC 3550 jitter, loss and throughput.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiphon: Option<TiphonIndex>,
    /// What a thesis would have called delay and jitter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thesis_compatible: Option<ThesisCompatible>,
}

/// One figure in the words of one table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Grade {
    /// The figure and its unit: `delay_mean_ms`, `jitter_mean_ms`, `loss_percent`, `throughput_percent`.
    pub figure: String,
    /// Its value.
    pub value: f64,
    /// The table, as it must be quoted.
    pub table: String,
    /// The grade, in the table's own words.
    pub grade: String,
    /// The table's index, where it has one (4 is best).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u8>,
    /// How far the table can be trusted: `published`, `provisional` …
    pub provenance: String,
}

/// The overall index of the table that Indonesian theses cite as TIPHON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TiphonIndex {
    /// `TIPHON (as cited in Indonesian theses)`.
    pub table: String,
    /// Mean of the four indices, 1 to 4.
    pub index: f64,
    /// The same in percent of 4.
    pub percent: f64,
    /// In the theses' words: `sangat memuaskan`, `memuaskan`, `kurang memuaskan`, `jelek`.
    pub grade: String,
}

/// The columns "delay" and "jitter" as theses take them from Wireshark, under names that say what they are: the first
/// is the packet interval, and neither is a delay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThesisCompatible {
    /// Mean gap between consecutive packets.
    pub packet_gap_ms_mean: f64,
    /// Sum of the changes from gap to gap, over the number of gaps.
    pub packet_gap_variation_ms: f64,
    /// The overall index with these two for delay and jitter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiphon: Option<TiphonIndex>,
}
