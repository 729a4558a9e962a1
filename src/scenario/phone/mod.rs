//! Phone profiles: how a family of phones registers, retries and fails over, as data.
//!
//! A profile is a table of sections; each section names its source. What is not published is left out: the phone
//! then does what the profile `rfc3261` says, and [`PhoneProfile::unknown`] tells so.

mod choice;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use choice::{PhoneChoice, PhoneShare};

use super::Duration;

/// The embedded profiles.
const EMBEDDED: [(&str, &str); 7] = [
    ("rfc3261", include_str!("profiles/rfc3261.toml")),
    ("rfc5626", include_str!("profiles/rfc5626.toml")),
    ("pjsua", include_str!("profiles/pjsua.toml")),
    ("linphone", include_str!("profiles/linphone.toml")),
    ("asterisk-uac", include_str!("profiles/asterisk-uac.toml")),
    ("polycom-vvx", include_str!("profiles/polycom-vvx.toml")),
    ("cisco-7960", include_str!("profiles/cisco-7960.toml")),
];

/// Names of the embedded profiles.
#[must_use]
pub fn profile_names() -> Vec<&'static str> {
    EMBEDDED.iter().map(|(name, _)| *name).collect()
}

/// The embedded profile of that name.
#[must_use]
pub fn embedded(name: &str) -> Option<PhoneProfile> {
    let (_, text) = EMBEDDED.iter().find(|(embedded, _)| *embedded == name)?;
    // A test reads all of them.
    toml::from_str(text).ok()
}

/// `[phone.NAME]`, and each embedded file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneProfile {
    /// Whose phones these are.
    pub family: String,
    /// What is peculiar, in a line.
    pub about: String,
    /// Lifetime and refresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// After a failed registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How long one server is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Transaction>,
    /// What a failed REGISTER does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<Reactions>,
    /// What a failed INVITE does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Reactions>,
    /// How servers are chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// Pings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Keepalive>,
    /// Several registrations at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound: Option<Outbound>,
}

/// `[registration]`: it is refreshed after `refresh_share` of the granted lifetime, less `refresh_before`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Lifetime that is asked for.
    pub expires: Duration,
    /// Share of the granted lifetime, 0 to 1; 1 where only `refresh_before` is given, 0.5 where neither is.
    pub refresh_share: Option<f64>,
    /// So much earlier.
    pub refresh_before: Option<Duration>,
    /// Where this is published.
    pub source: String,
}

/// `[retry]`: the wait is `min(max, base · growth^failures)`, drawn from its `shortest` share up to all of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Wait after the first failure, where it differs.
    pub first: Option<Duration>,
    /// Base time.
    pub base: Duration,
    /// Base time where another flow stands; as `base` where it is absent.
    pub base_with_flow: Option<Duration>,
    /// Longest wait.
    pub max: Duration,
    /// Factor for each failure in a row.
    #[serde(default = "one")]
    pub growth: f64,
    /// Smallest share of the wait.
    #[serde(default = "one")]
    pub shortest: f64,
    /// Random part on both sides.
    #[serde(default)]
    pub plus_minus: Duration,
    /// Where this is published.
    pub source: String,
}

/// `[transaction]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    /// A server that has not answered by then has failed the request.
    pub give_up: Duration,
    /// Where this is published.
    pub source: String,
}

/// What a failure of one server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// The request has failed.
    GiveUp,
    /// The next target gets it.
    NextTarget,
}

/// `[register]` and `[call]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reactions {
    /// No answer, or the transport failed.
    pub timeout: Reaction,
    /// 503.
    pub unavailable: Reaction,
    /// Whether Retry-After is waited for.
    #[serde(default)]
    pub honours_retry_after: bool,
    /// Where this is published.
    pub source: String,
}

/// In which order servers are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// By priority and weight, drawn anew (RFC 2782).
    Srv,
    /// As listed.
    Listed,
    /// The first one alone.
    First,
}

/// `[targets]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// The order.
    pub selection: Selection,
    /// Whether a server that worked is kept to.
    pub keeps: bool,
    /// Where this is published.
    pub source: String,
}

/// What is sent to see whether the server is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ping {
    /// Nothing.
    None,
    /// Double CRLF; over UDP nobody answers it.
    Crlf,
    /// OPTIONS.
    Options,
}

/// `[keepalive]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keepalive {
    /// What is sent.
    pub ping: Ping,
    /// How often; needed unless the ping is `none`.
    pub interval: Option<Duration>,
    /// What is unanswered by then makes the phone register anew; absent: nobody waits.
    pub answer_within: Option<Duration>,
    /// Where this is published.
    pub source: String,
}

/// `[outbound]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Registrations at once, each with its `reg-id`; 0: a plain one.
    pub flows: u32,
    /// Where this is published.
    pub source: String,
}

/// A profile without gaps.
#[derive(Clone, Debug, PartialEq)]
pub struct Filled {
    /// See the sections of [`PhoneProfile`].
    pub registration: Registration,
    /// See the sections of [`PhoneProfile`].
    pub retry: Retry,
    /// See the sections of [`PhoneProfile`].
    pub transaction: Transaction,
    /// See the sections of [`PhoneProfile`].
    pub register: Reactions,
    /// See the sections of [`PhoneProfile`].
    pub call: Reactions,
    /// See the sections of [`PhoneProfile`].
    pub targets: Targets,
    /// See the sections of [`PhoneProfile`].
    pub keepalive: Keepalive,
    /// See the sections of [`PhoneProfile`].
    pub outbound: Outbound,
}

