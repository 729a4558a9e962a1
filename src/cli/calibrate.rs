//! `fivenines calibrate`: measured minus planted, on the reference cluster.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Failure, judge, print_json};
use crate::analysis::report::model::Report;
use crate::evidence::rundir::RunDir;
use crate::experiment::run::interrupt::Interrupt;
use crate::experiment::run::{self, Ears, RunOptions};
use crate::scenario::Scenario;
use crate::units::Span;

const SCENARIO: &str = include_str!("../../scenarios/calibrate.toml");

/// Arguments of `fivenines calibrate`.
#[derive(Clone, Debug, Args)]
pub struct CalibrateArgs {
    /// Number of trials
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=100))]
    trials: u32,
    /// Run directory to make [default: reports/calibrate/UTC]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON to standard output and nothing else
    #[arg(long)]
    json: bool,
}

/// Measured minus planted, over all outages of one service.
#[derive(Clone, Debug, Serialize)]
struct Deviation {
    service: String,
    /// Outages of single users.
    n: usize,
    /// What the sampling alone allows.
    error_ms: f64,
    /// Smallest, median and largest of measured − planted.
    min_ms: f64,
    median_ms: f64,
    max_ms: f64,
}

/// Runs the calibration.
///
/// # Errors
/// When the reference cluster cannot be run or measured.
pub fn run(args: &CalibrateArgs) -> Result<u8, Failure> {
    let mut interrupt =
        Interrupt::take().map_err(|errno| Failure::new(3, format!("cannot take over Ctrl-C: {errno}")))?;
    let scenario = Scenario::parse("calibrate.toml", SCENARIO).map_err(|error| Failure::new(2, error.to_string()))?;
    let stamp: String = run::utc_now().chars().filter(|c| !"-:".contains(*c)).collect();
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("reports").join("calibrate").join(stamp));
    let program =
        std::env::current_exe().map_err(|error| Failure::new(3, format!("cannot find this program: {error}")))?;
    let options = RunOptions { out: out.clone(), trials: args.trials, seed: scenario.seed, program };
    run::run(&scenario, SCENARIO, &options, &mut interrupt, &mut Quiet(!args.json))
        .map_err(|error| Failure::new(error.exit_code(), error.to_string()))?;
    let dir = RunDir::at(&out);
    let judged = judge::judge(&dir)?;
    judge::write(&judged, &dir)?;
    let deviations = deviations(&judged.report);
    if args.json {
        print_json(&serde_json::json!({ "schema": "fivenines.calibrate.v1", "deviations": deviations }))?;
    } else {
        print(&deviations, &out);
    }
    Ok(0)
}

fn deviations(report: &Report) -> Vec<Deviation> {
    let mut by_service: std::collections::BTreeMap<String, (f64, Vec<f64>)> = std::collections::BTreeMap::new();
    for trial in &report.trials {
        for outage in trial.measured.outages.iter().filter(|outage| !outage.censored) {
            let fault = trial.measured.faults.iter().find(|fault| Some(fault.fault) == outage.fault);
            let Some(configured) = fault.and_then(|fault| fault.configured_ms) else { continue };
            let entry = by_service.entry(outage.service.clone()).or_default();
            entry.0 = entry.0.max(outage.error_ms);
            entry.1.push(outage.duration_ms - configured);
        }
    }
    by_service.into_iter().map(|(service, (error_ms, values))| deviation(service, error_ms, values)).collect()
}

fn deviation(service: String, error_ms: f64, mut values: Vec<f64>) -> Deviation {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    let n = values.len();
    let median_ms = (at((n - 1) / 2) + at(n / 2)) / 2.0;
    Deviation { service, n, error_ms, min_ms: at(0), median_ms, max_ms: at(n - 1) }
}

fn print(deviations: &[Deviation], out: &std::path::Path) {
    println!("measured − planted, in milliseconds");
    println!("{:<14} {:>5} {:>9} {:>9} {:>9} {:>16}", "service", "n", "least", "median", "largest", "sampling allows");
    for row in deviations {
        println!(
            "{:<14} {:>5} {:>+9.2} {:>+9.2} {:>+9.2} {:>16}",
            row.service,
            row.n,
            row.min_ms,
            row.median_ms,
            row.max_ms,
            format!("± {:.1}", row.error_ms)
        );
    }
    println!("The planted delay runs from the kill to the hand-over of the sockets; what the next node needs to");
    println!("start serving is part of the difference. Evidence: {}", out.display());
}

/// A line for each trial, or nothing.
struct Quiet(bool);

impl Ears for Quiet {
    fn trial(&mut self, number: u32, of: u32) {
        if self.0 {
            eprintln!("trial {number} of {of}");
        }
    }
    fn cluster_up(&mut self, _: Span) {}
    fn settling(&mut self, _: usize, _: usize, _: usize, _: usize) {}
    fn running(&mut self, _: Span, _: Span, _: usize) {}
    fn broken(&mut self, _: &str) {}
    fn void(&mut self, reasons: &[String], _: bool) {
        if self.0 {
            eprintln!("void: {}", reasons.join("; "));
        }
    }
}
