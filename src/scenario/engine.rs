//! `[cluster.lab.engine]`: the timers by which a cluster engine notices a death. Each engine has its own.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_spanned::Spanned;

use super::error::Complaint;
use super::{Duration, LabCluster};
use crate::units::Span;

/// Corosync adds so much to the token timeout for each node above two (corosync.conf(5), `token_coefficient`).
const TOKEN_COEFFICIENT: Span = Span::from_millis(650);

/// How long Corosync waits between join messages (corosync.conf(5), `join`).
const JOIN: Span = Span::from_millis(50);

/// How often Pacemaker asks whether a resource works, where nothing else is said: as agents recommend.
const MONITOR: Span = Span::from_secs(10);

/// No timer of an engine may be longer.
const LONGEST: Span = Span::from_secs(60);

/// Corosync refuses less than three ticks of 10 ms (totemconfig.c, `MINIMUM_TIMEOUT`), and needs that for the hold
/// time as well, which is about a sixth of the token's.
const SHORTEST_TOKEN: Span = Span::from_millis(300);

/// Shortest of the other timers.
const SHORTEST: Span = Span::from_millis(50);

/// What moves the floating address: the last word of a profile's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabEngine {
    /// keepalived: VRRP.
    Keepalived,
    /// Corosync for membership, Pacemaker to place the address.
    Pacemaker,
    /// Heartbeat with resources of version 1, for two nodes.
    Heartbeat,
}

/// `[cluster.lab.engine]`, as the file has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineTable {
    /// Pacemaker: how long Corosync waits for its token before it is lost. Needed.
    pub token: Option<Spanned<Duration>>,
    /// Pacemaker: what Corosync adds to it for each node above two; absent: 650 ms.
    pub token_coefficient: Option<Spanned<Duration>>,
    /// Pacemaker: how long Corosync waits for an answer of everybody before it goes on without; absent: 1.2 tokens.
    pub consensus: Option<Spanned<Duration>>,
    /// Pacemaker: how often Corosync repeats its join messages; absent: 50 ms.
    pub join: Option<Spanned<Duration>>,
    /// Pacemaker: how often a resource is asked whether it works; absent: 10 s.
    pub monitor_interval: Option<Spanned<Duration>>,
    /// Heartbeat: how often a node says that it lives. Needed.
    pub keepalive: Option<Spanned<Duration>>,
    /// Heartbeat: after so much silence it writes a warning; absent: half of `deadtime`.
    pub warntime: Option<Spanned<Duration>>,
    /// Heartbeat: after so much silence a node is dead. Needed.
    pub deadtime: Option<Spanned<Duration>>,
}

/// An engine's timers, all of them known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineTimers {
    /// keepalived.
    Keepalived {
        /// VRRP advertisement interval.
        advert: Span,
    },
    /// Corosync and Pacemaker.
    Pacemaker {
        /// Token timeout before the coefficient.
        token: Span,
        /// Added for each node above two.
        token_coefficient: Span,
        /// Token timeout with what the number of nodes adds: the one that runs.
        token_in_force: Span,
        /// Consensus timeout.
        consensus: Span,
        /// Interval of join messages.
        join: Span,
        /// Interval at which resources are asked.
        monitor: Span,
    },
    /// Heartbeat.
    Heartbeat {
        /// Interval of a node's messages.
        keepalive: Span,
        /// Silence that is worth a warning.
        warntime: Span,
        /// Silence that is a death.
        deadtime: Span,
    },
}

impl LabEngine {
    /// As a profile's name and a message have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            LabEngine::Keepalived => "keepalived",
            LabEngine::Pacemaker => "pacemaker",
            LabEngine::Heartbeat => "heartbeat",
        }
    }

    /// The engine that a profile's name ends with; names of unknown profiles have none.
    #[must_use]
    pub fn of_profile(profile: &str) -> Option<LabEngine> {
        let all = [LabEngine::Keepalived, LabEngine::Pacemaker, LabEngine::Heartbeat];
        all.into_iter().find(|engine| profile.rsplit('-').next() == Some(engine.word()))
    }

    /// Its timers, as a scenario writes them.
    #[must_use]
    pub fn timers(self) -> &'static [&'static str] {
        match self {
            LabEngine::Keepalived => &["advert_interval"],
            LabEngine::Pacemaker => &["token", "token_coefficient", "consensus", "join", "monitor_interval"],
            LabEngine::Heartbeat => &["keepalive", "warntime", "deadtime"],
        }
    }

    /// What a complaint proposes.
    fn proposal(self) -> &'static str {
        match self {
            LabEngine::Keepalived => "write advert_interval = \"100ms\" in [cluster.lab]",
            LabEngine::Pacemaker => "write token = \"1s\" in [cluster.lab.engine]",
            LabEngine::Heartbeat => "write keepalive = \"200ms\" and deadtime = \"1s\" in [cluster.lab.engine]",
        }
    }
}

