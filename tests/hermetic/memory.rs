//! How much memory a capture takes beyond its own file.

use std::process::Command;

#[allow(dead_code, reason = "the benchmark uses all of it")]
#[path = "../../benches/measure/capture.rs"]
mod capture;
#[path = "../../benches/measure/peak.rs"]
mod peak;

const CALLS: u32 = 30;

/// Octets of the capture, and of the largest memory that measuring it took.
fn measured(seconds: u32) -> (u64, u64) {
    let file = std::env::temp_dir().join(format!("fivenines-memory-{}-{seconds}.pcap", std::process::id()));
    let written = capture::write(&file, CALLS, seconds).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fivenines"));
    let peak = peak::resident_kib(command.arg("measure").arg(&file).arg("--json"));
    std::fs::remove_file(&file).unwrap();
    (written.octets, peak.unwrap() * 1024)
}

/// 23,000 and 238,000 packets in as many calls. What is mapped of the file counts as resident.
#[test]
fn memory_grows_far_less_than_the_capture() {
    let ((small, for_small), (large, for_large)) = (measured(8), measured(80));
    let (file, memory) = (large - small, for_large.saturating_sub(for_small));
    assert!(file > 40_000_000 && memory * 5 < file, "{memory} octets of memory for {file} octets of file");
}
