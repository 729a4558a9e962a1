//! The 21 coefficient sets of ITU-T G.1070 (06/2018) Annex A for video quality.

use serde::Serialize;

use super::super::{Provenance, QualityError};
use VideoCodec::{H264, H264Baseline, H264High, Mpeg2, Mpeg4};
use VideoFormat::{Cif4, P720, P1080, Qqvga, Qvga, Vga};

/// The codecs for which coefficients are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    /// MPEG-4 Visual, key frame every second.
    Mpeg4,
    /// MPEG-2, key frame every second.
    Mpeg2,
    /// H.264, key frame every second.
    H264,
    /// H.264 Baseline Profile.
    H264Baseline,
    /// H.264 High Profile.
    H264High,
}

/// The picture sizes for which coefficients are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoFormat {
    /// 160 × 120.
    Qqvga,
    /// 320 × 240.
    Qvga,
    /// 640 × 480.
    Vga,
    /// 704 × 576.
    Cif4,
    /// 1280 × 720.
    P720,
    /// 1920 × 1080.
    P1080,
}

impl VideoFormat {
    /// The bit rates, kbit/s, between which the coefficients were trained; `None` where that is not known.
    #[must_use]
    pub const fn trained_kbps(self) -> Option<(f64, f64)> {
        match self {
            Qqvga | Qvga => None,
            Vga => Some((128.0, 1024.0)),
            Cif4 => Some((128.0, 1280.0)),
            P720 => Some((256.0, 3200.0)),
            P1080 => Some((512.0, 6400.0)),
        }
    }
}

/// One set of coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoefficientSet {
    /// Number in the Recommendation's tables, 1 to 21.
    pub number: u8,
    /// Codec.
    pub codec: VideoCodec,
    /// Picture size.
    pub format: VideoFormat,
    /// Screen diagonal, inches.
    pub screen_inch: f64,
    /// v1 to v12.
    pub v: [f64; 12],
}

impl CoefficientSet {
    /// The name for look-ups: codec, picture size and screen, as `h264bp-vga-6`.
    #[must_use]
    pub fn name(&self) -> String {
        let codec = match self.codec {
            Mpeg4 => "mpeg4",
            Mpeg2 => "mpeg2",
            H264 => "h264",
            H264Baseline => "h264bp",
            H264High => "h264hp",
        };
        let format = match self.format {
            Qqvga => "qqvga",
            Qvga => "qvga",
            Vga => "vga",
            Cif4 => "4cif",
            P720 => "720p",
            P1080 => "1080p",
        };
        format!("{codec}-{format}-{}", self.screen_inch)
    }

    /// How far the coefficients can be trusted: four sets were read in several sources.
    #[must_use]
    pub const fn provenance(&self) -> Provenance {
        match self.number {
            1 | 5 | 6 | 14 => Provenance::Published,
            _ => Provenance::PublishedOneSource,
        }
    }
}

const fn set(number: u8, codec: VideoCodec, format: VideoFormat, screen_inch: f64, v: [f64; 12]) -> CoefficientSet {
    CoefficientSet { number, codec, format, screen_inch, v }
}

