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
pub const SERVICES: [&str; 7] =
    ["address", "sip_answer", "register", "new_call", "media", "chat_session", "chat_delivery"];

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

fn parse_metric(text: &str) -> Result<Metric, String> {
    let parts: Vec<&str> = text.split('.').collect();
    match parts[..] {
        ["outage", service, "median"] => known(service, &SERVICES).map(Metric::OutageMedian),
        ["outage", service, "worst"] => known(service, &SERVICES).map(Metric::OutageWorst),
        ["outage", service, "censored"] => known(service, &SERVICES).map(Metric::OutageCensored),
        ["calls", fate] => known(fate, &CALL_FATES).map(Metric::Calls),
        ["messages", fate] => known(fate, &MESSAGE_FATES).map(Metric::Messages),
        ["delay", period, "p95"] => parse_period(period).map(Metric::DelayP95),
        ["jitter", period, "p95"] => parse_period(period).map(Metric::JitterP95),
        ["loss", period] => parse_period(period).map(Metric::Loss),
        ["mos", period] => parse_period(period).map(Metric::Mos),
        _ => Err(format!(
            "`{text}` is no metric; there are outage.SERVICE.median|worst|censored, calls.FATE, messages.FATE, \
             delay.PERIOD.p95, jitter.PERIOD.p95, loss.PERIOD and mos.PERIOD with PERIOD before or after"
        )),
    }
}

fn known(word: &str, words: &[&str]) -> Result<String, String> {
    if words.contains(&word) {
        Ok(word.to_owned())
    } else {
        Err(format!("`{word}` is not one of {}", words.join(", ")))
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
        Metric::OutageMedian(_) | Metric::OutageWorst(_) | Metric::DelayP95(_) | Metric::JitterP95(_) => {
            humantime::parse_duration(text)
                .map(|duration| duration.as_secs_f64() * 1e3)
                .map_err(|error| format!("`{text}` is no duration ({error}); write it as 700ms or 2s"))
        }
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
