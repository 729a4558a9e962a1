//! The page of a foreign capture: the same tables and figures as a run's, without a plan to hold them against.

use std::time::{Duration, UNIX_EPOCH};

use maud::{Markup, html};

use crate::analysis::measure::model::{CallMeasured, Measured, OwnerInterval, StreamMeasured, Transit};
use crate::analysis::report::figures::layout::Format;
use crate::analysis::report::figures::{every_lane, frames_of_capture};
use crate::analysis::report::words;
use crate::units::RunTime;

use super::chats::chats;
use super::signalling::signalling;
use super::{PAGE, caveats, drawn, of_capture, page, tables, video};

/// More rows than these nobody reads on a page; all of them are in the JSON and the CSV.
const MOST_ROWS: usize = 500;

/// The curves of the streams stand beneath each other.
const PANELS: Format = Format { plot: 90.0, ..PAGE };

/// The page of the capture that the files `names` hold.
#[must_use]
pub fn capture(names: &[String], measured: &Measured) -> String {
    page(&names.join(", "), &body(names, measured))
}

fn body(names: &[String], measured: &Measured) -> Markup {
    let (lanes, listening) = (every_lane(measured), of_capture(measured));
    let zero = measured.zero();
    html! {
        header {
            div.run { (span(measured)) @if let Some(filter) = &measured.filter { " · only " (filter) } }
            h1 { (names.join(", ")) }
        }
        p.headline { (headline(measured)) }
        @if lanes.has_data() { section { h2 { "Second by second" } (drawn(&lanes, PAGE)) } }
        @if listening.has_data() { section { h2 { (listening.title) } (drawn(&listening, PANELS)) } }
        @if !measured.outages.is_empty() { section { h2 { "Outages" } (tables::outage_list(measured)) } }
        @if !measured.calls.is_empty() { section { h2 { "Calls" } (calls(&measured.calls, zero)) } }
        @if !measured.streams.is_empty() { section { h2 { "Streams" } (streams(&measured.streams)) } }
        (video::of_capture(&measured.videos, &frames_of_capture(measured), MOST_ROWS))
        @if measured.videos.len() > MOST_ROWS { (more(measured.videos.len())) }
        @if !measured.transits.is_empty() { section { h2 { "Through a server" } (transits(&measured.transits)) } }
        @if let Some(sip) = &measured.sip { section { h2 { "Signalling" } (signalling(sip)) } }
        @if !measured.chats.is_empty() { section { h2 { "Chat sessions" } (chats(measured, zero, MOST_ROWS)) } }
        @if !measured.owners.is_empty() { section { h2 { "Who held the address" } (owners(&measured.owners, zero)) } }
        section { h2 { "Before believing it" } (caveats(&measured.caveats)) }
        section { h2 { "Anomalies" } (tables::anomaly_list(&measured.anomalies)) }
        footer { "fivenines " (env!("CARGO_PKG_VERSION")) ". The same figures come from " code { "measure --json" } " and " code { "--csv" } "." }
    }
}

fn span(measured: &Measured) -> String {
    let (start, end) = measured.span();
    let utc = |at: RunTime| {
        humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_nanos(at.as_nanos().max(0).cast_unsigned()))
    };
    format!("{} to {} · {}", utc(start), utc(end), words::duration((end - start).as_millis_f64()))
}

