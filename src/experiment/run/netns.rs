//! Network namespaces: a thread that enters one opens its sockets there, and they stay there.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::sched::{CloneFlags, setns};

/// Lets the calling thread enter a namespace, where one is given. Never on a thread that others share.
///
/// # Errors
/// When there is no such namespace or no privilege; the path is told.
pub(super) fn enter(netns: Option<&Path>) -> io::Result<()> {
    let Some(path) = netns else { return Ok(()) };
    let told = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot enter network namespace {}: {error}", path.display()))
    };
    let namespace = File::open(path).map_err(told)?;
    setns(namespace, CloneFlags::CLONE_NEWNET).map_err(|errno| told(errno.into()))
}
