//! SSH connections that stay open, so that a fault's command takes a round trip and no login.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::node::Node;
use super::{LOOK_EVERY, failed};
use crate::experiment::cluster::ClusterError;
use crate::experiment::run::clock::Clock;
use crate::units::Span;

/// A login that takes longer will not come.
const LOGIN_PATIENCE: Span = Span::from_secs(10);

/// One connection for each node with ssh, open until this is dropped. A node that died loses its own, and commands then
/// make one each.
#[derive(Debug)]
pub(super) struct Connections {
    directory: PathBuf,
    masters: Vec<Child>,
}

impl Connections {
    /// Logs in everywhere and tells the nodes which sockets to use.
    ///
    /// # Errors
    /// When a node refuses or does not answer, in ssh's own words.
    pub(super) fn open(nodes: &mut [Node], clock: Clock) -> Result<Connections, ClusterError> {
        // A path of a Unix socket must be short; the number keeps two runs apart.
        let directory = std::env::temp_dir().join(format!("fivenines-ssh-{}-{}", std::process::id(), clock.wall_now()));
        let mut connections = Connections { directory, masters: Vec::new() };
        for (number, node) in nodes.iter_mut().enumerate() {
            let Some(to) = node.spec.ssh.clone() else { continue };
            let socket = connections.directory.join(number.to_string());
            let name = node.spec.name.clone();
            connections.login(node, &to, &socket, clock).map_err(|reason| {
                failed("log in by ssh", &name, format!("{reason}\n  remedy: {}", remedy(node, &to)))
            })?;
            node.control = Some(socket);
        }
        Ok(connections)
    }

    fn login(&mut self, node: &Node, to: &str, socket: &Path, clock: Clock) -> Result<(), String> {
        let told = |error: std::io::Error| error.to_string();
        std::fs::create_dir_all(&self.directory).map_err(told)?;
        private(&self.directory).map_err(told)?;
        let complaints = self.directory.join("complaints");
        let words = node.ssh_words();
        // The far `cat` ends when this process does, however it ends; and with it the connection.
        let child = Command::new(&words[0])
            .args(&words[1..])
            .args(["-o", "ControlMaster=yes", "-o"])
            .arg(format!("ControlPath={}", socket.display()))
            .args([to, "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&complaints).map_err(told)?)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("ssh cannot be run: {error}"))?;
        self.masters.push(child);
        let deadline = clock.now() + LOGIN_PATIENCE;
        while !socket.exists() {
            let ended = self.masters.last_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || clock.now() >= deadline {
                let words = std::fs::read_to_string(&complaints).unwrap_or_default();
                let words = words.trim().replace('\n', "; ");
                return Err(if words.is_empty() { format!("no login within {LOGIN_PATIENCE}") } else { words });
            }
            clock.sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

fn remedy(node: &Node, to: &str) -> String {
    let mut words = node.ssh_words();
    words.extend([to.to_owned(), "true".to_owned()]);
    let line = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
    format!("let this work without a password or question: {line}")
}

fn private(directory: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o700))
}

impl Drop for Connections {
    fn drop(&mut self) {
        for master in &mut self.masters {
            let _ended_already = master.kill();
            let _reaped = master.wait();
        }
        let _gone = std::fs::remove_dir_all(&self.directory);
    }
}