/// How many streams stopped, and for how long at most.
fn headline(measured: &Measured) -> String {
    let nothing = measured.streams.is_empty() && measured.calls.is_empty() && measured.outages.is_empty();
    if nothing && measured.videos.is_empty() {
        return "The capture holds neither calls nor sound.".to_owned();
    }
    let media = || measured.outages.iter().filter(|outage| outage.service == "media");
    let streams = words::plural(measured.streams.len() as u64, "stream", "streams");
    let calls = words::plural(measured.calls.len() as u64, "call", "calls");
    let seen = match measured.videos.len() as u64 {
        0 => format!("The capture holds {streams} and {calls}."),
        n => format!("The capture holds {streams} of sound, {n} of video and {calls}."),
    };
    let longest = media().filter(|outage| !outage.censored).map(|outage| outage.duration_ms).reduce(f64::max);
    let open = media().filter(|outage| outage.censored).count() as u64;
    let back = longest.map(|ms| format!("the longest came back after {}", words::spoken(ms)));
    let gone = (open > 0).then(|| format!("{} never came back", words::plural(open, "one", "of them")));
    let what: Vec<String> = back.into_iter().chain(gone).collect();
    let stopped = match media().count() as u64 {
        0 if measured.streams.is_empty() && !measured.videos.is_empty() => String::new(),
        0 if measured.streams.is_empty() => " Whether the media of the calls flowed, it does not show.".to_owned(),
        0 => " In none of them did the media stop."
            .replace("media", if measured.videos.is_empty() { "media" } else { "sound" }),
        1 => format!(" Media stopped once: {}.", what.join("; ").replace("the longest", "it")),
        n => format!(" Media stopped {n} times: {}.", what.join("; ")),
    };
    format!("{seen}{stopped}{}", frozen(measured))
}

/// How often the picture stood still; nothing without video.
fn frozen(measured: &Measured) -> String {
    if measured.videos.is_empty() {
        return String::new();
    }
    let freezes: Vec<f64> =
        measured.videos.iter().flat_map(|video| &video.freezes).map(|freeze| freeze.duration_ms).collect();
    let longest = freezes.iter().copied().reduce(f64::max).map(words::spoken).unwrap_or_default();
    match freezes.len() {
        0 => " The picture never froze.".to_owned(),
        1 => format!(" The picture froze once, for {longest}."),
        n => format!(" The picture froze {n} times, for {longest} at most."),
    }
}

fn calls(calls: &[CallMeasured], zero: RunTime) -> Markup {
    html! {
        div.wide { table {
            thead { tr { th { "call" } th.t { "from" } th.t { "to" } th { "INVITE at" } th { "setup" } th { "answer" } th.t { "fate" } } }
            tbody { @for call in calls.iter().take(MOST_ROWS) { tr {
                td { (call.call) } td.t { (call.caller) } td.t { (call.callee) }
                td { (format!("{:.3} s", (call.planned_ns - zero).as_secs_f64())) }
                td { (optional(call.setup_ms.map(words::fine))) }
                td { (optional(call.code)) }
                td.t { (optional(call.fate.map(|fate| words::fate(&words::json_word(fate))))) }
            } } }
        } }
        (more(calls.len()))
    }
}

fn streams(streams: &[StreamMeasured]) -> Markup {
    html! {
        div.wide { table {
            thead { tr {
                th { "SSRC" } th.t { "from → to" } th.n { "codec" } th { "packets" } th { "lost" } th { "duplicates" } th { "reordered" }
                th { "jitter, mean" } th { "longest gap" } th { "MOS-CQE" } th { "lowest second" } th { "below 3.6" }
            } }
            tbody { @for stream in streams.iter().take(MOST_ROWS) { tr {
                td { (format!("{:#010x}", stream.ssrc)) @if !stream.more_ssrcs.is_empty() { small { " and " (stream.more_ssrcs.len()) " more" } } }
                td.t { (stream.src) " → " (stream.dst) }
                td.n { (optional(stream.codec.as_ref())) }
                td { (words::count(stream.packets as f64)) }
                td { (stream.lost) }
                td { (stream.duplicates) }
                td { (stream.reordered) }
                td { (optional(stream.jitter_ms_mean.map(words::fine))) }
                td { (optional(stream.gap_ms_max.map(words::duration))) }
                td { (optional(stream.mos_cqe.as_ref().map(|mos| format!("{:.2}{}", mos.value, if mos.valid { "" } else { "!" })))) }
                @let whole = stream.over_time.as_ref().map(|over_time| over_time.whole);
                td { (optional(whole.map(|whole| format!("{:.2}", whole.mos_min)))) }
                td { (optional(whole.map(|whole| format!("{} s", whole.mos_below_3_6_s)))) }
            } } }
        } }
        (more(streams.len()))
        @if streams.iter().any(|stream| stream.mos_cqe.as_ref().is_some_and(|mos| !mos.valid)) {
            p { "! The loss is outside the range for which the model was validated: a long outage is no random loss." }
        }
        @for reason in words::refusals(streams) { p { (reason) "." } }
    }
}

