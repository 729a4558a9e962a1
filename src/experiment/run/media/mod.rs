//! The media engine: one thread that sends every RTP packet at its instant, one that receives them all.
//!
//! Pacing has a thread of its own with absolute deadlines, at real-time priority where that is allowed: an
//! async timer is a millisecond late, which would be measured as jitter of the network.

mod pacing;
mod receiving;
mod video_port;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use self::video_port::VideoPort;
use super::recorder::Recorder;
use super::socket::StampedSocket;
use crate::evidence::history::Health;
use crate::experiment::agent::media::{CLOCK_RATE, Feed, Reception, Sender, SenderConfig};
use crate::experiment::agent::video::{VideoConfig, VideoReceiver, VideoSender};
use crate::units::{RunTime, Span};
use crate::wire::video::{self, Codec};

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
    Start(Making, Arc<Port>),
    Redirect { stream: u32, remote: SocketAddr },
    Stop { stream: u32 },
}

/// A stream that is to begin.
#[derive(Debug)]
enum Making {
    Voice(SenderConfig),
    Video(Box<VideoConfig>),
}

impl Making {
    /// The stream whose first packet is due at `start`.
    fn begin(self, start: RunTime) -> Box<dyn Feed> {
        match self {
            Making::Voice(config) => Box::new(Sender::new(config, start)),
            Making::Video(config) => Box::new(VideoSender::new(*config, start)),
        }
    }
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
    video: Option<VideoPort>,
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

    /// Opens a pair of ports for voice on `ip` in the calling thread's network namespace; returns the RTP address.
    ///
    /// # Errors
    /// When no port is free.
    pub fn open(&self, ip: IpAddr) -> io::Result<SocketAddr> {
        self.open_port(ip, CLOCK_RATE, None)
    }

    /// The same for video of a receiver that asks for key frames at most once in `least_interval`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn open_video(&self, ip: IpAddr, codec: Codec, least_interval: Option<Span>) -> io::Result<SocketAddr> {
        let port = VideoPort::new(VideoReceiver::new(codec, least_interval));
        self.open_port(ip, video::CLOCK_RATE, Some(port))
    }

    fn open_port(&self, ip: IpAddr, clock_rate: u32, video: Option<VideoPort>) -> io::Result<SocketAddr> {
        let (rtp, rtcp) = StampedSocket::bind_pair(ip)?;
        let number = self.shared.next_number.fetch_add(1, Ordering::Relaxed);
        let (reception, last_rtp_ns) = (Mutex::new(Reception::at(clock_rate)), AtomicI64::new(i64::MIN));
        let port = Port { number, rtp, rtcp, reception, last_rtp_ns, video };
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
        self.start_stream(config.local, Making::Voice(config));
    }

    /// Starts a video stream from an open video port. Its first frame is due at once.
    pub fn send_video(&self, config: VideoConfig) {
        self.start_stream(config.local, Making::Video(Box::new(config)));
    }

    fn start_stream(&self, local: SocketAddr, making: Making) {
        let port = lock(&self.shared.ports).get(&local).cloned();
        if let Some(port) = port {
            self.order(Order::Start(making, port));
        }
    }

    /// Moves a stream to another remote address.
    pub fn redirect(&self, stream: u32, remote: SocketAddr) {
        self.order(Order::Redirect { stream, remote });
    }

    /// The far side of an open video port wants a key frame, and said so in SIP.
    pub fn want_key_frame(&self, local: SocketAddr) {
        if let Some(video) = lock(&self.shared.ports).get(&local).and_then(|port| port.video.as_ref()) {
            video.want();
        }
    }

    /// Ends a stream.
    pub fn stop(&self, stream: u32) {
        self.order(Order::Stop { stream });
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
