//! `fivenines plan`: what a scenario would do, without doing it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, print_json, read_scenario};
use crate::experiment::plan::{Plan, Wish};
use crate::units::Span;

/// Arguments of `fivenines plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// Scenario file
    scenario: PathBuf,
    /// Seed, instead of the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print the whole plan as JSON
    #[arg(long)]
    json: bool,
}

/// Prints the plan.
///
/// # Errors
/// When the scenario is wrong.
pub fn run(args: &PlanArgs) -> Result<u8, Failure> {
    let (scenario, _) = read_scenario(&args.scenario)?;
    let plan = Plan::make(&scenario, args.seed.unwrap_or(scenario.seed));
    if args.json {
        print_json(&plan)?;
        return Ok(0);
    }
    println!("{}: {}", scenario.name, scenario.question);
    println!(
        "seed {}, window {}, {} phones, {} chat pairs",
        plan.seed,
        plan.window_ns,
        plan.phones.len(),
        plan.pairs.len()
    );
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for intent in &plan.intents {
        let count = counts.entry(name(&intent.wish)).or_default();
        if intent.at_ns < Span::ZERO { count.0 += 1 } else { count.1 += 1 }
    }
    println!("{:<12} {:>8} {:>10}", "what", "before", "in window");
    for (what, (before, inside)) in counts {
        println!("{what:<12} {before:>8} {inside:>10}");
    }
    for intent in &plan.intents {
        if let Wish::Inject { fault } = intent.wish {
            let spec = scenario.faults.get(fault).map(serde_spanned::Spanned::get_ref);
            let told = spec.map_or_else(String::new, |spec| format!("{} of {}", spec.kind(), spec.target()));
            println!("fault {fault} at {:.3} s: {told}", intent.at_ns.as_secs_f64());
        }
    }
    Ok(0)
}

fn name(wish: &Wish) -> &'static str {
    match wish {
        Wish::Register { .. } => "register",
        Wish::Call(_) => "call",
        Wish::Options => "options",
        Wish::Message { .. } => "message",
        Wish::Inject { .. } => "inject",
        Wish::Heal { .. } => "heal",
    }
}
