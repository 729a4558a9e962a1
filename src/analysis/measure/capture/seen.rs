//! The packets of a source as they came, in little room: what else is known of them is worked out source by source
//! when the capture has been read.

use super::packed::{Packed, Row, Run};
use crate::units::RunTime;
use crate::wire::rtp::Rtp;

/// The bit of the marker among the kind's, above the payload type's seven.
const MARKER: u64 = 1 << 7;

/// What is kept of a packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) at: RunTime,
    pub(super) timestamp: u32,
    pub(super) sequence: u16,
    pub(super) payload_type: u8,
    pub(super) marker: bool,
}

/// The packets of one SSRC on one flow.
#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Packets {
    rows: Packed,
    signed_stream: Option<u32>,
}

impl Seen {
    #[inline]
    pub(super) fn of(at: RunTime, rtp: &Rtp<'_>) -> Seen {
        let Rtp { timestamp, sequence, payload_type, marker, .. } = *rtp;
        Seen { at, timestamp, sequence, payload_type, marker }
    }

    #[inline]
    pub(super) fn of_row(row: Row) -> Seen {
        Seen {
            at: RunTime(row.at),
            timestamp: row.clock as u32,
            sequence: row.number as u16,
            payload_type: (row.kind & (MARKER - 1)) as u8,
            marker: row.kind & MARKER != 0,
        }
    }
}

impl Packets {
    /// Takes the next packet; the first one's signature tells whose they are.
    #[inline]
    pub(super) fn push(&mut self, seen: &Seen, signed_stream: Option<u32>) {
        if self.rows.is_empty() {
            self.signed_stream = signed_stream;
        }
        self.rows.push(Row {
            at: seen.at.as_nanos(),
            number: seen.sequence.into(),
            clock: seen.timestamp.into(),
            kind: u64::from(seen.payload_type) | if seen.marker { MARKER } else { 0 },
        });
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// When the first one came.
    pub(super) fn first(&self) -> Option<RunTime> {
        self.runs().next().map(|(first, _)| first.at)
    }

    /// All of them, in the order in which they came: the first of a run, and the others after it.
    pub(super) fn runs(&self) -> impl Iterator<Item = (Seen, Run<'_>)> {
        self.rows.runs().map(|run| (Seen::of_row(run.first), run))
    }

    /// Hands out all of them, in the order in which they came.
    #[inline]
    pub(super) fn each(&self, mut take: impl FnMut(&Seen)) {
        self.rows.each(|row| take(&Seen::of_row(row)));
    }

    /// Our own stream whose signature the first payload carries.
    pub(super) fn signed_stream(&self) -> Option<u32> {
        self.signed_stream
    }
}
