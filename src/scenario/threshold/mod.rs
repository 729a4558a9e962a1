//! Thresholds: one line each, `figure comparison value`, parsed before the run.

mod catalogue;
mod metric;

use serde::Deserialize;
use serde_spanned::Spanned;

use super::error::Complaint;

pub use catalogue::{CALL_FATES, Family, MESSAGE_FATES, families};
pub use metric::{Metric, Need, Percent, Period, Unit};

/// A condition that the figures of the run must meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As written.
    pub text: String,
    /// The figure that is judged.
    pub metric: Metric,
    /// How it is compared with `value`.
    pub comparison: Comparison,
    /// In the unit of the figure: milliseconds, percent, else a plain number.
    pub value: f64,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
}

impl Comparison {
    /// Whether `left` stands in this relation to `right`.
    #[must_use]
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Comparison::Below => left < right,
            Comparison::AtMost => left <= right,
            Comparison::Above => left > right,
            Comparison::AtLeast => left >= right,
            Comparison::Equal => (left - right).abs() < f64::EPSILON,
        }
    }
}

impl std::str::FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Threshold, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [metric, comparison, value] = words[..] else {
            return Err(format!("`{text}` is no threshold; write it as \"outage.media.median < 1s\""));
        };
        let comparison = match comparison {
            "<" => Comparison::Below,
            "<=" => Comparison::AtMost,
            ">" => Comparison::Above,
            ">=" => Comparison::AtLeast,
            "==" => Comparison::Equal,
            other => return Err(format!("`{other}` is no comparison; use <, <=, >, >= or ==")),
        };
        let metric = catalogue::look_up(metric)?;
        let value = parse_value(metric.unit(), value)?;
        Ok(Threshold { text: text.to_owned(), metric, comparison, value })
    }
}

fn parse_value(unit: Unit, text: &str) -> Result<f64, String> {
    let plain = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    let example = unit.example();
    match unit {
        Unit::Milliseconds => humantime::parse_duration(text)
            .map(|duration| duration.as_secs_f64() * 1e3)
            .map_err(|error| format!("`{text}` is no duration ({error}); write it as {example} or 2s")),
        Unit::Percent => text
            .strip_suffix('%')
            .and_then(plain)
            .ok_or_else(|| format!("`{text}` is no percentage; write it as {example}")),
        Unit::Probability => plain(text)
            .filter(|value| (0.0..=1.0).contains(value))
            .ok_or_else(|| format!("`{text}` is no probability; write it as {example}")),
        Unit::Mos => plain(text)
            .filter(|value| (1.0..=5.0).contains(value))
            .ok_or_else(|| format!("`{text}` is no MOS, which is 1 to 5; write it as {example}")),
        Unit::Count => plain(text).ok_or_else(|| format!("`{text}` is no number")),
    }
}

/// The thresholds of a file, by themselves: read with the rest, a wrong one would be told at the place of the list.
#[derive(Deserialize)]
struct Texts {
    #[serde(default)]
    thresholds: Vec<Spanned<String>>,
}

/// Reads each threshold of a scenario file where it stands. What is wrong with the file otherwise is not told here.
pub(super) fn check(text: &str) -> Result<(), Complaint> {
    let Ok(texts) = toml::from_str::<Texts>(text) else { return Ok(()) };
    let wrong = |text: &Spanned<String>| {
        let message = text.get_ref().parse::<Threshold>().err()?;
        let help = "fivenines plan --thresholds lists every figure".to_owned();
        Some(Complaint { span: text.span(), message, label: "this threshold".to_owned(), help })
    };
    texts.thresholds.iter().find_map(wrong).map_or(Ok(()), Err)
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(text: &str) -> Metric {
        text.parse::<Threshold>().unwrap().metric
    }

    fn complaint(text: &str) -> String {
        text.parse::<Threshold>().unwrap_err()
    }

    #[test]
    fn the_figures_have_their_names() {
        assert_eq!(metric("outage.new_call.p50 < 4s"), Metric::OutageQuantile("new_call".into(), Percent::P50));
        assert_eq!(metric("outage.media.p95 <= 900ms"), Metric::OutageQuantile("media".into(), Percent::P95));
        assert_eq!(metric("outage.media.median < 1s"), Metric::OutageMedian("media".into()));
        assert_eq!(metric("media.gap.max < 10s"), Metric::MediaGapMax);
        assert_eq!(metric("mos.voice.during.min >= 3.1"), Metric::MosMin(Period::During));
        assert_eq!(metric("mos.voice.after.median >= 4"), metric("mos.after >= 4"));
        assert_eq!(metric("messages.lost == 0"), Metric::MessagesLost);
        assert_eq!(metric("coverage.lower95 >= 0.8"), Metric::CoverageLower95);
        assert_eq!("outage.media.p90 < 1s".parse::<Threshold>().unwrap().value, 1_000.0);
    }

    #[test]
    fn every_listed_name_is_read_and_is_listed_once() {
        let names: Vec<(String, Metric)> = families().into_iter().flat_map(|family| family.names).collect();
        for (name, metric) in &names {
            let threshold: Threshold = format!("{name} >= {}", metric.unit().example()).parse().unwrap();
            assert_eq!(threshold.metric, *metric, "{name}");
        }
        let different: std::collections::BTreeSet<&String> = names.iter().map(|(name, _)| name).collect();
        assert_eq!(different.len(), names.len());
    }

    #[test]
    fn what_is_nearly_a_name_is_asked_back() {
        for (text, meant) in [
            ("outage.newcall.p50 < 4s", "did you mean `outage.new_call.p50`?"),
            ("outage.media.p59 < 4s", "did you mean `outage.media.p50`?"),
            ("calls.zombi == 0", "did you mean `calls.zombie`?"),
            ("coverage.low95 >= 0.8", "did you mean `coverage.lower95`?"),
            ("mos.before.median >= 4", "did you mean `mos."),
            ("mos.voice.durng.min >= 4", "did you mean `mos.voice.during.min`?"),
            ("media.gap.worst < 1s", "did you mean `"),
            ("message.lost == 0", "did you mean `messages.lost`?"),
        ] {
            assert!(complaint(text).contains(meant), "{text}: {}", complaint(text));
        }
        assert!(
            complaint("outage.fax.p50 < 1s").contains("is no figure; there are"),
            "{}",
            complaint("outage.fax.p50 < 1s")
        );
        assert!(complaint("coverage.lower95 >= 80").contains("write it as 0.8"));
        assert!(complaint("mos.after >= 80").contains("write it as 3.1"));
        assert!(complaint("quite.something.else > 1").contains("there are outage.SERVICE.median"));
    }
}
