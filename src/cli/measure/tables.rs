//! The figures of one trial or capture as plain tables of 80 columns.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use super::sip;
use crate::analysis::measure::model::{
    CallMeasured, Delay, Measured, Outage, StreamMeasured, Transit, VideoMeasured, VideoScore,
};
use crate::analysis::report::words;
use crate::evidence::history::Direction;
use crate::units::{RunTime, Span};

/// Text so far. Writing to a string cannot fail.
#[derive(Default)]
pub(super) struct Page(String);

/// All tables; trial 0 is a capture.
pub(super) fn tables(trial: u32, measured: &Measured) -> String {
    let mut page = Page::default();
    let zero = measured.zero();
    page.heading(trial, measured, zero);
    page.streams(measured);
    page.listening(measured);
    page.categories(measured);
    page.videos(measured);
    page.outages(measured, zero);
    page.calls(measured, zero);
    super::chats::lines(measured, zero).iter().for_each(|line| page.line(line));
    page.transits(measured);
    page.0.push_str(&measured.sip.as_ref().map(sip::table).unwrap_or_default());
    page.owners(measured, zero);
    page.notes(measured);
    page.0
}

impl Page {
    pub(super) fn line(&mut self, line: &str) {
        let _infallible = writeln!(self.0, "{}", line.trim_end());
    }

    fn heading(&mut self, trial: u32, measured: &Measured, zero: RunTime) {
        match measured.window {
            Some(window) => {
                let length = window.end_ns - window.start_ns;
                self.line(&format!("trial {trial}: a window of {length}; times are seconds from its start"));
            }
            None if measured.captured.is_none() => self.line("capture: without a packet"),
            None => {
                let at = UNIX_EPOCH + Duration::from_nanos(zero.as_nanos().max(0).cast_unsigned());
                self.line(&format!("capture: times are seconds from {}", humantime::format_rfc3339_millis(at)));
                if let Some(filter) = &measured.filter {
                    self.line(&format!("only {filter}"));
                }
            }
        }
    }

    fn streams(&mut self, measured: &Measured) {
        if measured.streams.is_empty() && measured.videos.is_empty() {
            return self.line("\nno RTP streams");
        }
        self.line("\nstreams      codec   packets    lost      %  dup reorder  jitter  longest   MOS");
        self.line("                                                         mean ms   gap ms   CQE");
        for stream in &measured.streams {
            self.line(&stream_line(stream));
            self.line(&format!("  {} → {}{}", stream.src, stream.dst, of_call(stream.call, stream.direction)));
        }
    }

    fn videos(&mut self, measured: &Measured) {
        if measured.videos.is_empty() {
            return;
        }
        self.line("\nvideo       codec  packets   lost frames  shown freezes frozen s asked     Vq");
        for video in &measured.videos {
            self.line(&video_line(video));
            self.line(&format!("  {} → {}{}", video.src, video.dst, of_call(video.call, video.direction)));
            if let Some(sync) = lip_sync(video) {
                self.note(" ", &sync);
            }
        }
        if measured.videos.iter().any(|video| score(video).is_some_and(|vq| !vq.valid)) {
            self.note(" ", "(Vq) is outside the range for which the model was validated");
        }
    }

    fn outages(&mut self, measured: &Measured, zero: RunTime) {
        if measured.outages.is_empty() {
            return self.line("\nno outages");
        }
        self.line("\noutages         of                       from s       length      ±  estimator");
        for outage in &measured.outages {
            self.line(&outage_line(outage, zero));
        }
    }

    fn calls(&mut self, measured: &Measured, zero: RunTime) {
        if measured.calls.is_empty() {
            return;
        }
        self.line("\ncalls  due s    setup ms  code  fate                  from → to");
        for call in &measured.calls {
            self.line(&call_line(call, zero));
        }
    }

