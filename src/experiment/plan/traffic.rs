//! Each kind of traffic, laid on the time axis.

use rand::RngExt;
use rand::rngs::StdRng;

use super::{Intent, Part, Plan, PlannedCall, PlannedEncoding, PlannedPair, PlannedPhone, PlannedVideo, Wish, idle};
use crate::scenario::{Chat, Codec, NewCalls, Registrations, Scenario, Traffic, VideoCalls, VideoPacing};
use crate::units::Span;

/// The first registrations and the standing calls are spread before the window like this.
const SETUP_STEP: Span = Span::from_millis(7);
/// Distance of two standing calls' INVITEs: no multiple of a packet interval, so that media are staggered.
const CALL_STEP: Span = Span::from_millis(53);
/// A call may be in the way of its phones for this long beyond patience and hold (BYE, answers under way).
const CALL_SLACK: Span = Span::from_secs(2);

pub(super) fn add(plan: &mut Plan, scenario: &Scenario, rng: &mut StdRng) {
    let traffic = &scenario.traffic;
    standing_calls(plan, traffic);
    if let Some(calls) = &traffic.new_calls {
        new_calls(plan, scenario, calls.get_ref(), rng);
    }
    if let Some(registrations) = &traffic.registrations {
        registrations_again(plan, registrations, rng);
    }
    if let Some(phones) = &traffic.idle_phones {
        idle::add(plan, scenario, phones.get_ref(), rng);
    }
    first_registrations(plan);
    if let Some(options) = &traffic.options {
        repeat(plan, rng, options.interval.get_ref().0, |_| Wish::Options);
    }
    if let Some(chat) = &traffic.chat {
        chat_pairs(plan, chat, rng);
    }
    faults(plan, scenario, rng);
}

fn add_phone(plan: &mut Plan, tcp: bool) -> usize {
    let number = plan.phones.len();
    let (name, user) = (format!("phone-{number:02}"), format!("{}", 1001 + number));
    plan.phones.push(PlannedPhone { name, user, tcp, part: Part::User });
    number
}

/// Whether the `index`th of `count` belongs to a share that is spread evenly.
fn in_share(index: u32, share: f64) -> bool {
    let upto = |count: f64| (count * share).floor();
    upto(f64::from(index) + 1.0) > upto(f64::from(index))
}

fn codec(codecs: &[Codec], index: u32) -> String {
    let at = index as usize % codecs.len().max(1);
    codecs.get(at).copied().unwrap_or(Codec::Pcma).sdp_name().to_owned()
}

fn standing_calls(plan: &mut Plan, traffic: &Traffic) {
    let voice = traffic.standing_calls.iter().flat_map(|calls| {
        (0..calls.count).map(|index| Standing {
            tcp: in_share(index, *calls.tcp_share.get_ref()),
            codec: codec(&calls.codecs, index),
            ptime: calls.ptime.get_ref().0,
            video: None,
        })
    });
    let video = traffic.video_calls.iter().flat_map(|calls| {
        (0..calls.count).map(|index| Standing {
            tcp: in_share(index, *calls.tcp_share.get_ref()),
            codec: codec(&calls.codecs, index),
            ptime: calls.ptime.get_ref().0,
            video: Some(video(calls)),
        })
    });
    let all: Vec<Standing> = voice.chain(video).collect();
    let count = all.len() as i64;
    for (index, standing) in (0i64..).zip(all) {
        let (caller, callee) = (add_phone(plan, standing.tcp), add_phone(plan, standing.tcp));
        let call = PlannedCall {
            call: index.unsigned_abs() + 1,
            caller,
            callee,
            codec: standing.codec,
            ptime_ns: standing.ptime,
            hold_ns: None,
            patience_ns: Span::from_secs(8),
            video: standing.video,
            question: None,
        };
        let before = Span(CALL_STEP.as_nanos() * (count - index));
        plan.intents.push(Intent { at_ns: -before, wish: Wish::Call(call) });
    }
}

/// A call that stands through the window.
struct Standing {
    tcp: bool,
    codec: String,
    ptime: Span,
    video: Option<PlannedVideo>,
}

fn video(calls: &VideoCalls) -> PlannedVideo {
    let encoding = calls.encoding().map(|encoding| PlannedEncoding {
        width: encoding.resolution.width,
        height: encoding.resolution.height,
        frame_rate: encoding.frame_rate,
        bitrate_kbps: encoding.bitrate_kbps,
    });
    PlannedVideo {
        encoding,
        codec: calls.codec.sdp_name().to_owned(),
        height: calls.picture.get_ref().height(),
        packetization_mode: *calls.packetization_mode.get_ref(),
        smoothed: calls.pacing == VideoPacing::Smoothed,
        key_interval_ns: calls.key_interval.get_ref().0,
        request_interval_ns: Some(calls.key_frame_requests.0).filter(|interval| *interval > Span::ZERO),
    }
}

