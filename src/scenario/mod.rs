//! The scenario file: what a user writes, read into values that are known to make sense.
//!
//! [`Scenario::parse`] either returns a scenario that can be planned, or an error with the line, a
//! marker under the wrong words and a suggestion. Nothing here opens a file or a socket.

mod check;
mod describe;
mod design;
mod engine;
mod error;
mod external;
mod fault;
mod lab;
mod node;
mod path;
pub mod phone;
mod threshold;
mod video;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_spanned::Spanned;

pub use design::Design;
pub use engine::{EngineTable, EngineTimers, LabEngine};
pub use error::ScenarioError;
pub use external::{Accounts, Daemon, ExternalCluster, ExternalNode, Hook, Limits, Owner, Processes, Role};
pub use fault::{
    ClockFault, Fault, FlapFault, NodeFault, OneWayFault, PanicFault, Service, ServiceFault, Step, StoreFault, Way,
};
pub use lab::{LAB_PROFILES, LabCluster, LabSip, LabXmpp};
pub use node::{Accelerator, LabNode, MachineSize, NodeKind};
pub use path::{GilbertElliott, PathFault};
pub use threshold::{
    CALL_FATES, Comparison, Family, MESSAGE_FATES, Metric, Need, Percent, Period, Threshold, Unit, families,
};
pub use video::{Encoding, Picture, Resolution, VideoCalls, VideoCodec, VideoPacing};

use crate::units::Span;
use phone::{PhoneChoice, PhoneProfile};

/// A whole scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Short name; names the run directory.
    pub name: String,
    /// The question that the scenario answers, one sentence.
    pub question: String,
    /// Length of the measured window, from the moment when all traffic is steady.
    pub window: Spanned<Duration>,
    /// Seed of the first trial.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// How many trials.
    #[serde(default = "default_trials")]
    pub trials: Spanned<u32>,
    /// A recovery counts once it has held this long (RFC 6412, sustained convergence validation time).
    #[serde(default = "default_validate")]
    pub validate: Duration,
    /// Each fault, and each heal inside the window, is moved by a random time up to this much (a heal never to the next
    /// fault or the window's end), so that trials do not share one phase of the users' own timers. Against the timer of a cluster that has one the phase is drawn by itself ([`Scenario::timer`]).
    #[serde(default)]
    pub phase_jitter: Duration,
    /// How a trial is made around its faults, and what becomes of one that is void.
    #[serde(default)]
    pub design: Design,
    /// De-jitter buffer profile whose score the report puts first.
    #[serde(default)]
    pub dejitter: Dejitter,
    /// The system under test.
    pub cluster: Cluster,
    /// What users do.
    #[serde(default)]
    pub traffic: Traffic,
    /// The scenario's own phone profiles, `[phone.NAME]`.
    #[serde(default, rename = "phone")]
    pub phones: BTreeMap<String, Spanned<PhoneProfile>>,
    /// What breaks, in order of time.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Spanned<Fault>>,
    /// Figures that others have published, to stand beside ours.
    #[serde(default)]
    pub published: Vec<Published>,
    /// What must hold for `pass`, as `"outage.media.median < 1s"`.
    #[serde(default)]
    pub thresholds: Vec<Spanned<Threshold>>,
}

/// `[[published]]`: an outage that somebody else has published.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The failover as the report names it, `alpha → beta`, or what else it was.
    pub label: String,
    /// How long it was.
    pub outage: Duration,
    /// Our row that stands beside it.
    #[serde(default = "default_service")]
    pub service: String,
    /// Whether a cluster engine moved an address: its length is then held against what default timers allow.
    #[serde(default = "default_true")]
    pub by_cluster: bool,
    /// Who published it, and from how many trials.
    pub source: String,
}

/// The system under test. Externally tagged: `[cluster.reference]`, `[cluster.lab]`, `[cluster.external]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cluster {
    /// Small nodes of this program itself on loopback addresses, with a configured takeover delay.
    Reference(ReferenceCluster),
    /// Real servers in Linux namespaces on this machine, as root.
    Lab(LabCluster),
    /// A cluster of the user's own that is up already.
    External(Box<ExternalCluster>),
}

