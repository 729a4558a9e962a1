use super::*;
use crate::analysis::report::fixture;

#[test]
fn the_page_needs_nothing_from_outside() {
    let page = html(&fixture::quickstart(1));
    for outside in ["http://", "https://", "src=", "href=", "url(", "@import", "<script"] {
        assert!(!page.contains(outside), "the page contains {outside}");
    }
}

#[test]
fn the_answer_and_the_verdict_come_before_any_table() {
    let report = fixture::quickstart(6);
    let page = html(&report);
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(place("heard nothing for 0.7") < place("class=\"verdict pass\""));
    assert!(place("class=\"verdict pass\"") < place("<svg"));
    assert!(place("<svg") < place("<table"));
    for trial in &report.trials {
        assert!(page.contains(&format!("Trial {}, seed {}", trial.number, trial.seed)));
    }
}

#[test]
fn scores_stand_with_their_buffer_and_categories_with_their_table() {
    let page = html(&fixture::quickstart(1));
    for part in [
        "fixed 50 ms*",
        "fixed 200 ms",
        "40 to 200 ms",
        "MOS-CQEN, ITU-T G.107 (06/2015)",
        "alpha → beta, fault to recovery",
        "TIPHON (as cited in Indonesian theses)",
        "ITU-T G.114",
        "ITU-T G.1010",
        "Y.1541",
        "thesis-compatible",
    ] {
        assert!(page.contains(part), "no {part}");
    }
}

#[test]
fn a_codec_without_values_is_told_with_the_reason() {
    let mut report = fixture::quickstart(1);
    report.qos[0].mos_refused = vec!["no score for opus: there is no ITU Ie or Bpl for Opus".into()];
    assert!(html(&report).contains("Without a MOS: no score for opus"));
    let text = crate::analysis::report::terminal::terminal(&report, false);
    assert!(text.contains("Without a MOS: no score for opus"), "{text}");
}

#[test]
fn names_from_the_evidence_cannot_become_markup() {
    let mut report = fixture::quickstart(1);
    report.question = "<script>alert(1)</script>".into();
    report.trials[0].measured.outages[0].scope = "\"><b>phone</b>".into();
    let page = html(&report);
    assert!(!page.contains("<script>") && !page.contains("<b>phone"));
}

#[test]
fn a_run_without_trials_still_is_a_page() {
    let page = html(&fixture::quickstart(0));
    assert!(page.contains("class=\"verdict unknown\""));
    assert!(!page.contains("NaN") && !page.contains("inf"));
}

#[test]
fn a_large_run_stays_a_page_that_opens() {
    let mut report = fixture::quickstart(20);
    for trial in &mut report.trials {
        let first = trial.measured.outages.iter().find(|outage| outage.service == "register").unwrap().clone();
        trial.measured.outages.extend((0..2000).map(|phone| {
            let mut outage = first.clone();
            outage.scope = format!("phone-{phone}");
            outage.duration_ms += f64::from(phone);
            outage
        }));
        let chatter = trial.measured.chatters[0].clone();
        trial.measured.chatters.extend((0..500).map(|_| chatter.clone()));
    }
    let report = crate::analysis::report::assemble(&fixture::scenario(), report.run, report.trials);
    let page = html(&report);
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
    assert!(page.contains("more in outages.csv") && page.contains("further chatters"));
    assert!(page.contains("At most 200 users of each service are drawn"));
}
