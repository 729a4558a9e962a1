//! The services of the outage tables: which outages belong to a row, who its users are, how it is measured.

use crate::analysis::measure::model::{Measured, Outage, ServiceUsers};
use crate::evidence::history::{ChatRole, Direction};
use crate::scenario::{Chat, Cluster, Scenario};
use crate::units::Span;

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
pub(super) const ROWS: [Row; 16] = [
    Row { name: "address", service: "address", side: Side::All, unit: "probes" },
    Row { name: "sip_answer", service: "sip_answer", side: Side::All, unit: "probes" },
    Row { name: "register", service: "register", side: Side::All, unit: "phones" },
    Row { name: "new_call", service: "new_call", side: Side::All, unit: "probes" },
    Row { name: "idle_registered", service: "idle_registered", side: Side::All, unit: "phones" },
    Row { name: "idle_can_call", service: "idle_can_call", side: Side::All, unit: "phones" },
    Row { name: "idle_can_be_called", service: "idle_can_be_called", side: Side::All, unit: "phones" },
    Row { name: "media to caller", service: "media", side: Side::Listener(Direction::ToCaller), unit: "calls" },
    Row { name: "media to callee", service: "media", side: Side::Listener(Direction::ToCallee), unit: "calls" },
    Row { name: "video to caller", service: "video", side: Side::Listener(Direction::ToCaller), unit: "calls" },
    Row { name: "video to callee", service: "video", side: Side::Listener(Direction::ToCallee), unit: "calls" },
    Row { name: "picture to caller", service: "picture", side: Side::Listener(Direction::ToCaller), unit: "calls" },
    Row { name: "picture to callee", service: "picture", side: Side::Listener(Direction::ToCallee), unit: "calls" },
    Row { name: "chat_session sender", service: "chat_session", side: Side::Sender, unit: "chatters" },
    Row { name: "chat_session receiver", service: "chat_session", side: Side::Receiver, unit: "chatters" },
    Row { name: "chat_delivery", service: "chat_delivery", side: Side::All, unit: "pairs" },
];

/// Names of all rows, in order.
pub(in crate::analysis::report) const ROW_NAMES: [&str; 16] = {
    let mut names = [""; 16];
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
    /// Whether the outage is one of this row's users. Registrations are also measured over all phones together;
    /// that is the service's outage and no phone's.
    pub(super) fn has(&self, outage: &Outage) -> bool {
        let side = match self.side {
            Side::All => true,
            Side::Listener(direction) => outage.direction == Some(direction),
            Side::Sender => is_sender(&outage.scope),
            Side::Receiver => !is_sender(&outage.scope),
        };
        self.service == outage.service && side && (self.unit != "phones" || outage.scope != "all")
    }

    /// How many users of the service were measured over the fault.
    pub(super) fn users(&self, measured: &Measured, fault: usize) -> usize {
        let of_side = |of: &&ServiceUsers| match self.side {
            Side::All => true,
            Side::Listener(direction) => of.direction == Some(direction),
            Side::Sender => of.role == Some(ChatRole::Sender),
            Side::Receiver => of.role == Some(ChatRole::Receiver),
        };
        let of_fault = measured.users.iter().filter(|of| of.service == self.service && of.fault == Some(fault));
        of_fault.filter(of_side).map(|of| of.users.len()).sum()
    }

    /// How the row is measured, in words.
    pub(super) fn method(&self, scenario: &Scenario) -> String {
        let traffic = &scenario.traffic;
        let or_plain = |text: Option<String>, plain: &str| text.unwrap_or_else(|| plain.to_owned());
        match (self.service, self.side) {
            ("address", _) => match scenario.cluster {
                Cluster::Reference(_) => "the cluster says who owns it".to_owned(),
                Cluster::Lab(_) | Cluster::External(_) => "first VRRP/ARP of new owner".to_owned(),
            },
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
            ("idle_registered", _) => "first REGISTER taken".to_owned(),
            ("idle_can_call", _) => idle_method(scenario, "its own calls,"),
            ("idle_can_be_called", _) => idle_method(scenario, "calls to it,"),
            ("media", _) => media_method(scenario),
            ("video", _) => or_plain(video_method(scenario, "packets of frames"), "video packets"),
            ("picture", _) => or_plain(video_method(scenario, "frames that decode"), "frames that decode"),
            ("chat_session", side) => {
                or_plain(traffic.chat.as_ref().map(|chat| session_method(chat, side)), "reconnects")
            }
            _ => "delivery of planned messages".to_owned(),
        }
    }
}

fn idle_method(scenario: &Scenario, what: &str) -> String {
    let idle = scenario.traffic.idle_phones.as_ref();
    idle.map_or_else(|| what.to_owned(), |idle| format!("{what} each {}", short(idle.get_ref().interval.get_ref().0)))
}

fn media_method(scenario: &Scenario) -> String {
    let traffic = &scenario.traffic;
    let standing = traffic.standing_calls.as_ref().map(|calls| calls.ptime.as_ref().0);
    let standing = standing.or_else(|| traffic.video_calls.as_ref().map(|calls| calls.ptime.as_ref().0));
    let ptime = standing.or_else(|| scenario.traffic.new_calls.as_ref().map(|calls| calls.as_ref().ptime.0));
    ptime.map_or_else(|| "RTP packets".to_owned(), |ptime| format!("{} packets, staggered", short(ptime)))
}

fn video_method(scenario: &Scenario, what: &str) -> Option<String> {
    let calls = scenario.traffic.video_calls.as_ref()?;
    let rate = calls.encoding().map_or(calls.picture.as_ref().frame_rate(), |encoding| encoding.frame_rate);
    Some(format!("{what}, {rate}/s"))
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
