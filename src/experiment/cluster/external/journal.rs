//! What is broken at the moment, on disk before it is broken: the next run mends it when this one is killed.

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::command::Line;
use super::{failed, not_ready};
use crate::experiment::cluster::ClusterError;

const SCHEMA: &str = "fivenines.external.v1";

/// A fault that is not healed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The node.
    pub(super) node: String,
    /// The fault's name in the scenario.
    pub(super) kind: String,
    /// The command that mends it.
    pub(super) heal: Line,
    /// The command that mends it where another node holds the floating address by then.
    pub(super) heal_if_held: Option<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    schema: String,
    open: Vec<Entry>,
}

/// The journal of one cluster. The lock on its neighbour file says that a live process works with the cluster; the kernel
/// takes it away when that process dies.
#[derive(Debug)]
pub(super) struct Journal {
    file: PathBuf,
    content: Content,
    _lock: Flock<File>,
}

/// Where the journal of the cluster at `address` is: with the user's other state (XDG base directories), in
/// `/var/lib/fivenines` for who has no home.
pub(super) fn file(address: IpAddr) -> PathBuf {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = of("XDG_STATE_HOME").or_else(|| of("HOME").map(|home| home.join(".local/state")));
    let directory = state.unwrap_or_else(|| PathBuf::from("/var/lib")).join("fivenines");
    directory.join(format!("external-{}.json", address.to_string().replace(':', "-")))
}

impl Journal {
    /// Takes the cluster for this process.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be read or written.
    pub(super) fn open(file: &Path) -> Result<Journal, ClusterError> {
        let told = |error: io::Error| {
            not_ready(format!("{}: {error}", file.display()), "make the directory writable, or set XDG_STATE_HOME")
        };
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory).map_err(told)?;
        }
        let lock = File::create(file.with_extension("lock")).map_err(told)?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
            let what = format!("another run works with this cluster ({}: {errno})", file.display());
            not_ready(what, "let it end, or end it: it then heals what it broke")
        })?;
        let content = match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let what = format!("{} cannot be understood: {error}", file.display());
                not_ready(what, "look in it for what is still broken, mend that by hand, and delete the file")
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Content { schema: SCHEMA.to_owned(), open: Vec::new() }
            }
            Err(error) => return Err(told(error)),
        };
        Ok(Journal { file: file.to_owned(), content, _lock: lock })
    }

    /// What is broken.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.content.open
    }

    /// Writes down what will be broken.
    ///
    /// # Errors
    /// When the disk does not take it: nothing must be broken then.
    pub(super) fn add(&mut self, entry: Entry) -> Result<(), ClusterError> {
        self.content.open.push(entry);
        self.write()
    }

    /// Strikes out what is mended.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(super) fn remove(&mut self, node: &str, kind: &str) -> Result<(), ClusterError> {
        self.content.open.retain(|entry| entry.node != node || entry.kind != kind);
        self.write()
    }

    /// Replaces the file in one step, so that a crash leaves the old or the new one.
    fn write(&self) -> Result<(), ClusterError> {
        let fresh = self.file.with_extension("new");
        let written = serde_json::to_vec_pretty(&self.content)
            .map_err(io::Error::other)
            .and_then(|bytes| fs::write(&fresh, bytes))
            .and_then(|()| fs::rename(&fresh, &self.file));
        written.map_err(|error| failed("write the journal", &self.file.display().to_string(), error.to_string()))
    }

    /// Lets the cluster go. A journal without entries leaves no file; the lock's file stays, or two runs could hold two.
    pub(super) fn close(self) {
        if self.content.open.is_empty() {
            let _not_written_yet = fs::remove_file(&self.file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_survives_and_two_runs_do_not_share_a_cluster() {
        let directory = std::env::temp_dir().join(format!("fivenines-external-journal-{}", std::process::id()));
        let path = directory.join("external-192.0.2.10.json");
        let entry = |kind: &str| Entry {
            node: "alpha".into(),
            kind: kind.into(),
            heal: Line::here("echo healed"),
            heal_if_held: None,
        };
        let mut first = Journal::open(&path).unwrap();
        first.add(entry("power_off")).unwrap();
        first.add(entry("split")).unwrap();
        assert!(Journal::open(&path).unwrap_err().to_string().contains("another run"));
        first.remove("alpha", "split").unwrap();
        // As after a SIGKILL: nobody closes it.
        drop(first);
        let mut second = Journal::open(&path).unwrap();
        assert_eq!(second.entries(), [entry("power_off")]);
        second.remove("alpha", "power_off").unwrap();
        second.close();
        assert!(!path.exists());
        fs::write(&path, "{").unwrap();
        assert!(Journal::open(&path).unwrap_err().to_string().contains("mend that by hand"));
        fs::remove_dir_all(directory).unwrap();
    }
}
