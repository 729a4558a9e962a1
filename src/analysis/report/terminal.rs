//! The summary that a user reads first: at most 80 columns, plain text unless style is asked for.

mod quality;

use std::fmt::Write;

use super::model::{OutageSummary, Outcome, Report, Transition};
use super::words::{self, wrap};

const WIDTH: usize = 80;

/// The summary. `style` adds ANSI bold and colour for a terminal; without it the text is plain.
///
/// The last line starts with the verdict; where the files are is the caller's to add, who wrote them.
#[must_use]
pub fn terminal(report: &Report, style: bool) -> String {
    let pen = Pen { style };
    let mut out = String::new();
    paragraph(&mut out, &report.headline, "", &|line| pen.bold(line));
    for transition in report.transitions.iter().filter(|transition| words::is_worth_a_table(transition)) {
        out.push('\n');
        outage_table(&mut out, transition, pen);
        idle_table(&mut out, report, transition);
    }
    if !report.qos.is_empty() {
        out.push('\n');
        quality::table(&mut out, &report.qos);
        quality::over_time(&mut out, &report.listening);
    }
    fates(&mut out, report);
    findings(&mut out, report);
    out.push('\n');
    paragraph(&mut out, &report.availability.statement, "", &str::to_owned);
    out.push('\n');
    caveats(&mut out, report, pen);
    verdict(&mut out, report, pen);
    out
}

/// What the cluster did that no outage tells, and what others have published.
fn findings(out: &mut String, report: &Report) {
    if !(report.findings.is_empty() && report.published.is_empty()) {
        out.push('\n');
    }
    let found = report.findings.iter().map(|finding| words::finding(finding, report.trials.len()));
    let published = report.published.iter().map(words::published);
    for text in found.chain(published) {
        for (number, text) in wrap(&text, WIDTH - 3, "").iter().enumerate() {
            line(out, &format!(" {} {text}", if number == 0 { "·" } else { " " }));
        }
    }
}

#[derive(Clone, Copy)]
struct Pen {
    style: bool,
}

