//! Everything that a trial left behind, read once and put on the run clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;

use super::clock::ClockMap;
use super::video_taps::{VideoTap, VideoTaps};
use crate::analysis::measure::MeasureError;
use crate::analysis::measure::address::{Claim, Claims};
use crate::analysis::measure::membership::{Membership, Said, Sign};
use crate::analysis::measure::model::{Anomaly, Caveat, Window};
use crate::analysis::measure::source::{CaptureFile, Merged};
use crate::evidence::history::{self, Direction, Event, StreamState, TrialStage, What};
use crate::evidence::rundir::TrialDir;
use crate::units::{RunTime, Span};
use crate::wire::frame::{Body, Frame, Ip, Transport};
use crate::wire::pcap::{Packet, Sense};
use crate::wire::rtp::Rtp;
use crate::wire::signature::Signature;

/// The capture of our own sockets.
const TAPS: &str = "taps.pcapng";

/// One signed packet at one of our sockets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed {
    pub(super) at: RunTime,
    pub(super) index: u32,
    pub(super) due: RunTime,
    pub(super) ssrc: u32,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
}

/// The packets of one of our streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Taps {
    pub(super) sent: Vec<Signed>,
    pub(super) received: Vec<Signed>,
}

/// What a trial left behind.
#[derive(Debug)]
pub(super) struct Evidence {
    /// In order of time.
    pub(super) events: Vec<Event>,
    pub(super) window: Window,
    /// By our stream number.
    pub(super) taps: BTreeMap<u32, Taps>,
    /// By our stream number.
    pub(super) videos: BTreeMap<u32, VideoTap>,
    pub(super) claims: Claims,
    pub(super) membership: Membership,
    /// When anything came in at our own sockets, in order.
    pub(super) inbound: Vec<RunTime>,
    /// By call: packets of it that arrived at a phone of another call.
    pub(super) misdelivered: BTreeMap<u64, u64>,
    /// Bound of the error of a one-way delay.
    pub(super) clock_error: Span,
    pub(super) anomalies: Vec<Anomaly>,
    pub(super) caveats: Vec<Caveat>,
}

impl Evidence {
    pub(super) fn read(trial: &TrialDir) -> Result<Evidence, MeasureError> {
        let (mut events, mut anomalies) = read_history(trial)?;
        events.sort_by_key(|event| event.t_ns);
        let mut caveats = Vec::new();
        let window = window(&events);
        let files = captures(trial, &mut anomalies)?;
        let mut collected = Collected { videos: VideoTaps::of(&events), ..Collected::default() };
        let clock = ClockMap::of(&events);
        match &clock {
            Some(clock) => collected.read(&files, clock, &mut anomalies, &mut caveats)?,
            None => caveats.push(without_clock()),
        }
        caveats.extend(clock.iter().flat_map(ClockMap::caveats));
        for taps in collected.taps.values_mut() {
            taps.sent.sort_by_key(|packet| (packet.at, packet.index));
            taps.received.sort_by_key(|packet| (packet.at, packet.index));
        }
        let misdelivered = set_aside_strangers(&events, &mut collected.taps);
        let clock_error = clock.map_or(Span::ZERO, |clock| clock.error(window.end_ns));
        let Collected { taps, videos, claims, membership, mut inbound } = collected;
        let videos = videos.finish();
        inbound.sort_unstable();
        Ok(Evidence {
            events,
            window,
            taps,
            videos,
            claims,
            membership,
            inbound,
            misdelivered,
            clock_error,
            anomalies,
            caveats,
        })
    }

    /// The address of a node, as the cluster stated it.
    pub(super) fn address_of(&self, node: &str) -> Option<String> {
        self.events.iter().find_map(|event| match &event.what {
            What::Node { name, address } if name == node => Some(address.to_string()),
            _ => None,
        })
    }

