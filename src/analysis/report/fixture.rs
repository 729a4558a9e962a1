//! A planted quickstart: two power-offs with takeovers of 700 and 1600 ms, 12 standing calls, 2 new calls a
//! second, 40 phones, 6 chat pairs of which two receivers stay half open after the first fault.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::analysis::measure::categories_of;
use crate::analysis::measure::model::*;
use crate::evidence::history::{ChatRole, Direction, Health, OpKind};
use crate::evidence::rundir::RunInfo;
use crate::scenario::Scenario;
use crate::units::{RunTime, Span};

use super::model::{Report, Trial};

const SCENARIO: &str = r#"
name = "quickstart"
question = "How long is each service gone when its server dies?"
window = "48s"
seed = 7
thresholds = ["outage.media.median < 2s", "outage.new_call.worst < 5s", "calls.zombie == 0", "loss.after < 1%"]
[cluster.reference]
nodes = ["alpha", "beta", "charlie"]
address = "127.0.77.10"
takeover = ["700ms", "1600ms"]
[traffic.registrations]
phones = 40
interval = "4s"
[traffic.standing_calls]
count = 12
[traffic.new_calls]
rate_per_s = 2.0
hold = "3s"
[traffic.options]
interval = "10ms"
[traffic.chat]
pairs = 6
messages_per_s = 10.0
[[fault]]
power_off = { target = "vip-owner", at = "10s" }
[[fault]]
power_off = { target = "vip-owner", at = "28s" }
"#;

const START: RunTime = RunTime::from_millis(6_200);
const END: RunTime = RunTime::from_millis(54_200);
const NODES: [&str; 3] = ["alpha", "beta", "charlie"];
const CONFIGURED_MS: [f64; 2] = [700.0, 1600.0];

/// The report of `trials` planted trials.
pub(crate) fn quickstart(trials: u32) -> Report {
    let all =
        (1..=trials).map(|number| Trial { number, seed: 6 + u64::from(number), measured: trial(number) }).collect();
    super::assemble(&scenario(), run_info(trials), all)
}

/// The scenario of the planted quickstart.
pub(crate) fn scenario() -> Scenario {
    Scenario::parse("quickstart.toml", SCENARIO).expect("the fixture's scenario is sound")
}

/// The `run.json` of the planted quickstart.
pub(crate) fn run_info(trials: u32) -> RunInfo {
    RunInfo {
        schema: "fivenines.run.v1".into(),
        version: "0.1.0".into(),
        started_utc: "2026-11-24T13:24:10Z".into(),
        seed: 7,
        trials_planned: trials,
        kernel: "6.12.8".into(),
        cpus: 2,
        arch: "x86_64".into(),
        cluster: "reference: alpha beta charlie behind 127.0.77.10".into(),
        traffic: vec![
            "12 standing calls · 2 new calls/s · 40 phones · OPTIONS every 10 ms".into(),
            "6 chat pairs, 10 messages/s".into(),
        ],
        servers: BTreeMap::from([("fivenines reference".into(), "0.1.0".into())]),
        machines: Vec::new(),
    }
}

fn trial(number: u32) -> Measured {
    let mut rng = SmallRng::seed_from_u64(u64::from(number));
    let faults: Vec<FaultMeasured> = (0..2).map(|fault| fault_measured(fault, &mut rng)).collect();
    let mut measured = Measured { schema: "fivenines.measure.v1".into(), ..Measured::default() };
    measured.window = Some(Window { start_ns: START, end_ns: END });
    measured.outages = faults.iter().flat_map(|fault| outages(fault, &mut rng)).collect();
    measured.users = (0..2).flat_map(users).collect();
    measured.streams = (0..12)
        .flat_map(|call| [Direction::ToCaller, Direction::ToCallee].map(|to| (call, to)))
        .map(|(call, to)| stream(call, to, &faults, &mut rng))
        .collect();
    measured.calls = calls(&faults, &mut rng);
    measured.chatters = (1..=6).flat_map(|pair| ["a", "b"].map(|end| chatter(pair, end, &faults))).collect();
    measured.messages = messages(&faults, &mut rng);
    measured.signalling = signalling();
    measured.qos = qos();
    measured.owners = owners(&faults);
    measured.health = Some(health());
    measured.anomalies = vec![Anomaly {
        place: "captures/taps.pcapng, packet 4711".into(),
        what: "RTP packet of a stream that had ended".into(),
    }];
    measured.faults = faults;
    measured
}