impl EngineTable {
    /// Every timer by its name.
    fn named(&self) -> [(&'static str, &Option<Spanned<Duration>>); 8] {
        [
            ("token", &self.token),
            ("token_coefficient", &self.token_coefficient),
            ("consensus", &self.consensus),
            ("join", &self.join),
            ("monitor_interval", &self.monitor_interval),
            ("keepalive", &self.keepalive),
            ("warntime", &self.warntime),
            ("deadtime", &self.deadtime),
        ]
    }

    fn timer(&self, name: &str) -> Option<Span> {
        self.named().into_iter().find(|(known, _)| *known == name)?.1.as_ref().map(|value| value.get_ref().0)
    }

    fn set(&mut self, name: &str, value: Span) -> bool {
        let place = match name {
            "token" => &mut self.token,
            "token_coefficient" => &mut self.token_coefficient,
            "consensus" => &mut self.consensus,
            "join" => &mut self.join,
            "monitor_interval" => &mut self.monitor_interval,
            "keepalive" => &mut self.keepalive,
            "warntime" => &mut self.warntime,
            "deadtime" => &mut self.deadtime,
            _ => return false,
        };
        *place = Some(unplaced(value));
        true
    }

    fn span_of(&self, name: &str) -> Range<usize> {
        let found = self.named().into_iter().find(|(known, _)| *known == name);
        found.and_then(|(_, value)| value.as_ref()).map_or(0..0, Spanned::span)
    }
}

impl EngineTimers {
    /// The interval of the messages by which a node shows that it lives: where in it a death falls decides how soon it
    /// is noticed. Corosync's token rests with one node while nobody has anything to say, for its hold time.
    #[must_use]
    pub fn beat(self) -> Span {
        match self {
            EngineTimers::Keepalived { advert } => advert,
            EngineTimers::Pacemaker { token_in_force, .. } => hold(token_in_force),
            EngineTimers::Heartbeat { keepalive, .. } => keepalive,
        }
    }

    /// The timers for a reader: `token 1 s, consensus 1.98 s`.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            EngineTimers::Keepalived { advert } => format!("every {advert}"),
            EngineTimers::Pacemaker { token_in_force, consensus, monitor, .. } => {
                format!("token {token_in_force}, consensus {consensus}, monitor {monitor}")
            }
            EngineTimers::Heartbeat { keepalive, deadtime, .. } => {
                format!("keepalive {keepalive}, deadtime {deadtime}")
            }
        }
    }
}

/// How long an idle ring's token rests: four fifths of its retransmission time, less a tick; that is the token
/// timeout over 4.2 (totemconfig.c, `token_retransmits_before_loss_const` 4, ticks of 10 ms).
#[must_use]
pub fn hold(token: Span) -> Span {
    let retransmit_ms = (token.as_millis_f64() / 4.2).floor();
    Span::from_millis((retransmit_ms * 0.8 - 10.0).floor().max(0.0) as i64)
}

impl LabCluster {
    /// The usual nodes of a profile for use by hand, with these timers and a quick one where a needed one is not given.
    ///
    /// # Errors
    /// What is wrong with a timer, and what to do.
    pub fn by_hand(profile: &str, timers: &[(String, Span)]) -> Result<LabCluster, String> {
        let kind = LabEngine::of_profile(profile).unwrap_or(LabEngine::Keepalived);
        let (names, quick): (&[&str], &[(&str, i64)]) = match kind {
            LabEngine::Keepalived => (&["alpha", "beta", "charlie"], &[("advert_interval", 100)]),
            LabEngine::Pacemaker => (&["alpha", "beta", "charlie"], &[("token", 1000)]),
            LabEngine::Heartbeat => (&["alpha", "beta"], &[("keepalive", 200), ("deadtime", 1000)]),
        };
        let mut cluster = LabCluster {
            nodes: names.iter().map(|name| (*name).to_owned()).collect(),
            kinds: Vec::new(),
            profile: Spanned::new(0..0, profile.to_owned()),
            advert_interval: None,
            engine: Box::default(),
            sip: None,
            xmpp: None,
            redis: None,
            share_registrations: None,
            watch_sip: None,
            preempt: false,
            garp_refresh: None,
        };
        let quick = quick.iter().map(|(name, ms)| (*name, Span::from_millis(*ms)));
        for (name, value) in quick.chain(timers.iter().map(|(name, value)| (name.as_str(), *value))) {
            if name == "advert_interval" {
                cluster.advert_interval = Some(unplaced(value));
            } else if !cluster.engine.set(name, value) {
                return Err(format!("there is no timer `{name}`; {} has {}", kind.word(), kind.timers().join(", ")));
            }
        }
        check(&cluster).map(|()| cluster).map_err(|complaint| format!("{}; {}", complaint.message, complaint.help))
    }

