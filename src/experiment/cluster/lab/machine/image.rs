//! The image that machines start from: a Debian system on a disk, made once and kept under a hash of its recipe.
//! No trial ever writes to it: each machine has a layer of its own over it.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::super::layout::not_ready;
use super::super::profile::{Profile, RootFile};
use super::super::{root, tools};
use super::disk;
use super::units::{self, GuestFile};
use crate::experiment::cluster::ClusterError;

/// Where images are kept.
const CACHE: &str = "/var/cache/fivenines/machines";

/// The suite of profiles whose nodes use the machine's own root.
const SUITE: &str = "bookworm";

/// Packages that make a root file system a machine.
const MACHINE: [&str; 8] =
    ["linux-image-cloud-amd64", "systemd-sysv", "udev", "kmod", "iproute2", "procps", "e2fsprogs", "grub-pc-bin"];

/// Timers of Debian that would work at some instant of a trial.
const MASKED: [&str; 6] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
];

/// What an image is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Image {
    suite: String,
    packages: BTreeSet<String>,
    files: Vec<GuestFile>,
}

impl Image {
    /// The image of the profile's machines.
    pub(in super::super) fn of(profile: &Profile) -> Image {
        let (suite, further) = match &profile.servers.root {
            RootFile::Host => (SUITE.to_owned(), Vec::new()),
            RootFile::Debian(debian) => (debian.suite.clone(), debian.packages.clone()),
        };
        let servers = profile.requires().into_values().map(str::to_owned);
        let packages = servers.chain(further).chain(MACHINE.map(str::to_owned)).collect();
        Image { suite, packages, files: units::files(profile) }
    }

    /// The same recipe has the same text, and another one another.
    fn recipe(&self) -> String {
        let packages: Vec<_> = self.packages.iter().map(String::as_str).collect();
        let mut text = format!("fivenines machine 1\nsuite {}\npackages {}\n", self.suite, packages.join(" "));
        for file in &self.files {
            text.push_str(&format!("file {} {}\n{}\n", file.path, file.program, file.text));
        }
        text
    }

    /// Where it is, or will be: the disk, and what the tool must know of the system on it.
    pub(in super::super) fn directory(&self) -> PathBuf {
        Path::new(CACHE).join(format!("{}-{}", self.suite, root::short_hash(&self.recipe())))
    }

    /// Its name: suite and hash.
    pub(super) fn name(&self) -> String {
        self.directory().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The disk.
    pub(super) fn disk(&self) -> PathBuf {
        self.directory().join("disk.img")
    }

    /// Release of the kernel that it starts; none before it is made.
    pub(super) fn kernel(&self) -> Option<String> {
        let text = fs::read_to_string(self.directory().join("kernel")).ok()?;
        Some(text.trim().to_owned())
    }

    /// Makes it if it is not there. `tell` gets a line for each step.
    ///
    /// # Errors
    /// When it cannot be made, and what would help.
    pub(in super::super) fn make(&self, tell: &mut dyn FnMut(&str)) -> Result<(), ClusterError> {
        root::make_once(&self.directory(), &self.recipe(), |partial| {
            tell(&format!("making a disk of Debian {} for machines (once, some minutes)", self.suite));
            root::bootstrap(&self.suite, &self.packages, partial, tell)?;
            let system = partial.join("root");
            let made = self.furnish(&system).and_then(|()| disk::make(&partial.join("disk.img"), &system));
            made.and_then(|()| keep_what_is_asked(&system, partial))
                .map_err(|said| not_ready(said, "is there room in /var/cache?"))
        })
    }

    fn furnish(&self, system: &Path) -> Result<(), String> {
        for file in &self.files {
            let path = system.join(file.path.trim_start_matches('/'));
            let mode = Permissions::from_mode(if file.program { 0o755 } else { 0o644 });
            let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, &file.text));
            let done = written.and_then(|()| fs::set_permissions(&path, mode));
            done.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let place = system.to_string_lossy();
        tools::run("chroot", &[&[&*place, "systemctl", "enable"], &units::ENABLED[..]].concat())?;
        // Debian starts each server at boot by itself; here the lab's units do.
        let masked: Vec<String> = debian_services(system).chain(MASKED.map(str::to_owned)).collect();
        let masked: Vec<&str> = masked.iter().map(String::as_str).collect();
        tools::run("chroot", &[&[&*place, "systemctl", "mask"], &masked[..]].concat()).map(drop)
    }
}

/// Units of the servers that Debian would start at boot: what is linked for the runlevel of a server.
fn debian_services(system: &Path) -> impl Iterator<Item = String> {
    let links = fs::read_dir(system.join("etc/rc2.d")).into_iter().flatten().flatten();
    links.filter_map(|link| {
        let name = link.file_name().into_string().ok()?;
        let service = name.strip_prefix('S')?.trim_start_matches(|c: char| c.is_ascii_digit());
        Some(format!("{service}.service"))
    })
}

/// The tool asks an image for users, packages and kernel without looking into the disk; the tree itself can go.
fn keep_what_is_asked(system: &Path, partial: &Path) -> Result<(), String> {
    let kept = (|| {
        for part in ["etc/passwd", "var/lib/dpkg/status"] {
            let to = partial.join(part);
            to.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::copy(system.join(part), to)?;
        }
        let kernel = fs::read_link(system.join("vmlinuz"))?;
        let release = kernel.to_string_lossy().replace("boot/vmlinuz-", "");
        fs::write(partial.join("kernel"), release)?;
        fs::remove_dir_all(system)
    })();
    kept.map_err(|error| format!("{}: {error}", partial.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::LAB_PROFILES;

    fn image() -> Image {
        Image::of(&Profile::named(LAB_PROFILES[0]).unwrap())
    }

    #[test]
    fn the_same_recipe_is_the_same_image_and_any_change_another() {
        let same = image().directory();
        assert_eq!(same, image().directory());
        assert!(same.starts_with(CACHE) && image().name().starts_with("bookworm-"));
        let mut packages = image();
        packages.packages.insert("tcpdump".into());
        let mut file = image();
        file.files[0].text.push('#');
        let mut mode = image();
        mode.files[0].program = false;
        for other in [packages, file, mode] {
            assert_ne!(other.directory(), same);
        }
    }

    #[test]
    fn an_image_has_a_kernel_a_boot_loader_and_the_profiles_servers() {
        for package in ["linux-image-cloud-amd64", "grub-pc-bin", "kamailio", "prosody", "keepalived"] {
            assert!(image().packages.contains(package), "{package}");
        }
        assert!(!image().packages.contains("redis-server"), "the store is no node");
        let asterisk = Image::of(&Profile::named("asterisk-prosody-keepalived").unwrap());
        assert!(asterisk.packages.contains("asterisk") && asterisk.suite == "sid");
    }
}
