//! The pictures that our senders show: small clips that were encoded once (see `clips/README.md`).

use crate::wire::video::{Codec, ivf, nal};

const H264_VGA: &[u8] = include_bytes!("clips/h264-640x480-25.h264");
const H264_QVGA: &[u8] = include_bytes!("clips/h264-320x240-15.h264");
const VP8_QVGA: &[u8] = include_bytes!("clips/vp8-320x240-15.ivf");

/// A clip: a key frame, and frames that each refer to the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    /// Codec.
    pub codec: Codec,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Frames a second.
    pub frame_rate: u32,
    /// For H.264: `profile-level-id` of its sequence parameter set, six hexadecimal digits.
    pub profile_level_id: String,
    /// The frames in order; each its NAL units, for VP8 one piece.
    pub frames: Vec<Vec<Vec<u8>>>,
}

impl Clip {
    /// The clip of a codec and a picture height; `None` where there is none.
    #[must_use]
    pub fn of(codec: Codec, height: u32) -> Option<Clip> {
        match (codec, height) {
            (Codec::H264, 480) => Some(h264(H264_VGA, (640, 480), 25)),
            (Codec::H264, 240) => Some(h264(H264_QVGA, (320, 240), 15)),
            (Codec::Vp8, 240) => Some(vp8(VP8_QVGA, (320, 240), 15)),
            _ => None,
        }
    }
}

/// A clip of a byte stream (H.264 annex B).
pub(super) fn h264(stream: &[u8], size: (u32, u32), frame_rate: u32) -> Clip {
    let frames: Vec<Vec<Vec<u8>>> = nal::access_units(stream)
        .into_iter()
        .map(|units| {
            // A message of the encoder about itself is none of a phone's.
            let wanted = units.into_iter().filter(|unit| nal::kind_of(unit) != Some(nal::kind::SEI));
            wanted.map(<[u8]>::to_vec).collect()
        })
        .collect();
    let set = frames.iter().flatten().find(|unit| nal::kind_of(unit) == Some(nal::kind::SPS));
    let octets = set.and_then(|set| set.get(1..4)).unwrap_or_default();
    let profile_level_id = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    Clip { codec: Codec::H264, size, frame_rate, profile_level_id, frames }
}

fn vp8(file: &[u8], size: (u32, u32), frame_rate: u32) -> Clip {
    let frames = ivf::frames(file).into_iter().map(|frame| vec![frame.to_vec()]).collect();
    Clip { codec: Codec::Vp8, size, frame_rate, profile_level_id: String::new(), frames }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::video::{h264, vp8};

    /// Each clip is one group of pictures: a key frame with its parameters, and only references after it.
    #[test]
    fn clips_are_what_they_are_said_to_be() {
        for (codec, height, frames, profile) in
            [(Codec::H264, 480, 100, "42c01e"), (Codec::H264, 240, 90, "42c00c"), (Codec::Vp8, 240, 60, "")]
        {
            let clip = Clip::of(codec, height).unwrap();
            assert_eq!((clip.frames.len(), clip.profile_level_id.as_str()), (frames, profile));
            for (number, frame) in clip.frames.iter().enumerate() {
                let borrowed: Vec<&[u8]> = frame.iter().map(Vec::as_slice).collect();
                let payloads = match codec {
                    Codec::H264 => h264::packetize(&borrowed, h264::Mode::NonInterleaved, 1200),
                    Codec::Vp8 => vp8::packetize(borrowed[0], 1, 1200),
                };
                let parts: Vec<_> = payloads.iter().map(|payload| codec.inspect(payload).unwrap()).collect();
                assert_eq!(parts.iter().any(|part| part.key), number == 0, "{codec:?} frame {number}");
                assert!(parts[0].starts && parts.iter().any(|part| part.picture && part.reference));
                let size = parts.iter().find_map(|part| part.size);
                assert_eq!(size, (number == 0).then_some(clip.size), "{codec:?} frame {number}");
            }
        }
        assert_eq!(Clip::of(Codec::Vp8, 480), None);
    }
}