/// `[cluster.reference]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceCluster {
    /// Node names, in the order in which they take the address.
    pub nodes: Vec<String>,
    /// The floating address, in 127.0.0.0/8. Node k answers on the address k + 1 above it.
    pub address: Spanned<Ipv4Addr>,
    /// Delay of the first, second, … takeover: the planted truth. The last one repeats.
    #[serde(default)]
    pub takeover: Vec<Duration>,
    /// Records of a DNS SRV name instead of the floating address: each node then serves on its own address all the
    /// time, nothing is taken over, and phones must find the survivor by themselves.
    #[serde(default)]
    pub srv: Vec<Spanned<SrvRecord>>,
    /// Whether nodes tell each other who is registered. Otherwise a survivor knows only who registers with it.
    #[serde(default = "default_true")]
    pub share_registrations: bool,
}

/// One record of the SRV name (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SrvRecord {
    /// The node.
    pub node: String,
    /// Lower ones are tried first.
    #[serde(default)]
    pub priority: u16,
    /// Share among the nodes of one priority.
    #[serde(default = "default_weight")]
    pub weight: u16,
}

/// `[traffic]`: every part is optional; what is absent is not measured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Phones that register again and again.
    pub registrations: Option<Registrations>,
    /// Calls that stand through the whole window.
    pub standing_calls: Option<StandingCalls>,
    /// Calls with audio and video that stand through the whole window.
    pub video_calls: Option<VideoCalls>,
    /// Calls that are placed all the time, as by an office.
    pub new_calls: Option<Spanned<NewCalls>>,
    /// Phones that do nothing but stay registered, until they are asked what they can still do.
    pub idle_phones: Option<Spanned<IdlePhones>>,
    /// The stateless OPTIONS train.
    pub options: Option<OptionsTrain>,
    /// Chat pairs.
    pub chat: Option<Chat>,
}

/// Phones that register again and again, each at its own planned instants.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registrations {
    /// How many phones.
    pub phones: u32,
    /// How often each registers again.
    pub interval: Spanned<Duration>,
    /// How long a user waits for one registration.
    #[serde(default = "default_patience")]
    pub patience: Duration,
    /// Share of phones on TCP, 0 to 1; the others use UDP.
    #[serde(default = "no_share")]
    pub tcp_share: Spanned<f64>,
}

/// Calls that stand through the whole window.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingCalls {
    /// How many.
    pub count: u32,
    /// Codecs, dealt in turn.
    #[serde(default = "default_codecs")]
    pub codecs: Vec<Codec>,
    /// Packet interval.
    #[serde(default = "default_ptime")]
    pub ptime: Spanned<Duration>,
    /// Share of calls whose phones use SIP over TCP.
    #[serde(default = "no_share")]
    pub tcp_share: Spanned<f64>,
}

/// Calls that are placed all the time: an open model with planned instants.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCalls {
    /// Calls a second.
    pub rate_per_s: f64,
    /// How long each is held once it is answered.
    pub hold: Duration,
    /// How long a caller waits for an answer before he hangs up.
    #[serde(default = "default_patience")]
    pub patience: Duration,
    /// How often each of their phones registers again; absent: once, before the window. Where nodes do not share
    /// their registrations, a survivor cannot find a callee before that.
    pub register_interval: Option<Spanned<Duration>>,
    /// Phone profile, or a mix: their phones then stay registered by themselves and fail over as it says.
    pub phone: Option<Spanned<PhoneChoice>>,
    /// Codecs, dealt in turn.
    #[serde(default = "default_codecs")]
    pub codecs: Vec<Codec>,
    /// Packet interval.
    #[serde(default = "default_ptime")]
    pub ptime: Duration,
}

/// Phones that do nothing but stay registered, as their profile says. A third of them is only watched, a third
/// calls, and a third is called: none is asked twice, so that no question heals what another one measures.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdlePhones {
    /// Phone profile, or a mix.
    pub phone: Spanned<PhoneChoice>,
    /// How many phones for each of the three questions.
    pub phones: u32,
    /// How often a phone calls, or is called, while its user is not waiting for an answer.
    #[serde(default = "default_probe")]
    pub interval: Spanned<Duration>,
    /// How long a user waits for the answer before he hangs up and dials again.
    #[serde(default = "default_patience")]
    pub patience: Duration,
    /// Lifetime of registrations instead of the profiles', as from a registrar that grants no more.
    pub expires: Option<Spanned<Duration>>,
}

