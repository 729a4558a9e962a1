//! The mark that every payload of our own media carries, so that a packet is known again behind a relay
//! that rewrites SSRC, sequence number and timestamp.
//!
//! 24 octets at the start of the payload, big-endian: magic `5n9s`, stream (u32), index (u32), the run time
//! at which it was due (i64, ns), and an XOR check word over the five words before it. The rest of the
//! payload is audio. A transcoding server destroys it; then packets are matched by sequence only.

use crate::units::RunTime;

/// Octets of a signature; a payload must be at least this long to carry one.
pub const LENGTH: usize = 24;

const MAGIC: u32 = u32::from_be_bytes(*b"5n9s");

/// The mark of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Which of our streams: unique within a trial.
    pub stream: u32,
    /// Which packet of the stream, from 0, counting what was *due*: a skipped send leaves a hole.
    pub index: u32,
    /// When the packet was due, on the run clock.
    pub due: RunTime,
}

impl Signature {
    /// Writes the mark over the first [`LENGTH`] octets; a shorter payload is left alone.
    pub fn write(self, payload: &mut [u8]) {
        let Some(place) = payload.get_mut(..LENGTH) else { return };
        let due = self.due.as_nanos().cast_unsigned();
        let words = [MAGIC, self.stream, self.index, (due >> 32) as u32, due as u32];
        let check = words.iter().fold(0, |check, word| check ^ word);
        for (octets, word) in place.chunks_exact_mut(4).zip(words.into_iter().chain([check])) {
            octets.copy_from_slice(&word.to_be_bytes());
        }
    }

    /// Reads the mark, if there is a whole one.
    #[must_use]
    #[inline]
    pub fn read(payload: &[u8]) -> Option<Signature> {
        // Nearly all packets of foreign captures end here.
        let marked = payload.first_chunk().is_some_and(|first| u32::from_be_bytes(*first) == MAGIC);
        if marked { Signature::read_marked(payload) } else { None }
    }

    fn read_marked(payload: &[u8]) -> Option<Signature> {
        let mut words = [0u32; LENGTH / 4];
        for (word, octets) in words.iter_mut().zip(payload.get(..LENGTH)?.chunks_exact(4)) {
            *word = u32::from_be_bytes(octets.try_into().ok()?);
        }
        let sound = words.iter().fold(0, |check, word| check ^ word) == 0;
        let due = (u64::from(words[3]) << 32 | u64::from(words[4])).cast_signed();
        sound.then_some(Signature { stream: words[1], index: words[2], due: RunTime(due) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_a_damaged_one_does_not() {
        let mark = Signature { stream: 7, index: 4_000_000_000, due: RunTime(-5) };
        let mut payload = [0xd5; 80];
        mark.write(&mut payload);
        assert_eq!(Signature::read(&payload), Some(mark));
        payload[9] ^= 1;
        assert_eq!(Signature::read(&payload), None);
        assert_eq!(Signature::read(&payload[..LENGTH - 1]), None);
    }
}
