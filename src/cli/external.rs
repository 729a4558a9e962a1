//! What `plan` and `doctor` say of an external cluster.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_spanned::Spanned;

use super::{Failure, print_json};
use crate::experiment::cluster::external::{Commands, External};
use crate::experiment::fault;
use crate::experiment::plan::Plan;
use crate::scenario::{Cluster, Fault, Scenario};

/// What would be run for one fault.
#[derive(Debug, Serialize)]
pub(super) struct FaultCommands {
    /// Its number in the scenario.
    fault: usize,
    /// `power_off of vip-owner`.
    what: String,
    /// For each node that it may hit.
    commands: Vec<Commands>,
    /// Why it cannot be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// What would be run for each fault; empty for a cluster that is not external.
pub(super) fn commands(scenario: &Scenario) -> Vec<FaultCommands> {
    let Cluster::External(config) = &scenario.cluster else { return Vec::new() };
    let cluster = External::new(config, scenario.window.get_ref().0);
    let of = |(fault, spec): (usize, &Fault)| {
        let (at, heal_at) = spec.times();
        let due = heal_at.map(|heal_at| heal_at - at);
        let done = cluster.commands(spec.target(), fault::action(spec), due);
        let refused = done.as_ref().err().cloned();
        let what = format!("{} of {}", spec.kind(), spec.target());
        FaultCommands { fault, what, commands: done.unwrap_or_default(), refused }
    };
    scenario.faults.iter().map(Spanned::get_ref).enumerate().map(of).collect()
}

/// Prints them for people.
pub(super) fn print(scenario: &Scenario, plan: &Plan, commands: &[FaultCommands]) {
    let Cluster::External(config) = &scenario.cluster else { return };
    if let Some(missing) = plan.missing_accounts(scenario) {
        println!("! {missing}");
    }
    if !config.i_own_this_cluster {
        println!("! `run` will refuse: i_own_this_cluster is not set");
    }
    for (node, line) in by_hand(commands) {
        println!("{node}: {line}");
    }
    for of in commands {
        println!("\nfault {}: {}", of.fault, of.what);
        if let Some(refused) = &of.refused {
            println!("  ! {refused}");
        }
        for Commands { node, by_hand: _, inject, verify, heal, remark } in &of.commands {
            println!("  if it hits {node}:");
            println!("    inject  {inject}");
            println!(
                "    verify  {}",
                verify.as_deref().unwrap_or("(nobody can tell: the exit of inject is taken for it)")
            );
            println!("    heal    {heal}");
            if let Some(remark) = remark {
                println!("    note    {remark}");
            }
        }
    }
}

/// How a command is run on each node, once.
fn by_hand(commands: &[FaultCommands]) -> BTreeMap<&str, &str> {
    let all = commands.iter().flat_map(|of| &of.commands);
    all.filter_map(|of| Some((of.node.as_str(), of.by_hand.as_deref()?))).collect()
}

/// Tries the ways to the cluster; exit code 3 when one does not work.
pub(super) fn doctor(scenario: &Scenario, as_json: bool) -> Result<u8, Failure> {
    let Cluster::External(config) = &scenario.cluster else {
        return Err(Failure::new(2, "only [cluster.external] has something to try; leave the scenario out"));
    };
    let plan = Plan::make(scenario, scenario.seed);
    let findings = External::new(config, scenario.window.get_ref().0).probe(&plan.users());
    if as_json {
        print_json(&serde_json::json!({ "schema": "fivenines.doctor.v1", "findings": findings }))?;
    } else {
        for finding in &findings {
            println!("{} {:<30} {}", if finding.ok { "✓" } else { "!" }, finding.what, finding.told);
        }
    }
    Ok(if findings.iter().all(|finding| finding.ok) { 0 } else { 3 })
}