    /// Gratuitous ARPs of a floating address by other nodes than `node`: of hosts that spoke as nodes of the cluster, for
    /// an address that is none of a node's own.
    pub(super) fn announcements_of_others(&self, node: &str) -> impl Iterator<Item = &Claim> {
        let own = self.address_of(node);
        let hosts = &self.membership.hosts;
        self.claims.announcements.iter().filter(move |claim| {
            let floats = hosts.values().all(|address| Some(address) != claim.what.address().as_ref());
            hosts.get(&claim.who).is_some_and(|who| own.as_ref() != Some(who)) && floats
        })
    }
}

/// Takes out what arrived at another phone than the listener's: for the listener it is lost, and for the
/// stranger it is somebody else's talk. Returns how many there were of each call.
fn set_aside_strangers(events: &[Event], taps: &mut BTreeMap<u32, Taps>) -> BTreeMap<u64, u64> {
    let marks = events.iter().filter_map(|event| match &event.what {
        What::Stream(mark) if mark.state == StreamState::Started && mark.video.is_none() => Some(mark),
        _ => None,
    });
    // Who listens to a stream sends the other one of the call, from the same socket.
    let sockets: BTreeMap<_, _> = marks.clone().map(|mark| ((mark.call, mark.direction), mark.local)).collect();
    let mut strangers = BTreeMap::new();
    for mark in marks {
        let other = if mark.direction == Direction::ToCallee { Direction::ToCaller } else { Direction::ToCallee };
        let (Some(taps), Some(listener)) = (taps.get_mut(&mark.stream), sockets.get(&(mark.call, other))) else {
            continue;
        };
        let before = taps.received.len();
        taps.received.retain(|packet| packet.destination == *listener);
        let gone = (before - taps.received.len()) as u64;
        if gone > 0 {
            *strangers.entry(mark.call).or_default() += gone;
        }
    }
    strangers
}

#[derive(Debug, Default)]
struct Collected {
    taps: BTreeMap<u32, Taps>,
    videos: VideoTaps,
    claims: Claims,
    membership: Membership,
    inbound: Vec<RunTime>,
}

impl Collected {
    fn read(
        &mut self,
        files: &[CaptureFile],
        clock: &ClockMap,
        anomalies: &mut Vec<Anomaly>,
        caveats: &mut Vec<Caveat>,
    ) -> Result<(), MeasureError> {
        let mut merged = Merged::new(files)?;
        // The same advert is seen on every port of a bridge; once is enough.
        let mut seen = BTreeSet::new();
        for (file, packet) in merged.by_ref() {
            let frame = Frame::parse(packet.link, packet.octets);
            match &frame.body {
                Body::Ip(ip) => {
                    self.ip(&files[file].name, clock, &packet, ip, &mut seen);
                    self.said(&files[file].name, clock, &packet, &frame, &mut seen);
                }
                Body::Arp(arp) => {
                    let at = clock.stamped(packet.unix_ns);
                    if seen.insert((arp.sender_mac.to_string(), at.as_nanos() / 1_000_000)) {
                        self.claims.arp(at, arp, format!("{} packet {}", files[file].name, packet.number));
                    }
                }
                Body::Other => {}
            }
        }
        anomalies.extend(merged.anomalies());
        caveats.extend(merged.caveats());
        Ok(())
    }

    fn ip(
        &mut self,
        file: &str,
        clock: &ClockMap,
        packet: &Packet<'_>,
        ip: &Ip<'_>,
        seen: &mut BTreeSet<(String, i64)>,
    ) {
        // Only our own sockets tell what users sent and heard: a captured frame is seen on its way as well, and
        // what enters a switch is not yet received by anybody.
        let tapped = file == TAPS;
        if tapped && packet.sense == Sense::Inbound {
            self.inbound.push(clock.stamped(packet.unix_ns));
        }
        match &ip.transport {
            Transport::Udp { payload, .. } if tapped => self.media(clock, packet, ip, payload),
            Transport::Vrrp(advert) => {
                let (at, who) = (clock.stamped(packet.unix_ns), ip.source.to_string());
                if seen.insert((who.clone(), at.as_nanos() / 1_000_000)) {
                    self.claims.advert(at, who, advert, format!("{file} packet {}", packet.number));
                }
            }
            _ => {}
        }
    }

