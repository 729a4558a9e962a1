//! How fast a capture is measured: a deterministic capture of two-way calls, measured by `measure_capture` and, in
//! the same run, by `tshark -q -z rtp,streams` where it is installed. `cargo bench --bench measure`.
//!
//! Times are of this machine and this minute: quote the ratio.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures wall-clock time")]

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use rtp_rs::{RtpPacketBuilder, Seq};

const CALLS: u32 = 40;
const SECONDS: u32 = 60;
const ROUNDS: usize = 3;

fn main() {
    let file = std::env::temp_dir().join(format!("fivenines-bench-{}.pcap", std::process::id()));
    let packets = write_capture(&file);
    println!(
        "{packets} RTP packets, {} MB, {CALLS} two-way calls",
        std::fs::metadata(&file).unwrap().len() / 1_000_000
    );
    let ours = median((0..ROUNDS).map(|_| ours(&file)).collect());
    println!("fivenines  {ours:>8.3} s  {:>8.2} M packets/s, scored", f64::from(packets) / ours / 1e6);
    let theirs: Vec<f64> = (0..ROUNDS).filter_map(|_| tshark(&file)).collect();
    if theirs.len() == ROUNDS {
        let theirs = median(theirs);
        println!("tshark     {theirs:>8.3} s  {:>8.2} M packets/s", f64::from(packets) / theirs / 1e6);
        println!("ratio      {:>8.1}", theirs / ours);
    } else {
        println!("tshark is not installed: no comparison");
    }
    std::fs::remove_file(&file).unwrap();
}

fn ours(file: &Path) -> f64 {
    let start = Instant::now();
    let measured = fivenines::analysis::measure::measure_capture(&[file.to_owned()]).unwrap();
    assert_eq!(measured.streams.len() as u32, 2 * CALLS);
    start.elapsed().as_secs_f64()
}

fn tshark(file: &Path) -> Option<f64> {
    let start = Instant::now();
    let filter = ["-q", "-d", "udp.port==20000-21000,rtp", "-z", "rtp,streams"];
    let done = std::process::Command::new("tshark").arg("-r").arg(file).args(filter).output().ok()?;
    done.status.success().then(|| start.elapsed().as_secs_f64())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A pcap of raw IP packets with nanosecond stamps: every stream sends 160 octets each 20 ms.
fn write_capture(path: &Path) -> u32 {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    // Magic of nanosecond captures, version 2.4, no zone, no accuracy, snap length, LINKTYPE_RAW.
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 65535, 101] {
        out.write_all(&word.to_le_bytes()).unwrap();
    }
    let mut count = 0;
    for tick in 0..SECONDS * 50 {
        for stream in 0..2 * CALLS {
            let at = u64::from(tick) * 20_000_000 + u64::from(stream) * 100_000;
            let packet = packet(stream, tick);
            let head =
                [(at / 1_000_000_000) as u32, (at % 1_000_000_000) as u32, packet.len() as u32, packet.len() as u32];
            head.iter().for_each(|word| out.write_all(&word.to_le_bytes()).unwrap());
            out.write_all(&packet).unwrap();
            count += 1;
        }
    }
    out.flush().unwrap();
    count
}

fn packet(stream: u32, tick: u32) -> Vec<u8> {
    let rtp = RtpPacketBuilder::new()
        .payload_type(8)
        .ssrc(1000 + stream)
        .sequence(Seq::from(tick as u16))
        .timestamp(tick * 160)
        .payload(&[0xd5; 160])
        .build()
        .unwrap();
    let port = (20_000 + 2 * stream) as u16;
    let length = |header: usize| ((header + rtp.len()) as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, length(28)[0], length(28)[1], 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet.extend(port.to_be_bytes());
    packet.extend(port.to_be_bytes());
    packet.extend(length(8));
    packet.extend([0, 0]);
    packet.extend(rtp);
    packet
}
