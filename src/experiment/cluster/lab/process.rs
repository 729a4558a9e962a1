//! Processes that the lab started, told from later ones with the same number.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// A process, by its number and its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    /// What it is, for messages.
    pub(super) name: String,
    /// Number in this namespace.
    pub(super) pid: u32,
    /// Clock ticks from the machine's boot to its start.
    pub(super) started: u64,
}

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// `R`, `S`, `D`, `T`, `Z`…
    pub(super) state: char,
    /// Process group.
    pub(super) group: u32,
    /// Clock ticks from the machine's boot to the start.
    pub(super) started: u64,
}

impl Process {
    /// The process that has this number now; none when there is none.
    pub(super) fn of(pid: u32) -> Option<Process> {
        let started = stat(pid)?.started;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
        Some(Process { name, pid, started })
    }

    /// Whether it still runs; a zombie does not.
    pub(super) fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.started == self.started && stat.state != 'Z')
    }

    /// Ends it at once, if it is still that process.
    pub(super) fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Sends it a signal, if it is still that process.
    pub(super) fn signal(&self, signal: Signal) {
        if self.is_alive() {
            let _gone = kill(Pid::from_raw(self.pid.cast_signed()), signal);
        }
    }

    /// Its state, if it is still that process.
    pub(super) fn state(&self) -> Option<char> {
        stat(self.pid).filter(|stat| stat.started == self.started).map(|stat| stat.state)
    }

    /// Sends a signal to its whole process group.
    ///
    /// # Errors
    /// When the group is gone.
    pub(super) fn signal_group(&self, signal: Signal) -> Result<(), Errno> {
        killpg(Pid::from_raw(self.pid.cast_signed()), signal)
    }

    /// States of all processes in its group.
    pub(super) fn group_states(&self) -> Vec<char> {
        let in_group = |pid| stat(pid).filter(|stat| stat.group == self.pid).map(|stat| stat.state);
        all_pids().into_iter().filter_map(in_group).collect()
    }
}

/// Reads `/proc/PID/stat`.
pub(super) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in parentheses may hold anything, so fields count from the last parenthesis (proc(5)).
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // Behind the name: state is field 3, the process group 5, the start 22.
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Stat { state: field(3)?.chars().next()?, group: field(5)?.parse().ok()?, started: field(22)?.parse().ok()? })
}

/// The number here of the process that is `inner` in the PID namespace of `member`.
pub(super) fn translate(member: u32, inner: u32) -> Option<u32> {
    let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let wanted = namespace(member)?;
    all_pids().into_iter().find(|pid| innermost(*pid) == Some(inner) && namespace(*pid).as_ref() == Some(&wanted))
}

/// All processes of the PID namespace of `member`.
pub(super) fn in_namespace_of(member: u32) -> Vec<Process> {
    let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(wanted) = namespace(member) else { return Vec::new() };
    let same = all_pids().into_iter().filter(|pid| namespace(*pid).as_ref() == Some(&wanted));
    same.filter_map(Process::of).collect()
}

/// A process's number in its own namespace.
fn innermost(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().last()?.parse().ok()
}

/// Processes that have `lab-init` or `-pidfile` and then a path under `directory` among their arguments: PID 1 of
/// each node and the `unshare` that waits for it, or the emulator of a machine, whether or not a journal tells of them.
pub(super) fn with_argument_under(directory: &Path) -> Vec<Process> {
    let ours = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|octet| *octet == 0).map(String::from_utf8_lossy).collect();
        let marks = |word: &str| word == "lab-init" || word == "-pidfile";
        words.windows(2).any(|pair| marks(&pair[0]) && Path::new(pair[1].as_ref()).starts_with(directory))
    };
    all_pids().into_iter().filter(ours).filter_map(Process::of).collect()
}

fn all_pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_move_the_fields() {
        // Fields 3 to 22 of proc(5): state S, ppid 1, pgrp 77 … starttime 4242.
        let text = "42 (a) b (c)) S 1 77 77 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 4242 1000";
        assert_eq!(parse_stat(text), Some(Stat { state: 'S', group: 77, started: 4242 }));
        for torn in ["", "42 (a", "42 (a) S 1", "42 (a) S 1 x"] {
            assert_eq!(parse_stat(torn), None);
        }
    }

    #[test]
    fn a_reused_number_is_another_process() {
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(!Process { started: own.started + 1, ..own }.is_alive());
    }

    #[test]
    fn this_process_is_found_by_its_own_number() {
        let own = std::process::id();
        assert_eq!(translate(own, innermost(own).unwrap()), Some(own));
    }
}