    /// The engine of the profile; keepalived for a profile that is not known, which is a complaint of its own.
    #[must_use]
    pub fn engine_kind(&self) -> LabEngine {
        LabEngine::of_profile(self.profile.get_ref()).unwrap_or(LabEngine::Keepalived)
    }

    /// The timers that run. A needed timer that is absent is a complaint of [`check`]; here it is zero.
    #[must_use]
    pub fn timers(&self) -> EngineTimers {
        let of = |name: &str| self.engine.timer(name);
        match self.engine_kind() {
            LabEngine::Keepalived => EngineTimers::Keepalived {
                advert: self.advert_interval.as_ref().map_or(Span::ZERO, |of| of.get_ref().0),
            },
            LabEngine::Pacemaker => {
                let token = of("token").unwrap_or(Span::ZERO);
                let token_coefficient = of("token_coefficient").unwrap_or(TOKEN_COEFFICIENT);
                let above_two = self.nodes.len().saturating_sub(2) as i64;
                let token_in_force = token + Span(token_coefficient.as_nanos() * above_two);
                EngineTimers::Pacemaker {
                    token,
                    token_coefficient,
                    token_in_force,
                    consensus: of("consensus").unwrap_or(Span(token_in_force.as_nanos() / 5 * 6)),
                    join: of("join").unwrap_or(JOIN),
                    monitor: of("monitor_interval").unwrap_or(MONITOR),
                }
            }
            LabEngine::Heartbeat => {
                let deadtime = of("deadtime").unwrap_or(Span::ZERO);
                EngineTimers::Heartbeat {
                    keepalive: of("keepalive").unwrap_or(Span::ZERO),
                    warntime: of("warntime").unwrap_or(Span(deadtime.as_nanos() / 2)),
                    deadtime,
                }
            }
        }
    }

    /// The timers of the engine, where one runs: a single node has none.
    #[must_use]
    pub fn timers_in_force(&self) -> Option<EngineTimers> {
        self.is_cluster().then(|| self.timers())
    }

    /// Whether the address is given away when the SIP server dies. Heartbeat of version 1 watches no service.
    #[must_use]
    pub fn watches_sip(&self) -> bool {
        let watches = self.engine_kind() != LabEngine::Heartbeat;
        self.watch_sip.as_ref().map_or(watches, |told| *told.get_ref())
    }

    /// How often the owner repeats its gratuitous ARP.
    #[must_use]
    pub fn garp_refresh(&self) -> Span {
        self.garp_refresh.as_ref().map_or(Span::from_secs(2), |of| of.get_ref().0)
    }
}

/// Checks that the engine has the timers that are set, and can keep them.
pub(super) fn check(cluster: &LabCluster) -> Result<(), Complaint> {
    let engine = cluster.engine_kind();
    check_foreign(cluster, engine)?;
    if !cluster.is_cluster() {
        return Ok(());
    }
    match engine {
        LabEngine::Keepalived => check_keepalived(cluster),
        LabEngine::Pacemaker => check_pacemaker(cluster),
        LabEngine::Heartbeat => check_heartbeat(cluster),
    }
}

/// Timers and switches of another engine.
fn check_foreign(cluster: &LabCluster, engine: LabEngine) -> Result<(), Complaint> {
    let set = |name, value: &Option<Spanned<Duration>>| value.as_ref().map(|value| (name, value.span()));
    let own = [set("advert_interval", &cluster.advert_interval), set("garp_refresh", &cluster.garp_refresh)];
    let own = own.into_iter().flatten().filter(|_| engine != LabEngine::Keepalived);
    let of_table = cluster.engine.named().into_iter().filter_map(|(name, value)| set(name, value));
    let foreign = of_table.filter(|(name, _)| !engine.timers().contains(name));
    let Some((name, span)) = own.chain(foreign).next() else { return Ok(()) };
    let message = format!("{} has no timer `{name}`", engine.word());
    let help = format!("its timers are {}: {}", engine.timers().join(", "), engine.proposal());
    complain(span, message, "of another engine", &help)
}