/// All sets in order.
#[rustfmt::skip]
pub const SETS: [CoefficientSet; 21] = [
    set(1, Mpeg4, Qvga, 4.2, [1.431, 0.02228, 3.759, 184.1, 1.161, 1.446, 0.0003881, 2.116, 467.4, 2.736, 15.28, 4.17]),
    set(2, Mpeg4, Qqvga, 2.1, [7.16, 0.02215, 3.461, 111.9, 2.091, 1.382, 0.0005881, 0.8401, 113.9, 6.047, 46.87, 10.87]),
    set(3, Mpeg2, Vga, 9.2, [4.78, 0.0122, 2.614, 51.68, 1.063, 0.898, 0.0006923, 0.7846, 85.15, 1.32, 539.48, 356.6]),
    set(4, Mpeg4, Vga, 9.2, [1.182, 0.0111, 4.286, 607.86, 1.184, 2.738, -0.000998, 0.896, 187.24, 5.212, 254.11, 268.24]),
    set(5, H264, Vga, 9.2, [5.517, 0.0129, 3.459, 178.53, 1.02, 1.15, 0.000355, 0.114, 513.77, 0.736, -6.451, 13.684]),
    set(6, H264Baseline, Vga, 6.0, [6.743, 0.009998, 3.051, 168.1, 1.766, 1.13, 0.001834, 1.232, 53.25, 3.353, 6.025, 80.752]),
    set(7, H264Baseline, Cif4, 6.0, [3.854, 0.01201, 3.24, 206.3, 1.681, 1.624, 0.0006443, 1.58, 208.34, 4.672, 7.874, 15.114]),
    set(8, H264Baseline, P720, 6.0, [2.04, 0.010991, 3.593, 296.2, 1.322, 1.683, 0.0004297, 1.324, 102.0, 3.363, 18.534, 96.237]),
    set(9, H264Baseline, P1080, 6.0, [1.711, 0.008978, 4.283, 513.2, 0.85, 1.392, 0.0002517, 1.254, 307.35, 1.847, 17.46, 3.999]),
    set(10, H264High, Vga, 6.0, [5.61, 0.010113, 3.379, 182.3, 1.31, 2.23, 0.0007512, 1.511, 136.21, 4.053, 20.162, 22.332]),
    set(11, H264High, Cif4, 6.0, [6.964, 0.007019, 3.582, 214.1, 1.2, 1.755, 0.0006348, 1.134, 170.99, 4.25, 7.982, 12.001]),
    set(12, H264High, P720, 6.0, [6.311, 0.008123, 3.681, 262.04, 1.28, 1.973, 0.0003332, 1.244, 343.33, 2.762, 6.251, 6.013]),
    set(13, H264High, P1080, 6.0, [2.773, 0.008987, 3.952, 460.3, 1.281, 2.119, 0.0003234, 1.282, 262.44, 1.981, 22.839, 7.999]),
    set(14, H264Baseline, Vga, 65.0, [5.643, 0.01042, 2.862, 178.2, 1.972, 1.263, 0.0011026, 1.125, 49.34, 3.047, 5.824, 92.465]),
    set(15, H264Baseline, Cif4, 65.0, [3.813, 0.0112, 3.058, 250.2, 1.859, 1.369, 0.0009324, 1.368, 112.0, 3.564, 6.875, 25.977]),
    set(16, H264Baseline, P720, 65.0, [1.849, 0.0106, 3.281, 306.4, 1.607, 1.858, 0.0004324, 1.121, 168.5, 2.449, 15.286, 9.888]),
    set(17, H264Baseline, P1080, 65.0, [1.238, 0.00921, 3.724, 364.2, 1.043, 1.378, 0.0003461, 1.344, 252.4, 1.365, 16.318, 2.015]),
    set(18, H264High, Vga, 65.0, [4.623, 0.007214, 3.243, 193.5, 1.271, 1.977, 0.0013245, 1.477, 141.3, 3.464, 14.315, 18.225]),
    set(19, H264High, Cif4, 65.0, [5.277, 0.008876, 3.384, 238.2, 1.216, 1.686, 0.0009122, 1.221, 228.5, 4.434, 8.562, 9.998]),
    set(20, H264High, P720, 65.0, [5.891, 0.009086, 3.535, 222.8, 1.209, 1.875, 0.0002031, 1.409, 283.6, 2.764, 5.871, 6.11]),
    set(21, H264High, P1080, 65.0, [2.209, 0.006834, 3.622, 312.1, 1.167, 1.577, 0.0003786, 1.322, 362.4, 1.486, 7.964, 2.122]),];

/// A set by its number.
///
/// # Errors
/// [`QualityError::Unsupported`] for a number that is not in 1 to 21.
pub fn set_number(number: u8) -> Result<&'static CoefficientSet, QualityError> {
    SETS.iter().find(|set| set.number == number).ok_or_else(|| no_set(number))
}

fn no_set(number: impl std::fmt::Display) -> QualityError {
    QualityError::Unsupported {
        what: format!("G.1070 coefficient set {number}"),
        reason: "the Recommendation has sets 1 to 21".to_owned(),
    }
}

/// A set by its number or its [name](CoefficientSet::name).
///
/// # Errors
/// [`QualityError::Unsupported`]: for a codec, with the names of its sets or the reason why it has none.
///
/// ```
/// use fivenines::analysis::quality::g1070::set_named;
/// assert_eq!(set_named("h264bp-vga-6")?.number, set_named("6")?.number);
/// assert!(set_named("h264").unwrap_err().to_string().contains("h264bp-720p-6"));
/// # Ok::<(), fivenines::analysis::quality::QualityError>(())
/// ```
pub fn set_named(name: &str) -> Result<&'static CoefficientSet, QualityError> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        return name.parse().map_or_else(|_| Err(no_set(name)), set_number);
    }
    let wanted = name.to_ascii_lowercase();
    if let Some(set) = SETS.iter().find(|set| set.name() == wanted) {
        return Ok(set);
    }
    let names: Vec<String> = sets_for(name)?.into_iter().map(CoefficientSet::name).collect();
    Err(QualityError::Unsupported {
        what: format!("video quality of {name:?}"),
        reason: format!("the coefficients depend on picture and screen: name one of {}", names.join(", ")),
    })
}

/// The sets for a codec by its SDP name.
///
/// # Errors
/// [`QualityError::Unsupported`] for codecs without published coefficients (VP8, VP9, H.265, AV1 …).
pub fn sets_for(codec: &str) -> Result<Vec<&'static CoefficientSet>, QualityError> {
    let matches = |set: &&CoefficientSet| match codec.to_ascii_uppercase().as_str() {
        "H264" | "H.264" => matches!(set.codec, H264 | H264Baseline | H264High),
        "MP4V-ES" | "MPEG4" | "MPEG-4" => set.codec == Mpeg4,
        "MPV" | "MPEG2" | "MPEG-2" => set.codec == Mpeg2,
        _ => false,
    };
    let found: Vec<_> = SETS.iter().filter(matches).collect();
    if found.is_empty() {
        return Err(QualityError::Unsupported {
            what: format!("video quality of {codec:?}"),
            reason:
                "G.1070 has coefficients for MPEG-2, MPEG-4 and H.264 only; rate it with an H.264 set under the name \
                     of a proxy, or report freezes and key frames"
                    .to_owned(),
        });
    }
    Ok(found)
}
