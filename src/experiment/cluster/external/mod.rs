//! An external cluster: machines of the user's own that are up already, reached by commands.
//!
//! Nothing is furnished here and nothing started: the run asks whether the cluster is healthy, sends its traffic, and
//! breaks and mends nodes by the ways that the scenario names (a shell on this machine, a network namespace, ssh, docker,
//! virsh) or by commands of the user's own. What is broken stands in a [`journal`] before it is broken.

mod accounts;
mod command;
mod connection;
mod journal;
mod node;
mod probe;
mod recipe;
mod system;

use std::collections::BTreeSet;
use std::path::PathBuf;

use command::{Line, Said};
use connection::Connections;
use journal::{Entry, Journal};
use node::Node;
use recipe::Recipe;

pub use probe::Finding;

use super::{Action, ClusterError, Passwords};
use crate::experiment::run::clock::Clock;
use crate::scenario::{ExternalCluster, NodeFault};
use crate::units::Span;

/// How long a fault may take to show, as in the lab.
const BITE_PATIENCE: Span = Span::from_secs(3);
/// Pause between two looks at a node.
const LOOK_EVERY: Span = Span::from_millis(50);
/// Between two attempts to mend a node.
const MEND_EVERY: Span = Span::from_millis(500);

/// A cluster that is not ours.
#[derive(Debug)]
pub struct External {
    config: ExternalCluster,
    window: Span,
    clock: Clock,
    nodes: Vec<Node>,
    passwords: Passwords,
    journal_file: PathBuf,
    journal: Option<Journal>,
    connections: Option<Connections>,
    /// What is broken now.
    open: BTreeSet<(String, &'static str)>,
    due: Option<Span>,
}

/// What would be run for a fault of a node, for `plan`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Commands {
    /// The node.
    pub node: String,
    /// The whole line that runs a command on it; absent: none can be.
    pub by_hand: Option<String>,
    /// The command that breaks it.
    pub inject: String,
    /// The command that succeeds once it has bitten; absent: nobody can tell.
    pub verify: Option<String>,
    /// The command that mends it.
    pub heal: String,
    /// What of it is other than the fault's name says.
    pub remark: Option<String>,
}

impl External {
    /// The cluster of a scenario whose window is `window`; nothing is asked or sent.
    #[must_use]
    pub fn new(config: &ExternalCluster, window: Span) -> External {
        External {
            nodes: Node::all(config),
            journal_file: journal::file(config.address),
            passwords: Passwords::behind(""),
            clock: Clock::start(),
            config: config.clone(),
            window,
            journal: None,
            connections: None,
            open: BTreeSet::new(),
            due: None,
        }
    }

    /// What would be run for `action` of `target`, for every node that it may hit.
    ///
    /// # Errors
    /// For a node that cannot do it: why, and what would help.
    pub fn commands(&self, target: &str, action: Action, heal_after: Option<Span>) -> Result<Vec<Commands>, String> {
        let due = heal_after.unwrap_or(self.window);
        let told = |node: &Node| {
            let Recipe { inject, verify, heal, heal_if_held: _, remark } = recipe::of(&self.config, node, action, due)?;
            Ok(Commands {
                node: node.spec.name.clone(),
                by_hand: node.by_hand(),
                inject: inject.to_string(),
                verify: verify.map(|verify| verify.to_string()),
                heal: heal.to_string(),
                remark: remark.map(str::to_owned),
            })
        };
        self.targets(target).into_iter().map(told).collect()
    }

    /// The nodes that a target may mean. The store is no node: its commands know the first one.
    fn targets(&self, target: &str) -> Vec<&Node> {
        match target {
            NodeFault::OWNER | NodeFault::BACKUP => self.nodes.iter().collect(),
            NodeFault::STORE => self.nodes.iter().take(1).collect(),
            name => self.nodes.iter().filter(|node| node.spec.name == name).collect(),
        }
    }

    fn node(&self, name: &str) -> Result<&Node, ClusterError> {
        let found = if name == NodeFault::STORE {
            self.nodes.first()
        } else {
            self.nodes.iter().find(|node| node.spec.name == name)
        };
        found.ok_or_else(|| not_ready(format!("there is no node {name}"), "name one of the scenario's nodes"))
    }

    fn recipe(&self, name: &str, action: Action) -> Result<Recipe, ClusterError> {
        let due = self.due.unwrap_or(self.window);
        recipe::of(&self.config, self.node(name)?, action, due).map_err(|why| failed("inject", name, why))
    }

    fn timeout(&self) -> Span {
        self.config.command_timeout.0
    }

