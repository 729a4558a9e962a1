//! The answer in words, before any table.

use crate::analysis::report::model::{OutageSummary, Transition, Trial};
use crate::analysis::report::words;

/// What a user lived through when the first node died, then the other faults in short, then who was left.
pub(super) fn headline(transitions: &[Transition], trials: &[Trial]) -> String {
    let mut sentences: Vec<String> = Vec::new();
    for (number, transition) in transitions.iter().enumerate() {
        let clauses = clauses(transition, number == 0);
        let when = when(transition, if number == 0 { trials.len() } else { 1 });
        match &clauses[..] {
            _ if !bit(transition, trials) => sentences.push(format!(
                "{} of {} was injected and not seen to bite: nothing here tells of it.",
                transition.kind,
                hit(transition)
            )),
            [] if transition.heal_of.is_some() => {}
            [] => sentences.push(format!("{when}, nothing measurable was lost.")),
            clauses => sentences.push(format!("{when}, {}.", enumerate(clauses))),
        }
    }
    if trials.is_empty() {
        sentences.push("No trial left evidence that can be measured.".to_owned());
    } else if transitions.is_empty() {
        sentences.push("No fault was injected: the run shows the cluster at rest.".to_owned());
    }
    sentences.extend(half_open(trials));
    sentences.join(" ")
}

/// Whether a trial saw the fault bite; a heal is not looked for.
fn bit(transition: &Transition, trials: &[Trial]) -> bool {
    let of = |trial: &Trial| -> Option<bool> {
        let faults = &trial.measured.faults;
        faults.iter().find(|fault| fault.fault == transition.fault).map(|fault| fault.verified)
    };
    transition.heal_of.is_some() || trials.iter().filter_map(of).any(|verified| verified)
}

fn hit(transition: &Transition) -> &str {
    match transition.label.split(" → ").next().unwrap_or_default() {
        "several" => "the owner",
        node => node,
    }
}

fn when(transition: &Transition, trials: usize) -> String {
    let happened = match transition.kind.as_str() {
        "power_off" => "lost power",
        "service_kill" => "lost a server process",
        "service_hang" => "had a server process hang",
        "link_down" => "lost its link",
        "black_hole" => "was cut off by the switch",
        "one_way" => "was cut off in one direction",
        "split" => "and its peers did not see each other any more",
        "engine_stop" => "handed the address over in order",
        "engine_kill" => "lost its cluster engine",
        "engine_hang" => "had its cluster engine hang",
        "node_freeze" => "froze",
        "address_loss" => "lost the address from its interface",
        "degraded_path" => "had a bad path",
        "disk_full" => "had no room on its disk",
        "connections_reset" => "lost its TCP connections",
        "store_kill" => "lost what it held",
        "reset" => "was reset",
        "kernel_panic" => "had its kernel panic",
        "machine_pause" => "was paused",
        "clock_step" => "had its clock stepped",
        "cpu_exhaustion" => "had no processor to spare",
        "heal" => "was healed",
        _ => "was hit",
    };
    let node = hit(transition);
    let typical = if trials > 1 { format!(" (medians of {trials} trials)") } else { String::new() };
    format!("When {node} {happened}{typical}")
}

fn clauses(transition: &Transition, in_full: bool) -> Vec<String> {
    // What a heal did to a few only is in its table.
    let told = |row: &&OutageSummary| transition.heal_of.is_none() || row.affected * 2 >= row.users;
    let row = |name: &str| transition.services.iter().find(|row| row.service == name).filter(told);
    let heard = row("media to caller").or_else(|| row("media to callee"));
    let seen = row("picture to caller").or_else(|| row("picture to callee"));
    let lived = [
        heard.map(|row| heard_nothing(row, in_full)),
        seen.and_then(saw_a_still_picture),
        row("new_call").and_then(new_call),
        row("idle_can_be_called").and_then(callable),
        row("chat_session sender").and_then(|row| chatter(row, in_full)),
    ];
    let clauses: Vec<String> = lived.into_iter().flatten().collect();
    if clauses.is_empty() {
        transition
            .services
            .iter()
            .filter(told)
            .filter(|row| row.service != "idle_registered")
            .filter_map(plain)
            .take(1)
            .collect()
    } else {
        clauses
    }
}

