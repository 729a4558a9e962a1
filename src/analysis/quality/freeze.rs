//! Freezes of a video stream and the key frames that end them: what a failover does to video and no ITU model
//! covers.
//!
//! A picture can be shown if its frame is complete and so are all frames back to the last key frame. A freeze is a
//! time of more than `max(3 / frame rate, 150 ms)` without a new picture.

use serde::Serialize;

use crate::units::{RunTime, Span};

/// A video frame as it was reassembled, in decoding order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When its last packet arrived (for a frame that was lost whole: when it was due).
    pub at: RunTime,
    /// Whether it is a key frame (H.264 IDR, VP8 with the P bit clear).
    pub key: bool,
    /// Whether all of it arrived.
    pub complete: bool,
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

/// The freezes of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Freezes {
    /// All freezes in order.
    pub freezes: Vec<Freeze>,
    /// Frames that arrived incomplete or not at all.
    pub incomplete: u64,
    /// Complete frames that could not be shown for want of their reference.
    pub undecodable: u64,
}

/// Finds the freezes among `frames` of a stream that should last from `start` to `end` with `frame_rate` frames/s.
/// A frame rate that is not positive leaves the threshold at 150 ms.
#[must_use]
pub fn find(frames: &[Frame], start: RunTime, end: RunTime, frame_rate: f64) -> Freezes {
    let threshold = threshold(frame_rate);
    let mut found = Freezes::default();
    let (mut last_shown, mut reference) = (start, false);
    for frame in frames {
        reference = frame.complete && (frame.key || reference);
        if !frame.complete {
            found.incomplete += 1;
        } else if !reference {
            found.undecodable += 1;
        } else {
            found.note(last_shown, frame.at, threshold, frame.key);
            last_shown = frame.at;
        }
    }
    if end - last_shown > threshold {
        let duration = end - last_shown;
        found.freezes.push(Freeze { start: last_shown, duration, censored: true, ended_by_key_frame: false });
    }
    found
}

/// The first complete key frame at or after `instant` (a recovery), and how long it took.
#[must_use]
pub fn time_to_key_frame(frames: &[Frame], instant: RunTime) -> Option<Span> {
    frames.iter().find(|frame| frame.key && frame.complete && frame.at >= instant).map(|frame| frame.at - instant)
}

fn threshold(frame_rate: f64) -> Span {
    let floor = Span::from_millis(150);
    if frame_rate > 0.0 { Span::from_secs_f64(3.0 / frame_rate).max(floor) } else { floor }
}

impl Freezes {
    fn note(&mut self, from: RunTime, to: RunTime, threshold: Span, ended_by_key_frame: bool) {
        if to - from > threshold {
            self.freezes.push(Freeze { start: from, duration: to - from, censored: false, ended_by_key_frame });
        }
    }

    /// The longest freeze; `None` if the picture never stood.
    #[must_use]
    pub fn longest(&self) -> Option<Freeze> {
        self.freezes.iter().copied().max_by_key(|freeze| freeze.duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 25 frames/s for 10 s with a key frame every 4 s; packets are lost from `lost.0` to `lost.1` (ms).
    fn stream(lost: (i64, i64)) -> Vec<Frame> {
        let frame = |i: i64| {
            let at = 40 * i;
            Frame { at: RunTime::from_millis(at), key: at % 4000 == 0, complete: !(lost.0..lost.1).contains(&at) }
        };
        (0..250).map(frame).collect()
    }

    fn freezes(lost: (i64, i64)) -> Freezes {
        find(&stream(lost), RunTime::ZERO, RunTime::from_millis(10_000), 25.0)
    }

    /// Outage from 5.0 to 6.7 s: frames flow again at 6.72 s, the picture only with the key frame at 8.0 s.
    #[test]
    fn the_picture_stands_until_the_next_key_frame() {
        let found = freezes((5_000, 6_700));
        let freeze = found.longest().unwrap();
        assert_eq!((freeze.start, freeze.duration), (RunTime::from_millis(4_960), Span::from_millis(3_040)));
        assert!(freeze.ended_by_key_frame && !freeze.censored);
        assert_eq!((found.freezes.len(), found.incomplete, found.undecodable), (1, 43, 32));
        let recovery = RunTime::from_millis(6_720);
        assert_eq!(time_to_key_frame(&stream((5_000, 6_700)), recovery), Some(Span::from_millis(1_280)));
    }

    #[test]
    fn video_that_never_resumes_is_a_censored_freeze() {
        let found = freezes((9_000, 20_000));
        assert_eq!(found.freezes.len(), 1);
        assert!(found.freezes[0].censored);
        assert_eq!(found.freezes[0].duration, Span::from_millis(1_040));
    }

    #[test]
    fn a_smooth_stream_has_none_and_silence_is_one() {
        assert_eq!(freezes((0, 0)), Freezes::default());
        let silent = find(&[], RunTime::ZERO, RunTime::from_millis(10_000), 25.0);
        assert_eq!(silent.longest().map(|f| (f.duration, f.censored)), Some((Span::from_secs(10), true)));
    }

    /// At 10 frames/s three frames take 300 ms.
    #[test]
    fn the_threshold_follows_the_frame_rate() {
        assert_eq!(threshold(10.0), Span::from_millis(300));
        assert_eq!(threshold(30.0), Span::from_millis(150));
        assert_eq!(threshold(0.0), Span::from_millis(150));
    }
}
