//! One trial: traffic until it is steady, the measured window with its faults, and everything put away.

mod readiness;
mod stages;

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
use crate::evidence::fitness;
use crate::evidence::history::{self, Health, TrialStage, What};
use crate::evidence::rundir::TrialDir;
use crate::experiment::agent::chat::Planned;
use crate::experiment::capture::packet::{self, PacketCapture};
use crate::experiment::capture::taps::Writer;
use crate::experiment::cluster::{Cluster, Endpoints};
use crate::experiment::fault::Injector;
use crate::experiment::plan::{Intent, Plan, Wish};
use crate::scenario::{Chat, Scenario};
use crate::units::{RunTime, Span};
use stages::{Reached, Stages};

/// How often the driver looks around.
const STEP: Span = Span::from_millis(20);
const CLOCK_SAMPLES: Span = Span::from_secs(1);

/// How a trial ended.
#[derive(Debug, Default)]
pub struct TrialEnd {
    /// Cut short by Ctrl-C or SIGTERM; the evidence up to there is whole.
    pub interrupted: bool,
    /// Why it is void, by the same rule as the measurement's ([`fitness`]); empty: it counts.
    pub void: Vec<String>,
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

/// Runs one trial on a cluster that is up: traffic until it is steady, warm-up, the window with its faults, heal,
/// cool-down.
///
/// # Errors
/// When evidence cannot be written, a socket cannot be had or a fault cannot be injected. Faults are healed all the
/// same.
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
    let mut injector = Injector::new(cluster, traffic.recorder.clone(), plan.seed);
    let mut stages = Stages { scenario, plan, traffic: &mut traffic, interrupt, ears };
    let outcome = stages.settle(&mut injector).and_then(|settled| match settled {
        Reached::End => stages.window(&mut injector),
        early => Ok(early),
    });
    let unhealed = injector.heal_all();
    if unhealed.is_empty() && matches!(outcome, Ok(Reached::End)) {
        stages.cool_down(&mut injector);
    }
    drop(injector);
    finish(traffic, dir)?;
    let void = read_back(dir, scenario).map_err(|error| RunError::evidence(dir.path(), error))?;
    Ok(TrialEnd { interrupted: outcome? == Reached::Interrupted, void, unhealed })
}

/// Judges the trial by what it left behind, as the measurement will.
fn read_back(dir: &TrialDir, scenario: &Scenario) -> io::Result<Vec<String>> {
    let (mut events, _unreadable) = history::read(io::BufReader::new(std::fs::File::open(dir.history())?))?;
    events.sort_by_key(|event| event.t_ns);
    Ok(fitness::complaints(&events, scenario).into_iter().map(|complaint| complaint.text).collect())
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
    let phones = PhoneDriver::start(endpoints.clone(), plan, Arc::clone(&media), recorder.clone()).map_err(socket)?;
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
        passwords: endpoints.passwords,
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
    /// When the cluster's timer ticked last, as a capture saw it.
    fn last_tick(&self) -> Option<RunTime> {
        let clock = self.recorder.clock();
        self.captures.iter().filter_map(PacketCapture::last_beat).max().map(|unix_ns| clock.from_wall(unix_ns))
    }

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
    let head = serde_json::json!({ "seed": plan.seed, "window_ns": plan.window_ns, "phones": plan.phones, "profiles": plan.profiles, "pairs": plan.pairs });
    writeln!(out, "{head}")?;
    for intent in &plan.intents {
        serde_json::to_writer(&mut out, intent)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
