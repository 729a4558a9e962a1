//! From a planned phone to the settings of a phone: its profile, and the servers of this cluster.

use crate::evidence::history::OpKind;
use crate::experiment::agent::sip::phone::PhoneConfig;
use crate::experiment::agent::sip::phone::behaviour::{
    Behaviour, Keepalive, Ping, Reaction, Reactions, Retry, Selection, Target,
};
use crate::experiment::plan::Part;
use crate::scenario::phone::{self, Filled, PhoneProfile};
use crate::units::Span;

/// A ringer gives every server this long.
const RINGER_TRIES: Span = Span::from_millis(500);

/// Gives the phone what its part needs. The desk's and a ringer's registrations are written down apart from the
/// users', as those of phones that register by themselves.
pub(super) fn equip(config: &mut PhoneConfig, part: &Part, profile: Option<&PhoneProfile>, targets: &[Target]) {
    match part {
        Part::User => {}
        Part::Desk => {
            config.register_kind = OpKind::OwnRegister;
            config.everywhere = targets.iter().map(|target| target.address).collect();
        }
        Part::Ringer => {
            config.register_kind = OpKind::OwnRegister;
            config.timers.give_up = Some(RINGER_TRIES);
            config.behaviour = phone::embedded("rfc3261").and_then(|rfc| rfc.filled()).map(|rfc| ringer(&rfc, targets));
        }
        Part::Profiled(_) => {
            let Some(filled) = profile.and_then(PhoneProfile::filled) else { return };
            config.register_kind = OpKind::OwnRegister;
            config.timers.give_up = Some(filled.transaction.give_up.0);
            config.behaviour = Some(behaviour(&filled, targets));
        }
    }
}

/// Looks for the callee at every server, the one that worked first.
fn ringer(rfc: &Filled, targets: &[Target]) -> Behaviour {
    let wait = Span::from_secs(1);
    let retry = Retry { first: None, base: wait, base_with_flow: wait, max: wait, growth: 1.0, ..retry(&rfc.retry) };
    Behaviour { selection: Selection::Listed, keeps_target: true, seeks: true, retry, ..behaviour(rfc, targets) }
}

fn behaviour(of: &Filled, targets: &[Target]) -> Behaviour {
    let share = match (of.registration.refresh_share, of.registration.refresh_before) {
        (Some(share), _) => share,
        (None, Some(_)) => 1.0,
        (None, None) => 0.5,
    };
    Behaviour {
        targets: targets.to_vec(),
        selection: match of.targets.selection {
            phone::Selection::Srv => Selection::Srv,
            phone::Selection::Listed => Selection::Listed,
            phone::Selection::First => Selection::First,
        },
        keeps_target: of.targets.keeps,
        flows: of.outbound.flows,
        expires_s: u32::try_from(of.registration.expires.0.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX),
        refresh_share: share,
        refresh_before: of.registration.refresh_before.map_or(Span::ZERO, |before| before.0),
        retry: retry(&of.retry),
        register: reactions(&of.register),
        call: reactions(&of.call),
        seeks: false,
        honours_retry_after: of.register.honours_retry_after || of.call.honours_retry_after,
        keepalive: keepalive(&of.keepalive),
        long_up: true,
    }
}

fn retry(of: &phone::Retry) -> Retry {
    Retry {
        first: of.first.map(|first| first.0),
        base: of.base.0,
        base_with_flow: of.base_with_flow.unwrap_or(of.base).0,
        max: of.max.0,
        growth: of.growth,
        shortest: of.shortest,
        plus_minus: of.plus_minus.0,
    }
}

fn reactions(of: &phone::Reactions) -> Reactions {
    let reaction = |of| match of {
        phone::Reaction::GiveUp => Reaction::GiveUp,
        phone::Reaction::NextTarget => Reaction::NextTarget,
    };
    Reactions { timeout: reaction(of.timeout), unavailable: reaction(of.unavailable) }
}

fn keepalive(of: &phone::Keepalive) -> Option<Keepalive> {
    let ping = match of.ping {
        phone::Ping::None => return None,
        phone::Ping::Crlf => Ping::CrLf,
        phone::Ping::Options => Ping::Options,
    };
    Some(Keepalive { ping, interval: of.interval?.0, answer_within: of.answer_within.map(|within| within.0) })
}

#[cfg(test)]
mod tests;
