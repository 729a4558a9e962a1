use super::simulation::{Law, Outcomes, World, outcomes};
use super::*;
use crate::analysis::measure::model::{Caveat, Outage};
use crate::analysis::report::fixture;
use crate::analysis::report::model::Report;
use crate::analysis::stats::power_of_shift;
use crate::units::Span;

fn planted(report: &mut Report, slower_ms: f64) {
    for outage in report.trials.iter_mut().flat_map(|trial| &mut trial.measured.outages) {
        outage.duration_ms += slower_ms;
        outage.end_ns = outage.end_ns.map(|end| end + Span::from_secs_f64(slower_ms / 1e3));
    }
}

fn baseline(trials: u32) -> Baseline {
    Baseline::of(&fixture::quickstart(trials))
}

fn slower(trials: u32, ms: f64) -> Baseline {
    let mut report = fixture::quickstart(trials);
    planted(&mut report, ms);
    Baseline::of(&report)
}

fn against(before: &Baseline, now: &Baseline) -> Comparison {
    compare(before, now, &Options::default())
}

fn sample_of<'a>(baseline: &'a mut Baseline, service: &str) -> &'a mut ServiceSample {
    baseline.outages.iter_mut().find(|of| of.fault == 0 && of.service == service).unwrap()
}

fn row<'a>(comparison: &'a Comparison, service: &str) -> &'a OutageComparison {
    comparison.outages.iter().find(|row| row.fault == 0 && row.service == service).unwrap()
}

#[test]
fn a_report_is_reduced_to_a_value_for_each_trial() {
    let baseline = baseline(6);
    let media = baseline.sample(0, "power_off", "media to caller").unwrap();
    assert_eq!((media.trials_ms.len(), media.above_ms.len()), (6, 0));
    assert!(media.trials_ms.iter().all(|ms| (690.0..760.0).contains(ms)), "{media:?}");
    assert_eq!(baseline.failovers.len(), 2);
    assert!(baseline.quality.iter().any(|of| of.figure == "mos" && of.period == "before" && of.trials.len() == 6));
    let text = serde_json::to_string(&baseline).unwrap();
    assert!(text.len() < 10_000, "{} bytes", text.len());
    assert_eq!(serde_json::from_str::<Baseline>(&text).unwrap(), baseline);
}

/// Median of three users of whom one never came back; one who hung up meanwhile counts for nothing.
#[test]
fn the_median_user_speaks_for_a_trial() {
    let mut report = fixture::quickstart(1);
    let outages = &mut report.trials[0].measured.outages;
    let template = outages.iter().find(|of| of.service == "new_call" && of.fault == Some(0)).unwrap().clone();
    outages.retain(|of| of.service != "new_call");
    let user = |scope: &str, ms: f64, censored: bool, left: bool| Outage {
        scope: scope.into(),
        duration_ms: ms,
        censored,
        left,
        ..template.clone()
    };
    outages.extend([
        user("call 1", 500.0, false, false),
        user("call 2", 9_000.0, true, false),
        user("call 3", 700.0, false, false),
        user("call 3", 20.0, false, false),
        user("call 4", 9_999.0, true, true),
    ]);
    let baseline = Baseline::of(&report);
    assert_eq!(baseline.sample(0, "power_off", "new_call").unwrap().trials_ms, [700.0]);
    assert_eq!(baseline.failovers[0].recovered, 0);
}

#[test]
fn a_run_against_itself_passes() {
    let comparison = against(&baseline(24), &baseline(24));
    assert_eq!(comparison.outcome, Outcome::Pass, "{}", terminal(&comparison));
    assert!(comparison.reasons.is_empty() && comparison.notes.is_empty());
}

