//! The recorder: every thread of a run hands its events and tapped packets to one writer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use super::clock::Clock;
use crate::evidence::history::{Event, What};
use crate::units::RunTime;

/// What an agent's own socket sent or received.
#[derive(Clone, Debug)]
pub struct TapPacket {
    /// Send: read from the clock right before the call. Receive: the kernel's stamp.
    pub t: RunTime,
    /// Whether the agent sent it.
    pub outbound: bool,
    /// The socket's kind.
    pub transport: TapTransport,
    /// Source.
    pub src: SocketAddr,
    /// Destination.
    pub dst: SocketAddr,
    /// What the application saw: for XMPP, the octets inside TLS.
    pub payload: Vec<u8>,
}

/// Transport of a tapped packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TapTransport {
    /// A whole datagram.
    Udp,
    /// A piece of a TCP stream; the writer numbers the octets.
    Tcp,
}

/// What goes to the writer.
#[derive(Debug)]
pub enum Record {
    /// A line of the history.
    Event(Event),
    /// A packet of the taps.
    Tap(TapPacket),
    /// A comment for the next packet of the taps.
    Mark(String),
}

/// A handle for writing to the evidence. Clones share the writer.
#[derive(Clone, Debug)]
pub struct Recorder {
    clock: Clock,
    sender: mpsc::Sender<Record>,
    numbers: Arc<AtomicU64>,
}

impl Recorder {
    /// A recorder and the end that a writer thread drains.
    #[must_use]
    pub fn new(clock: Clock) -> (Recorder, mpsc::Receiver<Record>) {
        let (sender, receiver) = mpsc::channel();
        (Recorder { clock, sender, numbers: Arc::new(AtomicU64::new(1)) }, receiver)
    }

    /// The run clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// A number that no other operation of this trial has.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Records that `what` happens now.
    pub fn record(&self, what: What) {
        self.record_at(self.clock.now(), what);
    }

    /// Records that `what` happened at `t`.
    pub fn record_at(&self, t: RunTime, what: What) {
        // The writer outlives the senders; if it died (disk full), the run has been told already.
        let _writer_gone = self.sender.send(Record::Event(Event { t_ns: t, what }));
    }

    /// Records a packet of an agent's own socket.
    pub fn tap(&self, packet: TapPacket) {
        let _writer_gone = self.sender.send(Record::Tap(packet));
    }

    /// Puts a comment on the next packet of the taps.
    pub fn mark(&self, comment: String) {
        let _writer_gone = self.sender.send(Record::Mark(comment));
    }
}
