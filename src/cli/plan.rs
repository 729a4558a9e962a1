//! `fivenines plan`: what a scenario would do, without doing it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::external::{self, FaultCommands};
use super::{Failure, print_json, read_scenario};
use crate::experiment::plan::{Part, Plan, PlannedPhone, Wish};
use crate::scenario::{Family, Unit, families};
use crate::units::Span;

/// Arguments of `fivenines plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// Scenario file
    #[arg(required_unless_present = "thresholds")]
    scenario: Option<PathBuf>,
    /// Seed, instead of the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// List every figure that a threshold can judge, with its unit and meaning
    #[arg(long, conflicts_with_all = ["scenario", "seed"])]
    thresholds: bool,
    /// Print the whole plan (or list) as JSON
    #[arg(long)]
    json: bool,
}

/// Prints the plan.
///
/// # Errors
/// When the scenario is wrong.
pub fn run(args: &PlanArgs) -> Result<u8, Failure> {
    let Some(path) = &args.scenario else { return list_thresholds(args.json) };
    let (scenario, _) = read_scenario(path)?;
    let plan = Plan::make(&scenario, args.seed.unwrap_or(scenario.seed));
    let commands = external::commands(&scenario);
    if args.json {
        print_json(&Printed { plan: &plan, commands: &commands })?;
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
    for line in scenario.describe_traffic() {
        println!("  {line}");
    }
    profiles(&plan);
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
        if let Wish::Inject { fault, phase_ns } = intent.wish {
            let spec = scenario.faults.get(fault).map(serde_spanned::Spanned::get_ref);
            let told = spec.map_or_else(String::new, |spec| format!("{} of {}", spec.kind(), spec.target()));
            let phase = phase_ns.map(|phase| format!(", {phase} after the next tick of its timer")).unwrap_or_default();
            println!("fault {fault} at {:.3} s: {told}{phase}", intent.at_ns.as_secs_f64());
        } else if let Wish::Heal { fault } = intent.wish {
            println!("fault {fault} healed at {:.3} s", intent.at_ns.as_secs_f64());
        }
    }
    external::print(&scenario, &plan, &commands);
    Ok(0)
}

/// The plan, and what would be run on an external cluster.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: &'a Vec<FaultCommands>,
}

/// Phone profiles with the source of every figure, and what is not known of the family.
fn profiles(plan: &Plan) {
    for (name, profile) in &plan.profiles {
        let of = |phone: &&PlannedPhone| phone.part == Part::Profiled(name.clone());
        let (count, unknown) = (plan.phones.iter().filter(of).count(), profile.unknown());
        println!("phone profile {name} ({count} phones): {}", profile.family);
        println!("{}", folded("  ", profile.about.split(' ')));
        for (section, source) in profile.sources() {
            if let Some(source) = source {
                println!("{}", folded(&format!("  {section:<13} "), source.split(' ')));
            }
        }
        if !unknown.is_empty() {
            let text = format!("{}: as rfc3261", unknown.join(", "));
            println!("{}", folded("  unknown       ", text.split(' ')));
        }
    }
}

/// One figure, as JSON.
#[derive(Serialize)]
struct Listed {
    name: String,
    unit: &'static str,
    meaning: &'static str,
}

fn list_thresholds(json: bool) -> Result<u8, Failure> {
    let families = families();
    if json {
        let listed = |family: &Family| -> Vec<Listed> {
            let each = family.names.iter().map(|(name, metric)| Listed {
                name: name.clone(),
                unit: unit(metric.unit()),
                meaning: family.meaning,
            });
            each.collect()
        };
        let all: Vec<Listed> = families.iter().flat_map(listed).collect();
        print_json(&serde_json::json!({ "schema": "fivenines.thresholds.v1", "figures": all }))?;
        return Ok(0);
    }
    println!("thresholds = [\"FIGURE < VALUE\"] with <, <=, >, >= or ==\n");
    for family in &families {
        let unit = family.names.first().map_or("", |(_, metric)| unit(metric.unit()));
        println!("{}", folded(&format!("{:<24} {unit:<13} ", family.form), family.meaning.split(' ')));
    }
    println!();
    for (title, form) in [
        ("SERVICE", "outage.SERVICE.median"),
        ("PERIOD", "loss.PERIOD"),
        ("FATE of calls", "calls.FATE"),
        ("FATE of messages", "messages.FATE"),
    ] {
        let family = families.iter().find(|family| family.form == form);
        let names = family.into_iter().flat_map(|family| &family.names);
        println!("{}", folded(&format!("{title:<17}"), names.filter_map(|(name, _)| name.split('.').nth(1))));
    }
    Ok(0)
}

/// Words behind a title, on lines of at most 80 columns that begin below the first word.
fn folded<'a>(title: &str, words: impl Iterator<Item = &'a str>) -> String {
    let indent = title.chars().count();
    let (mut lines, mut line) = (Vec::new(), title.to_owned());
    for word in words {
        if line.chars().count() + word.chars().count() > 80 {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
        }
        line.push_str(word);
        line.push(' ');
    }
    lines.push(line);
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Milliseconds => "time (700ms)",
        Unit::Percent => "percent (1%)",
        Unit::Count => "count",
        Unit::Mos => "MOS, 1 to 5",
        Unit::Probability => "0 to 1",
    }
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
