//! Which servers run on a node, and which engine moves the address: data, one file a profile and an engine.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::init::INSIDE;
use super::layout::not_ready;
use crate::experiment::cluster::ClusterError;
use crate::scenario::{LAB_PROFILES, Service};

/// Name and text of every profile.
const PROFILES: [(&str, &str); LAB_PROFILES.len()] = [
    (
        "kamailio-rtpengine-redis-prosody-keepalived",
        include_str!("profiles/kamailio-rtpengine-redis-prosody-keepalived.toml"),
    ),
    ("asterisk-prosody-keepalived", include_str!("profiles/asterisk-prosody-keepalived.toml")),
    ("asterisk-ejabberd-pacemaker", include_str!("profiles/asterisk-ejabberd-pacemaker.toml")),
    ("asterisk-prosody-heartbeat", include_str!("profiles/asterisk-prosody-heartbeat.toml")),
];

/// Name and text of every engine.
const ENGINES: [(&str, &str); 3] = [
    ("keepalived", include_str!("engines/keepalived.toml")),
    ("pacemaker", include_str!("engines/pacemaker.toml")),
    ("heartbeat", include_str!("engines/heartbeat.toml")),
];

/// What a node is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    /// As a scenario names it.
    pub(super) name: String,
    /// The servers.
    pub(super) servers: Servers,
    /// What moves the floating address.
    pub(super) engine: Engine,
}

/// The servers of a profile, as its file has them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Servers {
    /// Their names, for the report.
    pub(super) describe: String,
    engine: String,
    /// Where the programs come from.
    #[serde(default)]
    pub(super) root: RootFile,
    /// A server beside the nodes that they share.
    #[serde(default)]
    pub(super) store: Option<StoreFile>,
    /// How it is known that a node replicates with the others.
    #[serde(default)]
    pub(super) replication: Option<Replication>,
    /// In the order in which they are started.
    #[serde(rename = "service")]
    services: Vec<ServiceFile>,
}

/// A cluster engine, as its file has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Engine {
    /// Its name, for the report.
    pub(super) describe: String,
    /// The signal on which its last process hands the address over in order.
    pub(super) resigns_on: String,
    /// Whether the nodes must come together before one of them takes the address: none waits for another's start then.
    #[serde(default)]
    pub(super) starts_together: bool,
    /// Seconds that it may take until the address is held.
    #[serde(default = "patience")]
    pub(super) settles_in_s: u16,
    /// How it is known that a node belongs to the cluster.
    #[serde(default)]
    pub(super) members: Option<Replication>,
    /// Its processes, in the order in which they are started.
    #[serde(rename = "service")]
    services: Vec<ServiceFile>,
}

/// Where a node's programs come from. Externally tagged: `[root.debian]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum RootFile {
    /// The machine's own root.
    #[default]
    Host,
    /// A root file system of a Debian suite, made once.
    Debian(DebianRoot),
}

/// A root file system of a Debian suite.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DebianRoot {
    /// `sid`.
    pub(super) suite: String,
    /// A machine that has this program uses its own root instead.
    pub(super) unless: String,
    /// Packages beside those that the servers require.
    pub(super) packages: Vec<String>,
}

/// The store that nodes share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreFile {
    /// Program and arguments; `@store` is its address.
    pub(super) command: String,
    /// Program → Debian package.
    pub(super) requires: BTreeMap<String, String>,
}

/// A command inside a node whose output has one such line for each node that it replicates with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replication {
    /// Program and arguments.
    pub(super) command: String,
    /// The line.
    pub(super) line: String,
}

/// One server process of a node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceFile {
    /// `sip`, `media`, `xmpp`; anything for an engine's processes.
    pub(super) name: String,
    /// Program and arguments; `@etc` is where its files are.
    pub(super) command: String,
    /// User that it runs as; none: root.
    #[serde(default)]
    pub(super) user: Option<String>,
    /// How it is known that it works.
    #[serde(default)]
    pub(super) ready: Option<Ready>,
    /// Program → Debian package.
    pub(super) requires: BTreeMap<String, String>,
    /// What it wants to find under `/run`.
    #[serde(default)]
    pub(super) directories: Vec<Directory>,
    /// Its files.
    pub(super) files: Vec<File>,
    /// A command inside the node each time that the server was started and works.
    #[serde(default)]
    pub(super) after_start: Option<String>,
    /// A command inside the node after the server was started again.
    #[serde(default)]
    pub(super) after_restart: Option<String>,
}

/// How it is known that a server works.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Ready {
    /// It has bound a UDP port, on whatever address.
    UdpPort(u16),
    /// A client can connect to this port of the node's own address.
    TcpPort(u16),
    /// It answers OPTIONS at the node's own address with 200 and its name.
    Options,
    /// This command inside the node succeeds; `@etc` is where its files are.
    Command(String),
}