fn users(fault: usize) -> Vec<ServiceUsers> {
    let of = |service: &str, users: Vec<String>| ServiceUsers {
        service: service.into(),
        direction: None,
        role: None,
        fault: Some(fault),
        users,
    };
    let media = |direction| ServiceUsers {
        direction: Some(direction),
        ..of("media", (0..17).map(|call| format!("call {call}")).collect())
    };
    let chat = |role, end: &str| ServiceUsers {
        role: Some(role),
        ..of("chat_session", (1..=6).map(|pair| format!("chat-{pair:02}-{end}")).collect())
    };
    let mut all: Vec<ServiceUsers> =
        ["address", "sip_answer", "new_call"].map(|service| of(service, vec!["all".into()])).into();
    all.push(of("register", (1..=40).map(|phone| format!("phone-{phone:02}")).collect()));
    all.extend([media(Direction::ToCaller), media(Direction::ToCallee)]);
    all.extend([chat(ChatRole::Sender, "a"), chat(ChatRole::Receiver, "b")]);
    all.push(of("chat_delivery", (1..=6).map(|pair| format!("chat-{pair:02}")).collect()));
    all
}

fn fault_measured(fault: usize, rng: &mut SmallRng) -> FaultMeasured {
    let start = START + Span::from_secs_f64([10.213, 28.154][fault] + rng.random_range(0.0..0.05));
    let configured = CONFIGURED_MS[fault];
    let phase = |name: &str, after_ms: f64| Phase {
        phase: name.into(),
        at_ns: start + Span::from_secs_f64(after_ms / 1e3),
        after_ms,
        evidence: "taps.pcapng".into(),
    };
    let jitter = rng.random_range(0.0..6.0);
    FaultMeasured {
        heal_of: None,
        takeover: None,
        paths: Vec::new(),
        parts: Vec::new(),
        fault,
        kind: "power_off".into(),
        node: NODES[fault].into(),
        successor: Some(NODES[fault + 1].into()),
        command_start_ns: start,
        command_end_ns: Some(start + Span::from_millis(1)),
        effect_ns: Some(start + Span(400_000)),
        phase: None,
        verified: true,
        healed_ns: None,
        configured_ms: Some(configured),
        phases: vec![
            phase("effect", 0.4),
            phase("reachable", configured + 1.2 + jitter),
            phase("first_sip_answer", configured + 4.1 + jitter),
            phase("first_xmpp_answer", configured + 5.0 + jitter),
            phase("first_new_call", configured + 31.0 + jitter * 9.0),
            phase("media_to_caller", configured + 12.0 + jitter),
            phase("media_to_callee", configured + 13.0 + jitter),
            phase("registered_50", configured + 1_900.0 + jitter * 20.0),
            phase("registered_95", configured + 3_800.0 + jitter * 20.0),
            phase("registered_all", configured + 4_050.0 + jitter * 20.0),
        ],
    }
}

