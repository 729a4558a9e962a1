//! The driver: the only place with sockets, clocks and threads (beside capture and the clusters).
//!
//! [`run`] takes a scenario through its trials and leaves a run directory. [`clock`] and [`recorder`] are the
//! ground that every other part of `experiment` stands on.

pub mod clock;
pub mod interrupt;
pub mod machine;
pub mod media;
mod netns;
pub mod phones;
pub mod recorder;
pub mod socket;
pub mod trial;
pub mod xmpp;

use std::io;
use std::path::{Path, PathBuf};

use crate::evidence::rundir::{RunDir, RunInfo};
use crate::experiment::cluster::lab::Lab;
use crate::experiment::cluster::reference::Reference;
use crate::experiment::cluster::{Cluster, ClusterError};
use crate::experiment::fault;
use crate::experiment::plan::Plan;
use crate::scenario::{self, Scenario};
use crate::units::Span;
use interrupt::Interrupt;
use trial::TrialEnd;

/// Why a run could not be done.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The cluster is not there, or did not do what it was told.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The cluster cannot do what the scenario wants.
    #[error("{cluster} cannot do {fault}: {reason}")]
    Unsupported {
        /// The cluster.
        cluster: String,
        /// The fault.
        fault: String,
        /// Why.
        reason: String,
    },
    /// Evidence could not be written.
    #[error(
        "cannot write evidence to {path}: {reason}\n  remedy: make room or choose another place with --out; what was written before is kept"
    )]
    Evidence {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A socket could not be had.
    #[error("a socket could not be opened: {0}")]
    Sockets(String),
    /// The traffic did not become steady.
    #[error(
        "the traffic never became steady {0}\n  remedy: look at history.jsonl of the trial; give the cluster fewer users, or fix it"
    )]
    NotSteady(String),
}

/// Who listens to the progress of a run.
pub trait Ears {
    /// A trial begins.
    fn trial(&mut self, number: u32, of: u32);
    /// The cluster is up after `took`.
    fn cluster_up(&mut self, took: Span);
    /// Traffic is being set up.
    fn settling(&mut self, registered: usize, phones: usize, talking: usize, standing: usize);
    /// The window is running.
    fn running(&mut self, at: Span, window: Span, talking: usize);
    /// A fault was injected or healed.
    fn broken(&mut self, what: &str);
}

/// How a run shall be done.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The run directory; it must not exist.
    pub out: PathBuf,
    /// Trials.
    pub trials: u32,
    /// Seed of the first trial.
    pub seed: u64,
    /// This program.
    pub program: PathBuf,
}

/// Takes a scenario through its trials. The directory is left with all evidence even when a trial fails.
///
/// # Errors
/// When the cluster does not come up, evidence cannot be written or traffic never becomes steady.
pub fn run(
    scenario: &Scenario,
    text: &str,
    options: &RunOptions,
    interrupt: &mut Interrupt,
    ears: &mut dyn Ears,
) -> Result<Vec<TrialEnd>, RunError> {
    let dir = RunDir::at(&options.out);
    let plan = Plan::make(scenario, options.seed);
    let mut cluster = make_cluster(scenario, &plan, &options.program)?;
    check_faults(scenario, &*cluster)?;
    cluster.ready()?;
    machine::raise_open_files();
    write_head(scenario, text, options, &*cluster, &dir).map_err(|error| RunError::evidence(dir.path(), error))?;
    let mut ends = Vec::new();
    for number in 1..=options.trials {
        ears.trial(number, options.trials);
        let plan = Plan::make(scenario, options.seed + u64::from(number) - 1);
        let trial_dir = dir.trial(number);
        let written = trial_dir.create().and_then(|()| trial::write_plan(&plan, &trial_dir.plan()));
        written.map_err(|error| RunError::evidence(trial_dir.path(), error))?;
        let before = clock::Clock::start();
        cluster.up(&plan.users())?;
        ears.cluster_up(before.now() - crate::units::RunTime::ZERO);
        let end = trial::run(scenario, &plan, &mut *cluster, &trial_dir, interrupt, ears);
        cluster.down();
        let end = end?;
        let stop = end.interrupted;
        ends.push(end);
        if stop {
            break;
        }
    }
    Ok(ends)
}

fn make_cluster(scenario: &Scenario, plan: &Plan, program: &Path) -> Result<Box<dyn Cluster>, RunError> {
    Ok(match &scenario.cluster {
        scenario::Cluster::Reference(config) => {
            Box::new(Reference::new(config, program.to_owned(), plan.concurrent_sessions())?)
        }
        scenario::Cluster::Lab(config) => Box::new(Lab::new(config)?),
    })
}

fn check_faults(scenario: &Scenario, cluster: &dyn Cluster) -> Result<(), RunError> {
    scenario.faults.iter().map(serde_spanned::Spanned::get_ref).try_for_each(|fault| {
        cluster.supports(fault::action(fault)).map_err(|reason| RunError::Unsupported {
            cluster: cluster.describe(),
            fault: fault.kind().into(),
            reason,
        })
    })
}

fn write_head(
    scenario: &Scenario,
    text: &str,
    options: &RunOptions,
    cluster: &dyn Cluster,
    dir: &RunDir,
) -> io::Result<()> {
    std::fs::create_dir_all(dir.path().join("trials"))?;
    std::fs::write(dir.scenario(), text)?;
    let system = nix::sys::utsname::uname()?;
    let info = RunInfo {
        schema: "fivenines.run.v1".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        started_utc: utc_now(),
        seed: options.seed,
        trials_planned: options.trials,
        kernel: system.release().to_string_lossy().into_owned(),
        cpus: std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32),
        arch: std::env::consts::ARCH.into(),
        cluster: cluster.describe(),
        traffic: scenario.describe_traffic(),
        servers: cluster.versions().into_iter().collect(),
    };
    std::fs::write(dir.run_json(), serde_json::to_vec_pretty(&info)?)
}

/// UTC now, RFC 3339, to the second.
#[must_use]
pub fn utc_now() -> String {
    let wall = clock::Clock::start().wall_now().max(0).unsigned_abs();
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + std::time::Duration::from_nanos(wall)).to_string()
}

impl RunError {
    fn evidence(path: &Path, error: io::Error) -> RunError {
        RunError::Evidence { path: path.to_owned(), reason: error.to_string() }
    }

    /// Exit code of the program: 3 environment not ready, 4 measurement void.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            RunError::Cluster(_) | RunError::Sockets(_) => 3,
            RunError::Unsupported { .. } => 2,
            RunError::Evidence { .. } | RunError::NotSteady(_) => 4,
        }
    }
}
