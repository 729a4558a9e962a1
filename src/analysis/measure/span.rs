//! From where to where the figures of a trial or capture reach.

use super::model::{Measured, StreamMeasured};
use crate::units::RunTime;

impl Measured {
    /// The instants between which tables and figures count: the window of a trial; in a capture without one, from the
    /// first to the last thing that was measured. Both 0 where nothing was.
    #[must_use]
    pub fn span(&self) -> (RunTime, RunTime) {
        let streams = self.streams.iter().map(|stream| (stream.start_ns, stream.end_ns));
        let calls = self.calls.iter().map(|call| (call.planned_ns, call.ended_ns.or(call.answered_ns)));
        let calls = calls.map(|(start, end)| (start, end.unwrap_or(start)));
        let owners = self.owners.iter().map(|owner| (owner.start_ns, owner.end_ns));
        let outages = self.outages.iter().map(|outage| (outage.start_ns, outage.end_ns.unwrap_or(outage.start_ns)));
        let chats = self.chats.iter().map(|chat| (chat.start_ns, chat.end_ns.unwrap_or(chat.start_ns)));
        let seen = streams.chain(calls).chain(owners).chain(outages).chain(chats);
        let seen = seen.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)));
        self.window.map(|window| (window.start_ns, window.end_ns)).or(seen).unwrap_or_default()
    }
}

impl StreamMeasured {
    /// Whose outages these are in [`super::model::Outage::scope`]: the call's, else the pair of addresses.
    #[must_use]
    pub fn scope(&self) -> String {
        self.call.map_or_else(|| format!("{} → {}", self.src, self.dst), |call| format!("call {call}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::measure::model::Window;

    #[test]
    fn a_capture_spans_what_was_seen_and_a_trial_its_window() {
        let stream =
            |start, end| StreamMeasured { start_ns: RunTime(start), end_ns: RunTime(end), ..StreamMeasured::default() };
        let mut measured = Measured { streams: vec![stream(5, 9), stream(3, 7)], ..Measured::default() };
        assert_eq!(measured.span(), (RunTime(3), RunTime(9)));
        measured.window = Some(Window { start_ns: RunTime(4), end_ns: RunTime(6) });
        assert_eq!(measured.span(), (RunTime(4), RunTime(6)));
        assert_eq!(Measured::default().span(), (RunTime::ZERO, RunTime::ZERO));
    }
}