fn outages(fault: &FaultMeasured, rng: &mut SmallRng) -> Vec<Outage> {
    let base = fault.configured_ms.unwrap_or_default();
    let mut all = Vec::new();
    let mut add = |service: &str, scope: String, to: Option<Direction>, ms: f64, error_ms: f64| {
        all.push(outage(fault, service, scope, to, ms, error_ms));
    };
    add("address", "all".into(), None, base + 1.2, 1.0);
    add("sip_answer", "all".into(), None, base + rng.random_range(1.0..9.0), 10.0);
    for phone in 0..(base / 100.0) as u32 {
        add("register", format!("phone-{:02}", phone + 1), None, base + rng.random_range(2.0..510.0), 20.0);
    }
    add("register", "all".into(), None, base + 20.0, 100.0);
    add("new_call", "all".into(), None, base + rng.random_range(5.0..480.0), 250.0);
    for call in 0..12 {
        add("media", format!("call {call}"), Some(Direction::ToCaller), base + rng.random_range(8.0..38.0), 20.0);
        add("media", format!("call {call}"), Some(Direction::ToCallee), base + rng.random_range(6.0..36.0), 20.0);
    }
    for pair in 1..=6 {
        add("chat_session", format!("chat-{pair:02}-a"), None, base + rng.random_range(180.0..720.0), 1.0);
        let deaf = pair > 4 && fault.fault == 0;
        let ms = if deaf {
            (END - fault.command_start_ns).as_millis_f64()
        } else {
            3_400.0 + rng.random_range(0.0..1_400.0)
        };
        if pair <= 4 || deaf {
            add("chat_session", format!("chat-{pair:02}-b"), None, ms, 1.0);
            add("chat_delivery", format!("chat-{pair:02}"), None, ms + if deaf { 300.0 } else { 40.0 }, 600.0);
        }
    }
    all
}

fn outage(
    fault: &FaultMeasured,
    service: &str,
    scope: String,
    direction: Option<Direction>,
    ms: f64,
    error_ms: f64,
) -> Outage {
    let start_ns = fault.command_start_ns - Span::from_secs_f64(error_ms / 4e3);
    let end_ns = start_ns + Span::from_secs_f64(ms / 1e3);
    let censored = end_ns >= END - Span::from_millis(20);
    let (method, estimates) = match service {
        "media" => {
            ("sequence", Estimates { sequence_ms: Some(ms), timestamp_ms: Some(ms + 0.4), loss_derived_ms: Some(ms) })
        }
        "address" | "sip_answer" => ("timestamp", Estimates { timestamp_ms: Some(ms), ..Estimates::default() }),
        _ => ("planned_ops", Estimates::default()),
    };
    Outage {
        service: service.into(),
        scope,
        direction,
        fault: Some(fault.fault),
        start_ns,
        end_ns: (!censored).then_some(end_ns),
        duration_ms: ms,
        censored,
        left: false,
        method: method.into(),
        error_ms,
        estimates,
    }
}

fn stream(call: u64, to: Direction, faults: &[FaultMeasured], rng: &mut SmallRng) -> StreamMeasured {
    let seconds: Vec<MosSecond> = (0..48).map(|second| mos_second(second, faults, rng)).collect();
    let lost: f64 = seconds.iter().map(|second| second.loss * 50.0).sum();
    StreamMeasured {
        ssrc: 0x5f1e_0000 + call as u32 * 2 + u32::from(to == Direction::ToCaller),
        src: "127.0.77.10:31000".into(),
        dst: format!("127.0.80.{}:{}", call + 1, 20_000 + call * 2),
        codec: Some(if call.is_multiple_of(2) { "PCMA" } else { "PCMU" }.into()),
        call: Some(call),
        direction: Some(to),
        start_ns: START,
        end_ns: END,
        packets: 2400 - lost as u64,
        expected: 2400,
        lost: lost as u64,
        ptime_ms: Some(20.0),
        jitter_ms_mean: Some(0.08),
        jitter_ms_max: Some(0.9),
        delta_ms_max: Some(1641.0),
        gap_ms_max: Some(1621.0),
        delay: Some(Delay {
            n: 2284,
            mean_ms: 0.19,
            p50_ms: 0.17,
            p95_ms: 0.3,
            max_ms: 2.1,
            error_ms: 0.02,
            method: "one clock".into(),
        }),
        mos_cqe: Some(Mos {
            value: 3.62,
            model: "ITU-T G.107 (06/2015)".into(),
            label: "MOS-CQEN".into(),
            r: 71.0,
            valid: false,
            outside_validity: vec!["BurstR 56.91 with Ppl 4.79 %: a long outage is not covered".into()],
            dejitter: "fixed50".into(),
            loss_percent: 4.79,
            burst_r: 56.91,
            ta_ms: 70.3,
            ta_error_ms: Some(0.02),
            note: String::new(),
        }),
        dejitter: BUFFERS.map(|(name, ms, worse)| dejitter_score(name, ms, 3.62 - worse)).into(),
        over_time: over_time(&seconds, faults),
        seconds,
        ..StreamMeasured::default()
    }
}

