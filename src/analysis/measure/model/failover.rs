//! What followed a fault: the takeover, its parts and phases, and what was found on the way.

use serde::{Deserialize, Serialize};

use crate::analysis::theory::Law;
use crate::evidence::history::PathWork;
use crate::units::RunTime;

/// One fault and what followed, or one heal inside the window, which is a disturbance of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultMeasured {
    /// Number in the scenario, from 0. A heal has the number of its fault behind those of all faults.
    pub fault: usize,
    /// The fault that was healed, where this is a heal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heal_of: Option<usize>,
    /// `power_off` …, `heal`.
    pub kind: String,
    /// The node that was hit.
    pub node: String,
    /// The node that held the address afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// The first command of the injection started.
    pub command_start_ns: RunTime,
    /// The last command of the injection returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_end_ns: Option<RunTime>,
    /// Its effect on the wire: the last packet of the hit service before the silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_ns: Option<RunTime>,
    /// Where in the interval of the cluster's timer it struck; absent where the cluster has no such timer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<TimerPhase>,
    /// Whether the injection was seen to bite.
    pub verified: bool,
    /// Healed at, where it was healed inside the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed_ns: Option<RunTime>,
    /// The outage that the reference cluster was told to produce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured_ms: Option<f64>,
    /// What a degraded path did to packets, for each direction that it hit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathWork>,
    /// The failover's phases in order of time; only those with evidence.
    pub phases: Vec<Phase>,
    /// The takeover against its law; absent where adverts do not show one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takeover: Option<Takeover>,
    /// Where the time of a typical outage of each service went; the parts of a service add up to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// The timers of what moves an address, as far as they are known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Timers {
    /// VRRP, from the adverts on the wire.
    Vrrp {
        /// VRRP version.
        version: u8,
        /// Advertisement interval.
        advert_ms: f64,
        /// Priority of the node that took over.
        priority: u8,
    },
    /// Corosync, as the scenario declares them.
    Totem {
        /// Token timeout in force.
        token_ms: f64,
        /// Consensus timeout.
        consensus_ms: f64,
        /// How long an idle ring's token rests.
        hold_ms: f64,
    },
    /// Heartbeat, as the scenario declares them.
    Heartbeat {
        /// Interval of a node's messages.
        keepalive_ms: f64,
        /// Silence that is a death.
        deadtime_ms: f64,
    },
}

/// One takeover of the address against what the engine's timers predict. It ends with the engine's own decision: the
/// new owner's first advert (VRRP), the new membership (Corosync), the survivor's finding (Heartbeat).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Takeover {
    /// By which the engine noticed.
    #[serde(flatten)]
    pub timers: Timers,
    /// The old owner gave the address up by an advert of priority 0.
    pub resigned: bool,
    /// The law of the time from the owner's death to the engine's decision.
    pub law: Law,
    /// From the old owner's last advert, token or message to its death (of one that resigned: to the command): the phase
    /// that this trial drew. Negative when it resigned after the command began.
    #[serde(alias = "since_last_advert_ms")]
    pub since_last_beat_ms: f64,
    /// What the timers predict for this phase; where Heartbeat's next look decides, for the middle of its interval.
    pub expected_ms: f64,
    /// From the owner's death to the engine's decision. It died when the command began, or when it last showed that it
    /// lived (its last beat, the effect of the fault) where that is later.
    pub measured_ms: f64,
    /// Measured less expected.
    pub residual_ms: f64,
}

/// One part of an outage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// As in [`Outage::service`].
    pub service: String,
    /// VRRP: `resignation` (until the old owner said so), `detection` (until the new owner's first advert),
    /// `announcement` (until its gratuitous ARP). Corosync: `detection` (until the token was lost), `consensus` (until the
    /// new membership), `takeover` (until Pacemaker had started the address: gratuitous ARP). Heartbeat: `detection` (until
    /// the survivor found the node dead), `takeover`. Then `service` (until the service answered).
    pub part: String,
    /// Its length.
    pub ms: f64,
}

/// Something that a cluster did and that no outage tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// `two_owners`, `false_takeovers` (nothing had been broken), `zombie_calls`, `pictures_gone`, `byes_refused` (481),
    /// `registrations_lost` (404 until the callee registers again),
    /// `messages_black_holed`, `ghost_presence` (shown as there without a session), `other_timers`.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// The longest of them; for lost registrations, how long after the fault the last call was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_ms: Option<f64>,
    /// Who, or what was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// The phase of a fault against the timer by which the cluster notices a death: a death right after an advert goes
/// unnoticed for an interval longer than one right before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimerPhase {
    /// Interval of the timer.
    pub interval_ms: f64,
    /// As drawn, evenly over the interval.
    pub drawn_ms: f64,
    /// From the last advert on the wire to the first command of the injection; absent where none was captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_ms: Option<f64>,
}

/// One instant of a failover.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// `effect`, `first_advert`, `token_lost`, `membership`, `declared_dead`, `first_garp`, `reachable`, `first_sip_answer`, `first_xmpp_answer`,
    /// `registered_50`, `registered_95`, `registered_all`, `first_new_call`, `media_to_caller`,
    /// `media_to_callee`, `stable`.
    pub phase: String,
    /// When.
    pub at_ns: RunTime,
    /// Milliseconds since the fault's command started.
    pub after_ms: f64,
    /// The evidence: `VRRP advert of 10.77.0.12, bridge.pcapng packet 4711`.
    pub evidence: String,
}