#[test]
fn three_hundred_milliseconds_more_fail() {
    let comparison = against(&baseline(15), &slower(15, 300.0));
    assert_eq!(comparison.outcome, Outcome::Fail, "{}", terminal(&comparison));
    let media = row(&comparison, "media to caller");
    assert!((media.shift_ms.unwrap() - 300.0).abs() < 1.0 && media.shift_low_ms.unwrap() > 100.0);
    assert!(media.p_holm.unwrap() >= media.p.unwrap() && media.p_holm.unwrap() < 0.05);
}

#[test]
fn what_is_within_the_tolerance_passes_even_though_it_is_significant() {
    let comparison = against(&baseline(15), &slower(15, 60.0));
    let media = row(&comparison, "media to caller");
    assert!(media.p_holm.unwrap() < 0.05);
    assert_eq!(media.outcome, Outcome::Pass, "{}", terminal(&comparison));
    assert_ne!(comparison.outcome, Outcome::Fail);
    // A tenth of 1.6 s after the second fault is more than 100 ms.
    let second = comparison.outages.iter().find(|row| row.fault == 1 && row.service == "media to caller").unwrap();
    assert!(second.tolerance_ms > 155.0, "{second:?}");
}

#[test]
fn too_few_trials_are_unknown_and_say_how_many_it_takes() {
    let comparison = against(&baseline(3), &slower(3, 300.0));
    assert_eq!(comparison.outcome, Outcome::Unknown);
    let media = row(&comparison, "media to caller");
    // 30 tests: 30 · 2/C(14,7) = 0.017 is the first below 5 %, 30 · 2/C(12,6) = 0.065.
    assert_eq!((comparison.rows().count(), media.needed_n), (30, Some(7)));
    assert!(media.why.contains("run 7 trials on each side"), "{}", media.why);
}

/// sd 290 ms against 100 ms: 2 (1.96 + 0.84)² π/3 · 2.9² = 138 trials; the pooled sd of this sample decides.
#[test]
fn a_noisy_service_asks_for_the_trials_that_its_noise_needs() {
    let (mut before, mut now) = (baseline(8), baseline(8));
    let noisy = [610.0, 1_420.0, 890.0, 1_110.0, 720.0, 1_330.0, 980.0, 1_190.0];
    sample_of(&mut before, "register").trials_ms = noisy.to_vec();
    sample_of(&mut now, "register").trials_ms = noisy.map(|ms| ms + 40.0).to_vec();
    let comparison = against(&before, &now);
    let register = row(&comparison, "register");
    assert_eq!(register.outcome, Outcome::Unknown);
    assert!((100..220).contains(&register.needed_n.unwrap()), "{register:?}");
}

#[test]
fn what_no_longer_comes_back_is_slower_than_any_tolerance() {
    let (mut before, mut now) = (baseline(8), baseline(8));
    before.failovers[0].recovered = 8;
    let media = sample_of(&mut now, "media to caller");
    (media.trials_ms, media.above_ms) = (Vec::new(), vec![19_000.0; 8]);
    now.failovers[0].recovered = 0;
    let comparison = against(&before, &now);
    let media = row(&comparison, "media to caller");
    assert_eq!((media.outcome, media.censored_run, media.run_median_ms), (Outcome::Fail, 8, None));
    assert!(media.why.contains("never now"), "{}", media.why);
    // 8 of 8 against 0 of 8: p = 2/C(16,8).
    assert_eq!(comparison.coverage[0].outcome, Outcome::Fail);
    assert!((comparison.coverage[0].p.unwrap() - 2.0 / 12_870.0).abs() < 1e-9);
}

#[test]
fn what_never_came_back_cannot_become_slower() {
    let (mut before, mut now) = (baseline(8), baseline(8));
    for side in [&mut before, &mut now] {
        let chat = sample_of(side, "chat_delivery");
        (chat.trials_ms, chat.above_ms) = (Vec::new(), vec![19_000.0; 8]);
    }
    let comparison = against(&before, &now);
    let chat = row(&comparison, "chat_delivery");
    assert_eq!(chat.outcome, Outcome::Pass);
    assert!(chat.why.contains("in the baseline either"), "{}", chat.why);
}

