//! Chat sessions and messages of a capture as rows.

use super::{Row, maybe, optional, word};
use crate::analysis::measure::model::Measured;
use crate::units::RunTime;

pub(super) const CHATS: [&str; 15] = [
    "client",
    "server",
    "jid",
    "domain",
    "start_s",
    "from_its_beginning",
    "hidden_s",
    "up_s",
    "resumed",
    "end_s",
    "end",
    "refused",
    "error",
    "sent",
    "delivered",
];
pub(super) const CHAT_MESSAGES: [&str; 9] =
    ["id", "from", "to", "sent_s", "delivered_s", "delay_ms", "deliveries", "acknowledged", "fate"];

pub(super) fn sessions(measured: &Measured) -> Vec<Row> {
    let zero = measured.zero();
    let rows = measured.chats.iter().map(|chat| {
        vec![
            chat.client.clone(),
            chat.server.clone(),
            optional(chat.jid.as_ref()),
            optional(chat.domain.as_ref()),
            since(Some(chat.start_ns), zero),
            chat.from_its_beginning.to_string(),
            since(chat.hidden_ns, zero),
            since(chat.up_ns, zero),
            chat.resumed.to_string(),
            since(chat.end_ns, zero),
            optional(chat.end.map(word)),
            chat.refused.join(" "),
            optional(chat.error.as_ref()),
            optional(chat.sent),
            optional(chat.delivered),
        ]
    });
    rows.collect()
}

pub(super) fn messages(measured: &Measured) -> Vec<Row> {
    let zero = measured.zero();
    let rows = measured.chat_messages.iter().map(|message| {
        vec![
            message.id.clone(),
            optional(message.from.as_ref()),
            message.to.clone(),
            since(message.sent_ns, zero),
            since(message.delivered_ns, zero),
            maybe(message.delay_ms),
            message.deliveries.to_string(),
            message.acknowledged.to_string(),
            optional(message.fate.map(word)),
        ]
    });
    rows.collect()
}

fn since(at: Option<RunTime>, zero: RunTime) -> String {
    at.map(|at| format!("{:.6}", (at - zero).as_secs_f64())).unwrap_or_default()
}
