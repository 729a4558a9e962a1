use super::*;
use crate::analysis::report::fixture;

#[test]
fn a_run_without_trials_has_no_figure() {
    let report = fixture::quickstart(0);
    assert!(plan(&report).is_empty());
    assert!(render(&report).is_empty());
}

#[test]
fn the_planted_run_has_seven_figures_each_as_png_and_svg() {
    let files = render(&fixture::quickstart(1));
    let names: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
    for name in ["timeline", "outages", "mos", "delay-loss", "fates", "phases", "budget"] {
        assert!(names.contains(&format!("figures/{name}.png")), "{names:?}");
        assert!(names.contains(&format!("figures/{name}.svg")), "{names:?}");
    }
    for (path, bytes) in files {
        let is_png = bytes.starts_with(b"\x89PNG\r\n\x1a\n");
        assert!(is_png || bytes.starts_with(b"<svg"), "{}", path.display());
    }
}

#[test]
fn the_outage_figure_shows_every_user_the_median_and_the_truth() {
    let figure = outages::by_service(&fixture::quickstart(6));
    insta::assert_json_snapshot!(
        figure.panels[0].marks.iter().filter(|mark| !matches!(mark, data::Mark::Dot { .. })).collect::<Vec<_>>()
    );
    let dots = figure.panels[0].marks.iter().filter(|mark| matches!(mark, data::Mark::Dot { .. })).count();
    // 6 trials × (1 address + 1 SIP + 7 phones + 1 new call + 12 + 12 media + 6 senders + 6 receivers + 6 pairs).
    assert_eq!(dots, 6 * 52);
}
