//! RTP streams of a capture: datagrams grouped by addresses and SSRC, numbered and joined.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::arrivals::Arrivals;
use super::clock::{self, Shift};
use super::dialogs::Dialogs;
use super::index::{Index, Key};
use super::seen::{Packets, Seen};
use super::sequence::{Place, Sequencer, Timestamps};
use super::talkspurts::{self, Pauses};
use crate::analysis::measure::parallel;
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
/// Events of a keypad (RFC 4733): their timestamps are when the key went down, not when the packet was due.
const TELEPHONE_EVENT: &str = "telephone-event";
/// Sources that follow each other on the same addresses within this time are one stream that was restarted.
const JOIN_WITHIN: Span = Span::from_secs(60);
/// A dead server's last packets may come out of a queue when its successor has already begun.
const STRAGGLING: Span = Span::from_secs(1);
/// A source that was silent for so long may have passed from one call to the next on the same addresses.
const BETWEEN_CALLS: Span = Span::from_millis(200);

/// Where datagrams flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Flow {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) sense: Sense,
}

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
type Sources = BTreeMap<u32, Packets>;

/// One SSRC on one flow: its packets numbered without wraps.
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
    marker: bool,
}

/// One logical stream: sources that followed each other on one flow, or on several flows of one dialog.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) flow: Flow,
    pub(super) ssrcs: Vec<u32>,
    pub(super) codec: Option<String>,
    /// Ticks a second of its codec's clock; 0 where that is not known.
    pub(super) clock_rate: i64,
    /// Further codecs of voice in it, by payload type.
    pub(super) more_codecs: Vec<String>,
    pub(super) pauses: Pauses,
    pub(super) signed_stream: Option<u32>,
    /// Packet interval by the timestamps, or by the arrivals where the clock rate is unknown.
    pub(super) interval: Option<Span>,
    /// Where the capture's clock may have stepped.
    pub(super) shifts: Vec<Shift>,
    pub(super) arrivals: Arrivals,
}

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
        let mut places = [None; BATCH];
        let filled = std::mem::take(&mut self.filled);
        for (place, packet) in places.iter_mut().zip(&self.waiting).take(filled) {
            *place = self.index.of(&packet.key);
        }
        for (number, place) in places.into_iter().enumerate().take(filled) {
            let Waiting { key, seen, signed_stream, number } = self.waiting[number];
            let place = place.or_else(|| self.open_unless_opened(&key));
            self.push(place, &seen, signed_stream, number);
        }
    }

    #[inline]
    fn push(&mut self, place: Option<usize>, seen: &Seen, signed_stream: Option<u32>, number: Number) {
        match place.and_then(|place| self.packets.get_mut(place)) {
            Some(packets) => packets.push(seen, signed_stream),
            None => self.refused.get_or_insert(Refused { packets: 0, first: number }).packets += 1,
        }
    }

    /// The place of a source that was new when its batch was looked up.
    #[cold]
    fn open_unless_opened(&mut self, key: &Key) -> Option<usize> {
        self.index.of(key).or_else(|| self.open(key.flow(), key.ssrc()))
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
        let received: Vec<(Flow, Sources)> = self.without_sent_copies().into_iter().collect();
        let of_flows = parallel::map(&received, |(flow, sources)| of_flow(flow, sources, dialogs));
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

impl Source {
    /// The packets of a source; `None` when they only look like RTP.
    fn of(packets: &Packets) -> Option<Source> {
        if packets.len() < LEAST_PACKETS {
            return None;
        }
        let rows = Vec::with_capacity(packets.len());
        let mut source = Source { rows, signed_stream: packets.signed_stream(), ..Source::default() };
        packets.each(|packet| source.packet(packet));
        source.is_plausible().then_some(source)
    }

    fn packet(&mut self, packet: &Seen) {
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
                self.rows.push(row);
            }
            Place::Doubtful => {
                row.index = i64::from(packet.sequence);
                self.doubtful = Some(row);
            }
            Place::Restart => {
                self.segment += 1;
                row.index = i64::from(packet.sequence);
                row.segment = self.segment;
                let first =
                    self.doubtful.take().map(|first| Row { segment: row.segment, index: row.index - 1, ..first });
                self.rows.extend(first);
                self.rows.push(row);
            }
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

/// The streams of one flow.
fn of_flow(flow: &Flow, sources: &Sources, dialogs: &Dialogs) -> Vec<Stream> {
    let mut parts: Vec<(u32, Source)> = Vec::new();
    for (ssrc, packets) in sources {
        let Some(mut source) = Source::of(packets) else { continue };
        if flow.sense != Sense::Unknown {
            source.rows.sort_by_key(|row| row.at);
        }
        parts.extend(by_call(flow, *ssrc, source, dialogs));
    }
    parts.sort_by_key(|(ssrc, source)| (source.start(), *ssrc));
    chains(flow, parts, dialogs).iter().map(|chain| stream(*flow, chain, dialogs)).collect()
}

/// A sender that plays the same recording into one call after the other uses the same addresses and SSRC for all.
fn by_call(flow: &Flow, ssrc: u32, mut source: Source, dialogs: &Dialogs) -> Vec<(u32, Source)> {
    let another = |pair: &[Row]| {
        let legs = || dialogs.leg(flow, pair[0].at).zip(dialogs.leg(flow, pair[1].at));
        pair[1].at - pair[0].at > BETWEEN_CALLS && legs().is_some_and(|(before, after)| before != after)
    };
    let cuts: Vec<usize> =
        source.rows.windows(2).zip(1..).filter(|(pair, _)| another(pair)).map(|(_, at)| at).collect();
    let mut parts = Vec::new();
    for cut in cuts.into_iter().rev() {
        let mut rows = source.rows.split_off(cut);
        let first = rows.first().map_or(0, |row| row.segment);
        rows.iter_mut().for_each(|row| row.segment -= first);
        let segment = rows.iter().map(|row| row.segment).max().unwrap_or(0);
        parts.push((ssrc, Source { rows, segment, step: source.step, ..Source::default() }));
    }
    parts.push((ssrc, source));
    parts
}

/// Sources of one call that take turns become one chain; sources at the same time stay apart.
fn chains(flow: &Flow, sources: Vec<(u32, Source)>, dialogs: &Dialogs) -> Vec<Vec<(u32, Source)>> {
    let mut chains: Vec<Vec<(u32, Source)>> = Vec::new();
    let leg = |source: &Source| source.start().and_then(|start| dialogs.leg(flow, start));
    for (ssrc, source) in sources {
        let follows = |chain: &&mut Vec<(u32, Source)>| {
            let last = chain.last().map(|(_, last)| last);
            let ends = last.and_then(Source::end).zip(source.start());
            ends.is_some_and(|(end, start)| start >= end && start - end <= JOIN_WITHIN)
                && last.is_some_and(|last| leg(last) == leg(&source))
        };
        match chains.iter_mut().find(follows) {
            Some(chain) => chain.push((ssrc, source)),
            None => chains.push(vec![(ssrc, source)]),
        }
    }
    chains
}

fn stream(flow: Flow, chain: &[(u32, Source)], dialogs: &Dialogs) -> Stream {
    let rows = || chain.iter().map(|(_, source)| source.rows.as_slice());
    let start = chain.first().and_then(|(_, source)| source.start()).unwrap_or_default();
    let codecs = Codecs::of(&Types::of(rows()), |number| codec(&flow, start, number, dialogs));
    let packets = rows().map(<[Row]>::len).sum();
    let (mut arrivals, mut markers) = (Vec::with_capacity(packets), Vec::with_capacity(packets));
    let mut segments = 0;
    for (_, source) in chain {
        arrivals.extend(source.rows.iter().map(|row| Arrival {
            at: row.at,
            segment: segments + row.segment,
            index: row.index,
            media: codecs.media(row),
            pause: row.payload_type == COMFORT_NOISE,
        }));
        markers.extend(source.rows.iter().map(|row| row.marker));
        segments += source.segment + 1;
    }
    let pauses = talkspurts::mark(&mut arrivals, &markers);
    Stream {
        flow,
        ssrcs: chain.iter().map(|(ssrc, _)| *ssrc).collect(),
        codec: codecs.main,
        clock_rate: codecs.rate,
        more_codecs: codecs.more,
        pauses,
        signed_stream: chain.iter().find_map(|(_, source)| source.signed_stream),
        interval: interval(&arrivals),
        shifts: clock::shifts(&arrivals),
        arrivals: arrivals.into_iter().collect(),
    }
}

fn codec(flow: &Flow, start: RunTime, payload_type: u8, dialogs: &Dialogs) -> Option<(String, u32)> {
    let announced = dialogs.codec(flow, start, payload_type);
    announced.or_else(|| static_payload(payload_type).map(|(name, rate)| (name.to_owned(), rate)))
}

/// The codecs of a stream, of which one has most packets.
struct Codecs {
    main: Option<String>,
    more: Vec<String>,
    rate: i64,
    /// The payload types that share the main codec's clock and are voice.
    on_its_clock: [bool; 256],
}

impl Codecs {
    fn of(types: &Types, named: impl Fn(u8) -> Option<(String, u32)>) -> Codecs {
        let commonest = types.commonest();
        let main = named(commonest);
        let rate = main.as_ref().map_or(0, |(_, rate)| i64::from(*rate));
        let mut codecs =
            Codecs { main: main.map(|(name, _)| name), more: Vec::new(), rate, on_its_clock: [false; 256] };
        codecs.on_its_clock[usize::from(commonest)] = rate > 0;
        for number in types.seen().filter(|number| *number != commonest) {
            let Some((name, its_rate)) = named(number).filter(|(name, _)| is_voice(number, name)) else { continue };
            codecs.on_its_clock[usize::from(number)] = i64::from(its_rate) == rate;
            codecs.more.push(name);
        }
        codecs
    }

    fn media(&self, row: &Row) -> Option<Span> {
        let counts = self.on_its_clock[usize::from(row.payload_type)];
        counts.then(|| media_instant(row.timestamp, self.rate))
    }
}

fn is_voice(payload_type: u8, name: &str) -> bool {
    payload_type != COMFORT_NOISE && !name.eq_ignore_ascii_case(TELEPHONE_EVENT) && !name.eq_ignore_ascii_case("CN")
}

/// A timestamp on the media's clock, of `rate` ticks a second.
fn media_instant(timestamp: i64, rate: i64) -> Span {
    Span(match (1_000_000_000 % rate, timestamp.checked_mul(1_000_000_000 / rate)) {
        (0, Some(exact)) => exact,
        _ => (i128::from(timestamp) * 1_000_000_000 / i128::from(rate)) as i64,
    })
}

impl Stream {
    pub(super) fn start(&self) -> RunTime {
        self.arrivals.first().unwrap_or_default()
    }

    fn end(&self) -> RunTime {
        self.arrivals.last().unwrap_or_default()
    }

    /// Whether `next` can be the same media on another flow: it begins when this one has ended, but for stragglers.
    pub(super) fn hands_over_to(&self, next: &Stream) -> bool {
        next.start() >= self.start()
            && next.start() + STRAGGLING >= self.end()
            && next.start() - self.end() <= JOIN_WITHIN
    }

    /// Goes on with `next`: one stream with a hole.
    pub(super) fn join(&mut self, next: Stream) {
        let straggles = next.start() < self.end();
        self.arrivals.append(&next.arrivals);
        if straggles {
            self.arrivals.change(|arrivals| arrivals.sort_by_key(|arrival| arrival.at));
        }
        self.ssrcs.extend(next.ssrcs.into_iter().filter(|ssrc| !self.ssrcs.contains(ssrc)).collect::<Vec<_>>());
        let new = next.codec.into_iter().chain(next.more_codecs);
        let new: Vec<String> = new.filter(|name| self.codec.as_ref() != Some(name)).collect();
        self.more_codecs.extend(new);
        self.more_codecs.dedup();
        self.pauses = self.pauses.and(next.pauses);
        self.signed_stream = self.signed_stream.or(next.signed_stream);
    }
}

/// How many packets there are of each payload type.
struct Types([u64; 256]);

impl Types {
    fn of<'a>(rows: impl Iterator<Item = &'a [Row]>) -> Types {
        let mut counts = [0; 256];
        rows.flatten().for_each(|row| counts[usize::from(row.payload_type)] += 1);
        Types(counts)
    }

    /// The commonest one; of several, the smallest.
    fn commonest(&self) -> u8 {
        let most = self.0.iter().max().copied().unwrap_or(0);
        self.0.iter().position(|count| *count == most).unwrap_or(0) as u8
    }

    fn seen(&self) -> impl Iterator<Item = u8> {
        (0..=255).filter(|number| self.0[usize::from(*number)] > 0)
    }
}

/// Median distance of neighbours: on the media's clock where it is known.
fn interval(arrivals: &[Arrival]) -> Option<Span> {
    let neighbours =
        || arrivals.windows(2).filter(|pair| pair[0].segment == pair[1].segment && pair[1].index == pair[0].index + 1);
    let on_media_clock = neighbours().filter_map(|pair| Some(pair[1].media? - pair[0].media?));
    let of_arrivals = || median(neighbours().map(|pair| pair[1].at - pair[0].at));
    median(on_media_clock.filter(|span| *span > Span::ZERO)).or_else(of_arrivals)
}

/// The upper median; `None` of none.
fn median(spans: impl Iterator<Item = Span> + Clone) -> Option<Span> {
    let first = spans.clone().next()?;
    let (n, like_first) = spans.clone().fold((0, 0), |(n, like), span| (n + 1, like + usize::from(span == first)));
    // Nearly always, and then nothing needs to be sorted: more than half of the spans are alike.
    if 2 * like_first > n {
        return Some(first);
    }
    let mut spans: Vec<Span> = spans.collect();
    Some(*spans.select_nth_unstable(n / 2).1)
}