fn check_keepalived(cluster: &LabCluster) -> Result<(), Complaint> {
    let Some(advert) = &cluster.advert_interval else { return missing("advert_interval", LabEngine::Keepalived) };
    let interval = advert.get_ref().0;
    if interval < Span::from_millis(10) || interval > Span::from_secs(40) || interval.as_nanos() % 10_000_000 != 0 {
        let message = format!("keepalived cannot advertise every {interval}");
        return complain(advert.span(), message, "VRRPv3 counts in steps of 10ms up to 40s", "use 100ms");
    }
    match &cluster.garp_refresh {
        Some(refresh) if refresh.get_ref().0.as_nanos() % 1_000_000_000 != 0 => {
            let message = format!("keepalived cannot refresh every {}", refresh.get_ref().0);
            complain(refresh.span(), message, "whole seconds", "use 2s, or 0s for never")
        }
        _ => Ok(()),
    }
}

fn check_pacemaker(cluster: &LabCluster) -> Result<(), Complaint> {
    if cluster.engine.token.is_none() {
        return missing("token", LabEngine::Pacemaker);
    }
    let EngineTimers::Pacemaker { consensus, join, monitor, .. } = cluster.timers() else { return Ok(()) };
    let table = &cluster.engine;
    check_range(table, "token", SHORTEST_TOKEN)?;
    for name in ["consensus", "join", "monitor_interval"] {
        check_range(table, name, SHORTEST)?;
    }
    if consensus < join {
        let message = format!("a consensus timeout of {consensus} ends before the second join message ({join})");
        return complain(table.span_of("consensus"), message, "consensus", "leave it out: it is then 1.2 tokens");
    }
    if monitor.as_nanos() % 1_000_000_000 != 0 {
        let message = format!("resources cannot be asked every {monitor}");
        return complain(table.span_of("monitor_interval"), message, "whole seconds", "use 1s or more");
    }
    Ok(())
}

fn check_heartbeat(cluster: &LabCluster) -> Result<(), Complaint> {
    if cluster.nodes.len() != 2 {
        let message =
            format!("heartbeat cannot keep {} nodes: two survivors would both take the address", cluster.nodes.len());
        return complain(0..0, message, "", "name two nodes, or use a profile with keepalived or pacemaker");
    }
    if let Some(watch) = cluster.watch_sip.as_ref().filter(|watch| *watch.get_ref()) {
        let help = "leave it out, or use a profile with keepalived or pacemaker";
        return complain(watch.span(), "heartbeat watches no service".into(), "not with this engine", help);
    }
    let table = &cluster.engine;
    if let Some(name) = ["keepalive", "deadtime"].into_iter().find(|name| table.timer(name).is_none()) {
        return missing(name, LabEngine::Heartbeat);
    }
    for name in LabEngine::Heartbeat.timers() {
        check_range(table, name, SHORTEST)?;
    }
    let EngineTimers::Heartbeat { keepalive, warntime, deadtime } = cluster.timers() else { return Ok(()) };
    if deadtime <= Span(keepalive.as_nanos() * 2) {
        let message = format!("a deadtime of {deadtime} is no more than two messages ({keepalive} apart)");
        return complain(table.span_of("deadtime"), message, "too short", "use five keepalives");
    }
    if warntime <= keepalive || warntime >= deadtime {
        let message =
            format!("a warntime of {warntime} is not between keepalive ({keepalive}) and deadtime ({deadtime})");
        return complain(table.span_of("warntime"), message, "warntime", "leave it out: it is then half of deadtime");
    }
    Ok(())
}

fn check_range(table: &EngineTable, name: &str, shortest: Span) -> Result<(), Complaint> {
    match table.timer(name) {
        Some(value) if value < shortest || value > LONGEST => {
            let message = format!("a `{name}` of {value} cannot be kept");
            let help = format!("use {shortest} to {LONGEST}");
            complain(table.span_of(name), message, "out of range", &help)
        }
        _ => Ok(()),
    }
}

/// A value that stands in no file.
fn unplaced(value: Span) -> Spanned<Duration> {
    Spanned::new(0..0, Duration(value))
}

fn missing(name: &str, engine: LabEngine) -> Result<(), Complaint> {
    let message = format!("{} needs `{name}`: it decides how soon a death is noticed", engine.word());
    complain(0..0, message, "", engine.proposal())
}

