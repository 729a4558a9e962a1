//! Plays whole comparisons of planted worlds: how often the gate raises a false alarm, and what it sees.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

use super::{BASELINE_SCHEMA, Baseline, FailoverCounts, Options, QualitySample, SERVICES, ServiceSample, compare};
use crate::analysis::report::model::Outcome;

/// A run of trials whose outages (and figures of media quality) follow a known law, each by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct World {
    /// Trials.
    pub trials: usize,
    /// Faults.
    pub faults: usize,
    /// Services that each fault takes away, at most nine.
    pub services: usize,
    /// Whether media quality is measured as well: MOS, delay, jitter and loss before, during and after.
    pub quality: bool,
    /// Mean of an outage.
    pub mean_ms: f64,
    /// Standard deviation of an outage over trials.
    pub sd_ms: f64,
    /// How an outage is distributed.
    pub law: Law,
}

/// Distribution of an outage over trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Normal.
    Normal,
    /// Uniform, as a failover whose timers run at a random phase against the fault.
    Uniform,
    /// Exponential above its least value: a long tail.
    Exponential,
}

/// Outcomes of many comparisons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Said: slower.
    pub fail: u32,
    /// Said: cannot be told.
    pub unknown: u32,
    /// Said: not slower.
    pub pass: u32,
}

/// Compares `comparisons` pairs of runs; in the second run every outage is longer by `shift_ms`.
#[must_use]
pub fn outcomes(world: &World, shift_ms: f64, options: &Options, comparisons: u32, seed: u64) -> Outcomes {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut outcomes = Outcomes::default();
    for _ in 0..comparisons {
        let baseline = world.run(0.0, &mut rng);
        let run = world.run(shift_ms, &mut rng);
        match compare(&baseline, &run, options).outcome {
            Outcome::Fail => outcomes.fail += 1,
            Outcome::Unknown => outcomes.unknown += 1,
            Outcome::Pass => outcomes.pass += 1,
        }
    }
    outcomes
}

impl World {
    /// One run of this world.
    pub fn run(&self, shift_ms: f64, rng: &mut StdRng) -> Baseline {
        let pairs =
            (0..self.faults).flat_map(|fault| SERVICES.iter().take(self.services).map(move |name| (fault, name)));
        let outages = pairs.map(|(fault, service)| ServiceSample {
            fault,
            kind: "power_off".to_owned(),
            heal_of: None,
            service: (*service).to_owned(),
            trials_ms: (0..self.trials).map(|_| self.outage(rng) + shift_ms).collect(),
            above_ms: Vec::new(),
        });
        let trials = self.trials as u64;
        let worked = |fault| FailoverCounts { fault, kind: "power_off".to_owned(), tried: trials, recovered: trials };
        Baseline {
            schema: BASELINE_SCHEMA.to_owned(),
            scenario: "planted".to_owned(),
            started_utc: "2026-11-24T13:24:10Z".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: 0,
            cluster: "planted".to_owned(),
            traffic: Vec::new(),
            servers: std::collections::BTreeMap::new(),
            trials,
            void: Vec::new(),
            outages: outages.collect(),
            failovers: (0..self.faults).map(worked).collect(),
            quality: if self.quality { self.heard(rng) } else { Vec::new() },
        }
    }

    /// Figures near what a quiet network gives; their noise is far from their tolerances' zero.
    fn heard(&self, rng: &mut StdRng) -> Vec<QualitySample> {
        const FIGURES: [(&str, f64, f64); 4] =
            [("mos", 4.1, 0.1), ("loss_percent", 1.0, 0.4), ("delay_ms_p95", 30.0, 6.0), ("jitter_ms_p95", 8.0, 3.0)];
        let periods = ["before", "during", "after"].into_iter();
        let pairs = periods.flat_map(|period| FIGURES.map(|figure| (period, figure)));
        let sample = |(period, (figure, mean, sd)): (&str, (&str, f64, f64))| QualitySample {
            figure: figure.to_owned(),
            period: period.to_owned(),
            trials: (0..self.trials).map(|_| mean + sd * self.standard(rng)).collect(),
        };
        pairs.map(sample).collect()
    }

    fn outage(&self, rng: &mut StdRng) -> f64 {
        self.mean_ms + self.sd_ms * self.standard(rng)
    }

    /// A draw of the law with mean 0 and standard deviation 1.
    fn standard(&self, rng: &mut StdRng) -> f64 {
        let even: f64 = rng.random_range(f64::EPSILON..1.0);
        match self.law {
            Law::Normal => Normal::standard().inverse_cdf(even),
            Law::Uniform => (even - 0.5) * 12.0f64.sqrt(),
            Law::Exponential => -even.ln() - 1.0,
        }
    }
}
