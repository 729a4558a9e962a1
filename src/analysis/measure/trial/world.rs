//! A simulated trial: writes the history and the taps of a cluster whose outage is planted.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::{DataLink, Endianness};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::evidence::history::{
    self, ChatRole, Direction, Event, FaultMark, FaultStep, MessageMark, Op, OpKind, Seen, Session, SessionState, Step,
    StreamMark, StreamState, TrialStage, What,
};
use crate::evidence::rundir::{RunDir, TrialDir};
use crate::scenario::Scenario;
use crate::units::{RunTime, Span};
use crate::wire::signature::Signature;

const WALL_EPOCH_NS: i64 = 1_795_392_000_000_000_000;

/// The trial that is being made.
pub(super) struct World {
    pub(super) random: SmallRng,
    events: Vec<Event>,
    pub(super) packets: Vec<(RunTime, bool, Vec<u8>)>,
    /// Ethernet frames at the switch.
    pub(super) frames: Vec<(RunTime, bool, Vec<u8>)>,
    ops: u64,
}

/// A directory that goes when it is dropped.
pub(super) struct Scratch {
    root: PathBuf,
}

/// One direction of a call.
#[derive(Clone, Copy)]
pub(super) struct Media {
    pub(super) stream: u32,
    pub(super) call: u64,
    pub(super) direction: Direction,
    pub(super) ptime: Span,
    pub(super) from: RunTime,
    pub(super) until: RunTime,
}

pub(super) fn ms(millis: i64) -> RunTime {
    RunTime::from_millis(millis)
}

pub(super) fn scenario(traffic: &str) -> Scenario {
    let head = "name = \"t\"\nquestion = \"q\"\nwindow = \"20s\"\n[cluster.reference]\nnodes = [\"alpha\", \"beta\"]\n\
                address = \"127.0.77.10\"\ntakeover = [\"700ms\"]\n";
    let fault = "[[fault]]\npower_off = { target = \"vip-owner\", at = \"5s\" }\n";
    Scenario::parse("t.toml", &format!("{head}{traffic}\n{fault}")).unwrap()
}

impl World {
    /// A trial with its window, whose clock was sampled every second.
    pub(super) fn new(seed: u64, start: RunTime, end: RunTime) -> World {
        let random = SmallRng::seed_from_u64(seed);
        let mut world = World { random, events: Vec::new(), packets: Vec::new(), frames: Vec::new(), ops: 0 };
        for second in 0..=(end.as_nanos() / 1_000_000_000 + 1) {
            let at = ms(second * 1000);
            world.event(at, What::Clock { wall_unix_ns: WALL_EPOCH_NS + at.as_nanos() });
        }
        world.event(start, What::Stage { stage: TrialStage::Steady });
        world.event(end, What::Stage { stage: TrialStage::WindowEnd });
        world
    }

    pub(super) fn event(&mut self, t_ns: RunTime, what: What) {
        self.events.push(Event { t_ns, what });
    }

    pub(super) fn power_off(&mut self, at: RunTime) {
        let steps = [(0, FaultStep::CommandStart), (2, FaultStep::CommandEnd), (5, FaultStep::Verified)];
        for (after, step) in steps {
            let mark = FaultMark { fault: 0, kind: "power_off".into(), node: "alpha".into(), step, detail: None };
            self.event(at + Span::from_millis(after), What::Fault(mark));
        }
    }

    /// An operation from its plan to its end; an end of `None` leaves it open.
    pub(super) fn op(&mut self, kind: OpKind, actor: &str, call: Option<u64>, planned: RunTime, end: Option<End>) {
        self.ops += 1;
        let mut op = Op {
            op: self.ops,
            kind,
            step: Step::Invoke,
            actor: actor.into(),
            planned_ns: planned,
            call,
            code: None,
            status_ns: None,
            node: None,
            retransmissions: None,
            reason: None,
        };
        self.event(planned + Span(20_000), What::Op(op.clone()));
        if let Some(End { at, step, code }) = end {
            (op.step, op.code) = (step, code);
            self.event(at, What::Op(op));
        }
    }

    pub(super) fn session(&mut self, at: RunTime, chatter: &str, role: ChatRole, state: SessionState) {
        self.event(at, What::Session(Session { chatter: chatter.into(), role, state, reason: None }));
    }

    pub(super) fn message(&mut self, at: RunTime, message: u64, seq: u32, planned: RunTime, seen: Seen) {
        let mark = MessageMark { message, pair: 1, seq, planned_ns: planned, seen, reason: None };
        self.event(at, What::Message(mark));
    }

