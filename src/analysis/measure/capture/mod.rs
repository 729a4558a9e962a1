//! Measuring a capture alone: no scenario, no history, anybody's traffic.

mod sequence;
mod streams;

use std::path::PathBuf;

use self::streams::{Collector, Flow, Stream};
use super::address::Claims;
use super::figures::mean;
use super::model::{Anomaly, Measured, Outage, StreamMeasured};
use super::silence::{self, Due, Rule, Silence};
use super::source::{CaptureFile, Merged};
use super::{MeasureError, SCHEMA, track};
use crate::units::{RunTime, Span};
use crate::wire::frame::{Body, Frame, Ip, Transport};
use crate::wire::pcap::{Packet, Sense};
use crate::wire::rtp::Rtp;

/// Two packets of a foreign stream further apart than this, and than three packet intervals, are an outage.
const LEAST_SILENCE: Span = Span::from_millis(100);
/// Recovery of a foreign stream must hold for so long; no scenario tells.
const VALIDATE: Span = Span::from_secs(1);
/// Assumed where neither timestamps nor arrivals tell the packet interval.
const COMMON_INTERVAL: Span = Span::from_millis(20);
/// RTP uses no well-known port (RFC 3551 §8 registers 5004 and above 1024).
const LEAST_PORT: u16 = 1024;
const SIP_PORT: u16 = 5060;

/// Everything that one pass over the packets collects.
#[derive(Debug, Default)]
struct Pass {
    streams: Collector,
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
            Transport::Fragment => self.fragments += 1,
            Transport::Tcp { .. } | Transport::Icmp(_) | Transport::Other => {}
        }
    }

    fn datagram(&mut self, at: RunTime, sense: Sense, ip: &Ip<'_>, payload: &[u8]) {
        let (Some(source), Some(destination)) = (ip.source_socket(), ip.destination_socket()) else { return };
        let media_ports = source.port().min(destination.port()) >= LEAST_PORT;
        let sip = source.port() == SIP_PORT || destination.port() == SIP_PORT;
        if media_ports
            && !sip
            && let Some(rtp) = Rtp::parse(payload)
        {
            self.streams.packet(at, Flow { source, destination, sense }, &rtp);
        }
    }

    fn measure(self) -> Measured {
        let mut measured = Measured { schema: SCHEMA.to_owned(), ..Measured::default() };
        measured.owners = self.claims.owners(self.end);
        measured.anomalies = limits(&self);
        for stream in self.streams.streams(&|_, _| None) {
            let (figures, outages) = measure_stream(&stream);
            measured.streams.push(figures);
            measured.outages.extend(outages);
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

fn measure_stream(stream: &Stream) -> (StreamMeasured, Vec<Outage>) {
    let firsts = track::firsts(&stream.arrivals);
    let counts = track::counts(&stream.arrivals, &firsts);
    let interval = stream.interval.unwrap_or(COMMON_INTERVAL);
    let threshold = LEAST_SILENCE.max(Span(interval.as_nanos().saturating_mul(3)));
    let jitter = track::jitter(&firsts, threshold);
    let silences = silence::silences(
        &firsts,
        Rule { interval, threshold, validate: VALIDATE },
        Due { start: None, end: None, cut: false },
    );
    let figures = StreamMeasured {
        ssrc: stream.ssrcs.first().copied().unwrap_or_default(),
        more_ssrcs: stream.ssrcs.iter().skip(1).copied().collect(),
        src: stream.flow.source.to_string(),
        dst: stream.flow.destination.to_string(),
        codec: stream.codec.clone(),
        signed_stream: stream.signed_stream,
        start_ns: firsts.first().map(|arrival| arrival.at).unwrap_or_default(),
        end_ns: firsts.last().map(|arrival| arrival.at).unwrap_or_default(),
        packets: counts.packets,
        expected: counts.expected,
        lost: counts.expected.saturating_sub(counts.packets),
        duplicates: counts.duplicates,
        reordered: counts.reordered,
        ptime_ms: stream.interval.map(Span::as_millis_f64),
        jitter_ms_mean: mean(jitter.iter().map(|(_, jitter)| *jitter)),
        jitter_ms_max: jitter.iter().map(|(_, jitter)| *jitter).reduce(f64::max),
        delta_ms_max: track::largest_distance(&firsts).map(Span::as_millis_f64),
        gap_ms_max: track::largest_distance(&firsts).map(Span::as_millis_f64),
        ..StreamMeasured::default()
    };
    let scope = format!("{} → {}", figures.src, figures.dst);
    (figures, silences.iter().map(|silence| outage(silence, &scope)).collect())
}

fn outage(silence: &Silence, scope: &str) -> Outage {
    Outage {
        service: "media".to_owned(),
        scope: scope.to_owned(),
        direction: None,
        fault: None,
        start_ns: silence.start,
        end_ns: silence.end,
        duration_ms: silence.length.as_millis_f64(),
        censored: silence.end.is_none(),
        left: false,
        method: "timestamp".to_owned(),
        error_ms: silence.error.as_millis_f64(),
        estimates: silence.estimates,
    }
}

#[cfg(test)]
mod tests;
