//! The services of the outage tables: which outages belong to a row, who its users are, how it is measured.

use crate::analysis::measure::model::{FaultMeasured, Measured, Outage};
use crate::evidence::history::{Direction, OpKind};
use crate::scenario::{Chat, Scenario};
use crate::units::{RunTime, Span};

/// One row of the outage tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// As in `OutageSummary::service`.
    pub(super) name: &'static str,
    /// As in `Outage::service`.
    pub(super) service: &'static str,
    side: Side,
    /// What one user of it is called.
    pub(super) unit: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    All,
    Listener(Direction),
    Sender,
    Receiver,
}

/// All rows, in the order in which a cluster gives the services back.
pub(super) const ROWS: [Row; 9] = [
    Row { name: "address", service: "address", side: Side::All, unit: "probes" },
    Row { name: "sip_answer", service: "sip_answer", side: Side::All, unit: "probes" },
    Row { name: "register", service: "register", side: Side::All, unit: "phones" },
    Row { name: "new_call", service: "new_call", side: Side::All, unit: "calls" },
    Row { name: "media to caller", service: "media", side: Side::Listener(Direction::ToCaller), unit: "calls" },
    Row { name: "media to callee", service: "media", side: Side::Listener(Direction::ToCallee), unit: "calls" },
    Row { name: "chat_session sender", service: "chat_session", side: Side::Sender, unit: "chatters" },
    Row { name: "chat_session receiver", service: "chat_session", side: Side::Receiver, unit: "chatters" },
    Row { name: "chat_delivery", service: "chat_delivery", side: Side::All, unit: "pairs" },
];

/// Names of all rows, in order.
pub(in crate::analysis::report) const ROW_NAMES: [&str; 9] = {
    let mut names = [""; 9];
    let mut row = 0;
    while row < ROWS.len() {
        names[row] = ROWS[row].name;
        row += 1;
    }
    names
};

/// The row that an outage belongs to.
pub(in crate::analysis::report) fn row_of(outage: &Outage) -> Option<&'static str> {
    ROWS.iter().find(|row| row.has(outage)).map(|row| row.name)
}

impl Row {
    pub(super) fn has(&self, outage: &Outage) -> bool {
        let side = match self.side {
            Side::All => true,
            Side::Listener(direction) => outage.direction == Some(direction),
            Side::Sender => is_sender(&outage.scope),
            Side::Receiver => !is_sender(&outage.scope),
        };
        self.service == outage.service && side
    }

    /// Whether the scenario has traffic that measures this service.
    pub(super) fn is_driven(&self, scenario: &Scenario) -> bool {
        let traffic = &scenario.traffic;
        match self.service {
            "sip_answer" => traffic.options.is_some(),
            "register" => traffic.registrations.is_some(),
            "new_call" => traffic.new_calls.is_some(),
            "media" => traffic.standing_calls.is_some() || traffic.new_calls.is_some(),
            "chat_session" | "chat_delivery" => traffic.chat.is_some(),
            _ => false,
        }
    }

    /// Users of the service when the fault struck.
    pub(super) fn users(&self, scenario: &Scenario, measured: &Measured, fault: &FaultMeasured) -> usize {
        let chatters = |sender| measured.chatters.iter().filter(|who| is_sender(&who.chatter) == sender).count();
        match (self.service, self.side) {
            ("register", _) => scenario.traffic.registrations.as_ref().map_or(0, |traffic| traffic.phones as usize),
            ("new_call", _) => new_calls_after(measured, fault.command_start_ns),
            ("media", _) => talking_at(measured, fault.command_start_ns),
            ("chat_session", Side::Receiver) => chatters(false),
            ("chat_session" | "chat_delivery", _) => chatters(true),
            _ => 1,
        }
    }

    /// How the row is measured, in words.
    pub(super) fn method(&self, scenario: &Scenario) -> String {
        let traffic = &scenario.traffic;
        let or_plain = |text: Option<String>, plain: &str| text.unwrap_or_else(|| plain.to_owned());
        match (self.service, self.side) {
            ("address", _) => "first frame of the new owner".to_owned(),
            ("sip_answer", _) => or_plain(
                traffic.options.as_ref().map(|train| format!("OPTIONS every {}", short(train.interval.as_ref().0))),
                "OPTIONS",
            ),
            ("register", _) => "planned REGISTERs".to_owned(),
            ("new_call", _) => or_plain(
                traffic
                    .new_calls
                    .as_ref()
                    .map(|calls| format!("planned INVITEs, patience {}", short(calls.as_ref().patience.0))),
                "planned INVITEs",
            ),
            ("media", _) => media_method(scenario),
            ("chat_session", side) => {
                or_plain(traffic.chat.as_ref().map(|chat| session_method(chat, side)), "reconnects")
            }
            _ => "delivery of planned messages".to_owned(),
        }
    }
}

fn media_method(scenario: &Scenario) -> String {
    let standing = scenario.traffic.standing_calls.as_ref().map(|calls| calls.ptime.as_ref().0);
    let ptime = standing.or_else(|| scenario.traffic.new_calls.as_ref().map(|calls| calls.as_ref().ptime.0));
    ptime.map_or_else(|| "RTP packets".to_owned(), |ptime| format!("{} packets, staggered", short(ptime)))
}

fn session_method(chat: &Chat, side: Side) -> String {
    let ping = if side == Side::Receiver { chat.receiver_ping_interval.0 } else { chat.ping_interval.0 };
    match ping {
        Span::ZERO => "reconnect; it never pings".to_owned(),
        every => format!("reconnect; pings every {}", short(every)),
    }
}

/// `10 ms`, `8 s`: whole units without decimals.
fn short(span: Span) -> String {
    let millis = span.as_millis_f64();
    if millis >= 1000.0 { format!("{} s", millis / 1000.0) } else { format!("{millis} ms") }
}

/// Chat pairs are named `chat-03-a` (writes) and `chat-03-b` (only reads).
fn is_sender(chatter: &str) -> bool {
    chatter.ends_with("-a")
}

fn new_calls_after(measured: &Measured, fault: RunTime) -> usize {
    let next = measured.faults.iter().map(|other| other.command_start_ns).filter(|at| *at > fault).min();
    let until = next.or(measured.window.map(|window| window.end_ns)).unwrap_or(RunTime(i64::MAX));
    let due = |at: RunTime| at >= fault && at < until;
    measured.calls.iter().filter(|call| call.kind == Some(OpKind::NewCall) && due(call.planned_ns)).count()
}

fn talking_at(measured: &Measured, at: RunTime) -> usize {
    let talks = |start: Option<RunTime>, end: Option<RunTime>| {
        start.is_some_and(|start| start <= at) && end.is_none_or(|end| end > at)
    };
    measured.calls.iter().filter(|call| talks(call.answered_ns, call.ended_ns)).count()
}
