//! What degraded paths did to packets, over trials.

use crate::analysis::measure::model::FaultMeasured;
use crate::analysis::report::model::PathSummary;
use crate::evidence::history::PathWork;
use crate::scenario::Way;
use crate::units::Span;

/// A row for each direction that was degraded.
pub(super) fn summaries(faults: &[&FaultMeasured]) -> Vec<PathSummary> {
    [Way::ToNode, Way::FromNode].into_iter().filter_map(|way| summary(faults, way)).collect()
}

fn summary(faults: &[&FaultMeasured], way: Way) -> Option<PathSummary> {
    let of = || faults.iter().flat_map(|fault| &fault.paths).filter(|work| work.way == way);
    let sum = |count: fn(&PathWork) -> u64| of().map(count).sum::<u64>();
    let packets = sum(|work| work.left + work.lost + work.overflowed);
    let method = of().next()?.method.clone();
    Some(PathSummary {
        way,
        method,
        packets,
        lost_percent: if packets == 0 { 0.0 } else { sum(|work| work.lost) as f64 / packets as f64 * 100.0 },
        overflowed: sum(|work| work.overflowed),
        reordered: sum(|work| work.reordered),
        late_ms_p99: Span(of().map(|work| work.late_p99_ns).max()?).as_millis_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_all_packets_and_lateness_is_the_worst_trials() {
        let work = |left, lost, late_p99_ns| PathWork {
            node: "alpha".into(),
            way: Way::ToNode,
            method: "emulator".into(),
            left,
            lost,
            overflowed: 0,
            reordered: 1,
            late_p50_ns: 0,
            late_p99_ns,
            late_max_ns: late_p99_ns,
        };
        let of = |work| FaultMeasured { paths: vec![work], ..FaultMeasured::default() };
        let trials = [of(work(980, 20, 150_000)), of(work(930, 70, 90_000))];
        let rows = summaries(&trials.iter().collect::<Vec<_>>());
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        // 90 of 2000.
        assert_eq!((row.packets, row.lost_percent, row.reordered, row.late_ms_p99), (2000, 4.5, 2, 0.15));
        assert!(summaries(&[&FaultMeasured::default()]).is_empty());
    }
}
