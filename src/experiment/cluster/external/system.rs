//! An external cluster as a system under test: what a run may ask of it and do to it.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use super::connection::Connections;
use super::{BITE_PATIENCE, External, LOOK_EVERY, accounts, entry, failed, not_ready, probe, recipe};
use crate::evidence::history::What;
use crate::experiment::agent::sip::phone::behaviour::Target;
use crate::experiment::cluster::{Action, CapturePoint, Cluster, ClusterError, Endpoints};
use crate::experiment::run::recorder::Recorder;
use crate::units::Span;

/// Authorities that Debian's `ca-certificates` installs.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

impl Cluster for External {
    fn describe(&self) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(|node| format!("{} ({})", node.spec.name, node.way())).collect();
        format!("external: {} behind {}", nodes.join(", "), self.config.address)
    }

    fn versions(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn nodes(&self) -> Vec<String> {
        self.config.names()
    }

    fn supports(&self, action: Action) -> Result<(), String> {
        let tried = |node| recipe::of(&self.config, node, action, self.window).map(drop);
        self.nodes.iter().map(tried).reduce(Result::or).unwrap_or(Ok(()))
    }

    fn ready(&self) -> Result<(), ClusterError> {
        if !self.config.i_own_this_cluster {
            let what = format!("the scenario does not say that the cluster at {} is yours", self.config.address);
            let remedy = "traffic and faults go to real machines. If you may break them, write i_own_this_cluster = true \
                          under [cluster.external]; `plan` and `doctor` show before what would be done";
            return Err(not_ready(what, remedy));
        }
        probe::programs(self).map_err(|(what, remedy)| not_ready(what, &remedy))
    }

    fn prepare(&mut self, tell: &mut dyn FnMut(&str)) -> Result<(), ClusterError> {
        self.connect()?;
        self.take_possession(tell)
    }

    fn up(&mut self, users: &[String]) -> Result<(), ClusterError> {
        self.passwords = accounts::passwords(&self.config.accounts, users)?;
        self.connect()?;
        self.take_possession(&mut |_| {})?;
        for name in self.config.names() {
            self.healthy(&name).map_err(|reason| ClusterError::NotUp { node: name, reason })?;
        }
        let owners = self.owners()?;
        if owners.len() == 1 {
            return Ok(());
        }
        let what = match owners.len() {
            0 => format!("no node holds {}", self.config.address),
            _ => format!("{} hold {} at once", owners.join(" and "), self.config.address),
        };
        Err(not_ready(what, "repair the cluster first; `fivenines doctor SCENARIO` shows what each node says"))
    }

    fn heal_due(&mut self, after: Option<Span>) {
        self.due = after;
    }

    fn observe(&mut self, recorder: &Recorder) {
        for node in &self.nodes {
            recorder.record(What::Node { name: node.spec.name.clone(), address: node.spec.address });
        }
        for (text, remedy) in probe::unknown(self) {
            recorder.record(What::Caveat { text, remedy });
        }
    }

    fn endpoints(&self) -> Endpoints {
        let authorities = self.config.ca.clone().unwrap_or_else(|| PathBuf::from(SYSTEM_AUTHORITIES));
        Endpoints {
            sip: self.config.sip(),
            targets: vec![Target { address: self.config.sip(), priority: 0, weight: 0 }],
            xmpp: self.config.xmpp(),
            domain: self.config.domain.clone(),
            // What cannot be read is told by the chatters, who need it.
            ca_pem: std::fs::read_to_string(authorities).unwrap_or_default(),
            client: self.client().unwrap_or_else(|_| unspecified(self.config.address)),
            client_netns: self.client_netns(),
            passwords: self.passwords.clone(),
        }
    }

    fn capture_points(&self) -> Vec<CapturePoint> {
        let netns = self.client_netns().unwrap_or_else(|| PathBuf::from("/proc/thread-self/ns/net"));
        let point = |interface: &String| CapturePoint {
            name: format!("clients-{interface}"),
            netns: netns.clone(),
            interface: interface.clone(),
        };
        self.config.capture.iter().map(point).collect()
    }

    fn owners(&mut self) -> Result<Vec<String>, ClusterError> {
        self.holders()
    }

    fn inject(&mut self, node: &str, action: Action) -> Result<String, ClusterError> {
        let recipe = self.recipe(node, action)?;
        self.note(node, action, &recipe)?;
        match self.run(&recipe.inject) {
            Ok(said) => Ok(recipe.remark.map_or_else(|| said.to_string(), |remark| format!("{said} ({remark})"))),
            Err(why) => {
                let remedy = "run the command by hand until it exits with 0; `fivenines plan SCENARIO` prints it";
                Err(failed("inject", node, format!("{why}\n  remedy: {remedy}")))
            }
        }
    }

    fn verify(&mut self, node: &str, action: Action) -> Result<String, ClusterError> {
        let Some(verify) = self.recipe(node, action)?.verify else {
            return Ok("its command exited with 0; nothing else tells".to_owned());
        };
        let deadline = self.clock.now() + BITE_PATIENCE;
        loop {
            // A node that is gone may take the whole patience to be silent.
            match verify.run(self.clock, BITE_PATIENCE.min(self.timeout())) {
                Ok(said) => return Ok(said.to_string()),
                Err(why) if self.clock.now() >= deadline => return Err(failed("verify", node, why)),
                Err(_) => self.clock.sleep(LOOK_EVERY),
            }
        }
    }

    fn heal(&mut self, node: &str, action: Action) -> Result<(), ClusterError> {
        let recipe = self.recipe(node, action)?;
        self.mend(&entry(node, action, &recipe))?;
        self.forget(node, action)
    }

    fn configured_takeover(&self, _index: usize) -> Option<Span> {
        None
    }

    fn down(&mut self) {
        self.connections = None;
        self.nodes.iter_mut().for_each(|node| node.control = None);
    }
}

impl External {
    /// Opens the connections that commands go through.
    pub(super) fn connect(&mut self) -> Result<(), ClusterError> {
        if self.connections.is_none() {
            self.connections = Some(Connections::open(&mut self.nodes, self.clock)?);
        }
        Ok(())
    }

    /// The namespace of phones, chatters and captures.
    pub(super) fn client_netns(&self) -> Option<PathBuf> {
        self.config.client_namespace.as_ref().map(|name| Path::new("/run/netns").join(name))
    }

    /// The address that phones and chatters bind: the scenario's, or the one from which the routing table reaches SIP.
    ///
    /// # Errors
    /// When there is no route, or no namespace of that name.
    pub(super) fn client(&self) -> std::io::Result<IpAddr> {
        if let Some(client) = self.config.client {
            return Ok(client);
        }
        let (server, netns) = (self.config.sip(), self.client_netns());
        probe::in_netns(netns.as_deref(), move || {
            // Connecting a datagram socket sends nothing and asks the routing table.
            let socket = UdpSocket::bind(SocketAddr::new(unspecified(server.ip()), 0))?;
            socket.connect(server)?;
            socket.local_addr().map(|local| local.ip())
        })
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}