fn new_calls(plan: &mut Plan, scenario: &Scenario, calls: &NewCalls, rng: &mut StdRng) {
    let interval = Span::from_secs_f64(1.0 / calls.rate_per_s);
    let busy = calls.patience.0 + calls.hold.0 + CALL_SLACK;
    let pairs = busy.as_nanos() / interval.as_nanos().max(1) + 1;
    let phones: Vec<(usize, usize)> = (0..pairs).map(|_| (add_phone(plan, false), add_phone(plan, false))).collect();
    if let Some(choice) = &calls.phone {
        let hand = choice.get_ref().deal(u32::try_from(phones.len()).unwrap_or(u32::MAX));
        for ((caller, callee), profile) in phones.iter().zip(hand) {
            idle::profile(plan, scenario, profile, None);
            plan.phones[*caller].part = Part::Profiled(profile.to_owned());
            plan.phones[*callee].part = Part::Profiled(profile.to_owned());
        }
    }
    let first = plan.intents.len() as u64 + 1;
    if let Some(interval) = &calls.register_interval {
        for phone in phones.iter().flat_map(|(caller, callee)| [*caller, *callee]) {
            let wish = Wish::Register { phone, patience_ns: calls.patience.0 };
            repeat(plan, rng, interval.get_ref().0, |_| wish.clone());
        }
    }
    let calls = calls.clone();
    repeat(plan, rng, interval, |index| {
        let (caller, callee) = phones[index as usize % phones.len()];
        Wish::Call(PlannedCall {
            call: first + u64::from(index),
            caller,
            callee,
            codec: codec(&calls.codecs, index),
            ptime_ns: calls.ptime.0,
            hold_ns: Some(calls.hold.0),
            patience_ns: calls.patience.0,
            video: None,
            question: None,
        })
    });
}

fn registrations_again(plan: &mut Plan, registrations: &Registrations, rng: &mut StdRng) {
    for index in 0..registrations.phones {
        let phone = add_phone(plan, in_share(index, *registrations.tcp_share.get_ref()));
        let wish = Wish::Register { phone, patience_ns: registrations.patience.0 };
        repeat(plan, rng, registrations.interval.get_ref().0, |_| wish.clone());
    }
}

/// Every phone registers before the calls are placed; callees could not be found otherwise.
fn first_registrations(plan: &mut Plan) {
    let calls_start = plan.intents.iter().map(|intent| intent.at_ns).min().unwrap_or(Span::ZERO).min(Span::ZERO);
    let start = calls_start - Span::from_secs(1) - Span(SETUP_STEP.as_nanos() * plan.phones.len() as i64);
    for phone in 0..plan.phones.len() {
        let at_ns = start + Span(SETUP_STEP.as_nanos() * phone as i64);
        plan.intents.push(Intent { at_ns, wish: Wish::Register { phone, patience_ns: Span::from_secs(8) } });
    }
}

/// A wish at a random phase and then each `interval` through the window.
pub(super) fn repeat(plan: &mut Plan, rng: &mut StdRng, interval: Span, mut wish: impl FnMut(u32) -> Wish) {
    let mut at_ns = Span(rng.random_range(0..interval.as_nanos().max(1)));
    let mut index = 0;
    while at_ns < plan.window_ns {
        plan.intents.push(Intent { at_ns, wish: wish(index) });
        at_ns = at_ns + interval;
        index += 1;
    }
}

fn chat_pairs(plan: &mut Plan, chat: &Chat, rng: &mut StdRng) {
    let interval = Span::from_secs_f64(f64::from(chat.pairs.max(1)) / chat.messages_per_s.get_ref());
    let mut message = 0;
    for pair in 0..chat.pairs {
        let name = |side: &str| format!("chat{pair:02}{side}");
        plan.pairs.push(PlannedPair { pair, sender: name("a"), receiver: name("b") });
        repeat(plan, rng, interval, |seq| {
            message += 1;
            Wish::Message { message, pair, seq }
        });
    }
}

fn faults(plan: &mut Plan, scenario: &Scenario, rng: &mut StdRng) {
    let jitter = scenario.phase_jitter.0.as_nanos();
    let timer = scenario.timer().filter(|interval| *interval > Span::ZERO);
    for (fault, spec) in scenario.faults.iter().enumerate() {
        let (at, heal_at) = spec.get_ref().times();
        let phase_ns = timer.map(|interval| Span(rng.random_range(0..interval.as_nanos())));
        let moved = if jitter > 0 { Span(rng.random_range(0..jitter)) } else { Span::ZERO };
        plan.intents.push(Intent { at_ns: at + moved, wish: Wish::Inject { fault, phase_ns } });
        if let Some(heal_at) = heal_at {
            let latest = jitter.min(room(plan.window_ns, scenario, heal_at).as_nanos());
            let moved = if latest > 0 { Span(rng.random_range(0..latest)) } else { Span::ZERO };
            plan.intents.push(Intent { at_ns: heal_at + moved, wish: Wish::Heal { fault } });
        }
    }
}

/// How much later a heal may come: before the next fault is due, and before the window ends.
fn room(window: Span, scenario: &Scenario, heal_at: Span) -> Span {
    let faults = scenario.faults.iter().map(|spec| spec.get_ref().times().0).filter(|at| *at >= heal_at);
    faults.chain([window]).min().unwrap_or(window) - heal_at
}
