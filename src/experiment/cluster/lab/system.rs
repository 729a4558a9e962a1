//! The lab as a system under test: what a run may ask of it and do to it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::fault::{self, failed};
use super::layout::{self, Layout, VIP, netns_path};
use super::machine::image::Image;
use super::machine::{self, Machine};
use super::node::Booted;
use super::{Lab, clean, network, tools};
use crate::evidence::history::What;
use crate::evidence::rundir::MachineInfo;
use crate::experiment::agent::sip::phone::behaviour::Target;
use crate::experiment::cluster::{Action, CapturePoint, Cluster, ClusterError, Endpoints, Passwords};
use crate::experiment::run::recorder::Recorder;
use crate::units::Span;

impl Cluster for Lab {
    fn ready(&self) -> Result<(), ClusterError> {
        self.check()
    }

    fn prepare(&mut self, tell: &mut dyn FnMut(&str)) -> Result<(), ClusterError> {
        self.make_roots(tell)
    }

    fn observe(&mut self, recorder: &Recorder) {
        self.recorder = Some(recorder.clone());
        for node in &self.layout.nodes {
            recorder.record(What::Node { name: node.name.clone(), address: node.address().into() });
        }
        // Adverts tell it at any time; an engine without them, only when the address moves.
        if let Ok(nodes) = self.owners() {
            recorder.record(What::Owner { nodes });
        }
    }

    fn describe(&self) -> String {
        let Layout { profile, engine, .. } = &self.layout;
        let store = profile.servers.store.as_ref().map(|_| self.layout.shares_calls);
        let shared = store.map_or("", |shares| if shares { ", calls shared" } else { ", calls not shared" });
        let returns = if engine.preempt { ", takes back" } else { "" };
        let kind = |name: String| if self.layout.machines.contains_key(&name) { format!("{name} (vm)") } else { name };
        let names = self.layout.names().into_iter().map(kind).collect::<Vec<_>>().join(" ");
        if !self.layout.is_cluster() {
            return format!("lab: {names} alone at {VIP}, no cluster, {}{shared}", profile.servers.describe);
        }
        format!(
            "lab: {names} behind {VIP}, {} {}{returns}, {}{shared}",
            profile.engine.describe,
            engine.timers.describe(),
            profile.servers.describe,
        )
    }

    fn versions(&self) -> Vec<(String, String)> {
        let profile = &self.layout.profile;
        let store = profile.servers.store.as_ref().filter(|_| self.layout.shares_calls);
        let of_store = store.into_iter().flat_map(|store| store.requires.values().map(String::as_str));
        let packages: BTreeSet<&str> = profile.requires().into_values().chain(of_store).collect();
        let packages: Vec<&str> = packages.into_iter().collect();
        // Where both kinds of node are, those in namespaces speak for all: both are of one Debian.
        let root = if self.layout.has_namespaces() { self.layout.root.path() } else { Image::of(profile).directory() };
        let admin = format!("--admindir={}", root.join("var/lib/dpkg").display());
        let line = [&[admin.as_str(), "-W", "-f", "${Package} ${Version}\n"], &packages[..]].concat();
        let listing = tools::run("dpkg-query", &line).unwrap_or_default();
        let pair = |line: &str| line.split_once(' ').map(|(name, version)| (name.to_owned(), version.to_owned()));
        listing.lines().filter_map(pair).collect()
    }

    fn nodes(&self) -> Vec<String> {
        self.layout.names()
    }

    fn supports(&self, action: Action) -> Result<(), String> {
        self.layout.names().iter().try_for_each(|name| fault::supports(&self.layout, name, action))
    }

    fn supports_at(&self, target: &str, action: Action) -> Result<(), String> {
        if self.layout.node(target).is_ok() {
            return fault::supports(&self.layout, target, action);
        }
        self.supports(action).map_err(|reason| format!("{target} may be any node, and {reason}"))
    }

    fn machines(&self) -> Vec<MachineInfo> {
        machine::describe(&self.layout, self.accelerator.get().copied().unwrap_or("unknown"))
    }

    fn up(&mut self, users: &[String]) -> Result<(), ClusterError> {
        self.take_possession(users)?;
        let up = self.bring_up();
        if up.is_err() {
            self.down();
        }
        up
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            sip: SocketAddr::from((VIP, 5060)),
            targets: vec![Target { address: SocketAddr::from((VIP, 5060)), priority: 0, weight: 0 }],
            xmpp: SocketAddr::from((VIP, 5222)),
            domain: layout::DOMAIN.into(),
            ca_pem: self.tls.as_ref().map(|tls| tls.ca.clone()).unwrap_or_default(),
            client: layout::client_address(),
            client_netns: Some(netns_path(layout::CLIENTS_NETNS)),
            passwords: Passwords::behind(layout::PASSWORD_PREFIX),
        }
    }

    fn capture_points(&self) -> Vec<CapturePoint> {
        let point = |name: &str, netns: &str, interface: &str| CapturePoint {
            name: name.into(),
            netns: netns_path(netns),
            interface: interface.into(),
        };
        vec![
            point("clients", layout::CLIENTS_NETNS, "eth0"),
            point("switch", layout::SWITCH_NETNS, CapturePoint::ALL_PORTS),
        ]
    }

    fn owners(&mut self) -> Result<Vec<String>, ClusterError> {
        let mut owners = Vec::new();
        for node in &self.layout.nodes {
            if let Some(machine) = self.machines.get(&node.name) {
                owners.extend(machine.has_address(&VIP.to_string()).then(|| node.name.clone()));
                continue;
            }
            let Some(pid1) = self.pid1(&node.name) else { continue };
            match network::node_has_address(pid1, &VIP.to_string()) {
                Ok(true) => owners.push(node.name.clone()),
                Ok(false) => {}
                // It may have died between the two questions.
                Err(_) if self.pid1(&node.name).is_none() => {}
                Err(reason) => return Err(failed("ask for the floating address", &node.name, reason)),
            }
        }
        Ok(owners)
    }

    fn inject(&mut self, node: &str, action: Action) -> Result<String, ClusterError> {
        fault::inject(self, node, action).map_err(|reason| failed("inject", node, reason))
    }

    fn verify(&mut self, node: &str, action: Action) -> Result<String, ClusterError> {
        fault::verify(self, node, action).map_err(|reason| failed("verify", node, reason))
    }

    fn heal(&mut self, node: &str, action: Action) -> Result<(), ClusterError> {
        fault::heal(self, node, action)
    }

    fn configured_takeover(&self, _index: usize) -> Option<Span> {
        None
    }

    fn down(&mut self) {
        let Some(journal) = self.journal.take() else { return };
        self.emulators.clear();
        self.nodes.values().for_each(Booted::kill);
        self.nodes.values_mut().for_each(Booted::reap);
        self.nodes.clear();
        self.machines.values().for_each(Machine::kill);
        self.machines.values_mut().for_each(Machine::reap);
        self.machines.clear();
        if let Some(store) = self.store.take() {
            store.stop();
        }
        clean(Some(&journal));
    }
}
