use super::*;
use crate::analysis::measure::model::{Caveat, Measured, Outage};
use crate::analysis::report::fixture;
use crate::analysis::verdict::Outcome;
use crate::units::Span;

fn row<'a>(report: &'a Report, fault: usize, service: &str) -> &'a OutageSummary {
    report.transitions[fault].services.iter().find(|row| row.service == service).expect("the service was measured")
}

fn with_trials(change: impl Fn(&mut Measured), trials: u32) -> Report {
    let mut report = fixture::quickstart(trials);
    for trial in &mut report.trials {
        change(&mut trial.measured);
    }
    assemble(&fixture::scenario(), report.run.clone(), report.trials)
}

#[test]
fn the_planted_takeovers_stand_in_every_service_row() {
    let report = fixture::quickstart(1);
    assert_eq!(report.transitions.len(), 2);
    for (fault, (label, configured)) in [("alpha → beta", 700.0), ("beta → charlie", 1600.0)].into_iter().enumerate()
    {
        let transition = &report.transitions[fault];
        assert_eq!((transition.label.as_str(), transition.configured_ms), (label, Some(configured)));
        assert_eq!(transition.services.len(), 9);
        for service in ["address", "sip_answer", "media to caller", "media to callee"] {
            let median = row(&report, fault, service).median_ms.unwrap();
            assert!((configured..configured + 40.0).contains(&median), "{service}: {median}");
        }
    }
}

#[test]
fn users_are_counted_not_only_averaged() {
    let report = fixture::quickstart(2);
    let media = row(&report, 0, "media to caller");
    // 17 calls talked when the fault struck, the 12 standing ones lost their media.
    assert_eq!((media.n, media.users, media.affected, media.censored), (2, 2 * 17, 2 * 12, 0));
    let register = row(&report, 0, "register");
    assert_eq!((register.users, register.affected), (2 * 40, 2 * 7));
    let receivers = row(&report, 0, "chat_session receiver");
    assert_eq!((receivers.users, receivers.affected, receivers.censored), (12, 12, 4));
}

#[test]
fn what_was_not_recovered_is_never_a_small_number() {
    let censor = |measured: &mut Measured| {
        for outage in measured.outages.iter_mut().filter(|outage| outage.service == "media") {
            (outage.censored, outage.end_ns, outage.duration_ms) = (true, None, 43_000.0);
        }
    };
    let report = with_trials(censor, 6);
    let media = row(&report, 0, "media to caller");
    assert_eq!((media.median_ms, media.median_above_ms, media.worst_ms), (None, Some(43_000.0), None));
    assert_eq!((media.worst_above_ms, media.ci_high_ms), (Some(43_000.0), None));
    assert!(report.headline.contains("heard nothing again before the window ended (> 43.0 s)"), "{}", report.headline);
    assert_eq!(report.verdict.outcome, Outcome::Fail, "an unrecovered outage is within no limit");
    assert!(report.availability.budget.iter().all(|row| !row.service.starts_with("media")));
}

#[test]
fn an_interval_needs_six_trials() {
    let five = fixture::quickstart(5);
    assert_eq!(row(&five, 0, "sip_answer").ci_low_ms, None);
    assert!(five.caveats.iter().any(|caveat| caveat.remedy.contains("--trials 6")));
    let six = fixture::quickstart(6);
    let sip = row(&six, 0, "sip_answer");
    // Binomial: 1 - 2 / 2^6 = 0.96875 for the smallest and the largest of six.
    assert!((sip.confidence.unwrap() - 0.96875).abs() < 1e-12);
    let values: Vec<f64> = six
        .trials
        .iter()
        .flat_map(|t| &t.measured.outages)
        .filter(|o| o.service == "sip_answer" && o.fault == Some(0))
        .map(|o| o.duration_ms)
        .collect();
    assert_eq!(sip.ci_low_ms, values.iter().copied().reduce(f64::min));
    assert_eq!(sip.ci_high_ms, values.iter().copied().reduce(f64::max));
}

#[test]
fn of_several_outages_after_one_fault_the_longest_counts_once() {
    let again = |measured: &mut Measured| {
        let first: Outage = measured.outages.iter().find(|outage| outage.service == "sip_answer").unwrap().clone();
        let second = Outage { start_ns: first.start_ns + Span::from_secs(3), duration_ms: 2_000.0, ..first };
        measured.outages.push(second);
    };
    let report = with_trials(again, 1);
    let sip = row(&report, 0, "sip_answer");
    assert_eq!((sip.affected, sip.users, sip.median_ms, sip.worst_ms), (1, 1, Some(2_000.0), Some(2_000.0)));
}

#[test]
fn an_outage_without_a_fault_is_a_caveat_and_no_row() {
    let loose = |measured: &mut Measured| {
        let mut outage = measured.outages[0].clone();
        (outage.fault, outage.duration_ms) = (None, 9_000.0);
        measured.outages.push(outage);
    };
    let report = with_trials(loose, 1);
    assert!(row(&report, 0, "address").worst_ms.unwrap() < 750.0);
    assert!(report.caveats.iter().any(|caveat| caveat.text.starts_with("1 outage follows no fault")));
}

