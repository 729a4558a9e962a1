//! The packets of one source, numbered without wraps and restarts.

use super::seen::Seen;
use super::sequence::{Place, Sequencer, Timestamps};
use crate::units::RunTime;

/// A numbered packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) at: RunTime,
    /// Counts restarts.
    pub(super) segment: u32,
    pub(super) index: i64,
    pub(super) timestamp: i64,
    pub(super) payload_type: u8,
    pub(super) marker: bool,
}

/// Numbers packets in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    doubtful: Option<Row>,
    sequencer: Sequencer,
    timestamps: Timestamps,
    segment: u32,
    /// Timestamp units from one packet to the next.
    step: i64,
    /// Index and timestamp of the last packet that was given out.
    last: Option<(i64, i64)>,
}

impl Numbering {
    /// Takes the next packet and gives out what is known then: mostly itself, nothing while it is doubtful, and two
    /// packets when they turn out to be a restart.
    #[inline]
    pub(super) fn packet(&mut self, packet: &Seen, mut give: impl FnMut(Row)) {
        let before = self.timestamps.last();
        let timestamp = self.timestamps.unwrap(packet.timestamp);
        let (step, elapsed) = (self.step, before.map_or(0, |before| timestamp - before));
        let place = self.sequencer.place(packet.sequence, |forward| step > 0 && elapsed == forward * step);
        let (at, payload_type, marker) = (packet.at, packet.payload_type, packet.marker);
        let mut row = Row { at, segment: self.segment, index: 0, timestamp, payload_type, marker };
        match place {
            Place::Here(index) => {
                row.index = index;
                self.note_step(&row);
            }
            Place::Doubtful => {
                row.index = i64::from(packet.sequence);
                self.doubtful = Some(row);
                return;
            }
            Place::Restart => {
                self.segment += 1;
                row.index = i64::from(packet.sequence);
                row.segment = self.segment;
                let first = self.doubtful.take();
                first.into_iter().for_each(|first| give(Row { segment: row.segment, index: row.index - 1, ..first }));
            }
        }
        self.last = Some((row.index, timestamp));
        give(row);
    }

    fn note_step(&mut self, row: &Row) {
        if let Some((index, timestamp)) = self.last
            && row.index == index + 1
        {
            self.step = row.timestamp - timestamp;
        }
    }

    /// Takes `packets` ≥ 1 packets of which each has the number after the one before and `step` more timestamp units;
    /// false when they have to be looked at one by one, because the last packet came late.
    pub(super) fn follow(&mut self, packets: usize, step: i64) -> bool {
        let Some((index, _)) = self.last.filter(|(index, _)| self.sequencer.is_highest(*index)) else { return false };
        self.sequencer.follow(packets);
        // As from each one to the next: by the nearest value that the 32 bits may mean.
        self.step = i64::from((step as u32).cast_signed());
        let timestamp = self.timestamps.follow(self.step * packets as i64);
        self.last = Some((index + packets as i64, timestamp));
        true
    }

    /// How many restarts there were.
    pub(super) fn segment(&self) -> u32 {
        self.segment
    }

    /// Whether all packets so far are of the numbering with which they began.
    pub(super) fn is_single(&self) -> bool {
        self.segment == 0 && self.doubtful.is_none()
    }
}
