//! Ratios and delays over the operations of the window (after RFC 6076).

use std::collections::BTreeMap;

use super::services::OpLife;
use crate::analysis::measure::figures::percentile;
use crate::analysis::measure::model::{OpsMeasured, Window};
use crate::evidence::history::{OpKind, Step};

const KINDS: [OpKind; 6] =
    [OpKind::Register, OpKind::Options, OpKind::StandingCall, OpKind::NewCall, OpKind::Bye, OpKind::Ping];

/// One entry for each kind that had an operation due in the window.
pub(super) fn summaries(operations: &BTreeMap<u64, OpLife>, window: Window) -> Vec<OpsMeasured> {
    let due = |life: &&OpLife| life.planned >= window.start_ns && life.planned < window.end_ns;
    let of_kind = |kind: OpKind| operations.values().filter(due).filter(|life| life.kind == kind).collect::<Vec<_>>();
    KINDS.into_iter().map(|kind| (kind, of_kind(kind))).filter(|(_, lives)| !lives.is_empty()).map(summary).collect()
}

fn summary((kind, lives): (OpKind, Vec<&OpLife>)) -> OpsMeasured {
    let ends = || lives.iter().filter_map(|life| life.end.as_ref());
    let count = |step: Step| ends().filter(|(_, op)| op.step == step).count() as u64;
    let mut codes = BTreeMap::new();
    for code in ends().filter_map(|(_, op)| op.code) {
        *codes.entry(code).or_insert(0) += 1;
    }
    let success = |life: &&OpLife| Some((life.success()? - life.planned).as_millis_f64());
    let mut delays: Vec<f64> = lives.iter().filter_map(success).collect();
    delays.sort_by(f64::total_cmp);
    let unended = lives.iter().filter(|life| life.end.is_none()).count() as u64;
    OpsMeasured {
        kind,
        due: lives.len() as u64,
        ok: count(Step::Ok),
        failed: count(Step::Fail),
        unknown: count(Step::Info) + unended,
        not_started: count(Step::NotStarted),
        retransmissions: ends().filter_map(|(_, op)| op.retransmissions).map(u64::from).sum(),
        codes,
        p50_ms: percentile(&delays, 0.5),
        p95_ms: percentile(&delays, 0.95),
        max_ms: delays.last().copied(),
    }
}
