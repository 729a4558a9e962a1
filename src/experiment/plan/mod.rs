//! Scenario and seed → what is due when. Pure: the same seed gives the same plan, and it can be printed.
//!
//! The traffic is an open model: every wish has its instant whatever became of the earlier ones. Instants
//! count from the start of the measured window; what prepares it (first registrations, standing calls) has
//! negative ones.

mod accounts;
mod idle;
mod traffic;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use crate::scenario::Scenario;
use crate::scenario::phone::PhoneProfile;
use crate::units::Span;

/// Everything that is due in one trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Seed that it was made from.
    pub seed: u64,
    /// Length of the measured window.
    pub window_ns: Span,
    /// The phones, in order of their number.
    pub phones: Vec<PlannedPhone>,
    /// Profiles of those that have one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profiles: BTreeMap<String, PhoneProfile>,
    /// The chat pairs.
    pub pairs: Vec<PlannedPair>,
    /// What is due, in order of time.
    pub intents: Vec<Intent>,
}

/// One phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPhone {
    /// Actor name in the history: `phone-07`.
    pub name: String,
    /// User part of its address of record.
    pub user: String,
    /// SIP over TCP instead of UDP.
    pub tcp: bool,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Part::is_user")]
    pub part: Part,
}

/// What a phone is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It does what the plan says and nothing by itself.
    #[default]
    User,
    /// It stays registered and fails over by itself, as this profile says.
    Profiled(String),
    /// The instrument's: it registers with every server, so that idle phones can call it whichever of them lives.
    Desk,
    /// The instrument's: it tries every server for half a second, so that only the called phone's registration can
    /// be missing.
    Ringer,
}

impl Part {
    fn is_user(&self) -> bool {
        *self == Part::User
    }
}

/// One chat pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPair {
    /// Number, from 0.
    pub pair: u32,
    /// User name of the one who writes.
    pub sender: String,
    /// User name of the one who reads.
    pub receiver: String,
}

/// Something that is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// When, from the start of the window.
    pub at_ns: Span,
    /// What.
    #[serde(flatten)]
    pub wish: Wish,
}

/// What is wished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub enum Wish {
    /// A phone registers.
    Register {
        /// Index into [`Plan::phones`].
        phone: usize,
        /// How long the user waits for it.
        patience_ns: Span,
    },
    /// A call is placed.
    Call(PlannedCall),
    /// One OPTIONS datagram.
    Options,
    /// A message is written.
    Message {
        /// Unique in the trial.
        message: u64,
        /// The pair.
        pair: u32,
        /// Number within the pair.
        seq: u32,
    },
    /// A fault is injected.
    Inject {
        /// Number in the scenario.
        fault: usize,
        /// How long after the next tick of the cluster's timer; absent where it has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase_ns: Option<Span>,
    },
    /// A fault is healed.
    Heal {
        /// Number in the scenario.
        fault: usize,
    },
}

/// A call that is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedCall {
    /// Number of the call, unique in the trial.
    pub call: u64,
    /// Index of the calling phone.
    pub caller: usize,
    /// Index of the called phone.
    pub callee: usize,
    /// `PCMA` or `PCMU`.
    pub codec: String,
    /// Packet interval.
    pub ptime_ns: Span,
    /// How long it is held after the answer; absent: until the end of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ns: Option<Span>,
    /// How long the caller waits for the answer.
    pub patience_ns: Span,
    /// Which question to an idle phone it asks; absent for calls of the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// Its video; absent for a call of voice alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<PlannedVideo>,
}

/// What an idle phone is asked by a call without media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Whether it can call.
    CanCall,
    /// Whether it can be called.
    CanBeCalled,
}

/// The video of a call, the same in both directions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedVideo {
    /// `H264` or `VP8`.
    pub codec: String,
    /// Height of the picture, which names the clip.
    pub height: u32,
    /// A picture that is encoded for the run, in place of the clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<PlannedEncoding>,
    /// For H.264: 0 or 1.
    pub packetization_mode: u8,
    /// Whether the packets of a frame are spread over time.
    pub smoothed: bool,
    /// Distance of planned key frames.
    pub key_interval_ns: Span,
    /// A receiver asks for a key frame at most this often; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_interval_ns: Option<Span>,
}

/// A picture that is encoded for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedEncoding {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames a second.
    pub frame_rate: u32,
    /// Mean bit rate in kbit/s.
    pub bitrate_kbps: u32,
}

impl Plan {
    /// Makes the plan of one trial.
    #[must_use]
    pub fn make(scenario: &Scenario, seed: u64) -> Plan {
        let mut rng = StdRng::seed_from_u64(seed);
        let window_ns = scenario.window.get_ref().0;
        let mut plan = Plan { seed, window_ns, ..Plan::default() };
        traffic::add(&mut plan, scenario, &mut rng);
        accounts::assign(&mut plan, scenario);
        plan.intents.sort_by_key(|intent| intent.at_ns);
        plan
    }

    /// How long after fault number `fault` is due its heal is; none: it has no heal inside the window.
    #[must_use]
    pub fn heal_after(&self, fault: usize) -> Option<Span> {
        let at = |is: fn(&Wish) -> Option<usize>| {
            self.intents.iter().find(|intent| is(&intent.wish) == Some(fault)).map(|intent| intent.at_ns)
        };
        let struck = at(|wish| if let Wish::Inject { fault, .. } = wish { Some(*fault) } else { None })?;
        let healed = at(|wish| if let Wish::Heal { fault } = wish { Some(*fault) } else { None })?;
        Some(healed - struck)
    }

    /// User names of all phones and chatters: the accounts that the cluster needs.
    #[must_use]
    pub fn users(&self) -> Vec<String> {
        let phones = self.phones.iter().map(|phone| phone.user.clone());
        let chatters = self.pairs.iter().flat_map(|pair| [pair.sender.clone(), pair.receiver.clone()]);
        phones.chain(chatters).collect()
    }

    /// Users of the plan that an external cluster has no account for, in words; none: everybody has one.
    #[must_use]
    pub fn missing_accounts(&self, scenario: &Scenario) -> Option<String> {
        accounts::missing(self, scenario)
    }

    /// The largest number of media sessions that can be up at one time, for sizing relays and port ranges: a call
    /// of voice has one, a video call two.
    #[must_use]
    pub fn concurrent_sessions(&self) -> usize {
        let calls = self.intents.iter().filter_map(|intent| match &intent.wish {
            Wish::Call(call) => Some((intent.at_ns, call)),
            _ => None,
        });
        let mut changes: Vec<(Span, i64)> = Vec::new();
        for (at, call) in calls {
            // Who asks an idle phone waits for the answer before he asks again.
            let patience = if call.question.is_some() { Span::from_secs(1) } else { call.patience_ns };
            let length = call.hold_ns.map_or(self.window_ns, |hold| hold + patience);
            let sessions = 1 + i64::from(call.video.is_some());
            changes.extend([(at, sessions), (at + length, -sessions)]);
        }
        changes.sort_unstable();
        let (mut now, mut most) = (0i64, 0i64);
        for (_, change) in changes {
            now += change;
            most = most.max(now);
        }
        usize::try_from(most).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
