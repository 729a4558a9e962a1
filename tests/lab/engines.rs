//! Clusters without VRRP: Corosync and Pacemaker, and Heartbeat.

use serde_json::Value;

use super::{Scratch, ms, outages, report, scenario, standing_calls};

/// The takeover after the power-off, which must be the engine's own and within reach of its law. A busy machine is late,
/// but no engine can be early.
fn takeover(report: &Value, engine_timer: &str) -> (f64, f64, f64) {
    let fault = &report["trials"][0]["measured"]["faults"][0];
    let takeover = &fault["takeover"];
    assert!(takeover[engine_timer].is_number(), "{fault:#}");
    assert_eq!(fault["successor"], "beta", "{fault:#}");
    let told = |key: &str| takeover[key].as_f64().unwrap();
    (told("expected_ms"), told("measured_ms"), told("residual_ms"))
}

/// The parts of the outage of SIP are named and add up to it.
fn parts_add_up(report: &Value, names: &[&str]) {
    let all = report["trials"][0]["measured"]["faults"][0]["parts"].as_array().unwrap().clone();
    let of: Vec<&Value> = all.iter().filter(|part| part["service"] == "sip_answer").collect();
    assert_eq!(of.iter().map(|part| part["part"].as_str().unwrap()).collect::<Vec<_>>(), names);
    let sum: f64 = of.iter().map(|part| part["ms"].as_f64().unwrap()).sum();
    let sip = outages(report, "sip_answer");
    assert!((sum - ms(sip[0])).abs() < 1.0, "{sum} of {}", ms(sip[0]));
}

#[test]
#[ignore = "needs root and Debian's servers; tests/run runs it"]
fn corosync_waits_for_its_token_and_the_consensus_and_pacemaker_starts_the_address() {
    let scratch = Scratch::new("pacemaker");
    let report = report(&scenario("lab-pacemaker.toml"), &scratch);
    let (expected, measured, residual) = takeover(&report, "token_ms");
    assert!((3200.0..3700.0).contains(&expected), "{expected}");
    assert!((-50.0..500.0).contains(&residual), "{measured} for {expected}");
    parts_add_up(&report, &["detection", "consensus", "takeover", "service"]);
    let standing = standing_calls(&report);
    assert!(standing.iter().all(|call| call["fate"] == "media_dead" || call["fate"] == "zombie"), "{standing:#?}");
}

#[test]
#[ignore = "needs root and Debian's servers; tests/run runs it"]
fn heartbeat_finds_its_peer_dead_at_the_next_look_after_the_dead_time() {
    let scratch = Scratch::new("heartbeat");
    let report = report(&scenario("lab-heartbeat.toml"), &scratch);
    let (expected, measured, residual) = takeover(&report, "deadtime_ms");
    assert!((990.0..1210.0).contains(&expected), "{expected}");
    // Half a look of 400 ms either way, and ticks of 10 ms.
    assert!((-220.0..300.0).contains(&residual), "{measured} for {expected}");
    parts_add_up(&report, &["detection", "takeover", "service"]);
}
