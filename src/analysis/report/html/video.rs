//! What a video call looked like: the frames around the faults, and each stream's figures.

use maud::{Markup, html};

use super::{PAGE, drawn};
use crate::analysis::measure::model::{VideoMeasured, VideoPeriod, VideoScore};
use crate::analysis::report::figures::data::FigureData;
use crate::analysis::report::model::Report;
use crate::analysis::report::words;

/// The section; empty for a run without video.
pub(super) fn section(report: &Report, frames: Option<&FigureData>) -> Markup {
    let Some(trial) = report.trials.iter().find(|trial| !trial.measured.videos.is_empty()) else { return html! {} };
    let videos = &trial.measured.videos;
    html! {
        section {
            h2 { "What it looked like" }
            @if let Some(figure) = frames { (drawn(figure, PAGE)) }
            (thumbnails(videos))
            (table(videos))
            (explained(videos))
        }
    }
}

/// The same of a foreign capture; nothing when it has no video.
pub(super) fn of_capture(videos: &[VideoMeasured], frames: &FigureData, rows: usize) -> Markup {
    html! {
        @if !videos.is_empty() { section {
            h2 { "What it looked like" }
            @if frames.has_data() { (drawn(frames, PAGE)) }
            (table(&videos[..videos.len().min(rows)]))
            (explained(videos))
            @if videos.iter().any(|video| video.guess.is_some()) { p { "? A guess: " (reasons(videos, |video| video.guess.as_ref())) "." } }
            @let no_sync = reasons(videos, |video| video.lip_sync_refused.as_ref());
            @if !no_sync.is_empty() { p { "Without skew: " (no_sync) "." } }
            @let no_delay = reasons(videos, |video| video.delay_refused.as_ref());
            @if !no_delay.is_empty() { p { "Without delay: " (no_delay) "." } }
        } }
    }
}

/// What tables say with a word, each once.
fn reasons<'a>(videos: &'a [VideoMeasured], of: impl Fn(&'a VideoMeasured) -> Option<&'a String>) -> String {
    let mut all: Vec<&str> = videos.iter().filter_map(of).map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    all.join("; ")
}

/// The rule of freezes, the model, and what both cannot say.
fn explained(videos: &[VideoMeasured]) -> Markup {
    html! {
        @if let Some(video) = videos.first() {
            p { "A freeze is " (video.freeze_rule) ". Vq, Sq and MMq are ITU-T G.1070; no model rates a freeze. "
                "Skew is how much later the picture comes than its sound." }
            @if let Some(codec) = unrated(videos) {
                p { (codec) " has no Vq and no MMq: ITU-T publishes no G.1070 coefficients for it." }
            }
            @if let Some(note) = notes(videos) { p { "Scores in brackets are outside the model: " (note) "." } }
        }
    }
}

/// The last picture before and the first after each freeze, where they could be decoded.
fn thumbnails(videos: &[VideoMeasured]) -> Markup {
    let all = || videos.iter().flat_map(|video| video.thumbnails.iter().map(move |picture| (video, picture)));
    html! {
        @if all().next().is_some() { div.thumbnails { @for (video, picture) in all() { figure {
            img width=(picture.width) height=(picture.height) alt=(which(picture.after))
                src={ "data:image/png;base64," (picture.png_base64) };
            figcaption { (call(video)) ": " (which(picture.after)) }
        } } } }
    }
}

fn which(after: bool) -> &'static str {
    if after { "first picture after" } else { "last picture before" }
}

fn call(video: &VideoMeasured) -> String {
    let call = video.call.map_or_else(|| video.dst.clone(), |call| format!("call {call}"));
    format!("{call}{}", video.direction.map_or("", words::hears))
}

fn table(videos: &[VideoMeasured]) -> Markup {
    html! {
        div.wide { table {
            thead { tr {
                th { "stream" } th { "picture" } th { "frames shown" } th { "frozen" } th { "freezes" }
                th { "asked for" } th { "period" } th { "frames/s" } th { "kbit/s" } th { "loss" }
                th { "skew" } th { "Vq" } th { "Sq" } th { "MMq" }
            } }
            tbody { @for video in videos {
                @for (place, period) in video.periods.iter().enumerate() { tr {
                    @if place == 0 { (stream(video)) } @else { td colspan="6" {} }
                    (cells(period))
                } }
                // That of the whole stream is in its period.
                @for sync in video.lip_sync.iter().filter(|sync| sync.period != "whole") { tr {
                    td colspan="6" {} td { (sync.period) } td { "–" } td { "–" } td { "–" }
                    td { (format!("{:.1} ms", sync.skew_ms)) } td { "–" } td { "–" } td { "–" }
                } }
            } }
        } }
    }
}

fn stream(video: &VideoMeasured) -> Markup {
    let size = video.size.map_or(String::new(), |(width, height)| format!(", {width} × {height}"));
    html! {
        td { (call(video)) }
        td { (words::video_codec(video)) (size) }
        td { (video.frames.shown) small { " of " (video.frames.expected) } }
        td { (words::duration(video.frozen_ms)) }
        td { (video.freezes.len()) }
        td { (video.pli + video.fir) }
    }
}

fn cells(period: &VideoPeriod) -> Markup {
    let dash = || "–".to_owned();
    html! {
        td { (period.period) }
        td { (format!("{:.1}", period.frame_rate)) }
        td { (format!("{:.0}", period.bitrate_kbps)) }
        td { (period.loss_percent.map_or_else(dash, words::percent)) }
        td { (period.skew_ms.map_or_else(dash, |ms| format!("{ms:.1} ms"))) }
        @for score in [&period.vq, &period.sq, &period.mmq] { td { (score.as_ref().map_or_else(dash, value)) } }
    }
}

fn value(score: &VideoScore) -> String {
    if score.valid { format!("{:.2}", score.value) } else { format!("({:.2})", score.value) }
}

/// The codec without a score in any period, though there were pictures of a known size: G.1070 has nothing for it.
fn unrated(videos: &[VideoMeasured]) -> Option<&str> {
    let rated = |video: &&VideoMeasured| {
        video.size.is_none() || video.frames.shown == 0 || video.periods.iter().any(|period| period.vq.is_some())
    };
    videos.iter().find(|video| !rated(video)).map(|video| video.codec.as_str())
}

/// Why scores are outside the model, each reason once.
fn notes(videos: &[VideoMeasured]) -> Option<String> {
    let periods = videos.iter().flat_map(|video| &video.periods);
    let scores =
        periods.flat_map(|period| [&period.vq, &period.sq, &period.mmq]).flatten().filter(|score| !score.valid);
    let mut notes: Vec<&str> = scores.map(|score| score.note.as_str()).collect();
    notes.sort_unstable();
    notes.dedup();
    notes.truncate(4);
    (!notes.is_empty()).then(|| notes.join(" · "))
}
