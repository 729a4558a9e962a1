//! How operations get into the history: one invoke, then exactly one ok, fail or info.

use super::{Output, Phone};
use crate::evidence::history::{Op, OpKind, Step, What};
use crate::units::RunTime;
use crate::wire::sip::Message;

/// What every line of one operation repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) op: u64,
    pub(super) kind: OpKind,
    pub(super) planned: RunTime,
    pub(super) call: Option<u64>,
}

/// How an operation ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Detail {
    pub(super) code: Option<u16>,
    pub(super) status: Option<RunTime>,
    pub(super) node: Option<String>,
    pub(super) retransmissions: Option<u32>,
    pub(super) reason: Option<String>,
}

impl Detail {
    /// Ended by a response.
    pub(super) fn response(code: u16, response: &Message<'_>, retransmissions: u32) -> Detail {
        let node = response.header("X-Node").or_else(|| response.header("Server")).map(|node| node.into_owned());
        let reason = (code >= 300).then(|| format!("{code} from server"));
        Detail { code: Some(code), node, retransmissions: Some(retransmissions), reason, ..Detail::default() }
    }

    /// With the instant at which the user first learned something.
    pub(super) fn told(self, status: Option<RunTime>) -> Detail {
        Detail { status, ..self }
    }

    /// Ended without one.
    pub(super) fn reason(reason: &str, retransmissions: u32) -> Detail {
        Detail { reason: Some(reason.to_owned()), retransmissions: Some(retransmissions), ..Detail::default() }
    }
}

/// Numbers for operations that nobody commanded.
#[derive(Debug)]
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(base: u64) -> Numbers {
        Numbers(base)
    }

    pub(super) fn next(&mut self) -> u64 {
        let number = self.0;
        self.0 += 1;
        number
    }
}

impl Phone {
    pub(super) fn invoke(&mut self, t: RunTime, record: Record) {
        self.emit(t, record, Step::Invoke, Detail::default());
    }

    pub(super) fn emit(&mut self, t: RunTime, record: Record, step: Step, detail: Detail) {
        let Record { op, kind, planned, call } = record;
        let Detail { code, status: status_ns, node, retransmissions, reason } = detail;
        let actor = self.config.name.clone();
        let op =
            Op { op, kind, step, actor, planned_ns: planned, call, code, status_ns, node, retransmissions, reason };
        self.outputs.push_back(Output::Event { t, what: What::Op(op) });
    }

    /// The far side ended `call`: an operation of its own, with a number of our own.
    pub(super) fn emit_remote_end(&mut self, t: RunTime, call: u64, method: &str) {
        let record = Record { op: self.numbers.next(), kind: OpKind::Bye, planned: t, call: Some(call) };
        let detail = Detail { reason: Some(format!("{method} received")), ..Detail::default() };
        self.emit(t, record, Step::RemoteEnd, detail);
    }
}
