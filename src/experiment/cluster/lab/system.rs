//! The lab as a system under test: what a run may ask of it and do to it.

use std::net::SocketAddr;

use super::fault::{self, failed};
use super::layout::{self, VIP, netns_path};
use super::node::Booted;
use super::{Lab, clean, network, tools};
use crate::evidence::history::What;
use crate::experiment::cluster::{Action, CapturePoint, Cluster, ClusterError, Endpoints};
use crate::experiment::run::recorder::Recorder;
use crate::units::Span;

impl Cluster for Lab {
    fn ready(&self) -> Result<(), ClusterError> {
        tools::check(self.layout.redis)
    }

    fn observe(&mut self, recorder: &Recorder) {
        for node in &self.layout.nodes {
            recorder.record(What::Node { name: node.name.clone(), address: node.address().into() });
        }
    }

    fn describe(&self) -> String {
        let store = if self.layout.redis { "with" } else { "without" };
        format!(
            "lab: {} behind {VIP}, keepalived every {}, Kamailio, rtpengine {store} redis, Prosody",
            self.layout.names().join(" "),
            self.layout.advert
        )
    }

    fn versions(&self) -> Vec<(String, String)> {
        let packages = ["kamailio", "rtpengine-daemon", "prosody", "keepalived", "redis-server"];
        let packages = &packages[..if self.layout.redis { 5 } else { 4 }];
        let line = [&["-W", "-f", "${Package} ${Version}\n"], packages].concat();
        let listing = tools::run("dpkg-query", &line).unwrap_or_default();
        let pair = |line: &str| line.split_once(' ').map(|(name, version)| (name.to_owned(), version.to_owned()));
        listing.lines().filter_map(pair).collect()
    }

    fn nodes(&self) -> Vec<String> {
        self.layout.names()
    }

    fn supports(&self, _action: Action) -> Result<(), String> {
        Ok(())
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
            xmpp: SocketAddr::from((VIP, 5222)),
            domain: layout::DOMAIN.into(),
            ca_pem: self.tls.as_ref().map(|tls| tls.ca.clone()).unwrap_or_default(),
            client: layout::client_address(),
            client_netns: Some(netns_path(layout::CLIENTS_NETNS)),
            password_prefix: layout::PASSWORD_PREFIX.into(),
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
        fault::inject(self.booted(node)?, action).map_err(|reason| failed("inject", node, reason))
    }

    fn verify(&mut self, node: &str, action: Action) -> Result<String, ClusterError> {
        fault::verify(self, self.booted(node)?, action).map_err(|reason| failed("verify", node, reason))
    }

    fn heal(&mut self, node: &str, action: Action) -> Result<(), ClusterError> {
        fault::heal(self, node, action)
    }

    fn configured_takeover(&self, _index: usize) -> Option<Span> {
        None
    }

    fn down(&mut self) {
        let Some(journal) = self.journal.take() else { return };
        self.nodes.values().for_each(Booted::kill);
        self.nodes.values_mut().for_each(Booted::reap);
        self.nodes.clear();
        if let Some(store) = self.store.take() {
            store.stop();
        }
        clean(Some(&journal));
    }
}
