//! The command line: one file a subcommand. Nothing is computed here.
//!
//! Exit codes: 0 pass · 1 a threshold or a comparison failed · 2 usage or scenario error · 3 environment not ready ·
//! 4 measurement void · 5 a fault could not be healed.

/// As the standard macro, but a reader that has gone, as `head`, has had enough: that is no panic.
macro_rules! print {
    ($($words:tt)*) => {{
        let _gone = std::io::Write::write_fmt(&mut std::io::stdout(), format_args!($($words)*));
    }};
}

/// See `print!`.
macro_rules! println {
    () => { print!("\n") };
    ($($words:tt)*) => { print!("{}\n", format_args!($($words)*)) };
}

pub mod availability;
pub mod calibrate;
pub mod compare;
pub mod doctor;
mod external;
pub mod judge;
pub mod lab;
pub mod measure;
pub mod mos;
pub mod panel;
pub mod plan;
pub mod report;
pub mod run;

use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::scenario::Scenario;

/// Measures what callers and chatters live through when a server of a SIP/XMPP cluster dies
#[derive(Debug, Parser)]
#[command(name = "fivenines", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 pass, 1 a threshold or a comparison failed, 2 usage or scenario error, 3 environment not ready, \
4 measurement void, 5 a fault could not be healed";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario: place traffic, break servers, capture, measure, report
    Run(run::RunArgs),
    /// Measure a run directory again, or anybody's captures
    Measure(measure::MeasureArgs),
    /// Make the report of a run directory again
    Report(report::ReportArgs),
    /// Has failover become slower? A run against a baseline
    Compare(compare::CompareArgs),
    /// Print what a scenario would do, without doing it
    Plan(plan::PlanArgs),
    /// Real servers in namespaces of this machine, by hand (root)
    Lab(lab::LabArgs),
    /// Score a call by the ITU's models
    Mos(mos::MosArgs),
    /// Scores of a panel of listeners, screening, and comparison with a model
    Panel(panel::PanelArgs),
    /// What a downtime means against a target of availability
    Availability(availability::AvailabilityArgs),
    /// How far this instrument's answer is from a planted truth, on this machine
    Calibrate(calibrate::CalibrateArgs),
    /// What this machine allows, and how to get the rest
    Doctor(doctor::DoctorArgs),
    /// A node of the reference cluster
    #[command(hide = true)]
    ReferenceNode,
    /// PID 1 of a lab node
    #[command(hide = true)]
    LabInit {
        /// What the lab passes on
        arguments: Vec<String>,
    },
}

/// A failure with the exit code that it means.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// A failure.
    #[must_use]
    pub fn new(code: u8, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into() }
    }
}

/// Parses the command line and does it.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Measure(args) => measure::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Lab(args) => return lab::run(&args),
        Command::Mos(args) => say(mos::run(&args)),
        Command::Panel(args) => say(panel::run(&args)),
        Command::Availability(args) => availability::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::ReferenceNode => return ExitCode::from(crate::experiment::cluster::reference::node_main()),
        Command::LabInit { arguments } => return crate::experiment::cluster::lab::init::main(&arguments),
    };
    done.map_or_else(
        |failure| {
            eprintln!("error: {}", failure.message);
            ExitCode::from(failure.code)
        },
        ExitCode::from,
    )
}

/// Prints an answer; a wrong parameter is a usage error.
fn say<E: std::fmt::Display>(answer: Result<String, E>) -> Result<u8, Failure> {
    let answer = answer.map_err(|error| Failure::new(2, error.to_string()))?;
    print(answer.trim_end())?;
    Ok(0)
}

/// Prints a line. A reader that has gone, as `head`, has had enough: that is no failure.
fn print(text: &str) -> Result<(), Failure> {
    printed(writeln!(std::io::stdout(), "{text}"))
}

fn printed(written: std::io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(2, format!("cannot write the answer: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a derived file, and the folders above it.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, bytes));
    written.map_err(|error| Failure::new(4, format!("cannot write {}: {error}", path.display())))
}

/// Text of a value as JSON.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
}

/// Reads and checks a scenario file; its text as well, which goes into the evidence.
fn read_scenario(path: &Path) -> Result<(Scenario, String), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(2, format!("cannot read the scenario {}: {error}", path.display())))?;
    let scenario = Scenario::parse(&path.display().to_string(), &text)
        .map_err(|error| Failure::new(2, format!("{:?}", miette::Report::new_boxed(error))))?;
    Ok((scenario, text))
}

/// Prints a value as JSON on standard output, piece by piece: it may be long.
fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let written = serde_json::to_writer_pretty(&mut out, value).map_err(std::io::Error::from);
    printed(written.and_then(|()| writeln!(out)).and_then(|()| out.flush()))
}
