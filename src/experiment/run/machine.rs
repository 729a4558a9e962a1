//! What this machine allows and is.

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};

/// Asks for SCHED_FIFO for the calling thread; whether it was granted.
pub fn real_time() -> bool {
    set_scheduler(libc::SCHED_FIFO, 10)
}

/// Whether real-time priority would be granted; the calling thread keeps its own.
#[must_use]
pub fn real_time_allowed() -> bool {
    real_time() && set_scheduler(libc::SCHED_OTHER, 0)
}

fn set_scheduler(class: i32, priority: i32) -> bool {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: the call reads the struct that it is given and changes only the calling thread's class.
    unsafe { libc::sched_setscheduler(0, class, &raw const parameters) == 0 }
}

/// Raises the limit of open files as far as this user may; the limit that holds now. Each call needs four sockets,
/// each relay port one.
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    let wanted = hard.min(65_536);
    if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() { wanted } else { soft }
}

/// CPU time of this process so far, in seconds.
#[must_use]
pub fn cpu_seconds() -> f64 {
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| seconds(usage.user_time()) + seconds(usage.system_time()))
}