/// Both legs of each way, and the time between them.
fn transits(transits: &[Transit]) -> Markup {
    html! {
        div.wide { table {
            thead { tr {
                th.t { "from" } th.t { "through" } th.t { "to" } th { "entered" } th { "left" }
                th { "mean" } th { "p95" } th { "most" } th { "±" }
            } }
            tbody { @for of in transits.iter().take(MOST_ROWS) { tr {
                @let delay = of.delay.as_ref();
                td.t { (of.src) } td.t { (of.via_in) " ⇒ " (of.via_out) } td.t { (of.dst) } td { (of.entered) } td { (of.left) }
                td { (optional(delay.map(|delay| words::fine(delay.mean_ms)))) }
                td { (optional(delay.map(|delay| words::fine(delay.p95_ms)))) }
                td { (optional(delay.map(|delay| words::fine(delay.max_ms)))) }
                td { (optional(delay.map(|delay| format!("{} ms", delay.error_ms)))) }
            } } }
        } }
        p { "Packets are known again by their payload; those whose payload came twice within a second are in neither count." }
        (more(transits.len()))
    }
}

fn owners(owners: &[OwnerInterval], zero: RunTime) -> Markup {
    let second = |at: RunTime| format!("{:.3} s", (at - zero).as_secs_f64());
    html! {
        div.wide { table {
            thead { tr { th.t { "owner" } th.t { "of" } th { "from" } th { "to" } th.t { "seen in" } } }
            tbody { @for owner in owners.iter().take(MOST_ROWS) { tr {
                td.t { @if owner.nodes.is_empty() { "nobody" } @else { (owner.nodes.join(" and ")) } }
                td.t { (optional(owner.address.as_ref())) }
                td { (second(owner.start_ns)) } td { (second(owner.end_ns)) } td.t { (owner.source) }
            } } }
        } }
        (more(owners.len()))
    }
}

fn optional(value: Option<impl ToString>) -> String {
    value.map_or("–".to_owned(), |value| value.to_string())
}

fn more(rows: usize) -> Markup {
    html! { @if rows > MOST_ROWS { p { "And " (rows - MOST_ROWS) " more in the CSV." } } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::report::fixture;

    #[test]
    fn the_page_of_a_capture_shows_what_the_json_holds() {
        let mut measured = fixture::quickstart(1).trials.remove(0).measured;
        measured.window = None;
        let page = capture(&["a.pcapng".to_owned()], &measured);
        for stream in &measured.streams {
            assert!(page.contains(&format!("{:#010x}", stream.ssrc)));
        }
        for caveat in &measured.caveats {
            assert!(page.contains(&maud::html! { (caveat.text) }.into_string()));
        }
        assert!(page.contains("<h1>a.pcapng</h1>") && !page.contains("http://") && !page.contains("https://"));
    }

    #[test]
    fn an_empty_capture_has_a_page_that_says_so() {
        let page = capture(&["empty.pcap".to_owned()], &Measured::default());
        assert!(page.contains("holds neither calls nor sound") && !page.contains("<svg"));
    }

    #[test]
    fn what_the_files_are_called_cannot_break_the_page() {
        let page = capture(&["<script>.pcap".to_owned()], &Measured::default());
        assert!(!page.contains("<script>"));
    }
}