    /// What nodes tell each other. The same message is seen on every port of a bridge; once is enough.
    fn said(
        &mut self,
        file: &str,
        clock: &ClockMap,
        packet: &Packet<'_>,
        frame: &Frame<'_>,
        seen: &mut BTreeSet<(String, i64)>,
    ) {
        let Some(ip) = frame.ip().filter(|_| file != TAPS) else { return };
        let Transport::Udp { destination, payload, .. } = ip.transport else { return };
        let Some(sign) = Sign::read(destination, payload) else { return };
        let (at, who) = (clock.stamped(packet.unix_ns), ip.source.to_string());
        if seen.insert((format!("{who} {sign:?}"), at.as_nanos() / 1_000_000)) {
            let place = format!("{file} packet {}", packet.number);
            self.membership.note(Said { at, who, place, sign }, frame.source);
        }
    }

    fn media(&mut self, clock: &ClockMap, packet: &Packet<'_>, ip: &Ip<'_>, payload: &[u8]) {
        let (Some(source), Some(destination)) = (ip.source_socket(), ip.destination_socket()) else { return };
        let sent = packet.sense == Sense::Outbound;
        let at = if sent { clock.written(packet.unix_ns) } else { clock.stamped(packet.unix_ns) };
        if self.videos.datagram(at, sent, (source, destination), payload) {
            return;
        }
        let Some(rtp) = Rtp::parse(payload) else { return };
        let Some(signature) = Signature::read(rtp.payload) else { return };
        let signed = Signed { at, index: signature.index, due: signature.due, ssrc: rtp.ssrc, source, destination };
        let taps = self.taps.entry(signature.stream).or_default();
        if sent { taps.sent.push(signed) } else { taps.received.push(signed) }
    }
}

fn read_history(trial: &TrialDir) -> Result<(Vec<Event>, Vec<Anomaly>), MeasureError> {
    let path = trial.history();
    let io = |source| MeasureError::Io { path: trial.history(), source };
    let (events, bad) = history::read(BufReader::new(File::open(&path).map_err(io)?)).map_err(io)?;
    let anomalies = bad.into_iter().map(|(line, why)| Anomaly {
        place: format!("history.jsonl line {line}"),
        what: format!("is no event: {why}"),
    });
    Ok((events, anomalies.collect()))
}

/// The measured window; without its marks, as much as there is, and the trial is void.
fn window(events: &[Event]) -> Window {
    let stage = |wanted: TrialStage| {
        events.iter().find(|event| event.what == What::Stage { stage: wanted }).map(|event| event.t_ns)
    };
    let edge = |event: Option<&Event>| event.map(|event| event.t_ns).unwrap_or_default();
    let (start, end) = (stage(TrialStage::Steady), stage(TrialStage::WindowEnd));
    Window { start_ns: start.unwrap_or(edge(events.first())), end_ns: end.unwrap_or(edge(events.last())) }
}

/// The trial's captures in order of name; a missing directory is an anomaly and not the end.
fn captures(trial: &TrialDir, anomalies: &mut Vec<Anomaly>) -> Result<Vec<CaptureFile>, MeasureError> {
    let listed = std::fs::read_dir(trial.captures()).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let Ok(listed) = listed else {
        anomalies.push(Anomaly { place: "captures".to_owned(), what: "cannot be read: no media".to_owned() });
        return Ok(Vec::new());
    };
    let mut paths: Vec<_> = listed.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pcapng"));
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let file = CaptureFile::open(&path)?;
        if file.is_empty() {
            anomalies.push(Anomaly { place: file.name.clone(), what: "is empty".to_owned() });
        } else {
            files.push(file);
        }
    }
    Ok(files)
}

fn without_clock() -> Caveat {
    Caveat {
        text: "the history has no sample of the wall clock: the captures cannot be put on the run clock".to_owned(),
        remedy: "run the trial again".to_owned(),
        voids: true,
    }
}
