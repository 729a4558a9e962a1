//! Where a node's programs come from: the machine's own root, or a root file system of a newer Debian that is
//! made once by mmdebstrap and kept under a hash of its recipe.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{Gid, Uid};
use sha2::{Digest, Sha256};

use super::layout::not_ready;
use super::profile::{Profile, RootFile};
use super::tools;
use crate::experiment::cluster::ClusterError;

/// Where root file systems are kept.
const CACHE: &str = "/var/cache/fivenines/roots";

/// Makes root file systems.
const BUILDER: &str = "mmdebstrap";

/// So many last lines of the builder are told when it fails.
const LAST_WORDS: usize = 4;

/// A root file system that nodes mount, unchanged, under their own disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// The machine's own.
    Host,
    /// One that was made, or will be.
    Made(Recipe),
}

/// What a root file system is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    suite: String,
    packages: BTreeSet<String>,
    /// The program that a machine would need to do without.
    instead: String,
}

impl Root {
    /// What the profile's nodes use on this machine.
    pub(super) fn of(profile: &Profile) -> Root {
        match &profile.servers.root {
            RootFile::Host => Root::Host,
            RootFile::Debian(debian) if tools::find(&debian.unless).is_some() => Root::Host,
            RootFile::Debian(debian) => {
                let packages = Profile::all().flat_map(|other| packages(&other, &debian.suite)).collect();
                Root::Made(Recipe { suite: debian.suite.clone(), packages, instead: debian.unless.clone() })
            }
        }
    }

    /// Where it is, or will be.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Root::Host => PathBuf::from("/"),
            Root::Made(recipe) => recipe.directory().join("root"),
        }
    }

    /// Whether it is there, or can be made.
    ///
    /// # Errors
    /// When the builder is missing, with what to do.
    pub(super) fn check(&self) -> Result<(), ClusterError> {
        match self {
            Root::Made(recipe) if !recipe.is_made() && tools::find(BUILDER).is_none() => Err(not_ready(
                format!("this machine has no {}, and no {BUILDER} to make nodes that have it", recipe.instead),
                &format!("apt-get install --no-install-recommends {BUILDER}, or install {}", recipe.instead),
            )),
            _ => Ok(()),
        }
    }

    /// Makes it if it is not there. `tell` gets a line for each step.
    ///
    /// # Errors
    /// When it cannot be made, with the builder's last words.
    pub(super) fn make(&self, tell: &mut dyn FnMut(&str)) -> Result<(), ClusterError> {
        self.check()?;
        match self {
            Root::Made(recipe) if !recipe.is_made() => recipe.make(tell),
            _ => Ok(()),
        }
    }
}

/// What a profile wants of a suite; nothing if it uses another one. A suite has one root file system for all profiles:
/// to make a second one costs more time than the packages of the others.
fn packages(profile: &Profile, suite: &str) -> Vec<String> {
    match &profile.servers.root {
        RootFile::Debian(debian) if debian.suite == suite => {
            let servers = profile.requires().into_values().map(str::to_owned);
            servers.chain(debian.packages.iter().cloned()).collect()
        }
        RootFile::Host | RootFile::Debian(_) => Vec::new(),
    }
}

impl Recipe {
    /// The same recipe has the same text, and another one another.
    fn text(&self) -> String {
        let packages: Vec<_> = self.packages.iter().map(String::as_str).collect();
        let arch = std::env::consts::ARCH;
        format!("fivenines root 1\narch {arch}\nsuite {}\npackages {}\n", self.suite, packages.join(" "))
    }

    fn directory(&self) -> PathBuf {
        Path::new(CACHE).join(format!("{}-{}", self.suite, short_hash(&self.text())))
    }

    /// The directory gets its name when everything is in it.
    fn is_made(&self) -> bool {
        self.directory().is_dir()
    }

    fn make(&self, tell: &mut dyn FnMut(&str)) -> Result<(), ClusterError> {
        make_once(&self.directory(), &self.text(), |partial| {
            let instead = &self.instead;
            tell(&format!("making a root file system of Debian {} with {instead} (once, some minutes)", self.suite));
            bootstrap(&self.suite, &self.packages, partial, tell)
        })
    }
}

/// What stands for a recipe in a name.
pub(super) fn short_hash(recipe: &str) -> String {
    Sha256::digest(recipe).iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

/// Makes the directory `place` by `build`, which gets another name for it until everything is in it. It is made once,
/// however many processes want it.
///
/// # Errors
/// When the disk does not take it, or `build`'s own error.
pub(super) fn make_once(
    place: &Path,
    recipe: &str,
    build: impl FnOnce(&Path) -> Result<(), ClusterError>,
) -> Result<(), ClusterError> {
    let failed = |error: io::Error| not_ready(format!("{}: {error}", place.display()), "make room in /var/cache");
    place.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
    let lock = File::create(place.with_extension("lock")).map_err(failed)?;
    // Whoever comes second waits here and then finds it made.
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| failed(errno.into()))?;
    if place.is_dir() {
        return Ok(());
    }
    let partial = place.with_extension("partial");
    // Left behind by a build that was cut short.
    let _none = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial).map_err(failed)?;
    let built = build(&partial).and_then(|()| {
        fs::write(partial.join("recipe"), recipe).and_then(|()| fs::rename(&partial, place)).map_err(failed)
    });
    if built.is_err() {
        let _gone = fs::remove_dir_all(&partial);
    }
    built
}

