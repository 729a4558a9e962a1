//! Chat: no ITU model rates it, so a named mapping with its context, labelled.

use std::fmt::Write as _;

use serde::Serialize;

use super::args::Event;
use super::{json, write_validity, write_wrapped};
use crate::analysis::quality::QualityError;
use crate::analysis::quality::g1030::{self, ChatBand, WaitingScore};

/// What must be quoted with the number.
const CAUTION: &str = "no ITU model rates chat: this mapping was made for web browsing; latency, loss, duplicates and \
order are the findings";

/// The score of a wait.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChatAnswer {
    /// `fivenines.mos.chat.v1`.
    pub schema: &'static str,
    /// Time from sending to delivery, s.
    pub latency_s: f64,
    /// The mapped score, with mapping, context and provenance.
    pub score: WaitingScore,
    /// The project's own band for the delivery of a message.
    pub own_band: ChatBand,
    /// What must be quoted with the number.
    pub caution: &'static str,
}

pub(super) fn run(latency_s: f64, context_s: f64, event: Event, as_json: bool) -> Result<String, QualityError> {
    let score = g1030::rate(event.into(), latency_s, context_s)?;
    let own_band = ChatBand::of(Some(latency_s));
    let answer = ChatAnswer { schema: "fivenines.mos.chat.v1", latency_s, score, own_band, caution: CAUTION };
    Ok(if as_json { json(&answer) } else { text(&answer) })
}

fn text(answer: &ChatAnswer) -> String {
    let ChatAnswer { latency_s, score, own_band, .. } = answer;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "chat: {latency_s} s to delivery, users expect at most {} s", score.max_s);
    let _ = writeln!(out, "  mapped MOS  {:.2}   of 1 to 5", score.mos);
    let _ = writeln!(out, "              {} ({})", score.model, score.provenance);
    let _ = writeln!(out, "  own band    {own_band}   (this project's: 0.5, 2, 4, 10 s)");
    write_wrapped(&mut out, answer.caution);
    write_validity(&mut out, &score.validity);
    out
}
