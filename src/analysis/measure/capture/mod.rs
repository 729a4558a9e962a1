//! Measuring a capture alone: no scenario, no history, anybody's traffic.

mod arrivals;
mod calls;
mod chat;
mod clock;
mod codecs;
mod collector;
mod dialogs;
mod due;
mod excess;
pub(super) mod filter;
mod guess;
mod index;
mod lip_sync;
mod numbering;
mod packed;
mod plain;
mod relays;
mod seen;
mod sequence;
mod signalling;
mod stitch;
mod streams;
mod talkspurts;
mod tcp;
mod transactions;
mod transit;
mod video;
mod voice;

use std::path::PathBuf;

use self::chat::Chats;
use self::collector::{Collector, Number, Refused};
use self::excess::{Excess, Spot};
use self::filter::Filter;
use self::index::Key;
use self::relays::Relays;
use self::signalling::{Heard, Signalling};
use self::streams::Flow;
use self::tcp::{Connections, Readers, Segment};
use self::transit::Routes;
use self::video::{Around, LEAST_DYNAMIC, Videos};
use super::address::Claims;
use super::model::{Anomaly, Captured, Measured};
use super::source::{CaptureFile, Merged};
use super::{MeasureError, SCHEMA};
use crate::units::RunTime;
use crate::wire::fragments::Fragments;
use crate::wire::frame::{Body, Datagram, Fragment, Frame, Ip, Transport};
use crate::wire::limits::MOST_CLAIMS;
use crate::wire::pcap::{LinkType, Packet};
use crate::wire::rtp::Rtp;

/// RTP uses no well-known port (RFC 3551 §8 registers 5004 and above 1024).
const LEAST_PORT: u16 = 1024;

/// Everything that one pass over the packets collects.
#[derive(Debug, Default)]
struct Pass {
    filter: Filter,
    /// Whether the filter leaves out times.
    bounded: bool,
    /// The first packet.
    first: Option<RunTime>,
    streams: Collector,
    relays: Relays,
    videos: Videos,
    signalling: Signalling,
    claims: Claims,
    connections: Connections,
    chats: Chats,
    fragments: Fragments,
    /// Where the first fragment was.
    first_fragment: Option<String>,
    /// When the first part of the datagram at hand was seen, if it came in several.
    begun: Option<RunTime>,
    excess: Excess,
    end: RunTime,
}

/// Measures capture files of one trace, merged by time. Times are Unix times.
///
/// # Errors
/// When a file cannot be read or is no capture. A file that is cut off is measured as far as it is whole.
pub fn measure_capture(files: &[PathBuf]) -> Result<Measured, MeasureError> {
    measure_part(files, &Filter::default())
}

/// Measures what a filter leaves of capture files.
///
/// # Errors
/// As [`measure_capture`], and when nothing matches the filter.
pub fn measure_part(files: &[PathBuf], filter: &Filter) -> Result<Measured, MeasureError> {
    let files = files.iter().map(|path| CaptureFile::open(path)).collect::<Result<Vec<_>, _>>()?;
    let mut merged = Merged::new(&files)?;
    let mut pass = Pass { filter: filter.clone(), ..Pass::default() };
    merged.each(|file, packet| pass.packet(file, || &files[file].name, packet));
    if let Some(last) = files.len().checked_sub(1) {
        pass.finish((last, merged.packets(last)), |file| &files[file].name);
    }
    let (mut measured, mut routes) = pass.measure()?;
    if !routes.is_empty() {
        Merged::new(&files)?.each(|file, packet| follow(&mut routes, file, packet));
        let stepped = measured.caveats.iter().any(|caveat| caveat.text == clock::STEPPED);
        let (transits, caveat) = routes.transits(stepped);
        measured.transits = transits;
        calls::narrow_transits(&mut measured, filter);
        measured.caveats.extend(caveat);
    }
    measured.anomalies.splice(0..0, merged.anomalies());
    measured.caveats.extend(merged.caveats());
    Ok(measured)
}

/// Hands the RTP packets of a second reading to the routes.
fn follow(routes: &mut Routes, file: usize, packet: &Packet<'_>) {
    let at = RunTime(packet.unix_ns);
    if let Some(datagram) = Datagram::of(packet.link, packet.octets)
        && let Some(rtp) = Rtp::parse(datagram.payload)
    {
        return routes.packet(at, file, Key::of(&datagram, packet.sense, rtp.ssrc).flow(), &rtp);
    }
    let frame = Frame::parse(packet.link, packet.octets);
    if let Some(ip) = frame.ip()
        && let Transport::Udp { payload, .. } = &ip.transport
        && let (Some(source), Some(destination)) = (ip.source_socket(), ip.destination_socket())
        && let Some(rtp) = Rtp::parse(payload)
    {
        routes.packet(at, file, Flow { source, destination, sense: packet.sense }, &rtp);
    }
}

