//! What the lab has put on the machine, on disk before it is needed: `down` and the next start clean by it,
//! even when the tool was killed in between.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{self, EngineOptions, Layout};
use super::process::Process;
use crate::experiment::cluster::ClusterError;
use crate::scenario::MachineSize;

/// Where the journal is.
pub(super) const FILE: &str = "/run/fivenines/lab.json";

/// The journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    /// `fivenines.lab.v2`.
    pub(super) schema: String,
    /// Node names, preferred owner first.
    pub(super) nodes: Vec<String>,
    /// Which servers run on them.
    pub(super) profile: String,
    /// How the engine is set.
    pub(super) engine: EngineOptions,
    /// Which nodes are machines of their own.
    #[serde(default)]
    pub(super) machines: BTreeMap<String, MachineSize>,
    /// Whether relays share their calls through a store.
    pub(super) shares_calls: bool,
    /// The process that works with the lab; none when it was left standing on purpose.
    pub(super) owner: Option<Process>,
    /// Whether `/run/netns` became a mount point by us.
    pub(super) mounted_netns: bool,
    /// What was started: the store, and one `unshare` or emulator for each node.
    pub(super) processes: Vec<Process>,
}

impl Journal {
    /// A journal of a lab that is about to be put up by this process.
    pub(super) fn new(layout: &Layout) -> Journal {
        Journal {
            schema: "fivenines.lab.v2".into(),
            nodes: layout.names(),
            profile: layout.profile.name.clone(),
            engine: layout.engine,
            machines: layout.machines.clone(),
            shares_calls: layout.shares_calls,
            owner: Process::of(std::process::id()),
            mounted_netns: !is_mount_point(Path::new("/run/netns")),
            processes: Vec::new(),
        }
    }

    /// The layout of the lab that stands.
    ///
    /// # Errors
    /// When the journal was made by another version.
    pub(super) fn layout(&self) -> Result<Layout, ClusterError> {
        let layout = Layout::of(&self.nodes, &self.profile, self.engine, Some(self.shares_calls))?;
        Ok(Layout { machines: self.machines.clone(), ..layout })
    }

    /// Reads a journal; none when there is no file.
    ///
    /// # Errors
    /// When it cannot be read or is not ours.
    pub(super) fn read(file: &Path) -> io::Result<Option<Journal>> {
        match fs::read(file) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file in one step, so that a crash leaves the old or the new journal.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory)?;
        }
        let fresh = file.with_extension("json.new");
        fs::write(&fresh, serde_json::to_vec_pretty(self).map_err(io::Error::other)?)?;
        fs::rename(fresh, file)
    }

    /// Refuses to go on when another live process has the lab, or when it was left standing on purpose.
    ///
    /// # Errors
    /// Who has it and what to do.
    pub(super) fn check_free(&self) -> Result<(), ClusterError> {
        let remedy = "end it first, or take it down: fivenines lab down";
        match &self.owner {
            None => Err(layout::not_ready("a lab is standing, put up by `fivenines lab up`", remedy)),
            Some(owner) if owner.pid != std::process::id() && owner.is_alive() => {
                Err(layout::not_ready(format!("process {} has a lab up", owner.pid), remedy))
            }
            Some(_) => Ok(()),
        }
    }
}

/// Whether something is mounted on `path`.
pub(super) fn is_mount_point(path: &Path) -> bool {
    mount_points().iter().any(|place| place == path)
}

/// Where something is mounted below `path`, the innermost first.
pub(super) fn mount_points_under(path: &Path) -> Vec<PathBuf> {
    let mut places = mount_points();
    places.retain(|place| place.starts_with(path));
    places.reverse();
    places
}

/// Where something is mounted, in the order of mounting.
fn mount_points() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from).collect()
}

/// The journal's place as a path.
pub(super) fn file() -> PathBuf {
    PathBuf::from(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::LAB_PROFILES;

    fn journal() -> Journal {
        let names = ["alpha".to_owned(), "beta".to_owned()];
        Journal::new(&Layout::of(&names, LAB_PROFILES[0], EngineOptions::default(), None).unwrap())
    }

    #[test]
    fn a_journal_reads_back_and_a_missing_one_is_none() {
        let directory = std::env::temp_dir().join(format!("fivenines-journal-{}", std::process::id()));
        let file = directory.join("lab.json");
        assert_eq!(Journal::read(&file).unwrap(), None);
        journal().write(&file).unwrap();
        let read = Journal::read(&file).unwrap().unwrap();
        assert_eq!(read, journal());
        assert_eq!(read.layout().unwrap().names(), ["alpha", "beta"]);
        fs::write(&file, "{").unwrap();
        assert!(Journal::read(&file).is_err());
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_lab_is_free_when_its_owner_is_this_process_or_dead() {
        let mut journal = journal();
        assert!(journal.check_free().is_ok());
        // Process 1 is alive, but it did not start at tick 1 before the boot loader.
        journal.owner = Some(Process { name: "tool".into(), pid: 1, started: u64::MAX });
        assert!(journal.check_free().is_ok());
        journal.owner = Process::of(1);
        assert!(journal.check_free().unwrap_err().to_string().contains("process 1"));
        journal.owner = None;
        assert!(journal.check_free().unwrap_err().to_string().contains("lab down"));
    }

    #[test]
    fn mount_points_are_told_from_plain_directories() {
        assert!(is_mount_point(Path::new("/proc")));
        assert!(!is_mount_point(Path::new("/proc/self")));
    }
}
