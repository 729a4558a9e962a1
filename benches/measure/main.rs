//! How much CPU it costs to measure a capture: `fivenines measure`, `tshark -q -z rtp,streams` and
//! `tcpdump -w /dev/null` on the same deterministic file, side by side in one run: `cargo bench --bench measure`.
//!
//! CPU is the user and system time of the child process, started up and torn down, medians over the rounds. Times
//! are of this machine and this minute: quote the ratios.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails there")]

mod capture;
mod peak;

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

const CALLS: u32 = 200;
const SECONDS: u32 = 60;
/// Rounds of the fast tools, and of tshark.
const ROUNDS: usize = 9;
const SLOW_ROUNDS: usize = 3;

fn main() {
    let file = std::env::temp_dir().join(format!("fivenines-bench-{}.pcap", std::process::id()));
    let written = capture::write(&file, CALLS, SECONDS).unwrap();
    let (packets, megabytes) = (f64::from(written.packets), written.octets / 1_000_000);
    println!("{packets} RTP packets, {megabytes} MB, {CALLS} two-way calls of {SECONDS} s with their SIP dialogs");
    check(&file);
    let (ours, wall) = medians(ROUNDS, || cpu_s(&mut command_of_ours(&file))).unwrap();
    println!(
        "fivenines measure       {ours:>8.3} s CPU  {:>7.2} M packets/s, scored; {wall:.3} s elapsed",
        packets / ours / 1e6
    );
    let resident_kib = peak::resident_kib(&mut command_of_ours(&file)).unwrap();
    println!("{:<23} {:>8.1} MB resident at most", "", resident_kib as f64 * 1024.0 / 1e6);
    let rivals = [
        ("tshark -z rtp,streams", SLOW_ROUNDS, tshark as fn(&Path) -> Command),
        ("tcpdump -w /dev/null", ROUNDS, tcpdump),
    ];
    for (name, rounds, command) in rivals {
        match medians(rounds, || cpu_s(&mut command(&file))) {
            Some((cpu, _)) => println!(
                "{name:<23} {cpu:>8.3} s CPU  {:>7.2} M packets/s  {:>6.2} × fivenines",
                packets / cpu / 1e6,
                cpu / ours
            ),
            None => println!("{name:<23} is not installed or failed: no comparison"),
        }
    }
    std::fs::remove_file(&file).unwrap();
}

/// What is timed is right: every stream found, in its call, and scored.
fn check(file: &Path) {
    let measured = fivenines::analysis::measure::measure_capture(&[file.to_owned()]).unwrap();
    assert_eq!((measured.streams.len(), measured.calls.len()), (2 * CALLS as usize, CALLS as usize));
    assert!(measured.streams.iter().all(|stream| stream.mos_cqe.is_some() && stream.call.is_some()));
    assert_eq!((measured.outages.len(), measured.anomalies.len()), (0, 0));
}

fn command_of_ours(file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fivenines"));
    command.arg("measure").arg(file).arg("--json");
    command
}

fn tshark(file: &Path) -> Command {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-q", "-z", "rtp,streams"]);
    command
}

fn tcpdump(file: &Path) -> Command {
    let mut command = Command::new("tcpdump");
    command.arg("-r").arg(file).args(["-w", "/dev/null"]);
    command
}

/// CPU seconds and elapsed seconds of a command; `None` when it cannot be started or fails.
fn cpu_s(command: &mut Command) -> Option<(f64, f64)> {
    #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    let start = std::time::Instant::now();
    let before = children_s();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    status.success().then(|| (children_s() - before, start.elapsed().as_secs_f64()))
}

/// CPU seconds of all children that have ended.
fn children_s() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

fn medians(rounds: usize, mut time: impl FnMut() -> Option<(f64, f64)>) -> Option<(f64, f64)> {
    let times = (0..rounds).map(|_| time()).collect::<Option<Vec<_>>>()?;
    let (cpu, elapsed) = times.into_iter().unzip();
    Some((median(cpu)?, median(elapsed)?))
}

fn median(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}
