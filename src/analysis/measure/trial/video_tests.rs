//! Simulated video calls whose losses and outages are planted.

use super::world::{World, ms, phone, scenario, socket, udp};
use super::*;
use crate::analysis::measure::model::{FrameFate, VideoMeasured};
use crate::evidence::history::{StreamMark, StreamState, VideoMark};
use crate::wire::signature::Signature;
use crate::wire::sip::sdp::{self, Audio, Description, Format, Video};
use crate::wire::sip::{Draft, Message};
use crate::wire::video::feedback::picture_loss;
use crate::wire::video::h264::{Mode, packetize};
use crate::wire::video::nal::signature_unit;
use crate::wire::video::{Codec, vp8};

pub(super) const VIDEO: &str = "[traffic.video_calls]\ncount = 1";
const FRAME: Span = Span::from_millis(40);
/// A key frame each 2 s.
const GROUP: u32 = 50;
/// On the way: send to receive.
const DELAY: Span = Span::from_millis(5);

pub(super) const FAULT: RunTime = RunTime::from_millis(5_000);

/// How pictures are sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) codec: Codec,
    /// Of H.264.
    pub(super) mode: Mode,
    /// The packets of a frame are spread over its interval.
    pub(super) smoothed: bool,
}

const COMMON: Kind = Kind { codec: Codec::H264, mode: Mode::NonInterleaved, smoothed: false };

fn video(world: &mut World, direction: Direction, renamed: RunTime, lost: impl Fn(RunTime, u32, usize) -> bool) {
    video_of(COMMON, world, direction, renamed, lost);
}

/// One direction of call 1 from 1 s to 11.2 s. The relay gives it its own SSRC, sequence and timestamps, and new ones
/// from `renamed` on. `lost` decides by due instant, frame and piece of the frame.
pub(super) fn video_of(
    kind: Kind,
    world: &mut World,
    direction: Direction,
    renamed: RunTime,
    lost: impl Fn(RunTime, u32, usize) -> bool,
) {
    let stream = 1 << 31 | 2 | u32::from(direction == Direction::ToCaller);
    let local = phone(1, direction == Direction::ToCallee);
    let (local, remote) = (std::net::SocketAddrV4::new(*local.ip(), 4002), socket(1, 30_002));
    let peer = phone(1, direction != Direction::ToCallee);
    let peer = std::net::SocketAddrV4::new(*peer.ip(), 4002);
    let (from, until) = (ms(1_000), ms(11_200));
    let mut mark = StreamMark {
        stream,
        call: 1,
        direction,
        state: StreamState::Started,
        codec: kind.codec.encoding().into(),
        ptime_ns: FRAME.as_nanos(),
        ssrc: stream,
        local: local.into(),
        remote: remote.into(),
        video: Some(VideoMark {
            width: 640,
            height: 480,
            key_interval_ns: FRAME.as_nanos() * i64::from(GROUP),
            packetization_mode: (kind.codec == Codec::H264).then(|| kind.mode.number()),
            smoothed: kind.smoothed,
        }),
    };
    world.event(from, What::Stream(mark.clone()));
    mark.state = StreamState::Stopped;
    world.event(until, What::Stream(mark));
    let mut sequence = 65_000u16;
    for index in 0.. {
        let due = from + Span(FRAME.as_nanos() * i64::from(index));
        if due >= until {
            return;
        }
        let payloads = payloads(kind, index, Signature { stream, index, due });
        let apart = if kind.smoothed { FRAME.as_nanos() / payloads.len() as i64 } else { 20_000 };
        for (piece, (payload, marker)) in payloads.into_iter().enumerate() {
            let timestamp = index.wrapping_mul(3600);
            let sent = due + Span(apart * piece as i64);
            world.packets.push((sent, true, udp(local, remote, &rtp(stream, sequence, timestamp, marker, &payload))));
            if !lost(due, index, piece) {
                let (ssrc, offset) = if due < renamed { (7, 100) } else { (8, 9_000) };
                let out = rtp(ssrc, sequence.wrapping_add(offset), timestamp.wrapping_add(77), marker, &payload);
                world.packets.push((sent + DELAY, false, udp(remote, peer, &out)));
            }
            sequence = sequence.wrapping_add(1);
        }
    }
}

