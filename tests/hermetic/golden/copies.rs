//! A golden capture as it lies about: packed, cut in two, cut off, through a pipe. The program must say the same of it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::folder;

/// Octets of the header of a pcap file, and of that of a packet.
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;

/// A folder of copies that is removed when the test ends.
struct Copies(PathBuf);

impl Copies {
    fn new(name: &str) -> Copies {
        let path = std::env::temp_dir().join(format!("fivenines-copies-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Copies(path)
    }

    fn file(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, octets).unwrap();
        path
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn golden() -> Vec<u8> {
    fs::read(folder().join("voice-two-way.pcap")).unwrap()
}

fn measured(paths: &[&Path], piped: &[u8]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_fivenines"));
    program.args(["measure", "--json"]).args(paths).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = program.spawn().unwrap();
    // Who is told of a wrong argument reads nothing.
    let _closed = program.stdin.take().unwrap().write_all(piped);
    program.wait_with_output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

/// Where each packet of a file ends.
fn ends(file: &[u8]) -> Vec<usize> {
    let mut ends = vec![FILE_HEADER];
    while let Some(header) = file.get(ends[ends.len() - 1]..).and_then(|rest| rest.first_chunk::<PACKET_HEADER>()) {
        let kept = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        ends.push(ends[ends.len() - 1] + PACKET_HEADER + kept as usize);
    }
    ends
}

#[test]
fn packed_divided_and_piped_copies_give_the_same_figures() {
    let (copies, file) = (Copies::new("same"), golden());
    let expected = text(&measured(&[&copies.file("whole.pcap", &file)], &[]).stdout);
    assert!(expected.contains("\"lost\": 6"), "{expected}");
    let zstd = compress_to_vec(&file[..], CompressionLevel::Fastest);
    let middle = ends(&file)[200];
    let first = copies.file("first.pcap", &file[..middle]);
    let second = copies.file("second.pcap", &[&file[..FILE_HEADER], &file[middle..]].concat());
    let (gz, zst) = (copies.file("any name", &gzip(&file)), copies.file("another", &zstd));
    let dash = Path::new("-");
    let ways: [(&[&Path], &[u8]); 7] = [
        (&[&gz], &[]),
        (&[&zst], &[]),
        (&[&first, &second], &[]),
        (&[&second, &first], &[]),
        (&[dash], &file),
        (&[dash], &zstd),
        (&[&first, dash], &[&file[..FILE_HEADER], &file[middle..]].concat()),
    ];
    for (paths, piped) in ways {
        assert_eq!(text(&measured(paths, piped).stdout), expected, "{paths:?}");
    }
}

#[test]
fn of_a_copy_that_is_cut_off_what_is_whole_is_measured_and_the_place_told() {
    let (copies, file) = (Copies::new("cut"), golden());
    let middle = ends(&file)[200];
    let cut = measured(&[&copies.file("cut.pcap", &file[..middle + 7])], &[]);
    let whole: serde_json::Value =
        serde_json::from_slice(&measured(&[&copies.file("w.pcap", &file[..middle])], &[]).stdout).unwrap();
    let mut cut: serde_json::Value = serde_json::from_slice(&cut.stdout).unwrap();
    let told = cut["anomalies"].take().to_string();
    assert!(told.contains("cut.pcap after packet 200, octet") && told.contains("(7 octets are left)"), "{told}");
    cut["anomalies"] = whole["anomalies"].clone();
    assert_eq!(cut, whole);
}

#[test]
fn a_file_that_is_named_twice_is_refused() {
    let copies = Copies::new("twice");
    let path = copies.file("one.pcap", &golden());
    let again = copies.0.join(".").join("one.pcap");
    for paths in [[path.as_path(), again.as_path()], [Path::new("-"), Path::new("-")]] {
        let output = measured(&paths, &golden());
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("is named twice"), "{}", text(&output.stderr));
    }
}
