//! Measuring a capture alone: no scenario, no history, anybody's traffic.

mod calls;
mod clock;
mod dialogs;
mod due;
pub(super) mod filter;
mod index;
mod seen;
mod sequence;
mod signalling;
mod stitch;
mod streams;
mod talkspurts;
mod transactions;
mod transit;
mod video;
mod voice;

use std::path::PathBuf;

use self::filter::Filter;
use self::signalling::Signalling;
use self::streams::{Collector, Flow};
use self::transit::Routes;
use self::video::{LEAST_DYNAMIC, Videos};
use super::address::Claims;
use super::model::{Anomaly, Measured};
use super::source::{CaptureFile, Merged};
use super::{MeasureError, SCHEMA};
use crate::units::RunTime;
use crate::wire::frame::{Body, Datagram, Frame, Ip, Transport};
use crate::wire::pcap::{Packet, Sense};
use crate::wire::rtp::Rtp;

/// RTP uses no well-known port (RFC 3551 §8 registers 5004 and above 1024).
const LEAST_PORT: u16 = 1024;

/// Everything that one pass over the packets collects.
#[derive(Debug, Default)]
struct Pass {
    filter: Filter,
    /// The first packet.
    first: Option<RunTime>,
    streams: Collector,
    videos: Videos,
    signalling: Signalling,
    claims: Claims,
    end: RunTime,
    fragments: u64,
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
    merged.each(|file, packet| pass.packet(&files[file].name, packet));
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
        return routes.packet(at, file, Flow::of(&datagram, packet.sense), &rtp);
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
    fn packet(&mut self, file: &str, packet: &Packet<'_>) {
        let at = RunTime(packet.unix_ns);
        let Some(measured) = self.in_time(at) else { return };
        if measured
            && let Some(datagram) = Datagram::of(packet.link, packet.octets)
            && self.media(at, packet.sense, &datagram)
        {
            return;
        }
        self.frame(at, measured, file, packet);
    }

    fn frame(&mut self, at: RunTime, measured: bool, file: &str, packet: &Packet<'_>) {
        match Frame::parse(packet.link, packet.octets).body {
            Body::Ip(ip) if measured => self.ip(at, file, packet, &ip),
            Body::Ip(ip) => self.remember(at, &ip),
            Body::Arp(arp) if measured => self.claims.arp(at, &arp, place(file, packet)),
            Body::Arp(_) | Body::Other => {}
        }
    }

    /// Whether an instant lies in the measured time; `None` after its end.
    fn in_time(&mut self, at: RunTime) -> Option<bool> {
        let first = *self.first.get_or_insert(at);
        self.signalling.counts = true;
        let Filter { from, to, .. } = &self.filter;
        if from.is_none() && to.is_none() {
            self.end = self.end.max(at);
            return Some(true);
        }
        if let Some(to) = to.map(|to| to.after(first)).filter(|to| at > *to) {
            self.end = to;
            return None;
        }
        self.end = self.end.max(at);
        self.signalling.counts = from.is_none_or(|from| at >= from.after(first));
        Some(self.signalling.counts)
    }

    /// What SIP said before the measured time is known in it.
    fn remember(&mut self, at: RunTime, ip: &Ip<'_>) {
        match (&ip.transport, ip.source_socket(), ip.destination_socket()) {
            (Transport::Udp { payload, .. }, ..) => {
                self.signalling.datagram(at, payload);
            }
            (Transport::Tcp { sequence, flags, payload, .. }, Some(source), Some(destination)) => {
                self.signalling.segment(at, (source, destination), *sequence, *flags, payload);
            }
            _ => {}
        }
    }

    /// The short way of nearly all packets of a capture of calls; false when this is none of them.
    #[inline]
    fn media(&mut self, at: RunTime, sense: Sense, datagram: &Datagram<'_>) -> bool {
        let media_ports = datagram.source_port.min(datagram.destination_port) >= LEAST_PORT;
        if !media_ports {
            return false;
        }
        let Some(rtp) = Rtp::parse(datagram.payload) else { return false };
        if rtp.payload_type >= LEAST_DYNAMIC {
            return false;
        }
        self.streams.datagram(at, sense, datagram, &rtp);
        true
    }

    fn ip(&mut self, at: RunTime, file: &str, packet: &Packet<'_>, ip: &Ip<'_>) {
        match &ip.transport {
            Transport::Udp { payload, .. } => self.datagram(at, packet.sense, ip, payload),
            Transport::Vrrp(advert) => self.claims.advert(at, ip.source.to_string(), advert, place(file, packet)),
            Transport::Fragment => self.fragments += 1,
            Transport::Tcp { sequence, flags, payload, .. } => {
                if let (Some(source), Some(destination)) = (ip.source_socket(), ip.destination_socket()) {
                    self.signalling.touches = self.filter.wants_address([source, destination]);
                    self.signalling.segment(at, (source, destination), *sequence, *flags, payload);
                }
            }
            Transport::Icmp(_) | Transport::Other => {}
        }
    }

