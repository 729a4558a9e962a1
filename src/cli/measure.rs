//! `fivenines measure`: measures a run directory again, or anybody's captures.

mod chats;
mod listening;
#[cfg(feature = "parquet")]
mod parquet;
mod sip;
mod tables;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::{Failure, read_scenario};
use crate::analysis::measure::model::Measured;
use crate::analysis::measure::{Address, Filter, Instant, SCHEMA, Ssrc, measure_part, measure_trial};
use crate::analysis::report::html;
use crate::analysis::report::tables::{Measurement, of as tables_of};
use crate::evidence::rundir::RunDir;

/// Arguments of `fivenines measure`.
#[derive(Args, Clone, Debug)]
pub struct MeasureArgs {
    /// One run directory, or capture files of one trace: pcap or pcapng, plain or packed by gzip or zstd;
    /// `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Only this trial of the run, from 1
    #[arg(long, value_name = "N")]
    pub trial: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Also write the tables as CSV files into this folder
    #[arg(long, value_name = "DIR")]
    pub csv: Option<PathBuf>,
    /// Also write each stream and each RTP packet of a capture as Parquet into this folder (feature `parquet`)
    #[arg(long, value_name = "DIR")]
    pub parquet: Option<PathBuf>,
    /// Also write the page of a capture; `fivenines report` makes that of a run
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    part: Part,
}

/// Which part of a capture. Of several values of one option any may match, of several options all must.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Part of a capture (any value of an option, all options)")]
struct Part {
    /// Only the call of this Call-ID
    #[arg(long, value_name = "ID")]
    call_id: Vec<String>,
    /// Only the stream of this SSRC: 0x1a2b3c4d or decimal
    #[arg(long, value_name = "SSRC")]
    ssrc: Vec<Ssrc>,
    /// Only what comes from or goes to this address: 10.0.0.1, 10.0.0.0/24, 10.0.0.1:4000
    #[arg(long, value_name = "ADDRESS")]
    address: Vec<Address>,
    /// Measure from here on: seconds after the first packet, or UTC as 2026-01-05T00:00:02Z
    #[arg(long, value_name = "TIME")]
    from: Option<Instant>,
    /// Measure up to here
    #[arg(long, value_name = "TIME")]
    to: Option<Instant>,
}

impl Part {
    fn filter(&self) -> Filter {
        let Part { call_id, ssrc, address, from, to } = self.clone();
        Filter { call_ids: call_id, ssrcs: ssrc, addresses: address, from, to }
    }
}

/// One trial of several.
#[derive(Serialize)]
struct Numbered {
    number: u32,
    #[serde(flatten)]
    measured: Measured,
}

/// What `--json` prints for several trials; for one trial or a capture it is [`Measured`] itself.
#[derive(Serialize)]
struct Several {
    schema: &'static str,
    trials: Vec<Numbered>,
}

/// Measures and prints.
///
/// # Errors
/// When a path is neither a run directory nor a capture, or cannot be read (exit code 2).
pub fn run(args: &MeasureArgs) -> Result<u8, Failure> {
    let trials = measure(args)?;
    write(args, &trials)?;
    if args.json {
        print_json(trials)?;
    } else {
        for trial in &trials {
            print!("{}", tables::tables(trial.number, &trial.measured));
        }
    }
    Ok(0)
}

#[cfg(feature = "parquet")]
fn write_parquet(args: &MeasureArgs, folder: &Path, trials: &[Numbered]) -> Result<(), Failure> {
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        return Err(Failure::new(2, "--parquet reads a capture twice, which standard input cannot do: name a file"));
    }
    match trials {
        [capture] if capture.number == 0 => parquet::write(&args.paths, folder, &capture.measured),
        _ => Err(Failure::new(2, "--parquet is for captures; name those in the folder captures/ of a trial")),
    }
}

