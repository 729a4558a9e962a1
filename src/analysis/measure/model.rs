//! What a measurement says: the values behind `measure --json` and behind every report.
//!
//! One [`Measured`] is one trial of ours, or one set of captures of anybody's. A figure that cannot be
//! defined is `None` and absent from the JSON, never 0. Times are run times in nanoseconds (`_ns`);
//! durations are milliseconds (`_ms`).

mod chat;
mod failover;
mod quality;
mod sip;
mod video;

use serde::{Deserialize, Serialize};

pub use chat::{ChatEnd, ChatMeasured, ChatMessageMeasured, ChatterMeasured, MessageFate, MessageMeasured};
pub use failover::{FaultMeasured, Finding, Part, Phase, Takeover, TimerPhase, Timers};
pub use quality::{
    Categories, DejitterScore, FaultStretch, Grade, Mos, MosSecond, OverTime, PeriodDejitter, QosPeriod, Stretch,
    ThesisCompatible, TiphonIndex,
};
pub use sip::{SipDelay, SipMetrics, SipRatio, SipRequests, SipResponses};
pub use video::{
    DecodedMeasured, FrameFate, FrameMark, FramesMeasured, FreezeMeasured, LipSync, RecoveryMeasured, Thumbnail,
    VideoMeasured, VideoPeriod, VideoScore,
};

use crate::evidence::history::{ChatRole, Direction, Health, OpKind};
use crate::units::RunTime;

/// Everything that was measured in one trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// `fivenines.measure.v1`.
    pub schema: String,
    /// The part of a capture that was measured; absent when it was all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The measured window; absent for a foreign capture without faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Which time a foreign capture covers; absent for a trial, and where no packet was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Captured>,
    /// One entry for each injected fault, in order of time.
    pub faults: Vec<FaultMeasured>,
    /// Every outage of every service and user, in order of service, scope and time.
    pub outages: Vec<Outage>,
    /// Who was measured, whether he had an outage or not: the denominators of the outages.
    #[serde(default)]
    pub users: Vec<ServiceUsers>,
    /// Every RTP stream of sound, as it was received.
    pub streams: Vec<StreamMeasured>,
    /// Media through servers whose both sides were captured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transits: Vec<Transit>,
    /// Every RTP stream of video, as it was received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub videos: Vec<VideoMeasured>,
    /// Every call.
    pub calls: Vec<CallMeasured>,
    /// Every chatter.
    pub chatters: Vec<ChatterMeasured>,
    /// Every message.
    pub messages: Vec<MessageMeasured>,
    /// Every XMPP session of a foreign capture, in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chats: Vec<ChatMeasured>,
    /// Every message with a body that a readable XMPP session of a foreign capture shows, in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chat_messages: Vec<ChatMessageMeasured>,
    /// Operations of the window by kind, from their planned instants.
    pub signalling: Vec<OpsMeasured>,
    /// RFC 6076 ratios and delays; absent without SIP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip: Option<SipMetrics>,
    /// Delay, jitter and loss of the media before, during and after the outages.
    pub qos: Vec<QosPeriod>,
    /// Who held the floating address when.
    pub owners: Vec<OwnerInterval>,
    /// What the cluster did that no outage tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The instrument's own health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// What was odd in the evidence, with its place.
    pub anomalies: Vec<Anomaly>,
    /// What a reader must know before believing the figures.
    pub caveats: Vec<Caveat>,
}

/// The measured window of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// All traffic is steady.
    pub start_ns: RunTime,
    /// What is unrecovered now is censored.
    pub end_ns: RunTime,
}

/// The time that a foreign capture covers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Captured {
    /// The first packet: seconds in tables and figures count from it, as those of `--from` and `--to` do.
    pub first_ns: RunTime,
    /// The first instant that was measured: that of `--from`, else the first packet.
    pub start_ns: RunTime,
    /// The last instant that was measured: that of `--to`, else the last packet.
    pub end_ns: RunTime,
}

