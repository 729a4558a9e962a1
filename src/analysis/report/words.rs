//! How figures are written: one place, so that terminal, page and figures say the same.

use std::collections::BTreeMap;

use serde::Serialize;

use super::engine_words;
use super::model::{
    FindingSummary, OutageSummary, PartsSummary, PathSummary, PublishedRow, TakeoverSummary, Transition,
};
use crate::analysis::measure::model::{StreamMeasured, VideoMeasured};
use crate::evidence::history::Direction;
use crate::scenario::Way;
use crate::units::Span;

/// A duration: `3.2 ms`, `701 ms`, `1.62 s`, `12.4 s`, `144 s`.
#[must_use]
pub fn duration(ms: f64) -> String {
    let seconds = ms / 1e3;
    match ms.abs() {
        size if size < 999.5 => Span::from_secs_f64(seconds).to_string(),
        size if size < 9_995.0 => format!("{seconds:.2} s"),
        size if size < 99_950.0 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// A duration that is only known to be longer: `> 20.0 s`.
#[must_use]
pub fn longer_than(ms: f64) -> String {
    format!("> {}", duration(ms))
}

/// A value, else a lower bound, else a dash.
#[must_use]
pub fn value_or_above(value_ms: Option<f64>, above_ms: Option<f64>) -> String {
    value_ms.map(duration).or(above_ms.map(longer_than)).unwrap_or_else(|| "–".to_owned())
}

/// A delay of a loopback or a LAN needs a digit more than an outage: `0.30 ms`.
#[must_use]
pub fn fine(ms: f64) -> String {
    if ms < 9.995 { format!("{ms:.2} ms") } else { duration(ms) }
}

/// Who listens, after the name of a call.
#[must_use]
pub fn hears(direction: Direction) -> &'static str {
    match direction {
        Direction::ToCaller => ", to the caller",
        Direction::ToCallee => ", to the callee",
    }
}

/// An interval; without an upper end `20.0 s or more`.
#[must_use]
pub fn interval(low_ms: f64, high_ms: Option<f64>) -> String {
    match high_ms {
        Some(high) => format!("{} to {}", duration(low_ms), duration(high)),
        None => format!("{} or more", duration(low_ms)),
    }
}

/// A duration in running text: `0.72 s` rather than `720 ms`.
#[must_use]
pub fn spoken(ms: f64) -> String {
    match ms {
        small if small < 100.0 => duration(small),
        medium if medium < 9_995.0 => format!("{:.2} s", medium / 1e3),
        long => duration(long),
    }
}

/// A number with thin groups of three: `12 345`.
#[must_use]
pub fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    if digits.len() < 5 {
        return digits;
    }
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// The same text, each number tied to its unit with a no-break space.
#[must_use]
pub fn with_tied_units(text: &str) -> String {
    let mut tied = String::new();
    for word in text.split(' ') {
        let is_unit = ["s", "ms", "%"].contains(&word.trim_end_matches(['.', ',', ';', ')']));
        if !tied.is_empty() {
            tied.push(if is_unit { '\u{a0}' } else { ' ' });
        }
        tied.push_str(word);
    }
    tied
}

/// Lines of at most `width` characters, continued with `indent`; a longer word stands alone and is kept whole,
/// and a number keeps its unit.
#[must_use]
pub fn wrap(text: &str, width: usize, indent: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in with_tied_units(text).split(' ').filter(|word| !word.is_empty()) {
        if !current.trim().is_empty() && current.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut current, indent.to_owned()));
        } else if !current.trim().is_empty() {
            current.push(' ');
        }
        current.push_str(&word.replace('\u{a0}', " "));
    }
    if !current.trim().is_empty() {
        lines.push(current);
    }
    lines
}

/// Percent of something: `0 %`, `0.12 %`, `97.2 %`.
#[must_use]
pub fn percent(value: f64) -> String {
    match value {
        0.0 => "0 %".to_owned(),
        small if small < 0.995 => format!("{small:.2} %"),
        _ => format!("{value:.1} %"),
    }
}

/// `1 call`, `2 calls`.
#[must_use]
pub fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// At most `width` characters; what is cut off ends with an ellipsis.
#[must_use]
pub fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// A number as it is, to a thousandth: `0`, `1622.04`.
#[must_use]
pub fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The word that stands for a value without fields in the JSON: `gap_recovered`.
#[must_use]
pub fn json_word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Why streams have no MOS or no R(t), each reason once. What has no MOS has no R(t) for the same reason.
#[must_use]
pub fn refusals(streams: &[StreamMeasured]) -> Vec<String> {
    let mut refused: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for stream in streams {
        let without = match (&stream.mos_cqe_refused, &stream.over_time_refused) {
            (Some(reason), _) => ("MOS", reason),
            (None, Some(reason)) => ("R(t)", reason),
            (None, None) => continue,
        };
        *refused.entry((without.0, without.1.as_str())).or_default() += 1;
    }
    let line = |((what, reason), streams)| format!("{} without {what}: {reason}", plural(streams, "stream", "streams"));
    refused.into_iter().map(line).collect()
}