#[cfg(not(feature = "parquet"))]
fn write_parquet(_: &MeasureArgs, _: &Path, _: &[Numbered]) -> Result<(), Failure> {
    Err(Failure::new(2, "this build cannot write Parquet; build it with `cargo build --release --features parquet`"))
}

/// The files that were asked for.
fn write(args: &MeasureArgs, trials: &[Numbered]) -> Result<(), Failure> {
    if let Some(folder) = &args.csv {
        let number = |number| (number > 0).then_some(number);
        let of = trials.iter().map(|of| Measurement { trial: number(of.number), measured: &of.measured });
        let files = tables_of(&of.collect::<Vec<_>>()).map_err(|error| Failure::new(4, error.to_string()))?;
        for (name, bytes) in files {
            super::write_file(&folder.join(name), &bytes)?;
        }
    }
    if let Some(folder) = &args.parquet {
        write_parquet(args, folder, trials)?;
    }
    match (&args.html, trials) {
        (None, _) => Ok(()),
        (Some(page), [capture]) if capture.number == 0 => {
            let names: Vec<String> = args.paths.iter().map(|path| path.display().to_string()).collect();
            super::write_file(page, html::capture(&names, &capture.measured).as_bytes())
        }
        _ => Err(Failure::new(2, "--html is for captures; `fivenines report RUN` makes the page of a run")),
    }
}

fn print_json(mut trials: Vec<Numbered>) -> Result<(), Failure> {
    match trials.len() {
        1 => super::print_json(&trials.remove(0).measured),
        _ => super::print_json(&Several { schema: SCHEMA, trials }),
    }
}

/// The measured trials; a capture is trial 0.
fn measure(args: &MeasureArgs) -> Result<Vec<Numbered>, Failure> {
    let wrong = |error: crate::analysis::measure::MeasureError| Failure::new(2, error.to_string());
    let filter = args.part.filter();
    match &args.paths[..] {
        [path] if path.is_dir() && !filter.is_empty() => Err(Failure::new(
            2,
            format!(
                "a part can be measured of captures only; those of a run are in {}",
                path.join("trials/001/captures").display()
            ),
        )),
        [path] if path.is_dir() => measure_run(&RunDir::at(path), args.trial),
        paths if args.trial.is_none() => {
            named_once(paths)?;
            let measured = measure_part(paths, &filter).map_err(wrong)?;
            Ok(vec![Numbered { number: 0, measured }])
        }
        _ => Err(Failure::new(2, "--trial is for one run directory; captures have no trials")),
    }
}

/// Every packet of a file that is named twice would be a duplicate, and standard input ends but once.
fn named_once(paths: &[PathBuf]) -> Result<(), Failure> {
    let same = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let mut seen = BTreeSet::new();
    match paths.iter().find(|path| !seen.insert(same(path))) {
        None => Ok(()),
        Some(twice) => {
            let name = if twice.as_os_str() == "-" { "standard input".into() } else { twice.to_string_lossy() };
            Err(Failure::new(2, format!("{name} is named twice: name each file of the trace once")))
        }
    }
}

fn measure_run(run: &RunDir, only: Option<u32>) -> Result<Vec<Numbered>, Failure> {
    let path = run.path().display();
    if !run.exists() {
        return Err(Failure::new(
            2,
            format!("{path} is no run directory: it has no run.json; name one, or capture files"),
        ));
    }
    let (scenario, _) = read_scenario(&run.scenario())?;
    let trials = run.trials().map_err(|error| Failure::new(2, format!("{path} has no trials: {error}")))?;
    let mut measured = Vec::new();
    for (number, trial) in trials.into_iter().filter(|(number, _)| only.is_none_or(|only| only == *number)) {
        let trial = measure_trial(&trial, &scenario).map_err(|error| Failure::new(2, error.to_string()))?;
        measured.push(Numbered { number, measured: trial });
    }
    if measured.is_empty() {
        let which = only.map_or("any trial".to_owned(), |only| format!("trial {only}"));
        return Err(Failure::new(2, format!("{path} does not have {which}")));
    }
    Ok(measured)
}
