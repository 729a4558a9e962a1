//! Measuring a capture alone: no scenario, no history, anybody's traffic.

mod calls;
mod clock;
mod dialogs;
mod due;
mod sequence;
mod signalling;
mod stitch;
mod streams;
mod talkspurts;
mod transactions;
mod transit;
mod voice;

use std::path::PathBuf;

use self::signalling::Signalling;
use self::streams::{Collector, Flow};
use self::transit::Routes;
use super::address::Claims;
use super::model::{Anomaly, Measured};
use super::source::{CaptureFile, Merged};
use super::{MeasureError, SCHEMA};
use crate::units::RunTime;
use crate::wire::frame::{Body, Frame, Ip, Transport};
use crate::wire::pcap::{Packet, Sense};
use crate::wire::rtp::Rtp;

/// RTP uses no well-known port (RFC 3551 §8 registers 5004 and above 1024).
const LEAST_PORT: u16 = 1024;

/// Everything that one pass over the packets collects.
#[derive(Debug, Default)]
struct Pass {
    streams: Collector,
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
    let files = files.iter().map(|path| CaptureFile::open(path)).collect::<Result<Vec<_>, _>>()?;
    let mut merged = Merged::new(&files)?;
    let mut pass = Pass::default();
    for (file, packet) in merged.by_ref() {
        pass.packet(&files[file].name, &packet);
    }
    let (mut measured, mut routes) = pass.measure();
    if !routes.is_empty() {
        let again = Merged::new(&files)?;
        again.for_each(|(file, packet)| follow(&mut routes, file, &packet));
        let stepped = measured.caveats.iter().any(|caveat| caveat.text == clock::STEPPED);
        let (transits, caveat) = routes.transits(stepped);
        measured.transits = transits;
        measured.caveats.extend(caveat);
    }
    measured.anomalies.splice(0..0, merged.anomalies());
    measured.caveats.extend(merged.caveats());
    Ok(measured)
}

/// Hands the RTP packets of a second reading to the routes.
fn follow(routes: &mut Routes, file: usize, packet: &Packet<'_>) {
    let frame = Frame::parse(packet.link, packet.octets);
    if let Some(ip) = frame.ip()
        && let Transport::Udp { payload, .. } = &ip.transport
        && let (Some(source), Some(destination)) = (ip.source_socket(), ip.destination_socket())
        && let Some(rtp) = Rtp::parse(payload)
    {
        routes.packet(RunTime(packet.unix_ns), file, Flow { source, destination, sense: packet.sense }, &rtp);
    }
}

impl Pass {
    fn packet(&mut self, file: &str, packet: &Packet<'_>) {
        let at = RunTime(packet.unix_ns);
        self.end = self.end.max(at);
        match Frame::parse(packet.link, packet.octets).body {
            Body::Ip(ip) => self.ip(at, file, packet, &ip),
            Body::Arp(arp) => self.claims.arp(at, &arp, place(file, packet)),
            Body::Other => {}
        }
    }

    fn ip(&mut self, at: RunTime, file: &str, packet: &Packet<'_>, ip: &Ip<'_>) {
        match &ip.transport {
            Transport::Udp { payload, .. } => self.datagram(at, packet.sense, ip, payload),
            Transport::Vrrp(advert) => self.claims.advert(at, ip.source.to_string(), advert, place(file, packet)),
            Transport::Fragment => self.fragments += 1,
            Transport::Tcp { sequence, flags, payload, .. } => {
                if let (Some(source), Some(destination)) = (ip.source_socket(), ip.destination_socket()) {
                    self.signalling.segment(at, (source, destination), *sequence, *flags, payload);
                }
            }
            Transport::Icmp(_) | Transport::Other => {}
        }
    }

    fn datagram(&mut self, at: RunTime, sense: Sense, ip: &Ip<'_>, payload: &[u8]) {
        let (Some(source), Some(destination)) = (ip.source_socket(), ip.destination_socket()) else { return };
        let media_ports = source.port().min(destination.port()) >= LEAST_PORT;
        if media_ports
            && !self.signalling.datagram(at, payload)
            && let Some(rtp) = Rtp::parse(payload)
        {
            self.streams.packet(at, Flow { source, destination, sense }, &rtp);
        }
    }

    /// The figures, and the flows between which a second reading may follow packets through a server.
    fn measure(self) -> (Measured, Routes) {
        let mut measured = Measured { schema: SCHEMA.to_owned(), ..Measured::default() };
        measured.owners = self.claims.owners(self.end);
        measured.anomalies = limits(&self);
        measured.sip = self.signalling.transactions.metrics(self.end);
        let dialogs = self.signalling.dialogs;
        let mut streams = self.streams.streams(&dialogs);
        let (steps, stepped) = clock::mark_steps(&mut streams);
        measured.anomalies.extend(steps);
        measured.caveats.extend(stepped);
        let routes = Routes::new(streams.iter().map(|stream| {
            let leg = dialogs.leg(&stream.flow, stream.start());
            (stream.flow, leg.map(|leg| leg.call as u64))
        }));
        let context = voice::Context { dialogs: &dialogs, from: None, end: self.end };
        measured.caveats.extend(talkspurts::caveat(streams.iter().map(|stream| &stream.pauses)));
        let voices = voice::voices(stitch::logical(streams, &dialogs), &context);
        let unheard = calls::unheard(&voices, &context);
        measured.caveats.extend(calls::caveat(&unheard));
        measured.calls = calls::calls(&voices, &unheard, &context);
        measured.outages = calls::outages(&voices, &unheard);
        measured.streams = voices.into_iter().map(|voice| voice.figures).collect();
        (measured, routes)
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
