//! `report.html`: one file without anything from outside, for screen (light and dark) and paper.

mod capture;
mod chats;
mod estimates;
mod quality;
mod signalling;
mod svg;
mod tables;
mod video;

pub use capture::capture;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::figures::data::{FigureData, Panel};
use super::figures::layout::Format;
use super::figures::{every_lane, of_capture, plan};
use crate::analysis::measure::model::Caveat;

use super::model::{Outcome, Report, Transition, Trial};
use super::words;

const STYLE: &str = include_str!("style.css");
/// The timeline takes the page's width.
const PAGE: Format = Format { width: 984.0, font: 12.5, lane: 17.0, plot: 150.0, framed: false };
/// Two figures beside each other.
const HALF: Format = Format { width: 472.0, font: 12.5, lane: 22.0, plot: 120.0, framed: false };

/// The page.
#[must_use]
pub fn html(report: &Report) -> String {
    page(&format!("{}, {}", report.scenario, report.run.started_utc), &body(report))
}

fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    page.into_string()
}

fn body(report: &Report) -> Markup {
    let figures = plan(report);
    let figure = |name: &str| figures.iter().find(|figure| figure.name == name);
    html! {
        (opening(report))
        @if let Some(trial) = report.trials.first() { (timeline(report, trial)) }
        @if !report.transitions.is_empty() { (outages(report, figure("outages"), figure("phases"))) }
        @if !report.qos.is_empty() { (sound(report, figure("mos"), figure("delay-loss"))) }
        (video::section(report, figure("frames")))
        @if let Some(fates) = figure("fates") { (fates_section(fates)) }
        section { h2 { "Five nines" } p { (words::with_tied_units(&report.availability.statement)) }
            @if !report.availability.budget.is_empty() { (tables::budget(&report.availability)) }
            @if let Some(budget) = figure("budget") { (drawn(budget, PAGE)) } }
        @if !(report.findings.is_empty() && report.published.is_empty()) { section { h2 { "Findings" } (findings(report)) } }
        section { h2 { "Before believing it" } (caveats(&report.caveats)) }
        section { h2 { "Anomalies" } (tables::anomalies(report)) }
        section { h2 { "Provenance" } (provenance(report)) }
        @if !report.trials.is_empty() { section { h2 { "Each trial" } @for trial in &report.trials { (tables::trial(trial)) } } }
        footer { "fivenines " (report.run.version) ". The same figures are in report.json, tables/ and figures/." }
    }
}

fn opening(report: &Report) -> Markup {
    let class = outcome(report.verdict.outcome);
    html! {
        header {
            div.run { (report.scenario) " · " (report.run.started_utc) " · "
                (words::plural(report.trials.len() as u64, "trial", "trials")) " · seed " (report.run.seed) }
            h1 { (sentence_start(&report.question)) }
        }
        p.headline { (words::with_tied_units(&report.headline)) }
        div class={ "verdict " (class) } {
            b class={ "t-" (class) } { (class) }
            @if report.verdict.thresholds.is_empty() { "The scenario sets no threshold." }
            ul {
                @for threshold in &report.verdict.thresholds {
                    li { span class={ "t-" (outcome(threshold.outcome)) } { (mark(threshold.outcome)) } " " code { (threshold.text) } }
                }
                @for reason in &report.verdict.reasons { li { (reason) } }
            }
        }
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Unknown => "unknown",
    }
}

fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "✓",
        Outcome::Fail => "✗",
        Outcome::Unknown => "?",
    }
}

fn timeline(report: &Report, trial: &Trial) -> Markup {
    let which = if report.trials.len() > 1 {
        format!(": trial {} of {}", trial.number, report.trials.len())
    } else {
        String::new()
    };
    html! { section { h2 { "Second by second" (which) } (drawn(&every_lane(&trial.measured), PAGE)) } }
}

fn drawn(figure: &FigureData, format: Format) -> Markup {
    html! { figure { (svg::inline(figure, format)) figcaption { (figure.caption) } } }
}

fn titled(figure: Option<&FigureData>) -> Markup {
    html! { @if let Some(figure) = figure { div { h3 { (figure.title) } (drawn(figure, HALF)) } } }
}

fn outages(report: &Report, spread: Option<&FigureData>, phases: Option<&FigureData>) -> Markup {
    html! {
        section {
            h2 { "How long each service was gone" }
            @for transition in report.transitions.iter().filter(|transition| words::is_worth_a_table(transition)) {
                h3 { (transition.label) }
                p { (words::with_tied_units(&introduction(report, transition))) }
                (tables::outages(transition))
                (tables::idle(report, transition))
                @for note in words::notes(transition) { p { (words::with_tied_units(&note)) } }
            }
            (estimates::table(report))
            @if spread.is_some() || phases.is_some() { div.pair style="margin-top:34px" { (titled(spread)) (titled(phases)) } }
        }
    }
}