/// Name, depth, and by how much it lowers a score.
const BUFFERS: [(&str, f64, f64); 3] = [("fixed50", 50.0, 0.0), ("fixed200", 200.0, 0.24), ("adaptive", 40.2, -0.01)];

fn dejitter_score(name: &str, depth_ms: f64, mos: f64) -> DejitterScore {
    DejitterScore {
        dejitter: name.into(),
        discarded_percent: Some(0.0),
        nominal_delay_ms: Some(depth_ms),
        model: Some(MODEL.into()),
        r: Some(mos * 20.0),
        mos_cqe: Some(mos),
        valid: Some(false),
    }
}

const MODEL: &str = "MOS-CQEN, ITU-T G.107 (06/2015)";

fn over_time(seconds: &[MosSecond], faults: &[FaultMeasured]) -> Option<OverTime> {
    let worst = seconds.iter().min_by(|a, b| a.mos.unwrap_or(9.0).total_cmp(&b.mos.unwrap_or(9.0)))?;
    let after = |fault: &FaultMeasured| {
        let end_ns = fault.command_start_ns + Span::from_secs_f64(fault.configured_ms.unwrap_or_default() / 1e3);
        let during =
            |second: &&MosSecond| second.at_ns + Span::from_secs(1) > fault.command_start_ns && second.at_ns < end_ns;
        let heard = stretch(&seconds.iter().filter(during).copied().collect::<Vec<_>>());
        FaultStretch { fault: fault.fault, start_ns: fault.command_start_ns, end_ns, recovered: true, heard }
    };
    Some(OverTime {
        model: "ITU-T G.107 (06/2015) per second".into(),
        whole: stretch(seconds),
        worst_at_ns: worst.at_ns,
        faults: faults.iter().map(after).collect(),
    })
}

fn stretch(seconds: &[MosSecond]) -> Stretch {
    let mos = || seconds.iter().filter_map(|second| second.mos);
    let least = mos().fold(4.5, f64::min);
    Stretch {
        length_s: seconds.len() as u64,
        r_min: least * 20.0,
        mos_min: least,
        mos_of_mean_r: mos().sum::<f64>() / seconds.len() as f64,
        mos_below_3_6_s: mos().filter(|mos| *mos < 3.6).count() as u64,
        outside_validity_s: seconds.iter().filter(|second| second.loss > 0.2).count() as u64,
    }
}

fn mos_second(second: i64, faults: &[FaultMeasured], rng: &mut SmallRng) -> MosSecond {
    let at_ns = START + Span::from_secs(second);
    let away = |fault: &FaultMeasured| {
        let from = (fault.command_start_ns - at_ns).as_secs_f64().clamp(0.0, 1.0);
        let until =
            (fault.command_start_ns - at_ns).as_secs_f64() + fault.configured_ms.unwrap_or_default() / 1e3 + 0.02;
        until.clamp(0.0, 1.0) - from
    };
    let loss: f64 = faults.iter().map(away).sum();
    let since = faults
        .iter()
        .map(|fault| (at_ns - fault.command_start_ns).as_secs_f64())
        .filter(|s| *s >= -1.0)
        .fold(99.0, f64::min);
    let dip = if since < 8.0 { 3.3 * (-(since.max(0.0)) / 1.8).exp() } else { 0.0 };
    let delay_ms = (loss < 0.99).then(|| 0.17 + rng.random_range(0.0..0.06) + if loss > 0.0 { 0.5 } else { 0.0 });
    MosSecond { at_ns, mos: Some((4.41 - dip - rng.random_range(0.0..0.03)).max(1.0)), loss, delay_ms }
}

