//! A node and the ways to it: the command lines that reach it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use super::command::Line;
use crate::scenario::{Daemon, ExternalCluster, ExternalNode, Owner, Role};

/// A user's PATH on a server often lacks the half with `ip` and `nft`.
const PLACES: &str = "PATH=$PATH:/usr/sbin:/sbin";

/// A node, with what the cluster says for all of them where it has nothing of its own.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// As the scenario has it.
    pub(super) spec: ExternalNode,
    /// How to tell whether it holds the floating address.
    pub(super) owner: Owner,
    /// Command that exits with 0 on it when it is healthy.
    pub(super) health: Option<String>,
    /// What runs on it.
    pub(super) services: BTreeMap<Role, Daemon>,
    /// The floating address.
    pub(super) floating: IpAddr,
    /// Socket of the SSH connection that is kept open.
    pub(super) control: Option<PathBuf>,
    interface: Option<String>,
    /// Network namespace in which phones and chatters stand.
    clients: Option<String>,
}

impl Node {
    /// The nodes of a scenario, in its order.
    pub(super) fn all(cluster: &ExternalCluster) -> Vec<Node> {
        cluster.nodes.iter().map(|spec| Node::new(spec.get_ref(), cluster)).collect()
    }

    fn new(spec: &ExternalNode, cluster: &ExternalCluster) -> Node {
        let mut services = cluster.services.clone();
        services.extend(spec.services.clone());
        Node {
            owner: spec.owner.clone().unwrap_or_else(|| cluster.owner.clone()),
            health: spec.health.clone().or_else(|| cluster.health.clone()),
            interface: spec.interface.clone().or_else(|| cluster.interface.clone()),
            services,
            floating: cluster.address,
            control: None,
            clients: cluster.client_namespace.clone(),
            spec: spec.clone(),
        }
    }

    /// How it is reached, for people: `ssh root@alpha`.
    pub(super) fn way(&self) -> String {
        let power = self.spec.virsh.as_ref().map(|name| format!("virsh {name}"));
        let ways = [Some(self.shell_way()), power].into_iter().flatten().filter(|way| !way.is_empty());
        ways.collect::<Vec<_>>().join(" and ")
    }

    /// How commands on it are run; empty: they cannot be.
    fn shell_way(&self) -> String {
        let spec = &self.spec;
        match (&spec.ssh, &spec.docker, &spec.namespace) {
            (Some(to), _, _) => format!("ssh {to}"),
            (_, Some(name), _) => format!("docker {name}"),
            (_, _, Some(name)) => format!("namespace {name}"),
            _ if spec.local => "local".to_owned(),
            _ => String::new(),
        }
    }

    /// The whole command line that runs something on it, for who wants to try it by hand.
    pub(super) fn by_hand(&self) -> Option<String> {
        let line = self.line("COMMAND").ok()?;
        Some(line.to_string())
    }

    /// Whether commands can be run on it.
    pub(super) fn has_shell(&self) -> bool {
        let spec = &self.spec;
        spec.local || spec.namespace.is_some() || spec.ssh.is_some() || spec.docker.is_some()
    }

    /// The line that runs `script` on the node, as its administrator where the scenario says so.
    ///
    /// # Errors
    /// When there is no way to run anything on it.
    pub(super) fn shell(&self, script: &str) -> Result<Line, String> {
        self.line(&format!("{PLACES}; {script}")).map(|line| line.shown_as(format!("{}: {script}", self.shell_way())))
    }

    fn line(&self, script: &str) -> Result<Line, String> {
        let spec = &self.spec;
        let sudo: &[&str] = if spec.sudo { &["sudo", "-n"] } else { &[] };
        let inner = [sudo, &["sh", "-c", script]].concat();
        if let Some(to) = &spec.ssh {
            return Ok(self.ssh(to, script));
        }
        let outer: &[&str] = match (&spec.docker, &spec.namespace) {
            (Some(container), _) => &["docker", "exec", container],
            (None, Some(namespace)) => &["ip", "netns", "exec", namespace],
            (None, None) if spec.local => &[],
            (None, None) => return Err(format!("{} has no way to run commands on it: give it ssh", spec.name)),
        };
        // The administrator of this machine enters the namespace; in a container sudo is inside.
        let words = if spec.namespace.is_some() { [sudo, outer, &["sh", "-c", script]] } else { [outer, &inner, &[]] };
        Ok(Line::of(&words.concat()))
    }

