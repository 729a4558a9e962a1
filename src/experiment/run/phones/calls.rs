//! Which calls are up, with whom, and on which ports.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::evidence::history::Direction;
use crate::experiment::agent::video::Clip;
use crate::experiment::plan::PlannedVideo;
use crate::units::Span;

/// The video of one call.
#[derive(Clone, Debug)]
pub(super) struct VideoCall {
    /// RTP address of the caller and of the callee.
    pub ports: [SocketAddr; 2],
    /// What both show.
    pub clip: Arc<Clip>,
    /// How it was planned.
    pub planned: PlannedVideo,
}

/// One call from its INVITE to the closing of its ports.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Index of the calling phone.
    pub caller: usize,
    /// Held so long after the answer; absent: until told.
    pub hold: Option<Span>,
    /// RTP address of the caller and of the callee.
    pub ports: [SocketAddr; 2],
    /// The same for video.
    pub video: Option<VideoCall>,
    /// Answered and not ended.
    pub talking: bool,
}

/// The calls of a trial.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: HashMap<u64, Call>,
}

impl Calls {
    pub(super) fn insert(&mut self, number: u64, call: Call) {
        self.calls.insert(number, call);
    }

    pub(super) fn get(&self, number: u64) -> Option<Call> {
        self.calls.get(&number).cloned()
    }

    /// Marks a call as answered.
    pub(super) fn answered(&mut self, number: u64) -> Option<Call> {
        let call = self.calls.get_mut(&number)?;
        call.talking = true;
        Some(call.clone())
    }

    /// Marks a call as ended; true if it was up.
    pub(super) fn ended(&mut self, number: u64) -> bool {
        self.calls.get_mut(&number).is_some_and(|call| std::mem::replace(&mut call.talking, false))
    }

    /// Forgets a call; its ports can be closed.
    pub(super) fn remove(&mut self, number: u64) -> Option<Call> {
        self.calls.remove(&number)
    }

    /// Calls that are up, in order of their number.
    pub(super) fn talking(&self) -> Vec<u64> {
        let mut talking: Vec<u64> =
            self.calls.iter().filter(|(_, call)| call.talking).map(|(number, _)| *number).collect();
        talking.sort_unstable();
        talking
    }

    /// What `phone` sends in a call: towards whom.
    pub(super) fn direction(&self, number: u64, phone: usize) -> Option<Direction> {
        let call = self.calls.get(&number)?;
        Some(if call.caller == phone { Direction::ToCallee } else { Direction::ToCaller })
    }
}
