//! QEMU: which accelerator works here, and the command line of a machine.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::super::layout::{Node, SWITCH_NETNS, netns_path, not_ready};
use super::super::tools;
use crate::experiment::cluster::ClusterError;
use crate::experiment::run::clock::Clock;
use crate::scenario::{Accelerator, MachineSize};
use crate::units::Span;

/// The emulator, and the other programs that machines need: program and Debian package.
pub(in super::super) const PROGRAMS: [(&str, &str); 5] = [
    (QEMU, "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
    ("mke2fs", "e2fsprogs"),
    ("mmdebstrap", "mmdebstrap"),
    ("setpriv", "util-linux"),
];

const QEMU: &str = "qemu-system-x86_64";

/// How long the probe may take through the firmware. Software needs a second; a KVM that needs longer than this is
/// emulated itself, which was seen to take ten seconds, and is of no use.
const PROBE_PATIENCE: Span = Span::from_secs(5);

/// Room for translated instructions, in MiB. A reset keeps the translation, and drops what was translated page by page
/// as the next boot overwrites it: with QEMU's own 1 GiB, which no boot fills, that took from half to four times as long
/// as the boot itself. Fuller than this it is dropped as a whole, which costs nothing that could be measured.
const TRANSLATED_MIB: u32 = 128;

/// What the probe's boot sector writes to the exit device; QEMU then ends with twice that and one.
const PROBE_WORD: u8 = 0x10;

/// Finds what executes a machine's instructions: what the scenario wants, or the fastest that boots.
///
/// # Errors
/// When what the scenario wants does not boot here.
pub(in super::super) fn accelerator(wanted: Accelerator, clock: Clock) -> Result<&'static str, ClusterError> {
    match wanted {
        Accelerator::Tcg => Ok("tcg"),
        Accelerator::Kvm if boots_with("kvm", clock) => Ok("kvm"),
        Accelerator::Kvm => Err(not_ready(
            "a machine does not get through its firmware with KVM here",
            "write accelerator = \"tcg\", or leave the key out; with KVM wanted, /dev/kvm must work",
        )),
        Accelerator::Auto if Path::new("/dev/kvm").exists() && boots_with("kvm", clock) => Ok("kvm"),
        Accelerator::Auto => Ok("tcg"),
    }
}

/// Boots a sector that tells QEMU to end. That /dev/kvm can be opened proves nothing: there are hosts on which guests
/// then hang in the firmware.
pub(super) fn boots_with(accelerator: &str, clock: Clock) -> bool {
    let disk = std::env::temp_dir().join(format!("fivenines-probe-{}-{accelerator}", std::process::id()));
    let booted = fs::write(&disk, probe_sector()).and_then(|()| probe(accelerator, &disk, clock));
    let _none = fs::remove_file(&disk);
    booted.is_ok_and(|code| code == Some(i32::from(PROBE_WORD) * 2 + 1))
}

/// `mov dx, 0xf4; mov al, 0x10; out dx, al; hlt`, with the signature of a boot sector.
fn probe_sector() -> [u8; 512] {
    let mut sector = [0; 512];
    sector[..7].copy_from_slice(&[0xba, 0xf4, 0x00, 0xb0, PROBE_WORD, 0xee, 0xf4]);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

fn probe(accelerator: &str, disk: &Path, clock: Clock) -> io::Result<Option<i32>> {
    let mut command = tools::command(QEMU);
    processor(&mut command, accelerator);
    command.args(["-m", "64", "-display", "none", "-no-user-config", "-nodefaults"]);
    command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
    command.arg("-drive").arg(format!("file={},format=raw,if=ide", disk.display()));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let deadline = clock.now() + PROBE_PATIENCE;
    while clock.now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        clock.sleep(Span::from_millis(20));
    }
    child.kill()?;
    child.wait().map(|_| None)
}

/// Name and version: `QEMU 7.2.22`.
pub(super) fn version() -> String {
    let text = tools::run(QEMU, &["--version"]).unwrap_or_default();
    let version = text.split_ascii_whitespace().skip_while(|word| *word != "version").nth(1);
    format!("QEMU {}", version.unwrap_or("of unknown version"))
}

/// Files of a machine, all in the node's directory.
#[derive(Clone, Debug)]
pub(super) struct Files {
    directory: PathBuf,
}

impl Files {
    pub(super) fn of(node: &Node) -> Files {
        Files { directory: node.directory() }
    }

    /// The machine's layer over the image.
    pub(super) fn disk(&self) -> PathBuf {
        self.directory.join("disk.qcow2")
    }

