use super::*;

const OFFICE: &str = r#"
name = "office"
question = "?"
window = "20s"
[cluster.reference]
nodes = ["alpha", "beta"]
address = "127.0.77.10"
takeover = ["700ms"]
[traffic.registrations]
phones = 4
interval = "1s"
tcp_share = 0.5
[traffic.standing_calls]
count = 3
[traffic.new_calls]
rate_per_s = 2
hold = "2s"
patience = "4s"
[traffic.chat]
pairs = 2
messages_per_s = 4
[[fault]]
power_off = { target = "vip-owner", at = "5s" }
"#;

fn office(seed: u64) -> Plan {
    Plan::make(&Scenario::parse("office.toml", OFFICE).unwrap(), seed)
}

#[test]
fn phones_of_new_calls_register_again_only_where_that_is_asked_for() {
    let text = |more: &str| {
        format!(
            "name = \"t\"\nquestion = \"q\"\nwindow = \"20s\"\n[cluster.reference]\nnodes = [\"a\", \"b\"]\n\
             address = \"127.0.77.10\"\ntakeover = [\"1s\"]\n[traffic.new_calls]\nrate_per_s = 1\nhold = \"1s\"\n{more}"
        )
    };
    let registers = |more: &str| {
        let plan = Plan::make(&Scenario::parse("t.toml", &text(more)).unwrap(), 1);
        let inside = plan.intents.iter().filter(|intent| intent.at_ns >= Span::ZERO);
        (plan.phones.len(), inside.filter(|intent| matches!(intent.wish, Wish::Register { .. })).count())
    };
    assert_eq!(registers("").1, 0);
    // Every phone four times in 20 s.
    let (phones, count) = registers("register_interval = \"5s\"\n");
    assert_eq!(count, 4 * phones);
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_seed_another() {
    assert_eq!(office(7), office(7));
    assert_ne!(office(7).intents, office(8).intents);
}

#[test]
fn everything_asked_for_is_due_in_the_window() {
    let plan = office(1);
    let count = |wanted: fn(&Wish) -> bool| {
        plan.intents.iter().filter(|intent| intent.at_ns >= Span::ZERO && wanted(&intent.wish)).count()
    };
    assert_eq!(count(|wish| matches!(wish, Wish::Register { .. })), 80);
    assert_eq!(count(|wish| matches!(wish, Wish::Call(_))), 40);
    assert_eq!(count(|wish| matches!(wish, Wish::Message { .. })), 80);
    assert_eq!(count(|wish| matches!(wish, Wish::Inject { .. })), 1);
    assert!(plan.intents.is_sorted_by_key(|intent| intent.at_ns));
    assert_eq!(plan.phones.iter().filter(|phone| phone.tcp).count(), 2);
}

/// A phone must never be due for two calls at one time: else the second says nothing about the server.
#[test]
fn no_phone_is_double_booked() {
    let plan = office(3);
    let mut free_at = vec![Span(i64::MIN); plan.phones.len()];
    for intent in &plan.intents {
        let Wish::Call(call) = &intent.wish else { continue };
        let until = call.hold_ns.map_or(plan.window_ns, |hold| intent.at_ns + hold + call.patience_ns);
        for phone in [call.caller, call.callee] {
            assert!(free_at[phone] <= intent.at_ns, "phone {phone} at {}", intent.at_ns);
            free_at[phone] = until;
        }
    }
}

#[test]
fn every_phone_registers_before_the_first_call() {
    let plan = office(1);
    let first_call = plan.intents.iter().position(|intent| matches!(intent.wish, Wish::Call(_))).unwrap();
    let registered = plan.intents[..first_call].iter().filter(|i| matches!(i.wish, Wish::Register { .. })).count();
    assert_eq!(registered, plan.phones.len());
}

#[test]
fn call_numbers_are_unique() {
    let mut numbers: Vec<u64> = office(1)
        .intents
        .iter()
        .filter_map(|intent| if let Wish::Call(call) = &intent.wish { Some(call.call) } else { None })
        .collect();
    numbers.sort_unstable();
    let all = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), all);
}

const LAB: &str = r#"[cluster.lab]
nodes = ["alpha", "beta"]
advert_interval = "100ms"
sip = "kamailio"
xmpp = "prosody"
redis = false
"#;

fn phase(plan: &Plan) -> Option<Span> {
    plan.intents.iter().find_map(|intent| match intent.wish {
        Wish::Inject { phase_ns, .. } => Some(phase_ns),
        _ => None,
    })?
}

