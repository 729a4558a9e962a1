//! The nodes' files: what goes into the templates, and where the texts go.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use serde::Serialize;

use super::layout::{DOMAIN, Layout, Node, PASSWORD_PREFIX, STORE, VIP};
use super::profile::File;
use super::root;
use super::templates::Templates;
use crate::scenario::EngineTimers;
use crate::units::Span;

/// What a template may use.
#[derive(Clone, Debug, Serialize)]
struct Values<'a> {
    node: &'a str,
    address: String,
    vip: String,
    domain: &'static str,
    password_prefix: &'static str,
    priority: u8,
    database: usize,
    timers: BTreeMap<&'static str, String>,
    garp_refresh_s: i64,
    preempt: bool,
    watch_sip: bool,
    shares_calls: bool,
    shares_registrations: bool,
    store: String,
    multiarch: String,
    users: &'a [String],
    peers: Vec<Peer>,
    /// All nodes, this one as well.
    members: Vec<Peer>,
    /// Only for files that are written once for each user.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

/// Another node.
#[derive(Clone, Debug, Serialize)]
struct Peer {
    name: String,
    address: String,
    database: usize,
}

/// A text that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Text {
    path: String,
    text: String,
    owner: Option<String>,
    mode: Option<u32>,
}

/// Writes every file of `node` below `directory`. Owners are users of the root file system `root`.
///
/// # Errors
/// When a template is broken or the directory cannot be written.
pub(super) fn write(
    layout: &Layout,
    node: &Node,
    users: &[String],
    directory: &Path,
    root: &Path,
) -> Result<(), String> {
    for text in texts(layout, node, users)? {
        let path = directory.join(&text.path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, &text.text));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
        if let Some(mode) = text.mode {
            fs::set_permissions(&path, Permissions::from_mode(mode))
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        if let Some(owner) = &text.owner {
            give(directory, &text.path, owner, root)?;
        }
    }
    Ok(())
}

/// Gives the file, and every directory above it that is ours, to its owner.
fn give(directory: &Path, path: &str, owner: &str, root: &Path) -> Result<(), String> {
    let (user, group) = root::user(root, owner)?;
    let steps = Path::new(path).ancestors().filter(|step| !step.as_os_str().is_empty());
    let mut steps = steps.map(|step| directory.join(step));
    let given = steps.try_for_each(|step| chown(step, Some(user.as_raw()), Some(group.as_raw())));
    given.map_err(|error| format!("{path}: {error}"))
}

fn texts(layout: &Layout, node: &Node, users: &[String]) -> Result<Vec<Text>, String> {
    let templates = Templates::read()?;
    let files = layout.profile.processes().flat_map(|service| &service.files);
    let mut texts = Vec::new();
    for file in files {
        if file.path.contains("{{ user") {
            for user in users {
                texts.push(text(&templates, file, &values(layout, node, users, Some(user)))?);
            }
        } else {
            texts.push(text(&templates, file, &values(layout, node, users, None))?);
        }
    }
    Ok(texts)
}

fn text(templates: &Templates, file: &File, values: &Values<'_>) -> Result<Text, String> {
    let path = templates.line(&file.path, values)?;
    Ok(Text { path, text: templates.fill(&file.template, values)?, owner: file.owner.clone(), mode: file.mode })
}

fn values<'a>(layout: &Layout, node: &'a Node, users: &'a [String], user: Option<&'a str>) -> Values<'a> {
    let peer =
        |peer: &Node| Peer { name: peer.name.clone(), address: peer.address().to_string(), database: peer.database() };
    Values {
        node: &node.name,
        address: node.address().to_string(),
        vip: VIP.to_string(),
        domain: DOMAIN,
        password_prefix: PASSWORD_PREFIX,
        priority: node.priority(),
        database: node.database(),
        timers: timers(layout.engine.timers),
        garp_refresh_s: layout.engine.garp_refresh.as_nanos() / 1_000_000_000,
        preempt: layout.engine.preempt,
        watch_sip: layout.engine.watch_sip,
        shares_calls: layout.shares_calls,
        shares_registrations: layout.shares_registrations,
        store: STORE.to_string(),
        multiarch: format!("{}-linux-gnu", std::env::consts::ARCH),
        users,
        peers: layout.nodes.iter().filter(|other| other.index != node.index).map(peer).collect(),
        members: layout.nodes.iter().map(peer).collect(),
        user,
    }
}