    /// What the lab gives the node: configuration, accounts, logs.
    pub(super) fn lab_disk(&self) -> PathBuf {
        self.directory.join("lab.img")
    }

    pub(super) fn monitor(&self) -> PathBuf {
        self.directory.join("qmp.sock")
    }

    /// What the kernel says on the serial line, over all boots.
    pub(super) fn console(&self) -> PathBuf {
        self.directory.join("log/console.log")
    }
}

/// Starts the machine in the switch's network namespace, where its port is. With `dies_with_us` it does not outlive
/// the thread that called, whatever ends that.
pub(super) fn start(node: &Node, size: MachineSize, accelerator: &str, dies_with_us: bool) -> io::Result<Child> {
    let files = Files::of(node);
    let log = fs::File::create(files.directory.join("log/qemu.log"))?;
    let mut command = tools::command("nsenter");
    command.arg(format!("--net={}", netns_path(SWITCH_NETNS).display()));
    if dies_with_us {
        // Who died before the kernel was asked for the signal sends none: the shell looks whether we are still there.
        let us = std::process::id().to_string();
        command.args(["setpriv", "--pdeathsig", "KILL", "sh", "-c", r#"[ "$PPID" = "$0" ] && exec "$@""#, &us]);
    }
    command.arg(QEMU);
    machine(&mut command, node, size, accelerator);
    command.process_group(0).stdout(log.try_clone()?).stderr(log).spawn()
}

/// What the probe and the machine must have in common for one to say anything about the other.
fn processor(command: &mut Command, accelerator: &str) {
    match accelerator {
        "kvm" => command.args(["-accel", "kvm", "-cpu", "host"]),
        _ => command.args(["-accel", &format!("{accelerator},tb-size={TRANSLATED_MIB}")]),
    };
}

fn machine(command: &mut Command, node: &Node, size: MachineSize, accelerator: &str) {
    let files = Files::of(node);
    let place = |name: &str| files.directory.join(name).display().to_string();
    command.args(["-name", &node.name, "-pidfile", &place("qemu.pid")]);
    processor(command, accelerator);
    command.args(["-smp", &size.cpus.to_string(), "-m", &size.memory_mib.to_string()]);
    command.args(["-no-user-config", "-nodefaults", "-vga", "std", "-display", "none", "-rtc", "base=utc"]);
    command.args(["-drive", &format!("file={},if=virtio,format=qcow2", files.disk().display())]);
    command.args(["-drive", &format!("file={},if=virtio,format=raw", files.lab_disk().display())]);
    command.args(["-netdev", &format!("tap,id=n0,ifname={},script=no,downscript=no", node.name)]);
    // Without its ROM the card cannot boot, so that no network boot is tried and no further package is needed.
    command.args(["-device", &format!("virtio-net-pci,netdev=n0,mac={},romfile=", node.mac())]);
    command.args(["-chardev", &format!("pipe,id=agent,path={}", place("agent"))]);
    command.args(["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=fivenines"]);
    command.args(["-chardev", &format!("file,id=console,append=on,path={}", files.console().display())]);
    command.args(["-serial", "chardev:console"]);
    command.args(["-qmp", &format!("unix:{},server=on,wait=off", files.monitor().display())]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_is_a_boot_sector_that_ends_qemu() {
        let sector = probe_sector();
        assert_eq!(sector[510..], [0x55, 0xaa]);
        // out dx, al is 0xee; the port is 0xf4 in little endian.
        assert_eq!(sector[..3], [0xba, 0xf4, 0x00]);
        assert_eq!(sector[5], 0xee);
    }

    #[test]
    fn a_machine_has_its_own_port_address_and_layer_and_its_pid_file_tells_whose_it_is() {
        let node = Node { name: "beta".into(), index: 1 };
        let mut command = Command::new("qemu");
        let size = MachineSize { cpus: 2, memory_mib: 768, accelerator: Accelerator::Tcg };
        machine(&mut command, &node, size, "tcg");
        let line: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let has = |pair: [&str; 2]| line.windows(2).any(|words| words == pair);
        assert!(has(["-pidfile", "/run/fivenines/lab/beta/qemu.pid"]));
        assert!(has(["-smp", "2"]) && has(["-m", "768"]) && has(["-accel", "tcg,tb-size=128"]));
        assert!(line.iter().any(|word| word.contains("mac=02:00:00:77:00:0c")));
        assert!(line.iter().any(|word| word == "file=/run/fivenines/lab/beta/disk.qcow2,if=virtio,format=qcow2"));
        assert!(!line.iter().any(|word| word.contains("/var/cache")), "the image itself is never opened for writing");
    }
}
