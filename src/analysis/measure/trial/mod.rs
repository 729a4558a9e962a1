//! Measuring a trial of our own from its directory alone.

mod attempts;
mod calls;
mod caveats;
mod chat;
mod clock;
mod evidence;
mod faults;
mod findings;
mod idle;
mod media;
mod owners;
mod phases;
mod presence;
mod qos;
mod score;
mod services;
mod signalling;
mod takeover;
mod video;
mod video_taps;

use std::collections::BTreeSet;

use self::chat::Chat;
use self::evidence::Evidence;
use self::faults::Faults;
use self::findings::Seen;
use self::idle::Idle;
use self::media::OwnStream;
use self::score::Heard;
use self::services::Services;
use self::video::OwnVideo;
use super::model::{Measured, Outage, ServiceUsers, VideoMeasured, Window};
use super::{MeasureError, SCHEMA};
use crate::evidence::history::{Direction, Health, What};
use crate::evidence::rundir::TrialDir;
use crate::scenario::Scenario;
use crate::units::{RunTime, Span};

/// Services in the order in which a cluster gives them back.
const SERVICES: [&str; 12] = [
    "address",
    "sip_answer",
    "register",
    "new_call",
    "idle_registered",
    "idle_can_call",
    "idle_can_be_called",
    "media",
    "video",
    "picture",
    "chat_session",
    "chat_delivery",
];

/// Measures one trial. The same directory and scenario give the same figures, byte for byte.
///
/// # Errors
/// When the history or a capture cannot be read at all. What is missing or broken inside them is told in
/// `anomalies` and `caveats`.
pub fn measure_trial(trial: &TrialDir, scenario: &Scenario) -> Result<Measured, MeasureError> {
    let evidence = Evidence::read(trial)?;
    let (window, owners) = (evidence.window, owners::owners(&evidence));
    let mut faults = Faults::of(&evidence.events, scenario, window.end_ns);
    faults.name_successors(&owners, window.end_ns);
    faults.note_phases(&evidence);
    let (validate, probes) = (scenario.validate.0, scenario.traffic.options.as_ref());
    let probe_interval = probes.map(|train| train.interval.as_ref().0);
    let operations = services::operations(&evidence.events);
    let streams = media::streams(&evidence, &operations, validate);
    let idle = Idle::of(scenario, &operations, &faults, window);
    let services = Services { operations: &operations, faults: &faults, window, validate, probe_interval, idle };
    let chat = Chat::of(&evidence.events);
    let frame = chat_frame(scenario, &faults, window);

    let mut outages = owners::outages(&evidence, &faults);
    outages.extend(services.outages());
    outages.extend(streams.iter().flat_map(|stream| stream.outages(&faults)));
    let videos = video::videos(&evidence, &operations, validate);
    outages.extend(videos.iter().flat_map(|video| video.outages(&faults)));
    outages.extend(chat.outages(frame));
    // `call 9` comes before `call 10`.
    outages.sort_by_key(|o| (rank(o), o.scope.len(), o.scope.clone(), o.start_ns, o.direction));
    let mut users = owners::users(&evidence, &faults);
    users.extend(services.users());
    users.extend(listeners_and_viewers(&streams, &videos, &faults, window));
    users.extend(chat.users(frame));

    let mut caveats = evidence.caveats.clone();
    caveats.extend(services.thin(&outages));
    caveats.extend(caveats::of(&evidence, scenario));
    let (chatters, messages) = (chat.chatters(frame), chat.fates(frame));
    phases::fill(&mut faults, &evidence, &operations, &outages);
    takeover::fill(&mut faults, &evidence, &outages);
    let calls = calls::calls(&evidence.events, &operations, (&streams, &videos), window);
    let seen = Seen {
        evidence: &evidence,
        chat: &chat,
        faults: &faults,
        operations: &operations,
        owners: &owners,
        calls: &calls,
        messages: &messages,
    };
    let findings = seen.findings();
    let heard: Vec<Heard<'_>> =
        streams.iter().map(|stream| Heard::of(stream, scenario.dejitter, evidence.clock_error)).collect();
    let qos = qos::periods(&heard, &faults, &outages, window, evidence.clock_error);
    let watched = videos.iter().map(|video| video.measured(&faults, &streams, evidence.clock_error));
    let watched: Vec<VideoMeasured> = watched.collect();
    caveats.extend(video::caveats(&watched));
    Ok(Measured {
        schema: SCHEMA.to_owned(),
        window: Some(window),
        streams: heard.iter().map(|heard| heard.measured(window, &faults)).collect(),
        faults: faults.list,
        outages,
        users,
        videos: watched,
        calls,
        chatters,
        messages,
        signalling: signalling::summaries(&operations, window),
        sip: signalling::sip(&operations, window),
        qos,
        owners,
        findings,
        health: health(&evidence),
        anomalies: evidence.anomalies,
        caveats,
        ..Measured::default()
    })
}

