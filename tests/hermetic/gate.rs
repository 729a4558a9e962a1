//! The example for CI, executed: its script with the real comparison, in both directions.
//!
//! What the script runs is planted here, so that a second is enough: a program in front of the real one answers `run`
//! with a report that was made from the committed baseline, and passes everything else on.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("fivenines-gate-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A program that answers `run … --out DIR` with the planted report and the exit code `code`.
    fn program(&self, planted: &Path, code: i32) -> PathBuf {
        let (real, planted) = (env!("CARGO_BIN_EXE_fivenines"), planted.display());
        let script = format!(
            "#!/bin/sh\n\
             [ \"$1\" = run ] || exec {real} \"$@\"\n\
             mkdir -p \"$4\" && cp {planted} \"$4/report.json\" && exit {code}\n"
        );
        let path = self.write("fivenines", &script);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci")
}

fn baseline() -> Value {
    serde_json::from_slice(&std::fs::read(example().join("baseline.json")).unwrap()).unwrap()
}

/// Another run of the same cluster: each trial's value a little away from the baseline's, and every outage longer by
/// `slower_ms`.
fn another(slower_ms: f64, mos_lower: f64) -> Value {
    let mut run = baseline();
    run["started_utc"] = json!("2026-11-25T06:00:00Z");
    for sample in run["outages"].as_array_mut().unwrap() {
        let trials = sample["trials_ms"].as_array_mut().unwrap();
        for (trial, ms) in trials.iter_mut().enumerate() {
            *ms = json!(ms.as_f64().unwrap() + slower_ms + [3.0, -2.0, 1.0, -4.0, 2.0, 4.0, -1.0, -3.0][trial % 8]);
        }
    }
    for sample in run["quality"].as_array_mut().unwrap().iter_mut().filter(|sample| sample["figure"] == "mos") {
        if sample["period"] == "during" {
            continue;
        }
        for value in sample["trials"].as_array_mut().unwrap() {
            *value = json!(value.as_f64().unwrap() - mos_lower);
        }
    }
    run
}

/// Runs gate.sh as the pipeline does, on a run that gave `planted` and ended with `code`.
fn gate(scratch: &Scratch, planted: &Value, code: i32, arguments: &[&str]) -> Output {
    let planted = scratch.write("planted.json", &planted.to_string());
    Command::new("sh")
        .arg(example().join("gate.sh"))
        .args(arguments)
        .env("FIVENINES", scratch.program(&planted, code))
        .env("OUT", scratch.0.join("out"))
        .env("GITHUB_STEP_SUMMARY", scratch.0.join("summary.md"))
        .output()
        .unwrap()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_run_like_the_baseline_passes_the_gate() {
    let scratch = Scratch::new("same");
    let done = gate(&scratch, &another(0.0, 0.0), 0, &[]);
    assert_eq!(done.status.code(), Some(0), "{}", told(&done));
    assert!(told(&done).contains("::notice title=failover::pass"), "{}", told(&done));
    assert!(scratch.read("summary.md").contains("### ✓ pass"));
    assert!(scratch.read("out/compare.xml").contains(r#"failures="0" errors="0""#));
}

#[test]
fn three_hundred_milliseconds_more_fail_the_gate() {
    let scratch = Scratch::new("slow");
    let done = gate(&scratch, &another(300.0, 0.0), 0, &[]);
    assert_eq!(done.status.code(), Some(1), "{}", told(&done));
    assert!(
        told(&done).contains("::error title=media to caller after power-off 1::slower by +300 ms"),
        "{}",
        told(&done)
    );
    assert!(scratch.read("summary.md").contains("### ✗ fail: failover has become worse"));
    assert!(scratch.read("out/compare.xml").contains("<failure"));
}

#[test]
fn calls_that_sound_worse_fail_the_gate_though_failover_is_as_fast() {
    let scratch = Scratch::new("mos");
    let done = gate(&scratch, &another(0.0, 0.5), 0, &[]);
    assert_eq!(done.status.code(), Some(1), "{}", told(&done));
    assert!(told(&done).contains("::error title=MOS before::worse by −0.50"), "{}", told(&done));
}

#[test]
fn a_broken_threshold_fails_the_gate_and_a_void_run_is_not_compared() {
    let scratch = Scratch::new("broken");
    assert_eq!(gate(&scratch, &another(0.0, 0.0), 1, &[]).status.code(), Some(1));
    let scratch = Scratch::new("void");
    let done = gate(&scratch, &another(0.0, 0.0), 4, &[]);
    assert_eq!(done.status.code(), Some(4));
    assert!(!scratch.0.join("out/compare.xml").exists());
}

#[test]
fn a_run_can_be_accepted_as_the_new_baseline() {
    let scratch = Scratch::new("accept");
    let accepted = scratch.0.join("baseline.json");
    let planted = scratch.write("planted.json", &another(300.0, 0.0).to_string());
    let done = Command::new("sh")
        .arg(example().join("gate.sh"))
        .arg("--accept")
        .env("FIVENINES", scratch.program(&planted, 0))
        .env("OUT", scratch.0.join("out"))
        .env("BASELINE", &accepted)
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", told(&done));
    let slow: Value = serde_json::from_slice(&std::fs::read(accepted).unwrap()).unwrap();
    let first = |run: &Value| run["outages"][0]["trials_ms"][0].as_f64().unwrap();
    assert!((first(&slow) - first(&baseline()) - 303.0).abs() < 1e-6, "{}", slow["outages"][0]);
}
