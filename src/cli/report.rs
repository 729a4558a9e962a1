//! `fivenines report`: makes the derived files of a run directory again.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, judge, print_json};
use crate::evidence::rundir::RunDir;

/// Arguments of `fivenines report`.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Run directory
    run: PathBuf,
    /// Print report.json to standard output and nothing else
    #[arg(long)]
    json: bool,
}

/// Measures the evidence again and writes the report; the exit code is the verdict's.
///
/// # Errors
/// When the directory cannot be read or written.
pub fn run(args: &ReportArgs) -> Result<u8, Failure> {
    let dir = RunDir::at(&args.run);
    let judged = judge::judge(&dir)?;
    judge::write(&judged, &dir)?;
    if args.json {
        print_json(&judged.report)?;
    } else {
        judge::print(&judged, &args.run);
    }
    Ok(judged.exit_code())
}
