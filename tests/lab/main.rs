//! Lab tests: real servers in namespaces. They need root and Debian's packages; `tests/run` installs those and
//! runs these one at a time. `cargo test` alone lists them as ignored.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod engines;
mod external;
mod faults;
mod machine;
mod video;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("fivenines-lab-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn fivenines(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fivenines")).args(arguments).output().unwrap()
}

/// The text of a committed scenario.
fn scenario(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name)).unwrap()
}

/// Runs one trial of a scenario; its report. The verdict is the test's to judge.
fn report(scenario: &str, scratch: &Scratch) -> Value {
    let file = scratch.0.join("scenario.toml");
    std::fs::write(&file, scenario).unwrap();
    let out = scratch.0.join("run");
    let done = fivenines(&["run", file.to_str().unwrap(), "--trials", "1", "--out", out.to_str().unwrap(), "--json"]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(matches!(done.status.code(), Some(0 | 1)), "{told}");
    nothing_is_left();
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
}

/// The outages of a service that follow the fault.
fn outages<'a>(report: &'a Value, service: &'a str) -> Vec<&'a Value> {
    let all = report["trials"][0]["measured"]["outages"].as_array().unwrap();
    all.iter().filter(|outage| outage["service"] == service && outage["fault"] == 0).collect()
}

fn ms(outage: &Value) -> f64 {
    outage["duration_ms"].as_f64().unwrap()
}

/// The calls that stood before the fault.
fn standing_calls(report: &Value) -> Vec<&Value> {
    let calls = report["trials"][0]["measured"]["calls"].as_array().unwrap();
    calls.iter().filter(|call| call["kind"] == "standing_call").collect()
}

/// No namespace, mount, journal or process of the lab.
fn nothing_is_left() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    assert!(!read("/proc/mounts").contains("/run/fivenines/lab"), "a mount is left");
    assert!(!Path::new("/run/fivenines/lab.json").exists(), "the journal is left");
    for name in ["fn-sw", "fn-clients", "fn-store"] {
        assert!(!Path::new("/run/netns").join(name).exists(), "namespace {name} is left");
    }
}

#[test]
#[ignore = "needs root and Debian's servers; tests/run runs it"]
fn with_redis_a_call_survives_with_a_gap_that_agrees_with_the_sip_gap() {
    let scratch = Scratch::new("redis");
    let report = report(&scenario("lab-kamailio.toml"), &scratch);
    let sip = outages(&report, "sip_answer");
    assert_eq!(sip.len(), 1, "{sip:#?}");
    let standing = standing_calls(&report);
    assert!(standing.iter().all(|call| call["fate"] == "gap_recovered"), "{standing:#?}");
    let media: Vec<&Value> = outages(&report, "media").into_iter().filter(|o| o["censored"] == false).collect();
    assert!(media.len() >= 2 * standing.len(), "{media:#?}");
    // The address and both servers come back together; packets are 20 ms and probes 10 ms apart.
    for outage in media {
        assert!((ms(outage) - ms(sip[0])).abs() <= 40.0, "media {} against SIP {}", ms(outage), ms(sip[0]));
    }
}

#[test]
#[ignore = "needs root and Debian's servers; tests/run runs it"]
fn without_redis_the_media_outage_is_censored_and_never_a_small_number() {
    let scratch = Scratch::new("no-redis");
    // Without new calls: the new owner's relay would give them ports that standing calls still send to, and now and
    // then one of those gets both of its own back by chance.
    let text = scenario("lab-kamailio-no-redis.toml");
    let (before, rest) = text.split_once("[traffic.new_calls]").unwrap();
    let (_, after) = rest.split_once("\n[").unwrap();
    let quiet = format!("{before}[{after}").replace("\"outage.new_call.median < 2s\", ", "");
    let report = report(&quiet, &scratch);
    let standing = standing_calls(&report);
    assert!(standing.iter().all(|call| call["fate"] == "media_dead" || call["fate"] == "zombie"), "{standing:#?}");
    let measured = &report["trials"][0]["measured"];
    let fault = measured["faults"][0]["command_start_ns"].as_f64().unwrap();
    let left_ms = (measured["window"]["end_ns"].as_f64().unwrap() - fault) / 1e6;
    let of_standing = |outage: &&Value| standing.iter().any(|call| outage["scope"] == format!("call {}", call["call"]));
    let media: Vec<&Value> = outages(&report, "media").into_iter().filter(of_standing).collect();
    assert_eq!(media.len(), 2 * standing.len());
    for outage in media {
        assert_eq!(outage["censored"], true);
        assert!(outage.get("end_ns").is_none());
        // It lasted from the fault to the end of the window at least, less a packet interval.
        assert!(ms(outage) >= left_ms - 50.0, "{} of {left_ms}", ms(outage));
    }
}

#[test]
#[ignore = "needs root and Debian's servers; tests/run runs it"]
fn a_dead_sip_process_is_a_sip_outage_and_no_address_outage() {
    let scratch = Scratch::new("process");
    let report = report(&scenario("lab-sip-process.toml"), &scratch);
    assert!(outages(&report, "address").is_empty(), "the host still holds the address");
    let sip = outages(&report, "sip_answer");
    assert_eq!(sip.len(), 1);
    let measured = &report["trials"][0]["measured"];
    let at = |key: &str| measured["faults"][0][key].as_f64().unwrap() / 1e6;
    // Down from the kill until the server was started again, which the tool itself did and logged.
    assert!(ms(sip[0]) >= at("healed_ns") - at("command_end_ns") - 1000.0, "{sip:#?}");
    assert!(outages(&report, "media").is_empty(), "the relay is another process and lives on");
}

#[test]
#[ignore = "needs root and Debian's servers; tests/run runs it"]
fn a_lab_put_up_by_hand_can_be_entered_and_goes_without_a_trace() {
    let up = fivenines(&["lab", "up"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let status = fivenines(&["lab", "status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("holds the floating address"));
    let inside = fivenines(&["lab", "exec", "beta", "--", "hostname"]);
    assert_eq!(String::from_utf8_lossy(&inside.stdout).trim(), "beta");
    let down = fivenines(&["lab", "down"]);
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    nothing_is_left();
}

#[test]
#[ignore = "needs root and Debian's servers; tests/run runs it"]
fn what_a_killed_tool_leaves_is_evidence_that_reads_and_a_lab_that_is_removed() {
    let scratch = Scratch::new("killed");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/lab-kamailio.toml");
    let out = scratch.0.join("run");
    let mut tool = Command::new(env!("CARGO_BIN_EXE_fivenines"))
        .args(["run", file.to_str().unwrap(), "--trials", "1", "--out", out.to_str().unwrap()])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let history = out.join("trials/001/history.jsonl");
    // Killed while the fault is open: the worst instant.
    while !std::fs::read_to_string(&history).unwrap_or_default().contains("\"verified\"") {
        assert!(tool.try_wait().unwrap().is_none(), "the run ended before its fault");
        std::thread::yield_now();
    }
    tool.kill().unwrap();
    tool.wait().unwrap();
    let down = fivenines(&["lab", "down"]);
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    nothing_is_left();
    let measured = fivenines(&["measure", out.to_str().unwrap(), "--json"]);
    let value: Value = serde_json::from_slice(&measured.stdout).expect("the torn evidence is measured");
    assert_eq!(value["schema"], "fivenines.measure.v1");
}