/// Puts a Debian system of these packages into `root` below `partial`.
///
/// # Errors
/// With the builder's last words.
pub(super) fn bootstrap(
    suite: &str,
    packages: &BTreeSet<String>,
    partial: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<(), ClusterError> {
    let options = partial.join("apt.conf");
    let broken = |error: io::Error| not_ready(format!("{BUILDER}: {error}"), "see the lines above");
    fs::write(&options, apt_options()).map_err(broken)?;
    let packages: Vec<_> = packages.iter().map(String::as_str).collect();
    let mut command = tools::command(BUILDER);
    command.args(["--variant=minbase", "--mode=root", "--skip=check/qemu"]);
    command.arg(format!("--aptopt={}", options.display()));
    command.arg("--aptopt=APT::Install-Recommends \"false\"");
    command.arg(format!("--include={}", packages.join(","))).arg(suite).arg(partial.join("root"));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(broken)?;
    let last = child.stderr.take().map(|stderr| follow(BufReader::new(stderr), tell)).unwrap_or_default();
    let status = child.wait().map_err(broken)?;
    if status.success() {
        return Ok(());
    }
    let remedy = "is a Debian mirror reachable (http://deb.debian.org), and is there room in /var/cache?";
    Err(not_ready(format!("{BUILDER} ended with {status}: {}", last.join(" | ")), remedy))
}

/// Tells the builder's steps, and returns its last lines.
fn follow(lines: impl BufRead, tell: &mut dyn FnMut(&str)) -> Vec<String> {
    let mut last = Vec::new();
    for line in lines.lines().map_while(Result::ok) {
        if let Some(step) = line.strip_prefix("I: ") {
            tell(&format!("  {step}"));
        }
        if last.len() == LAST_WORDS {
            last.remove(0);
        }
        last.push(line);
    }
    last
}

/// How this machine's own apt reaches its mirrors; the builder does not look there by itself.
fn apt_options() -> String {
    only_access(&tools::run("apt-config", &["dump"]).unwrap_or_default())
}

fn only_access(dump: &str) -> String {
    let kept = ["Acquire::http", "Acquire::https", "Acquire::Check-Valid-Until", "Acquire::Retries"];
    let lines = dump.lines().filter(|line| kept.iter().any(|kept| line.starts_with(kept)));
    lines.map(|line| format!("{line}\n")).collect()
}

/// User and group of a name in the root file system `root`.
///
/// # Errors
/// When it has no such user.
pub(super) fn user(root: &Path, name: &str) -> Result<(Uid, Gid), String> {
    let file = root.join("etc/passwd");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    entry(&text, name).ok_or_else(|| format!("{} has no user `{name}`", file.display()))
}

/// The entry of a user in a password file (passwd(5)).
fn entry(text: &str, name: &str) -> Option<(Uid, Gid)> {
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let number = |field| line.split(':').nth(field)?.parse().ok();
    Some((Uid::from_raw(number(2)?), Gid::from_raw(number(3)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(packages: &[&str]) -> Recipe {
        let packages = packages.iter().map(|package| (*package).to_owned()).collect();
        Recipe { suite: "sid".into(), packages, instead: "asterisk".into() }
    }

    #[test]
    fn the_same_packages_in_any_order_are_the_same_root_and_others_are_not() {
        let place = recipe(&["asterisk", "prosody"]).directory();
        assert_eq!(place, recipe(&["prosody", "asterisk"]).directory());
        assert_ne!(place, recipe(&["prosody"]).directory());
        assert!(place.starts_with(CACHE), "{}", place.display());
    }

    #[test]
    fn the_profile_without_a_root_of_its_own_uses_the_machines() {
        let profile = Profile::named("kamailio-rtpengine-redis-prosody-keepalived").unwrap();
        assert_eq!(Root::of(&profile), Root::Host);
        assert_eq!(Root::Host.path(), Path::new("/"));
        assert!(Root::Host.check().is_ok());
    }

    #[test]
    fn all_profiles_of_a_suite_share_one_root_with_the_packages_of_each() {
        let roots: Vec<Root> =
            Profile::all().map(|profile| Root::of(&profile)).filter(|of| *of != Root::Host).collect();
        assert!(roots.iter().all(|root| *root == roots[0]));
        if let Some(Root::Made(recipe)) = roots.first() {
            for package in ["asterisk", "ejabberd", "pacemaker", "heartbeat", "keepalived"] {
                assert!(recipe.packages.contains(package), "{package}");
            }
        }
    }

    #[test]
    fn users_are_read_as_the_root_file_system_numbers_them() {
        let text = "root:x:0:0:root:/root:/bin/sh\nprosody:x:995:994:Prosody:/var/lib/prosody:/usr/sbin/nologin\n";
        assert_eq!(entry(text, "prosody"), Some((Uid::from_raw(995), Gid::from_raw(994))));
        assert_eq!(entry(text, "pros"), None);
        assert_eq!(entry("prosody:x:many:0\n", "prosody"), None);
    }

    #[test]
    fn only_the_way_to_the_mirrors_is_taken_over() {
        let dump = "APT::Architecture \"amd64\";\nAcquire::http::Proxy \"http://p:3142\";\nDir \"/\";\n\
                    Acquire::Check-Valid-Until \"false\";\n";
        assert_eq!(
            only_access(dump),
            "Acquire::http::Proxy \"http://p:3142\";\nAcquire::Check-Valid-Until \"false\";\n"
        );
    }

    #[test]
    fn steps_are_told_and_the_last_words_kept() {
        let mut told = Vec::new();
        let last = follow(&b"I: one\nnoise\nI: two\nE: a\nE: b\n"[..], &mut |line| told.push(line.to_owned()));
        assert_eq!(told, ["  one", "  two"]);
        assert_eq!(last, ["noise", "I: two", "E: a", "E: b"]);
    }
}
