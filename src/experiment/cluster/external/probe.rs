//! Harmless questions to a cluster: what `doctor` tries, and what a run cannot know.

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::unistd::geteuid;

use super::External;
use super::journal::Journal;
use super::node::Node;
use crate::experiment::cluster::{Cluster, Passwords};
use crate::units::Span;

/// How long one question to a server waits for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What one question found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Finding {
    /// What was asked: `alpha: ssh root@alpha`.
    pub what: String,
    /// Whether the answer was good.
    pub ok: bool,
    /// The answer, or what is wrong and what to do.
    pub told: String,
}

fn finding(what: String, found: Result<String, String>) -> Finding {
    let ok = found.is_ok();
    Finding { what, ok, told: found.unwrap_or_else(|told| told) }
}

impl External {
    /// Asks everything that can be asked without changing anything: logins, owners, health, servers, accounts.
    pub fn probe(&mut self, users: &[String]) -> Vec<Finding> {
        let mut findings = vec![self.consent(), self.left_over(), self.accounts(users)];
        let programs = programs(self).map(|()| "all there".to_owned());
        findings.push(finding("programs".to_owned(), programs.map_err(|(what, remedy)| format!("{what}: {remedy}"))));
        // Nodes that refuse are told one by one below.
        let _told_below = self.connect();
        for node in &self.nodes {
            findings.extend(self.node_findings(node));
        }
        findings.extend([self.owner(), self.route(), self.sip_answer(), self.xmpp_answer()]);
        findings
    }

    fn consent(&self) -> Finding {
        let told = if self.config.i_own_this_cluster {
            Ok("the scenario says that the cluster is yours".to_owned())
        } else {
            Err("i_own_this_cluster is not set: `run` will refuse".to_owned())
        };
        finding("consent".to_owned(), told)
    }

    /// What an earlier run left broken. The journal is let go again at once.
    fn left_over(&self) -> Finding {
        let told = match Journal::open(&self.journal_file) {
            Err(error) => Err(error.to_string()),
            Ok(journal) => {
                let open = journal.entries().iter().map(|entry| format!("{} of {}", entry.kind, entry.node));
                let open: Vec<String> = open.collect();
                let none = open.is_empty();
                journal.close();
                if none { Ok("nothing is left broken".to_owned()) } else { Err(left(&open)) }
            }
        };
        finding("earlier runs".to_owned(), told)
    }

    fn accounts(&self, users: &[String]) -> Finding {
        let found = super::accounts::passwords(&self.config.accounts, users);
        let told = |_: Passwords| format!("{} users have passwords; whether they are right, a run shows", users.len());
        finding("accounts".to_owned(), found.map(told).map_err(|error| error.to_string()))
    }

    fn node_findings(&self, node: &Node) -> Vec<Finding> {
        let name = &node.spec.name;
        let mut all = Vec::new();
        if node.has_shell() {
            let reached =
                node.shell("true").and_then(|line| self.run(&line)).map(|said| format!("`true` took {}", said.took()));
            let reached_well = reached.is_ok();
            all.push(finding(format!("{name}: {}", node.way()), reached));
            if reached_well && node.health.is_some() {
                let healthy = node.health_line().and_then(|line| self.run(&line)).map(|said| said.to_string());
                all.push(finding(format!("{name}: health"), healthy));
            }
        }
        if let Some((virsh, domain)) = node.virsh() {
            let state =
                self.run(&super::Line::here(&format!("{virsh} domstate {domain}"))).map(|said| said.to_string());
            all.push(finding(format!("{name}: virsh"), state));
        }
        let holds = |owns| if owns { "holds the floating address" } else { "does not hold the floating address" };
        all.push(finding(format!("{name}: owner"), self.owns(node).map(|owns| holds(owns).to_owned())));
        all
    }

    fn owner(&mut self) -> Finding {
        let told = match self.owners() {
            Err(error) => Err(error.to_string()),
            Ok(owners) if owners.len() == 1 => Ok(format!("{} has it", owners[0])),
            Ok(owners) => Err(format!("{} nodes have it: {}", owners.len(), owners.join(", "))),
        };
        finding(format!("address {}", self.config.address), told)
    }

    fn route(&self) -> Finding {
        let told = self.client().map(|client| format!("phones bind {client}"));
        finding("route".to_owned(), told.map_err(|error| format!("no way to {}: {error}", self.config.address)))
    }

