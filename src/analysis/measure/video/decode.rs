//! Real decoding of H.264 around the faults: whether the frames that the reference chain calls whole decode, and
//! small pictures of the last one before a freeze and the first one after it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusty_h264_decoder::Decoder;

use super::Seen;
use crate::analysis::measure::model::Thumbnail;
use crate::wire::video::Verdict;

/// Width of a thumbnail in pixels, unless the picture itself is smaller.
const WIDTH: usize = 160;

/// What came of decoding.
#[derive(Clone, Debug, Default)]
pub(in crate::analysis::measure) struct Decoding {
    /// Frames that were given to the decoder.
    pub(in crate::analysis::measure) frames: u64,
    /// Those of them that gave no picture.
    pub(in crate::analysis::measure) failed: u64,
}

impl Decoding {
    /// Decodes the chain that leads to frame `index`, from the key frame before it; its picture.
    pub(in crate::analysis::measure) fn picture(&mut self, seen: &[Seen], index: i64) -> Option<Thumbnail> {
        let last = seen.iter().position(|seen| seen.index == index)?;
        let key = seen[..=last].iter().rposition(|seen| seen.frame.key && seen.verdict == Verdict::Shown)?;
        let mut decoder = Decoder::new();
        let mut thumbnail = None;
        for seen in seen[key..=last].iter().filter(|seen| seen.verdict == Verdict::Shown) {
            let stream = seen.frame.stream.as_ref()?;
            self.frames += 1;
            match decoder.decode(stream) {
                Ok(Some(picture)) if seen.index == index => {
                    thumbnail = small(&picture.y, &picture.u, &picture.v, (picture.width, picture.height), seen);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => self.failed += 1,
            }
        }
        thumbnail
    }
}

/// A picture of 4:2:0 (ITU-R BT.601, limited range), made smaller by leaving out lines and columns.
fn small(y: &[u8], u: &[u8], v: &[u8], (width, height): (usize, usize), seen: &Seen) -> Option<Thumbnail> {
    let step = width.div_ceil(WIDTH).max(1);
    let (columns, rows) = (width / step, height / step);
    let mut rgb = Vec::with_capacity(columns * rows * 3);
    for row in 0..rows {
        for column in 0..columns {
            let (x, line) = (column * step, row * step);
            let chroma = line / 2 * (width / 2) + x / 2;
            rgb.extend(rgb_of(*y.get(line * width + x)?, *u.get(chroma)?, *v.get(chroma)?));
        }
    }
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, u32::try_from(columns).ok()?, u32::try_from(rows).ok()?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().ok()?.write_image_data(&rgb).ok()?;
    Some(Thumbnail {
        fault: 0,
        at_ns: seen.frame.at,
        after: false,
        width: columns as u32,
        height: rows as u32,
        png_base64: STANDARD.encode(png),
    })
}

fn rgb_of(y: u8, u: u8, v: u8) -> [u8; 3] {
    let (y, u, v) = (1.164 * (f64::from(y) - 16.0), f64::from(u) - 128.0, f64::from(v) - 128.0);
    [y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u].map(|part| part.round().clamp(0.0, 255.0) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::video::{Frame, nal};

    const CLIP: &[u8] = include_bytes!("../../../experiment/agent/video/clips/h264-320x240-15.h264");

    fn clip() -> Vec<Seen> {
        let units = nal::access_units(CLIP).into_iter().take(20);
        let frames = units.enumerate().map(|(number, units)| {
            let units: Vec<Vec<u8>> = units.into_iter().map(<[u8]>::to_vec).collect();
            let frame = Frame { key: number == 0, stream: Some(nal::annex_b(&units)), ..Frame::default() };
            Seen { index: number as i64, frame, verdict: Verdict::Shown }
        });
        frames.collect()
    }

    #[test]
    fn a_chain_decodes_and_a_chain_with_a_hole_is_not_what_was_sent() {
        let mut seen = clip();
        let mut decoding = Decoding::default();
        let whole = decoding.picture(&seen, 19).unwrap();
        assert_eq!((decoding.frames, decoding.failed), (20, 0));
        assert_eq!((whole.width, whole.height), (160, 120));
        let png = STANDARD.decode(&whole.png_base64).unwrap();
        assert!(png.starts_with(b"\x89PNG"));
        seen[3..15].iter_mut().for_each(|gone| gone.verdict = Verdict::Incomplete);
        assert_ne!(Decoding::default().picture(&seen, 19).map(|other| other.png_base64), Some(whole.png_base64));
        assert_eq!(Decoding::default().picture(&seen[1..], 5), None, "no key frame, no picture");
    }

    /// BT.601: black 16, white 235, and the red of 100 % bars (Y 81, Cb 90, Cr 240).
    #[test]
    fn colours_are_those_of_the_standard() {
        assert_eq!(rgb_of(16, 128, 128), [0, 0, 0]);
        assert_eq!(rgb_of(235, 128, 128), [255, 255, 255]);
        assert_eq!(rgb_of(81, 90, 240), [254, 0, 0]);
    }
}
