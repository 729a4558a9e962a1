//! The machine's own programs that the lab is built with, and whether they are there.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use super::layout::{Layout, not_ready};
use super::root::Root;
use crate::experiment::cluster::ClusterError;

/// What the lab itself needs: program and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 7] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("dpkg-query", "dpkg"),
    ("ss", "iproute2"),
    ("tc", "iproute2"),
];

/// Where Debian keeps programs; a user's PATH often lacks the sbin half.
const PLACES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Checks privilege and programs.
///
/// # Errors
/// What is missing, with the command that brings it.
pub(super) fn check(layout: &Layout) -> Result<(), ClusterError> {
    if !geteuid().is_root() {
        return Err(not_ready(
            "the lab makes network namespaces and mounts, and this is not root",
            "run the same command as root, for example with sudo",
        ));
    }
    let of_nodes =
        layout.profile.requires().into_iter().filter(|_| layout.root == Root::Host && layout.has_namespaces());
    let store = layout.profile.servers.store.as_ref().filter(|_| layout.shares_calls);
    let of_store = store.into_iter().flat_map(|store| &store.requires);
    let of_store = of_store.map(|(program, package)| (program.as_str(), package.as_str()));
    check_programs(PROGRAMS.into_iter().chain(of_nodes).chain(of_store))?;
    if layout.has_namespaces() { layout.root.check() } else { Ok(()) }
}

/// Checks that programs are there.
///
/// # Errors
/// Those that are missing, with the command that brings them.
pub(super) fn check_programs<'a>(needed: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), ClusterError> {
    let missing: Vec<_> = needed.filter(|(program, _)| find(program).is_none()).collect();
    missing_programs(&missing).map_or(Ok(()), Err)
}

fn missing_programs(missing: &[(&str, &str)]) -> Option<ClusterError> {
    if missing.is_empty() {
        return None;
    }
    let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    Some(not_ready(
        format!("the lab needs programs that are not installed: {}", programs.join(", ")),
        &format!("apt-get install --no-install-recommends {}", packages.join(" ")),
    ))
}

/// Where a program is.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    PLACES.iter().map(|place| Path::new(place).join(program)).find(|path| path.is_file())
}

/// A command that finds its program in Debian's places and reads nothing from the terminal.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(find(program).unwrap_or_else(|| PathBuf::from(program)));
    command.env("PATH", PLACES.join(":")).env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// The command line and what it said, in one line.
pub(super) fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    finish(program, arguments, command(program).args(arguments).output())
}

/// Runs a command that reads `input`.
///
/// # Errors
/// As [`run`].
pub(super) fn run_with_input(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = command(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.spawn().and_then(|mut child| {
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ended early says why in its own words below.
            let _ended = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output()
    });
    finish(program, arguments, output)
}

fn finish(program: &str, arguments: &[&str], output: std::io::Result<std::process::Output>) -> Result<String, String> {
    let line = || format!("{program} {}", arguments.join(" "));
    let output = output.map_err(|error| format!("{}: {error}", line()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {} ({})", line(), said.trim().replace('\n', "; "), output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_comes_with_one_install_line() {
        let error = missing_programs(&[("kamailio", "kamailio"), ("kamcmd", "kamailio"), ("nft", "nftables")]).unwrap();
        let text = error.to_string();
        assert!(text.contains("kamailio, kamcmd, nft"), "{text}");
        assert!(text.ends_with("apt-get install --no-install-recommends kamailio nftables"), "{text}");
        assert!(missing_programs(&[]).is_none());
    }

    #[test]
    fn a_failed_command_tells_its_line_and_its_words() {
        let error = run("ls", &["/no/such/place"]).unwrap_err();
        assert!(error.starts_with("ls /no/such/place: ") && error.contains("No such file"), "{error}");
        assert_eq!(run_with_input("cat", &[], "a\nb").unwrap(), "a\nb");
    }
}