    fn datagram(&mut self, at: RunTime, sense: Sense, ip: &Ip<'_>, payload: &[u8]) {
        let (Some(source), Some(destination)) = (ip.source_socket(), ip.destination_socket()) else { return };
        self.signalling.touches = self.filter.wants_address([source, destination]);
        let media_ports = source.port().min(destination.port()) >= LEAST_PORT;
        if media_ports && !self.signalling.datagram(at, payload) {
            let flow = Flow { source, destination, sense };
            match Rtp::parse(payload) {
                Some(rtp) if self.videos.packet(at, flow, &rtp, &self.signalling.dialogs) => {}
                Some(rtp) => self.streams.packet(at, flow, &rtp),
                None => self.videos.rtcp(source, payload),
            }
        }
    }

    /// The figures, and the flows between which a second reading may follow packets through a server.
    fn measure(self) -> Result<(Measured, Routes), MeasureError> {
        let mut measured = Measured { schema: SCHEMA.to_owned(), ..Measured::default() };
        let (filter, end) = (&self.filter, self.end);
        let first = self.first.unwrap_or_default();
        let (from, to) = (filter.from.map(|from| from.after(first)), filter.to.map(|to| to.after(first)));
        within(first, end, from, to)?;
        measured.filter = filter.described((from, to));
        measured.owners = self.claims.owners(end);
        measured.anomalies = limits(&self);
        let Signalling { dialogs, transactions, .. } = self.signalling;
        let mut streams = self.streams.streams(&dialogs);
        let (steps, stepped) = clock::mark_steps(&mut streams);
        measured.anomalies.extend(steps);
        measured.caveats.extend(stepped);
        measured.caveats.extend(talkspurts::caveat(streams.iter().map(|stream| &stream.pauses)));
        let flows: Vec<_> =
            streams.iter().map(|stream| (stream.flow, dialogs.leg(&stream.flow, stream.start()))).collect();
        let context = voice::Context { dialogs: &dialogs, from, end };
        let mut voices = voice::voices(stitch::logical(streams, &dialogs), &context);
        let mut unheard = calls::unheard(&voices, &context);
        measured.calls = calls::calls(&voices, &unheard, &context);
        let wanted = calls::Wanted { filter, dialogs: &dialogs, transactions: &transactions };
        if filter.chooses() {
            wanted.check(&measured.calls, &voices)?;
            let ends: Vec<String> = voices.iter().map(|voice| voice.figures.src.clone()).collect();
            calls::narrow(&mut measured, &mut voices, &mut unheard, &wanted);
            if voices.is_empty() && wanted.conversations(&measured.calls).is_empty() {
                let asked = measured.filter.unwrap_or_default();
                let address = filter.addresses.first().map(ToString::to_string).unwrap_or_default();
                return Err(filter::nothing(asked, &address, ends.into_iter()));
            }
        }
        let meant = wanted.conversations(&measured.calls);
        measured.sip = transactions.metrics(end, &|call_id| meant.contains(call_id));
        measured.caveats.extend(calls::caveat(&unheard));
        measured.outages = calls::outages(&voices, &unheard);
        measured.streams = voices.into_iter().map(|voice| voice.figures).collect();
        let shown = |call: Option<u64>| measured.calls.iter().any(|of| Some(of.call) == call);
        let videos = self.videos.measured(&dialogs, end).into_iter();
        for video in videos.filter(|video| !filter.chooses() || shown(video.figures.call)) {
            measured.outages.extend(video.outages);
            measured.videos.push(video.figures);
        }
        let flows = flows.into_iter().map(|(flow, leg)| (flow, leg.map(|leg| leg.call as u64)));
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

fn place(file: &str, packet: &Packet<'_>) -> String {
    format!("{file} packet {}", packet.number)
}

fn limits(pass: &Pass) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    if pass.streams.refused() > 0 {
        anomalies.push(Anomaly {
            place: "whole capture".to_owned(),
            what: format!("{} packets of too many different SSRCs were not measured", pass.streams.refused()),
        });
    }
    if pass.fragments > 0 {
        anomalies.push(Anomaly {
            place: "whole capture".to_owned(),
            what: format!("{} IP fragments were not put together", pass.fragments),
        });
    }
    anomalies
}

#[cfg(test)]
mod tests;
