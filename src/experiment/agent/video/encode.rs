//! A clip that is encoded for a run: H.264, constrained baseline, of the size, rates and length that were asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rusty_h264_common::YuvFrame;
use rusty_h264_encoder::{Encoder, EncoderConfig};

use super::{Clip, clip, pattern};

/// What a scenario wants to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wanted {
    /// Width and height in pixels, both even.
    pub size: (u32, u32),
    /// Frames a second.
    pub frame_rate: u32,
    /// Mean bit rate of the NAL units in kbit/s.
    pub bitrate_kbps: u32,
    /// Frames from one key frame to the next, which is all of the clip.
    pub frames: u32,
}

/// Why there is no clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The encoder did not take the settings.
    Refused(String),
    /// The nearest that the encoder came, in kbit/s.
    Rate(Wanted, u32),
}

/// The rate is aimed at so often: the key frame weighs more in a short clip than the encoder's control expects.
const PASSES: u32 = 4;
/// Near enough.
const NEAR: f64 = 0.03;
/// Farther off than this the scenario's word would not be kept.
const FAR: f64 = 0.15;

/// ITU-T H.264 table A-1: level_idc, macroblocks a second, macroblocks a frame, kbit/s.
const LEVELS: [(u8, u32, u32, u32); 14] = [
    (10, 1_485, 99, 64),
    (11, 3_000, 396, 192),
    (12, 6_000, 396, 384),
    (13, 11_880, 396, 768),
    (20, 11_880, 396, 2_000),
    (21, 19_800, 792, 4_000),
    (22, 20_250, 1_620, 4_000),
    (30, 40_500, 1_620, 10_000),
    (31, 108_000, 3_600, 14_000),
    (32, 216_000, 5_120, 20_000),
    (40, 245_760, 8_192, 20_000),
    (42, 522_240, 8_704, 50_000),
    (50, 589_824, 22_080, 135_000),
    (51, 983_040, 36_864, 240_000),
];

impl Wanted {
    fn level(&self) -> u8 {
        let frame = self.size.0.div_ceil(16) * self.size.1.div_ceil(16);
        let fits = |(_, second, most, rate): &&(u8, u32, u32, u32)| {
            frame * self.frame_rate <= *second && frame <= *most && self.bitrate_kbps <= *rate
        };
        LEVELS.iter().find(fits).map_or(51, |(level, ..)| *level)
    }

    fn config(&self, target_kbps: f64) -> EncoderConfig {
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let per_pixel = target_kbps * 1000.0 / (width * height) as f64 / f64::from(self.frame_rate);
        EncoderConfig {
            level_idc: self.level(),
            gop_size: self.frames,
            min_keyint: self.frames,
            framerate: self.frame_rate as f32,
            bitrate: (target_kbps * 1000.0) as u32,
            // Where the control begins; it may go 18 steps from here.
            qp: (26.0 - 6.0 * (per_pixel / 0.1).log2()).clamp(18.0, 40.0) as u8,
            ..EncoderConfig::baseline(width, height)
        }
    }

    fn pass(&self, target_kbps: f64) -> Result<Vec<Vec<u8>>, EncodeError> {
        let refused = |error: &dyn fmt::Debug| EncodeError::Refused(format!("{error:?}"));
        let mut encoder = Encoder::new(self.config(target_kbps)).map_err(|error| refused(&error))?;
        (0..self.frames)
            .map(|number| {
                let planes = pattern::picture(self.size, number);
                let (width, height) = (self.size.0 as usize, self.size.1 as usize);
                let frame = YuvFrame { width, height, y: planes.y, u: planes.u, v: planes.v };
                encoder.try_encode(&frame).map_err(|error| refused(&error))
            })
            .collect()
    }

    fn rate_of(&self, stream: &[Vec<u8>]) -> f64 {
        let octets: usize = stream.iter().map(Vec::len).sum();
        octets as f64 * 8.0 * f64::from(self.frame_rate) / 1000.0 / f64::from(self.frames.max(1))
    }

    /// The clip, encoded when it is wanted for the first time in this process: all trials show the same.
    ///
    /// # Errors
    /// As [`Wanted::encode`].
    pub fn clip(&self) -> Result<Arc<Clip>, EncodeError> {
        static MADE: Mutex<BTreeMap<Wanted, Arc<Clip>>> = Mutex::new(BTreeMap::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clip) = made.get(self) {
            return Ok(Arc::clone(clip));
        }
        let clip = Arc::new(self.encode()?);
        made.insert(*self, Arc::clone(&clip));
        Ok(clip)
    }

