//! `fivenines compare`: has failover become slower? The gate for CI jobs.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, print_json};
use crate::analysis::compare::{
    BASELINE_SCHEMA, Baseline, Comparison, Options, Trend, annotations, compare, junit, markdown, terminal, trend,
    trend_markdown, trend_terminal,
};
use crate::analysis::report::model::{Outcome, Report};
use crate::evidence::rundir::RunDir;

/// Arguments of `fivenines compare`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "BASELINE and RUN are run directories, report.json files, or baseline files made with \
--write-baseline. The exit code is 1 if the last RUN is slower than BASELINE, 4 if it cannot be told.")]
pub struct CompareArgs {
    /// What to compare with; of --write-baseline: the run to reduce
    #[arg(value_name = "BASELINE")]
    baseline: PathBuf,
    /// What to compare; several give a table of the trend
    #[arg(value_name = "RUN", required_unless_present = "write_baseline")]
    runs: Vec<PathBuf>,
    /// Slowdown that is tolerated
    #[arg(long, default_value = "100ms", value_parser = milliseconds, value_name = "TIME")]
    tolerance: f64,
    /// Slowdown that is tolerated, in percent of the baseline's median; the larger tolerance holds
    #[arg(long, default_value_t = 10.0, value_parser = percent, value_name = "PERCENT")]
    tolerance_percent: f64,
    /// Drop of the MOS that is tolerated
    #[arg(long, default_value_t = Options::default().tolerance_mos, value_parser = positive, value_name = "MOS")]
    tolerance_mos: f64,
    /// Rise of the 95th percentile of the one-way delay that is tolerated
    #[arg(long, default_value = "10ms", value_parser = milliseconds, value_name = "TIME")]
    tolerance_delay: f64,
    /// Rise of the 95th percentile of the jitter that is tolerated
    #[arg(long, default_value = "5ms", value_parser = milliseconds, value_name = "TIME")]
    tolerance_jitter: f64,
    /// Rise of the loss that is tolerated, in percentage points
    #[arg(long, default_value_t = Options::default().tolerance_loss_percent, value_parser = percent, value_name = "POINTS")]
    tolerance_loss: f64,
    /// Print JSON
    #[arg(long, conflicts_with_all = ["markdown", "annotations"])]
    json: bool,
    /// Print Markdown, for the summary of a pull request
    #[arg(long)]
    markdown: bool,
    /// Print workflow commands (`::error title=…::…`) as well
    #[arg(long)]
    annotations: bool,
    /// Write JUnit XML: one case for each service, fault and figure of media quality
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Reduce a run to a small file that can be committed, and compare nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["runs", "json", "markdown", "annotations", "junit"])]
    write_baseline: Option<PathBuf>,
}

/// Compares; the exit code is the outcome of the last run.
///
/// # Errors
/// When a file cannot be read or written, or is none of ours.
pub fn run(args: &CompareArgs) -> Result<u8, Failure> {
    let baseline = read(&args.baseline)?;
    if let Some(path) = &args.write_baseline {
        write(path, format!("{}\n", super::json(&baseline)).as_bytes())?;
        println!("{}", path.display());
        return Ok(0);
    }
    let options = Options {
        tolerance_ms: args.tolerance,
        tolerance_percent: args.tolerance_percent,
        tolerance_mos: args.tolerance_mos,
        tolerance_delay_ms: args.tolerance_delay,
        tolerance_jitter_ms: args.tolerance_jitter,
        tolerance_loss_percent: args.tolerance_loss,
        ..Options::default()
    };
    let comparisons: Vec<Comparison> =
        args.runs.iter().map(|path| Ok(compare(&baseline, &read(path)?, &options))).collect::<Result<_, Failure>>()?;
    let Some(last) = comparisons.last() else { return Err(Failure::new(2, "give a RUN to compare")) };
    if let Some(path) = &args.junit {
        let xml = junit(last).map_err(|error| Failure::new(4, format!("the JUnit file cannot be made: {error}")))?;
        write(path, &xml)?;
    }
    show(args, last, trend(&comparisons).filter(|trend| trend.runs.len() > 1))?;
    Ok(match last.outcome {
        Outcome::Pass => 0,
        Outcome::Fail => 1,
        Outcome::Unknown => 4,
    })
}

fn show(args: &CompareArgs, last: &Comparison, trend: Option<Trend>) -> Result<(), Failure> {
    match (args.json, trend) {
        (true, Some(trend)) => return print_json(&trend),
        (true, None) => return print_json(last),
        (false, Some(trend)) if args.markdown => println!("{}", trend_markdown(&trend)),
        (false, Some(trend)) => println!("{}", trend_terminal(&trend)),
        (false, None) => {}
    }
    print!("{}", if args.markdown { markdown(last) } else { terminal(last) });
    if args.annotations {
        print!("{}", annotations(last));
    }
    Ok(())
}