/// A directory that must be there before a server is started.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Directory {
    /// Absolute, inside the node.
    pub(super) path: String,
    /// User; none: root.
    #[serde(default)]
    pub(super) owner: Option<String>,
}

/// A file from a template. One that has `{{ user }}` in its path is written once for each user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Below the node's directory; a template itself.
    pub(super) path: String,
    /// Name of the template.
    pub(super) template: String,
    /// User; none: root.
    #[serde(default)]
    pub(super) owner: Option<String>,
    /// Permissions (chmod(2)); none: as the process has them.
    #[serde(default)]
    pub(super) mode: Option<u32>,
}

fn patience() -> u16 {
    20
}

impl Profile {
    /// The profile of that name.
    ///
    /// # Errors
    /// When there is none, or its file is broken.
    pub(super) fn named(name: &str) -> Result<Profile, ClusterError> {
        let text = text_of(&PROFILES, name, "profile")?;
        let servers: Servers = read(name, text)?;
        let engine = read(&servers.engine, text_of(&ENGINES, &servers.engine, "engine")?)?;
        Ok(Profile { name: name.to_owned(), servers, engine })
    }

    /// Every profile that there is.
    pub(super) fn all() -> impl Iterator<Item = Profile> {
        LAB_PROFILES.into_iter().filter_map(|name| Profile::named(name).ok())
    }

    /// The servers, in the order in which they are started.
    pub(super) fn services(&self) -> &[ServiceFile] {
        &self.servers.services
    }

    /// The engine's processes, in the order in which they are started.
    pub(super) fn engine_services(&self) -> &[ServiceFile] {
        &self.engine.services
    }

    /// Everything that runs on a node.
    pub(super) fn processes(&self) -> impl Iterator<Item = &ServiceFile> {
        self.servers.services.iter().chain(&self.engine.services)
    }

    /// The server that offers a service; none where the profile has none of its own.
    pub(super) fn service(&self, service: Service) -> Option<&ServiceFile> {
        self.servers.services.iter().find(|file| file.name == service_name(service))
    }

    /// Program and Debian package of everything that runs on a node.
    pub(super) fn requires(&self) -> BTreeMap<&str, &str> {
        let all = self.processes().flat_map(|service| &service.requires);
        all.map(|(program, package)| (program.as_str(), package.as_str())).collect()
    }
}

/// Name of a service in profiles, commands and file names of a node.
pub(super) fn service_name(service: Service) -> &'static str {
    match service {
        Service::Sip => "sip",
        Service::Media => "media",
        Service::Xmpp => "xmpp",
    }
}

/// The words of a command line. What stands between two `'` is one word, also with blanks or with nothing in it.
pub(super) fn words(line: &str) -> Vec<String> {
    let parts = line.replace("@etc", &format!("{INSIDE}/etc"));
    let quoted = |(number, part): (usize, &str)| match number % 2 {
        0 => part.split_ascii_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    };
    parts.split('\'').enumerate().flat_map(quoted).collect()
}

fn text_of(all: &[(&str, &'static str)], name: &str, what: &str) -> Result<&'static str, ClusterError> {
    let known = || all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = all.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    found.ok_or_else(|| not_ready(format!("the lab has no {what} `{name}`"), &format!("there are: {}", known())))
}

fn read<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Result<T, ClusterError> {
    toml::from_str(text).map_err(|error| not_ready(format!("{name}: {error}"), "this is a defect of the program"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_that_a_scenario_may_name_reads_and_offers_sip_and_xmpp() {
        for (name, (own, _)) in LAB_PROFILES.into_iter().zip(PROFILES) {
            assert_eq!(name, own);
            let profile = Profile::named(name).unwrap();
            assert!(profile.service(Service::Sip).is_some() && profile.service(Service::Xmpp).is_some());
            assert!(!profile.engine_services().is_empty());
            assert!(profile.services().iter().all(|service| service.ready.is_some()), "{name}");
        }
        assert!(Profile::named("openfire").unwrap_err().to_string().contains("asterisk-prosody-keepalived"));
    }

    #[test]
    fn a_profiles_name_lists_its_servers() {
        for name in LAB_PROFILES {
            let profile = Profile::named(name).unwrap();
            let told = format!("{} {}", profile.servers.describe, profile.engine.describe).to_lowercase();
            let listed = name.split('-').filter(|word| *word != "redis");
            assert!(listed.into_iter().all(|word| told.contains(word)), "{name}: {told}");
            assert_eq!(profile.servers.store.is_some(), name.contains("redis"));
        }
    }

    #[test]
    fn a_quoted_word_may_be_empty_or_have_blanks() {
        assert_eq!(words("redis-server  --save '' --port 1"), ["redis-server", "--save", "", "--port", "1"]);
        assert_eq!(words("a -f @etc/a.conf -rx 'core show'"), ["a", "-f", "/run/lab/etc/a.conf", "-rx", "core show"]);
    }
}