    fn transits(&mut self, measured: &Measured) {
        if measured.transits.is_empty() {
            return;
        }
        self.line("\nthrough a server   entered     left  mean ms   p95 ms   max ms       ±  known by");
        for transit in &measured.transits {
            let legs =
                [format!("{} → {} ⇒", transit.src, transit.via_in), format!("{} → {}", transit.via_out, transit.dst)];
            wrapped(" ", &legs).iter().for_each(|line| self.line(line));
            self.line(&transit_line(transit));
        }
    }

    fn owners(&mut self, measured: &Measured, zero: RunTime) {
        if measured.owners.is_empty() {
            return;
        }
        self.line("\naddress held by            from s       to s  seen in");
        let several = measured.owners.iter().any(|owner| owner.address != measured.owners[0].address);
        for owner in &measured.owners {
            let nodes = if owner.nodes.is_empty() { "nobody".to_owned() } else { owner.nodes.join(" and ") };
            let (from, to) = (seconds(owner.start_ns, zero), seconds(owner.end_ns, zero));
            let of = owner.address.as_ref().filter(|_| several).map(|of| format!(" of {of}")).unwrap_or_default();
            self.line(&format!("{nodes:<22}  {from:>9}  {to:>9}  {}{of}", owner.source));
        }
    }

    fn notes(&mut self, measured: &Measured) {
        if !measured.anomalies.is_empty() || !measured.caveats.is_empty() {
            self.line("");
        }
        for anomaly in &measured.anomalies {
            self.note(" ?", &format!("{}: {}", anomaly.place, anomaly.what));
        }
        for caveat in &measured.caveats {
            let void = if caveat.voids { " (void)" } else { "" };
            self.note(" !", &format!("{}{void}", caveat.text));
            self.note("  ", &format!("remedy: {}", caveat.remedy));
        }
    }

    fn note(&mut self, sign: &str, text: &str) {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        wrapped(sign, &words).iter().for_each(|line| self.line(line));
    }
}

/// Words behind a head, broken before column 80.
pub(super) fn wrapped(head: &str, words: &[String]) -> Vec<String> {
    let mut lines = vec![head.to_owned()];
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < 79 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{:width$} {word}", "", width = head.chars().count())),
        }
    }
    lines
}

fn stream_line(stream: &StreamMeasured) -> String {
    let share = if stream.expected == 0 { 0.0 } else { 100.0 * stream.lost as f64 / stream.expected as f64 };
    let outside = if stream.mos_cqe.as_ref().is_some_and(|mos| !mos.valid) { "!" } else { "" };
    format!(
        "0x{:08x}   {:<6} {:>8} {:>7} {share:>6.2} {:>4} {:>7} {:>7} {:>8} {:>5}{outside}",
        stream.ssrc,
        stream.codec.as_deref().unwrap_or("?"),
        stream.packets,
        stream.lost,
        stream.duplicates,
        stream.reordered,
        figure(stream.jitter_ms_mean, 3),
        figure(stream.gap_ms_max, 1),
        figure(stream.mos_cqe.as_ref().map(|mos| mos.value), 2),
    )
}

fn video_line(video: &VideoMeasured) -> String {
    let vq = score(video).map_or_else(
        || "-".to_owned(),
        |vq| if vq.valid { format!("{:.2}", vq.value) } else { format!("({:.2})", vq.value) },
    );
    format!(
        "0x{:08x}  {:<6} {:>7} {:>6} {:>6} {:>6} {:>7} {:>8.2} {:>5} {vq:>6}",
        video.ssrc,
        words::video_codec(video),
        video.packets,
        video.lost,
        video.frames.expected,
        video.frames.shown,
        video.freezes.len(),
        video.frozen_ms / 1e3,
        video.pli + video.fir,
    )
}

fn score(video: &VideoMeasured) -> Option<&VideoScore> {
    video.periods.iter().find_map(|period| period.vq.as_ref())
}

/// How much later the picture comes than its sound, where that is asked: only of captures.
fn lip_sync(video: &VideoMeasured) -> Option<String> {
    if let Some(reason) = &video.lip_sync_refused {
        return Some(format!("no lip sync: {reason}"));
    }
    let method = video.lip_sync.first().map(|sync| sync.method.as_str())?;
    let periods = video.lip_sync.iter().map(|sync| format!("{} {:+.1} ms", sync.period, sync.skew_ms));
    Some(format!("picture after sound: {}; {method}", periods.collect::<Vec<_>>().join(", ")))
}

