//! The media of a planned call: its ports, what its phones offer, and its streams.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::calls::VideoCall;
use crate::evidence::history::Direction;
use crate::experiment::agent::sip::phone::{Media, VideoMedia};
use crate::experiment::agent::video::{Clip, Pacing, VideoConfig, Wanted};
use crate::experiment::plan::{PlannedCall, PlannedVideo};
use crate::experiment::run::media::MediaEngine;
use crate::scenario::Codec;
use crate::wire::video;
use crate::wire::video::h264::Mode;

/// Dynamic payload type of our video (RFC 3551 §6).
const VIDEO_PAYLOAD_TYPE: u8 = 99;
/// The streams of video have numbers of their own.
const VIDEO: u32 = 1 << 31;

/// The number of a call's voice stream.
pub(super) fn stream(call: u64, direction: Direction) -> u32 {
    (call as u32) << 1 | u32::from(direction == Direction::ToCaller)
}

/// The number of a call's video stream.
pub(super) fn video_stream(call: u64, direction: Direction) -> u32 {
    VIDEO | stream(call, direction)
}

/// Opens the ports of both phones: voice, and video where it is planned.
pub(super) fn open(
    engine: &MediaEngine,
    ip: IpAddr,
    call: &PlannedCall,
) -> io::Result<([SocketAddr; 2], Option<VideoCall>)> {
    let ports = [engine.open(ip)?, engine.open(ip)?];
    let Some(planned) = &call.video else { return Ok((ports, None)) };
    let clip = clip_of(planned).map_err(io::Error::other)?;
    let open = || engine.open_video(ip, clip.codec, planned.request_interval_ns);
    let video = VideoCall { ports: [open()?, open()?], planned: planned.clone(), clip };
    Ok((ports, Some(video)))
}

/// Addresses for a call that has no media: nobody listens at them, and nobody sends.
pub(super) fn none(ip: IpAddr) -> ([SocketAddr; 2], Option<VideoCall>) {
    let discard = SocketAddr::new(ip, 9);
    ([discard, discard], None)
}

/// The clip of a planned video; one that is encoded takes its time when it is wanted for the first time.
///
/// # Errors
/// When it cannot be encoded, or there is none.
pub(in crate::experiment::run) fn clip_of(planned: &PlannedVideo) -> Result<Arc<Clip>, String> {
    if let Some(encoding) = planned.encoding {
        let frames = planned.key_interval_ns.as_nanos() * i64::from(encoding.frame_rate) / 1_000_000_000;
        let wanted = Wanted {
            size: (encoding.width, encoding.height),
            frame_rate: encoding.frame_rate,
            bitrate_kbps: encoding.bitrate_kbps,
            frames: u32::try_from(frames).unwrap_or(1).max(1),
        };
        return wanted.clip().map_err(|error| error.to_string());
    }
    let own = video::Codec::of_encoding(&planned.codec).and_then(|codec| Clip::of(codec, planned.height));
    own.map(Arc::new).ok_or_else(|| format!("there is no {} clip of {} lines", planned.codec, planned.height))
}

/// What the phone on one side (0: the caller) offers or answers.
pub(super) fn of(call: &PlannedCall, local: SocketAddr, video: Option<&VideoCall>, side: usize) -> Media {
    let codec = if call.codec == Codec::Pcmu.sdp_name() { Codec::Pcmu } else { Codec::Pcma };
    Media {
        address: local,
        codec: call.codec.clone(),
        payload_type: codec.payload_type(),
        ptime_ms: (call.ptime_ns.as_nanos() / 1_000_000) as u32,
        video: video.map(|video| VideoMedia {
            address: video.ports[side],
            codec: video.clip.codec,
            mode: mode(&video.planned),
            profile_level_id: video.clip.profile_level_id.clone(),
            payload_type: VIDEO_PAYLOAD_TYPE,
            picture_loss_indication: video.planned.request_interval_ns.is_some(),
        }),
    }
}

/// The stream that a phone of the call sends.
pub(super) fn video_config(
    (call, direction): (u64, Direction),
    agreed: VideoMedia,
    remote: SocketAddr,
    video: VideoCall,
    seed: u64,
) -> VideoConfig {
    VideoConfig {
        stream: video_stream(call, direction),
        call,
        direction,
        mode: mode(&video.planned),
        pacing: if video.planned.smoothed { Pacing::Smoothed } else { Pacing::Burst },
        key_interval: video.planned.key_interval_ns,
        clip: video.clip,
        payload_type: agreed.payload_type,
        local: agreed.address,
        remote,
        seed,
    }
}

fn mode(planned: &PlannedVideo) -> Mode {
    Mode::of_number(planned.packetization_mode).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Picture, VideoCodec};
    use crate::units::Span;

    /// The scenario promises what the clips hold.
    #[test]
    fn every_picture_of_a_scenario_has_its_clip() {
        for picture in [Picture::Vga, Picture::Qvga] {
            for codec in [VideoCodec::H264, VideoCodec::Vp8] {
                let clip =
                    video::Codec::of_encoding(codec.sdp_name()).and_then(|codec| Clip::of(codec, picture.height()));
                let length =
                    clip.as_ref().map(|clip| Span::from_secs(clip.frames.len() as i64 / i64::from(clip.frame_rate)));
                assert_eq!(length, picture.length(codec));
                assert!(clip.as_ref().is_none_or(|clip| clip.frame_rate == picture.frame_rate()));
                let largest = clip.iter().flat_map(|clip| clip.frames.iter().flatten()).map(Vec::len).max();
                let fits = codec == VideoCodec::Vp8 || largest.is_none_or(|octets| octets <= 1200);
                assert_eq!(picture.fits_single_units(codec), fits, "{picture:?} {codec:?}");
            }
        }
    }

    #[test]
    fn no_two_streams_of_a_trial_share_a_number() {
        let all: std::collections::BTreeSet<u32> = (1..50)
            .flat_map(|call| {
                [Direction::ToCallee, Direction::ToCaller].map(|way| [stream(call, way), video_stream(call, way)])
            })
            .flatten()
            .collect();
        assert_eq!(all.len(), 49 * 4);
    }
}
