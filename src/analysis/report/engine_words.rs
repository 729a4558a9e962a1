//! What a reader is told of an engine's timers: their law, and which of them to turn.

use super::model::TakeoverSummary;
use super::words::duration;
use crate::analysis::measure::model::Timers;
use crate::analysis::theory::{HeartbeatTimers, VrrpTimers};
use crate::units::Span;

/// Which time is due after the fault, and by which timers.
#[must_use]
pub fn law(of: &TakeoverSummary) -> String {
    let (low, high) = of.law.bounds_ms();
    let (low, high) = (duration(low), duration(high));
    match of.timers {
        Timers::Vrrp { version, advert_ms, priority } => {
            let timers = format!("VRRPv{version}, adverts every {}, priority {priority}", duration(advert_ms));
            if of.resigned {
                format!("after the owner resigned ({timers}) the skew time of {low} is due")
            } else {
                format!("after missed adverts ({timers}) any time from {low} to {high} is due")
            }
        }
        Timers::Totem { token_ms, consensus_ms, hold_ms } => format!(
            "after a lost token (Corosync, token {} in force, consensus {}, an idle token rests {}) the new membership is \
             due any time from {low} to {high}",
            duration(token_ms),
            duration(consensus_ms),
            duration(hold_ms)
        ),
        Timers::Heartbeat { keepalive_ms, deadtime_ms } => format!(
            "after missed messages (Heartbeat, keepalive {}, deadtime {}, a look every {} at the latest) the other node is \
             due to find it dead any time from {low} to {high}",
            duration(keepalive_ms),
            duration(deadtime_ms),
            looks(keepalive_ms, deadtime_ms)
        ),
    }
}

/// The hint where the engine's own timers were most of an outage of `total`.
#[must_use]
pub fn timers_decide(of: &TakeoverSummary, total: &str) -> String {
    let (low, high) = of.law.bounds_ms();
    let (low, high) = (duration(low), duration(high));
    match of.timers {
        Timers::Vrrp { version, advert_ms, priority } => {
            let with = |advert: Span, priority| VrrpTimers { version, advert, priority };
            if of.resigned {
                let first = with(Span::from_secs_f64(advert_ms / 1e3), 254).skew().as_millis_f64();
                return format!(
                    "The skew time of priority {priority} was {high} of your {total}: a backup of priority 254 would wait {}.",
                    duration(first)
                );
            }
            let tenth = Span::from_secs_f64(advert_ms / 1e4);
            let (fast_low, fast_high) = with(tenth, priority).crash().bounds_ms();
            format!(
                "3 missed adverts of {} and the skew time were {low} to {high} of your {total}: the advert interval decides. \
                 At {} it would be {} to {}.",
                duration(advert_ms),
                duration(tenth.as_millis_f64()),
                duration(fast_low),
                duration(fast_high)
            )
        }
        Timers::Totem { token_ms, consensus_ms, .. } => format!(
            "The token timeout of {} and then the consensus timeout of {} were {low} to {high} of your {total}: `token` \
             decides, twice, as `consensus` is 1.2 tokens where it is not set, and each node above two adds \
             `token_coefficient`. With half of both it would be about {} less.",
            duration(token_ms),
            duration(consensus_ms),
            duration((token_ms + consensus_ms) / 2.0)
        ),
        Timers::Heartbeat { keepalive_ms, deadtime_ms } => format!(
            "The deadtime of {} and the look every {} were {low} to {high} of your {total}: `deadtime` decides.",
            duration(deadtime_ms),
            looks(keepalive_ms, deadtime_ms)
        ),
    }
}

fn looks(keepalive_ms: f64, deadtime_ms: f64) -> String {
    let of = |ms: f64| Span::from_secs_f64(ms / 1e3);
    duration(HeartbeatTimers { keepalive: of(keepalive_ms), deadtime: of(deadtime_ms) }.looks().as_millis_f64())
}

/// The hint where most of an outage of `total` went by between the engine's decision and the address.
#[must_use]
pub fn start_decides(of: &TakeoverSummary, total: &str) -> String {
    let who = match of.timers {
        Timers::Vrrp { .. } => "keepalived took",
        Timers::Totem { .. } => "Pacemaker's election, transition and start of the address took",
        Timers::Heartbeat { .. } => "Heartbeat's resource scripts took",
    };
    format!("{who} most of your {total} after the dead node was known: a shorter timer would gain little.")
}