/// A de-jitter buffer as a reader sees it: `fixed 50 ms`.
#[must_use]
pub fn dejitter(name: &str) -> &str {
    match name {
        "fixed50" => "fixed 50 ms",
        "fixed200" => "fixed 200 ms",
        "adaptive" => "40 to 200 ms",
        other => other,
    }
}

/// A service's name as a reader sees it.
#[must_use]
pub fn service(name: &str) -> &str {
    match name {
        "sip_answer" => "SIP answer",
        "new_call" => "new call",
        "idle_registered" => "idle registered",
        "idle_can_call" => "idle can call",
        "idle_can_be_called" => "idle callable",
        "chat_session sender" => "chat, sender",
        "chat_session receiver" => "chat, receiver",
        "chat_session" => "chat session",
        "chat_delivery" => "chat delivery",
        "picture to caller" => "seen by caller",
        "picture to callee" => "seen by callee",
        other => other,
    }
}

/// A cell of the table of idle phones: `7.53 s`, `none`, `> 45 s, 4 of 4 out`.
#[must_use]
pub fn idle_cell(service: &OutageSummary) -> String {
    let typical = if service.affected == 0 {
        "none".to_owned()
    } else {
        value_or_above(service.median_ms, service.median_above_ms)
    };
    let out = format!(", {} of {} out", service.censored, service.users);
    if service.censored == 0 { typical } else { typical + &out }
}

/// Who lives through the outage of a service.
#[must_use]
pub fn user_of(service: &str) -> &'static str {
    match service {
        "media to caller" | "media to callee" | "media" => "a user in a call",
        "video to caller" | "video to callee" | "video" | "picture to caller" | "picture to callee" | "picture" => {
            "a user in a video call"
        }
        "new_call" => "a user who places a call",
        "register" | "idle_registered" => "a phone that registers",
        "idle_can_call" => "a user who dials from an idle phone",
        "idle_can_be_called" => "a user whose phone lies idle",
        "chat_session sender" => "a chatter who writes",
        "chat_session receiver" => "a chatter who reads",
        "chat_delivery" => "a message between two chatters",
        "address" => "the floating address",
        _ => "the SIP service",
    }
}

/// A word of the JSON as a reader sees it: `gap_recovered` → `gap, recovered`.
#[must_use]
pub fn fate(name: &str) -> String {
    match name {
        "gap_recovered" => "gap, recovered".to_owned(),
        "one_way" => "one-way".to_owned(),
        "picture_dead" => "sound without picture".to_owned(),
        "not_started" => "not started by us".to_owned(),
        "delivered_once" => "delivered once".to_owned(),
        "recovered_offline" => "from offline storage".to_owned(),
        "acknowledged_lost" => "acknowledged, lost".to_owned(),
        "unacknowledged_lost" => "unacknowledged, lost".to_owned(),
        other => other.replace('_', " "),
    }
}

/// The codec of a picture; a guess has a question mark.
#[must_use]
pub fn video_codec(video: &VideoMeasured) -> String {
    format!("{}{}", video.codec, if video.guess.is_some() { "?" } else { "" })
}

/// A phase of a failover as a reader sees it.
#[must_use]
pub fn phase(name: &str) -> String {
    match name {
        "effect" => "last packet of the dead node".to_owned(),
        "first_advert" => "first VRRP advert of the new owner".to_owned(),
        "token_lost" => "token lost, first join message".to_owned(),
        "membership" => "new membership".to_owned(),
        "declared_dead" => "found dead by the other node".to_owned(),
        "first_garp" => "first gratuitous ARP".to_owned(),
        "reachable" => "address reachable".to_owned(),
        "first_sip_answer" => "first SIP answer".to_owned(),
        "first_xmpp_answer" => "first XMPP answer".to_owned(),
        "registered_50" => "50 % registered".to_owned(),
        "registered_95" => "95 % registered".to_owned(),
        "registered_all" => "all registered".to_owned(),
        "first_new_call" => "first new call".to_owned(),
        other => other.replace('_', " "),
    }
}

/// A phase in few words, for the lanes of a figure.
#[must_use]
pub fn short_phase(name: &str) -> String {
    match name {
        "effect" => "last packet".to_owned(),
        "first_advert" => "first advert".to_owned(),
        "token_lost" => "token lost".to_owned(),
        "declared_dead" => "found dead".to_owned(),
        "first_garp" => "first ARP".to_owned(),
        "reachable" => "reachable".to_owned(),
        "first_sip_answer" => "SIP answers".to_owned(),
        "first_xmpp_answer" => "XMPP answers".to_owned(),
        other => phase(other),
    }
}