/// The packets of a frame, each with its marker.
fn payloads(kind: Kind, index: u32, signature: Signature) -> Vec<(Vec<u8>, bool)> {
    let key = index.is_multiple_of(GROUP);
    let payloads = match kind.codec {
        Codec::H264 => h264(kind.mode, key, signature),
        Codec::Vp8 => vp8(index, key, signature),
    };
    let last = payloads.len() - 1;
    payloads.into_iter().enumerate().map(|(at, payload)| (payload, at == last)).collect()
}

/// In mode 1 a key frame of five packets with its parameter sets, or a P frame of two: one with the mark, one with the
/// slice. In mode 0 a key frame of four.
fn h264(mode: Mode, key: bool, signature: Signature) -> Vec<Vec<u8>> {
    let mark = signature_unit(signature);
    let slice =
        [if key { [0x65, 0x88] } else { [0x41, 0x9a] }.to_vec(), vec![7; if key { 4_000 } else { 1_150 }]].concat();
    let sets: Vec<&[u8]> = if key { vec![&[0x67, 66, 0, 30, 0xff], &[0x68, 1]] } else { vec![] };
    let units: Vec<&[u8]> = sets.into_iter().chain([mark.as_slice(), slice.as_slice()]).collect();
    packetize(&units, mode, 1200)
}

/// A key frame of four packets or another frame of two, with the mark at its end.
fn vp8(index: u32, key: bool, signature: Signature) -> Vec<Vec<u8>> {
    let head: &[u8] = if key { &[0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01] } else { &[0x11, 0, 0] };
    let frame = [head, &vec![7; if key { 4_000 } else { 1_400 }]].concat();
    vp8::packetize(&vp8::signed(&frame, signature), index as u16 & 0x7fff, 1200)
}

fn rtp(ssrc: u32, sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
    let head = [0x80, 99 | u8::from(marker) << 7];
    [&head[..], &sequence.to_be_bytes(), &timestamp.to_be_bytes(), &ssrc.to_be_bytes(), payload].concat()
}

pub(super) fn world() -> World {
    let mut world = World::new(1, ms(2_000), ms(11_000));
    world.power_off(FAULT);
    world
}

pub(super) fn measured(world: &mut World, name: &str) -> Measured {
    let (_scratch, trial) = world.write(name);
    measure_trial(&trial, &scenario(VIDEO)).unwrap()
}

pub(super) fn of(measured: &Measured, direction: Direction) -> &VideoMeasured {
    measured.videos.iter().find(|video| video.direction == Some(direction)).unwrap()
}

/// Outages of a service and direction: start, end, length in ms.
pub(super) fn outages(
    measured: &Measured,
    service: &str,
    direction: Direction,
) -> Vec<(RunTime, Option<RunTime>, f64)> {
    let of = measured.outages.iter().filter(|o| o.service == service && o.direction == Some(direction));
    of.map(|outage| (outage.start_ns, outage.end_ns, outage.duration_ms)).collect()
}

// Packets are gone from 5.0 to 5.7 s: the last frame before was due at 4.96 s, the first after at 5.72 s; 19 frames of 40 ms
// minus one interval are 720 ms. The next key frame was due at 7 s: the picture stands from 4.96 to 7.0 s.
#[test]
fn a_planted_outage_is_short_for_packets_and_long_for_the_picture() {
    let mut world = world();
    let gone = |due: RunTime, _: u32, _: usize| due >= FAULT && due < ms(5_700);
    video(&mut world, Direction::ToCallee, ms(5_700), gone);
    video(&mut world, Direction::ToCaller, RunTime(i64::MAX), gone);
    let measured = measured(&mut world, "video-outage");
    for direction in [Direction::ToCallee, Direction::ToCaller] {
        let piece = |pieces: i64| DELAY + Span(20_000 * pieces);
        let packets = outages(&measured, "video", direction);
        assert_eq!(packets, [(ms(4_960) + DELAY, Some(ms(5_720) + DELAY), 720.0)]);
        let pictures = outages(&measured, "picture", direction);
        // The last packet of a key frame is its fifth, that of a P frame its second.
        assert_eq!(pictures[0].0, ms(4_960) + piece(1));
        assert_eq!(pictures[0].1, Some(ms(7_000) + piece(4)));
        assert_eq!((pictures.len(), pictures[0].2.round()), (1, 2_000.0));
        let video = of(&measured, direction);
        assert_eq!((video.freezes.len(), video.freezes[0].fault), (1, Some(0)));
        assert!(
            video.freezes[0].ended_by_key_frame && (video.frozen_ms - 2_040.06).abs() < 0.01,
            "{}",
            video.frozen_ms
        );
        // 255 frames from 1 s to 11.2 s, of which 250 were due by 11 s; 18 of them fell into the outage, 32 waited.
        let frames = &video.frames;
        assert_eq!((frames.expected, frames.missing, frames.undecodable, frames.incomplete), (250, 18, 32, 0));
        // One of the five key frames was due at 5 s.
        assert_eq!((frames.shown, frames.key), (200, 4));
        assert_eq!(video.recoveries.len(), 1);
        assert!((video.recoveries[0].wait_ms.unwrap() - 1_280.08).abs() < 0.01, "{:?}", video.recoveries);
        assert_eq!(video.more_ssrcs.len(), usize::from(direction == Direction::ToCallee));
        assert!((video.delay.as_ref().unwrap().p50_ms - 5.0).abs() < 1e-9);
    }
    let users: Vec<_> = measured.users.iter().map(|users| (users.service.as_str(), users.users.len())).collect();
    assert_eq!(users, [("video", 1), ("video", 1), ("picture", 1), ("picture", 1)]);
}

