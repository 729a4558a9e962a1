//! How much CPU it costs to measure a capture: `fivenines measure`, `tshark -q -z rtp,streams` and
//! `tcpdump -w /dev/null` on the same deterministic file, side by side in one run: `cargo bench --bench measure`.
//!
//! Each prints what it prints when nothing more is asked for, tables here and nothing from tcpdump. CPU is the user
//! and system time of the child process, started up and torn down, medians over the rounds, in which the tools take
//! turns. The file has come from the disk, as captures do that somebody else wrote: what was just written lies in the
//! memory in smaller pieces, which costs all tools more. Times are of this machine and this minute: quote the ratios.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails there")]

mod capture;
mod peak;

use std::path::Path;
use std::process::{Command, Stdio};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

const CALLS: u32 = 200;
const SECONDS: u32 = 60;
/// Rounds of the fast tools, and of tshark.
const ROUNDS: usize = 15;
const SLOW_ROUNDS: usize = 3;

/// A tool, how often it is timed, and how it is called.
type Tool = (&'static str, usize, fn(&Path) -> Command);

const OURS: Tool = ("fivenines measure", ROUNDS, command_of_ours);
const RIVALS: [Tool; 2] = [("tcpdump -w /dev/null", ROUNDS, tcpdump), ("tshark -z rtp,streams", SLOW_ROUNDS, tshark)];

fn main() {
    let file = std::env::temp_dir().join(format!("fivenines-bench-{}.pcap", std::process::id()));
    let written = capture::write(&file, CALLS, SECONDS).unwrap();
    let (packets, megabytes) = (f64::from(written.packets), written.octets / 1_000_000);
    println!("{packets} RTP packets, {megabytes} MB, {CALLS} two-way calls of {SECONDS} s with their SIP dialogs");
    check(&file);
    read_from_disk(&file).unwrap();
    let [ours, rivals @ ..] = times(&file, [OURS, RIVALS[0], RIVALS[1]]).map(medians);
    let (ours, wall) = ours.unwrap();
    let per_second = |cpu: f64| packets / cpu / 1e6;
    println!("{:<23} {ours:>8.3} s CPU  {:>7.2} M packets/s, scored; {wall:.3} s elapsed", OURS.0, per_second(ours));
    let resident_kib = peak::resident_kib(&mut command_of_ours(&file)).unwrap();
    println!("{:<23} {:>8.1} MB resident at most", "", resident_kib as f64 * 1024.0 / 1e6);
    for ((name, ..), rival) in RIVALS.iter().zip(rivals) {
        match rival {
            Some((cpu, _)) => println!(
                "{name:<23} {cpu:>8.3} s CPU  {:>7.2} M packets/s  {:>6.2} × fivenines",
                per_second(cpu),
                cpu / ours
            ),
            None => println!("{name:<23} is not installed or failed: no comparison"),
        }
    }
    std::fs::remove_file(&file).unwrap();
}

/// Puts a file into the memory as it comes from the disk.
fn read_from_disk(path: &Path) -> std::io::Result<()> {
    let mut file = std::fs::File::open(path)?;
    file.sync_all()?;
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    std::io::copy(&mut file, &mut std::io::sink()).map(drop)
}

/// CPU and elapsed seconds of tools that take turns; a tool that fails once has no times.
fn times<const N: usize>(file: &Path, tools: [Tool; N]) -> [Option<Vec<Times>>; N] {
    let mut all = tools.map(|_| Some(Vec::new()));
    for round in 0..ROUNDS {
        for ((_, rounds, command), times) in tools.iter().zip(&mut all) {
            let timed = round < *rounds && times.is_some();
            if timed {
                *times = times.take().zip(cpu_s(&mut command(file))).map(|(times, new)| [times, vec![new]].concat());
            }
        }
    }
    all
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
    command.arg("measure").arg(file);
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

/// CPU seconds and elapsed seconds.
type Times = (f64, f64);

/// Those of a command; `None` when it cannot be started or fails.
fn cpu_s(command: &mut Command) -> Option<Times> {
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

fn medians(times: Option<Vec<Times>>) -> Option<Times> {
    let (cpu, elapsed) = times?.into_iter().unzip();
    Some((median(cpu)?, median(elapsed)?))
}

fn median(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}
