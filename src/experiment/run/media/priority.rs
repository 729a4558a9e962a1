//! Real-time priority for the pacing thread, where the user may have it.

/// Asks for SCHED_FIFO for the calling thread; whether it was granted.
pub(super) fn real_time() -> bool {
    let parameters = libc::sched_param { sched_priority: 10 };
    // SAFETY: the call reads the struct that it is given and changes only the calling thread's class.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) == 0 }
}
