//! From where to where the figures of a trial or capture reach.

use super::model::{Measured, StreamMeasured};
use crate::units::RunTime;

impl Measured {
    /// Where seconds in tables and figures count from: the start of a trial's window, the first packet of a capture.
    #[must_use]
    pub fn zero(&self) -> RunTime {
        let first = self.captured.map(|captured| captured.first_ns);
        self.window.map(|window| window.start_ns).or(first).unwrap_or_else(|| self.span().0)
    }

    /// The instants between which everything lies: the window of a trial, the measured time of a capture; without
    /// either, from the first to the last thing that was measured. Both 0 where nothing was.
    #[must_use]
    pub fn span(&self) -> (RunTime, RunTime) {
        let captured = self.captured.map(|captured| (captured.start_ns, captured.end_ns));
        let streams = self.streams.iter().map(|stream| (stream.start_ns, stream.end_ns));
        let calls = self.calls.iter().map(|call| (call.planned_ns, call.ended_ns.or(call.answered_ns)));
        let calls = calls.map(|(start, end)| (start, end.unwrap_or(start)));
        let owners = self.owners.iter().map(|owner| (owner.start_ns, owner.end_ns));
        let outages = self.outages.iter().map(|outage| (outage.start_ns, outage.end_ns.unwrap_or(outage.start_ns)));
        let chats = self.chats.iter().map(|chat| (chat.start_ns, chat.end_ns.unwrap_or(chat.start_ns)));
        let seen = streams.chain(calls).chain(owners).chain(outages).chain(chats);
        let seen = seen.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)));
        self.window.map(|window| (window.start_ns, window.end_ns)).or(captured).or(seen).unwrap_or_default()
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
    use crate::analysis::measure::model::{Captured, Window};

    #[test]
    fn a_capture_spans_what_was_seen_and_a_trial_its_window() {
        let stream =
            |start, end| StreamMeasured { start_ns: RunTime(start), end_ns: RunTime(end), ..StreamMeasured::default() };
        let mut measured = Measured { streams: vec![stream(5, 9), stream(3, 7)], ..Measured::default() };
        assert_eq!(measured.span(), (RunTime(3), RunTime(9)));
        let captured = Captured { first_ns: RunTime(1), start_ns: RunTime(2), end_ns: RunTime(9) };
        measured.captured = Some(captured);
        assert_eq!((measured.zero(), measured.span()), (RunTime(1), (RunTime(2), RunTime(9))));
        measured.window = Some(Window { start_ns: RunTime(4), end_ns: RunTime(6) });
        assert_eq!(measured.zero(), RunTime(4));
        assert_eq!(measured.span(), (RunTime(4), RunTime(6)));
        assert_eq!(Measured::default().span(), (RunTime::ZERO, RunTime::ZERO));
    }
}
