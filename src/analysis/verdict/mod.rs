//! Thresholds × figures × caveats → pass, fail or unknown.
//!
//! A measurement that cannot be trusted judges nobody: a voiding caveat makes every threshold and the
//! verdict unknown, a broken threshold included, because the instrument may have caused what it saw. In a
//! sound measurement one broken threshold fails the run even where another one is undefined.

use serde::{Deserialize, Serialize};

use crate::analysis::measure::model::Caveat;
use crate::scenario::{Metric, Threshold, Unit};
use crate::units::Span;

/// Pass, fail or unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The outcome.
    pub outcome: Outcome,
    /// Each threshold.
    pub thresholds: Vec<ThresholdResult>,
    /// Why it is not `pass`, where it is not.
    pub reasons: Vec<String>,
}

/// Outcome of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All thresholds hold (or there are none) and nothing voids the measurement.
    Pass,
    /// A threshold does not hold, in a measurement that nothing voids.
    Fail,
    /// The measurement cannot be trusted, or a figure that is judged is undefined.
    Unknown,
}

/// One threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// As written.
    pub text: String,
    /// The figure, in the unit of the metric; absent when it is undefined or only bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The figure is only known to be larger than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// Whether it holds.
    pub outcome: Outcome,
}

/// What the report knows about a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// It was measured.
    Known(f64),
    /// It had not recovered when the window ended, and counts as infinite: a user whose service is still
    /// away is not within any limit.
    Unrecovered {
        /// The least that it can be.
        above: f64,
    },
    /// Nothing was measured that could define it.
    Undefined,
}

/// Judges `thresholds` with the figures that `figure_of` knows.
pub fn judge<'a>(
    thresholds: impl IntoIterator<Item = &'a Threshold>,
    figure_of: impl Fn(&Metric) -> Figure,
    caveats: &[Caveat],
) -> Verdict {
    let void: Vec<&Caveat> = caveats.iter().filter(|caveat| caveat.voids).collect();
    let results: Vec<ThresholdResult> = thresholds
        .into_iter()
        .map(|threshold| result(threshold, figure_of(&threshold.metric), !void.is_empty()))
        .collect();
    let outcome = match () {
        () if !void.is_empty() => Outcome::Unknown,
        () if results.iter().any(|result| result.outcome == Outcome::Fail) => Outcome::Fail,
        () if results.iter().any(|result| result.outcome == Outcome::Unknown) => Outcome::Unknown,
        () => Outcome::Pass,
    };
    let mut reasons: Vec<String> = void.iter().map(|caveat| caveat.text.clone()).collect();
    if void.is_empty() {
        reasons.extend(results.iter().filter_map(reason));
    }
    Verdict { outcome, thresholds: results, reasons }
}

fn result(threshold: &Threshold, figure: Figure, void: bool) -> ThresholdResult {
    let (value, above) = match figure {
        Figure::Known(value) => (Some(value), None),
        Figure::Unrecovered { above } => (None, Some(above)),
        Figure::Undefined => (None, None),
    };
    let compared = value.or(above.map(|_| f64::INFINITY));
    let outcome = match compared.map(|value| threshold.comparison.holds(value, threshold.value)) {
        None => Outcome::Unknown,
        Some(_) if void => Outcome::Unknown,
        Some(true) => Outcome::Pass,
        Some(false) => Outcome::Fail,
    };
    ThresholdResult { text: threshold.text.clone(), value, above, outcome }
}

fn reason(result: &ThresholdResult) -> Option<String> {
    match result.outcome {
        Outcome::Pass => None,
        Outcome::Fail => Some(format!("`{}` does not hold: {}", result.text, measured(result))),
        Outcome::Unknown => Some(format!(
            "`{}` cannot be judged: the run measured nothing that defines it; add the traffic that it needs",
            result.text
        )),
    }
}

fn measured(result: &ThresholdResult) -> String {
    match (result.value, result.above) {
        (Some(value), _) => format!("measured {}", in_its_unit(&result.text, value)),
        (None, Some(above)) => format!("not recovered after {}", in_its_unit(&result.text, above)),
        (None, None) => "undefined".to_owned(),
    }
}