#[test]
fn fewer_recoveries_that_prove_nothing_are_unknown() {
    let (mut before, mut now) = (baseline(8), baseline(8));
    (before.failovers[1].recovered, now.failovers[1].recovered) = (8, 6);
    let comparison = against(&before, &now);
    let second = &comparison.coverage[1];
    assert_eq!((second.outcome, comparison.outcome), (Outcome::Unknown, Outcome::Unknown));
    assert!(second.needed_n.unwrap() > 8 && second.why.contains("6 of 8"), "{second:?}");
}

#[test]
fn a_void_run_judges_nothing() {
    let mut report = fixture::quickstart(15);
    planted(&mut report, 300.0);
    report.caveats.push(Caveat { text: "the capture lost frames".into(), remedy: "capture less".into(), voids: true });
    let comparison = against(&baseline(15), &Baseline::of(&report));
    assert_eq!(comparison.outcome, Outcome::Unknown);
    assert!(comparison.outages.iter().all(|row| row.outcome == Outcome::Unknown));
    assert_eq!(comparison.reasons, ["the run cannot be trusted: the capture lost frames"]);
    let xml = String::from_utf8(junit(&comparison).unwrap()).unwrap();
    assert!(xml.contains(r#"failures="0""#) && !xml.contains(r#"errors="0""#));
}

#[test]
fn what_cannot_be_paired_is_said() {
    let (before, mut now) = (baseline(8), baseline(8));
    now.outages.retain(|of| of.service != "new_call");
    now.servers.insert("kamailio".into(), "5.6.3".into());
    let comparison = against(&before, &now);
    assert_eq!(comparison.outcome, Outcome::Unknown);
    assert!(row(&comparison, "new_call").why.contains("not in the run"));
    assert!(comparison.notes.iter().any(|note| note.contains("kamailio 5.6.3")));
    let back = against(&now, &before);
    assert!(back.notes.iter().any(|note| note.contains("new_call")), "{:?}", back.notes);
    now.outages.iter_mut().for_each(|of| of.kind = "process_kill".into());
    (now.failovers, now.outages) = (Vec::new(), now.outages);
    let nothing = against(&Baseline { outages: vec![], failovers: vec![], quality: vec![], ..before }, &now);
    assert_eq!(nothing.outcome, Outcome::Unknown);
    assert!(nothing.reasons[0].contains("nothing was compared"));
}

/// Each trial's second fault becomes the heal of its first one; its outages are then those of the failback.
fn with_a_heal(mut report: Report) -> Report {
    for fault in report.trials.iter_mut().flat_map(|trial| &mut trial.measured.faults).filter(|of| of.fault == 1) {
        (fault.kind, fault.heal_of) = ("heal".into(), Some(0));
    }
    report
}

#[test]
fn a_slower_failback_is_a_regression_of_its_own() {
    let before = Baseline::of(&with_a_heal(fixture::quickstart(15)));
    let mut report = with_a_heal(fixture::quickstart(15));
    for outage in report.trials.iter_mut().flat_map(|trial| &mut trial.measured.outages) {
        outage.duration_ms += if outage.fault == Some(1) { 600.0 } else { 0.0 };
    }
    let comparison = against(&before, &Baseline::of(&report));
    assert_eq!(comparison.outcome, Outcome::Fail);
    let failed: Vec<_> = comparison.outages.iter().filter(|row| row.outcome == Outcome::Fail).collect();
    assert!(!failed.is_empty() && failed.iter().all(|row| row.heal_of == Some(0)), "{failed:?}");
    assert!(terminal(&comparison).contains("  heal of fault 1 "), "{}", terminal(&comparison));
    assert!(comparison.reasons[0].contains("after heal of fault 1: slower by"), "{:?}", comparison.reasons);
    // A heal is no failover that could work or not.
    assert_eq!(comparison.coverage.iter().map(|row| row.fault).collect::<Vec<_>>(), [0]);
}

#[test]
fn every_form_says_the_same() {
    let comparison = against(&baseline(15), &slower(15, 300.0));
    let rows = comparison.rows().count();
    let xml = String::from_utf8(junit(&comparison).unwrap()).unwrap();
    assert!(xml.contains(&format!(r#"tests="{}""#, rows + 1)), "{xml}");
    let failed = comparison.rows().filter(|row| row.0 == Outcome::Fail).count();
    assert!(xml.contains(&format!(r#"failures="{failed}" errors="0""#)), "{xml}");
    let notes = annotations(&comparison);
    assert_eq!(notes.lines().filter(|line| line.starts_with("::error title=")).count(), failed);
    assert!(notes.is_ascii() || notes.contains("power-off"), "{notes}");
    assert!(markdown(&comparison).contains("### ✗ fail: failover has become worse"));
    let text = terminal(&comparison);
    assert!(text.contains("power-off 1") && text.contains("✗ media to caller"), "{text}");
    let wide = text.lines().take_while(|line| !line.starts_with("fail")).find(|line| line.chars().count() > 80);
    assert_eq!(wide, None);
    let json = serde_json::to_value(&comparison).unwrap();
    assert_eq!((json["schema"].as_str(), json["outcome"].as_str()), (Some("fivenines.compare.v1"), Some("fail")));
    assert_eq!(annotations(&against(&baseline(24), &baseline(24))).lines().count(), 1);
}

#[test]
fn several_runs_make_a_trend() {
    let before = baseline(24);
    let comparisons = [against(&before, &baseline(24)), against(&before, &slower(24, 300.0))];
    let trend = trend(&comparisons).unwrap();
    assert_eq!(trend.outcomes, [Outcome::Pass, Outcome::Fail]);
    assert!(trend.rows.iter().all(|row| row.cells.len() == 2));
    assert!(trend.quality.len() == 10 && trend.quality.iter().all(|row| row.cells.len() == 2), "{:?}", trend.quality);
    assert!(trend_terminal(&trend).contains("(+300 ms)"), "{}", trend_terminal(&trend));
    assert!(trend_markdown(&trend).ends_with("| outcome | | ✓ | ✗ |\n"));
    assert_eq!(super::trend(&[]), None);
}

/// Eight trials of a figure, near `around`.
fn heard(side: &mut Baseline, figure: &str, period: &str, around: f64, step: f64) {
    let trials = (0..8).map(|trial| around + step * f64::from(trial * 3 % 8)).collect();
    side.quality.retain(|of| !(of.figure == figure && of.period == period));
    side.quality.push(QualitySample { figure: figure.into(), period: period.into(), trials });
}

fn quality<'a>(comparison: &'a Comparison, figure: &str, period: &str) -> &'a QualityComparison {
    comparison.quality.iter().find(|row| row.figure == figure && row.period == period).unwrap()
}

/// Figure, before, now, step between trials, and what must be said: each beyond and within its own tolerance, in the
/// direction that is worse. Eight separated values on each side: p = 2/C(16,8) = 1.6e-4, times 32 tests at most 0.006.
#[test]
fn media_that_became_worse_fail_and_better_ones_never_do() {
    let table = [
        ("mos", 4.3, 3.9, 0.01, Outcome::Fail),
        ("mos", 3.9, 4.3, 0.01, Outcome::Pass),
        ("mos", 4.3, 4.2, 0.01, Outcome::Pass),
        ("mos", 4.3, 4.1, 0.04, Outcome::Unknown),
        ("delay_ms_p95", 5.0, 25.0, 0.2, Outcome::Fail),
        ("delay_ms_p95", 25.0, 5.0, 0.2, Outcome::Pass),
        ("delay_ms_p95", 5.0, 12.0, 0.2, Outcome::Pass),
        ("jitter_ms_p95", 1.0, 8.0, 0.1, Outcome::Fail),
        ("jitter_ms_p95", 1.0, 5.0, 0.1, Outcome::Pass),
        ("loss_percent", 0.1, 2.0, 0.02, Outcome::Fail),
        ("loss_percent", 0.1, 0.9, 0.02, Outcome::Pass),
    ];
    for period in ["before", "during", "after"] {
        for (figure, first, second, step, outcome) in table {
            let (mut before, mut now) = (baseline(8), baseline(8));
            heard(&mut before, figure, period, first, step);
            heard(&mut now, figure, period, second, step);
            let comparison = against(&before, &now);
            let row = quality(&comparison, figure, period);
            assert_eq!(row.outcome, outcome, "{period} {figure} {first} → {second}: {row:?}");
            assert!(outcome != Outcome::Fail || comparison.outcome == Outcome::Fail, "{}", terminal(&comparison));
        }
    }
}

#[test]
fn a_figure_that_is_not_told_says_how_many_trials_it_takes() {
    let (mut before, mut now) = (baseline(8), baseline(8));
    heard(&mut before, "mos", "after", 4.0, 0.06);
    heard(&mut now, "mos", "after", 3.95, 0.06);
    let comparison = against(&before, &now);
    let row = quality(&comparison, "mos", "after");
    assert_eq!(row.outcome, Outcome::Unknown);
    assert!(row.needed_n.unwrap() > 8 && row.why.contains("trials on each side"), "{row:?}");
    now.quality.retain(|of| !(of.figure == "mos" && of.period == "after"));
    let comparison = against(&before, &now);
    assert_eq!(quality(&comparison, "mos", "after").why, "measured in the baseline and not in the run");
    let back = against(&now, &before);
    assert!(back.notes.iter().any(|note| note.contains("mos after is not in the baseline")), "{:?}", back.notes);
}

#[test]
fn the_tolerances_are_the_users() {
    let (mut before, mut now) = (baseline(8), baseline(8));
    heard(&mut before, "mos", "before", 4.3, 0.01);
    heard(&mut now, "mos", "before", 3.9, 0.01);
    let lenient = Options { tolerance_mos: 0.5, ..Options::default() };
    assert_eq!(quality(&compare(&before, &now, &lenient), "mos", "before").outcome, Outcome::Pass);
}

const VRRP: World =
    World { trials: 15, faults: 2, services: 3, quality: false, mean_ms: 3_109.0, sd_ms: 289.0, law: Law::Uniform };

/// Nominal 5 % over six services and faults together, without any tolerance: at most 50 of 1,000 within 3 σ (21).
#[test]
fn equal_runs_raise_no_more_false_alarms_than_promised() {
    let strict = Options::without_tolerance();
    for (law, quality) in [(Law::Uniform, false), (Law::Exponential, false), (Law::Uniform, true)] {
        let world = World { trials: 8, law, quality, ..VRRP };
        let Outcomes { fail, .. } = outcomes(&world, 0.0, &strict, 1_000, 7);
        assert!(fail <= 71, "{law:?}: {fail} of 1000");
    }
    let tolerant = outcomes(&VRRP, 0.0, &Options::default(), 200, 8);
    assert_eq!(tolerant.fail, 0, "{tolerant:?}");
}

/// One service: what the large-sample formula predicts for the part of the shift beyond the tolerance, within
/// 4 σ of 200 comparisons (14 points) and the formula's own error.
#[test]
fn planted_shifts_are_seen_as_often_as_predicted() {
    let world =
        World { trials: 17, faults: 1, services: 1, quality: false, mean_ms: 700.0, sd_ms: 100.0, law: Law::Normal };
    for beyond in [50.0, 100.0, 150.0] {
        let seen = f64::from(outcomes(&world, 100.0 + beyond, &Options::default(), 200, 9).fail) / 200.0;
        let predicted = power_of_shift(beyond / 100.0, 17, 17, 0.05).unwrap();
        assert!((seen - predicted).abs() < 0.15, "{beyond}: {seen} instead of {predicted}");
    }
}