    /// A stream whose packets go over a relay that gives them its own SSRC. `lost` decides by the due instant.
    pub(super) fn media(&mut self, media: Media, mut lost: impl FnMut(RunTime, &mut SmallRng) -> bool) {
        let local = phone(media.call, media.direction == Direction::ToCallee);
        let remote = socket(1, 30_000);
        let mut mark = StreamMark {
            stream: media.stream,
            call: media.call,
            direction: media.direction,
            state: StreamState::Started,
            codec: "PCMA".into(),
            ptime_ns: media.ptime.as_nanos(),
            ssrc: media.stream,
            local: SocketAddr::V4(local),
            remote: SocketAddr::V4(remote),
            video: None,
        };
        self.event(media.from, What::Stream(mark.clone()));
        mark.state = StreamState::Stopped;
        self.event(media.until, What::Stream(mark));
        let mut due = media.from;
        let mut index = 0;
        while due < media.until {
            let signature = Signature { stream: media.stream, index, due };
            let sent = due + Span(self.random.random_range(0..50_000));
            self.packets.push((sent, true, datagram(local, remote, media.stream, signature)));
            if !lost(due, &mut self.random) {
                let received = sent + Span(self.random.random_range(200_000..300_000));
                let peer = phone(media.call, media.direction != Direction::ToCallee);
                self.packets.push((received, false, datagram(remote, peer, media.stream + 1000, signature)));
            }
            index += 1;
            due += media.ptime;
        }
    }

    /// One arrival of a packet, at any socket.
    pub(super) fn stray(&mut self, at: RunTime, to: SocketAddrV4, signature: Signature) {
        self.packets.push((at, false, datagram(socket(1, 30_000), to, 7, signature)));
    }

    /// Writes the trial's directory.
    pub(super) fn write(&mut self, name: &str) -> (Scratch, TrialDir) {
        let root = std::env::temp_dir().join(format!("fivenines-{}-{name}", std::process::id()));
        let trial = RunDir::at(&root).trial(1);
        trial.create().unwrap();
        self.events.sort_by_key(|event| event.t_ns);
        let mut file = std::io::BufWriter::new(File::create(trial.history()).unwrap());
        for event in &self.events {
            history::write(&mut file, event).unwrap();
        }
        drop(file);
        self.packets.sort();
        let taps = std::io::BufWriter::new(File::create(trial.taps()).unwrap());
        write_capture(taps, DataLink::RAW, &self.packets);
        if !self.frames.is_empty() {
            self.frames.sort();
            let switch = File::create(trial.captures().join("switch.pcapng")).unwrap();
            write_capture(std::io::BufWriter::new(switch), DataLink::ETHERNET, &self.frames);
        }
        (Scratch { root }, trial)
    }
}

/// How an operation ended.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) at: RunTime,
    pub(super) step: Step,
    pub(super) code: Option<u16>,
}

pub(super) fn ok(at: RunTime) -> Option<End> {
    Some(End { at, step: Step::Ok, code: Some(200) })
}

pub(super) fn failed(at: RunTime) -> Option<End> {
    Some(End { at, step: Step::Fail, code: None })
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_dir_all(&self.root);
    }
}

/// The RTP socket of a call's caller or callee: it sends one stream and hears the other.
pub(super) fn phone(call: u64, caller: bool) -> SocketAddrV4 {
    socket(10 + 2 * call as u32 + u32::from(caller), 4000)
}

pub(super) fn socket(host: u32, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(0x7f00_4d00 + host), port)
}

/// RTP (RFC 3550) with 160 octets of payload that carry the mark.
fn datagram(from: SocketAddrV4, to: SocketAddrV4, ssrc: u32, signature: Signature) -> Vec<u8> {
    let mut payload = [0xd5; 160];
    signature.write(&mut payload);
    let mut rtp = vec![0x80, 8];
    rtp.extend((signature.index as u16).to_be_bytes());
    rtp.extend(signature.index.wrapping_mul(160).to_be_bytes());
    rtp.extend(ssrc.to_be_bytes());
    rtp.extend(payload);
    udp(from, to, &rtp)
}

/// IPv4 and UDP around a payload, by RFC 791 and 768.
pub(super) fn udp(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let length = |header: u16| (header + payload.len() as u16).to_be_bytes();
    let mut packet = vec![0x45, 0];
    packet.extend(length(28));
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend(from.ip().octets().iter().chain(&to.ip().octets()));
    packet.extend(from.port().to_be_bytes().iter().chain(&to.port().to_be_bytes()));
    packet.extend(length(8));
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}

fn write_capture(file: impl std::io::Write, linktype: DataLink, packets: &[(RunTime, bool, Vec<u8>)]) {
    let mut writer = PcapNgWriter::with_endianness(file, Endianness::native()).unwrap();
    let options = vec![InterfaceDescriptionOption::IfTsResol(9)];
    let interface = InterfaceDescriptionBlock { linktype, snaplen: 0, options };
    writer.write_pcapng_block(interface).unwrap();
    for (at, outbound, octets) in packets {
        let unix_ns = (WALL_EPOCH_NS + at.as_nanos()).cast_unsigned();
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(unix_ns),
            original_len: octets.len() as u32,
            data: octets.into(),
            options: vec![EnhancedPacketOption::Flags(if *outbound { 2 } else { 1 })],
        };
        writer.write_pcapng_block(block).unwrap();
    }
    writer.into_inner().flush().unwrap();
}
