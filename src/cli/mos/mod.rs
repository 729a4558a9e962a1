//! `fivenines mos`: rates voice, video or a wait by the ITU's models, and lists what has values.

mod args;
mod chat;
mod list;
#[cfg(test)]
mod tests;
mod video;
mod voice;

use std::fmt::Write as _;

use super::json;
use crate::analysis::quality::{QualityError, Validity};

pub use args::{Band, ChatArgs, Event, MosArgs, Sensitivity, VideoArgs, VoiceArgs};

/// Runs the command: the text or the JSON to print.
///
/// # Errors
/// [`QualityError`] for inputs outside of the model and for codecs without published values.
pub fn run(args: &MosArgs) -> Result<String, QualityError> {
    if args.list {
        return Ok(list::run(args.json));
    }
    if let (Some(latency_s), Some(context_s)) = (args.chat.chat_latency, args.chat.context) {
        return chat::run(latency_s, context_s, args.chat.event, args.json);
    }
    match &args.video.video {
        Some(set) => video::run(set, args),
        None => voice::run(&args.voice, args.json),
    }
}

/// One line for each reason, or that there is none.
fn write_validity(out: &mut String, validity: &Validity) {
    // Writing to a string cannot fail.
    if !validity.outside_validity {
        let _ = writeln!(out, "  within the validated range of the model");
    }
    for reason in &validity.reasons {
        let _ = writeln!(out, "  OUTSIDE the validated range: {reason}");
    }
}
