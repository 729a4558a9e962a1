//! Every name that a threshold can begin with: the parser looks it up here, and a user can list it.

use super::metric::{Metric, Percent, Period};

/// Services whose outage can be judged, in the order in which a cluster gives them back.
pub const SERVICES: [&str; 12] = [
    "address",
    "sip_answer",
    "register",
    "new_call",
    "idle_registered",
    "idle_can_call",
    "idle_can_be_called",
    "media",
    "video",
    "picture",
    "chat_session",
    "chat_delivery",
];

/// Fates of a call.
pub const CALL_FATES: [&str; 10] = [
    "unaffected",
    "glitch",
    "gap_recovered",
    "one_way",
    "picture_dead",
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

/// Names that share a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// `outage.SERVICE.median`.
    pub form: &'static str,
    /// What its figures are, in words.
    pub meaning: &'static str,
    /// Each name with its figure.
    pub names: Vec<(String, Metric)>,
}

/// All families, as they are listed.
#[must_use]
pub fn families() -> Vec<Family> {
    let mut all = outages();
    all.push(Family {
        form: "media.gap.max",
        meaning: "longest silence of any call, either direction; infinite if media never came back",
        names: vec![("media.gap.max".to_owned(), Metric::MediaGapMax)],
    });
    all.extend(qualities());
    all.extend(fates());
    all.push(Family {
        form: "coverage.lower95",
        meaning: "lower 95 % limit of the probability that a failover gives everybody everything back",
        names: vec![("coverage.lower95".to_owned(), Metric::CoverageLower95)],
    });
    all
}

fn outages() -> Vec<Family> {
    let of = |form: &'static str, meaning: &'static str, metric: fn(String) -> Metric| Family {
        form,
        meaning,
        names: SERVICES.map(|service| (form.replace("SERVICE", service), metric(service.to_owned()))).into(),
    };
    vec![
        of("outage.SERVICE.median", "median over trials of the trial's median affected user", Metric::OutageMedian),
        of("outage.SERVICE.p50", "the same as a quantile (type 7)", |of| Metric::OutageQuantile(of, Percent::P50)),
        of("outage.SERVICE.p90", "90th percentile over trials of that user", |of| {
            Metric::OutageQuantile(of, Percent::P90)
        }),
        of("outage.SERVICE.p95", "95th percentile over trials of that user", |of| {
            Metric::OutageQuantile(of, Percent::P95)
        }),
        of("outage.SERVICE.worst", "longest of any user in any trial; infinite if censored", Metric::OutageWorst),
        of("outage.SERVICE.censored", "users without it at the end of the window", Metric::OutageCensored),
    ]
}

fn qualities() -> Vec<Family> {
    let of = |form: &'static str, meaning: &'static str, metric: fn(Period) -> Metric| Family {
        form,
        meaning,
        names: Period::ALL.map(|period| (form.replace("PERIOD", period.name()), metric(period))).into(),
    };
    vec![
        of("delay.PERIOD.p95", "one-way delay of the media, 95th percentile", Metric::DelayP95),
        of("jitter.PERIOD.p95", "interarrival jitter (RFC 3550), 95th percentile", Metric::JitterP95),
        of("loss.PERIOD", "packets lost, of those that were due", Metric::Loss),
        of("mos.PERIOD", "MOS-CQE of the median call", Metric::Mos),
        of("mos.voice.PERIOD.median", "the same", Metric::Mos),
        of("mos.voice.PERIOD.min", "MOS-CQE of the worst call of any trial", Metric::MosMin),
    ]
}

fn fates() -> Vec<Family> {
    let named = |prefix: &str, fates: &[&str], metric: fn(String) -> Metric| {
        fates.iter().map(|fate| (format!("{prefix}.{fate}"), metric((*fate).to_owned()))).collect()
    };
    vec![
        Family {
            form: "calls.FATE",
            meaning: "calls of that fate, over all trials",
            names: named("calls", &CALL_FATES, Metric::Calls),
        },
        Family {
            form: "messages.FATE",
            meaning: "messages of that fate, over all trials",
            names: named("messages", &MESSAGE_FATES, Metric::Messages),
        },
        Family {
            form: "messages.lost",
            meaning: "messages that nobody got: acknowledged_lost and unacknowledged_lost together",
            names: vec![("messages.lost".to_owned(), Metric::MessagesLost)],
        },
    ]
}

/// The figure of a name.
///
/// # Errors
/// What it may have meant, or which forms there are.
pub(super) fn look_up(name: &str) -> Result<Metric, String> {
    let families = families();
    let mut all = families.iter().flat_map(|family| &family.names);
    if let Some((_, metric)) = all.find(|(known, _)| known == name) {
        return Ok(metric.clone());
    }
    let names = families.iter().flat_map(|family| family.names.iter().map(|(known, _)| known.as_str()));
    let near = names.map(|known| (nearness(name, known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    let forms: Vec<&str> = families.iter().map(|family| family.form).collect();
    Err(match near {
        Some((score, known)) if score > 0.7 => format!("`{name}` is no figure, did you mean `{known}`?"),
        _ => format!("`{name}` is no figure; there are {}", forms.join(", ")),
    })
}

/// How near two names are, 0 to 1: of as many parts, as near as their least similar part; names that differ only in
/// their last part are near in any case.
fn nearness(wrong: &str, known: &str) -> f64 {
    if wrong.matches('.').count() != known.matches('.').count() {
        return strsim::jaro_winkler(wrong, known) * 0.8;
    }
    let alike: Vec<f64> = wrong.split('.').zip(known.split('.')).map(|(a, b)| strsim::jaro_winkler(a, b)).collect();
    match &alike[..] {
        [first @ .., last] if !first.is_empty() && first.iter().all(|part| *part == 1.0) => 0.75 + 0.25 * last,
        all => all.iter().copied().fold(1.0, f64::min),
    }
}
