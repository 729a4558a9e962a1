//! Ctrl-C and SIGTERM: noticed between two steps of a run, so that healing and evidence come first.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Receives SIGINT and SIGTERM in place of their default action.
#[derive(Debug)]
pub struct Interrupt {
    signals: Option<SignalFd>,
    seen: bool,
}

impl Interrupt {
    /// Takes both signals over. Call it before any thread is started: threads inherit the mask.
    ///
    /// # Errors
    /// When the kernel refuses; the signals then end the program at once.
    pub fn take() -> Result<Interrupt, Errno> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGINT);
        mask.add(Signal::SIGTERM);
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Interrupt { signals: Some(signals), seen: false })
    }

    /// An interrupt that never comes: for tests and library users who have their own.
    #[must_use]
    pub fn never() -> Interrupt {
        Interrupt { signals: None, seen: false }
    }

    /// Whether one of the signals has come.
    pub fn seen(&mut self) -> bool {
        if let Some(signals) = &mut self.signals {
            let mut set = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            let ready = poll(&mut set, PollTimeout::ZERO).unwrap_or(0) > 0;
            self.seen |= ready && matches!(signals.read_signal(), Ok(Some(_)));
        }
        self.seen
    }
}
