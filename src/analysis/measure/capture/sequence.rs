//! Sequence numbers and timestamps without their wraps (RFC 3550 A.1).

/// A forward jump beyond this may be a restart of the numbering.
const MAX_DROPOUT: u16 = 3000;
/// A backward step up to this is reordering.
const MAX_MISORDER: u16 = 100;

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the current numbering.
    Here(i64),
    /// Too far off: a stray packet, or the first of a restart. The next one decides.
    Doubtful,
    /// The doubtful packet before it and this one start a new numbering.
    Restart,
}

/// Follows the numbering of one source.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequencer {
    highest: Option<i64>,
    expected_after_jump: Option<u16>,
}

/// Follows a timestamp.
#[derive(Clone, Debug, Default)]
pub(super) struct Timestamps {
    last: Option<i64>,
}

impl Sequencer {
    /// Places a sequence number. `steady` tells whether the timestamp grew in step with the sequence number:
    /// then even a long jump is loss, not a restart.
    pub(super) fn place(&mut self, sequence: u16, steady: impl FnOnce(i64) -> bool) -> Place {
        let Some(highest) = self.highest else {
            self.highest = Some(i64::from(sequence));
            return Place::Here(i64::from(sequence));
        };
        let forward = sequence.wrapping_sub(highest as u16);
        if forward < MAX_DROPOUT || (forward < 0x8000 && steady(i64::from(forward))) {
            self.expected_after_jump = None;
            self.highest = Some(highest + i64::from(forward));
            Place::Here(highest + i64::from(forward))
        } else if forward >= 0u16.wrapping_sub(MAX_MISORDER) {
            Place::Here(highest - i64::from(forward.wrapping_neg()))
        } else if self.expected_after_jump == Some(sequence) {
            self.expected_after_jump = None;
            self.highest = Some(i64::from(sequence));
            Place::Restart
        } else {
            self.expected_after_jump = Some(sequence.wrapping_add(1));
            Place::Doubtful
        }
    }
}

impl Sequencer {
    /// Goes on by so many packets that come one after the other.
    pub(super) fn follow(&mut self, packets: usize) {
        self.expected_after_jump = None;
        self.highest = self.highest.map(|highest| highest + packets as i64);
    }

    /// Whether a number is the largest so far.
    pub(super) fn is_highest(&self, index: i64) -> bool {
        self.highest == Some(index)
    }
}

impl Timestamps {
    /// Goes on by so many units; where it is then.
    pub(super) fn follow(&mut self, units: i64) -> i64 {
        let last = self.last.unwrap_or_default() + units;
        self.last = Some(last);
        last
    }

    /// The timestamp without wraps: the nearest to the one before.
    pub(super) fn unwrap(&mut self, timestamp: u32) -> i64 {
        let long = match self.last {
            None => i64::from(timestamp),
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32).cast_signed()),
        };
        self.last = Some(long);
        long
    }

    /// The last one.
    pub(super) fn last(&self) -> Option<i64> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(sequences: &[u16]) -> Vec<Place> {
        let mut sequencer = Sequencer::default();
        sequences.iter().map(|sequence| sequencer.place(*sequence, |_| false)).collect()
    }

    #[test]
    fn the_wrap_goes_on_counting_and_a_late_packet_goes_before_it() {
        let wrapped = places(&[65_534, 65_535, 0, 65_533, 1]);
        assert_eq!(wrapped, [65_534, 65_535, 65_536, 65_533, 65_537].map(Place::Here));
    }

    #[test]
    fn one_stray_is_doubtful_and_two_in_a_row_are_a_restart() {
        let stray = places(&[10, 30_000, 11]);
        assert_eq!(stray, [Place::Here(10), Place::Doubtful, Place::Here(11)]);
        let restart = places(&[10, 30_000, 30_001, 30_002]);
        assert_eq!(restart, [Place::Here(10), Place::Doubtful, Place::Restart, Place::Here(30_002)]);
    }

    #[test]
    fn a_long_loss_with_a_steady_timestamp_is_no_restart() {
        let mut sequencer = Sequencer::default();
        sequencer.place(1, |_| false);
        assert_eq!(sequencer.place(5001, |forward| forward == 5000), Place::Here(5001));
    }

    #[test]
    fn timestamps_wrap_and_step_back() {
        let mut timestamps = Timestamps::default();
        let long: Vec<i64> = [u32::MAX - 159, 0, 160, 0].iter().map(|t| timestamps.unwrap(*t)).collect();
        assert_eq!(long[1..], [1 << 32, (1 << 32) + 160, 1 << 32]);
    }
}
