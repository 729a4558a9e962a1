//! The same planted losses for each way to send pictures, and what becomes of a call whose picture does not come back.

use super::video_tests::{FAULT, Kind, VIDEO, measured, of, outages, video_of, world};
use super::world::{Media, World, ms, ok, scenario};
use super::*;
use crate::analysis::measure::model::CallFate;
use crate::evidence::history::OpKind;
use crate::wire::video::Codec;
use crate::wire::video::h264::Mode;

/// One frame.
const FRAME_MS: f64 = 40.0;

/// VP8, and both modes of H.264, each in bursts and smoothed.
fn kinds() -> [Kind; 6] {
    let both = |codec, mode| [false, true].map(|smoothed| Kind { codec, mode, smoothed });
    let [a, b] = both(Codec::H264, Mode::NonInterleaved);
    let [c, d] = both(Codec::H264, Mode::SingleUnit);
    let [e, f] = both(Codec::Vp8, Mode::default());
    [a, b, c, d, e, f]
}

/// Packets are gone from 5.0 to 5.7 s; the last frame before was due at 4.96 s, the next key frame at 7.0 s: the freeze is
/// the outage and the time to the next key frame, within one frame, however the packets are paced.
#[test]
fn a_freeze_is_the_outage_and_the_time_to_the_next_key_frame() {
    for kind in kinds() {
        let mut world = world();
        let gone = |due: RunTime, _: u32, _: usize| due >= FAULT && due < ms(5_700);
        video_of(kind, &mut world, Direction::ToCallee, ms(5_700), gone);
        video_of(kind, &mut world, Direction::ToCaller, RunTime(i64::MAX), |_, _, _| false);
        let measured = measured(&mut world, "kinds-outage");
        let video = of(&measured, Direction::ToCallee);
        let [freeze] = &video.freezes[..] else { panic!("{kind:?}: {:?}", video.freezes) };
        assert!((freeze.duration_ms - 2_040.0).abs() <= FRAME_MS && freeze.ended_by_key_frame, "{kind:?}: {freeze:?}");
        let [packets] = &outages(&measured, "video", Direction::ToCallee)[..] else { panic!("{kind:?}") };
        assert!((packets.2 - 700.0).abs() <= FRAME_MS, "{kind:?}: {packets:?}");
        assert_eq!((video.frames.missing, video.frames.undecodable), (18, 32), "{kind:?}");
        assert_eq!(video.codec, kind.codec.encoding());
        assert!(of(&measured, Direction::ToCaller).freezes.is_empty(), "{kind:?}");
    }
}

/// One packet of frame 10 (P, due at 1.4 s) or of frame 150 (key, due at 7.0 s): frozen from the frame before until the
/// next key frame, due at 3.0 s or 9.0 s.
#[test]
fn one_lost_packet_freezes_until_the_next_key_frame() {
    for kind in kinds() {
        let mut world = world();
        let lost = |wanted: u32| move |_: RunTime, frame: u32, piece: usize| frame == wanted && piece == 1;
        video_of(kind, &mut world, Direction::ToCallee, RunTime(i64::MAX), lost(10));
        video_of(kind, &mut world, Direction::ToCaller, RunTime(i64::MAX), lost(150));
        let measured = measured(&mut world, "kinds-loss");
        for (direction, wanted, undecodable) in [(Direction::ToCallee, 1_640.0, 39), (Direction::ToCaller, 2_040.0, 49)]
        {
            let video = of(&measured, direction);
            let [freeze] = &video.freezes[..] else { panic!("{kind:?}: {:?}", video.freezes) };
            assert!(
                (freeze.duration_ms - wanted).abs() <= FRAME_MS && freeze.ended_by_key_frame,
                "{kind:?}: {freeze:?}"
            );
            assert_eq!(
                (video.lost, video.frames.incomplete, video.frames.undecodable),
                (1, 1, undecodable),
                "{kind:?}"
            );
            assert!(outages(&measured, "video", direction).is_empty(), "{kind:?}");
        }
    }
}

/// A video call whose sound is silent both ways from 5.0 to 5.7 s.
fn call() -> World {
    let mut world = world();
    for (stream, direction) in [(2, Direction::ToCallee), (3, Direction::ToCaller)] {
        let (ptime, from, until) = (Span::from_millis(20), ms(1_000), ms(11_200));
        let media = Media { stream, call: 1, direction, ptime, from, until };
        world.media(media, |due, _| due >= FAULT && due < ms(5_700));
    }
    world.op(OpKind::StandingCall, "phone-01", Some(1), ms(990), ok(ms(995)));
    world
}

/// The fate of the call, and the findings of pictures that are gone.
fn fate(world: &mut World, name: &str) -> (Option<CallFate>, u64) {
    let (_scratch, trial) = world.write(name);
    let measured = measure_trial(&trial, &scenario(VIDEO)).unwrap();
    let gone = measured.findings.iter().filter(|finding| finding.kind == "pictures_gone").map(|finding| finding.count);
    (measured.calls[0].fate, gone.sum())
}

/// To the callee the picture is as planted, to the caller it comes back with the key frame of 7.0 s.
fn with_picture(name: &str, lost: impl Fn(RunTime, u32, usize) -> bool) -> (Option<CallFate>, u64) {
    let (mut world, never) = (call(), RunTime(i64::MAX));
    video_of(kinds()[0], &mut world, Direction::ToCallee, never, lost);
    video_of(kinds()[0], &mut world, Direction::ToCaller, never, |due, _, _| due >= FAULT && due < ms(5_700));
    fate(&mut world, name)
}

#[test]
fn a_call_without_its_picture_is_no_call_that_recovered() {
    let out = |due: RunTime| due >= FAULT && due < ms(5_700);
    let key = |frame: u32| frame.is_multiple_of(50);
    let recovered = with_picture("picture-back", |due, _, _| out(due));
    assert_eq!(recovered, (Some(CallFate::GapRecovered), 0));
    // Packets came back, and of every further key frame one is lost.
    let undecodable =
        with_picture("picture-gone", |due, frame, piece| out(due) || due >= FAULT && key(frame) && piece == 2);
    assert_eq!(undecodable, (Some(CallFate::PictureDead), 1));
    let silent = with_picture("picture-silent", |due, _, _| due >= FAULT);
    assert_eq!(silent, (Some(CallFate::PictureDead), 1));
}

/// Gone from 9.0 to 9.7 s with the key frame of 9.0 s; the next is due when the window ends. Nobody can know.
#[test]
fn a_picture_that_had_no_chance_to_come_back_is_not_judged() {
    let late = with_picture("picture-late", |due, _, _| due >= ms(9_000) && due < ms(9_700));
    assert_eq!(late, (None, 0));
}