/// The stateless OPTIONS train.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionsTrain {
    /// One datagram each.
    pub interval: Spanned<Duration>,
}

/// Chat pairs: in each, one writes planned messages and the other only reads.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// How many pairs.
    pub pairs: u32,
    /// Messages a second over all pairs.
    pub messages_per_s: Spanned<f64>,
    /// How often each *sender* pings the server (XEP-0199). Zero: never.
    #[serde(default = "default_ping")]
    pub ping_interval: Duration,
    /// How often each *receiver* pings. Zero: never, as many clients: then a dead server goes unnoticed.
    #[serde(default)]
    pub receiver_ping_interval: Duration,
    /// A ping that is not answered by then ends the session.
    #[serde(default = "default_ping_timeout")]
    pub ping_timeout: Duration,
    /// Pause between attempts to log in again.
    #[serde(default = "default_reconnect")]
    pub reconnect: Duration,
    /// Stream management (XEP-0198).
    #[serde(default = "default_true")]
    pub stream_management: bool,
    /// A delivery later than this is `late`.
    #[serde(default = "default_late")]
    pub late_after: Duration,
}

/// Codecs that the phones speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// G.711 µ-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
}

/// De-jitter buffer profiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dejitter {
    /// Fixed 50 ms.
    #[default]
    Fixed50,
    /// Fixed 200 ms.
    Fixed200,
    /// Adaptive, 40 to 200 ms.
    Adaptive,
}

/// A duration with its unit, as `"250ms"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub Span);

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(|duration| Duration(Span::from(duration))).map_err(|error| {
            serde::de::Error::custom(format!(
                "`{text}` is no duration ({error}); write it as \"250ms\", \"8s\" or \"2m\""
            ))
        })
    }
}

impl Serialize for Duration {
    /// As it is read: `1500ms`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0.to_duration()))
    }
}

impl Codec {
    /// Name in SDP.
    #[must_use]
    pub fn sdp_name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
        }
    }

    /// Static payload type (RFC 3551).
    #[must_use]
    pub fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        }
    }
}

impl Scenario {
    /// Reads a scenario and checks that it makes sense.
    ///
    /// # Errors
    /// With the file's name, the place and a remedy: syntax, unknown key, wrong unit, impossible plan.
    pub fn parse(file: &str, text: &str) -> Result<Scenario, Box<ScenarioError>> {
        threshold::check(text).map_err(|complaint| error::from_complaint(file, text, complaint))?;
        let mut scenario: Scenario = toml::from_str(text).map_err(|error| error::from_toml(file, text, &error))?;
        check::check(&scenario).map_err(|complaint| error::from_complaint(file, text, complaint))?;
        fault::expand(&mut scenario.faults);
        Ok(scenario)
    }
}

fn default_seed() -> u64 {
    1
}

fn default_trials() -> Spanned<u32> {
    Spanned::new(0..0, 1)
}

fn default_validate() -> Duration {
    Duration(Span::from_secs(1))
}

fn default_patience() -> Duration {
    Duration(Span::from_secs(8))
}

fn default_codecs() -> Vec<Codec> {
    vec![Codec::Pcma, Codec::Pcmu]
}

fn default_ptime<T: From<Duration>>() -> T {
    T::from(Duration(Span::from_millis(20)))
}

fn default_ping() -> Duration {
    Duration(Span::from_secs(1))
}

fn default_ping_timeout() -> Duration {
    Duration(Span::from_secs(1))
}

fn default_reconnect() -> Duration {
    Duration(Span::from_millis(100))
}

fn default_probe() -> Spanned<Duration> {
    Spanned::new(0..0, Duration(Span::from_secs(1)))
}

fn default_weight() -> u16 {
    1
}

fn default_late() -> Duration {
    Duration(Span::from_secs(2))
}

fn no_share() -> Spanned<f64> {
    Spanned::new(0..0, 0.0)
}

fn default_service() -> String {
    "sip_answer".to_owned()
}

fn default_true() -> bool {
    true
}

impl From<Duration> for Spanned<Duration> {
    fn from(duration: Duration) -> Self {
        Spanned::new(0..0, duration)
    }
}

#[cfg(test)]
mod tests;