fn chat_frame<'a>(scenario: &Scenario, faults: &'a Faults, window: Window) -> chat::Frame<'a> {
    let chat = scenario.traffic.chat.as_ref();
    let (late_after, reconnect) = chat.map_or((Span::from_secs(2), Span::ZERO), |c| (c.late_after.0, c.reconnect.0));
    chat::Frame { faults, window, validate: scenario.validate.0, late_after, reconnect }
}

fn rank(outage: &Outage) -> usize {
    SERVICES.iter().position(|service| *service == outage.service).unwrap_or(SERVICES.len())
}

/// The times for which users are counted: from each fault to the next, or the whole window without faults.
fn spans(faults: &Faults, window: Window) -> Vec<(Option<usize>, RunTime, RunTime)> {
    if faults.list.is_empty() {
        return vec![(None, window.start_ns, window.end_ns)];
    }
    faults.spans(window.end_ns).into_iter().map(|(fault, start, end)| (Some(fault), start, end)).collect()
}

fn service_users(service: &str, fault: Option<usize>, users: BTreeSet<String>) -> Option<ServiceUsers> {
    (!users.is_empty()).then(|| ServiceUsers {
        service: service.to_owned(),
        direction: None,
        role: None,
        fault,
        users: users.into_iter().collect(),
    })
}

/// Call and direction of a stream, and when its media was due.
type Viewer = (u64, Direction, RunTime, RunTime);

/// Who listened and who looked.
fn listeners_and_viewers(
    streams: &[OwnStream],
    videos: &[OwnVideo],
    faults: &Faults,
    window: Window,
) -> Vec<ServiceUsers> {
    let listeners = streams.iter().map(|stream| (stream.call, stream.direction, stream.start, stream.end));
    let mut users = media_users("media", &listeners.collect::<Vec<_>>(), faults, window);
    let viewers: Vec<Viewer> = videos.iter().map(OwnVideo::viewer).collect();
    users.extend(["video", "picture"].iter().flat_map(|service| media_users(service, &viewers, faults, window)));
    users
}

/// The listeners whose media was due at the instant of each fault.
fn media_users(service: &str, streams: &[Viewer], faults: &Faults, window: Window) -> Vec<ServiceUsers> {
    let mut all = Vec::new();
    for (fault, start, end) in spans(faults, window) {
        for direction in [Direction::ToCallee, Direction::ToCaller] {
            let of = streams.iter().filter(|(_, of, ..)| *of == direction);
            let due = of.filter(|(_, _, from, to)| match fault {
                Some(_) => *from <= start && *to > start,
                None => *from < end,
            });
            let calls: BTreeSet<u64> = due.map(|(call, ..)| *call).collect();
            if !calls.is_empty() {
                all.push(ServiceUsers {
                    service: service.to_owned(),
                    direction: Some(direction),
                    role: None,
                    fault,
                    users: calls.iter().map(|call| format!("call {call}")).collect(),
                });
            }
        }
    }
    all
}

fn health(evidence: &Evidence) -> Option<Health> {
    evidence.events.iter().rev().find_map(|event| match &event.what {
        What::Health(health) => Some(health.clone()),
        _ => None,
    })
}

#[cfg(test)]
mod engine_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod video_kinds_tests;
#[cfg(test)]
mod video_tests;
#[cfg(test)]
mod world;
