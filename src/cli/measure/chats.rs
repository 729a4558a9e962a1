//! Chat sessions and messages of a capture as plain tables of 80 columns.

use crate::analysis::measure::model::{ChatEnd, ChatMeasured, Measured, MessageFate};
use crate::analysis::report::words;
use crate::units::RunTime;

/// Messages whose fate is shown one by one; more are only counted.
const MOST_SHOWN: usize = 20;

/// The lines of both tables; none without chat.
pub(super) fn lines(measured: &Measured, zero: RunTime) -> Vec<String> {
    let mut lines = Vec::new();
    if !measured.chats.is_empty() {
        lines.push("\nchat sessions         up s      end s  end            sent   got".to_owned());
        for chat in &measured.chats {
            lines.push(session_line(chat, zero));
            lines.push(format!("  {} → {}{}", chat.client, chat.server, remark(chat)));
        }
    }
    lines.extend(messages(measured, zero));
    lines
}

fn session_line(chat: &ChatMeasured, zero: RunTime) -> String {
    let who = chat.jid.as_deref().or(chat.domain.as_deref()).unwrap_or("?");
    let end = match chat.end {
        Some(ChatEnd::Closed) => "closed",
        Some(ChatEnd::ClientReset) => "client reset",
        Some(ChatEnd::ServerClosed) => "server closed",
        Some(ChatEnd::ServerReset) => "server reset",
        Some(ChatEnd::Silent) => "server silent",
        None => "still up",
    };
    let (up, until) = (seconds(chat.up_ns, zero), seconds(chat.end_ns, zero));
    let (sent, delivered) = (count(chat.sent), count(chat.delivered));
    format!("{who:<16} {up:>9}  {until:>9}  {end:<13} {sent:>5} {delivered:>5}")
}

fn remark(chat: &ChatMeasured) -> String {
    let mut remarks = Vec::new();
    if chat.hidden_ns.is_some() {
        remarks.push("content hidden by TLS".to_owned());
    }
    if !chat.from_its_beginning {
        remarks.push("began before the capture".to_owned());
    }
    if chat.resumed {
        remarks.push("resumed".to_owned());
    }
    remarks.extend(chat.refused.iter().map(|condition| format!("login refused: {condition}")));
    remarks.extend(chat.error.iter().map(|condition| format!("stream error: {condition}")));
    if remarks.is_empty() { String::new() } else { format!("   {}", remarks.join("; ")) }
}

/// How many messages had which fate, the delays, and those that did not simply arrive.
fn messages(measured: &Measured, zero: RunTime) -> Vec<String> {
    let all = &measured.chat_messages;
    if all.is_empty() {
        return Vec::new();
    }
    let arrived = all.iter().filter(|message| message.fate == Some(MessageFate::DeliveredOnce)).count();
    let unknown = all.iter().filter(|message| message.fate.is_none()).count();
    let mut lines = vec![format!(
        "\nchat messages: {} seen, {arrived} delivered once, {unknown} of unknown fate (recipient not in view)",
        all.len()
    )];
    let odd = all.iter().filter(|message| !matches!(message.fate, None | Some(MessageFate::DeliveredOnce)));
    lines.extend(odd.clone().take(MOST_SHOWN).map(|message| {
        let at = seconds(message.sent_ns.or(message.delivered_ns), zero);
        let fate = message.fate.map(|fate| words::fate(&words::json_word(fate))).unwrap_or_default();
        format!("  {at:>9}  {fate:<20} {} → {}", message.from.as_deref().unwrap_or("?"), message.to)
    }));
    let more = odd.count().saturating_sub(MOST_SHOWN);
    if more > 0 {
        lines.push(format!("  and {more} more: --json lists them all"));
    }
    lines
}

fn seconds(at: Option<RunTime>, zero: RunTime) -> String {
    at.map_or_else(|| "-".to_owned(), |at| format!("{:.3}", (at - zero).as_secs_f64()))
}

fn count(count: Option<u64>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}