/// Even over the interval: the mean of 400 phases lies within 4 σ (4 · 100 ms/√12/√400 = 5.8 ms) of its middle, and
/// each quarter has about its share (100 ± 4 σ = 35). A cluster without a timer has no phase.
#[test]
fn the_phase_against_the_clusters_timer_is_drawn_evenly() {
    let from = OFFICE.find("[cluster.reference]").unwrap();
    let to = OFFICE.find("[traffic.registrations]").unwrap();
    let text = format!("{}{LAB}{}", &OFFICE[..from], &OFFICE[to..]);
    let scenario = Scenario::parse("lab.toml", &text).unwrap();
    let phases: Vec<f64> = (0..400).map(|seed| phase(&Plan::make(&scenario, seed)).unwrap().as_millis_f64()).collect();
    assert!((phases.iter().sum::<f64>() / 400.0 - 50.0).abs() < 5.8);
    for quarter in 0..4 {
        let range = f64::from(quarter) * 25.0..f64::from(quarter + 1) * 25.0;
        let n = phases.iter().filter(|ms| range.contains(ms)).count();
        assert!(n.abs_diff(100) <= 35, "quarter {quarter}: {n}");
    }
    assert_eq!(phase(&office(1)), None);
}

/// What a heal meets is decided by its phase as well; it stays before the next fault and inside the window.
#[test]
fn heals_are_moved_as_faults_are_but_not_into_the_next() {
    let faults = "phase_jitter = \"1s\"\n[cluster.reference]";
    let (text, _) = OFFICE.split_once("[[fault]]").unwrap();
    let text = text.replace("[cluster.reference]", faults)
        + "[[fault]]\npower_off = { target = \"alpha\", at = \"2s\", heal_at = \"4s\" }\n\
           [[fault]]\npower_off = { target = \"beta\", at = \"4200ms\" }\n";
    let scenario = Scenario::parse("heals.toml", &text).unwrap();
    let healed = |seed: u64| {
        let plan = Plan::make(&scenario, seed);
        let heal = plan.intents.iter().find(|intent| matches!(intent.wish, Wish::Heal { fault: 0 })).unwrap().at_ns;
        let struck = plan.intents.iter().find(|intent| matches!(intent.wish, Wish::Inject { fault: 0, .. })).unwrap();
        assert_eq!((plan.heal_after(0), plan.heal_after(1)), (Some(heal - struck.at_ns), None));
        heal.as_millis_f64()
    };
    let heals: Vec<f64> = (0..100).map(healed).collect();
    assert!(heals.iter().all(|at| (4000.0..4200.0).contains(at)), "{heals:?}");
    let (low, high) = heals.iter().fold((f64::MAX, 0.0_f64), |(low, high), at| (low.min(*at), high.max(*at)));
    assert!(low < 4020.0 && high > 4180.0, "over the whole of it: {low} to {high}");
}

const IDLE: &str = r#"
name = "idle"
question = "?"
window = "20s"
[cluster.reference]
nodes = ["alpha", "beta"]
address = "127.0.77.10"
takeover = ["700ms"]
[traffic.idle_phones]
phone = ["pjsua", "rfc3261"]
phones = 4
expires = "30s"
"#;

/// Four phones for each question, two of each profile; a ringer for each that is called, and the desk.
#[test]
fn idle_phones_are_dealt_and_each_is_asked_one_question() {
    let plan = Plan::make(&Scenario::parse("idle.toml", IDLE).unwrap(), 1);
    assert_eq!(plan.phones.len(), 1 + 4 * 4);
    let of = |part: &Part| plan.phones.iter().filter(|phone| phone.part == *part).count();
    assert_eq!((of(&Part::Profiled("pjsua".into())), of(&Part::Ringer), of(&Part::Desk)), (6, 4, 1));
    assert_eq!(plan.profiles["pjsua"].registration.as_ref().unwrap().expires.0, Span::from_secs(30));
    let asked = plan.intents.iter().filter_map(|intent| match &intent.wish {
        Wish::Call(call) => Some((call.question, call.caller, call.callee)),
        _ => None,
    });
    for (question, caller, callee) in asked {
        let name = |phone: usize| plan.phones[phone].name.as_str();
        match question.unwrap() {
            Question::CanCall => assert!(name(caller).ends_with("-calls") && name(callee) == "desk"),
            Question::CanBeCalled => assert_eq!(name(caller), format!("rings-{}", name(callee))),
        }
    }
    // Whoever is watched has nothing to do but register once, before the window.
    let watched = plan.phones.iter().position(|phone| phone.name.ends_with("-watched")).unwrap();
    let theirs = plan.intents.iter().filter(|intent| match &intent.wish {
        Wish::Register { phone, .. } => *phone == watched,
        Wish::Call(call) => call.caller == watched || call.callee == watched,
        _ => false,
    });
    assert_eq!(theirs.map(|intent| intent.at_ns < Span::ZERO).collect::<Vec<_>>(), [true]);
}