    fn ssh(&self, to: &str, script: &str) -> Line {
        let quoted = shlex::try_quote(script).unwrap_or_default();
        // sudo forgets where the connection comes from, and a packet filter must not cut it off.
        let keep = if self.spec.sudo { "sudo -n env SSH_CONNECTION=\"$SSH_CONNECTION\" " } else { "" };
        let remote = format!("{keep}sh -c {quoted}");
        let mut words = self.ssh_words();
        if let Some(control) = &self.control {
            words.extend(["-o".to_owned(), format!("ControlPath={}", control.display())]);
        }
        words.extend([to.to_owned(), remote]);
        Line::of(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// `ssh` with everything but where to and what for. A dead server is noticed in three seconds.
    pub(super) fn ssh_words(&self) -> Vec<String> {
        let mut words: Vec<String> = vec!["ssh".into(), "-T".into()];
        let fixed = ["BatchMode=yes", "ConnectTimeout=5", "ServerAliveInterval=1", "ServerAliveCountMax=3"];
        let options = fixed.into_iter().chain(self.spec.options.iter().map(String::as_str));
        words.extend(options.flat_map(|option| ["-o".to_owned(), option.to_owned()]));
        words.extend(self.spec.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
        words.extend(self.spec.key.iter().flat_map(|key| ["-i".to_owned(), key.display().to_string()]));
        words
    }

    /// `virsh` with its connection; none where the node is no guest.
    pub(super) fn virsh(&self) -> Option<(String, String)> {
        let domain = self.spec.virsh.as_ref()?;
        let quote = |word: &str| shlex::try_quote(word).map(|quoted| quoted.into_owned()).unwrap_or_default();
        let program = match &self.spec.connect {
            Some(connect) => format!("virsh -c {}", quote(connect)),
            None => "virsh".to_owned(),
        };
        Some((program, quote(domain)))
    }

    /// Shell words that set `IF` to the interface that clients come in by.
    pub(super) fn interface(&self) -> String {
        match &self.interface {
            Some(name) => format!("IF={}", shlex::try_quote(name).unwrap_or_default()),
            None => format!(
                "set -- $(ip -o addr show to {}); IF=$2; [ -n \"$IF\" ] || {{ echo 'no interface has the address {}' >&2; exit 1; }}",
                self.spec.address, self.spec.address
            ),
        }
    }

    /// The line that exits with 0 if the node holds the floating address and with 1 if it does not.
    ///
    /// # Errors
    /// When there is no way to run anything on it.
    pub(super) fn owner_line(&self) -> Result<Line, String> {
        match &self.owner {
            Owner::Address => self.shell(&format!("ip -o addr show to {} | grep -q .", self.floating)),
            Owner::Arp => Ok(self.neighbour_line()),
            Owner::Command(command) => {
                let script = format!("{}; {command}", self.environment());
                if self.has_shell() { self.shell(&script) } else { Ok(Line::here(&script)) }
            }
        }
    }

    /// The line that exits with 0 if the node is healthy; without a check of its own: if it answers.
    ///
    /// # Errors
    /// When there is no way to run anything on it.
    pub(super) fn health_line(&self) -> Result<Line, String> {
        match &self.health {
            Some(check) => self.shell(&format!("{}; {check}", self.environment())),
            None => self.shell("true"),
        }
    }

    /// Compares link addresses as the clients' kernel knows them; a datagram each makes it ask first.
    fn neighbour_line(&self) -> Line {
        let of = |address: IpAddr| format!("$(ip neigh show to {address} | sed -n 's/.* lladdr \\([^ ]*\\).*/\\1/p')");
        let (node, floating) = (self.spec.address, self.floating);
        let ask = format!("for a in {node} {floating}; do ping -c 1 -W 1 $a >/dev/null 2>&1; done");
        let script =
            format!("{PLACES}; {ask}; n={}; [ -n \"$n\" ] || exit 1; [ \"$n\" = \"{}\" ]", of(node), of(floating));
        match &self.clients {
            Some(namespace) => Line::of(&["ip", "netns", "exec", namespace, "sh", "-c", &script]),
            None => Line::here(&script),
        }
    }

    /// Shell words that export what a user's command may want to know of the node.
    pub(super) fn environment(&self) -> String {
        let quoted = shlex::try_quote(&self.spec.name).unwrap_or_default();
        format!(
            "export FIVENINES_NODE={quoted} FIVENINES_NODE_ADDRESS={} FIVENINES_ADDRESS={}",
            self.spec.address, self.floating
        )
    }
}
