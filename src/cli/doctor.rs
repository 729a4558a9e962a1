//! `fivenines doctor`: what this machine allows, and how to get the rest.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Failure, external, print_json, read_scenario};
use crate::experiment::cluster::Cluster;
use crate::experiment::cluster::lab::Lab;
use crate::experiment::run::machine;
use crate::scenario::LAB_PROFILES;

/// Arguments of `fivenines doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Scenario with [cluster.external]: try every way to its nodes, harmlessly
    scenario: Option<PathBuf>,
    /// Print JSON to standard output and nothing else
    #[arg(long)]
    json: bool,
}

/// One thing that a run can need.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    /// What was found, or how to get it.
    told: String,
    /// Which runs need it.
    needed_for: &'static str,
}

/// Looks and tells; exit code 3 when not even the reference cluster can run.
///
/// # Errors
/// When the findings cannot be printed.
pub fn run(args: &DoctorArgs) -> Result<u8, Failure> {
    if let Some(path) = &args.scenario {
        return external::doctor(&read_scenario(path)?.0, args.json);
    }
    let of_machine = [loopback(), real_time(), open_files()];
    let findings: Vec<Finding> = of_machine.into_iter().chain(LAB_PROFILES.into_iter().map(lab)).collect();
    if args.json {
        print_json(&serde_json::json!({ "schema": "fivenines.doctor.v1", "findings": findings }))?;
    } else {
        for finding in &findings {
            println!("{} {:<22} {}", if finding.ok { "✓" } else { "!" }, finding.what, finding.told);
            if !finding.ok {
                println!("  {:<22} needed for {}", "", finding.needed_for);
            }
        }
    }
    Ok(if findings[0].ok { 0 } else { 3 })
}

fn finding(what: &'static str, needed_for: &'static str, found: Result<String, String>) -> Finding {
    let ok = found.is_ok();
    Finding { what, ok, told: found.unwrap_or_else(|told| told), needed_for }
}

fn loopback() -> Finding {
    let bound = std::net::UdpSocket::bind("127.0.77.10:0");
    let told = bound.map(|_| "127.0.77.10 can be bound".to_owned()).map_err(|error| format!("127.0.77.10: {error}"));
    finding("loopback addresses", "the reference cluster (Linux gives all of 127.0.0.0/8)", told)
}

fn real_time() -> Finding {
    let told = if machine::real_time_allowed() {
        Ok("RTP is paced at real-time priority".to_owned())
    } else {
        Err("not allowed: RTP may be sent late on a busy machine (root, or CAP_SYS_NICE)".to_owned())
    };
    finding("real-time priority", "punctual media on a busy machine; without it lateness is measured and told", told)
}

fn open_files() -> Finding {
    let told = match machine::raise_open_files() {
        limit if limit >= 1024 => Ok(format!("{limit} files may be open")),
        limit => Err(format!("only {limit} files may be open: ulimit -n 4096")),
    };
    finding("open files", "more than a hundred calls", told)
}

fn lab(profile: &'static str) -> Finding {
    let ready = Lab::by_hand(profile, &[], true).and_then(|lab| lab.ready());
    let told = ready.map(|()| format!("root and all servers: {profile}")).map_err(|error| error.to_string());
    finding("lab", "scenarios with [cluster.lab] of that profile", told)
}
