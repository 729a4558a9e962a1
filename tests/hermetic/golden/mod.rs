//! The golden corpus: captures that are written here, and what must be measured in them.
//!
//! Each file of `captures/` has a sidecar of the same name in TOML. It says what the capture shows, where others go
//! wrong, by which arithmetic the figures follow from the world that was written, and in `[expect]` the part of
//! `fivenines measure --json` that must come out. `FIVENINES_WRITE_GOLDEN=1 cargo test --test hermetic golden`
//! writes the captures again.

mod copies;
mod encapsulation;
mod expect;
mod headers;
mod links;
mod media;
mod picture;
mod servers;
mod signalling;
mod talk;
mod trace;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fivenines::analysis::measure::measure_capture;
use trace::File;

/// These came from outside and are kept as they came.
const FOREIGN: [&str; 1] = ["rtp-jitter-loss-wrap.pcap"];
/// Every sidecar tells how many of these there are, even when none is expected.
const ALWAYS: [&str; 5] = ["streams", "outages", "calls", "anomalies", "caveats"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

fn worlds() -> Vec<File> {
    let all = [encapsulation::worlds(), media::worlds(), picture::worlds(), signalling::worlds(), servers::worlds()];
    all.into_iter().flatten().collect()
}

#[test]
fn the_committed_captures_are_what_the_worlds_write() {
    let worlds = worlds();
    if std::env::var_os("FIVENINES_WRITE_GOLDEN").is_some() {
        worlds.iter().for_each(write);
    }
    for file in &worlds {
        let committed = fs::read(folder().join(file.name)).unwrap_or_default();
        assert!(committed == file.octets, "{} is not what its world writes", file.name);
    }
    let mut written: Vec<&str> = worlds.iter().map(|file| file.name).chain(FOREIGN).collect();
    written.sort_unstable();
    assert_eq!(captures().iter().map(|path| name(path)).collect::<Vec<_>>(), written);
}

#[test]
fn every_figure_of_every_sidecar_holds() {
    let mut wrong = Vec::new();
    for capture in captures() {
        let sidecar: toml::Table = fs::read_to_string(capture.with_extension("toml")).unwrap().parse().unwrap();
        for key in ["question", "others", "arithmetic"] {
            assert!(sidecar.get(key).is_some_and(toml::Value::is_str), "{}: no {key}", name(&capture));
        }
        let expected = sidecar["expect"].as_table().unwrap();
        let missing: Vec<_> = ALWAYS.iter().filter(|key| !expected.contains_key(**key)).collect();
        assert!(missing.is_empty(), "{}: [expect] does not tell {missing:?}", name(&capture));
        let measured = serde_json::to_value(measure_capture(std::slice::from_ref(&capture)).unwrap()).unwrap();
        let found = expect::differences(&sidecar["expect"], &measured);
        wrong.extend(found.into_iter().map(|what| format!("{}: {what}", name(&capture))));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// `[[parts]]` of a sidecar: what the program says when it is asked for a part of the capture.
#[test]
fn every_part_of_every_sidecar_holds() {
    let mut wrong = Vec::new();
    let mut parts = 0;
    for capture in captures() {
        let sidecar: toml::Table = fs::read_to_string(capture.with_extension("toml")).unwrap().parse().unwrap();
        for part in sidecar.get("parts").and_then(toml::Value::as_array).into_iter().flatten() {
            parts += 1;
            let options: Vec<&str> =
                part["options"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
            let program = Command::new(env!("CARGO_BIN_EXE_fivenines"));
            let found = part_differences(program, &capture, &options, part);
            wrong.extend(found.into_iter().map(|what| format!("{} {options:?}: {what}", name(&capture))));
        }
    }
    assert!(parts > 0 && wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// 80 columns are what a terminal has, a mail and a page of a thesis.
#[test]
fn the_tables_of_every_capture_fit_a_terminal() {
    for capture in captures() {
        let output = Command::new(env!("CARGO_BIN_EXE_fivenines")).arg("measure").arg(&capture).output().unwrap();
        let tables = String::from_utf8(output.stdout).unwrap();
        assert!(tables.starts_with("capture: times are seconds from"), "{}: {tables}", name(&capture));
        let wide: Vec<&str> = tables.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{}:\n{}", name(&capture), wide.join("\n"));
    }
}

fn part_differences(mut program: Command, capture: &Path, options: &[&str], part: &toml::Value) -> Vec<String> {
    let output = program.arg("measure").arg(capture).arg("--json").args(options).output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    match part.get("error").and_then(toml::Value::as_str) {
        Some(error) if output.status.code() == Some(2) && complaint.contains(error) => Vec::new(),
        Some(error) => vec![format!("no exit code 2 with {error:?}: {complaint}")],
        None => match serde_json::from_slice(&output.stdout) {
            Ok(measured) => expect::differences(&part["expect"], &measured),
            Err(_) => vec![complaint],
        },
    }
}

/// Puts a file in the place of the old one, which another test may have mapped.
fn write(file: &File) {
    let path = folder().join(file.name);
    let _old = fs::remove_file(&path);
    fs::write(path, &file.octets).unwrap();
}

fn captures() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|extension| extension != "toml");
    let mut captures: Vec<PathBuf> = files.filter(is_capture).collect();
    captures.sort();
    captures
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}
