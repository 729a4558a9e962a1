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
use crate::experiment::cluster::external::External;
use crate::experiment::cluster::lab::Lab;
use crate::experiment::cluster::reference::Reference;
use crate::experiment::cluster::{Cluster, ClusterError};
use crate::experiment::fault;
use crate::experiment::plan::{Plan, PlannedEncoding, Wish};
use crate::scenario::{self, ExternalCluster, Scenario};
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
    /// What the video calls shall show could not be encoded.
    #[error("{0}")]
    Pictures(String),
    /// A socket could not be had.
    #[error("a socket could not be opened: {0}")]
    Sockets(String),
}

/// Who listens to the progress of a run.
pub trait Ears {
    /// A trial begins.
    fn trial(&mut self, number: u32, of: u32);
    /// Something that is made once is being made.
    fn preparing(&mut self, _step: &str) {}
    /// The cluster is up after `took`.
    fn cluster_up(&mut self, took: Span);
    /// Traffic is being set up.
    fn settling(&mut self, registered: usize, phones: usize, talking: usize, standing: usize);
    /// The window is running.
    fn running(&mut self, at: Span, window: Span, talking: usize);
    /// A fault was injected or healed.
    fn broken(&mut self, what: &str);
    /// The trial is void; whether another one is run in its place.
    fn void(&mut self, reasons: &[String], again: bool);
}

/// Encodes what the video calls show, before anything is timed.
fn prepare_pictures(plan: &Plan, ears: &mut dyn Ears) -> Result<(), RunError> {
    let mut videos = plan.intents.iter().filter_map(|intent| match &intent.wish {
        Wish::Call(call) => call.video.as_ref(),
        _ => None,
    });
    // All video calls of a scenario show the same.
    let Some((video, encoding)) = videos.find_map(|video| Some((video, video.encoding?))) else { return Ok(()) };
    let PlannedEncoding { width, height, frame_rate, .. } = encoding;
    ears.preparing(&format!("encoding pictures of {width}x{height} at {frame_rate}/s"));
    phones::clip_of(video).map(|_| ()).map_err(RunError::Pictures)
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

/// Takes a scenario through its trials; a void one is repeated as long as `design.repeats` lasts. The directory is left with all evidence even when a trial fails.
///
/// # Errors
/// When the cluster does not come up, a fault cannot be injected or evidence cannot be written.
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
    prepare_pictures(&plan, ears)?;
    cluster.prepare(&mut |step| ears.preparing(step))?;
    machine::raise_open_files();
    write_head(scenario, text, options, &*cluster, &dir).map_err(|error| RunError::evidence(dir.path(), error))?;
    let mut ends = Vec::new();
    let mut trials = Trials { wanted: options.trials, repeats: *scenario.design.repeats.get_ref() };
    while trials.wanted > 0 {
        let number = ends.len() as u32 + 1;
        ears.trial(number, number + trials.wanted - 1);
        let end = one_trial(scenario, options.seed, number, &mut *cluster, &dir, (interrupt, ears))?;
        let stop = end.interrupted;
        if !stop && !end.void.is_empty() {
            ears.void(&end.void, trials.repeats > 0);
        }
        trials.done(end.void.is_empty());
        ends.push(end);
        if stop {
            break;
        }
    }
    Ok(ends)
}

/// How many trials are still to be run.
struct Trials {
    wanted: u32,
    repeats: u32,
}

impl Trials {
    /// A void trial is run again while there are repeats.
    fn done(&mut self, counts: bool) {
        if counts || self.repeats == 0 {
            self.wanted -= 1;
        } else {
            self.repeats -= 1;
        }
    }
}

fn one_trial(
    scenario: &Scenario,
    seed: u64,
    number: u32,
    cluster: &mut dyn Cluster,
    dir: &RunDir,
    (interrupt, ears): (&mut Interrupt, &mut dyn Ears),
) -> Result<TrialEnd, RunError> {
    let plan = Plan::make(scenario, seed + u64::from(number) - 1);
    let trial_dir = dir.trial(number);
    let written = trial_dir.create().and_then(|()| trial::write_plan(&plan, &trial_dir.plan()));
    written.map_err(|error| RunError::evidence(trial_dir.path(), error))?;
    let before = clock::Clock::start();
    cluster.up(&plan.users())?;
    ears.cluster_up(before.now() - crate::units::RunTime::ZERO);
    let end = trial::run(scenario, &plan, cluster, &trial_dir, interrupt, ears);
    cluster.down();
    end
}

fn make_cluster(scenario: &Scenario, plan: &Plan, program: &Path) -> Result<Box<dyn Cluster>, RunError> {
    Ok(match &scenario.cluster {
        scenario::Cluster::Reference(config) => {
            Box::new(Reference::new(config, program.to_owned(), plan.concurrent_sessions())?)
        }
        scenario::Cluster::Lab(config) => Box::new(Lab::new(config)?),
        scenario::Cluster::External(config) => Box::new(external(config, scenario, plan)?),
    })
}

/// The external cluster, if every fault can be done to every node that it may hit.
fn external(config: &ExternalCluster, scenario: &Scenario, plan: &Plan) -> Result<External, RunError> {
    let cluster = External::new(config, scenario.window.get_ref().0);
    if let Some(what) = plan.missing_accounts(scenario) {
        let remedy = "name more users in [cluster.external.accounts], or let less traffic run".to_owned();
        return Err(RunError::Cluster(ClusterError::NotReady { what, remedy }));
    }
    for spec in scenario.faults.iter().map(serde_spanned::Spanned::get_ref) {
        let done = cluster.commands(spec.target(), fault::action(spec), None);
        done.map_err(|reason| RunError::Unsupported {
            cluster: cluster.describe(),
            fault: format!("{} of {}", spec.kind(), spec.target()),
            reason,
        })?;
    }
    Ok(cluster)
}

fn check_faults(scenario: &Scenario, cluster: &dyn Cluster) -> Result<(), RunError> {
    scenario.faults.iter().map(serde_spanned::Spanned::get_ref).try_for_each(|fault| {
        cluster.supports_at(fault.target(), fault::action(fault)).map_err(|reason| RunError::Unsupported {
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
        machines: cluster.machines(),
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
            RunError::Unsupported { .. } | RunError::Pictures(_) => 2,
            RunError::Evidence { .. } => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(outcomes: &[bool], wanted: u32, repeats: u32) -> usize {
        let mut trials = Trials { wanted, repeats };
        let mut all = outcomes.iter().copied().chain(std::iter::repeat(false));
        let mut n = 0;
        while trials.wanted > 0 {
            trials.done(all.next().unwrap_or(false));
            n += 1;
        }
        n
    }

    #[test]
    fn void_trials_are_repeated_up_to_the_bound() {
        assert_eq!(run_of(&[true, true, true], 3, 2), 3);
        assert_eq!(run_of(&[true, false, true, true], 3, 2), 4, "one repeat");
        assert_eq!(run_of(&[], 3, 2), 5, "all void: two repeats and no more");
        assert_eq!(run_of(&[], 3, 0), 3);
    }
}
