//! The server that relays share their calls through, in a namespace of its own.

use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

use super::layout::{STORE, STORE_NETNS, netns_path};
use super::process::Process;
use super::profile::{StoreFile, words};
use super::tools::{self, run};

/// A store that runs.
#[derive(Debug)]
pub(super) struct Store {
    child: Child,
    process: Process,
}

impl Store {
    /// Starts it in its namespace.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(file: &StoreFile) -> Result<Store, String> {
        let netns = format!("--net={}", netns_path(STORE_NETNS).display());
        let line = words(&file.command.replace("@store", &STORE.to_string()));
        let mut command = tools::command("nsenter");
        command.arg(&netns).args(&line).process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("nsenter {}: {error}", file.command))?;
        if let Some(process) = Process::of(child.id()) {
            return Ok(Store { child, process });
        }
        let _gone = child.wait();
        Err(format!("{} ended at once", file.command))
    }

    /// The process, for the journal.
    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    /// Ends it.
    pub(super) fn stop(mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Whatever runs in the store's namespace.
pub(super) fn processes() -> Vec<Process> {
    if !netns_path(STORE_NETNS).exists() {
        return Vec::new();
    }
    let listing = run("ip", &["netns", "pids", STORE_NETNS]).unwrap_or_default();
    listing.lines().filter_map(|line| Process::of(line.trim().parse().ok()?)).collect()
}
