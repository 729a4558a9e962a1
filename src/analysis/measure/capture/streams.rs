//! RTP streams of a capture: datagrams grouped by addresses and SSRC, numbered and joined.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::sequence::{Place, Sequencer, Timestamps};
use crate::analysis::measure::track::Arrival;
use crate::units::{RunTime, Span};
use crate::wire::limits::MOST_SOURCES;
use crate::wire::pcap::Sense;
use crate::wire::rtp::{Rtp, static_payload};
use crate::wire::signature::Signature;

/// A source counts as RTP from this many packets on, when no SDP announced it.
const LEAST_PACKETS: usize = 4;
/// Comfort noise (RFC 3389).
const COMFORT_NOISE: u8 = 13;
/// Sources that follow each other on the same addresses within this time are one stream that was restarted.
const JOIN_WITHIN: Span = Span::from_secs(60);

/// Where datagrams flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) sense: Sense,
}

/// All sources seen so far.
#[derive(Debug, Default)]
pub(super) struct Collector {
    flows: BTreeMap<Flow, Sources>,
    sources: usize,
}

/// By SSRC.
type Sources = BTreeMap<u32, Source>;

/// One SSRC on one flow.
#[derive(Debug, Default)]
struct Source {
    rows: Vec<Row>,
    doubtful: Option<Row>,
    sequencer: Sequencer,
    timestamps: Timestamps,
    segment: u32,
    /// Timestamp units from one packet to the next.
    step: i64,
    signed_stream: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    at: RunTime,
    segment: u32,
    index: i64,
    timestamp: i64,
    payload_type: u8,
}

/// One logical stream: sources that followed each other on one flow, or on several flows of one dialog.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) flow: Flow,
    pub(super) ssrcs: Vec<u32>,
    pub(super) codec: Option<String>,
    pub(super) signed_stream: Option<u32>,
    /// Packet interval by the timestamps, or by the arrivals where the clock rate is unknown.
    pub(super) interval: Option<Span>,
    pub(super) arrivals: Vec<Arrival>,
}

/// Name and clock rate of a payload type on a flow at an instant, where a session description tells.
pub(super) type Announced<'a> = &'a dyn Fn(&Flow, RunTime, u8) -> Option<(String, u32)>;

impl Collector {
    /// Takes a datagram that looks like RTP; false when it is of a source too many.
    pub(super) fn packet(&mut self, at: RunTime, flow: Flow, rtp: &Rtp<'_>) -> bool {
        let sources = self.flows.entry(flow).or_default();
        if !sources.contains_key(&rtp.ssrc) {
            if self.sources >= MOST_SOURCES {
                return false;
            }
            self.sources += 1;
        }
        sources.entry(rtp.ssrc).or_default().packet(at, rtp);
        true
    }

    /// The streams, in order of their first packets.
    pub(super) fn streams(self, announced: Announced<'_>) -> Vec<Stream> {
        let received: Vec<(Flow, Sources)> = self.without_sent_copies().into_iter().collect();
        let mut streams = Vec::new();
        for (flow, sources) in received {
            let mut sources: Vec<(u32, Source)> =
                sources.into_iter().filter(|(_, source)| source.is_plausible()).collect();
            for (_, source) in &mut sources {
                if flow.sense != Sense::Unknown {
                    source.rows.sort_by_key(|row| row.at);
                }
            }
            sources.sort_by_key(|(ssrc, source)| (source.start(), *ssrc));
            for chain in chains(sources) {
                streams.push(stream(flow, &chain, announced));
            }
        }
        streams.sort_by_key(|stream| (stream.arrivals.first().map(|arrival| arrival.at), stream.flow));
        streams
    }

    /// A tap on both ends sees a datagram twice: what arrived counts, what was sent does not.
    fn without_sent_copies(mut self) -> BTreeMap<Flow, Sources> {
        let sent: Vec<Flow> = self.flows.keys().filter(|flow| flow.sense == Sense::Outbound).copied().collect();
        for flow in sent {
            if self.flows.contains_key(&Flow { sense: Sense::Inbound, ..flow }) {
                self.flows.remove(&flow);
            }
        }
        self.flows
    }
}

impl Source {
    fn packet(&mut self, at: RunTime, rtp: &Rtp<'_>) {
        let before = self.timestamps.last();
        let timestamp = self.timestamps.unwrap(rtp.timestamp);
        let (step, elapsed) = (self.step, before.map_or(0, |before| timestamp - before));
        let place = self.sequencer.place(rtp.sequence, |forward| step > 0 && elapsed == forward * step);
        let mut row = Row { at, segment: self.segment, index: 0, timestamp, payload_type: rtp.payload_type };
        match place {
            Place::Here(index) => {
                row.index = index;
                self.note_step(&row);
                self.rows.push(row);
            }
            Place::Doubtful => {
                row.index = i64::from(rtp.sequence);
                self.doubtful = Some(row);
            }
            Place::Restart => {
                self.segment += 1;
                row.index = i64::from(rtp.sequence);
                row.segment = self.segment;
                let first =
                    self.doubtful.take().map(|first| Row { segment: row.segment, index: row.index - 1, ..first });
                self.rows.extend(first);
                self.rows.push(row);
            }
        }
        if self.rows.len() <= 1 {
            self.signed_stream = Signature::read(rtp.payload).map(|signature| signature.stream);
        }
    }