fn calls(faults: &[FaultMeasured], rng: &mut SmallRng) -> Vec<CallMeasured> {
    let standing = (0..12).map(|call| {
        call_measured(call, OpKind::StandingCall, START - Span::from_secs(2), Some(CallFate::GapRecovered), 3.0)
    });
    let fresh = (0..96).map(|number| {
        let planned = START + Span::from_millis(number * 500 + 100);
        let hit = faults.iter().any(|fault| {
            let since = (planned - fault.command_start_ns).as_millis_f64();
            since > -1500.0 && since < fault.configured_ms.unwrap_or_default()
        });
        let fate = match (hit, number % 3) {
            (false, _) => CallFate::Unaffected,
            (true, 0) => CallFate::NeverSetUp,
            (true, _) => CallFate::GapRecovered,
        };
        call_measured(12 + number as u64, OpKind::NewCall, planned, Some(fate), rng.random_range(2.0..4.0))
    });
    standing.chain(fresh).collect()
}

fn call_measured(call: u64, kind: OpKind, planned_ns: RunTime, fate: Option<CallFate>, setup_ms: f64) -> CallMeasured {
    let answered = (fate != Some(CallFate::NeverSetUp)).then(|| planned_ns + Span::from_secs_f64(setup_ms / 1e3));
    let hold = if kind == OpKind::StandingCall { Span::from_secs(55) } else { Span::from_secs(3) };
    CallMeasured {
        call,
        call_id: None,
        kind: Some(kind),
        caller: format!("caller-{call:02}"),
        callee: format!("callee-{call:02}"),
        planned_ns,
        setup_ms: answered.map(|_| setup_ms),
        code: answered.map(|_| 200),
        reason: answered.is_none().then(|| "patience".into()),
        fate,
        gap_ms: vec![(Direction::ToCaller, 1621.0), (Direction::ToCallee, 1619.0)],
        bye_code: answered.map(|_| 200),
        answered_ns: answered,
        ended_ns: answered.map(|at| at + hold),
    }
}

fn chatter(pair: u32, end: &str, faults: &[FaultMeasured]) -> ChatterMeasured {
    let deaf = end == "b" && pair > 4;
    let back_ms = if end == "a" { 1_000 } else { 4_000 };
    let mut sessions = vec![];
    let mut since = START;
    for fault in faults.iter().take(if deaf { 1 } else { 2 }) {
        sessions.push((since, Some(fault.command_start_ns)));
        since = fault.command_start_ns + Span::from_millis(back_ms);
    }
    if !deaf {
        sessions.push((since, None));
    }
    ChatterMeasured { chatter: format!("chat-{pair:02}-{end}"), sessions, resumed: 0, attempts: 3, half_open: deaf }
}

fn messages(faults: &[FaultMeasured], rng: &mut SmallRng) -> Vec<MessageMeasured> {
    (0..480)
        .map(|message| {
            let planned_ns = START + Span::from_millis(message * 100);
            let pair = (message % 6) as u32 + 1;
            let since = |fault: &FaultMeasured| (planned_ns - fault.command_start_ns).as_millis_f64();
            let deaf = pair > 4 && since(&faults[0]) > 0.0;
            let away = faults.iter().any(|fault| (0.0..900.0).contains(&since(fault)));
            let fate = match (deaf, away) {
                (true, _) => MessageFate::AcknowledgedLost,
                (_, true) => MessageFate::Late,
                _ if message > 474 => MessageFate::Unknown,
                _ => MessageFate::DeliveredOnce,
            };
            let delivered = matches!(fate, MessageFate::Late | MessageFate::DeliveredOnce);
            let latency_ms = delivered.then(|| if away { 2_400.0 } else { rng.random_range(0.8..2.4) });
            MessageMeasured { message: message as u64, pair, planned_ns, latency_ms, fate }
        })
        .collect()
}