/// A baseline file, a report, or a run directory with its report.
fn read(path: &Path) -> Result<Baseline, Failure> {
    let bytes = read_json(path)?;
    let wrong = |error: serde_json::Error| {
        Failure::new(
            2,
            format!("{} is neither a report.json nor a baseline file of this version: {error}", path.display()),
        )
    };
    let schema: Schema = serde_json::from_slice(&bytes).map_err(wrong)?;
    if schema.schema == BASELINE_SCHEMA {
        return serde_json::from_slice(&bytes).map_err(wrong);
    }
    let report: Report = serde_json::from_slice(&bytes).map_err(wrong)?;
    Ok(Baseline::of(&report))
}

/// The one key that tells which file it is.
#[derive(serde::Deserialize)]
struct Schema {
    schema: String,
}

/// The bytes of a file, or of the report in a run directory.
pub(super) fn read_json(path: &Path) -> Result<Vec<u8>, Failure> {
    let file = if path.is_dir() { RunDir::at(path).report_json() } else { path.to_owned() };
    std::fs::read(&file).map_err(|error| {
        let remedy =
            if path.is_dir() { format!("; make it with `fivenines report {}`", path.display()) } else { String::new() };
        Failure::new(2, format!("cannot read {}: {error}{remedy}", file.display()))
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|error| Failure::new(2, format!("cannot write {}: {error}", path.display())))
}

fn milliseconds(text: &str) -> Result<f64, String> {
    let duration = humantime::parse_duration(text).map_err(|error| format!("{error}: write for example 100ms"))?;
    Ok(duration.as_secs_f64() * 1e3)
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err(format!("{text:?} is no difference: write for example 0.2")),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err(format!("{text:?} is no percentage: write for example 10")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::report::fixture;
    use crate::units::Span;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CompareArgs,
    }

    /// A directory that is removed when the test ends.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("fivenines-compare-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Scratch(path)
        }

        /// A `report.json` of 24 planted trials, each outage longer by `slower_ms`.
        fn report(&self, name: &str, slower_ms: f64) -> String {
            let mut report = fixture::quickstart(24);
            for outage in report.trials.iter_mut().flat_map(|trial| &mut trial.measured.outages) {
                outage.duration_ms += slower_ms;
                outage.end_ns = outage.end_ns.map(|end| end + Span::from_secs_f64(slower_ms / 1e3));
            }
            self.write(name, &serde_json::to_string(&report).unwrap())
        }

        fn write(&self, name: &str, text: &str) -> String {
            std::fs::write(self.0.join(name), text).unwrap();
            self.path(name)
        }

        fn path(&self, name: &str) -> String {
            self.0.join(name).display().to_string()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _gone = std::fs::remove_dir_all(&self.0);
        }
    }

    fn exit(line: &[&str]) -> Result<u8, Failure> {
        run(&Line::try_parse_from([&["compare"], line].concat()).unwrap().args)
    }

    #[test]
    fn a_committed_baseline_gates_in_both_directions() {
        let scratch = Scratch::new("gate");
        let (before, slow) = (scratch.report("before.json", 0.0), scratch.report("slow.json", 300.0));
        let (baseline, xml) = (scratch.path("baseline.json"), scratch.path("junit.xml"));
        assert_eq!(exit(&["--write-baseline", &baseline, &before]).unwrap(), 0);
        assert!(std::fs::metadata(&baseline).unwrap().len() < 40_000);
        assert_eq!(exit(&[&baseline, &before, "--annotations"]).unwrap(), 0);
        assert_eq!(exit(&[&baseline, &slow, "--junit", &xml, "--markdown"]).unwrap(), 1);
        assert!(std::fs::read_to_string(&xml).unwrap().contains("<failure"));
        assert_eq!(exit(&[&baseline, &slow, "--tolerance", "2s", "--json"]).unwrap(), 0);
        assert_eq!(exit(&[&baseline, &slow, &before]).unwrap(), 0, "the last of several decides");
    }

    #[test]
    fn the_example_for_ci_is_sound() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci");
        let (scenario, _) = super::super::read_scenario(&root.join("failover.toml")).unwrap();
        let baseline = read(&root.join("baseline.json")).unwrap();
        assert_eq!(baseline.scenario, scenario.name);
        assert_eq!(baseline.trials, u64::from(*scenario.trials.get_ref()));
        assert!(baseline.void.is_empty() && baseline.outages.len() == 9);
        assert_eq!(compare(&baseline, &baseline, &Options::default()).outcome, Outcome::Pass);
    }

    #[test]
    fn what_is_none_of_ours_is_told() {
        let scratch = Scratch::new("wrong");
        let other = scratch.write("other.json", "{\"schema\": \"somebody.v1\"}");
        let message = |line: &[&str]| exit(line).unwrap_err().message;
        assert!(message(&[&other, &other]).contains("neither a report.json nor a baseline"));
        assert!(message(&[&scratch.path(""), &other]).contains("fivenines report"));
        assert!(message(&["nowhere.json", &other]).contains("cannot read nowhere.json"));
        assert!(Line::try_parse_from(["compare", &other]).is_err());
        assert!(Line::try_parse_from(["compare", &other, &other, "--tolerance", "fast"]).is_err());
    }
}
