//! The packets of a source as they came, in little room: what else is known of them is worked out source by source
//! when the capture has been read.

use crate::units::RunTime;
use crate::wire::rtp::Rtp;
use crate::wire::signature::Signature;

/// Packets of one allocation: it is never moved, however many follow.
const BLOCK: usize = 256;
const FIRST_BLOCK: usize = 4;

/// What is kept of a packet: 16 octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) at: RunTime,
    pub(super) timestamp: u32,
    pub(super) sequence: u16,
    pub(super) payload_type: u8,
    pub(super) marker: bool,
}

/// The packets of one SSRC on one flow.
#[derive(Debug, Default)]
pub(super) struct Packets {
    /// The block that is filling.
    newest: Vec<Seen>,
    full: Vec<Vec<Seen>>,
    signed_stream: Option<u32>,
}

impl Packets {
    /// Takes the next packet.
    #[inline]
    pub(super) fn push(&mut self, at: RunTime, rtp: &Rtp<'_>) {
        let Rtp { timestamp, sequence, payload_type, marker, .. } = *rtp;
        if self.newest.len() == self.newest.capacity() {
            self.open(rtp);
        }
        self.newest.push(Seen { at, timestamp, sequence, payload_type, marker });
    }

    /// Another block. The first one is small: a hostile capture may invent an SSRC for each packet.
    #[cold]
    fn open(&mut self, rtp: &Rtp<'_>) {
        if self.newest.is_empty() {
            self.signed_stream = Signature::read(rtp.payload).map(|signature| signature.stream);
            self.newest.reserve_exact(FIRST_BLOCK);
        } else {
            self.full.push(std::mem::replace(&mut self.newest, Vec::with_capacity(BLOCK)));
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.full.iter().map(Vec::len).sum::<usize>() + self.newest.len()
    }

    /// All of them, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Seen> {
        self.full.iter().chain([&self.newest]).flatten()
    }

    /// Our own stream whose signature the first payload carries.
    pub(super) fn signed_stream(&self) -> Option<u32> {
        self.signed_stream
    }
}