#[test]
fn a_lost_packet_of_a_p_or_key_frame_is_a_freeze_without_an_outage_of_packets() {
    let mut world = world();
    // Frame 10 (P) was due at 1.4 s, the next key frame at 3.0 s; frame 150 (key) at 7.0 s, the next one at 9.0 s.
    video(&mut world, Direction::ToCallee, RunTime(i64::MAX), |_, frame, piece| frame == 10 && piece == 1);
    video(&mut world, Direction::ToCaller, RunTime(i64::MAX), |_, frame, piece| frame == 150 && piece == 2);
    let measured = measured(&mut world, "video-loss");
    for (direction, from, until, undecodable) in
        [(Direction::ToCallee, 1_360, 3_000, 39), (Direction::ToCaller, 6_960, 9_000, 49)]
    {
        assert!(outages(&measured, "video", direction).is_empty());
        let pictures = outages(&measured, "picture", direction);
        let wanted = (until - from - 40) as f64;
        assert_eq!(pictures.iter().map(|outage| outage.2.round()).collect::<Vec<_>>(), [wanted]);
        let video = of(&measured, direction);
        assert_eq!((video.frames.incomplete, video.frames.undecodable, video.lost), (1, undecodable, 1));
        assert_eq!(video.freezes.len(), 1);
    }
    // The freeze that was over when the fault struck is not its.
    assert_eq!(of(&measured, Direction::ToCallee).freezes[0].fault, None);
}

#[test]
fn periods_timeline_and_requests_tell_what_was_planted() {
    let mut world = world();
    video(&mut world, Direction::ToCallee, RunTime(i64::MAX), |due, _, _| due >= FAULT && due < ms(5_700));
    video(&mut world, Direction::ToCaller, RunTime(i64::MAX), |_, _, _| false);
    // The callee asks twice, from the RTCP port beside its video socket.
    let viewer = phone(1, false);
    for at in [ms(5_800), ms(6_300)] {
        let from = std::net::SocketAddrV4::new(*viewer.ip(), 4003);
        world.packets.push((at, true, udp(from, socket(1, 30_003), &picture_loss(1, 7, "callee"))));
    }
    let measured = measured(&mut world, "video-periods");
    let video = of(&measured, Direction::ToCallee);
    assert_eq!((video.pli, video.fir, of(&measured, Direction::ToCaller).pli), (2, 0, 0));
    let [before, during, after] = &video.periods[..] else { panic!("{:?}", video.periods) };
    assert!((before.frame_rate - 25.0).abs() < 0.3 && (after.frame_rate - 25.0).abs() < 0.3, "{before:?} {after:?}");
    assert_eq!((before.loss_percent, after.loss_percent), (Some(0.0), Some(0.0)));
    // A key frame of five packets and 17 P frames of two, of two such key frames and 49 such P frames: 39 of 108.
    assert!((during.loss_percent.unwrap() - 36.1).abs() < 0.1 && during.frame_rate < 1.0, "{during:?}");
    assert!(before.vq.as_ref().is_some_and(|vq| vq.valid) && before.sq.is_none() && before.mmq.is_none());
    let of_fate = |fate| video.timeline.iter().filter(|mark| mark.frame == fate).count();
    assert_eq!((of_fate(FrameFate::Missing), of_fate(FrameFate::Undecodable)), (18, 32));
    assert!(of_fate(FrameFate::Key) >= 1 && of_fate(FrameFate::Shown) >= 45);
    assert!(video.timeline.is_sorted_by_key(|mark| mark.at_ns.as_nanos() / 40_000_000));
}