fn callable(row: &OutageSummary) -> Option<String> {
    let who = "a phone that lay idle";
    match (row.median_ms, row.median_above_ms) {
        (Some(ms), _) => Some(format!("{who} could not be called for {}", words::spoken(ms))),
        (None, Some(above)) => {
            Some(format!("{who} could not be called before the window ended ({})", words::longer_than(above)))
        }
        (None, None) => None,
    }
}

fn heard_nothing(row: &OutageSummary, in_full: bool) -> String {
    let who = if in_full { "a caller in a call" } else { "a caller" };
    match (row.median_ms, row.median_above_ms) {
        (Some(ms), _) => format!("{who} heard nothing for {}", words::spoken(ms)),
        (None, Some(above)) => {
            format!("{who} heard nothing again before the window ended ({})", words::longer_than(above))
        }
        // Those who were cut and had hung up by then speak against the few who were not.
        (None, None) if row.left > row.users => format!("{who} heard nothing until he hung up, as planned"),
        (None, None) => format!("{who} heard no gap"),
    }
}

fn saw_a_still_picture(row: &OutageSummary) -> Option<String> {
    match (row.median_ms, row.median_above_ms) {
        (Some(ms), _) => Some(format!("a video caller saw a still picture for {}", words::spoken(ms))),
        (None, Some(above)) => {
            Some(format!("a video caller saw no new picture before the window ended ({})", words::longer_than(above)))
        }
        (None, None) => None,
    }
}

fn new_call(row: &OutageSummary) -> Option<String> {
    match (row.median_ms, row.median_above_ms) {
        (Some(ms), _) => Some(format!("a new call could not be placed for {}", words::spoken(ms))),
        (None, Some(above)) => {
            Some(format!("no new call could be placed before the window ended ({})", words::longer_than(above)))
        }
        (None, None) => None,
    }
}

fn chatter(row: &OutageSummary, in_full: bool) -> Option<String> {
    let who = if in_full { "a chatter who was typing" } else { "a chatter" };
    match (row.median_ms, row.median_above_ms) {
        (Some(ms), _) => Some(format!("{who} was back after {}", words::spoken(ms))),
        (None, Some(above)) => {
            Some(format!("{who} was not back before the window ended ({})", words::longer_than(above)))
        }
        (None, None) => None,
    }
}

fn plain(row: &OutageSummary) -> Option<String> {
    let length = row.median_ms.map(words::spoken).or(row.median_above_ms.map(words::longer_than))?;
    Some(format!("the service \"{}\" was gone for {length}", words::service(&row.service)))
}

fn enumerate(clauses: &[String]) -> String {
    match clauses {
        [one] => one.clone(),
        [first, last] => format!("{first} and {last}"),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
        [] => String::new(),
    }
}

/// The worst victims: cut off, and not aware of it.
fn half_open(trials: &[Trial]) -> Option<String> {
    let deaf = trials.iter().flat_map(|trial| &trial.measured.chatters).filter(|who| who.half_open).count() as u64;
    let over = if trials.len() > 1 { format!(" over {} trials", trials.len()) } else { String::new() };
    match deaf {
        0 => None,
        1 => Some(format!("One idle chatter{over} never noticed and received nothing more.")),
        _ => Some(format!("{} idle chatters{over} never noticed and received nothing more.", in_words(deaf))),
    }
}

/// A number that begins a sentence.
fn in_words(number: u64) -> String {
    const WORDS: [&str; 11] =
        ["Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"];
    let word = usize::try_from(number).ok().and_then(|number| WORDS.get(number.checked_sub(2)?));
    word.map_or_else(|| number.to_string(), |word| (*word).to_owned())
}
