//! What a buffer is given: which packets were due when, and how long after that they arrived.

use crate::units::{RunTime, Span};

/// The transit of a packet that never arrived.
pub(super) const NEVER: i64 = i64::MIN;
/// The most that a transit may be, either way, in nanoseconds: 145 years from any origin. Sums and differences of two
/// of them do not overflow.
const MOST: i64 = (1 << 62) - (1 << 40);

/// The packets of one media clock in sequence order, the lost ones included, each due one interval after the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first one's instant on the media clock.
    media: Span,
    interval: Span,
    /// Nanoseconds from the instant of each packet on the media clock until it arrived.
    transits: Vec<i64>,
}

impl Segment {
    /// So many packets of which none has arrived yet. `media` is the first one's instant on the sender's media clock
    /// (RTP timestamp over clock rate, or planned send time), from any origin.
    #[must_use]
    pub fn new(media: Span, interval: Span, packets: usize) -> Segment {
        Segment { media, interval, transits: vec![NEVER; packets] }
    }

    /// Packets with their arrivals; `None` for one that never arrived.
    #[must_use]
    pub fn of(media: Span, interval: Span, arrived: impl IntoIterator<Item = Option<RunTime>>) -> Segment {
        let mut segment = Segment::new(media, interval, 0);
        for at in arrived {
            let media = segment.media_of(segment.transits.len());
            segment.transits.push(at.map_or(NEVER, |at| transit(at, media)));
        }
        segment
    }

    /// Packet `place` arrived, and those that follow it `since` nanoseconds after the one before each. Packets that were
    /// not expected are left out.
    pub fn arrive(&mut self, place: usize, at: RunTime, since: &[u32]) {
        let (media, last_media) = (self.media_of(place), self.media_of(place + since.len()));
        let last_at = at + Span((since.len() as i64) << u32::BITS);
        let too_far = last_at == RunTime(i64::MAX) || last_media == Span(i64::MAX);
        if too_far || transit(at, last_media) == -MOST || transit(last_at, media) == MOST {
            return self.arrive_one_by_one(place, at, since);
        }
        let Some((first, others)) = self.transits.get_mut(place..).and_then(<[i64]>::split_first_mut) else { return };
        let (mut late, interval) = (transit(at, media), self.interval.as_nanos());
        *first = late;
        for (other, since) in others.iter_mut().zip(since) {
            late += i64::from(*since) - interval;
            *other = late;
        }
    }

    /// The same where a transit may be too large to be true.
    #[cold]
    fn arrive_one_by_one(&mut self, place: usize, mut at: RunTime, since: &[u32]) {
        for (place, since) in (place..).zip(std::iter::once(&0).chain(since)) {
            at += Span((*since).into());
            let media = self.media_of(place);
            self.transits.get_mut(place).into_iter().for_each(|other| *other = transit(at, media));
        }
    }

    /// So many packets more that never arrived.
    pub fn extend_lost(&mut self, packets: usize) {
        self.transits.resize(self.transits.len() + packets, NEVER);
    }

    /// Cuts the packets from `place` on off into a segment of their own.
    #[must_use]
    pub fn split_off(&mut self, place: usize) -> Segment {
        Segment { media: self.media_of(place), transits: self.transits.split_off(place), ..*self }
    }

    /// How many packets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.transits.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.transits.is_empty()
    }

    /// When each packet arrived, from the `from`th on.
    pub fn arrivals(&self, from: usize) -> impl Iterator<Item = Option<RunTime>> {
        let transits = self.transits.get(from..).unwrap_or_default();
        transits
            .iter()
            .zip(from..)
            .map(|(transit, place)| (*transit != NEVER).then(|| RunTime::ZERO + self.media_of(place) + Span(*transit)))
    }

    pub(super) fn transits(&self) -> &[i64] {
        &self.transits
    }

    /// From one packet to the next, in ns, at least 1.
    pub(super) fn interval_ns(&self) -> i64 {
        self.interval.as_nanos().max(1)
    }

    fn media_of(&self, place: usize) -> Span {
        let media = i128::from(self.media.as_nanos()) + i128::from(self.interval.as_nanos()) * place as i128;
        Span(media.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }
}

fn transit(arrived: RunTime, media: Span) -> i64 {
    (arrived.as_nanos().saturating_sub(media.as_nanos())).clamp(-MOST, MOST)
}