/// `text` was read before the run, and its figure fixes the unit.
fn in_its_unit(text: &str, value: f64) -> String {
    match text.parse::<Threshold>().map(|threshold| threshold.metric.unit()) {
        Ok(Unit::Milliseconds) => Span::from_secs_f64(value / 1e3).to_string(),
        Ok(Unit::Percent) => format!("{value:.2} %"),
        Ok(Unit::Mos) => format!("{value:.2}"),
        Ok(Unit::Probability) => format!("{value:.3}"),
        Ok(Unit::Count) | Err(_) => format!("{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str, figure: Figure, caveats: &[Caveat]) -> Verdict {
        let threshold: Threshold = text.parse().unwrap();
        judge([&threshold], |_| figure, caveats)
    }

    fn caveat(voids: bool) -> Caveat {
        Caveat { text: "the capture lost frames".into(), remedy: "capture less".into(), voids }
    }

    #[test]
    fn figures_are_judged_by_what_is_known_of_them() {
        let unrecovered = Figure::Unrecovered { above: 20_000.0 };
        let table = [
            ("outage.media.median < 1s", Figure::Known(721.0), Outcome::Pass),
            ("outage.media.median < 700ms", Figure::Known(721.0), Outcome::Fail),
            // Unrecovered is infinite: within no limit, even one beyond the window; and above every floor.
            ("outage.media.worst < 1m", unrecovered, Outcome::Fail),
            ("outage.media.worst > 5s", unrecovered, Outcome::Pass),
            ("mos.after >= 4", Figure::Undefined, Outcome::Unknown),
            ("calls.zombie == 0", Figure::Known(0.0), Outcome::Pass),
            ("outage.media.p95 < 1m", unrecovered, Outcome::Fail),
            // 14 of 15 failovers worked: at least 72.1 % do.
            ("coverage.lower95 >= 0.8", Figure::Known(0.721), Outcome::Fail),
        ];
        for (text, figure, outcome) in table {
            assert_eq!(judged(text, figure, &[]).outcome, outcome, "{text} of {figure:?}");
            assert_eq!(
                judged(text, figure, &[caveat(false)]).outcome,
                outcome,
                "a plain caveat changes nothing: {text}"
            );
        }
    }

    #[test]
    fn a_void_measurement_is_unknown_even_where_a_threshold_is_broken() {
        for value in [500.0, 5000.0] {
            let verdict = judged("outage.media.median < 1s", Figure::Known(value), &[caveat(false), caveat(true)]);
            assert_eq!(verdict.outcome, Outcome::Unknown);
            assert_eq!(verdict.thresholds[0].outcome, Outcome::Unknown);
            assert_eq!(verdict.thresholds[0].value, Some(value), "what was seen is still shown");
            assert_eq!(verdict.reasons, ["the capture lost frames"]);
        }
    }

    #[test]
    fn one_broken_threshold_fails_the_run_beside_an_undefined_one() {
        let thresholds: Vec<Threshold> =
            ["loss.after < 1%", "outage.media.worst < 1s"].iter().map(|text| text.parse().unwrap()).collect();
        let figure = |metric: &Metric| match metric {
            Metric::Loss(_) => Figure::Undefined,
            _ => Figure::Known(1622.04),
        };
        let verdict = judge(&thresholds, figure, &[]);
        assert_eq!(verdict.outcome, Outcome::Fail);
        assert_eq!(verdict.reasons[1], "`outage.media.worst < 1s` does not hold: measured 1.62 s");
        assert!(verdict.reasons[0].starts_with("`loss.after < 1%` cannot be judged"));
    }

    #[test]
    fn no_threshold_and_no_voiding_caveat_pass() {
        assert_eq!(judge([], |_| Figure::Undefined, &[caveat(false)]).outcome, Outcome::Pass);
        assert_eq!(judge([], |_| Figure::Undefined, &[caveat(true)]).outcome, Outcome::Unknown);
    }
}
