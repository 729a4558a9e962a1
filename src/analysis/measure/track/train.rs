//! Packet trains: what a stream without loss, reordering and pauses is one of.

use super::Arrival;
use crate::units::{RunTime, Span};

/// A packet and those that came right after it, each with the next number and else of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Train<'a> {
    /// The first packet.
    pub first: Arrival,
    /// From each packet to the next on the media's own clock; nothing without one.
    pub step: Span,
    /// Nanoseconds from each packet to the next.
    pub since: &'a [u32],
    /// When the last one arrived.
    pub last_at: RunTime,
}

/// A single packet.
impl From<Arrival> for Train<'_> {
    fn from(first: Arrival) -> Self {
        Train { first, step: Span::ZERO, since: &[], last_at: first.at }
    }
}

impl Train<'_> {
    /// How many packets there are, at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.since.len() + 1
    }

    /// The number of the last packet.
    #[must_use]
    pub fn last_index(&self) -> i64 {
        self.first.index.wrapping_add(self.since.len() as i64)
    }

    /// The last packet.
    #[must_use]
    pub fn last(&self) -> Arrival {
        let passed = Span(self.step.as_nanos().wrapping_mul(self.since.len() as i64));
        let media = self.first.media.map(|media| later(media, passed));
        Arrival { at: self.last_at, index: self.last_index(), media, ..self.first }
    }

    /// Largest distance of two packets that follow each other; 0 for a single one.
    #[must_use]
    pub fn longest(&self) -> Span {
        Span(self.since.iter().copied().max().unwrap_or_default().into())
    }

    /// All packets in their order.
    pub fn arrivals(&self) -> impl Iterator<Item = Arrival> + Clone {
        let step = self.step;
        let next = move |before: &mut Arrival, since: &u32| {
            before.at = RunTime(before.at.as_nanos().wrapping_add((*since).into()));
            before.index = before.index.wrapping_add(1);
            before.media = before.media.map(|media| later(media, step));
            Some(*before)
        };
        std::iter::once(self.first).chain(self.since.iter().scan(self.first, next))
    }

    /// The packets that arrived from `start` to `end`, if there are any.
    fn within(&self, start: Option<RunTime>, end: Option<RunTime>) -> Option<Self> {
        let instants = || self.arrivals().map(|arrival| arrival.at);
        let early = start.map_or(0, |start| instants().take_while(|at| *at < start).count());
        let until = end.map_or(self.len(), |end| instants().take_while(|at| *at <= end).count());
        let mut kept = self.arrivals().skip(early).take(until.saturating_sub(early));
        let first = kept.next()?;
        let last_at = kept.last().map_or(first.at, |last| last.at);
        Some(Train { first, since: self.since.get(early..until - 1)?, last_at, ..*self })
    }
}

/// As clocks of media do, it wraps.
fn later(media: Span, step: Span) -> Span {
    Span(media.as_nanos().wrapping_add(step.as_nanos()))
}

/// Each packet by itself.
#[must_use]
pub fn singles(arrivals: &[Arrival]) -> Vec<Train<'static>> {
    arrivals.iter().map(|arrival| Train::from(*arrival)).collect()
}

/// All packets in their order.
pub fn arrivals(trains: &[Train<'_>]) -> impl Iterator<Item = Arrival> + Clone {
    trains.iter().flat_map(Train::arrivals)
}

/// How many packets there are.
#[must_use]
pub fn packets(trains: &[Train<'_>]) -> usize {
    trains.iter().map(Train::len).sum()
}

/// The packets that arrived from `start` to `end`; an end that is absent leaves nothing out.
#[must_use]
pub fn within<'a>(trains: &[Train<'a>], start: Option<RunTime>, end: Option<RunTime>) -> Vec<Train<'a>> {
    trains.iter().filter_map(|train| train.within(start, end)).collect()
}
