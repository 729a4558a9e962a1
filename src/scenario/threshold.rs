//! Thresholds: one line each, `metric comparison value`, parsed before the run.

use serde::Deserialize;

/// A condition that the figures of the run must meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As written.
    pub text: String,
    /// The figure that is judged.
    pub metric: Metric,
    /// How it is compared with `value`.
    pub comparison: Comparison,
    /// Milliseconds for delays and outages, percent for loss, else a plain number.
    pub value: f64,
}

/// Figures that can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// `outage.SERVICE.median` in milliseconds: over trials and faults.
    OutageMedian(String),
    /// `outage.SERVICE.p50`, `.p90` or `.p95` in milliseconds: quantile (type 7) over trials of the trial's median
    /// affected user; `p50` is the median.
    OutageQuantile(String, Percent),
    /// `outage.SERVICE.worst` in milliseconds: the longest of any user; censored ones are infinite.
    OutageWorst(String),
    /// `outage.SERVICE.censored`: how many had not recovered by the end of the window.
    OutageCensored(String),
    /// `calls.FATE`: number of calls of that fate over all trials.
    Calls(String),
    /// `messages.FATE`: number of messages of that fate over all trials.
    Messages(String),
    /// `delay.PERIOD.p95` in milliseconds.
    DelayP95(Period),
    /// `jitter.PERIOD.p95` in milliseconds.
    JitterP95(Period),
    /// `loss.PERIOD` in percent of the packets that were due.
    Loss(Period),
    /// `mos.PERIOD`: median MOS-CQE of the calls.
    Mos(Period),
    /// `coverage.lower95`: lower 95 % limit (one-sided, Clopper–Pearson) of the probability that after a failover
    /// every user has every service back.
    CoverageLower95,
}

/// Percentiles of outages that can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percent {
    /// The median.
    P50,
    /// Nine of ten.
    P90,
    /// Nineteen of twenty.
    P95,
}

impl Percent {
    /// As a probability.
    #[must_use]
    pub const fn probability(self) -> f64 {
        match self {
            Percent::P50 => 0.5,
            Percent::P90 => 0.9,
            Percent::P95 => 0.95,
        }
    }
}

/// Parts of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From the start of the window to the first fault.
    Before,
    /// After the last recovery.
    After,
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

/// Services whose outage can be judged, in the order in which a cluster gives them back.
pub const SERVICES: [&str; 9] =
    ["address", "sip_answer", "register", "new_call", "media", "video", "picture", "chat_session", "chat_delivery"];

/// Fates of a call.
pub const CALL_FATES: [&str; 9] = [
    "unaffected",
    "glitch",
    "gap_recovered",
    "one_way",
    "media_dead",
    "zombie",
    "dropped",
    "never_set_up",
    "not_started",
];

/// Fates of a message.
pub const MESSAGE_FATES: [&str; 10] = [
    "delivered_once",
    "late",
    "duplicated",
    "reordered",
    "recovered_offline",
    "bounced",
    "acknowledged_lost",
    "unacknowledged_lost",
    "unknown",
    "not_started",
];

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
        let metric = parse_metric(metric)?;
        let value = parse_value(&metric, value)?;
        Ok(Threshold { text: text.to_owned(), metric, comparison, value })
    }
}

/// The shapes of all metrics, for the error of one that is none.
const SHAPES: &str = "outage.SERVICE.median|p50|p90|p95|worst|censored, calls.FATE, messages.FATE, delay.PERIOD.p95, \
jitter.PERIOD.p95, loss.PERIOD and mos.PERIOD with PERIOD before or after, and coverage.lower95";

fn parse_metric(text: &str) -> Result<Metric, String> {
    let parts: Vec<&str> = text.split('.').collect();
    match parts[..] {
        ["outage", service, figure] => parse_outage(service, figure),
        ["calls", fate] => known(fate, &CALL_FATES).map(Metric::Calls),
        ["messages", fate] => known(fate, &MESSAGE_FATES).map(Metric::Messages),
        ["delay", period, "p95"] => parse_period(period).map(Metric::DelayP95),
        ["jitter", period, "p95"] => parse_period(period).map(Metric::JitterP95),
        ["loss", period] => parse_period(period).map(Metric::Loss),
        ["mos", period] => parse_period(period).map(Metric::Mos),
        ["coverage", "lower95"] => Ok(Metric::CoverageLower95),
        _ => Err(format!("`{text}` is no metric{}; there are {SHAPES}", did_you_mean(text, metrics()))),
    }
}