impl PhoneProfile {
    /// Every section with its source; `None` for what is unknown.
    #[must_use]
    pub fn sources(&self) -> [(&'static str, Option<&str>); 8] {
        [
            ("registration", self.registration.as_ref().map(|of| of.source.as_str())),
            ("retry", self.retry.as_ref().map(|of| of.source.as_str())),
            ("transaction", self.transaction.as_ref().map(|of| of.source.as_str())),
            ("register", self.register.as_ref().map(|of| of.source.as_str())),
            ("call", self.call.as_ref().map(|of| of.source.as_str())),
            ("targets", self.targets.as_ref().map(|of| of.source.as_str())),
            ("keepalive", self.keepalive.as_ref().map(|of| of.source.as_str())),
            ("outbound", self.outbound.as_ref().map(|of| of.source.as_str())),
        ]
    }

    /// Sections that are not published, and in which the phone follows `rfc3261` instead.
    #[must_use]
    pub fn unknown(&self) -> Vec<&'static str> {
        self.sources().into_iter().filter(|(_, source)| source.is_none()).map(|(name, _)| name).collect()
    }

    /// The profile with the gaps filled from `rfc3261`; `None` only if that had a gap itself.
    #[must_use]
    pub fn filled(&self) -> Option<Filled> {
        let rfc = embedded("rfc3261")?;
        Some(Filled {
            registration: self.registration.clone().or(rfc.registration)?,
            retry: self.retry.clone().or(rfc.retry)?,
            transaction: self.transaction.clone().or(rfc.transaction)?,
            register: self.register.clone().or(rfc.register)?,
            call: self.call.clone().or(rfc.call)?,
            targets: self.targets.clone().or(rfc.targets)?,
            keepalive: self.keepalive.clone().or(rfc.keepalive)?,
            outbound: self.outbound.clone().or(rfc.outbound)?,
        })
    }

    /// What makes no sense in it, and a remedy.
    #[must_use]
    pub fn complaint(&self) -> Option<(String, &'static str)> {
        let bad = |text: &str, help| Some((text.to_owned(), help));
        let share = |share: f64| !(share > 0.0 && share <= 1.0);
        if let Some(of) = &self.registration {
            if of.expires.0.as_nanos() < 1_000_000_000 {
                return bad("a registration shorter than a second", "use 1s or more");
            }
            if of.refresh_share.is_some_and(share) {
                return bad("refresh_share is no share", "use more than 0 and at most 1");
            }
        }
        if let Some(of) = &self.retry
            && (share(of.shortest) || !(1.0..=10.0).contains(&of.growth) || of.max < of.base)
        {
            return bad(
                "the retry makes no sense",
                "shortest is over 0 and at most 1, growth 1 to 10, max no less than base",
            );
        }
        if self.transaction.as_ref().is_some_and(|of| of.give_up.0.as_nanos() < 10_000_000) {
            return bad("a server is given no time to answer", "give_up is 10ms or more");
        }
        if let Some(of) = &self.keepalive
            && of.ping != Ping::None
            && of.interval.is_none_or(|interval| interval.0.as_nanos() < 100_000_000)
        {
            return bad("a keepalive needs its interval", "interval is 100ms or more");
        }
        if self.outbound.as_ref().is_some_and(|of| of.flows > 8) {
            return bad("too many flows", "use 8 at most");
        }
        None
    }
}

/// The profile of that name: the scenario's own, else the embedded one.
#[must_use]
pub fn find(own: &BTreeMap<String, serde_spanned::Spanned<PhoneProfile>>, name: &str) -> Option<PhoneProfile> {
    own.get(name).map(|profile| profile.get_ref().clone()).or_else(|| embedded(name))
}

fn one() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_profile_reads_and_names_its_sources() {
        for (name, text) in EMBEDDED {
            let profile: PhoneProfile = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(profile.complaint(), None, "{name}");
            assert!(profile.sources().iter().all(|(_, source)| source.is_none_or(|text| text.len() > 10)), "{name}");
            assert!(profile.filled().is_some());
        }
        assert_eq!(embedded("rfc3261").unwrap().unknown(), Vec::<&str>::new());
    }

    #[test]
    fn what_is_not_published_is_told_and_follows_the_rfc() {
        let cisco = embedded("cisco-7960").unwrap();
        assert_eq!(cisco.unknown(), ["retry", "register", "call", "targets", "keepalive", "outbound"]);
        assert_eq!(cisco.filled().unwrap().call, embedded("rfc3261").unwrap().call.unwrap());
    }

    #[test]
    fn a_profile_reads_back_as_it_was_planned() {
        for name in profile_names() {
            let profile = embedded(name).unwrap();
            let text = serde_json::to_string(&profile).unwrap();
            assert_eq!(serde_json::from_str::<PhoneProfile>(&text).unwrap(), profile);
        }
    }
}
