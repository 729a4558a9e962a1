//! One trial: traffic until it is steady, the measured window with its faults, and everything put away.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::clock::Clock;
use super::interrupt::Interrupt;
use super::machine;
use super::media::MediaEngine;
use super::phones::PhoneDriver;
use super::recorder::Recorder;
use super::xmpp::{ChatConfig, ChatDriver, ChatPlan, PairPlan};
use super::{Ears, RunError};
use crate::evidence::history::{Health, TrialStage, What};
use crate::evidence::rundir::TrialDir;
use crate::experiment::agent::chat::Planned;
use crate::experiment::capture::packet::{self, PacketCapture};
use crate::experiment::capture::taps::Writer;
use crate::experiment::cluster::{Cluster, Endpoints};
use crate::experiment::fault::Injector;
use crate::experiment::plan::{Intent, Plan, Wish};
use crate::scenario::{Chat, Scenario};
use crate::units::{RunTime, Span};

/// Traffic that is not steady by then never will be.
const STEADY_TIMEOUT: Span = Span::from_secs(20);
/// From "everything is up" to the start of the window.
const CALM: Span = Span::from_millis(300);
/// How long hanging up and the last deliveries may take after the window.
const ENDING: Span = Span::from_secs(4);
const STEP: Span = Span::from_millis(20);
const CLOCK_SAMPLES: Span = Span::from_secs(1);

/// How a trial ended.
#[derive(Debug, Default)]
pub struct TrialEnd {
    /// Cut short by Ctrl-C or SIGTERM; the evidence up to there is whole.
    pub interrupted: bool,
    /// What could not be healed, in words.
    pub unhealed: Vec<String>,
}

/// Everything that is under way in a trial.
struct Traffic {
    recorder: Recorder,
    writer: Writer,
    captures: Vec<PacketCapture>,
    media: Arc<MediaEngine>,
    phones: PhoneDriver,
    chat: Option<ChatDriver>,
    started: RunTime,
    cpu_before: f64,
    next_sample: RunTime,
}

/// Runs one trial on a cluster that is up.
///
/// # Errors
/// When evidence cannot be written, a socket cannot be had or the traffic never becomes steady. Faults are
/// healed all the same.
pub fn run(
    scenario: &Scenario,
    plan: &Plan,
    cluster: &mut dyn Cluster,
    dir: &TrialDir,
    interrupt: &mut Interrupt,
    ears: &mut dyn Ears,
) -> Result<TrialEnd, RunError> {
    let clock = Clock::start();
    let (recorder, records) = Recorder::new(clock);
    let writer = Writer::start(records, clock, dir).map_err(|error| RunError::evidence(dir.path(), error))?;
    cluster.observe(&recorder);
    recorder.record(What::Stage { stage: TrialStage::ClusterHealthy });
    let captures = start_captures(cluster, dir, &recorder);
    let mut traffic = start_traffic(scenario, plan, cluster, recorder, writer, captures)?;
    let mut injector = Injector::new(cluster, traffic.recorder.clone());
    let steady = settle(plan, &mut traffic, interrupt, ears);
    let outcome = match &steady {
        Ok(true) => window(scenario, plan, &mut traffic, &mut injector, interrupt, ears),
        Ok(false) => Ok(true),
        Err(_) => Ok(false),
    };
    let unhealed = injector.heal_all();
    drop(injector);
    finish(traffic, dir)?;
    steady?;
    Ok(TrialEnd { interrupted: outcome?, unhealed })
}

fn start_captures(cluster: &dyn Cluster, dir: &TrialDir, recorder: &Recorder) -> Vec<PacketCapture> {
    let mut captures = Vec::new();
    for point in cluster.capture_points() {
        let file = dir.captures().join(format!("{}.pcapng", point.name));
        match packet::start(&point, &file) {
            Ok(capture) => captures.push(capture),
            Err(error) => recorder.record(What::Caveat {
                text: format!("no capture at {}: {error}", point.name),
                remedy: "run as root, or give the program CAP_NET_RAW and CAP_SYS_ADMIN".into(),
            }),
        }
    }
    captures
}

