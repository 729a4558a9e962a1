//! The largest memory of a child process, read while it cannot end.

use std::io::Read;
use std::process::{Command, Stdio};

/// Largest resident memory in KiB of a command that measures first and then prints more than a pipe holds (64 KiB):
/// with the first octet the measurement is over, and the rest waits until it is read. `None` when it prints nothing or
/// fails.
///
/// `ru_maxrss` would not do: it begins with the memory of the parent.
pub fn resident_kib(command: &mut Command) -> Option<u64> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut printed = child.stdout.take()?;
    let begun = printed.read_exact(&mut [0]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    std::io::copy(&mut printed, &mut std::io::sink()).ok()?;
    let ended = child.wait().ok()?;
    let largest = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    begun.ok().filter(|()| ended.success())?;
    largest.trim().trim_end_matches(" kB").parse().ok()
}