fn parse_outage(service: &str, figure: &str) -> Result<Metric, String> {
    const FIGURES: [&str; 6] = ["median", "p50", "p90", "p95", "worst", "censored"];
    let service = known(service, &SERVICES)?;
    Ok(match known(figure, &FIGURES)?.as_str() {
        "p50" => Metric::OutageQuantile(service, Percent::P50),
        "p90" => Metric::OutageQuantile(service, Percent::P90),
        "p95" => Metric::OutageQuantile(service, Percent::P95),
        "worst" => Metric::OutageWorst(service),
        "censored" => Metric::OutageCensored(service),
        _ => Metric::OutageMedian(service),
    })
}

/// Every metric that is not of an outage, and one outage of each service, to be near to what was meant.
fn metrics() -> impl Iterator<Item = String> {
    let periods = ["delay.PERIOD.p95", "jitter.PERIOD.p95", "loss.PERIOD", "mos.PERIOD"];
    let of_period = periods.into_iter().flat_map(|shape| ["before", "after"].map(|of| shape.replace("PERIOD", of)));
    let calls = CALL_FATES.into_iter().map(|fate| format!("calls.{fate}"));
    let messages = MESSAGE_FATES.into_iter().map(|fate| format!("messages.{fate}"));
    let outages = SERVICES.into_iter().map(|service| format!("outage.{service}.median"));
    of_period.chain(calls).chain(messages).chain(outages).chain(["coverage.lower95".to_owned()])
}

/// `, did you mean X?` where something is near enough.
fn did_you_mean(word: &str, words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let scored = words.into_iter().map(|other| (strsim::jaro_winkler(word, other.as_ref()), other));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, other)) if score > 0.8 => format!(", did you mean `{}`?", other.as_ref()),
        _ => String::new(),
    }
}

fn known(word: &str, words: &[&str]) -> Result<String, String> {
    if words.contains(&word) {
        return Ok(word.to_owned());
    }
    match did_you_mean(word, words) {
        near if near.is_empty() => Err(format!("`{word}` is not one of {}", words.join(", "))),
        near => Err(format!("`{word}` is unknown{near} There are {}", words.join(", "))),
    }
}

fn parse_period(text: &str) -> Result<Period, String> {
    match text {
        "before" => Ok(Period::Before),
        "after" => Ok(Period::After),
        other => Err(format!("`{other}` is no period; use before or after")),
    }
}

fn parse_value(metric: &Metric, text: &str) -> Result<f64, String> {
    let plain = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    match metric {
        Metric::OutageMedian(_)
        | Metric::OutageQuantile(..)
        | Metric::OutageWorst(_)
        | Metric::DelayP95(_)
        | Metric::JitterP95(_) => humantime::parse_duration(text)
            .map(|duration| duration.as_secs_f64() * 1e3)
            .map_err(|error| format!("`{text}` is no duration ({error}); write it as 700ms or 2s")),
        Metric::CoverageLower95 => plain(text)
            .filter(|value| (0.0..=1.0).contains(value))
            .ok_or_else(|| format!("`{text}` is no probability; write it as 0.8")),
        Metric::Loss(_) => {
            text.strip_suffix('%').and_then(plain).ok_or_else(|| format!("`{text}` is no percentage; write it as 1%"))
        }
        Metric::OutageCensored(_) | Metric::Calls(_) | Metric::Messages(_) | Metric::Mos(_) => {
            plain(text).ok_or_else(|| format!("`{text}` is no number"))
        }
    }
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
    fn percentiles_and_coverage_are_metrics() {
        assert_eq!(metric("outage.new_call.p50 < 4s"), Metric::OutageQuantile("new_call".into(), Percent::P50));
        assert_eq!(metric("outage.media.p95 <= 900ms"), Metric::OutageQuantile("media".into(), Percent::P95));
        assert_eq!(metric("outage.media.median < 1s"), Metric::OutageMedian("media".into()));
        assert_eq!(metric("coverage.lower95 >= 0.8"), Metric::CoverageLower95);
        assert_eq!("outage.media.p90 < 1s".parse::<Threshold>().unwrap().value, 1_000.0);
    }

    #[test]
    fn what_is_nearly_a_name_is_asked_back() {
        for (text, meant) in [
            ("outage.newcall.p50 < 4s", "did you mean `new_call`?"),
            ("outage.media.p59 < 4s", "did you mean `p50`?"),
            ("calls.zombi == 0", "did you mean `zombie`?"),
            ("coverage.low95 >= 0.8", "did you mean `coverage.lower95`?"),
            ("mos.before.median >= 4", "did you mean `mos.before`?"),
        ] {
            assert!(complaint(text).contains(meant), "{text}: {}", complaint(text));
        }
        assert!(complaint("outage.fax.p50 < 1s").starts_with("`fax` is not one of address"));
        assert!(complaint("coverage.lower95 >= 80").contains("write it as 0.8"));
        assert!(complaint("quite.something.else > 1").contains("there are outage.SERVICE.median"));
    }
}