fn start_traffic(
    scenario: &Scenario,
    plan: &Plan,
    cluster: &dyn Cluster,
    recorder: Recorder,
    writer: Writer,
    captures: Vec<PacketCapture>,
) -> Result<Traffic, RunError> {
    let endpoints = cluster.endpoints();
    let socket = |error: io::Error| RunError::Sockets(error.to_string());
    let media = Arc::new(MediaEngine::start(recorder.clone()).map_err(socket)?);
    let phones =
        PhoneDriver::start(endpoints.clone(), plan.phones.clone(), plan.seed, Arc::clone(&media), recorder.clone())
            .map_err(socket)?;
    let chat = match &scenario.traffic.chat {
        Some(chat) => {
            Some(ChatDriver::start(chat_config(chat, endpoints), chat_plan(plan), recorder.clone()).map_err(socket)?)
        }
        None => None,
    };
    let now = recorder.clock().now();
    let cpu_before = machine::cpu_seconds();
    Ok(Traffic { recorder, writer, captures, media, phones, chat, started: now, cpu_before, next_sample: now })
}

fn chat_config(chat: &Chat, endpoints: Endpoints) -> ChatConfig {
    ChatConfig {
        server: endpoints.xmpp,
        domain: endpoints.domain,
        ca_pem: endpoints.ca_pem,
        password_prefix: endpoints.password_prefix,
        client: endpoints.client,
        netns: endpoints.client_netns,
        ping_interval: chat.ping_interval.0,
        receiver_ping_interval: chat.receiver_ping_interval.0,
        ping_timeout: chat.ping_timeout.0,
        reconnect: chat.reconnect.0,
        stream_management: chat.stream_management,
    }
}

fn chat_plan(plan: &Plan) -> ChatPlan {
    let messages = |wanted: u32| {
        let ours = move |intent: &Intent| match intent.wish {
            Wish::Message { message, pair, seq } if pair == wanted => {
                Some(Planned { message, seq, after: intent.at_ns })
            }
            _ => None,
        };
        plan.intents.iter().filter_map(ours).collect()
    };
    let pairs = plan.pairs.iter().map(|pair| PairPlan {
        pair: pair.pair,
        sender: pair.sender.clone(),
        receiver: pair.receiver.clone(),
        messages: messages(pair.pair),
    });
    ChatPlan { pairs: pairs.collect() }
}

/// Waits until everybody is registered, every standing call talks both ways and every chatter is logged in.
/// False when interrupted.
fn settle(
    plan: &Plan,
    traffic: &mut Traffic,
    interrupt: &mut Interrupt,
    ears: &mut dyn Ears,
) -> Result<bool, RunError> {
    let before: Vec<Intent> = plan.intents.iter().filter(|intent| intent.at_ns < Span::ZERO).cloned().collect();
    let calls =
        || before.iter().filter_map(|intent| if let Wish::Call(call) = &intent.wish { Some(call) } else { None });
    let standing = calls().count();
    let ends = 2 * (standing + calls().filter(|call| call.video.is_some()).count());
    let lead = before.first().map_or(Span::ZERO, |intent| -intent.at_ns);
    let clock = traffic.recorder.clock();
    let zero = clock.now() + lead;
    traffic.phones.schedule(zero, &before);
    let deadline = zero + STEADY_TIMEOUT;
    let mut all_registered = false;
    loop {
        traffic.sample();
        let registered = traffic.phones.progress().registered();
        if registered == plan.phones.len() && !std::mem::replace(&mut all_registered, true) {
            traffic.recorder.record(What::Stage { stage: TrialStage::Registered });
        }
        let talking = traffic.phones.progress().talking();
        let hearing = traffic.media.hearing(Span::from_millis(200));
        let chatting = traffic.chat.as_ref().is_none_or(ChatDriver::all_up);
        ears.settling(registered, plan.phones.len(), talking, standing);
        if all_registered && talking == standing && hearing == ends && chatting {
            return Ok(true);
        }
        if interrupt.seen() {
            return Ok(false);
        }
        if clock.now() > deadline {
            return Err(RunError::NotSteady(format!(
                "after {STEADY_TIMEOUT}: {registered} of {} phones registered, {talking} of {standing} calls up, media \
                 heard at {hearing} of {} ends, chatters {}",
                plan.phones.len(),
                ends,
                if chatting { "logged in" } else { "not all logged in" }
            )));
        }
        clock.sleep(STEP);
    }
}

