//! Freezes of a video stream: what a failover does to video and no ITU model covers.
//!
//! The picture is frozen when the time without a new one is at least `max(3 δ, δ + 150 ms)`, δ being the mean frame
//! interval: the rule of `freezeCount` in the W3C's *Identifiers for WebRTC's Statistics API*. δ is that of the sender here and
//! not of the last pictures, so that a stream in trouble does not stretch the rule.

use serde::Serialize;

use crate::units::{RunTime, Span};

/// The rule in words, for reports.
pub const RULE: &str = "max(3 frame intervals, one and 150 ms) without a new picture (W3C webrtc-stats freezeCount)";

/// A picture that could be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// When its last packet arrived.
    pub at: RunTime,
    /// Whether it is a key frame (H.264 IDR, VP8 with the P bit clear).
    pub key: bool,
}

/// One freeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// The last picture before it.
    pub start: RunTime,
    /// How long the picture stood; a lower limit if `censored`.
    pub duration: Span,
    /// True if no picture came until the end of the expected video.
    pub censored: bool,
    /// True if it ended with a key frame: the stream had lost its reference.
    pub ended_by_key_frame: bool,
}

/// Finds the freezes of a stream that should last from `start` to `end` with a frame each `interval`; `pictures` are in
/// order of time.
#[must_use]
pub fn find(pictures: &[Picture], start: RunTime, end: RunTime, interval: Span) -> Vec<Freeze> {
    let threshold = threshold(interval);
    let mut freezes = Vec::new();
    let mut last = start;
    for picture in pictures.iter().filter(|picture| picture.at >= start && picture.at <= end) {
        let duration = picture.at - last;
        if duration >= threshold {
            freezes.push(Freeze { start: last, duration, censored: false, ended_by_key_frame: picture.key });
        }
        last = picture.at;
    }
    if end - last >= threshold {
        freezes.push(Freeze { start: last, duration: end - last, censored: true, ended_by_key_frame: false });
    }
    freezes
}

/// From this time without a new picture on it is a freeze.
#[must_use]
pub fn threshold(interval: Span) -> Span {
    let interval = interval.max(Span::ZERO);
    Span(interval.as_nanos().saturating_mul(3)).max(interval + Span::from_millis(150))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Span = Span::from_millis(40);

    /// 25 frames/s for 10 s with a key frame every 4 s; pictures are missing from `gone.0` to `gone.1` (ms).
    fn freezes(gone: (i64, i64)) -> Vec<Freeze> {
        let times = (0..250).map(|frame| 40 * frame).filter(|at| !(gone.0..gone.1).contains(at));
        let pictures: Vec<Picture> =
            times.map(|at| Picture { at: RunTime::from_millis(at), key: at % 4000 == 0 }).collect();
        find(&pictures, RunTime::ZERO, RunTime::from_millis(10_000), FRAME)
    }

    /// Outage from 5.0 s, the next key frame at 8.0 s; the last picture was at 4.96 s.
    #[test]
    fn the_picture_stands_until_the_next_key_frame() {
        let (start, duration) = (RunTime::from_millis(4_960), Span::from_millis(3_040));
        let freeze = Freeze { start, duration, censored: false, ended_by_key_frame: true };
        assert_eq!(freezes((5_000, 8_000)), [freeze]);
    }

    #[test]
    fn video_that_never_resumes_is_a_censored_freeze() {
        let found = freezes((9_000, 20_000));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].censored, found[0].duration), (true, Span::from_millis(1_040)));
    }

    #[test]
    fn a_smooth_stream_has_none_and_silence_is_one() {
        assert!(freezes((0, 0)).is_empty());
        let silent = find(&[], RunTime::ZERO, RunTime::from_millis(10_000), FRAME);
        assert_eq!((silent[0].duration, silent[0].censored), (Span::from_secs(10), true));
    }

    /// At 10 frames/s three frames take 300 ms; at 25 one frame and 150 ms take 190 ms.
    #[test]
    fn the_threshold_follows_the_frame_rate() {
        assert_eq!(threshold(Span::from_millis(100)), Span::from_millis(300));
        assert_eq!(threshold(FRAME), Span::from_millis(190));
        assert_eq!(threshold(Span::ZERO), Span::from_millis(150));
    }
}
