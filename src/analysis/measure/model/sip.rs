//! RFC 6076 in values: ratios with their numerators and denominators, delays with their n.

use serde::{Deserialize, Serialize};

/// How SIP served the users who registered and called, by RFC 6076. Times are those at the originating user agent, or
/// at the place of capture where that is nearest to it. What the capture's end left open enters no figure and is
/// counted in `undecided_registrations`, `undecided_sessions` and `open_sessions`.
///
/// An attempt is what the user wanted: a challenged request and the one that answers the challenge are one. Where nobody
/// answered, the timeout is the 408 that RFC 3261 §8.1.3.1 makes of it; RFC 6076 says so of BYE and REGISTER alone.
///
/// A delay runs from the first octet of the request to the last one of the response (§3: t1, t4), which matters where a
/// message comes in several segments of TCP or fragments of IP. What stood before lost segments counts from when it was
/// captured, and what could only be read behind them from when it could.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SipMetrics {
    /// Registration Request Delay (§4.1): first REGISTER to the 2xx of registrations that succeeded, the challenge
    /// (401, 407) included.
    pub rrd: Option<SipDelay>,
    /// Ineffective Registration Attempts (§4.2): final answers 4xx (but 401, 402, 407), 5xx, 6xx, or none within
    /// Timer F; of all registrations.
    pub ira: SipRatio,
    /// Session Request Delay of successful sessions (§4.3.1): first INVITE to the first answer that tells the user
    /// something, a provisional one other than 100, or else the 2xx.
    pub srd_successful: Option<SipDelay>,
    /// Session Request Delay of failed sessions (§4.3.2): to the first such provisional answer, or else the failure.
    pub srd_failed: Option<SipDelay>,
    /// Session Disconnect Delay (§4.4): BYE to its 2xx.
    pub sdd_completed: Option<SipDelay>,
    /// Session Disconnect Delay of BYEs that nobody answered: to Timer F.
    pub sdd_failed: Option<SipDelay>,
    /// Session Duration Time (§4.5.1): first octet of the 2xx of the INVITE to the last one of the BYE that ended the
    /// session in order.
    pub sdt_completed: Option<SipDelay>,
    /// Session Duration Time of sessions whose BYE nobody answered (§4.5.2): 2xx of the INVITE to Timer F.
    pub sdt_failed: Option<SipDelay>,
    /// Session Establishment Ratio (§4.6): 2xx, of all INVITEs without those that were redirected (3xx).
    pub ser: SipRatio,
    /// Session Establishment Effectiveness Ratio (§4.7): 2xx, 480, 486, 600 and 603, of the same.
    pub seer: SipRatio,
    /// Ineffective Session Attempts (§4.8): 408 (or no answer within Timer B), 500, 503 and 504, of all INVITEs.
    pub isa: SipRatio,
    /// Session Completion Ratio (§4.9): sessions that were set up and ended by a BYE with a 2xx, of all INVITEs but
    /// those whose session was still going on.
    pub scr: SipRatio,
    /// Registrations without a final answer that might still have come.
    pub undecided_registrations: u64,
    /// INVITEs without a final answer that might still have come, or challenged and not tried again.
    pub undecided_sessions: u64,
    /// Sessions that nobody had ended.
    pub open_sessions: u64,
    /// Requests by method, in order of the method's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<SipRequests>,
    /// How often each status code came, by method: each once a transaction, in order of method and code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub responses: Vec<SipResponses>,
}

/// A share of attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SipRatio {
    /// Attempts that are meant.
    pub numerator: u64,
    /// All that count.
    pub denominator: u64,
    /// 0 to 100; null when nothing counts.
    pub percent: Option<f64>,
}

/// A delay over several attempts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SipDelay {
    /// Attempts.
    pub n: u64,
    /// Mean.
    pub mean_ms: f64,
    /// Median (nearest rank).
    pub p50_ms: f64,
    /// 95th percentile (nearest rank).
    pub p95_ms: f64,
    /// Largest.
    pub max_ms: f64,
}

/// Requests of one method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SipRequests {
    /// `INVITE` …
    pub method: String,
    /// Transactions, each counted at the first hop where it was seen.
    pub transactions: u64,
    /// Requests that were sent again. A copy of a mirror port within 50 ms is none: T1 is 500 ms (RFC 3261 §17.1.1.1).
    pub retransmissions: u64,
    /// Answers that were sent again.
    pub response_retransmissions: u64,
}

/// One status code of one method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SipResponses {
    /// `INVITE` …
    pub method: String,
    /// 100 to 699.
    pub code: u16,
    /// Transactions in which it came.
    pub count: u64,
}
