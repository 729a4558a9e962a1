//! The sending thread.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::video_port::VideoPort;
use super::{Making, Order, Port, Shared, lock};
use crate::evidence::history::{Health, StreamState, What};
use crate::experiment::agent::media::Feed;
use crate::experiment::run::machine;
use crate::experiment::run::recorder::{TapPacket, TapTransport};
use crate::units::{RunTime, Span};

/// Orders are looked at this often when nothing is due.
const NAP: Span = Span::from_millis(2);
/// RFC 3550 §6.2: the fixed minimum of the reporting interval.
const REPORT_INTERVAL: Span = Span::from_secs(5);

/// How punctual the sender was.
#[derive(Debug, Default)]
pub(super) struct Punctuality {
    late_ns: Vec<i64>,
    not_sent: u64,
}

struct Stream {
    feed: Box<dyn Feed>,
    port: Arc<Port>,
    report_due: RunTime,
}

struct Pacer<'a> {
    shared: &'a Shared,
    streams: HashMap<u32, Stream>,
    /// Due instants; an entry whose stream is gone or due at another time is stale.
    queue: BinaryHeap<Reverse<(RunTime, u32)>>,
    punctuality: Punctuality,
    buffer: Vec<u8>,
}

pub(super) fn run(shared: &Shared, inbox: &Receiver<Order>) -> Punctuality {
    // Where it is refused, lateness is measured and told.
    machine::real_time();
    let clock = shared.recorder.clock();
    let mut pacer = Pacer {
        shared,
        streams: HashMap::new(),
        queue: BinaryHeap::new(),
        punctuality: Punctuality::default(),
        buffer: vec![0; 2048],
    };
    while !shared.stop.load(Ordering::Relaxed) {
        if !pacer.take_orders(inbox) {
            break;
        }
        let now = clock.now();
        pacer.send_due(now);
        let wake = pacer.queue.peek().map_or(now + NAP, |Reverse((due, _))| (*due).min(now + NAP));
        clock.sleep_until(wake);
    }
    let open: Vec<u32> = pacer.streams.keys().copied().collect();
    open.into_iter().for_each(|key| pacer.stop(key));
    pacer.punctuality
}

impl Pacer<'_> {
    /// False when the engine is gone.
    fn take_orders(&mut self, inbox: &Receiver<Order>) -> bool {
        loop {
            match inbox.try_recv() {
                Ok(Order::Start(making, port)) => self.start(making, port),
                Ok(Order::Redirect { stream, remote }) => self.redirect(stream, remote),
                Ok(Order::Stop { stream }) => self.stop(stream),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn start(&mut self, making: Making, port: Arc<Port>) {
        let now = self.shared.recorder.clock().now();
        let feed = making.begin(now);
        let key = feed.stream();
        // Half an interval first: the early report tells the relay that RTCP flows.
        let report_due = now + Span(REPORT_INTERVAL.as_nanos() / 2);
        let stream = Stream { feed, port, report_due };
        stream.meet_remote();
        self.mark(now, &*stream.feed, StreamState::Started);
        self.queue.push(Reverse((now, key)));
        self.streams.insert(key, stream);
    }

    fn redirect(&mut self, key: u32, remote: SocketAddr) {
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.feed.redirect(remote);
            stream.meet_remote();
        }
    }

    fn stop(&mut self, key: u32) {
        if let Some(stream) = self.streams.remove(&key) {
            self.mark(self.shared.recorder.clock().now(), &*stream.feed, StreamState::Stopped);
        }
    }

    fn mark(&self, at: RunTime, feed: &dyn Feed, state: StreamState) {
        self.shared.recorder.record_at(at, What::Stream(feed.mark(state)));
    }

    fn send_due(&mut self, now: RunTime) {
        while let Some(Reverse((due, key))) = self.queue.peek().copied() {
            if due > now {
                return;
            }
            self.queue.pop();
            let Some(mut stream) = self.streams.remove(&key) else { continue };
            if stream.feed.due() == due {
                self.send_one(&mut stream);
                self.queue.push(Reverse((stream.feed.due(), key)));
            }
            self.streams.insert(key, stream);
        }
    }

    fn send_one(&mut self, stream: &mut Stream) {
        if stream.port.video.as_ref().is_some_and(VideoPort::take_wish) {
            stream.feed.key_frame_requested();
        }
        let now = self.shared.recorder.clock().now();
        let due = stream.feed.due();
        if stream.feed.patience().is_some_and(|patience| now - due > patience) {
            self.punctuality.not_sent += stream.feed.skip();
            return;
        }
        let remote = stream.feed.remote();
        let Some(length) = stream.feed.packet(&mut self.buffer) else {
            self.punctuality.not_sent += 1;
            return;
        };
        let payload = self.buffer[..length].to_vec();
        let at = self.shared.recorder.clock().now();
        if stream.port.rtp.send_to(&payload, remote).is_err() {
            // No route or a full buffer: for the user the packet is lost at the first hop, and it is tapped as sent.
            self.punctuality.not_sent += 1;
        }
        self.punctuality.late_ns.push((at - due).as_nanos());
        self.tap(at, stream.port.rtp.local(), remote, payload);
        if at >= stream.report_due {
            self.report(at, stream);
        }
    }

    fn report(&mut self, now: RunTime, stream: &mut Stream) {
        let seconds = 0.5 + f64::from(stream.feed.ssrc().wrapping_mul(now.as_nanos() as u32) % 1000) / 1000.0;
        stream.report_due = now + Span::from_secs_f64(seconds * REPORT_INTERVAL.as_secs_f64());
        let remote = rtcp_of(stream.feed.remote());
        let wall = self.shared.recorder.clock().wall_now();
        let Some(report) = stream.feed.report(now, wall, Some(&mut lock(&stream.port.reception))) else { return };
        if stream.port.rtcp.send_to(&report, remote).is_ok() {
            self.tap(now, stream.port.rtcp.local(), remote, report);
        }
    }

    fn tap(&self, t: RunTime, src: SocketAddr, dst: SocketAddr, payload: Vec<u8>) {
        self.shared.recorder.tap(TapPacket { t, outbound: true, transport: TapTransport::Udp, src, dst, payload });
    }
}

impl Stream {
    /// Tells the receiving side where requests about what it shows go.
    fn meet_remote(&self) {
        if let Some(video) = &self.port.video {
            video.sends(self.feed.ssrc(), rtcp_of(self.feed.remote()));
        }
    }
}

/// RFC 3550 §11: the odd port above.
fn rtcp_of(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1))
}

impl Punctuality {
    pub(super) fn tell(mut self, health: &mut Health) {
        self.late_ns.sort_unstable();
        let at = |share: f64| {
            let index = ((self.late_ns.len() as f64 * share) as usize).min(self.late_ns.len().saturating_sub(1));
            self.late_ns.get(index).copied().unwrap_or(0)
        };
        health.rtp_sent = self.late_ns.len() as u64;
        health.rtp_not_sent = self.not_sent;
        health.send_late_p50_ns = at(0.5);
        health.send_late_p99_ns = at(0.99);
        health.send_late_max_ns = at(1.0);
    }
}
