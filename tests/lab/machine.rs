//! A node that is a machine of its own: one boot and one reset, which is what a short test can afford in software.

use std::process::Command;

use super::{Scratch, fivenines, ms, nothing_is_left, outages, report};

/// One server alone that is reset. The window holds four times the boot that was seen in software.
const RESET: &str = r#"
name = "reset"
question = "does a machine of its own come back by itself when it is reset?"
window = "95s"
[cluster.lab]
nodes = ["alpha"]
[[cluster.lab.node]]
name = "alpha"
kind = "vm"
[traffic.options]
interval = "50ms"
[traffic.registrations]
phones = 2
interval = "1s"
[[fault]]
reset = { target = "alpha", at = "5s" }
[[published]]
label = "alpha"
outage = "144s"
by_cluster = false
source = "origin thesis, 2.4 min, n = 1"
"#;

/// Emulators of machines that belong to this lab.
fn emulators() -> usize {
    let found = Command::new("pgrep").args(["-f", "-c", "--", "-pidfile /run/fivenines/lab/"]).output().unwrap();
    String::from_utf8_lossy(&found.stdout).trim().parse().unwrap()
}

fn image_is_there() -> bool {
    let built = fivenines(&["lab", "build", "kamailio-rtpengine-redis-prosody-keepalived", "--vm"]);
    if !built.status.success() {
        eprintln!("NOT TESTED: no machine can be made: {}", String::from_utf8_lossy(&built.stderr));
    }
    built.status.success()
}

#[test]
#[ignore = "needs root, QEMU and a disk of Debian; tests/run runs it"]
fn a_reset_machine_goes_through_firmware_kernel_and_init_and_comes_back() {
    if !image_is_there() {
        return;
    }
    let scratch = Scratch::new("reset");
    let report = report(RESET, &scratch);
    assert_eq!(emulators(), 0, "an emulator is left");
    let fault = &report["trials"][0]["measured"]["faults"][0];
    assert_eq!(fault["verified"], true, "{fault:#}");
    let sip = outages(&report, "sip_answer");
    assert_eq!((sip.len(), &sip[0]["censored"]), (1, &false.into()), "{sip:#?}");
    // A namespace is back in 0.1 s. Not even a bare kernel boots in 2 s here, and nobody but the machine started it.
    assert!(ms(sip[0]) > 2000.0, "that was no boot: {sip:#?}");
    let machine = &report["run"]["machines"][0];
    assert_eq!((&machine["node"], &machine["cpus"]), (&"alpha".into(), &1.into()), "{machine:#}");
    assert!(["tcg", "kvm"].contains(&machine["accelerator"].as_str().unwrap()));
    let beside = report["published"][0]["machines"][0].as_str().unwrap();
    assert!(beside.contains("1 CPU, 512 MiB"), "what the figure depends on stands beside it: {beside}");
}

#[test]
#[ignore = "needs root, QEMU and a disk of Debian; tests/run runs it"]
fn a_machine_dies_with_the_tool_that_was_killed() {
    if !image_is_there() {
        return;
    }
    let scratch = Scratch::new("machine-killed");
    let (file, out) = (scratch.0.join("scenario.toml"), scratch.0.join("run"));
    std::fs::write(&file, RESET).unwrap();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_fivenines"))
        .args(["run", file.to_str().unwrap(), "--trials", "1", "--out", out.to_str().unwrap()])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while emulators() == 0 {
        assert!(tool.try_wait().unwrap().is_none(), "the run ended without a machine");
        std::thread::yield_now();
    }
    tool.kill().unwrap();
    tool.wait().unwrap();
    while emulators() > 0 {
        // It gets its own SIGKILL from the kernel; a test that hangs here has failed.
        std::thread::yield_now();
    }
    assert!(fivenines(&["lab", "down"]).status.success());
    nothing_is_left();
}