#[test]
fn the_statement_is_a_budget_and_a_coverage_and_never_a_claim() {
    let report = fixture::quickstart(1);
    let availability = &report.availability;
    // Two failovers; the first left two receivers deaf, and they still were after the second.
    assert_eq!((availability.failovers, availability.succeeded, availability.coverage_low), (2, 0, Some(0.0)));
    assert!(availability.statement.contains("After none of 2 failovers every user had every service back."));
    assert!(availability.statement.contains("Availability itself was not measured"));
    // 315.36 s a year over the downtime of the slower of the two transitions.
    let media = availability.budget.iter().find(|row| row.service == "media to caller").unwrap();
    assert_eq!(Some(media.downtime_ms), row(&report, 1, "media to caller").median_ms);
    assert!((media.failures_per_year - 315_360.0 / media.downtime_ms).abs() < 1e-6);
}

#[test]
fn a_small_number_of_successes_proves_little() {
    let recover = |measured: &mut Measured| measured.outages.retain(|outage| !outage.censored);
    let availability = with_trials(recover, 1).availability;
    // One-sided Clopper–Pearson of 2 of 2: the square root of 0.05.
    assert!((availability.coverage_low.unwrap() - 0.05_f64.sqrt()).abs() < 1e-9);
    assert!(availability.statement.contains("at least 22.4 % of failovers do so"), "{}", availability.statement);
}

#[test]
fn a_fault_that_did_not_bite_voids_the_run() {
    let report = with_trials(|measured| measured.faults[1].verified = false, 1);
    assert_eq!(report.verdict.outcome, Outcome::Unknown);
    assert!(report.caveats[0].voids, "voiding caveats come first");
    assert_eq!(report.availability.failovers, 1);
    assert!(report.caveats.iter().any(|caveat| caveat.text == "1 of 2 injected faults were not seen to bite"));
    let told = "power_off of beta was injected and not seen to bite: nothing here tells of it.";
    assert!(report.headline.contains(told), "{}", report.headline);
}

#[test]
fn a_caveat_of_several_trials_is_said_once() {
    let warned = Caveat { text: "the clock was stepped".into(), remedy: "stop ntpd".into(), voids: false };
    let report = with_trials(|measured| measured.caveats.push(warned.clone()), 3);
    let said: Vec<&Caveat> = report.caveats.iter().filter(|caveat| caveat.remedy == "stop ntpd").collect();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].text, "trials 1, 2, 3: the clock was stepped");
}

#[test]
fn no_trial_is_no_pass() {
    let report = assemble(&fixture::scenario(), fixture::run_info(1), Vec::new());
    assert_eq!(report.verdict.outcome, Outcome::Unknown);
    assert!(report.outages.is_empty());
}

#[test]
fn a_report_survives_its_json() {
    let report = fixture::quickstart(6);
    let text = serde_json::to_string(&report).unwrap();
    assert!(!text.contains("_ms\":null"), "what is undefined is absent");
    let again: Report = serde_json::from_str(&text).unwrap();
    assert_eq!((&again.headline, &again.verdict), (&report.headline, &report.verdict));
    assert_eq!(again.trials[5].measured.messages.len(), 480);
}

#[test]
fn a_service_that_never_went_away_is_within_a_limit_and_an_unmeasured_one_is_unknown() {
    let text = "outage.media.median < 1s";
    let threshold: Threshold = text.parse().unwrap();
    let outcome = |report: &Report| {
        judge([&threshold], |metric| figures::figure(metric, &fixture::scenario(), &report.trials, &report.qos), &[])
            .outcome
    };
    assert_eq!(outcome(&with_trials(|measured| measured.outages.clear(), 1)), Outcome::Pass);
    let nobody = |measured: &mut Measured| {
        measured.outages.clear();
        measured.users.clear();
    };
    assert_eq!(outcome(&with_trials(nobody, 1)), Outcome::Unknown);
}

#[test]
fn who_hung_up_in_the_outage_is_in_no_row_and_said() {
    let hang_up = |measured: &mut Measured| {
        measured.outages.retain(|outage| !outage.censored);
        let media = measured.outages.iter_mut().filter(|outage| outage.service == "media" && outage.scope == "call 3");
        for outage in media {
            (outage.censored, outage.left, outage.end_ns) = (true, true, None);
        }
    };
    let report = with_trials(hang_up, 1);
    let media = row(&report, 0, "media to caller");
    assert_eq!((media.left, media.users, media.affected, media.censored), (1, 16, 11, 0));
    assert_eq!(report.availability.succeeded, 2, "who hung up tells nothing about the failover");
    let note = crate::analysis::report::words::hung_up(&report.transitions[0]);
    assert_eq!(note.unwrap(), "Not counted: 1 caller hung up, as planned, before media could come back.");
}

