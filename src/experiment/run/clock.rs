//! The run clock: the one place where time is read and waited for.
//!
//! The run clock is CLOCK_MONOTONIC minus its value at the start of the trial. Kernel receive stamps come in
//! CLOCK_REALTIME; [`Clock::from_wall`] maps them with the offset sampled when the clock started, and
//! [`Clock::wall_now`] is recorded through the run so that a step of the wall clock is noticed.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

use crate::units::{RunTime, Span};

/// The clock of one trial. Cheap to copy; all copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    monotonic_epoch_ns: i64,
    wall_epoch_ns: i64,
}

impl Clock {
    /// Starts a run clock: now is its epoch.
    #[must_use]
    pub fn start() -> Clock {
        let (monotonic_epoch_ns, wall_epoch_ns) = sample();
        Clock { monotonic_epoch_ns, wall_epoch_ns }
    }

    /// A clock whose epoch lies at the given CLOCK_MONOTONIC value: child processes share the parent's.
    #[must_use]
    pub fn with_epoch(monotonic_epoch_ns: i64) -> Clock {
        let (monotonic, wall) = sample();
        Clock { monotonic_epoch_ns, wall_epoch_ns: wall - (monotonic - monotonic_epoch_ns) }
    }

    /// CLOCK_MONOTONIC at the epoch, for [`Clock::with_epoch`].
    #[must_use]
    pub fn monotonic_epoch_ns(&self) -> i64 {
        self.monotonic_epoch_ns
    }

    /// Unix time at the epoch in nanoseconds, for capture files.
    #[must_use]
    pub fn wall_epoch_ns(&self) -> i64 {
        self.wall_epoch_ns
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> RunTime {
        RunTime(monotonic_ns() - self.monotonic_epoch_ns)
    }

    /// Unix time now, in nanoseconds.
    #[must_use]
    pub fn wall_now(&self) -> i64 {
        wall_ns()
    }

    /// The run time of a kernel stamp in Unix nanoseconds.
    #[must_use]
    pub fn from_wall(&self, unix_ns: i64) -> RunTime {
        RunTime(unix_ns - self.wall_epoch_ns)
    }

    /// Sleeps until `deadline` (at once if it has passed); a signal may end the sleep early.
    pub fn sleep_until(&self, deadline: RunTime) {
        let at = self.monotonic_epoch_ns + deadline.as_nanos();
        let request = nix::sys::time::TimeSpec::new(at.div_euclid(1_000_000_000), at.rem_euclid(1_000_000_000));
        let _interrupted = clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &request);
    }

    /// Sleeps for `span`.
    pub fn sleep(&self, span: Span) {
        self.sleep_until(self.now() + span);
    }

    /// The same deadline for tokio's timers.
    #[must_use]
    pub fn tokio_deadline(&self, deadline: RunTime) -> tokio::time::Instant {
        tokio::time::Instant::now() + (deadline - self.now()).to_duration()
    }
}

/// Both clocks as close together as three tries allow.
fn sample() -> (i64, i64) {
    let one = || {
        let before = monotonic_ns();
        let wall = wall_ns();
        let after = monotonic_ns();
        (after - before, before + (after - before) / 2, wall)
    };
    let (_, monotonic, wall) = [one(), one(), one()].into_iter().min().unwrap_or_else(one);
    (monotonic, wall)
}

fn monotonic_ns() -> i64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

#[expect(clippy::disallowed_methods, reason = "this module is the one reader of the clocks")]
fn wall_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(0))
}