/// Who hung up in the outage and therefore is in no row.
#[must_use]
pub fn hung_up(transition: &Transition) -> Option<String> {
    let most = transition.services.iter().map(|service| service.left).max().filter(|most| *most > 0)?;
    let callers = plural(most, "caller", "callers");
    Some(format!("Not counted: {callers} hung up, as planned, before media could come back."))
}

/// Whether a transition says something: a heal that nobody noticed does not.
#[must_use]
pub fn is_worth_a_table(transition: &Transition) -> bool {
    transition.heal_of.is_none() || transition.services.iter().any(|service| service.affected > 0)
}

/// What stands under the table of a transition.
#[must_use]
pub fn notes(transition: &Transition) -> Vec<String> {
    let parts: Vec<String> = transition.parts.iter().map(parts).collect();
    let went = (!parts.is_empty()).then(|| format!("Where the time went (means): {}.", parts.join("; ")));
    let path = (!transition.paths.is_empty()).then(|| paths(&transition.paths));
    let takeover = transition.takeover.as_ref().map(takeover);
    let machines = machines(&transition.machines).map(|told| format!("Machines of their own: {told}."));
    let all = [machines, hung_up(transition), seldom(transition), path, takeover, went, transition.hint.clone()];
    all.into_iter().flatten().collect()
}

/// What a degraded path did: `Path: to the node 3.04 % of 2498 packets lost, …`.
fn paths(paths: &[PathSummary]) -> String {
    let way = |of: &PathSummary| {
        let way = if of.way == Way::ToNode { "to the node" } else { "from it" };
        let lost = format!("{way} {} of {} packets lost", percent(of.lost_percent), of.packets);
        let dropped = (of.overflowed > 0).then(|| format!(", {} found the queue full", of.overflowed));
        let early = (of.reordered > 0).then(|| format!(", {} overtook", of.reordered));
        [Some(lost), dropped, early].into_iter().flatten().collect::<String>()
    };
    let ways: Vec<String> = paths.iter().map(way).collect();
    let late = paths.iter().map(|of| of.late_ms_p99).fold(0.0, f64::max);
    let method = paths.first().map(|of| of.method.as_str()).unwrap_or_default();
    format!("Path ({method}): {}; 1 in 100 packets left {} late.", ways.join("; "), fine(late))
}

/// What figures of machines depend on; none where no machine took part.
fn machines(of: &[String]) -> Option<String> {
    (!of.is_empty()).then(|| of.join("; "))
}

/// Services that were hit in some trials and not in others: their figures are those of the hit ones.
fn seldom(transition: &Transition) -> Option<String> {
    let some =
        transition.services.iter().filter(|row| row.unit == "probes" && row.affected > 0 && row.affected < row.n);
    let told: Vec<String> =
        some.map(|row| format!("{} in {} of {} trials", service(&row.service), row.affected, row.n)).collect();
    (!told.is_empty()).then(|| format!("Hit at all: {}.", told.join(", ")))
}

/// A finding as a reader sees it.
#[must_use]
pub fn finding(finding: &FindingSummary, trials: usize) -> String {
    let count = finding.count;
    let longest = finding.longest_ms.map(duration).unwrap_or_default();
    let what = match finding.kind.as_str() {
        "two_owners" => format!(
            "{} {}, the longest for {longest}: nothing fences the other one",
            finding.who.as_deref().unwrap_or("two nodes"),
            "held the floating address at once"
        ),
        "false_takeovers" => format!(
            "{} that no fault explains, the first {}: adverts came too late on a busy machine, or were lost",
            plural(count, "change of the owner", "changes of the owner"),
            finding.who.as_deref().unwrap_or_default()
        ),
        "zombie_calls" => {
            format!("{} neither media nor a way to be hung up", plural(count, "call had", "calls had"))
        }
        "pictures_gone" => format!(
            "{} sound at the end and no picture in at least one direction: it never came back",
            plural(count, "video call had", "video calls had")
        ),
        "byes_refused" => {
            format!("{} answered 481 by a server that did not know the call", plural(count, "BYE was", "BYEs were"))
        }
        "registrations_lost" => format!(
            "{} answered 404 by a server that did not know the callee, the last {longest} after the fault: \
             nobody can be called until he has registered again",
            plural(count, "call was", "calls were")
        ),
        "messages_black_holed" => format!(
            "{} taken by a server and never delivered: it believed the receiver to be there",
            plural(count, "message was", "messages were")
        ),
        "ghost_presence" => format!(
            "{} shown to a contact as there without a session, the longest for {longest}: ghost presence",
            plural(count, "chatter was", "chatters were")
        ),
        "other_timers" => format!("the engine runs with other timers: {}", finding.who.as_deref().unwrap_or_default()),
        other => format!("{other}: {count}"),
    };
    if trials > 1 { format!("{what} (in {} of {trials} trials)", finding.trials) } else { what }
}