fn signalling() -> Vec<OpsMeasured> {
    let row = |kind, due, ok, failed| OpsMeasured {
        kind,
        due,
        ok,
        failed,
        unknown: 0,
        not_started: 0,
        retransmissions: 9,
        codes: BTreeMap::from([(200, ok)]),
        p50_ms: Some(2.4),
        p95_ms: Some(3.9),
        max_ms: Some(2_112.0),
    };
    vec![row(OpKind::Register, 480, 480, 0), row(OpKind::NewCall, 96, 94, 2), row(OpKind::Options, 4800, 4569, 231)]
}

fn qos() -> Vec<QosPeriod> {
    let row = |period: &str, expected, loss, delay: Option<f64>, mos: f64| QosPeriod {
        period: period.into(),
        streams: 24,
        expected,
        loss_percent: Some(loss),
        delay_ms_p50: delay.map(|ms| ms * 0.6),
        delay_ms_p95: delay,
        delay_error_ms: delay.map(|_| 0.02),
        jitter_ms_p95: delay.map(|ms| ms * 0.7),
        mos_median: Some(mos),
        mos_min: Some(mos - 0.02),
        mos_valid: period != "during",
        delay_ms_mean: delay.map(|ms| ms * 0.7),
        ipdv_ms: delay.map(|ms| ms * 3.0),
        jitter_ms_mean: delay.map(|ms| ms * 0.4),
        mos_refused: Vec::new(),
        dejitter: BUFFERS.map(|(name, ms, worse)| period_dejitter(period, name, ms, (mos - worse).max(1.0))).into(),
        categories: None,
    };
    let with_categories = |(period, gap_ms): (QosPeriod, f64)| {
        let categories = categories_of(&period, Some((gap_ms, 0.1)));
        QosPeriod { categories, ..period }
    };
    let periods = [
        (row("before", 12_240, 0.0, Some(0.3), 4.41), 20.0),
        (row("during", 2_880, 97.2, None, 1.02), 714.3),
        (row("after", 42_480, 0.0, Some(0.31), 4.41), 20.0),
    ];
    periods.into_iter().map(with_categories).collect()
}

fn period_dejitter(period: &str, name: &str, depth_ms: f64, mos: f64) -> PeriodDejitter {
    PeriodDejitter {
        dejitter: name.into(),
        chosen: name == "fixed50",
        model: MODEL.into(),
        scored: 24,
        discarded_percent: Some(0.0),
        nominal_delay_ms: (period != "during").then_some(depth_ms),
        r_median: Some(mos * 20.7),
        mos_median: Some(mos),
        mos_min: Some((mos - 0.02).max(1.0)),
        valid: period != "during",
    }
}

fn owners(faults: &[FaultMeasured]) -> Vec<OwnerInterval> {
    let mut since = RunTime::from_millis(300);
    let mut all = Vec::new();
    let mut push = |nodes: &[&str], start_ns, end_ns| {
        all.push(OwnerInterval {
            nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
            address: None,
            start_ns,
            end_ns,
            source: "cluster".into(),
        });
    };
    for (fault, node) in faults.iter().zip(NODES) {
        push(&[node], since, fault.command_start_ns);
        since = fault.command_start_ns + Span::from_secs_f64(fault.configured_ms.unwrap_or_default() / 1e3);
        push(&[], fault.command_start_ns, since);
    }
    push(&[NODES[2]], since, END);
    all
}

fn health() -> Health {
    Health {
        rtp_sent: 57_600,
        send_late_p50_ns: 61_000,
        send_late_p99_ns: 240_000,
        send_late_max_ns: 1_900_000,
        cpu_share: 0.21,
        ..Health::default()
    }
}