impl Pass {
    #[inline]
    fn packet<'a>(&mut self, file: usize, name: impl FnOnce() -> &'a str, packet: &Packet<'_>) {
        let at = RunTime(packet.unix_ns);
        let Some(measured) = self.in_time(at) else { return };
        if !(measured && self.media(at, file, packet, Rtp::plain)) {
            self.other(at, measured, &Spot { file, name: name(), packet: packet.number }, packet);
        }
    }

    /// A packet that is not plain RTP.
    #[cold]
    fn other(&mut self, at: RunTime, measured: bool, spot: &Spot<'_>, packet: &Packet<'_>) {
        if !(measured && self.media(at, spot.file, packet, Rtp::parse)) {
            self.frame(at, measured, spot, packet);
        }
    }

    fn frame(&mut self, at: RunTime, measured: bool, spot: &Spot<'_>, packet: &Packet<'_>) {
        match Frame::parse(packet.link, packet.octets).body {
            Body::Ip(ip) => self.ip(at, measured, spot, packet, &ip),
            Body::Arp(arp) if measured && arp.gratuitous() && self.keeps_claims(spot) => {
                self.claims.arp(at, &arp, spot.place());
            }
            Body::Arp(_) => {}
            Body::Other => self.undecoded(spot, packet),
        }
    }

    /// Whether an instant lies in the measured time; `None` after its end.
    #[inline]
    fn in_time(&mut self, at: RunTime) -> Option<bool> {
        if self.bounded || self.first.is_none() {
            return self.in_part(at);
        }
        self.end = self.end.max(at);
        Some(true)
    }

    #[inline(never)]
    fn in_part(&mut self, at: RunTime) -> Option<bool> {
        let first = *self.first.get_or_insert(at);
        let Filter { from, to, .. } = &self.filter;
        self.bounded = from.is_some() || to.is_some();
        if let Some(to) = to.map(|to| to.after(first)).filter(|to| at > *to) {
            self.end = to;
            return None;
        }
        self.end = self.end.max(at);
        self.signalling.counts = from.is_none_or(|from| at >= from.after(first));
        Some(self.signalling.counts)
    }

    /// The short way of nearly all packets of a capture of calls; false when this is none of them.
    #[inline(always)]
    fn media<'p>(
        &mut self,
        at: RunTime,
        file: usize,
        packet: &Packet<'p>,
        read: impl Fn(&'p [u8]) -> Option<Rtp<'p>>,
    ) -> bool {
        let Some(datagram) = Datagram::of(packet.link, packet.octets) else { return false };
        if datagram.source_port.min(datagram.destination_port) < LEAST_PORT {
            return false;
        }
        let Some(rtp) = read(datagram.payload).filter(|rtp| rtp.payload_type < LEAST_DYNAMIC) else { return false };
        self.relays.packet(datagram.source.to_bits().into(), datagram.destination.to_bits().into(), rtp.payload);
        self.streams.datagram(at, Key::of(&datagram, packet.sense, rtp.ssrc), &rtp, (file, packet.number));
        true
    }

    /// What SIP and XMPP said before the measured time is known in it.
    fn ip(&mut self, at: RunTime, measured: bool, spot: &Spot<'_>, packet: &Packet<'_>, ip: &Ip<'_>) {
        match &ip.transport {
            Transport::Udp { payload, .. } => self.datagram(at, measured, spot, packet, ip, payload),
            Transport::Vrrp(advert) if measured && self.keeps_claims(spot) => {
                self.claims.advert(at, ip.source.to_string(), advert, spot.place());
            }
            Transport::Fragment(fragment) => self.fragment(at, measured, spot, packet, ip, fragment),
            Transport::Tcp { sequence, acknowledgment, flags, payload, .. } => {
                let (Some(source), Some(destination)) = (ip.source_socket(), ip.destination_socket()) else { return };
                let (sequence, acknowledgment, flags) = (*sequence, *acknowledgment, *flags);
                let segment =
                    Segment { at, spot: *spot, source, destination, sequence, acknowledgment, flags, payload };
                let (connections, mut readers) = self.readers();
                connections.segment(&segment, &mut readers);
            }
            Transport::Vrrp(_) | Transport::Icmp(_) | Transport::Tunnel { .. } | Transport::Other => {}
        }
    }

    fn readers(&mut self) -> (&mut Connections, Readers<'_>) {
        let (signalling, chats, excess) = (&mut self.signalling, &mut self.chats, &mut self.excess);
        (&mut self.connections, Readers { filter: &self.filter, signalling, chats, excess })
    }

    fn datagram(
        &mut self,
        at: RunTime,
        measured: bool,
        spot: &Spot<'_>,
        packet: &Packet<'_>,
        ip: &Ip<'_>,
        payload: &[u8],
    ) {
        let (Some(source), Some(destination)) = (ip.source_socket(), ip.destination_socket()) else { return };
        if source.port().min(destination.port()) < LEAST_PORT {
            return;
        }
        self.signalling.between([source, destination], &self.filter);
        let heard = self.begun.map_or(Heard::at_once(at), |begun| Heard { begun, whole: at });
        if self.signalling.datagram(heard, payload) {
            self.signalling.tell(&mut self.excess, spot);
            if packet.octets.len() < packet.wire_length as usize {
                self.excess.note("SIP messages were cut by the snap length of the capture", spot);
            }
        } else if measured {
            self.any_media(at, Flow { source, destination, sense: packet.sense }, payload, spot);
        }
    }

    /// Sound, video or RTCP.
    fn any_media(&mut self, at: RunTime, flow: Flow, payload: &[u8], spot: &Spot<'_>) {
        let Some(rtp) = Rtp::parse(payload) else { return self.videos.rtcp(at, flow.source, payload) };
        let (source, destination) = (relays::host(flow.source.ip()), relays::host(flow.destination.ip()));
        self.relays.packet(source, destination, rtp.payload);
        if !self.videos.packet(at, flow, &rtp, &self.signalling.dialogs) {
            self.streams.packet(at, flow, &rtp, (spot.file, spot.packet));
        }
    }

    fn fragment(
        &mut self,
        at: RunTime,
        measured: bool,
        spot: &Spot<'_>,
        packet: &Packet<'_>,
        ip: &Ip<'_>,
        fragment: &Fragment<'_>,
    ) {
        self.first_fragment.get_or_insert_with(|| spot.place());
        if let Some(whole) = self.fragments.push(at, ip, fragment) {
            let ip = Ip::whole(ip.source, ip.destination, whole.protocol, &whole.octets);
            self.begun = Some(whole.begun);
            self.ip(at, measured, spot, packet, &ip);
            self.begun = None;
        }
    }

    fn keeps_claims(&mut self, spot: &Spot<'_>) -> bool {
        let room = self.claims.adverts.len() + self.claims.announcements.len() < MOST_CLAIMS;
        if !room {
            self.excess.note("VRRP adverts and gratuitous ARPs beyond the number that is kept were left out", spot);
        }
        room
    }

    /// A frame that is neither IP nor ARP is nobody's loss, unless its whole link cannot be read.
    fn undecoded(&mut self, spot: &Spot<'_>, packet: &Packet<'_>) {
        if let LinkType::Other(number) = packet.link {
            let what = format!("frames were left out: link type {number} (tcpdump.org/linktypes) is not decoded");
            self.excess.note(&what, spot);
        }
    }

    /// The end of the capture behind its last packet; its files are called `name`.
    fn finish<'a>(&mut self, last: Number, name: impl Fn(usize) -> &'a str) {
        let spot = |(file, packet): Number| Spot { file, name: name(file), packet };
        let (connections, mut readers) = self.readers();
        connections.finish(&spot(last), &mut readers);
        if let Some(Refused { packets, first }) = self.streams.refused() {
            let what = "packets of RTP sources beyond the number that is told apart were left out";
            self.excess.total(what, packets, &spot(first));
        }
    }

    /// The figures, and the flows between which a second reading may follow packets through a server.
    fn measure(mut self) -> Result<(Measured, Routes), MeasureError> {
        let relayed = self.relays.found();
        let mut measured = Measured { schema: SCHEMA.to_owned(), ..Measured::default() };
        let (filter, end) = (&self.filter, self.end);
        let first = self.first.unwrap_or_default();
        let (from, to) = (filter.from.map(|from| from.after(first)), filter.to.map(|to| to.after(first)));
        within(first, end, from, to)?;
        measured.filter = filter.described((from, to));
        let start = from.map_or(first, |from| from.max(first));
        measured.captured = self.first.map(|first| Captured { first_ns: first, start_ns: start, end_ns: end });
        measured.owners = self.claims.owners(end);
        measured.anomalies = limits(&self);
        measured.anomalies.extend(self.excess.anomalies());
        let Signalling { dialogs, transactions, .. } = self.signalling;
        self.streams.leave_out(&self.videos.recognise());
        let mut streams = self.streams.streams(&dialogs);
        let (steps, stepped) = clock::mark_steps(&mut streams);
        measured.anomalies.extend(steps);
        measured.caveats.extend(stepped);
        measured.caveats.extend(talkspurts::caveat(streams.iter().map(|stream| &stream.pauses)));
        let flows: Vec<_> =
            streams.iter().map(|stream| (stream.flow, dialogs.leg(&stream.flow, stream.start()))).collect();
        let context = voice::Context { dialogs: &dialogs, from, end };
        let logical = stitch::logical(streams, &dialogs);
        let mut voices = voice::voices(&logical, &context);
        let sounds = lip_sync::sounds(&logical);
        let mut videos = self.videos.measured(&Around { dialogs: &dialogs, sounds: &sounds, end });
        let mut unheard = calls::unheard(&voices, &context);
        measured.calls = calls::calls(&voices, &unheard, &context);
        calls::look_at_pictures(&mut measured.calls, &videos, &dialogs);
        let wanted = calls::Wanted { filter, dialogs: &dialogs, transactions: &transactions };
        let ends: Vec<String> = voices.iter().map(|voice| voice.figures.src.clone()).collect();
        if filter.chooses() {
            wanted.check(&measured.calls, &voices, &videos)?;
            calls::narrow(&mut measured, (&mut voices, &mut videos), &mut unheard, &wanted);
        }
        let meant = wanted.conversations(&measured.calls);
        let hosts = transactions.hosts_of(&meant);
        measured.sip = transactions.metrics(end, &|call_id| meant.contains(call_id));
        measured.caveats.extend(calls::caveat(&unheard));
        measured.outages = calls::outages(&voices, &unheard);
        measured.streams = voices.into_iter().map(|voice| voice.figures).collect();
        calls::narrow_owners(&mut measured, filter, &hosts);
        for video in videos {
            measured.outages.extend(video.outages);
            measured.videos.push(video.figures);
        }
        measured.caveats.extend(video::caveat(&measured.videos));
        self.chats.measure(filter, from, end, &mut measured);
        if filter.chooses() && calls::shows_nothing(&measured, filter) {
            let asked = measured.filter.unwrap_or_default();
            let address = filter.addresses.first().map(ToString::to_string).unwrap_or_default();
            return Err(filter::nothing(asked, &address, ends.into_iter()));
        }
        let flows = flows.into_iter().filter(|_| relayed);
        let flows = flows.map(|(flow, leg)| (flow, leg.map(|leg| leg.call as u64)));
        let routes = Routes::new(flows, (from.unwrap_or(first), end));
        Ok((measured, routes))
    }
}

