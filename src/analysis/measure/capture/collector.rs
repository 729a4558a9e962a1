//! The RTP sources of a capture: which packet is whose, in little room.

use std::collections::{BTreeMap, BTreeSet};

use super::dialogs::Dialogs;
use super::index::{Index, Key};
use super::seen::{Packets, Seen};
use super::streams::{Flow, Stream, of_flow};
use crate::analysis::measure::parallel;
use crate::units::RunTime;
use crate::wire::limits::MOST_SOURCES;
use crate::wire::pcap::Sense;
use crate::wire::rtp::Rtp;
use crate::wire::signature::Signature;

/// All sources seen so far.
#[derive(Debug, Default)]
pub(super) struct Collector {
    index: Index,
    /// Flow and SSRC of each source, and its packets.
    sources: Vec<(Flow, u32)>,
    packets: Vec<Packets>,
    waiting: [Waiting; BATCH],
    /// How many are waiting.
    filled: usize,
    refused: Option<Refused>,
}

/// Packets that are looked up together.
const BATCH: usize = 32;

/// Beyond all places.
const NOWHERE: usize = usize::MAX;

/// A packet whose source is still to be looked up.
///
/// Sources are hardly ever in the nearest cache. Looked up in batches, their waits for the memory overlap.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    key: Key,
    seen: Seen,
    signed_stream: Option<u32>,
    number: Number,
}

/// Which packet of which file.
pub(super) type Number = (usize, u64);

/// Packets of sources too many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Refused {
    pub(super) packets: u64,
    pub(super) first: Number,
}

/// By SSRC.
pub(super) type Sources = BTreeMap<u32, Packets>;

impl Collector {
    /// Takes a datagram that looks like RTP.
    pub(super) fn packet(&mut self, at: RunTime, flow: Flow, rtp: &Rtp<'_>, number: Number) {
        self.look_up();
        let place = self.index.get(&flow, rtp.ssrc).or_else(|| self.open(flow, rtp.ssrc));
        self.push(place, &Seen::of(at, rtp), signed_stream(rtp), number);
    }

    /// The same for the common case: without making a flow of each packet.
    #[inline]
    pub(super) fn datagram(&mut self, at: RunTime, key: Key, rtp: &Rtp<'_>, number: Number) {
        let (seen, signed_stream) = (Seen::of(at, rtp), signed_stream(rtp));
        self.waiting[self.filled % BATCH] = Waiting { key, seen, signed_stream, number };
        self.filled += 1;
        if self.filled == BATCH {
            self.look_up();
        }
    }

    fn look_up(&mut self) {
        let waiting = &self.waiting[..std::mem::take(&mut self.filled).min(BATCH)];
        let mut places = [NOWHERE; BATCH];
        for (place, packet) in places.iter_mut().zip(waiting) {
            *place = self.index.of(&packet.key).unwrap_or(NOWHERE);
        }
        for (place, packet) in places.iter().zip(waiting) {
            if let Some(packets) = self.packets.get_mut(*place) {
                packets.push(&packet.seen, packet.signed_stream);
            }
        }
        let filled = waiting.len();
        if places[..filled].contains(&NOWHERE) {
            self.open_all(&places[..filled]);
        }
    }

    /// Takes the packets of sources that were new when the batch was looked up.
    #[cold]
    fn open_all(&mut self, places: &[usize]) {
        for (waiting, _) in places.iter().enumerate().filter(|(_, place)| **place == NOWHERE) {
            let Waiting { key, seen, signed_stream, number } = self.waiting[waiting];
            let place = self.index.of(&key).or_else(|| self.open(key.flow(), key.ssrc()));
            self.push(place, &seen, signed_stream, number);
        }
    }

    fn push(&mut self, place: Option<usize>, seen: &Seen, signed_stream: Option<u32>, number: Number) {
        match place.and_then(|place| self.packets.get_mut(place)) {
            Some(packets) => packets.push(seen, signed_stream),
            None => self.refused.get_or_insert(Refused { packets: 0, first: number }).packets += 1,
        }
    }

    /// The place of a new source, unless there are too many.
    #[cold]
    fn open(&mut self, flow: Flow, ssrc: u32) -> Option<usize> {
        if self.sources.len() >= MOST_SOURCES {
            return None;
        }
        self.index.add(&flow, ssrc, self.sources.len() as u32);
        self.sources.push((flow, ssrc));
        self.packets.push(Packets::default());
        Some(self.sources.len() - 1)
    }

    /// Packets that were left out, once all have come.
    pub(super) fn refused(&mut self) -> Option<Refused> {
        self.look_up();
        self.refused
    }

    /// Forgets sources that turned out to be no sound.
    pub(super) fn leave_out(&mut self, sources: &BTreeSet<(Flow, u32)>) {
        self.look_up();
        if sources.is_empty() {
            return;
        }
        let all = std::mem::take(&mut self.sources).into_iter().zip(std::mem::take(&mut self.packets));
        (self.sources, self.packets) = all.filter(|(source, _)| !sources.contains(source)).unzip();
        self.index = Index::default();
    }

    /// The streams, in order of their first packets.
    pub(super) fn streams(mut self, dialogs: &Dialogs) -> Vec<Stream> {
        self.look_up();
        let packets = self.packets.iter().map(Packets::len).sum();
        let received: Vec<(Flow, Sources)> = self.without_sent_copies().into_iter().collect();
        let of_flows = parallel::map(received, packets, |(flow, sources)| of_flow(flow, sources, dialogs));
        let mut streams: Vec<Stream> = of_flows.into_iter().flatten().collect();
        streams.sort_by_key(|stream| (stream.arrivals.first(), stream.flow));
        streams
    }

    /// A tap on both ends sees a datagram twice: what arrived counts, what was sent does not.
    fn without_sent_copies(self) -> BTreeMap<Flow, Sources> {
        let mut flows: BTreeMap<Flow, Sources> = BTreeMap::new();
        for ((flow, ssrc), packets) in self.sources.into_iter().zip(self.packets) {
            flows.entry(flow).or_default().insert(ssrc, packets);
        }
        let sent: Vec<Flow> = flows.keys().filter(|flow| flow.sense == Sense::Outbound).copied().collect();
        for flow in sent {
            if flows.contains_key(&Flow { sense: Sense::Inbound, ..flow }) {
                flows.remove(&flow);
            }
        }
        flows
    }
}

/// Our own stream whose signature the payload carries.
#[inline]
fn signed_stream(rtp: &Rtp<'_>) -> Option<u32> {
    Signature::read(rtp.payload).map(|signature| signature.stream)
}
