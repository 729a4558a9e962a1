//! The answer as text.

use std::fmt::Write as _;

use super::answer::{PanelAnswer, StimulusScore, SubjectVerdict, TestAnswer, Votes};
use crate::analysis::stats::panel::p1401::Agreement;

/// A name from the file for the terminal: as it is, but for control characters.
fn shown(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

pub(super) fn text(answer: &PanelAnswer) -> String {
    let mut out = String::new();
    answer.tests.iter().for_each(|test| write_test(&mut out, test));
    if !answer.ignored_columns.is_empty() {
        let names: Vec<String> = answer.ignored_columns.iter().map(|name| shown(name)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "columns not read: {}", names.join(", "));
    }
    out
}

fn write_test(out: &mut String, test: &TestAnswer) {
    let (kept, percent) = (test.subjects - test.rejected.len(), 100.0 * test.confidence);
    let _ = writeln!(out, "{}: {} stimuli, {kept} of {} subjects", test.label, test.stimuli.len(), test.subjects);
    let width = test.stimuli.iter().map(|s| shown(&s.stimulus).chars().count()).max().unwrap_or(0).max(8);
    let _ = writeln!(out, "\n  {:width$}   MOS     n      s  {percent} % interval (t)  all   model", "stimulus");
    test.stimuli.iter().for_each(|stimulus| write_stimulus(out, stimulus, width));
    write_screening(out, test);
    write_comparison(out, test);
    test.notes.iter().for_each(|note| {
        let _ = writeln!(out, "  note: {note}");
    });
    let _ = writeln!(out);
}

fn write_stimulus(out: &mut String, stimulus: &StimulusScore, width: usize) {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    let kept = stimulus.kept;
    let interval = match kept.and_then(|votes| Some((votes.low?, votes.high?))) {
        Some((low, high)) => format!("{low:.2} to {high:.2}"),
        None => "-".to_owned(),
    };
    let all = number(stimulus.all.map(|votes: Votes| votes.mos));
    let _ = writeln!(
        out,
        "  {:width$}  {:>4}  {:>4}  {:>5}  {interval:<17}  {all:>4}  {:>5}",
        shown(&stimulus.stimulus),
        number(kept.map(|votes| votes.mos)),
        kept.map_or(0, |votes| votes.n),
        number(kept.and_then(|votes| votes.s)),
        number(stimulus.model),
    );
}

fn write_screening(out: &mut String, test: &TestAnswer) {
    let suspects: Vec<_> = test.verdicts.iter().filter(|v| v.bt500.rejected || v.correlation.rejected).collect();
    let _ = writeln!(out, "\n  screening (left out of the scores: {})", left_out(test));
    if suspects.is_empty() {
        let _ = writeln!(out, "    BT.500 and the correlation reject nobody");
    }
    for SubjectVerdict { subject, bt500, correlation } in suspects {
        let name = shown(subject);
        if bt500.rejected {
            let (above, below, votes) = (bt500.above, bt500.below, bt500.votes);
            let _ = writeln!(
                out,
                "    {name}: BT.500 rejects: {above} votes far above and {below} far below the others, of {votes}"
            );
        }
        if correlation.rejected {
            let threshold = test.correlation_threshold;
            let reason = match correlation.correlation {
                Some(r) => format!("{r:.2} with the mean of the others is below {threshold}"),
                None => "not defined, for the votes do not vary".to_owned(),
            };
            let _ = writeln!(out, "    {name}: correlation rejects: {reason}");
        }
    }
}

fn left_out(test: &TestAnswer) -> String {
    if test.rejected.is_empty() {
        return "nobody".to_owned();
    }
    test.rejected.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ")
}

fn write_comparison(out: &mut String, test: &TestAnswer) {
    let rows = [("as it is", &test.model), ("after a mapping of third order", &test.model_mapped)];
    for (how, agreement) in rows.iter().filter_map(|(how, agreement)| Some((how, agreement.as_ref()?))) {
        write_agreement(out, how, agreement);
    }
}

fn write_agreement(out: &mut String, how: &str, agreement: &Agreement) {
    let Agreement { method, n, pcc, rmse, rmse_star, outlier_ratio, monotonic, .. } = agreement;
    let pcc = pcc.map_or("undefined (one side does not vary)".to_owned(), |pcc| format!("{pcc:.3}"));
    let _ = writeln!(out, "\n  model {how}, {n} stimuli, {method}");
    let _ = writeln!(
        out,
        "    PCC {pcc}, RMSE {rmse:.3}, RMSE* {rmse_star:.3}, outlier ratio {:.1} %",
        100.0 * outlier_ratio
    );
    if !monotonic {
        let _ = writeln!(out, "    the mapping falls somewhere between the scores: do not use it");
    }
}