fn of_call(call: Option<u64>, direction: Option<Direction>) -> String {
    let direction = match direction {
        Some(Direction::ToCallee) => " to callee",
        Some(Direction::ToCaller) => " to caller",
        None => "",
    };
    call.map_or_else(String::new, |call| format!("   call {call}{direction}"))
}

/// Columns of whose outage it is.
const SCOPE: usize = 22;

/// `> 20.0 s` when it had not ended. A scope that is longer than its column has a line of its own, as streams have.
fn outage_line(outage: &Outage, zero: RunTime) -> String {
    let length = Span::from_secs_f64(outage.duration_ms / 1e3);
    let length = if outage.censored { format!("> {length}") } else { length.to_string() };
    let service = match (outage.direction, outage.service.as_str()) {
        (Some(Direction::ToCallee), "picture") => "seen by callee".to_owned(),
        (Some(Direction::ToCaller), "picture") => "seen by caller".to_owned(),
        (Some(Direction::ToCallee), service) => format!("{service} to callee"),
        (Some(Direction::ToCaller), service) => format!("{service} to caller"),
        (None, service) => service.to_owned(),
    };
    let (from, error) = (seconds(outage.start_ns, zero), Span::from_secs_f64(outage.error_ms / 1e3));
    let (scope, below) = match &outage.scope {
        long if long.chars().count() > SCOPE => ("", format!("\n  {long}")),
        short => (short.as_str(), String::new()),
    };
    let (error, method) = (error.to_string(), &outage.method);
    format!("{service:<15} {scope:<SCOPE$} {from:>9} {length:>12} {error:>6}  {method}{below}")
}

fn call_line(call: &CallMeasured, zero: RunTime) -> String {
    let fate = call.fate.map_or_else(|| "-".to_owned(), |fate| words::fate(&words::json_word(fate)));
    let code = call.code.map_or_else(|| "-".to_owned(), |code| code.to_string());
    let (due, setup) = (seconds(call.planned_ns, zero), figure(call.setup_ms, 1));
    let callee = if call.callee.is_empty() { "?" } else { &call.callee };
    format!("{:>5}  {due:<8} {setup:>8}  {code:>4}  {fate:<21} {} → {callee}", call.call, call.caller)
}

fn transit_line(transit: &Transit) -> String {
    let delay = transit.delay.as_ref();
    let of = |value: fn(&Delay) -> f64| figure(delay.map(value), 3);
    format!(
        "{:<17} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7}  payload",
        "",
        transit.entered,
        transit.left,
        of(|delay| delay.mean_ms),
        of(|delay| delay.p95_ms),
        of(|delay| delay.max_ms),
        of(|delay| delay.error_ms),
    )
}

fn seconds(at: RunTime, zero: RunTime) -> String {
    format!("{:.3}", (at - zero).as_secs_f64())
}

pub(super) fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::measure::model::Estimates;

    #[test]
    fn what_had_not_ended_is_shown_as_a_bound() {
        let mut outage = Outage {
            service: "media".to_owned(),
            scope: "call 3".to_owned(),
            direction: Some(Direction::ToCaller),
            fault: None,
            start_ns: RunTime::from_millis(1500),
            end_ns: None,
            duration_ms: 20_000.0,
            censored: true,
            left: false,
            method: "timestamp".to_owned(),
            error_ms: 20.0,
            estimates: Estimates::default(),
        };
        let line = outage_line(&outage, RunTime::ZERO);
        assert!(line.contains("> 20.00 s") && line.chars().count() <= 80, "{line}");
        outage.censored = false;
        assert!(!outage_line(&outage, RunTime::ZERO).contains('>'));
    }

    #[test]
    fn nothing_measured_says_so() {
        let text = tables(0, &Measured::default());
        assert!(text.contains("no RTP streams") && text.contains("no outages"), "{text}");
    }
}
