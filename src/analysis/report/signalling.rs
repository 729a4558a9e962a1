//! The metrics of RFC 6076 in the order and the words in which terminal, page and CSV have them.

use crate::analysis::measure::model::{SipDelay, SipMetrics, SipRatio};

use super::words;

/// What one row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Key in `measure --json` under `sip`.
    pub key: &'static str,
    /// Abbreviation of the standard.
    pub name: &'static str,
    /// Clause of RFC 6076.
    pub clause: &'static str,
    /// What it counts or times.
    pub meaning: &'static str,
}

const fn metric(key: &'static str, name: &'static str, clause: &'static str, meaning: &'static str) -> Metric {
    Metric { key, name, clause, meaning }
}

/// The ratios: of what is good first.
#[must_use]
pub fn ratios(sip: &SipMetrics) -> [(Metric, &SipRatio); 5] {
    [
        (metric("ser", "SER", "4.6", "sessions established, without redirected"), &sip.ser),
        (metric("seer", "SEER", "4.7", "established, busy, away or declined"), &sip.seer),
        (metric("isa", "ISA", "4.8", "ineffective sessions (408 500 503 504)"), &sip.isa),
        (metric("scr", "SCR", "4.9", "sessions completed by a BYE"), &sip.scr),
        (metric("ira", "IRA", "4.2", "ineffective registrations"), &sip.ira),
    ]
}

/// The delays; what nothing was seen of is `None`.
#[must_use]
pub fn delays(sip: &SipMetrics) -> [(Metric, Option<&SipDelay>); 7] {
    [
        (metric("rrd", "RRD", "4.1", "REGISTER to 2xx"), sip.rrd.as_ref()),
        (metric("srd_successful", "SRD", "4.3.1", "INVITE to status, successful"), sip.srd_successful.as_ref()),
        (metric("srd_failed", "SRD", "4.3.2", "INVITE to status, failed"), sip.srd_failed.as_ref()),
        (metric("sdd_completed", "SDD", "4.4", "BYE to 2xx"), sip.sdd_completed.as_ref()),
        (metric("sdd_failed", "SDD", "4.4", "BYE to timeout"), sip.sdd_failed.as_ref()),
        (metric("sdt_completed", "SDT", "4.5.1", "session, completed"), sip.sdt_completed.as_ref()),
        (metric("sdt_failed", "SDT", "4.5.2", "session, BYE unanswered"), sip.sdt_failed.as_ref()),
    ]
}

/// What the end of the capture or window left open, and so enters no figure.
#[must_use]
pub fn undecided(sip: &SipMetrics) -> [(&'static str, u64); 3] {
    [
        ("undecided_sessions", sip.undecided_sessions),
        ("undecided_registrations", sip.undecided_registrations),
        ("open_sessions", sip.open_sessions),
    ]
}

/// The same in a sentence; `None` when nothing was left open.
#[must_use]
pub fn left_open(sip: &SipMetrics) -> Option<String> {
    let left = [
        (sip.undecided_sessions, "INVITE", "INVITEs"),
        (sip.undecided_registrations, "registration", "registrations"),
        (sip.open_sessions, "session that still went on", "sessions that still went on"),
    ];
    let left = left.into_iter().filter(|(n, ..)| *n > 0).map(|(n, one, many)| words::plural(n, one, many));
    let left: Vec<String> = left.collect();
    (!left.is_empty()).then(|| format!("Not decided within the capture: {}", left.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_the_key_under_which_the_json_has_it() {
        let delay = SipDelay { n: 1, mean_ms: 1.0, p50_ms: 1.0, p95_ms: 1.0, max_ms: 1.0 };
        let all = Some(delay);
        let sip = SipMetrics {
            rrd: all,
            srd_successful: all,
            srd_failed: all,
            sdd_completed: all,
            sdd_failed: all,
            sdt_completed: all,
            sdt_failed: all,
            ..SipMetrics::default()
        };
        let json = serde_json::to_value(&sip).unwrap();
        let keys = ratios(&sip).map(|(metric, _)| metric.key).into_iter();
        let keys = keys.chain(delays(&sip).map(|(metric, _)| metric.key)).chain(undecided(&sip).map(|(key, _)| key));
        let mut keys: Vec<&str> = keys.collect();
        keys.sort_unstable();
        let mut known: Vec<&String> = json.as_object().unwrap().keys().collect();
        known.sort();
        assert_eq!(keys, known, "requests and responses are empty and left out");
    }
}