/// Refuses a span of time in which the capture has nothing.
fn within(first: RunTime, end: RunTime, from: Option<RunTime>, to: Option<RunTime>) -> Result<(), MeasureError> {
    let nothing = |what: &str, at: RunTime| MeasureError::NothingMatches {
        what: format!("{what} {:.3} s after the first packet", (at - first).as_secs_f64()),
        remedy: format!("the measured time ends {:.3} s after it", (end - first).as_secs_f64()),
    };
    match (from, to) {
        (Some(from), _) if from > end => Err(nothing("what comes", from)),
        (_, Some(to)) if to < first => Err(nothing("what comes before", to)),
        _ => Ok(()),
    }
}

fn limits(pass: &Pass) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    let left_out = pass.claims.left_out();
    if left_out > 0 {
        let what = format!("{left_out} claims of the floating address after too many handovers were left out");
        anomalies.push(Anomaly { place: "whole capture".to_owned(), what });
    }
    let left_out = pass.videos.left_out();
    if left_out > 0 {
        let what = format!("{left_out} RTCP sender reports beyond the number that is kept were left out");
        anomalies.push(Anomaly { place: "whole capture".to_owned(), what });
    }
    let unfinished = pass.fragments.unfinished();
    if let Some(place) = pass.first_fragment.clone().filter(|_| unfinished > 0) {
        let what = format!("{unfinished} datagrams lack some of their fragments; the first fragment is here");
        anomalies.push(Anomaly { place, what });
    }
    anomalies
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