impl Pen {
    fn paint(self, code: &str, text: &str) -> String {
        if self.style { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn outcome(self, outcome: Outcome) -> String {
        match outcome {
            Outcome::Pass => self.paint("1;32", "pass"),
            Outcome::Fail => self.paint("1;31", "FAIL"),
            Outcome::Unknown => self.paint("1;33", "unknown"),
        }
    }
}

fn outage_table(out: &mut String, transition: &Transition, pen: Pen) {
    let injected = format!("{} at {:.3} s", words::fault(&transition.kind), transition.at_s);
    let configured = transition.configured_ms.map(|ms| format!("configured {}", exact(ms))).unwrap_or_default();
    let label = pad_right(&words::clip(&transition.label, 19), 19);
    line(out, &format!("{} {} {configured}", pen.bold(&label), pad_right(&injected, 32)));
    line(out, &row(["service", "typical", "worst", "still out", "how it was measured"]));
    for service in &transition.services {
        line(out, &row(cells(service).each_ref().map(String::as_str)));
    }
    intervals(out, &transition.services);
    for note in words::notes(transition) {
        paragraph(out, &note, " ", &str::to_owned);
    }
}

/// Idle phones by profile: how long until each of the three, and how many had not reached it.
fn idle_table(out: &mut String, report: &Report, transition: &Transition) {
    let of_fault = || report.idle.iter().filter(|idle| idle.fault == transition.fault);
    if of_fault().next().is_none() {
        return;
    }
    line(out, &idle_row("idle phones", ["registered", "can call", "can be called"].map(str::to_owned)));
    for idle in of_fault() {
        let cells = ["idle_registered", "idle_can_call", "idle_can_be_called"].map(|name| {
            idle.services.iter().find(|service| service.service == name).map_or("–".to_owned(), words::idle_cell)
        });
        line(out, &idle_row(&idle.profile, cells));
    }
}

fn idle_row(profile: &str, cells: [String; 3]) -> String {
    let [registered, calls, called] = cells.map(|cell| pad_left(&cell, 20));
    format!(" {} {registered} {calls} {called}", pad_right(&words::clip(profile, 15), 15))
}

fn cells(service: &OutageSummary) -> [String; 5] {
    let worst = service.worst_above_ms.map(words::longer_than).or(service.worst_ms.map(words::duration));
    let is_probe = service.unit == "probes";
    let typical = if service.affected == 0 {
        "none".to_owned()
    } else {
        words::value_or_above(service.median_ms, service.median_above_ms)
    };
    [
        words::service(&service.service).to_owned(),
        typical,
        worst.filter(|_| !is_probe || service.n > 1).unwrap_or_else(|| "–".to_owned()),
        if is_probe && service.censored == 0 {
            "–".to_owned()
        } else {
            format!("{} of {:>3}", service.censored, service.users)
        },
        service.method.clone(),
    ]
}

fn row(cells: [&str; 5]) -> String {
    let [service, typical, worst, out, method] = cells;
    let numbers = format!("{} {} {}", pad_left(typical, 9), pad_left(worst, 9), pad_left(out, 11));
    format!(" {} {numbers}   {}", pad_right(service, 15), words::clip(method, 29)).trim_end().to_owned()
}

/// The intervals of the medians, from six trials on.
fn intervals(out: &mut String, services: &[OutageSummary]) {
    let known: Vec<String> = services.iter().filter_map(interval).collect();
    if let Some(first) = services.iter().find(|service| service.ci_low_ms.is_some()) {
        let confidence = first.confidence.unwrap_or_default() * 100.0;
        let text =
            format!("Intervals of the median ({} trials, exact, {confidence:.1} %): {}.", first.n, known.join("; "));
        paragraph(out, &text, " ", &str::to_owned);
    }
}

fn interval(service: &OutageSummary) -> Option<String> {
    Some(format!("{} {}", words::service(&service.service), words::interval(service.ci_low_ms?, service.ci_high_ms)))
}

fn fates(out: &mut String, report: &Report) {
    for (what, fates) in [("calls", &report.calls), ("messages", &report.messages)] {
        if fates.is_empty() {
            continue;
        }
        let mut counts: Vec<(&String, &u64)> = fates.iter().collect();
        counts.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let parts: Vec<String> = counts.iter().map(|(fate, count)| format!("{count} {}", words::fate(fate))).collect();
        out.push('\n');
        let text = format!("{what} {} due: {}", fates.values().sum::<u64>(), parts.join(" · "));
        out.push_str(&wrap(&text, WIDTH, "  ").join("\n"));
    }
    if !(report.calls.is_empty() && report.messages.is_empty()) {
        out.push('\n');
    }
}

fn caveats(out: &mut String, report: &Report, pen: Pen) {
    for caveat in &report.caveats {
        let (mark, code) = if caveat.voids { ("!!", "1;33") } else { (" !", "33") };
        let lines = wrap(&format!("{}: {}", caveat.text, caveat.remedy), WIDTH - 3, "");
        for (number, text) in lines.iter().enumerate() {
            let mark = if number == 0 { pen.paint(code, mark) } else { "  ".to_owned() };
            line(out, &format!("{mark} {text}"));
        }
    }
}

fn verdict(out: &mut String, report: &Report, pen: Pen) {
    for threshold in report.verdict.thresholds.iter().filter(|threshold| threshold.outcome == Outcome::Pass) {
        line(out, &format!(" ✓ {}", words::clip(&threshold.text, WIDTH - 3)));
    }
    for reason in &report.verdict.reasons {
        for (number, text) in wrap(reason, WIDTH - 3, "").iter().enumerate() {
            line(out, &format!(" {} {text}", if number == 0 { "✗" } else { " " }));
        }
    }
    line(out, &format!(" {}", pen.outcome(report.verdict.outcome)));
}

/// A configured value is exact: `700 ms`, `1600 ms`.
fn exact(ms: f64) -> String {
    format!("{ms} ms")
}

fn paragraph(out: &mut String, text: &str, indent: &str, paint: &dyn Fn(&str) -> String) {
    for text in wrap(text, WIDTH - indent.len(), "") {
        line(out, &format!("{indent}{}", paint(&text)));
    }
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

fn pad_left(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.chars().count())))
}

fn pad_right(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::report::{assemble, fixture};

    #[test]
    fn the_summary_reads_as_planted() {
        insta::assert_snapshot!(terminal(&fixture::quickstart(1), false));
    }

    #[test]
    fn a_run_that_failed_reads_the_same_way_and_says_why() {
        let mut report = fixture::quickstart(6);
        for outage in report.trials.iter_mut().flat_map(|trial| &mut trial.measured.outages) {
            if outage.service == "media" {
                (outage.censored, outage.end_ns, outage.duration_ms) = (true, None, 20_000.0);
            }
        }
        report.trials[2].measured.faults[1].successor = Some("alpha".into());
        insta::assert_snapshot!(terminal(&assemble(&fixture::scenario(), report.run, report.trials), false));
    }

    #[test]
    fn no_line_is_wider_than_a_terminal_and_plain_text_has_no_escape() {
        for trials in [0, 1, 7] {
            let text = terminal(&fixture::quickstart(trials), false);
            assert!(!text.contains('\x1b'));
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
            }
        }
    }

    #[test]
    fn style_changes_no_word() {
        let report = fixture::quickstart(1);
        let mut styled = terminal(&report, true);
        assert!(styled.contains('\x1b'));
        for code in ["\x1b[1m", "\x1b[1;32m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[33m", "\x1b[0m"] {
            styled = styled.replace(code, "");
        }
        assert_eq!(styled, terminal(&report, false));
    }
}
