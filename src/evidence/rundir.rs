//! The run directory: where each piece of evidence and each derived file has its name.
//!
//! ```text
//! RUN/scenario.toml  run.json
//! RUN/trials/001/{plan.jsonl, history.jsonl, captures/*.pcapng}     evidence, never changed
//! RUN/report.json report.html figures/ tables/ junit.xml            derived, made again at will
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// `run.json`: what a reader must know of the machine and the program that made the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// `fivenines.run.v1`.
    pub schema: String,
    /// Version of the program.
    pub version: String,
    /// UTC, RFC 3339, to the second.
    pub started_utc: String,
    /// Seed of the first trial; trial k uses `seed + k - 1`.
    pub seed: u64,
    /// Trials that were asked for.
    pub trials_planned: u32,
    /// Kernel release.
    pub kernel: String,
    /// Processors that the run could use.
    pub cpus: u32,
    /// Machine architecture.
    pub arch: String,
    /// One line about the cluster: `reference: alpha beta charlie behind 127.0.77.10`.
    pub cluster: String,
    /// Lines that describe the traffic as the user asked for it.
    pub traffic: Vec<String>,
    /// Versions of the servers under test, name → version.
    pub servers: std::collections::BTreeMap<String, String>,
    /// Nodes that are machines of their own. What such a node's figures are depends on this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<MachineInfo>,
}

/// A node that is a machine of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineInfo {
    /// The node.
    pub node: String,
    /// What emulates it, with its version: `QEMU 7.2.22`.
    pub emulator: String,
    /// What executes its instructions: `kvm` (the processor itself) or `tcg` (software).
    pub accelerator: String,
    /// Its processors.
    pub cpus: u32,
    /// Its memory in MiB.
    pub memory_mib: u32,
    /// How it starts: firmware, boot loader, kernel.
    pub boot: String,
    /// Which image its disk began as: the hash of the image's recipe.
    pub image: String,
}

impl MachineInfo {
    /// What must stand beside a figure of the node: `alpha: QEMU 7.2.22, tcg (software), 1 CPU, 512 MiB`.
    #[must_use]
    pub fn describe(&self) -> String {
        let software = if self.accelerator == "tcg" { " (software)" } else { "" };
        let plural = if self.cpus == 1 { "" } else { "s" };
        let MachineInfo { node, emulator, accelerator, cpus, memory_mib, .. } = self;
        format!("{node}: {emulator}, {accelerator}{software}, {cpus} CPU{plural}, {memory_mib} MiB")
    }
}

/// Paths inside one run directory.
#[derive(Clone, Debug)]
pub struct RunDir {
    root: PathBuf,
}

/// Paths inside one trial.
#[derive(Clone, Debug)]
pub struct TrialDir {
    root: PathBuf,
}

impl RunDir {
    /// A handle on `root`; nothing is touched.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> RunDir {
        RunDir { root: root.into() }
    }

    /// Whether this looks like a run directory (it has a `run.json`).
    #[must_use]
    pub fn exists(&self) -> bool {
        self.run_json().is_file()
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// `run.json`.
    #[must_use]
    pub fn run_json(&self) -> PathBuf {
        self.root.join("run.json")
    }

    /// The scenario as given.
    #[must_use]
    pub fn scenario(&self) -> PathBuf {
        self.root.join("scenario.toml")
    }

    /// `report.json`, derived.
    #[must_use]
    pub fn report_json(&self) -> PathBuf {
        self.root.join("report.json")
    }

    /// `report.html`, derived.
    #[must_use]
    pub fn report_html(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// `junit.xml`, derived.
    #[must_use]
    pub fn junit(&self) -> PathBuf {
        self.root.join("junit.xml")
    }

    /// Directory of PNG and SVG figures, derived.
    #[must_use]
    pub fn figures(&self) -> PathBuf {
        self.root.join("figures")
    }

    /// Directory of CSV tables, derived.
    #[must_use]
    pub fn tables(&self) -> PathBuf {
        self.root.join("tables")
    }

    /// Trial `number`, from 1.
    #[must_use]
    pub fn trial(&self, number: u32) -> TrialDir {
        TrialDir { root: self.root.join("trials").join(format!("{number:03}")) }
    }

    /// The trials that are there, in order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn trials(&self) -> io::Result<Vec<(u32, TrialDir)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.root.join("trials"))? {
            let name = entry?.file_name();
            if let Some(number) = name.to_str().and_then(|name| name.parse().ok()) {
                found.push((number, self.trial(number)));
            }
        }
        found.sort_by_key(|(number, _)| *number);
        Ok(found)
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    /// When it is missing or is not ours.
    pub fn read_info(&self) -> io::Result<RunInfo> {
        let text = fs::read(self.run_json())?;
        serde_json::from_slice(&text).map_err(io::Error::other)
    }
}

impl TrialDir {
    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// `history.jsonl`.
    #[must_use]
    pub fn history(&self) -> PathBuf {
        self.root.join("history.jsonl")
    }

    /// `plan.jsonl`.
    #[must_use]
    pub fn plan(&self) -> PathBuf {
        self.root.join("plan.jsonl")
    }

    /// Directory of the captures.
    #[must_use]
    pub fn captures(&self) -> PathBuf {
        self.root.join("captures")
    }

    /// What the agents' own sockets sent and received: always there.
    #[must_use]
    pub fn taps(&self) -> PathBuf {
        self.captures().join("taps.pcapng")
    }

    /// Makes the directories.
    ///
    /// # Errors
    /// When the disk or the permissions do not allow it.
    pub fn create(&self) -> io::Result<()> {
        fs::create_dir_all(self.captures())
    }
}