    /// Encodes the test pattern. The same every time.
    ///
    /// # Errors
    /// When the encoder cannot come near the rate, or refuses the settings.
    pub fn encode(&self) -> Result<Clip, EncodeError> {
        let wanted = f64::from(self.bitrate_kbps);
        let off = |stream: &Vec<Vec<u8>>| (self.rate_of(stream) / wanted - 1.0).abs();
        let mut target = wanted;
        let mut best: Option<Vec<Vec<u8>>> = None;
        for _ in 0..PASSES {
            let stream = self.pass(target)?;
            target = (target * wanted / self.rate_of(&stream).max(1.0)).clamp(wanted / 4.0, wanted * 4.0);
            if best.as_ref().is_none_or(|best| off(&stream) < off(best)) {
                best = Some(stream);
            }
            if best.as_ref().is_some_and(|best| off(best) <= NEAR) {
                break;
            }
        }
        let stream = best.filter(|stream| off(stream) <= FAR);
        let Some(stream) = stream else {
            return Err(EncodeError::Rate(*self, self.rate_of(&self.pass(wanted)?).round() as u32));
        };
        Ok(clip::h264(&stream.concat(), self.size, self.frame_rate))
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::Refused(why) => write!(f, "the video encoder refused the settings: {why}"),
            EncodeError::Rate(wanted, made) => write!(
                f,
                "{}x{} at {}/s cannot be encoded at {} kbit/s, the nearest was {made}; change bitrate_kbps, resolution or \
                 frame_rate in [traffic.video_calls]",
                wanted.size.0, wanted.size.1, wanted.frame_rate, wanted.bitrate_kbps
            ),
        }
    }
}

impl std::error::Error for EncodeError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::video::nal;

    fn wanted(size: (u32, u32), frame_rate: u32, bitrate_kbps: u32, frames: u32) -> Wanted {
        Wanted { size, frame_rate, bitrate_kbps, frames }
    }

    /// Size, rate and key frames are those that were asked for, whatever they are. 90 lines are no whole macroblocks.
    #[test]
    fn a_clip_is_what_was_asked_for() {
        for wanted in [
            wanted((160, 90), 10, 40, 30),
            wanted((160, 90), 30, 200, 60),
            wanted((320, 240), 15, 90, 30),
            wanted((320, 180), 25, 400, 50),
        ] {
            let clip = wanted.encode().unwrap();
            assert_eq!(
                (clip.size, clip.frame_rate, clip.frames.len()),
                (wanted.size, wanted.frame_rate, wanted.frames as usize)
            );
            let keys =
                clip.frames.iter().filter(|units| units.iter().any(|unit| nal::kind_of(unit) == Some(nal::kind::SPS)));
            assert_eq!(keys.count(), 1, "one group of pictures");
            let octets: usize = clip.frames.iter().flatten().map(Vec::len).sum();
            let kbps = octets as f64 * 0.008 * f64::from(wanted.frame_rate) / f64::from(wanted.frames);
            assert!((kbps / f64::from(wanted.bitrate_kbps) - 1.0).abs() < 0.15, "{kbps} kbit/s for {wanted:?}");
            assert_eq!(wanted.encode().unwrap(), clip, "the same every time");
        }
    }

    /// A real decoder shows every frame, in order: each says its number.
    #[cfg(feature = "video-decode")]
    #[test]
    fn every_frame_decodes_to_the_picture_with_its_number() {
        let wanted = wanted((320, 180), 25, 300, 60);
        let mut decoder = rusty_h264_decoder::Decoder::new();
        for (number, units) in (0..).zip(wanted.encode().unwrap().frames) {
            let picture = decoder.decode(&nal::annex_b(&units)).unwrap().unwrap();
            assert_eq!((picture.width, picture.height), (320, 180));
            assert_eq!(pattern::counter(&picture.y, wanted.size), Some(number));
        }
    }

    #[test]
    fn a_rate_that_cannot_be_had_is_told_with_the_nearest() {
        let error = wanted((640, 360), 30, 20, 15).encode().unwrap_err();
        let EncodeError::Rate(_, made) = error else { panic!("{error}") };
        assert!(made > 40, "{made}");
        assert!(error.to_string().contains("bitrate_kbps"));
    }

    /// H.264 table A-1 by hand: 640 × 480 at 25/s is 1200 macroblocks and 30,000 a second; 1280 × 720 at 30/s 3600 and
    /// 108,000; 1920 × 1080 at 30/s 8160 and 244,800.
    #[test]
    fn levels_are_those_of_the_standard() {
        assert_eq!(wanted((640, 480), 25, 300, 1).level(), 30);
        assert_eq!(wanted((1280, 720), 30, 1_500, 1).level(), 31);
        assert_eq!(wanted((1920, 1080), 30, 4_000, 1).level(), 40);
        assert_eq!(wanted((160, 90), 10, 40, 1).level(), 10);
    }
}