fn complain(span: Range<usize>, message: String, label: &str, help: &str) -> Result<(), Complaint> {
    Err(Complaint { span, message, label: label.to_owned(), help: help.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// corosync.conf(5): a token of 1 s and three nodes make 1.65 s; 1.2 of that 1.98 s. totemconfig.c: 1650 / 4.2 =
    /// 392 ms; 0.8 of it less 10 ms = 303 ms.
    #[test]
    fn the_number_of_nodes_lengthens_the_token() {
        let cluster = cluster(["a", "b", "c"].as_slice(), "asterisk-ejabberd-pacemaker", "token = \"1s\"");
        let EngineTimers::Pacemaker { token_in_force, consensus, .. } = cluster.timers() else { panic!("not totem") };
        assert_eq!((token_in_force, consensus), (Span::from_millis(1650), Span::from_millis(1980)));
        assert_eq!(cluster.timers().beat(), Span::from_millis(303));
    }

    #[test]
    fn a_timer_of_another_engine_is_refused_with_the_engines_own() {
        let told = |profile: &str, table: &str| {
            let nodes = if profile.ends_with("heartbeat") { &["a", "b"][..] } else { &["a", "b", "c"][..] };
            check(&cluster(nodes, profile, table)).err().map(|of| format!("{} / {}", of.message, of.help))
        };
        let heartbeat = told("asterisk-prosody-heartbeat", "token = \"1s\"").unwrap();
        assert!(
            heartbeat.contains("no timer `token`") && heartbeat.contains("keepalive, warntime, deadtime"),
            "{heartbeat}"
        );
        let keepalived = told("asterisk-prosody-keepalived", "deadtime = \"1s\"").unwrap();
        assert!(keepalived.contains("no timer `deadtime`") && keepalived.contains("advert_interval"), "{keepalived}");
        assert!(told("asterisk-ejabberd-pacemaker", "").unwrap().contains("needs `token`"));
        assert!(told("asterisk-prosody-heartbeat", "keepalive = \"1s\"").unwrap().contains("needs `deadtime`"));
        for (profile, wrong) in [
            ("asterisk-prosody-heartbeat", "keepalive = \"1s\"\ndeadtime = \"2s\""),
            ("asterisk-prosody-heartbeat", "keepalive = \"200ms\"\ndeadtime = \"2s\"\nwarntime = \"3s\""),
            ("asterisk-ejabberd-pacemaker", "token = \"100ms\""),
            ("asterisk-ejabberd-pacemaker", "token = \"1s\"\nmonitor_interval = \"1500ms\""),
            ("asterisk-ejabberd-pacemaker", "token = \"1s\"\nconsensus = \"60ms\"\njoin = \"70ms\""),
        ] {
            assert!(told(profile, wrong).is_some(), "{wrong}");
        }
        assert_eq!(told("asterisk-prosody-heartbeat", "keepalive = \"200ms\"\ndeadtime = \"1s\""), None);
        assert_eq!(told("asterisk-ejabberd-pacemaker", "token = \"1s\""), None);
    }

    #[test]
    fn a_cluster_by_hand_has_quick_timers_and_takes_others() {
        let hand = |profile, timers: &[(&str, i64)]| {
            let timers: Vec<_> = timers.iter().map(|(name, ms)| ((*name).to_owned(), Span::from_millis(*ms))).collect();
            LabCluster::by_hand(profile, &timers).map(|cluster| cluster.timers())
        };
        for profile in crate::scenario::LAB_PROFILES {
            assert!(hand(profile, &[]).is_ok(), "{profile}");
        }
        let advert = EngineTimers::Keepalived { advert: Span::from_millis(250) };
        assert_eq!(hand("asterisk-prosody-keepalived", &[("advert_interval", 250)]), Ok(advert));
        let warntime = Span::from_millis(900);
        let EngineTimers::Heartbeat { deadtime, .. } =
            hand("asterisk-prosody-heartbeat", &[("deadtime", 1800)]).unwrap()
        else {
            panic!("not heartbeat")
        };
        assert_eq!(deadtime, warntime + warntime);
        assert!(hand("asterisk-prosody-heartbeat", &[("token", 1000)]).unwrap_err().contains("no timer `token`"));
        assert!(hand("asterisk-prosody-heartbeat", &[("tokn", 1000)]).unwrap_err().contains("keepalive, warntime"));
    }

    fn cluster(nodes: &[&str], profile: &str, table: &str) -> LabCluster {
        toml::from_str(&format!("profile = \"{profile}\"\nnodes = {nodes:?}\n[engine]\n{table}\n")).unwrap()
    }
}
