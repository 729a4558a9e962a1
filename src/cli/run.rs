//! `fivenines run`: the experiment, its measurement and its report, in one go.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::judge::{self, Judged};
use super::{Failure, read_scenario};
use crate::evidence::rundir::RunDir;
use crate::experiment::run::interrupt::Interrupt;
use crate::experiment::run::{self, Ears, RunOptions};
use crate::scenario::Scenario;
use crate::units::Span;

/// Arguments of `fivenines run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Scenario file
    scenario: PathBuf,
    /// Run directory to make [default: reports/SCENARIO/UTC-SEED]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Number of trials, instead of the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    trials: Option<u32>,
    /// Seed of the first trial, instead of the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print report.json to standard output and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the scenario and judges it; the exit code.
///
/// # Errors
/// Every failure, with the exit code that it means.
pub fn run(args: &RunArgs) -> Result<u8, Failure> {
    let mut interrupt =
        Interrupt::take().map_err(|errno| Failure::new(3, format!("cannot take over Ctrl-C: {errno}")))?;
    let (scenario, text) = read_scenario(&args.scenario)?;
    let options = options(args, &scenario)?;
    let mut screen = Screen::new(args.json);
    screen.head(&scenario);
    let done = run::run(&scenario, &text, &options, &mut interrupt, &mut screen);
    screen.end();
    let dir = RunDir::at(&options.out);
    let ends = match done {
        Ok(ends) => ends,
        Err(error) => {
            let kept =
                if dir.exists() { format!("\n  evidence so far: {}", options.out.display()) } else { String::new() };
            return Err(Failure::new(error.exit_code(), format!("{error}{kept}")));
        }
    };
    let judged = judge::judge(&dir)?;
    judge::write(&judged, &dir)?;
    show(args, &judged, &options)?;
    let unhealed: Vec<&String> = ends.iter().flat_map(|end| &end.unhealed).collect();
    if !unhealed.is_empty() {
        return Err(Failure::new(5, format!("a fault could not be healed: {unhealed:?}")));
    }
    if ends.iter().any(|end| end.interrupted) {
        eprintln!("interrupted: faults are healed, the evidence up to here is measured");
        return Ok(4);
    }
    Ok(judged.exit_code())
}

fn show(args: &RunArgs, judged: &Judged, options: &RunOptions) -> Result<(), Failure> {
    if args.json {
        super::print_json(&judged.report)
    } else {
        judge::print(judged, &options.out);
        Ok(())
    }
}

fn options(args: &RunArgs, scenario: &Scenario) -> Result<RunOptions, Failure> {
    let seed = args.seed.unwrap_or(scenario.seed);
    let stamp: String = run::utc_now().chars().filter(|c| !"-:".contains(*c)).collect();
    let default = || PathBuf::from("reports").join(&scenario.name).join(format!("{stamp}-{seed}"));
    let out = args.out.clone().unwrap_or_else(default);
    if out.exists() {
        return Err(Failure::new(2, format!("{} exists already: evidence is never overwritten", out.display())));
    }
    let program =
        std::env::current_exe().map_err(|error| Failure::new(3, format!("cannot find this program: {error}")))?;
    Ok(RunOptions { out, trials: args.trials.unwrap_or(*scenario.trials.get_ref()), seed, program })
}

/// Progress: a line that is redrawn on a terminal, a line for each step elsewhere.
struct Screen {
    bar: Option<ProgressBar>,
    plain: bool,
    said_settled: bool,
    number: u32,
    of: u32,
}

impl Screen {
    fn new(json: bool) -> Screen {
        let terminal = std::io::stderr().is_terminal();
        let bar = (terminal && !json).then(|| {
            let bar = ProgressBar::new(1000);
            if let Ok(style) = ProgressStyle::with_template("  ▶ {msg:<58.58} {bar:12} {percent:>3} %") {
                bar.set_style(style);
            }
            bar
        });
        Screen { bar, plain: !json, said_settled: false, number: 1, of: 1 }
    }

    fn head(&self, scenario: &Scenario) {
        self.say(&format!("{}: {}", scenario.name, scenario.question));
        for line in scenario.describe_traffic() {
            self.say(&format!("  {line}"));
        }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None if self.plain => eprintln!("{line}"),
            None => {}
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Ears for Screen {
    fn trial(&mut self, number: u32, of: u32) {
        (self.number, self.of, self.said_settled) = (number, of, false);
        if of > 1 {
            self.say(&format!("trial {number} of {of}"));
        }
    }

    fn preparing(&mut self, step: &str) {
        self.say(&format!("  {step}"));
    }

    fn cluster_up(&mut self, took: Span) {
        self.say(&format!("  ✓ cluster healthy in {:.1} s", took.as_secs_f64()));
    }

    fn settling(&mut self, registered: usize, phones: usize, talking: usize, standing: usize) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{registered}/{phones} registered · {talking}/{standing} calls up"));
        }
    }

    fn running(&mut self, at: Span, window: Span, talking: usize) {
        if !std::mem::replace(&mut self.said_settled, true) {
            self.say("  ✓ everybody registered, calls up with media both ways, chatters logged in");
        }
        if let Some(bar) = &self.bar {
            let share = at.as_secs_f64() / window.as_secs_f64().max(1e-9);
            bar.set_position((share.clamp(0.0, 1.0) * 1000.0) as u64);
            let trial = if self.of > 1 { format!("trial {}/{} · ", self.number, self.of) } else { String::new() };
            bar.set_message(format!(
                "{trial}{:>4.1} s of {:.0} s · {talking} calls talking",
                at.as_secs_f64(),
                window.as_secs_f64()
            ));
        }
    }

    fn broken(&mut self, what: &str) {
        self.say(&format!("  ▶ {what}"));
    }

    fn void(&mut self, reasons: &[String], again: bool) {
        let then = if again { "another trial is run in its place" } else { "it is not run again" };
        self.say(&format!("  ✗ trial {} is void, {then}: {}", self.number, reasons.join("; ")));
    }
}