/// The measured window; true when interrupted.
fn window(
    scenario: &Scenario,
    plan: &Plan,
    traffic: &mut Traffic,
    injector: &mut Injector<'_>,
    interrupt: &mut Interrupt,
    ears: &mut dyn Ears,
) -> Result<bool, RunError> {
    let clock = traffic.recorder.clock();
    let zero = clock.now() + CALM;
    let inside: Vec<Intent> = plan.intents.iter().filter(|intent| intent.at_ns >= Span::ZERO).cloned().collect();
    traffic.phones.schedule(zero, &inside);
    if let Some(chat) = &traffic.chat {
        chat.begin(zero);
    }
    traffic.recorder.record_at(zero, What::Stage { stage: TrialStage::Steady });
    let end = zero + plan.window_ns;
    let breaking = |intent: &Intent| matches!(intent.wish, Wish::Inject { .. } | Wish::Heal { .. });
    let mut due = inside.into_iter().filter(breaking).peekable();
    let mut interrupted = false;
    while clock.now() < end && !interrupted {
        let next = due.peek().map_or(end, |intent| zero + intent.at_ns);
        if next <= clock.now() {
            if let Some(intent) = due.next() {
                disturb(scenario, &intent.wish, injector, traffic, ears)?;
            }
            continue;
        }
        traffic.sample();
        ears.running(clock.now() - zero, plan.window_ns, traffic.phones.progress().talking());
        clock.sleep_until(next.min(clock.now() + STEP));
        interrupted = interrupt.seen();
    }
    // A window that was cut short has no end: what it shows is void, and the measurement says so.
    if !interrupted {
        traffic.recorder.record(What::Stage { stage: TrialStage::WindowEnd });
    }
    wind_down(traffic);
    Ok(interrupted)
}

fn disturb(
    scenario: &Scenario,
    wish: &Wish,
    injector: &mut Injector<'_>,
    traffic: &Traffic,
    ears: &mut dyn Ears,
) -> Result<(), RunError> {
    match wish {
        Wish::Inject { fault } => {
            let Some(spec) = scenario.faults.get(*fault) else { return Ok(()) };
            let node = injector.inject(*fault, spec.get_ref()).map_err(RunError::Cluster)?;
            let told = format!("{} of {node}", spec.get_ref().kind());
            traffic.captures.iter().for_each(|capture| capture.mark(format!("fault {fault}: {told}")));
            ears.broken(&told);
        }
        Wish::Heal { fault } => match injector.heal(*fault) {
            Ok(()) => ears.broken(&format!("fault {fault} healed")),
            Err(error) => ears.broken(&format!("fault {fault} could not be healed: {error}")),
        },
        _ => {}
    }
    Ok(())
}

/// Hangs up and lets the last answers and deliveries come.
fn wind_down(traffic: &mut Traffic) {
    let clock = traffic.recorder.clock();
    let deadline = clock.now() + ENDING;
    let least = clock.now() + Span::from_secs(1);
    traffic.phones.end_calls();
    while clock.now() < deadline && (clock.now() < least || traffic.phones.progress().talking() > 0) {
        traffic.sample();
        clock.sleep(STEP);
    }
}

fn finish(traffic: Traffic, dir: &TrialDir) -> Result<(), RunError> {
    let Traffic { recorder, writer, captures, media, phones, chat, started, cpu_before, .. } = traffic;
    let mut health = Health::default();
    if let Some(chat) = chat {
        chat.stop();
    }
    phones.finish(&mut health);
    if let Ok(media) = Arc::try_unwrap(media) {
        media.finish(&mut health);
    }
    for capture in captures {
        match capture.stop() {
            Ok(stats) => health.capture_drops += stats.drops,
            Err(error) => recorder.record(What::Caveat {
                text: format!("a capture broke off: {error}"),
                remedy: "make room on the disk; what was captured before is whole".into(),
            }),
        }
    }
    let elapsed = recorder.clock().now() - started;
    let cpu = machine::cpu_seconds() - cpu_before;
    health.cpu_share = cpu / elapsed.as_secs_f64().max(1e-3);
    recorder.record(What::Health(health));
    recorder.record(What::Stage { stage: TrialStage::Finished });
    writer.finish().map_err(|error| RunError::evidence(dir.path(), error)).map(|_| ())
}

impl Traffic {
    /// Records the map between run clock and wall clock, once a second.
    fn sample(&mut self) {
        let clock = self.recorder.clock();
        let now = clock.now();
        if now >= self.next_sample {
            self.next_sample = now + CLOCK_SAMPLES;
            self.recorder.record_at(now, What::Clock { wall_unix_ns: clock.wall_now() });
        }
    }
}

/// Writes the plan as one JSON object a line.
///
/// # Errors
/// When the disk does not take it.
pub fn write_plan(plan: &Plan, path: &Path) -> io::Result<()> {
    use std::io::Write;
    let mut out = io::BufWriter::new(std::fs::File::create(path)?);
    let head = serde_json::json!({ "seed": plan.seed, "window_ns": plan.window_ns, "phones": plan.phones, "pairs": plan.pairs });
    writeln!(out, "{head}")?;
    for intent in &plan.intents {
        serde_json::to_writer(&mut out, intent)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