/// A takeover against its law.
#[must_use]
pub fn takeover(of: &TakeoverSummary) -> String {
    let law = engine_words::law(of);
    let seen = if of.n == 1 {
        duration(of.measured_ms_min)
    } else {
        format!("{} to {} in {} trials", duration(of.measured_ms_min), duration(of.measured_ms_max), of.n)
    };
    let residual = format!("{} than the phase of its messages predicts", later(of.residual_ms_median));
    let test = of.ks_d.zip(of.ks_p).map_or(String::new(), |(d, p)| {
        let agrees = if p < 0.05 { "the law does not hold" } else { "nothing speaks against the law" };
        format!("; Kolmogorov–Smirnov D {d:.2}, p {p:.2}: {agrees}")
    });
    let other = if of.other > 0 {
        format!("; {} went another way", plural(of.other, "trial", "trials"))
    } else {
        String::new()
    };
    format!("Takeover: {law}. Seen: {seen}, {residual}{test}{other}.")
}

/// `3 ms later`, `3 ms earlier`.
fn later(ms: f64) -> String {
    let way = if ms < 0.0 { "earlier" } else { "later" };
    format!("{} {way}", duration(ms.abs()))
}

/// Where the time of an outage went.
#[must_use]
pub fn parts(of: &PartsSummary) -> String {
    let told: Vec<String> = of
        .parts
        .iter()
        .filter(|part| part.mean_ms > 0.0)
        .map(|part| format!("{} {}", duration(part.mean_ms), part.part))
        .collect();
    format!("{} {} = {}", service(&of.service), duration(of.total_ms), told.join(" + "))
}

/// A published figure beside ours.
#[must_use]
pub fn published(row: &PublishedRow) -> String {
    let ours = match row.ours_ms {
        Some(ms) => {
            let interval =
                row.ours_low_ms.map(|low| format!(", {}", interval(low, row.ours_high_ms))).unwrap_or_default();
            let on = machines(&row.machines).map(|told| format!("; {told}")).unwrap_or_default();
            format!("here {} ({}, n = {}{interval}{on})", duration(ms), service(&row.service), row.n)
        }
        None => "not measured here".to_owned(),
    };
    let comment = if row.comment.is_empty() { String::new() } else { format!("; {}", row.comment) };
    format!("{}: {} published ({}), {ours}{comment}.", row.label, duration(row.published_ms), row.source)
}

/// A fault as a reader sees it: `power-off`.
#[must_use]
pub fn fault(kind: &str) -> String {
    kind.replace('_', "-")
}

/// A fault or a heal with its number, counted from 1: `power-off 1`, `heal of fault 1`.
#[must_use]
pub fn disturbance(kind: &str, number: usize, heal_of: Option<usize>) -> String {
    match heal_of {
        Some(healed) => format!("heal of fault {}", healed + 1),
        None => format!("{} {}", fault(kind), number + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_significant_digits_and_no_false_seconds() {
        for (ms, text) in [
            (0.3, "0.3 ms"),
            (701.2, "701 ms"),
            (999.6, "1.00 s"),
            (1622.0, "1.62 s"),
            (20_000.0, "20.0 s"),
            (144_000.0, "144 s"),
        ] {
            assert_eq!(duration(ms), text);
        }
        assert_eq!(spoken(721.0), "0.72 s");
        assert_eq!(value_or_above(None, Some(20_000.0)), "> 20.0 s");
        assert_eq!(value_or_above(None, None), "–");
    }

    #[test]
    fn counts_and_percentages_read_well() {
        assert_eq!(count(4370.0), "4370");
        assert_eq!(count(1_234_567.0), "1\u{202f}234\u{202f}567");
        assert_eq!((percent(0.0), percent(0.125), percent(97.21)), ("0 %".into(), "0.12 %".into(), "97.2 %".into()));
        assert_eq!(with_tied_units("for 0.72 s, then 5 % of it"), "for 0.72\u{a0}s, then 5\u{a0}% of it");
        assert_eq!(plural(1, "call", "calls"), "1 call");
    }

    #[test]
    fn words_wrap_and_long_words_stay_whole() {
        assert_eq!(wrap("one two three", 7, ""), ["one two", "three"]);
        assert_eq!(wrap("unbreakably long", 5, "  "), ["unbreakably", "  long"]);
        assert_eq!(wrap("gone for 0.72 s, then", 15, ""), ["gone for", "0.72 s, then"]);
    }
}
