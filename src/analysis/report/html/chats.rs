//! Chat sessions of a capture as a table of its page.

use maud::{Markup, html};

use crate::analysis::measure::model::{ChatMeasured, Measured, MessageFate};
use crate::analysis::report::words;
use crate::units::RunTime;

/// The sessions, the first `most` of them, and what became of the messages.
pub(super) fn chats(measured: &Measured, zero: RunTime, most: usize) -> Markup {
    html! {
        div.wide { table {
            thead { tr {
                th.t { "who" } th.t { "client → server" } th { "up at" } th { "until" } th.t { "end" } th { "sent" } th { "delivered" }
            } }
            tbody { @for chat in measured.chats.iter().take(most) { tr {
                td.t { (who(chat)) }
                td.t { (chat.client) " → " (chat.server) }
                td { (second(chat.up_ns, zero)) }
                td { (second(chat.end_ns, zero)) }
                td.t { (chat.end.map_or_else(|| "still up".to_owned(), |end| words::json_word(end).replace('_', " "))) }
                td { (count(chat.sent)) }
                td { (count(chat.delivered)) }
            } } }
        } }
        @if measured.chats.len() > most { p { "And " (measured.chats.len() - most) " more in the CSV." } }
        @if !measured.chat_messages.is_empty() { p { (messages(measured)) } }
    }
}

fn who(chat: &ChatMeasured) -> &str {
    let hidden = if chat.hidden_ns.is_some() { "hidden by TLS" } else { "?" };
    chat.jid.as_deref().or(chat.domain.as_deref()).unwrap_or(hidden)
}

fn messages(measured: &Measured) -> String {
    let all = &measured.chat_messages;
    let with = |fate| all.iter().filter(|message| message.fate == fate).count();
    format!(
        "{} seen, {} delivered once, {} of unknown fate; the CSV has them one by one.",
        words::plural(all.len() as u64, "message", "messages"),
        with(Some(MessageFate::DeliveredOnce)),
        with(None)
    )
}

fn second(at: Option<RunTime>, zero: RunTime) -> String {
    at.map_or_else(|| "–".to_owned(), |at| format!("{:.3} s", (at - zero).as_secs_f64()))
}

fn count(count: Option<u64>) -> String {
    count.map_or_else(|| "–".to_owned(), |count| count.to_string())
}