    fn run(&self, line: &Line) -> Result<Said, String> {
        line.run(self.clock, self.timeout())
    }

    /// Takes the cluster for this process and mends what an earlier one left broken. `tell` hears of it.
    fn take_possession(&mut self, tell: &mut dyn FnMut(&str)) -> Result<(), ClusterError> {
        if self.journal.is_some() {
            return Ok(());
        }
        let mut journal = Journal::open(&self.journal_file)?;
        for entry in journal.entries().to_vec() {
            tell(&format!("an earlier run was ended while {} of {} was in force: healing it", entry.kind, entry.node));
            self.mend(&entry)?;
            journal.remove(&entry.node, &entry.kind)?;
        }
        self.journal = Some(journal);
        Ok(())
    }

    fn note(&mut self, node: &str, action: Action, recipe: &Recipe) -> Result<(), ClusterError> {
        self.open.insert((node.to_owned(), recipe::kind(action)));
        let entry = entry(node, action, recipe);
        self.journal.as_mut().map_or(Ok(()), |journal| journal.add(entry))
    }

    fn forget(&mut self, node: &str, action: Action) -> Result<(), ClusterError> {
        let kind = recipe::kind(action);
        self.open.remove(&(node.to_owned(), kind));
        self.journal.as_mut().map_or(Ok(()), |journal| journal.remove(node, kind))
    }

    fn is_broken(&self, node: &str) -> bool {
        self.open.iter().any(|(name, _)| name == node)
    }

    /// Repeats the healing command until it succeeds, then waits until the node is healthy.
    fn mend(&self, entry: &Entry) -> Result<(), ClusterError> {
        let name = entry.node.as_str();
        let deadline = self.clock.now() + self.config.heal_timeout.0;
        let mut mended = false;
        loop {
            let tried = if mended { Ok(()) } else { self.try_to_mend(entry) };
            mended = tried.is_ok();
            let Err(why) = tried.and_then(|()| self.healthy(name)) else { return Ok(()) };
            if self.clock.now() >= deadline {
                let remedy = "mend the node by hand; the next run tries this command again";
                return Err(failed("heal", name, format!("{why}\n  remedy: {remedy}: {}", entry.heal)));
            }
            self.clock.sleep(MEND_EVERY);
        }
    }

    fn try_to_mend(&self, entry: &Entry) -> Result<(), String> {
        let held = entry.heal_if_held.as_ref();
        let held = held.map_or(Ok(None), |line| self.holders().map(|nodes| (!nodes.is_empty()).then_some(line)));
        let line = held.map_err(|error| error.to_string())?.unwrap_or(&entry.heal);
        self.run(line).map(drop)
    }

    /// The nodes that hold the floating address.
    fn holders(&self) -> Result<Vec<String>, ClusterError> {
        let mut owners = Vec::new();
        for node in &self.nodes {
            let name = &node.spec.name;
            match self.owns(node) {
                Ok(true) => owners.push(name.clone()),
                Ok(false) => {}
                // A node that was broken on purpose need not answer.
                Err(_) if self.is_broken(name) => {}
                Err(reason) => return Err(failed("ask for the floating address", name, reason)),
            }
        }
        Ok(owners)
    }

    /// Whether the node answers and its own check is content.
    fn healthy(&self, name: &str) -> Result<(), String> {
        let node = self.node(name).map_err(|error| error.to_string())?;
        if !node.has_shell() {
            return Ok(());
        }
        self.run(&node.health_line()?).map(drop)
    }

    /// Whether the node holds the floating address.
    fn owns(&self, node: &Node) -> Result<bool, String> {
        let said = node.owner_line()?.try_run(self.clock, self.timeout())?;
        match said.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(said.to_string()),
        }
    }
}

impl Drop for External {
    fn drop(&mut self) {
        // Whoever broke something heals it first; what is left of it stands in the journal.
        if let Some(journal) = self.journal.take() {
            journal.close();
        }
    }
}

fn entry(node: &str, action: Action, recipe: &Recipe) -> Entry {
    Entry {
        node: node.to_owned(),
        kind: recipe::kind(action).to_owned(),
        heal: recipe.heal.clone(),
        heal_if_held: recipe.heal_if_held.clone(),
    }
}

fn not_ready(what: String, remedy: &str) -> ClusterError {
    ClusterError::NotReady { what, remedy: remedy.to_owned() }
}

fn failed(action: &str, node: &str, reason: String) -> ClusterError {
    ClusterError::Failed { action: action.to_owned(), node: node.to_owned(), reason }
}

#[cfg(test)]
mod tests;