#[test]
fn where_nearly_all_had_hung_up_nobody_says_that_no_gap_was_heard() {
    let hang_up = |measured: &mut Measured| {
        let media = measured.outages.iter_mut().filter(|outage| outage.service == "media" && outage.fault == Some(1));
        media.for_each(|outage| (outage.censored, outage.left, outage.end_ns) = (true, true, None));
    };
    let report = with_trials(hang_up, 1);
    let media = row(&report, 1, "media to caller");
    assert!(media.affected == 0 && media.left > media.users, "{media:?}");
    assert!(report.headline.contains("beta lost power, a caller heard nothing until he hung up, as planned, "));
}

/// Three trials, each with both directions of 12 calls after 0.7 and 1.6 s: every trial's median user lies between the
/// two, and the quantiles over trials follow. Nobody fell out for good in 6 of 6 failovers: 0.05^(1/6) = 0.607.
#[test]
fn percentiles_over_trials_and_coverage_can_be_judged() {
    let sound = |measured: &mut Measured| measured.outages.retain(|outage| !outage.censored);
    let report = with_trials(sound, 3);
    let judged = |text: &str| {
        let threshold: Threshold = text.parse().unwrap();
        let result =
            judge([&threshold], |of| figures::figure(of, &fixture::scenario(), &report.trials, &report.qos), &[]);
        (result.outcome, result.thresholds[0].value)
    };
    assert_eq!(judged("outage.media.p50 < 2s").1, judged("outage.media.median < 2s").1);
    assert!(judged("outage.media.p95 < 2s").1 >= judged("outage.media.p50 < 2s").1);
    let (outcome, value) = judged("coverage.lower95 >= 0.6");
    assert!(outcome == Outcome::Pass && (value.unwrap() - 0.607).abs() < 5e-4, "{value:?}");
    assert_eq!(judged("coverage.lower95 >= 0.8").0, Outcome::Fail);
}

/// From the fixture by hand: calls with the largest gap, fates counted, MOS of a period.
#[test]
fn gaps_lost_messages_and_the_worst_call_can_be_judged() {
    let report = fixture::quickstart(2);
    let value = |report: &Report, text: &str| {
        let threshold: Threshold = text.parse().unwrap();
        judge([&threshold], |of| figures::figure(of, &fixture::scenario(), &report.trials, &report.qos), &[]).thresholds
            [0]
        .clone()
    };
    let longest = report.trials.iter().flat_map(|trial| &trial.measured.calls).flat_map(|call| &call.gap_ms);
    let longest = longest.map(|(_, ms)| *ms).max_by(f64::total_cmp);
    assert_eq!(value(&report, "media.gap.max < 10s").value, longest);
    let lost =
        ["acknowledged_lost", "unacknowledged_lost"].iter().filter_map(|fate| report.messages.get(*fate)).sum::<u64>();
    assert_eq!(value(&report, "messages.lost == 0").value, Some(lost as f64));
    let during = report.qos.iter().find(|qos| qos.period == "during").unwrap();
    assert_eq!(value(&report, "mos.voice.during.min >= 3.1").value, during.mos_min);
    let censor = |measured: &mut Measured| {
        measured.outages.iter_mut().filter(|of| of.service == "media").for_each(|of| of.censored = true);
    };
    let gap = value(&with_trials(censor, 1), "media.gap.max < 10m");
    assert!(gap.outcome == Outcome::Fail && gap.above.is_some(), "silence that did not end is within no limit");
}

/// Trial 2 of 3 is void: it is listed with its reason, and no figure counts it.
#[test]
fn a_void_trial_is_listed_and_counted_in_nothing() {
    let mut report = fixture::quickstart(3);
    let void =
        Caveat { text: "two nodes held the address before the fault".into(), remedy: "look".into(), voids: true };
    report.trials[1].measured.caveats.push(void);
    let mut run = report.run.clone();
    run.trials_planned = 2;
    let report = assemble(&fixture::scenario(), run, report.trials);
    assert_eq!(report.trials.iter().map(|trial| trial.number).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(row(&report, 0, "media to caller").n, 2);
    assert_eq!(report.void_trials.len(), 1);
    assert_eq!((report.void_trials[0].number, report.void_trials[0].seed), (2, 8));
    assert_eq!(report.void_trials[0].reasons, ["two nodes held the address before the fault"]);
    assert_eq!(report.verdict.outcome, Outcome::Pass, "{:?}", report.verdict);
    let told = report.caveats.iter().find(|caveat| caveat.text.contains("trial 2 is void")).unwrap();
    assert!(!told.voids && told.remedy.contains("--trial 2"), "{told:?}");
}

/// Nothing is left to count: what was seen is shown, and judges nobody.
#[test]
fn a_run_of_void_trials_only_is_unknown_and_still_shown() {
    let void = Caveat { text: "half of the phones were not registered".into(), remedy: "look".into(), voids: true };
    let report = with_trials(|measured| measured.caveats.push(void.clone()), 2);
    assert_eq!((report.verdict.outcome, report.trials.len(), report.void_trials.len()), (Outcome::Unknown, 2, 2));
}
