//! The example file and edited copies of it.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: PanelArgs,
}

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ratings.csv");

fn given(options: &str) -> PanelArgs {
    Line::try_parse_from(["panel", EXAMPLE].into_iter().chain(options.split_whitespace())).unwrap().args
}

fn answered(options: &str) -> TestAnswer {
    let file = ratings::read(&std::fs::read(EXAMPLE).unwrap()).unwrap();
    answer::answer(&file, &given(options)).unwrap().tests.remove(0)
}

fn of(text: &str) -> TestAnswer {
    answer::answer(&ratings::read(text.as_bytes()).unwrap(), &given("")).unwrap().tests.remove(0)
}

fn close(got: f64, want: f64) {
    assert!((got - want).abs() < 6e-5, "{got} instead of {want}");
}

/// Independent calculation (scipy): scores without p17, whom BT.500 rejects.
#[test]
fn the_example_has_the_scores_of_an_independent_calculation() {
    let test = answered("");
    let golden = [(4.3913, 0.4990, 0.2158), (3.9565, 0.7057, 0.3052), (3.9130, 0.5964, 0.2579)];
    for (stimulus, (mos, s, half)) in test.stimuli.iter().zip(golden) {
        let votes = stimulus.kept.unwrap();
        close(votes.mos, mos);
        close(votes.s.unwrap(), s);
        close(votes.high.unwrap() - votes.mos, half);
        assert_eq!((votes.n, stimulus.all.unwrap().n), (23, 24));
    }
    assert_eq!((test.label, &*test.rejected), ("MOS-LQS", &["p17".to_owned()][..]));
    close(test.verdicts[16].correlation.correlation.unwrap(), -0.8808);
}

/// Independent calculation (numpy.polyfit, numpy.corrcoef).
#[test]
fn the_example_is_compared_with_its_model() {
    let test = answered("");
    let (plain, mapped) = (test.model.unwrap(), test.model_mapped.unwrap());
    close(plain.pcc.unwrap(), 0.976_024);
    close(plain.rmse, 0.660_751);
    close(plain.rmse_star, 0.441_718);
    close(plain.outlier_ratio, 2.0 / 3.0);
    close(mapped.pcc.unwrap(), 0.987_525);
    close(mapped.rmse, 0.181_073);
}

#[test]
fn text_says_who_was_rejected_and_why() {
    let out = run(&given("")).unwrap();
    for part in [
        "MOS-LQS: 9 stimuli, 23 of 24 subjects",
        "4.39    23   0.50  4.18 to 4.61       4.25   4.41",
        "p17: BT.500 rejects: 1 votes far above and 1 far below",
        "p16: correlation rejects: 0.73",
        "fewer than the 24",
        "P.1401",
    ] {
        assert!(out.contains(part), "no {part:?} in:\n{out}");
    }
}

#[test]
fn the_screening_is_chosen() {
    let left_out = |options| answered(options).rejected.join(" ");
    assert_eq!(left_out("--screen none"), "");
    assert_eq!(left_out("--screen either"), "p16 p17");
    assert_eq!(left_out("--screen correlation --correlation 0"), "p17");
    let everybody = answered("--screen correlation --correlation 1");
    assert!(everybody.rejected.is_empty() && everybody.notes.iter().any(|note| note.contains("nobody was left out")));
}

#[test]
fn json_holds_the_same() {
    let json: serde_json::Value = serde_json::from_str(&run(&given("--json")).unwrap()).unwrap();
    assert_eq!(json["schema"], "fivenines.panel.v1");
    assert_eq!(json["tests"][0]["rejected"][0], "p17");
    assert_eq!(json["tests"][0]["stimuli"][0]["kept"]["n"], 23);
}

#[test]
fn what_cannot_be_computed_is_left_out_and_said() {
    let test = of("subject,stimulus,rating,model\na,s,4.5,4\nb,s,3,4\na,t,2,\n");
    assert_eq!((test.stimuli[1].kept.unwrap().s, test.model), (None, None));
    for part in
        ["fewer than the 15", "fewer than two votes, so without interval: 1", "not all votes are whole", "not compared"]
    {
        assert!(test.notes.iter().any(|note| note.contains(part)), "no {part:?} in {:?}", test.notes);
    }
}

#[test]
fn errors_name_the_file_or_the_option() {
    let message = |args: PanelArgs| run(&args).unwrap_err().to_string();
    let absent = PanelArgs { ratings: "no/such.csv".into(), ..given("") };
    assert!(message(absent).contains("no/such.csv"));
    let bad = PanelArgs { ratings: concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into(), ..given("") };
    assert!(message(bad).contains("Cargo.toml: no column \"subject\""));
    assert_eq!(message(given("--confidence 95")), "--confidence is 95: give a value in (0, 1)");
    assert_eq!(message(given("--correlation NaN")), "--correlation is NaN: give a value in [-1, 1]");
}