fn introduction(report: &Report, transition: &Transition) -> String {
    let confidence = transition.services.iter().find_map(|row| row.confidence);
    let interval = confidence.map_or(String::new(), |confidence| {
        format!(", with the exact {:.1} % interval of the median over trials", confidence * 100.0)
    });
    let configured =
        transition.configured_ms.map_or(String::new(), |ms| format!(" The takeover was configured to take {ms} ms."));
    let typical = match report.trials.len() {
        1 => "Typical is the median affected user.".to_owned(),
        n => format!("Typical is the median over {n} trials of the trial's median affected user{interval}."),
    };
    let what = sentence_start(&words::fault(&transition.kind));
    format!("{what} at {:.3} s.{configured} {typical}", transition.at_s)
}

fn sound(report: &Report, mos: Option<&FigureData>, delay: Option<&FigureData>) -> Markup {
    html! {
        section {
            h2 { "What it sounded like" }
            (quality::periods(&report.qos))
            div.pair style="margin-top:26px" { (titled(mos)) (titled(delay)) }
            (quality::scores(report))
            (quality::listening(report))
            (quality::categories(&report.qos))
        }
    }
}

/// Calls and messages beside each other.
fn fates_section(fates: &FigureData) -> Markup {
    let alone = |panel: &Panel| FigureData { panels: vec![panel.clone()], ..fates.clone() };
    html! {
        section {
            h2 { "Calls and messages" }
            figure {
                div.pair { @for panel in &fates.panels { (svg::inline(&alone(panel), HALF)) } }
                figcaption { (fates.caption) }
            }
        }
    }
}

fn findings(report: &Report) -> Markup {
    let found = report.findings.iter().map(|finding| words::finding(finding, report.trials.len()));
    let published = report.published.iter().map(words::published);
    html! { ul { @for text in found.chain(published) { li { (sentence_start(&words::with_tied_units(&text))) } } } }
}

fn caveats(caveats: &[Caveat]) -> Markup {
    html! {
        @if caveats.is_empty() { p { "Nothing is known that would weaken the figures." } }
        ul.caveats { @for caveat in caveats {
            li.void[caveat.voids] { (caveat.text) ". " em { (sentence(&caveat.remedy)) } }
        } }
    }
}

fn sentence(text: &str) -> String {
    format!("{}.", sentence_start(text).trim_end_matches('.'))
}

fn sentence_start(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}

fn provenance(report: &Report) -> Markup {
    let run = &report.run;
    let servers: Vec<String> = run.servers.iter().map(|(name, version)| format!("{name} {version}")).collect();
    html! {
        dl {
            dt { "started" } dd { (run.started_utc) }
            dt { "cluster" } dd { (run.cluster) }
            @for machine in &run.machines {
                dt { "machine of its own" } dd { (machine.describe()) br; (machine.boot) ", disk image " (machine.image) }
            }
            dt { "traffic" } dd { @for (place, line) in run.traffic.iter().enumerate() { @if place > 0 { br; } (line) } }
            dt { "servers" } dd { (servers.join(", ")) }
            dt { "trials" } dd { (report.trials.len()) " of " (run.trials_planned) " planned"
                @if !report.void_trials.is_empty() { ", " (report.void_trials.len()) " void" } ", seeds from " (run.seed) }
            dt { "machine" } dd { (run.arch) ", " (words::plural(u64::from(run.cpus), "processor", "processors")) ", Linux " (run.kernel) }
            dt { "program" } dd { "fivenines " (run.version) }
        }
        (health(report))
    }
}

/// How well the instrument itself worked.
fn health(report: &Report) -> Markup {
    let late = |ns: i64| words::fine(ns as f64 / 1e6);
    html! {
        @if report.trials.iter().any(|trial| trial.measured.health.is_some()) {
            h3 { "The instrument" }
            div.wide { table {
                thead { tr {
                    th { "trial" } th { "RTP sent" } th { "RTP not sent" } th { "late, median" } th { "late, p99" } th { "late, most" }
                    th { "not started" } th { "socket drops" } th { "capture drops" } th { "processor" }
                } }
                tbody { @for trial in &report.trials { @if let Some(health) = &trial.measured.health { tr {
                    td { (trial.number) } td { (health.rtp_sent) } td { (health.rtp_not_sent) } td { (late(health.send_late_p50_ns)) }
                    td { (late(health.send_late_p99_ns)) } td { (late(health.send_late_max_ns)) } td { (health.not_started) }
                    td { (health.socket_drops) } td { (health.capture_drops) } td { (words::percent(health.cpu_share * 100.0)) }
                } } } }
            } }
        }
    }
}

#[cfg(test)]
mod tests;