/// A time in which a user did not have a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// `address`, `sip_answer`, `register`, `new_call`, `idle_registered` (a time, no outage), `idle_can_call`,
    /// `idle_can_be_called`, `media`, `video` (its packets), `picture`, `chat_session`,
    /// `chat_delivery`.
    pub service: String,
    /// Whose: `all`, `phone-07`, `call 3`, `chat-02-b`.
    pub scope: String,
    /// Only for media, video and picture: who listened or watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The fault that it follows, where it follows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<usize>,
    /// Last sign of the service before the outage.
    pub start_ns: RunTime,
    /// First sign of the service that then held; absent when censored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ns: Option<RunTime>,
    /// Length; when censored, the least that it can be.
    pub duration_ms: f64,
    /// Not recovered by the end of the window, or of the call.
    pub censored: bool,
    /// The user hung up meanwhile, as planned: `duration_ms` tells how long he had heard nothing by then, and
    /// nothing of how long the outage was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
    /// The estimator behind `duration_ms`: `timestamp`, `sequence`, `loss_derived`, `planned_ops`,
    /// `own_registers` and `first_call` (idle phones).
    pub method: String,
    /// Half-width of what the sampling allows: probe interval or packet interval, in milliseconds.
    pub error_ms: f64,
    /// All estimators that apply.
    pub estimates: Estimates,
}

/// The users of a service who were measured over one fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceUsers {
    /// As in [`Outage::service`].
    pub service: String,
    /// Only for media, video and picture: who listened or watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Only for chatters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<ChatRole>,
    /// The fault; absent in a trial without faults, where all users of the window count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<usize>,
    /// Their names as in [`Outage::scope`], in order. Those without an [`Outage`] were not affected.
    pub users: Vec<String>,
}

/// Estimators of one outage, in milliseconds (RFC 6412, RFC 6414).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimates {
    /// First good − last good − one interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_ms: Option<f64>,
    /// (Index after − index before − 1) × interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_ms: Option<f64>,
    /// Packets lost in the outage × interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_derived_ms: Option<f64>,
}

/// One RTP stream as it was received.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamMeasured {
    /// SSRC seen first; a stitched stream may have several.
    pub ssrc: u32,
    /// Further SSRCs of the same logical stream, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_ssrcs: Vec<u32>,
    /// Source address and port.
    pub src: String,
    /// Destination address and port.
    pub dst: String,
    /// Codec name, from SDP or the static payload type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Further codecs of voice in the same logical stream, in order of payload type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_codecs: Vec<String>,
    /// Our stream number, where the payload is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_stream: Option<u32>,
    /// The call that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
    /// Who listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// First packet.
    pub start_ns: RunTime,
    /// Last packet.
    pub end_ns: RunTime,
    /// Packets received, duplicates not counted.
    pub packets: u64,
    /// Packets that were due: from the plan for our own traffic, else from the sequence numbers and, where a
    /// silence has none (new SSRC, silence to the end of a dialog), from its length.
    pub expected: u64,
    /// `expected - packets`, never below 0.
    pub lost: u64,
    /// Packets received twice.
    pub duplicates: u64,
    /// Packets that arrived after a later one (RFC 4737).
    pub reordered: u64,
    /// Packet interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ptime_ms: Option<f64>,
    /// RFC 3550 §6.4.1 interarrival jitter, mean over the packets; outages do not enter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter_ms_mean: Option<f64>,
    /// Its maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter_ms_max: Option<f64>,
    /// Pauses that the sender meant: comfort noise (RFC 3389), or a talkspurt that begins with a marker, without a
    /// missing number and with a timestamp that kept time (RFC 3551 §4.1). They are neither outage nor loss nor jitter.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pauses: u64,
    /// The longest of them; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_ms_max: Option<f64>,
    /// Largest distance of two received packets, meant pauses and holds left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_ms_max: Option<f64>,
    /// Longest silence, the one to the end of the expected media included; without any silence the largest distance
    /// of two packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_ms_max: Option<f64>,
    /// One-way delay, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// Whole-call score of the stream's own codec, behind the scenario's de-jitter buffer (captures: fixed 50 ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos_cqe: Option<Mos>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos_cqe_refused: Option<String>,
    /// The same behind each de-jitter buffer, that of `mos_cqe` among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dejitter: Vec<DejitterScore>,
    /// R(t) in a few figures, which show what the whole-call score averages away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_time: Option<OverTime>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_time_refused: Option<String>,
    /// What named tables call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Categories>,
    /// Score of each second, in order: those of the window; in a foreign capture those of the stream, each from its
    /// first packet on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<MosSecond>,
}

