//! The driver of all phones: one thread with their sockets and the plan's SIP part.
//!
//! What a phone does is [`Phone`]'s; here its octets meet sockets, its media meet the media engine, and the
//! plan's wishes reach it at their instants.

mod calls;
mod driver;
mod equip;
mod media;
mod transport;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::media::MediaEngine;
use super::recorder::Recorder;
use crate::evidence::history::Health;
use crate::experiment::cluster::Endpoints;
use crate::experiment::plan::{Intent, Plan, PlannedPhone, Wish};
use crate::scenario::phone::PhoneProfile;
use crate::units::RunTime;
use driver::Driver;
pub(super) use media::clip_of;

/// All phones of a trial.
#[derive(Debug)]
pub struct PhoneDriver {
    inbox: mpsc::Sender<Order>,
    wake: Arc<EventFd>,
    progress: Arc<Progress>,
    thread: JoinHandle<Tally>,
}

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Intents whose instants count from the given one.
    Schedule(RunTime, Vec<Intent>),
    /// Hang up whatever is up.
    EndCalls,
    /// Count registrations anew, with these that are due from now on.
    RegisterAgain(RunTime, Vec<Intent>),
    /// Record what is in flight as unknown and end.
    Stop,
}

/// What the run waits for.
#[derive(Debug, Default)]
pub struct Progress {
    /// Phones that have been registered at least once.
    pub registered: AtomicUsize,
    /// Calls that are answered and not ended.
    pub talking: AtomicUsize,
    /// Of them, the standing ones.
    pub standing: AtomicUsize,
    /// Operations of the instrument that are not finished.
    pub ending: AtomicUsize,
}

/// How well the driver kept the plan.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub not_started: u64,
    pub start_late_max_ns: i64,
    pub socket_drops: u64,
}

/// Where the phones live and what they reach.
#[derive(Debug)]
pub(super) struct Setting {
    pub endpoints: Endpoints,
    pub phones: Vec<PlannedPhone>,
    pub profiles: BTreeMap<String, PhoneProfile>,
    pub seed: u64,
    pub media: Arc<MediaEngine>,
    pub recorder: Recorder,
}

impl PhoneDriver {
    /// Binds every phone's socket and starts the thread.
    ///
    /// # Errors
    /// When a socket cannot be bound or the network namespace not entered.
    pub fn start(
        endpoints: Endpoints,
        plan: &Plan,
        media: Arc<MediaEngine>,
        recorder: Recorder,
    ) -> io::Result<PhoneDriver> {
        let (inbox, orders) = mpsc::channel();
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let progress = Arc::new(Progress::default());
        let (ready, is_ready) = mpsc::channel();
        let thread = {
            let (wake, progress) = (Arc::clone(&wake), Arc::clone(&progress));
            let (phones, profiles, seed) = (plan.phones.clone(), plan.profiles.clone(), plan.seed);
            let setting = Setting { endpoints, phones, profiles, seed, media, recorder };
            std::thread::Builder::new().name("phones".into()).spawn(move || {
                match Driver::new(setting, orders, wake, progress) {
                    Ok(driver) => {
                        let _starter_gone = ready.send(Ok(()));
                        driver.run()
                    }
                    Err(error) => {
                        let _starter_gone = ready.send(Err(error));
                        Tally::default()
                    }
                }
            })?
        };
        is_ready.recv().unwrap_or_else(|_| Err(io::Error::other("the phones' thread died at its start")))?;
        Ok(PhoneDriver { inbox, wake, progress, thread })
    }

    /// Adds intents whose instants count from `zero`. Only registrations, calls and OPTIONS are for phones.
    pub fn schedule(&self, zero: RunTime, intents: &[Intent]) {
        let ours = |intent: &&Intent| matches!(intent.wish, Wish::Register { .. } | Wish::Call(_) | Wish::Options);
        self.order(Order::Schedule(zero, intents.iter().filter(ours).cloned().collect()));
    }

    /// Forgets who is registered and lets these registrations, which count from `zero`, tell it anew.
    pub fn register_again(&self, zero: RunTime, intents: Vec<Intent>) {
        self.progress.registered.store(0, Ordering::Relaxed);
        self.order(Order::RegisterAgain(zero, intents));
    }

    /// Hangs up whatever is up.
    pub fn end_calls(&self) {
        self.order(Order::EndCalls);
    }

    /// What the run waits for.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Ends the thread; fills in the phones' part of the health.
    pub fn finish(self, health: &mut Health) {
        self.order(Order::Stop);
        if let Ok(tally) = self.thread.join() {
            health.not_started += tally.not_started;
            health.start_late_max_ns = health.start_late_max_ns.max(tally.start_late_max_ns);
            health.socket_drops += tally.socket_drops;
        }
    }

    fn order(&self, order: Order) {
        let _thread_gone = (self.inbox.send(order), self.wake.write(1));
    }
}

impl Progress {
    /// Phones that have been registered at least once.
    #[must_use]
    pub fn registered(&self) -> usize {
        self.registered.load(Ordering::Relaxed)
    }

    /// Calls that are answered and not ended.
    #[must_use]
    pub fn talking(&self) -> usize {
        self.talking.load(Ordering::Relaxed)
    }

    /// Standing calls that are answered and not ended.
    #[must_use]
    pub fn standing(&self) -> usize {
        self.standing.load(Ordering::Relaxed)
    }
}
