//! From a run directory to its report: what `run`, `measure` and `report` share.

use std::io::IsTerminal;
use std::path::Path;

use super::Failure;
use crate::analysis::measure;
use crate::analysis::report::{
    self,
    model::{Outcome, Report, Trial},
};
use crate::evidence::rundir::RunDir;

/// A judged run.
#[derive(Debug)]
pub struct Judged {
    /// Everything that the report says.
    pub report: Report,
}

impl Judged {
    /// 0 pass, 1 a threshold failed, 4 the measurement is void or a judged figure is undefined.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.report.verdict.outcome {
            Outcome::Pass => 0,
            Outcome::Fail => 1,
            Outcome::Unknown => 4,
        }
    }
}

/// Measures every trial of a run directory and assembles the report. Pure but for reading.
///
/// # Errors
/// When the directory is not one of ours or its scenario does not parse.
pub fn judge(dir: &RunDir) -> Result<Judged, Failure> {
    let path = dir.path().display();
    let info = dir.read_info().map_err(|error| Failure::new(2, format!("{path} is no run directory: {error}")))?;
    let (scenario, _) = super::read_scenario(&dir.scenario())?;
    let trials = dir.trials().map_err(|error| Failure::new(2, format!("{path} has no trials: {error}")))?;
    let mut measured = Vec::new();
    for (number, trial) in trials {
        let trial = measure::measure_trial(&trial, &scenario)
            .map_err(|error| Failure::new(4, format!("trial {number} of {path} cannot be measured: {error}")))?;
        measured.push(Trial { number, seed: info.seed + u64::from(number) - 1, measured: trial });
    }
    Ok(Judged { report: report::assemble(&scenario, info, measured) })
}

/// Writes the derived files into the run directory.
///
/// # Errors
/// When the disk does not take them.
pub fn write(judged: &Judged, dir: &RunDir) -> Result<usize, Failure> {
    let files = report::render_all(&judged.report).map_err(|error| Failure::new(4, error.to_string()))?;
    for (name, bytes) in &files {
        super::write_file(&dir.path().join(name), bytes)?;
    }
    Ok(files.len())
}

/// Prints the summary and where everything is.
pub fn print(judged: &Judged, dir: &Path) {
    print!("{}", report::terminal::terminal(&judged.report, std::io::stdout().is_terminal()));
    println!("   {}/   report.html", dir.display());
}