    fn sip_answer(&self) -> Finding {
        let (server, domain, netns) = (self.config.sip(), self.config.domain.clone(), self.client_netns());
        let answer = self.client().and_then(|client| in_netns(netns.as_deref(), move || ask(server, client, &domain)));
        let told = answer.map_err(|error| format!("no answer to OPTIONS: {error}"));
        finding(format!("SIP {}", self.config.sip()), told)
    }

    fn xmpp_answer(&self) -> Finding {
        let (server, netns) = (self.config.xmpp(), self.client_netns());
        let opened = in_netns(netns.as_deref(), move || TcpStream::connect_timeout(&server, PATIENCE).map(drop));
        let told = opened.map(|()| "accepts connections".to_owned());
        let told = told.map_err(|error| format!("{error}: needed for [traffic.chat] alone"));
        finding(format!("XMPP {}", self.config.xmpp()), told)
    }
}

fn left(open: &[String]) -> String {
    format!("an earlier run was ended while these were in force: {}; the next `run` heals them first", open.join(", "))
}

/// One OPTIONS and the status line of its answer.
fn ask(server: SocketAddr, client: IpAddr, domain: &str) -> io::Result<String> {
    let socket = UdpSocket::bind((client, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let local = socket.local_addr()?;
    let port = local.port();
    let request = format!(
        "OPTIONS sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bKdoctor{port}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:doctor@{domain}>;tag=d{port}\r\nTo: <sip:{domain}>\r\n\
         Call-ID: doctor-{port}@{client}\r\nCSeq: 1 OPTIONS\r\nContact: <sip:doctor@{local}>\r\n\
         Content-Length: 0\r\n\r\n"
    );
    socket.send_to(request.as_bytes(), server)?;
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer)?;
    let answer = String::from_utf8_lossy(&buffer[..length]);
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// Runs `work` on a thread of its own inside a network namespace, where one is given: a thread that entered never comes
/// back.
pub(super) fn in_netns<T: Send>(netns: Option<&Path>, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let Some(netns) = netns else { return work() };
    let enter = || {
        let namespace =
            File::open(netns).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", netns.display())))?;
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        work()
    };
    std::thread::scope(|scope| scope.spawn(enter).join())
        .unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace panicked")))
}

/// Whether the programs are there that the nodes' ways need; else what is missing, and how to get it.
pub(super) fn programs(cluster: &External) -> Result<(), (String, String)> {
    let specs = || cluster.nodes.iter().map(|node| &node.spec);
    let needed = [
        ("ssh", "openssh-client", specs().any(|spec| spec.ssh.is_some())),
        ("docker", "docker.io", specs().any(|spec| spec.docker.is_some())),
        ("virsh", "libvirt-clients", specs().any(|spec| spec.virsh.is_some())),
        ("ip", "iproute2", specs().any(|spec| spec.namespace.is_some())),
    ];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let missing = |program: &str| !places.iter().any(|place| place.join(program).is_file());
    match needed.into_iter().find(|(program, _, needed)| *needed && missing(program)) {
        None => Ok(()),
        Some((program, package, _)) => {
            let remedy = format!("apt-get install --no-install-recommends {package}, or extend PATH");
            Err((format!("the program {program} is not in PATH"), remedy))
        }
    }
}

/// What a run against machines of somebody else cannot know, and what would help.
pub(super) fn unknown(cluster: &External) -> Vec<(String, String)> {
    let mut all = vec![(
        "the cluster is external: nothing was captured at its servers, and their clocks, load and logs were not looked at"
            .to_owned(),
        "what was lost between here and a server counts as the cluster's; capture there and `measure` it beside".to_owned(),
    )];
    if cluster.config.capture.is_empty() || !geteuid().is_root() {
        all.push((
            "no frames were captured: when the floating address moved is not known, only when services were back"
                .to_owned(),
            "name an interface of the cluster's own network in cluster.external.capture, and run as root".to_owned(),
        ));
    }
    let round = |node: &Node| {
        let said = node.shell("true").and_then(|line| cluster.run(&line)).ok()?;
        Some((node.spec.name.clone(), said.took()))
    };
    let slowest = cluster.nodes.iter().filter(|node| node.has_shell()).filter_map(round).max_by_key(|(_, took)| *took);
    if let Some((name, took)) = slowest.filter(|(_, took)| *took > Span::ZERO) {
        let text = format!(
            "a fault strikes somewhere between its command's start and end; on {name} an empty one took {took}"
        );
        all.push((text, "outages count from the last sign of a service, not from the command".to_owned()));
    }
    all
}
