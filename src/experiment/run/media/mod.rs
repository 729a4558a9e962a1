//! The media engine: one thread that sends every RTP packet at its instant, one that receives them all.
//!
//! Pacing has a thread of its own with absolute deadlines, at real-time priority where that is allowed: an
//! async timer is a millisecond late, which would be measured as jitter of the network.

mod pacing;
mod receiving;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::recorder::Recorder;
use super::socket::StampedSocket;
use crate::evidence::history::{Direction, Health};
use crate::experiment::agent::media::{Reception, SenderConfig};
use crate::units::{RunTime, Span};

/// Sends and receives the media of all phones.
#[derive(Debug)]
pub struct MediaEngine {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    pacing: JoinHandle<pacing::Punctuality>,
    receiving: JoinHandle<()>,
}

/// What the pacing thread is told.
#[derive(Debug)]
enum Order {
    Start(SenderConfig, Arc<Port>),
    Redirect { call: u64, direction: Direction, remote: SocketAddr },
    Stop { call: u64, direction: Direction },
}

/// What both threads know.
#[derive(Debug)]
struct Shared {
    recorder: Recorder,
    epoll: Epoll,
    ports: Mutex<HashMap<SocketAddr, Arc<Port>>>,
    by_number: Mutex<HashMap<u64, Arc<Port>>>,
    next_number: AtomicU64,
    closed_drops: AtomicU64,
    stop: AtomicBool,
}

/// A pair of sockets for RTP and RTCP.
#[derive(Debug)]
struct Port {
    number: u64,
    rtp: StampedSocket,
    rtcp: StampedSocket,
    reception: Mutex<Reception>,
    last_rtp_ns: AtomicI64,
}

impl MediaEngine {
    /// Starts both threads.
    ///
    /// # Errors
    /// When the kernel gives no epoll or no thread.
    pub fn start(recorder: Recorder) -> io::Result<MediaEngine> {
        let shared = Arc::new(Shared {
            recorder,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            ports: Mutex::default(),
            by_number: Mutex::default(),
            next_number: AtomicU64::new(1),
            closed_drops: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let (orders, inbox) = mpsc::channel();
        let pacing = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("rtp-pacing".into()).spawn(move || pacing::run(&shared, &inbox))?
        };
        let receiving = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("rtp-receiving".into()).spawn(move || receiving::run(&shared))?
        };
        Ok(MediaEngine { shared, orders, pacing, receiving })
    }

    /// Opens a pair of ports on `ip` in the calling thread's network namespace; returns the RTP address.
    ///
    /// # Errors
    /// When no port is free.
    pub fn open(&self, ip: IpAddr) -> io::Result<SocketAddr> {
        let (rtp, rtcp) = StampedSocket::bind_pair(ip)?;
        let number = self.shared.next_number.fetch_add(1, Ordering::Relaxed);
        let port = Port { number, rtp, rtcp, reception: Mutex::default(), last_rtp_ns: AtomicI64::new(i64::MIN) };
        self.shared.epoll.add(&port.rtp, EpollEvent::new(EpollFlags::EPOLLIN, number << 1))?;
        self.shared.epoll.add(&port.rtcp, EpollEvent::new(EpollFlags::EPOLLIN, number << 1 | 1))?;
        let local = port.rtp.local();
        let port = Arc::new(port);
        lock(&self.shared.by_number).insert(number, Arc::clone(&port));
        lock(&self.shared.ports).insert(local, port);
        Ok(local)
    }

    /// Closes a pair of ports.
    pub fn close(&self, local: SocketAddr) {
        let Some(port) = lock(&self.shared.ports).remove(&local) else { return };
        lock(&self.shared.by_number).remove(&port.number);
        let _gone_already = (self.shared.epoll.delete(&port.rtp), self.shared.epoll.delete(&port.rtcp));
        self.shared.closed_drops.fetch_add(port.drops(), Ordering::Relaxed);
    }

    /// Starts a stream from an open port. Its first packet is due at once.
    pub fn send(&self, config: SenderConfig) {
        let port = lock(&self.shared.ports).get(&config.local).cloned();
        if let Some(port) = port {
            self.order(Order::Start(config, port));
        }
    }

    /// Moves a stream to another remote address.
    pub fn redirect(&self, call: u64, direction: Direction, remote: SocketAddr) {
        self.order(Order::Redirect { call, direction, remote });
    }

    /// Ends a stream.
    pub fn stop(&self, call: u64, direction: Direction) {
        self.order(Order::Stop { call, direction });
    }

    /// How many open ports have received RTP within `span` before now.
    #[must_use]
    pub fn hearing(&self, span: Span) -> usize {
        let since = self.shared.recorder.clock().now() - span;
        let ports = lock(&self.shared.ports);
        ports.values().filter(|port| port.last_rtp_ns.load(Ordering::Relaxed) >= since.as_nanos()).count()
    }

    /// Stops all streams and both threads; fills in the media part of the health.
    pub fn finish(self, health: &mut Health) {
        self.shared.stop.store(true, Ordering::Relaxed);
        drop(self.orders);
        if let Ok(punctuality) = self.pacing.join() {
            punctuality.tell(health);
        }
        let _panicked = self.receiving.join();
        let open: u64 = lock(&self.shared.ports).values().map(|port| port.drops()).sum();
        health.socket_drops += open + self.shared.closed_drops.load(Ordering::Relaxed);
    }

    fn order(&self, order: Order) {
        let _stopped = self.orders.send(order);
    }
}

impl Port {
    fn drops(&self) -> u64 {
        u64::from(self.rtp.drops()) + u64::from(self.rtcp.drops())
    }

    fn heard(&self, at: RunTime) {
        self.last_rtp_ns.store(at.as_nanos(), Ordering::Relaxed);
    }
}

/// A poisoned lock only means that another thread panicked; the data are counters and maps.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
