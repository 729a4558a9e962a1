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
use crate::analysis::report::words::wrap;

pub use args::{Band, ChatArgs, Event, MosArgs, Sensitivity, VideoArgs, VoiceArgs};

/// Parameters of the models and the options that give them.
const OPTIONS: [(&str, &str); 20] = [
    ("Ppl", "Ppl (--loss)"),
    ("PplS", "PplS (--loss)"),
    ("T", "T (--delay)"),
    ("Tr", "Tr (2 x --delay)"),
    ("Ta", "Ta (--delay)"),
    ("TS", "TS (--delay)"),
    ("BurstR", "BurstR (--burst-r)"),
    ("A", "A (--advantage)"),
    ("Ie", "Ie (--ie)"),
    ("Ie,WB", "Ie,WB (--ie)"),
    ("Ie,FB", "Ie,FB (--ie)"),
    ("Bpl", "Bpl (--bpl)"),
    ("Bpl,WB", "Bpl,WB (--bpl)"),
    ("Bpl,FB", "Bpl,FB (--bpl)"),
    ("Br", "Br (--kbps)"),
    ("Fr", "Fr (--fps)"),
    ("PplV", "PplV (--video-loss)"),
    ("TV", "TV (--video-delay)"),
    ("response time", "response time (--chat-latency)"),
    ("Max", "Max (--context)"),
];

/// Runs the command: the text or the JSON to print.
///
/// # Errors
/// [`QualityError`] for inputs outside of the model and for codecs without published values.
pub fn run(args: &MosArgs) -> Result<String, QualityError> {
    rate(args).map_err(with_option)
}

fn rate(args: &MosArgs) -> Result<String, QualityError> {
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

/// Names the option beside the parameter of the standard.
fn with_option(error: QualityError) -> QualityError {
    match error {
        QualityError::OutOfRange { parameter, value, low, high, unit, model } => {
            let parameter = OPTIONS.iter().find(|(name, _)| *name == parameter).map_or(parameter, |(_, both)| both);
            QualityError::OutOfRange { parameter, value, low, high, unit, model }
        }
        error => error,
    }
}

/// One line for each reason, or that there is none.
fn write_validity(out: &mut String, validity: &Validity) {
    // Writing to a string cannot fail.
    if !validity.outside_validity {
        let _ = writeln!(out, "  within the validated range of the model");
    }
    for reason in &validity.reasons {
        write_wrapped(out, &format!("OUTSIDE the validated range: {reason}"));
    }
}

/// Indented lines of 80 columns, continued further in.
fn write_wrapped(out: &mut String, text: &str) {
    for line in wrap(text, 78, "  ") {
        let _ = writeln!(out, "  {line}");
    }
}