/// The engine's timers by the names that its templates use.
fn timers(timers: EngineTimers) -> BTreeMap<&'static str, String> {
    let ms = |span: Span| (span.as_nanos() / 1_000_000).to_string();
    match timers {
        // Seconds with the two digits that VRRPv3 can carry.
        EngineTimers::Keepalived { advert } => [("advert_s", format!("{:.2}", advert.as_secs_f64()))].into(),
        EngineTimers::Pacemaker { token, token_coefficient, consensus, join, monitor, .. } => [
            ("token_ms", ms(token)),
            ("token_coefficient_ms", ms(token_coefficient)),
            ("consensus_ms", ms(consensus)),
            ("join_ms", ms(join)),
            ("monitor_s", monitor.as_secs_f64().to_string()),
        ]
        .into(),
        EngineTimers::Heartbeat { keepalive, warntime, deadtime } => {
            [("keepalive_ms", ms(keepalive)), ("warntime_ms", ms(warntime)), ("deadtime_ms", ms(deadtime))].into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::EngineOptions;
    use super::*;
    use crate::scenario::{LAB_PROFILES, LabCluster};
    use crate::units::Span;

    fn layout(profile: &str, shares_calls: bool) -> Layout {
        let names: Vec<_> = ["alpha", "beta", "charlie"].map(String::from).into();
        let engine = EngineOptions {
            timers: EngineTimers::Keepalived { advert: Span::from_millis(250) },
            ..EngineOptions::default()
        };
        Layout::of(&names, profile, engine, Some(shares_calls)).unwrap()
    }

    fn rendered(layout: &Layout, path: &str) -> String {
        let users = ["1001".to_owned(), "chat-0".to_owned()];
        let texts = texts(layout, &layout.nodes[1], &users).unwrap();
        texts.into_iter().find(|text| text.path == path).unwrap_or_else(|| panic!("no {path}")).text
    }

    fn by_hand(profile: &str, timers: &[(&str, i64)]) -> Layout {
        let timers: Vec<_> = timers.iter().map(|(name, ms)| ((*name).to_owned(), Span::from_millis(*ms))).collect();
        Layout::new(&LabCluster::by_hand(profile, &timers).unwrap()).unwrap()
    }

    #[test]
    fn every_engine_gets_its_own_timers() {
        let pacemaker = by_hand("asterisk-ejabberd-pacemaker", &[("token", 700), ("monitor_interval", 3000)]);
        let text = rendered(&pacemaker, "etc/corosync.conf");
        // 700 ms and 650 ms for the third node, times 1.2.
        for line in ["    token: 700\n", "    token_coefficient: 650\n", "    consensus: 1620\n", "name: charlie\n"] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let text = rendered(&pacemaker, "etc/pacemaker/cib.xml");
        assert_eq!(text.matches("interval=\"3s\"").count(), 2, "{text}");
        assert!(text.contains("rsc_colocation") && text.contains("node=\"alpha\" score=\"190\""), "{text}");
        let text = rendered(&by_hand("asterisk-prosody-heartbeat", &[("deadtime", 3000)]), "etc/heartbeat/ha.cf");
        for line in ["keepalive 200ms\n", "warntime 1500ms\n", "deadtime 3000ms\n", "ucast eth0 10.77.0.11\n"] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(text.contains("auto_failback off\n"), "{text}");
    }

    #[test]
    fn every_file_of_every_profile_can_be_written_and_no_two_are_the_same() {
        for profile in LAB_PROFILES {
            let layout = by_hand(profile, &[]);
            let texts = texts(&layout, &layout.nodes[0], &["1001".to_owned()]).unwrap();
            let paths: std::collections::BTreeSet<_> = texts.iter().map(|text| &text.path).collect();
            assert_eq!(paths.len(), texts.len(), "{profile}");
            assert!(texts.iter().all(|text| !text.text.contains("{{") && !text.text.contains("{%")), "{profile}");
        }
    }

    #[test]
    fn beta_replicates_with_its_peers_and_not_with_itself() {
        let text = rendered(&layout(LAB_PROFILES[0], true), "etc/kamailio.cfg");
        assert!(text.contains("notification_address\", \"sip:10.77.0.11:5060\")\n"));
        assert!(text.contains("notification_address\", \"sip:10.77.0.13:5060\")\n"));
        assert!(!text.contains("notification_address\", \"sip:10.77.0.12:5060\""));
        assert!(text.contains("append_to_reply(\"X-Node: beta\\r\\n\")"));
    }

    #[test]
    fn keepalived_gets_the_interval_in_seconds_the_rank_and_what_the_scenario_wants() {
        let quiet = layout(LAB_PROFILES[0], true);
        let text = rendered(&quiet, "etc/keepalived.conf");
        for line in ["advert_int 0.25\n", "priority 140\n", "    nopreempt\n", "_refresh 2\n", "    track_file {\n"] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let engine = EngineOptions { preempt: true, watch_sip: false, garp_refresh: Span::ZERO, ..quiet.engine };
        let text = rendered(&Layout { engine, ..quiet }, "etc/keepalived.conf");
        for word in ["nopreempt", "_refresh", "    track_file {"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }

    #[test]
    fn only_relays_that_share_their_calls_name_the_store() {
        let text = rendered(&layout(LAB_PROFILES[0], true), "etc/rtpengine.conf");
        assert!(text.contains("redis = 10.77.0.20:6379/2\nsubscribe-keyspace = 1;3\n"), "{text}");
        assert!(!rendered(&layout(LAB_PROFILES[0], false), "etc/rtpengine.conf").contains("redis"));
    }

    #[test]
    fn every_user_has_a_place_and_a_secret() {
        let layout = layout(LAB_PROFILES[1], false);
        let text = rendered(&layout, "etc/asterisk/pjsip.conf");
        assert!(text.contains("[chat-0](phone)\nauth = chat-0\naors = chat-0\n[chat-0](secret)\nusername = chat-0\n"));
        assert!(text.contains("password = secret-1001\n[1001](place)\n"), "{text}");
        assert!(rendered(&layout, "prosody/lab%2etest/accounts/chat%2d0.dat").contains("= \"secret-chat-0\";"));
    }
}
