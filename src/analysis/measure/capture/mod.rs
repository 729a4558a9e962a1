//! Measuring a capture alone: no scenario, no history, anybody's traffic.

mod dialogs;
mod sequence;
mod signalling;
mod streams;
mod voice;

use std::path::PathBuf;

use self::signalling::Signalling;
use self::streams::{Collector, Flow};
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
    let mut measured = pass.measure();
    measured.anomalies.splice(0..0, merged.anomalies());
    measured.caveats.extend(merged.caveats());
    Ok(measured)
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
            Transport::Fragment(_) => self.fragments += 1,
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

    fn measure(self) -> Measured {
        let mut measured = Measured { schema: SCHEMA.to_owned(), ..Measured::default() };
        measured.owners = self.claims.owners(self.end);
        measured.anomalies = limits(&self);
        let dialogs = self.signalling.dialogs;
        let streams = self.streams.streams(&|flow, start, payload_type| dialogs.codec(flow, start, payload_type));
        let voices = voice::voices(streams, &dialogs, self.end);
        measured.calls = voice::calls(&voices, &dialogs);
        for voice in voices {
            measured.outages.extend(voice.outages());
            measured.streams.push(voice.figures);
        }
        measured
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
