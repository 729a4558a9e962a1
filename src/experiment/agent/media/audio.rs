//! The sound in our packets: a quiet tone, so that a human who replays a capture hears a call.

use audio_codec::{CodecType, create_encoder};

/// Samples a second of G.711.
pub const CLOCK_RATE: u32 = 8000;

/// `samples` samples of a 400 Hz tone at −20 dBm0, encoded. 400 Hz repeats every 20 samples, so every packet
/// of 10, 20 or 30 ms continues the last one without a click.
pub(super) fn tone(codec: &str, samples: usize) -> Vec<u8> {
    let wave: Vec<i16> = (0..samples)
        .map(|n| (2000.0 * (std::f64::consts::TAU * 400.0 * n as f64 / f64::from(CLOCK_RATE)).sin()) as i16)
        .collect();
    let codec = if codec == "PCMU" { CodecType::PCMU } else { CodecType::PCMA };
    create_encoder(codec).encode(&wave)
}
