use super::*;
use crate::analysis::report::fixture;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: AvailabilityArgs,
}

fn given(line: &str) -> AvailabilityArgs {
    Line::try_parse_from(std::iter::once("availability").chain(line.split_whitespace())).unwrap().args
}

fn answered(line: &str) -> AvailabilityAnswer {
    let args = given(line);
    answer(&args, Given::of(&args, None).unwrap()).unwrap()
}

/// The text without its line breaks.
fn said(answer: &AvailabilityAnswer) -> String {
    text::text(answer).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The answer for a planted run.
fn of_run(line: &str, report: &Report) -> AvailabilityAnswer {
    let args = given(&format!("--run RUN {line}"));
    answer(&args, Given::of(&args, Some(report)).unwrap()).unwrap()
}

fn target_of(answer: &AvailabilityAnswer, percent: f64) -> TargetAnswer {
    *answer.targets.iter().find(|target| target.target_percent == percent).unwrap()
}

/// 315.36/1.701 = 185.4; 1.701 · 99,999 s = 47.25 h; ln 0.05/ln 0.99999 = 299,572.
#[test]
fn four_budgets_from_one_downtime() {
    let answer = answered("--downtime 1.701s");
    let percents: Vec<f64> = answer.targets.iter().map(|target| target.target_percent).collect();
    assert_eq!(percents, [99.9, 99.99, 99.999, 99.9999]);
    let target = target_of(&answer, 99.999);
    assert!((target.failures_per_year - 185.4).abs() < 0.05);
    assert!((target.mtbf_needed_s / 3600.0 - 47.25).abs() < 5e-3);
    assert_eq!(target.probes_needed, 299_572);
}

/// Fifteen link failures: median 3.23 s, 2.94 to 3.41; 315.36/3.41 = 92.5; 0.05^(1/15) = 81.9 %.
#[test]
fn the_statement_uses_the_worst_end_of_the_interval() {
    let answer = answered("--downtime 3.23 --downtime-ci 2.94s 3410ms --successes 15 --trials 15");
    let out = said(&answer);
    for part in ["no more than 92 times a year", "15/15", "at least 81.9 %", "was not measured", "92.48 to 107.27"] {
        assert!(out.contains(part), "no {part:?} in:\n{out}");
    }
}

/// Twelve failures a year of 1.7 s and of 144 s (one a month): 1 − 12 d/31,536,000.
#[test]
fn projections_need_a_stated_rate() {
    let projected = |line: &str| answered(line).projected;
    let percent = |line: &str| projected(line).unwrap().availability_percent;
    assert!((percent("--downtime 1.7 --failures-per-year 12") - 99.999_935_3).abs() < 5e-8);
    assert!((percent("--downtime 144 --failures-per-year 12") - 99.994_520_5).abs() < 5e-8);
    assert_eq!(projected("--downtime 144"), None);
    let out = said(&answered("--downtime 1.7 --failures-per-year 12"));
    assert!(out.contains("stated, not measured; every failover is taken to work"), "{out}");
}

/// One hour for each failover that fails: three of three leave the expected availability wide open.
#[test]
fn a_projection_is_an_interval() {
    let wide = answered("--downtime 1.7 --failures-per-year 12 --successes 3 --trials 3").projected.unwrap();
    let close = answered("--downtime 1.7 --failures-per-year 12 --successes 150 --trials 150").projected.unwrap();
    let width = |p: &Projection| p.played.expected.high - p.played.expected.low;
    assert!(width(&wide) > 10.0 * width(&close), "{wide:?} {close:?}");
    let range = answered("--downtime 1.7 --failures-per-year 12 --failures-per-year-ci 4 36").projected.unwrap();
    // 36 failures: 1 − 36 · 1.7/31,536,000 = 0.99999806.
    assert!((range.played.expected.low - 0.999_998_06).abs() < 1e-7, "{range:?}");
}

#[test]
fn a_run_answers_with_its_own_outages() {
    let report = fixture::quickstart(6);
    let answer = of_run("--failures-per-year 12", &report);
    assert!((answer.downtime_s.unwrap() - 1.62).abs() < 0.03);
    assert_eq!(answer.coverage.map(|c| (c.successes, c.trials)), Some((12, 12)));
    assert_eq!(answer.observed.as_ref().unwrap().services.len(), report.outages.len());
    let out = said(&answer);
    for part in ["raw-gap", "user-seconds", "call-success*", "slowest transition", "made on purpose", "12/12"] {
        assert!(out.contains(part), "no {part:?} in:\n{out}");
    }
    let calls = of_run("--service new_call", &report);
    assert!(calls.downtime_basis.unwrap().starts_with("new_call") && calls.projected.is_none());
    let args = given("--run RUN --service fax");
    assert!(Given::of(&args, Some(&report)).unwrap_err().message.contains("did not measure `fax`; it has address"));
}

#[test]
fn a_run_without_recovery_has_rules_and_no_budget() {
    let mut report = fixture::quickstart(1);
    for row in report.transitions.iter_mut().flat_map(|of| &mut of.services) {
        (row.median_ms, row.median_above_ms) = (None, Some(20_000.0));
    }
    let answer = of_run("--failures-per-year 12", &report);
    assert!(answer.targets.is_empty() && answer.projected.is_none());
    assert!(said(&answer).contains("no budget can be reckoned"));
}

#[test]
fn json_holds_the_same() {
    let json = serde_json::to_value(answered("--downtime 144s --target 99.9 --target 99.999")).unwrap();
    assert_eq!(json["schema"], "fivenines.availability.v1");
    assert_eq!(json["targets"].as_array().unwrap().len(), 2);
    assert!((json["targets"][1]["failures_per_year"].as_f64().unwrap() - 2.19).abs() < 5e-3);
    assert!(json["coverage"].is_null() && json["observed"].is_null());
    let json = serde_json::to_value(of_run("", &fixture::quickstart(1))).unwrap();
    assert_eq!(json["observed"]["services"][0]["rules"][1]["rule"], "itu-10s");
}

#[test]
fn times_are_read_with_units() {
    for (text, want) in [("1.701", 1.701), ("1.701s", 1.701), ("692ms", 0.692), ("2.4min", 144.0), ("1h", 3600.0)] {
        assert!((seconds(text).unwrap() - want).abs() < 1e-12, "{text}");
    }
    for text in ["", "s", "-1s", "0", "1 fortnight", "NaN"] {
        assert!(seconds(text).is_err(), "{text:?}");
    }
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let message = |line: &str| run(&given(line)).unwrap_err().message;
    assert!(message("--downtime 1 --target 100").contains("target is 100"));
    assert!(message("--downtime 5 --downtime-ci 1 2").contains("downtime is 5"));
    assert!(message("--downtime 1 --successes 4 --trials 3").contains("successes is 4"));
    assert!(message("--run nowhere").contains("cannot read nowhere"));
    for line in [vec!["--downtime", "1", "--trials", "3"], vec![], vec!["--run", "a", "--downtime", "1"]] {
        assert!(Line::try_parse_from([vec!["availability"], line].concat()).is_err());
    }
}

/// Four failures a year, an hour of manual repair: 99.999 % needs a coverage of 0.978 (3,600 − 78.84 over 3,600 − 1.701),
/// which 135 successes in a row show; hours: 2.9957 · 47.25.
#[test]
fn what_it_takes_to_claim_a_number_of_nines() {
    let answer = answered("--downtime 1.701s --failures-per-year 4");
    let five = target_of(&answer, 99.999);
    assert!((five.coverage_needed.unwrap() - 0.978_56).abs() < 1e-4, "{five:?}");
    assert_eq!(five.failovers_needed, Some(139));
    assert!((five.observation_needed_s / 3600.0 - 141.55).abs() < 0.05);
    assert!(said(&answer).contains("139 successes in a row"));
    assert_eq!(target_of(&answered("--downtime 1.701s"), 99.999).failovers_needed, None);
}

#[test]
fn the_budget_is_drawn_as_the_name_says() {
    let file = |end: &str| std::env::temp_dir().join(format!("fivenines-budget-{}.{end}", std::process::id()));
    for (end, magic) in [("png", &b"\x89PNG"[..]), ("svg", b"<svg")] {
        let path = file(end);
        run(&given(&format!("--downtime 1.701 --figure {}", path.display()))).unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(magic));
        std::fs::remove_file(path).unwrap();
    }
    let message = run(&given("--downtime 1.701 --figure budget.pdf")).unwrap_err().message;
    assert!(message.contains(".png or .svg"), "{message}");
}
