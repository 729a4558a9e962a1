//! Measuring a capture alone: no scenario, no history, anybody's traffic.

mod chat;
mod dialogs;
mod excess;
mod sequence;
mod signalling;
mod streams;
mod tcp;
mod voice;

use std::path::PathBuf;

use self::chat::Chats;
use self::excess::{Excess, Spot};
use self::signalling::Signalling;
use self::streams::{Collector, Flow};
use self::tcp::{Connections, Readers, Segment};
use super::address::Claims;
use super::model::{Anomaly, Measured};
use super::source::{CaptureFile, Merged};
use super::{MeasureError, SCHEMA};
use crate::units::RunTime;
use crate::wire::fragments::Fragments;
use crate::wire::frame::{Body, Fragment, Frame, Ip, Transport};
use crate::wire::limits::MOST_CLAIMS;
use crate::wire::pcap::{LinkType, Packet};
use crate::wire::rtp::Rtp;

/// RTP uses no well-known port (RFC 3551 §8 registers 5004 and above 1024).
const LEAST_PORT: u16 = 1024;

/// Everything that one pass over the packets collects.
#[derive(Debug, Default)]
struct Pass {
    streams: Collector,
    signalling: Signalling,
    claims: Claims,
    connections: Connections,
    chats: Chats,
    fragments: Fragments,
    /// Where the first fragment was.
    first_fragment: Option<String>,
    excess: Excess,
    end: RunTime,
}

/// Measures capture files of one trace, merged by time. Times are Unix times.
///
/// # Errors
/// When a file cannot be read or is no capture. A file that is cut off is measured as far as it is whole.
pub fn measure_capture(files: &[PathBuf]) -> Result<Measured, MeasureError> {
    let files = files.iter().map(|path| CaptureFile::open(path)).collect::<Result<Vec<_>, _>>()?;
    let mut merged = Merged::new(&files)?;
    let mut pass = Pass::default();
    let mut last = None;
    for (file, packet) in merged.by_ref() {
        pass.packet((file, &files[file].name), &packet);
        last = Some((file, packet.number));
    }
    if let Some((file, packet)) = last {
        pass.finish(&Spot { file, name: &files[file].name, packet });
    }
    let mut measured = pass.measure();
    measured.anomalies.splice(0..0, merged.anomalies());
    measured.caveats.extend(merged.caveats());
    Ok(measured)
}

impl Pass {
    fn packet(&mut self, (file, name): (usize, &str), packet: &Packet<'_>) {
        let at = RunTime(packet.unix_ns);
        self.end = self.end.max(at);
        let spot = Spot { file, name, packet: packet.number };
        match Frame::parse(packet.link, packet.octets).body {
            Body::Ip(ip) => self.ip(at, &spot, packet, &ip),
            Body::Arp(arp) if arp.gratuitous() && self.keeps_claims(&spot) => self.claims.arp(at, &arp, spot.place()),
            Body::Arp(_) => {}
            Body::Other => self.undecoded(&spot, packet),
        }
    }

    fn ip(&mut self, at: RunTime, spot: &Spot<'_>, packet: &Packet<'_>, ip: &Ip<'_>) {
        match &ip.transport {
            Transport::Udp { payload, .. } => self.datagram(at, spot, packet, ip, payload),
            Transport::Vrrp(advert) if self.keeps_claims(spot) => {
                self.claims.advert(at, ip.source.to_string(), advert, spot.place());
            }
            Transport::Fragment(fragment) => self.fragment(at, spot, packet, ip, fragment),
            Transport::Tcp { sequence, acknowledgment, flags, payload, .. } => {
                let (Some(source), Some(destination)) = (ip.source_socket(), ip.destination_socket()) else { return };
                let (sequence, acknowledgment, flags) = (*sequence, *acknowledgment, *flags);
                let segment =
                    Segment { at, spot: *spot, source, destination, sequence, acknowledgment, flags, payload };
                let (connections, mut readers) = self.readers();
                connections.segment(&segment, &mut readers);
            }
            Transport::Vrrp(_) | Transport::Icmp(_) | Transport::Other => {}
        }
    }

    fn readers(&mut self) -> (&mut Connections, Readers<'_>) {
        let readers = Readers { signalling: &mut self.signalling, chats: &mut self.chats, excess: &mut self.excess };
        (&mut self.connections, readers)
    }

    fn datagram(&mut self, at: RunTime, spot: &Spot<'_>, packet: &Packet<'_>, ip: &Ip<'_>, payload: &[u8]) {
        let (Some(source), Some(destination)) = (ip.source_socket(), ip.destination_socket()) else { return };
        if source.port().min(destination.port()) < LEAST_PORT {
            return;
        }
        if self.signalling.datagram(at, payload) {
            self.excess.total(dialogs::LEFT_OUT, self.signalling.dialogs.left_out(), spot);
            if packet.octets.len() < packet.wire_length as usize {
                self.excess.note("SIP messages were cut by the snap length of the capture", spot);
            }
        } else if let Some(rtp) = Rtp::parse(payload)
            && !self.streams.packet(at, Flow { source, destination, sense: packet.sense }, &rtp)
        {
            self.excess.note("packets of RTP sources beyond the number that is told apart were left out", spot);
        }
    }

    fn fragment(&mut self, at: RunTime, spot: &Spot<'_>, packet: &Packet<'_>, ip: &Ip<'_>, fragment: &Fragment<'_>) {
        self.first_fragment.get_or_insert_with(|| spot.place());
        if let Some(whole) = self.fragments.push(at, ip, fragment) {
            let ip = Ip::whole(ip.source, ip.destination, whole.protocol, &whole.octets);
            self.ip(at, spot, packet, &ip);
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

    /// The end of the capture.
    fn finish(&mut self, spot: &Spot<'_>) {
        let (connections, mut readers) = self.readers();
        connections.finish(spot, &mut readers);
    }

    fn measure(self) -> Measured {
        let mut measured = Measured { schema: SCHEMA.to_owned(), ..Measured::default() };
        measured.owners = self.claims.owners(self.end);
        measured.anomalies = limits(&self);
        measured.anomalies.extend(self.excess.anomalies());
        let dialogs = self.signalling.dialogs;
        let streams = self.streams.streams(&|flow, start, payload_type| dialogs.codec(flow, start, payload_type));
        let voices = voice::voices(streams, &dialogs, self.end);
        measured.calls = voice::calls(&voices, &dialogs);
        for voice in voices {
            measured.outages.extend(voice.outages());
            measured.streams.push(voice.figures);
        }
        self.chats.measure(self.end, &mut measured);
        measured
    }
}

fn limits(pass: &Pass) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    if pass.claims.left_out() > 0 {
        let what =
            format!("{} claims of the floating address after too many handovers were left out", pass.claims.left_out());
        anomalies.push(Anomaly { place: "whole capture".to_owned(), what });
    }
    if let Some(place) = pass.first_fragment.clone().filter(|_| pass.fragments.unfinished() > 0) {
        let what = format!(
            "{} datagrams lack some of their fragments; the first fragment is here",
            pass.fragments.unfinished()
        );
        anomalies.push(Anomaly { place, what });
    }
    anomalies
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