    fn note_step(&mut self, row: &Row) {
        if let Some(last) = self.rows.last()
            && row.index == last.index + 1
        {
            self.step = row.timestamp - last.timestamp;
        }
    }

    fn start(&self) -> Option<RunTime> {
        self.rows.first().map(|row| row.at)
    }

    fn end(&self) -> Option<RunTime> {
        self.rows.last().map(|row| row.at)
    }

    /// Whether this is RTP and not something that looks like it: enough packets, most of them in sequence.
    fn is_plausible(&self) -> bool {
        let in_sequence = self.rows.windows(2).filter(|pair| (0..=16).contains(&(pair[1].index - pair[0].index)));
        self.rows.len() >= LEAST_PACKETS && in_sequence.count() * 2 >= self.rows.len()
    }
}

/// Sources that take turns become one chain; sources at the same time stay apart.
fn chains(sources: Vec<(u32, Source)>) -> Vec<Vec<(u32, Source)>> {
    let mut chains: Vec<Vec<(u32, Source)>> = Vec::new();
    for (ssrc, source) in sources {
        let follows = |chain: &&mut Vec<(u32, Source)>| {
            let end = chain.last().and_then(|(_, last)| last.end());
            end.zip(source.start()).is_some_and(|(end, start)| start >= end && start - end <= JOIN_WITHIN)
        };
        match chains.iter_mut().find(follows) {
            Some(chain) => chain.push((ssrc, source)),
            None => chains.push(vec![(ssrc, source)]),
        }
    }
    chains
}

fn stream(flow: Flow, chain: &[(u32, Source)], announced: Announced<'_>) -> Stream {
    let rows = || chain.iter().flat_map(|(_, source)| &source.rows);
    let payload_type = commonest(rows().map(|row| row.payload_type));
    let start = chain.first().and_then(|(_, source)| source.start()).unwrap_or_default();
    let codec = announced(&flow, start, payload_type)
        .or_else(|| static_payload(payload_type).map(|(name, rate)| (name.to_owned(), rate)));
    let rate = codec.as_ref().map(|(_, rate)| i64::from(*rate)).filter(|rate| *rate > 0);
    let media = |row: &Row| {
        let rate = rate.filter(|_| row.payload_type == payload_type)?;
        Some(Span((i128::from(row.timestamp) * 1_000_000_000 / i128::from(rate)) as i64))
    };
    let mut arrivals = Vec::new();
    let mut segments = 0;
    for (_, source) in chain {
        arrivals.extend(source.rows.iter().map(|row| Arrival {
            at: row.at,
            segment: segments + row.segment,
            index: row.index,
            media: media(row),
            pause: row.payload_type == COMFORT_NOISE,
        }));
        segments += source.segment + 1;
    }
    Stream {
        flow,
        ssrcs: chain.iter().map(|(ssrc, _)| *ssrc).collect(),
        codec: codec.map(|(name, _)| name),
        signed_stream: chain.iter().find_map(|(_, source)| source.signed_stream),
        interval: interval(&arrivals),
        arrivals,
    }
}

impl Stream {
    pub(super) fn start(&self) -> RunTime {
        self.arrivals.first().map(|arrival| arrival.at).unwrap_or_default()
    }

    fn end(&self) -> RunTime {
        self.arrivals.last().map(|arrival| arrival.at).unwrap_or_default()
    }

    /// Whether `next` can be the same media on another flow: it begins when this one has ended.
    pub(super) fn hands_over_to(&self, next: &Stream) -> bool {
        next.start() >= self.end() && next.start() - self.end() <= JOIN_WITHIN
    }

    /// Goes on with `next`: one stream with a hole.
    pub(super) fn join(&mut self, next: Stream) {
        let segments = self.arrivals.last().map_or(0, |arrival| arrival.segment + 1);
        let shifted = next.arrivals.iter().map(|a| Arrival { segment: a.segment + segments, ..*a });
        self.arrivals.extend(shifted);
        self.ssrcs.extend(next.ssrcs);
        self.signed_stream = self.signed_stream.or(next.signed_stream);
    }
}

/// The commonest value; of several, the smallest.
fn commonest(values: impl Iterator<Item = u8>) -> u8 {
    let mut counts = [0u64; 256];
    values.for_each(|value| counts[usize::from(value)] += 1);
    let most = counts.iter().max().copied().unwrap_or(0);
    counts.iter().position(|count| *count == most).unwrap_or(0) as u8
}

/// Median distance of neighbours: on the media's clock where it is known.
fn interval(arrivals: &[Arrival]) -> Option<Span> {
    let neighbours =
        || arrivals.windows(2).filter(|pair| pair[0].segment == pair[1].segment && pair[1].index == pair[0].index + 1);
    let on_media_clock = neighbours().filter_map(|pair| Some(pair[1].media? - pair[0].media?));
    let mut spans: Vec<Span> = on_media_clock.filter(|span| *span > Span::ZERO).collect();
    if spans.is_empty() {
        spans = neighbours().map(|pair| pair[1].at - pair[0].at).collect();
    }
    spans.sort_unstable();
    spans.get(spans.len() / 2).copied()
}
