//! RTP streams of a capture: datagrams grouped by addresses and SSRC, numbered and joined.

use std::net::SocketAddr;

use super::arrivals::Arrivals;
use super::clock::{self, Shift};
use super::codecs::{COMFORT_NOISE, Codecs, Types};
use super::collector::Sources;
use super::dialogs::Dialogs;
use super::numbering::{Numbering, Row};
use super::plain;
use super::seen::Packets;
use super::talkspurts::{self, Pauses};
use crate::analysis::measure::track::Arrival;
use crate::units::{RunTime, Span};
use crate::wire::pcap::Sense;

/// A source counts as RTP from this many packets on, when no SDP announced it.
pub(super) const LEAST_PACKETS: usize = 4;
/// Sources that follow each other on the same addresses within this time are one stream that was restarted.
const JOIN_WITHIN: Span = Span::from_secs(60);
/// A dead server's last packets may come out of a queue when its successor has already begun.
const STRAGGLING: Span = Span::from_secs(1);
/// A source that was silent for so long may have passed from one call to the next on the same addresses.
pub(super) const BETWEEN_CALLS: Span = Span::from_millis(200);

/// Where datagrams flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Flow {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) sense: Sense,
}

/// One SSRC on one flow: its packets numbered without wraps.
#[derive(Debug, Default)]
struct Source {
    rows: Vec<Row>,
    /// The last numbering of several.
    segment: u32,
    signed_stream: Option<u32>,
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

impl Source {
    /// The packets of a source; `None` when they only look like RTP. Those of an `expected` one do so from the first on.
    fn of(packets: &Packets, expected: bool) -> Option<Source> {
        let few = packets.len() < LEAST_PACKETS;
        if few && !expected {
            return None;
        }
        let (mut rows, mut numbering) = (Vec::with_capacity(packets.len()), Numbering::default());
        packets.each(|packet| numbering.packet(packet, |row| rows.push(row)));
        let source = Source { rows, segment: numbering.segment(), signed_stream: packets.signed_stream() };
        (if few { !source.rows.is_empty() } else { source.is_plausible() }).then_some(source)
    }

    fn start(&self) -> Option<RunTime> {
        self.rows.first().map(|row| row.at)
    }

    fn end(&self) -> Option<RunTime> {
        self.rows.last().map(|row| row.at)
    }

    /// Whether this is RTP and not something that looks like it: enough packets, most of them in sequence.
    fn is_plausible(&self) -> bool {
        let in_sequence = self.rows.windows(2).filter(|pair| is_near(pair[0].index, pair[1].index));
        self.rows.len() >= LEAST_PACKETS && in_sequence.count() * 2 >= self.rows.len()
    }
}

/// Whether a number is the next one or soon after it.
pub(super) fn is_near(before: i64, after: i64) -> bool {
    (0..=16).contains(&(after - before))
}

/// The streams of one flow.
pub(super) fn of_flow(flow: Flow, mut sources: Sources, dialogs: &Dialogs) -> Vec<Stream> {
    if sources.len() == 1
        && let Some(mut source) = sources.first_entry()
        && let Some(stream) = plain::stream(&flow, *source.key(), source.get_mut(), dialogs)
    {
        return vec![stream];
    }
    packet_by_packet(flow, &sources, dialogs)
}

/// The streams of one flow, whatever is in it.
pub(super) fn packet_by_packet(flow: Flow, sources: &Sources, dialogs: &Dialogs) -> Vec<Stream> {
    let mut parts: Vec<(u32, Source)> = Vec::new();
    for (ssrc, packets) in sources {
        // Only where nothing else comes that way: a damaged SSRC is no source.
        let expected = sources.len() == 1 && packets.first().is_some_and(|first| dialogs.leg(&flow, first).is_some());
        let Some(mut source) = Source::of(packets, expected) else { continue };
        if flow.sense != Sense::Unknown {
            source.rows.sort_by_key(|row| row.at);
        }
        parts.extend(by_call(&flow, *ssrc, source, dialogs));
    }
    parts.sort_by_key(|(ssrc, source)| (source.start(), *ssrc));
    chains(&flow, parts, dialogs).iter().map(|chain| stream(flow, chain, dialogs)).collect()
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
        parts.push((ssrc, Source { rows, segment, signed_stream: None }));
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
    let types = Types::of(rows().flatten().map(|row| (row.payload_type, 1)));
    let codecs = Codecs::of(&types, &flow, start, dialogs);
    let packets = rows().map(<[Row]>::len).sum();
    let (mut arrivals, mut markers) = (Vec::with_capacity(packets), Vec::with_capacity(packets));
    let mut segments = 0;
    for (_, source) in chain {
        arrivals.extend(source.rows.iter().map(|row| Arrival {
            at: row.at,
            segment: segments + row.segment,
            index: row.index,
            media: codecs.clock.media(row),
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
        clock_rate: codecs.clock.rate,
        more_codecs: codecs.more,
        pauses,
        signed_stream: chain.iter().find_map(|(_, source)| source.signed_stream),
        interval: interval(&arrivals),
        shifts: clock::shifts(&arrivals),
        arrivals: arrivals.into_iter().collect(),
    }
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
