//! From streams to what one listener heard: all sources of one direction of a dialog are one logical stream.

use super::dialogs::{Dialogs, Leg};
use super::streams::Stream;

/// A logical stream and whose it is.
#[derive(Debug)]
pub(super) struct Logical {
    /// Absent where no session description names either end.
    pub(super) leg: Option<Leg>,
    pub(super) stream: Stream,
}

/// Joins the streams of one dialog and direction that take turns. What sounds at the same time stays apart.
pub(super) fn logical(streams: Vec<Stream>, dialogs: &Dialogs) -> Vec<Logical> {
    let mut joined: Vec<Logical> = Vec::new();
    for stream in streams {
        let leg = dialogs.leg(&stream.flow, stream.start());
        let goes_on = |earlier: &&mut Logical| {
            leg.is_some()
                && earlier.leg == leg
                && earlier.stream.flow.sense == stream.flow.sense
                && earlier.stream.hands_over_to(&stream)
        };
        match joined.iter_mut().rev().find(goes_on) {
            Some(earlier) => earlier.stream.join(stream),
            None => joined.push(Logical { leg, stream }),
        }
    }
    joined
}