/// Media from one leg of a server to the other, known again by their payloads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transit {
    /// Who sent them.
    pub src: String,
    /// Where the server took them.
    pub via_in: String,
    /// From where the server sent them on.
    pub via_out: String,
    /// Who got them.
    pub dst: String,
    /// The call of the first leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_in: Option<u64>,
    /// The call of the second leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_out: Option<u64>,
    /// Packets of the first leg whose payload no other had within a second.
    pub entered: u64,
    /// Those of them that were seen on the second leg.
    pub left: u64,
    /// Time from one leg to the other; absent when the capture's clock was not steady.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One-way delay with its bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// Packets that it rests on.
    pub n: u64,
    /// Mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// Largest.
    pub max_ms: f64,
    /// Bound of the clock error.
    pub error_ms: f64,
    /// `one clock`, `rtcp round trip / 2`, …
    pub method: String,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallFate {
    /// No gap over 60 ms beyond one packet interval.
    Unaffected,
    /// A gap below 200 ms.
    Glitch,
    /// A longer gap, then media both ways again until the end.
    GapRecovered,
    /// Media came back in one direction only.
    OneWay,
    /// Sound was there both ways at the end, in a video call the picture was not in at least one direction, although its
    /// packets were back and a key frame had been due since then, or not even its packets were.
    PictureDead,
    /// Media never came back, the dialog was ended in order.
    MediaDead,
    /// Media never came back and the dialog could not be ended in order (BYE unanswered or 481).
    Zombie,
    /// The other side or the server ended the call early.
    Dropped,
    /// The call was never answered.
    NeverSetUp,
    /// The instrument did not start it; void for the cluster, failed for the user.
    NotStarted,
}

impl CallFate {
    /// Whether sound was there both ways at the end.
    #[must_use]
    pub fn has_sound(self) -> bool {
        matches!(self, CallFate::Unaffected | CallFate::Glitch | CallFate::GapRecovered | CallFate::PictureDead)
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallMeasured {
    /// Number in the trial, or in the capture in order of the INVITEs.
    pub call: u64,
    /// Its Call-ID; absent for the calls of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// Standing or new; absent in foreign captures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<OpKind>,
    /// Who called.
    pub caller: String,
    /// Who was called.
    pub callee: String,
    /// When it was due (the first INVITE in a foreign capture).
    pub planned_ns: RunTime,
    /// From the plan to 200 (RFC 6076 SRD counts from the INVITE; this counts what the user waited); in a foreign capture
    /// from the first octet of the INVITE. To the last octet of the 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_ms: Option<f64>,
    /// Final status of the INVITE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Why it ended as it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What became of it; absent where the evidence does not allow a judgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fate: Option<CallFate>,
    /// Longest media gap in each direction that has a stream, in milliseconds; infinite ones are capped by
    /// the window and appear as censored outages.
    pub gap_ms: Vec<(Direction, f64)>,
    /// Status of the BYE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bye_code: Option<u16>,
    /// Time of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_ns: Option<RunTime>,
    /// Time of the end of the dialog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ns: Option<RunTime>,
}

/// Operations of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpsMeasured {
    /// Which.
    pub kind: OpKind,
    /// Due in the window.
    pub due: u64,
    /// Succeeded.
    pub ok: u64,
    /// Failed.
    pub failed: u64,
    /// Outcome unknown.
    pub unknown: u64,
    /// Not started by the instrument.
    pub not_started: u64,
    /// Requests retransmitted.
    pub retransmissions: u64,
    /// Final status codes and how often each came.
    pub codes: std::collections::BTreeMap<u16, u64>,
    /// Median from plan to success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// 95th percentile from plan to success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<f64>,
    /// Largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<f64>,
}

/// Who held the floating address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnerInterval {
    /// Node names; several: two owners at once, a finding; none: nobody.
    pub nodes: Vec<String>,
    /// Which address, where several may float: the first one of the virtual router, or the one that was announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// From.
    pub start_ns: RunTime,
    /// Until.
    pub end_ns: RunTime,
    /// How it is known: `cluster`, `VRRP adverts`, `gratuitous ARP`.
    pub source: String,
}

/// Something odd in the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// File, and packet number or line.
    pub place: String,
    /// What is odd.
    pub what: String,
}

/// What a reader must know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Caveat {
    /// What.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether it makes the verdict unknown.
    pub voids: bool,
}