#[test]
fn video_that_never_comes_back_is_censored() {
    let mut world = world();
    video(&mut world, Direction::ToCallee, RunTime(i64::MAX), |due, _, _| due >= FAULT);
    video(&mut world, Direction::ToCaller, RunTime(i64::MAX), |_, _, _| false);
    let measured = measured(&mut world, "video-dead");
    for service in ["video", "picture"] {
        let outages = outages(&measured, service, Direction::ToCallee);
        assert_eq!((outages.len(), outages[0].1), (1, None));
        assert!(outages[0].2 > 5_900.0);
    }
    assert_eq!(of(&measured, Direction::ToCallee).freezes[0].end_ns, None);
}

/// A dialog of the relay with the callee, whose video socket is `viewer`; the caller's side is not seen.
fn dialog(world: &mut World, viewer: std::net::SocketAddrV4) {
    let sdp = |address: std::net::SocketAddr| {
        let format = |payload_type, encoding: &str, clock_rate| Format {
            payload_type,
            encoding: encoding.into(),
            clock_rate,
            parameters: None,
        };
        let media = |port| std::net::SocketAddr::new(address.ip(), port);
        let audio = Audio {
            address: media(address.port() - 2),
            formats: vec![format(8, "PCMA", 8000)],
            ptime_ms: None,
            direction: sdp::Direction::SendRecv,
        };
        let video = Video {
            address,
            formats: vec![format(99, "H264", 90_000)],
            direction: sdp::Direction::SendRecv,
            picture_loss_indication: true,
        };
        Description { audio, video: Some(video), video_section: true }.write(1, 0)
    };
    let (relay, phone) = (socket(1, 5060), std::net::SocketAddrV4::new(*viewer.ip(), 5060));
    let draft = Draft::request(rsip::Method::Invite, "sip:2@127.0.77.1")
        .from("sip:1@d", "f")
        .to("sip:2@d", None)
        .call_id("c")
        .cseq(1)
        .body("application/sdp", sdp(socket(1, 30_002).into()));
    let invite = draft.to_bytes();
    let ok = Draft::reply(&Message::parse(&invite).unwrap(), 200, "t").body("application/sdp", sdp(viewer.into()));
    world.packets.push((ms(900), false, udp(relay, phone, &invite)));
    world.packets.push((ms(950), false, udp(phone, relay, &ok.to_bytes())));
}

/// The same stream as a foreign capture: no history, no plan, only what a session description announced.
#[test]
fn a_capture_alone_gives_the_same_figures() {
    let mut world = world();
    video(&mut world, Direction::ToCallee, ms(5_700), |due, _, _| due >= FAULT && due < ms(5_700));
    let viewer = std::net::SocketAddrV4::new(*phone(1, false).ip(), 4002);
    dialog(&mut world, viewer);
    // What arrived, as a tap on the way to the callee would have it.
    world.packets.retain(|(_, outbound, _)| !outbound);
    let (_scratch, trial) = world.write("video-capture");
    let measured = crate::analysis::measure::measure_capture(&[trial.taps()]).unwrap();
    assert!(measured.streams.is_empty(), "video is no sound");
    let [video] = &measured.videos[..] else { panic!("{:?}", measured.videos) };
    assert_eq!((video.codec.as_str(), video.direction, video.call), ("H264", Some(Direction::ToCallee), Some(0)));
    let frames = &video.frames;
    // 255 frames from 1 s to 11.2 s; the dialog has no end, and so the last one is the last that was due.
    assert_eq!((frames.expected, frames.missing, frames.undecodable), (255, 18, 32));
    assert_eq!((frames.shown, frames.key), (205, 5));
    assert_eq!((video.freezes.len(), video.frozen_ms.round()), (1, 2_040.0));
    // 18 frames are missing; a frame has 2.06 packets in the mean.
    assert_eq!((video.lost, video.more_ssrcs.len(), video.frame_interval_ms), (37, 1, Some(40.0)));
    let lengths: Vec<(&str, f64)> =
        measured.outages.iter().map(|outage| (outage.service.as_str(), outage.duration_ms.round())).collect();
    assert_eq!(lengths, [("video", 720.0), ("picture", 2_000.0)]);
    assert_eq!(video.delay, None);
}
