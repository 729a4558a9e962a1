//! Calls of a capture and their outages: what each listener missed, and what became of the call.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::dialogs::{Call, Dialogs, Leg};
use super::due;
use super::filter::Filter;
use super::transactions::Transactions;
use super::video::Video;
use super::voice::{Context, Voice, never_heard};
use crate::analysis::measure::MeasureError;
use crate::analysis::measure::model::{CallFate, CallMeasured, Caveat, Measured, Outage, StreamMeasured};
use crate::analysis::measure::silence::Silence;
use crate::analysis::measure::video::PictureEnd;
use crate::evidence::history::Direction;

/// A gap below this is a glitch.
const GLITCH_MS: f64 = 200.0;

/// What is known of one listener.
#[derive(Default)]
struct Listener<'a> {
    silences: Vec<&'a Silence>,
    gap_ms: Option<f64>,
}

type Listeners<'a> = BTreeMap<Direction, Listener<'a>>;

/// Silences of directions of which not one packet was seen while the other direction was.
pub(super) type Unheard = Vec<(Leg, Silence)>;

/// Looks for them. A call of which no media was seen at all, as in a capture of signalling alone, is not judged.
pub(super) fn unheard(voices: &[Voice], context: &Context<'_>) -> Unheard {
    let legs: BTreeSet<Leg> = voices.iter().filter_map(|voice| voice.leg).collect();
    let mut found: Unheard = Vec::new();
    for leg in &legs {
        let other = Leg { direction: opposite(leg.direction), ..*leg };
        if legs.contains(&other) {
            continue;
        }
        if let Some(call) = context.dialogs.call(other.call) {
            let stretches = due::stretches(call, other.direction, context.from, context.end);
            found.extend(never_heard(&stretches).into_iter().map(|silence| (other, silence)));
        }
    }
    found
}

fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::ToCallee => Direction::ToCaller,
        Direction::ToCaller => Direction::ToCallee,
    }
}

/// A direction without a packet may also be one that does not pass the place of capture.
pub(super) fn caveat(unheard: &Unheard) -> Option<Caveat> {
    let mut calls: Vec<usize> = unheard.iter().map(|(leg, _)| leg.call).collect();
    calls.dedup();
    let first = calls.first()?;
    let which = match calls.len() {
        1 => format!("call {first} has"),
        n => format!("{n} calls (the first is call {first}) have"),
    };
    Some(Caveat {
        text: format!(
            "{which} media in one direction only: either nobody sent the other, or it does not pass the place of capture"
        ),
        remedy: "capture at the listener, or on every path that media may take".to_owned(),
        voids: false,
    })
}

/// Leaves what a filter wants: streams, and the calls that have such a stream or are wanted by themselves. The picture
/// of a call that is shown is shown too.
pub(super) fn narrow(
    measured: &mut Measured,
    (voices, videos): (&mut Vec<Voice>, &mut Vec<Video>),
    unheard: &mut Unheard,
    wanted: &Wanted<'_>,
) {
    voices.retain(|voice| wanted.stream(&voice.figures, voice.leg));
    let is_wanted = |video: &Video| wanted.stream(&named(video), video.leg);
    let of_videos = videos.iter().filter(|video| is_wanted(video)).filter_map(|video| video.leg);
    let legs = voices.iter().filter_map(|voice| voice.leg).chain(of_videos);
    let has_stream: BTreeSet<usize> = legs.map(|leg| leg.call).collect();
    let call = |number: usize| has_stream.contains(&number) || wanted.call(number);
    videos.retain(|video| is_wanted(video) || video.leg.is_some_and(|leg| call(leg.call)));
    unheard.retain(|(leg, _)| call(leg.call));
    measured.calls.retain(|of| usize::try_from(of.call).is_ok_and(call));
}

/// What a filter looks at of a video stream.
fn named(video: &Video) -> StreamMeasured {
    let of = &video.figures;
    let (src, dst) = (of.src.clone(), of.dst.clone());
    StreamMeasured { ssrc: of.ssrc, more_ssrcs: of.more_ssrcs.clone(), src, dst, ..StreamMeasured::default() }
}

/// Leaves the transits of which one leg is shown.
pub(super) fn narrow_transits(measured: &mut Measured, filter: &Filter) {
    let legs: BTreeSet<(&str, &str)> = measured.streams.iter().map(|of| (&of.src[..], &of.dst[..])).collect();
    let shown = |a: &str, b: &str| !filter.chooses() || legs.contains(&(a, b));
    measured.transits.retain(|of| shown(&of.src, &of.via_in) || shown(&of.via_out, &of.dst));
}

/// Whether a filter left nothing that was asked for: owners count only where their address was.
pub(super) fn shows_nothing(measured: &Measured, filter: &Filter) -> bool {
    let named =
        |of: &Option<String>| of.as_ref().and_then(|of| of.parse().ok()).is_some_and(|ip| filter.names_host(ip));
    let owners = measured.owners.iter().any(|of| named(&of.address));
    let media = !(measured.streams.is_empty() && measured.videos.is_empty());
    !media && measured.calls.is_empty() && measured.sip.is_none() && measured.chats.is_empty() && !owners
}

/// Leaves, where a filter chooses, the owners of the floating addresses that the filter names, or that what is shown comes from or goes to. An
/// owner of whose address nothing is known stays.
pub(super) fn narrow_owners(measured: &mut Measured, filter: &Filter, hosts: &BTreeSet<IpAddr>) {
    if !filter.chooses() {
        return;
    }
    let of_streams = measured.streams.iter().flat_map(|of| [&of.src, &of.dst]);
    let of_streams = of_streams.filter_map(|end| Some(end.parse::<SocketAddr>().ok()?.ip()));
    let hosts: BTreeSet<IpAddr> = of_streams.chain(hosts.iter().copied()).collect();
    let shown = |ip: IpAddr| hosts.contains(&ip) || filter.names_host(ip);
    measured.owners.retain(|of| of.address.as_ref().and_then(|of| of.parse().ok()).is_none_or(shown));
}

/// What a filter wants of the calls of a capture.
pub(super) struct Wanted<'a> {
    pub(super) filter: &'a Filter,
    pub(super) dialogs: &'a Dialogs,
    pub(super) transactions: &'a Transactions,
}

impl Wanted<'_> {
    fn stream(&self, figures: &StreamMeasured, leg: Option<Leg>) -> bool {
        let call = leg.and_then(|leg| self.dialogs.call(leg.call));
        self.filter.wants(figures, call.map(Call::call_id))
    }

    fn call(&self, number: usize) -> bool {
        let Some(call) = self.dialogs.call(number) else { return false };
        self.call_id(call.call_id())
    }

    /// Refuses what the capture does not have.
    pub(super) fn check(&self, calls: &[CallMeasured], voices: &[Voice], videos: &[Video]) -> Result<(), MeasureError> {
        let of_calls = calls.iter().filter_map(|call| call.call_id.as_deref());
        let call_ids: Vec<&str> = of_calls.chain(self.transactions.call_ids()).collect();
        let videos: Vec<StreamMeasured> = videos.iter().map(named).collect();
        let streams: Vec<&StreamMeasured> = voices.iter().map(|voice| &voice.figures).chain(&videos).collect();
        self.filter.check(&call_ids, &streams)
    }

    /// Call-IDs whose SIP is counted: those of the calls that are shown, and those that are wanted by themselves.
    pub(super) fn conversations(&self, shown: &[CallMeasured]) -> BTreeSet<String> {
        let shown: BTreeSet<&str> = shown.iter().filter_map(|call| call.call_id.as_deref()).collect();
        let all = self.transactions.call_ids();
        all.filter(|id| shown.contains(id) || self.call_id(id)).map(str::to_owned).collect()
    }

    /// Whether a conversation is wanted for itself and not for its streams.
    pub(super) fn call_id(&self, call_id: &str) -> bool {
        let address = self.filter.addresses.is_empty() || self.transactions.is_touched(call_id);
        self.filter.ssrcs.is_empty() && address && self.filter.wants_call_id(call_id)
    }
}

/// All outages: those of streams, then those of directions without one.
pub(super) fn outages(voices: &[Voice], unheard: &Unheard) -> Vec<Outage> {
    // None of them is `left`: whether a BYE was the user's plan or his despair, a capture does not tell.
    let of_streams = voices.iter().flat_map(|voice| {
        let scope = voice.figures.scope();
        let direction = voice.leg.map(|leg| leg.direction);
        voice.silences.iter().map(move |silence| silence.outage("media", scope.clone(), direction))
    });
    let of_nobody = unheard.iter().map(|(leg, silence)| silence.outage("media", scope(*leg), Some(leg.direction)));
    of_streams.chain(of_nobody).collect()
}

fn scope(leg: Leg) -> String {
    format!("call {}", leg.call)
}

/// All calls with the longest gap and the fate that their streams show.
pub(super) fn calls(voices: &[Voice], unheard: &Unheard, context: &Context<'_>) -> Vec<CallMeasured> {
    let of = listeners(voices, unheard);
    let none = Listeners::new();
    let calls = context.dialogs.calls().iter().enumerate();
    calls
        .map(|(number, call)| {
            let listeners = of.get(&number).unwrap_or(&none);
            let gaps: Vec<(Direction, f64)> =
                listeners.iter().filter_map(|(direction, listener)| Some((*direction, listener.gap_ms?))).collect();
            call.measured(number, &gaps, fate(listeners, call, context), context.end)
        })
        .collect()
}

/// A call whose sound was there at its end is not well while its picture is not: see [`CallFate::PictureDead`]. Whoever
/// said something new of the session meanwhile may have put the camera off.
pub(super) fn look_at_pictures(calls: &mut [CallMeasured], videos: &[Video], dialogs: &Dialogs) {
    for video in videos {
        let (end, since) = video.picture;
        let Some(leg) = video.leg.filter(|_| end != PictureEnd::There) else { continue };
        let changed = dialogs.call(leg.call).is_some_and(|call| call.changes().any(|at| at > since));
        let fate = calls.get_mut(leg.call).map(|call| &mut call.fate);
        if let Some(fate) = fate.filter(|fate| fate.is_some_and(CallFate::has_sound)) {
            *fate = if end == PictureEnd::Gone && !changed { Some(CallFate::PictureDead) } else { None };
        }
    }
}

fn listeners<'a>(voices: &'a [Voice], unheard: &'a Unheard) -> BTreeMap<usize, Listeners<'a>> {
    let mut of: BTreeMap<usize, Listeners<'a>> = BTreeMap::new();
    let streams = voices.iter().filter_map(|voice| Some((voice.leg?, &voice.silences[..], voice.figures.gap_ms_max)));
    let nobody = unheard
        .iter()
        .map(|(leg, silence)| (*leg, std::slice::from_ref(silence), Some(silence.length.as_millis_f64())));
    for (leg, silences, gap_ms) in streams.chain(nobody) {
        let listener = of.entry(leg.call).or_default().entry(leg.direction).or_default();
        listener.silences.extend(silences);
        listener.gap_ms = listener.gap_ms.into_iter().chain(gap_ms).reduce(f64::max);
    }
    of
}

/// Only where both directions are known.
fn fate(listeners: &Listeners<'_>, call: &Call, context: &Context<'_>) -> Option<CallFate> {
    let (_, end, _) = call.media_time(context.end)?;
    // A silence that a hold cut short says nothing of the end: media that came back later are not dead.
    let dead = |direction: Direction| {
        let silences = &listeners.get(&direction)?.silences;
        let last = silences.iter().max_by_key(|silence| silence.start);
        let lasts =
            |silence: &&Silence| silence.end.is_none() && end - (silence.start + silence.length) <= due::PICK_UP;
        Some(last.is_some_and(lasts))
    };
    let all = listeners.values().flat_map(|listener| &listener.silences);
    let longest = all.map(|silence| silence.length.as_millis_f64()).reduce(f64::max);
    Some(match (dead(Direction::ToCallee)?, dead(Direction::ToCaller)?) {
        (true, true) if call.ended_in_disorder() => CallFate::Zombie,
        (true, true) => CallFate::MediaDead,
        (false, false) => match longest {
            None => CallFate::Unaffected,
            Some(gap) if gap < GLITCH_MS => CallFate::Glitch,
            Some(_) => CallFate::GapRecovered,
        },
        _ => CallFate::OneWay,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::measure::model::OwnerInterval;

    fn owners(addresses: &[Option<&str>]) -> Vec<OwnerInterval> {
        let owner = |address: &Option<&str>| OwnerInterval {
            nodes: vec!["10.0.0.11".into()],
            address: address.map(str::to_owned),
            start_ns: crate::units::RunTime::ZERO,
            end_ns: crate::units::RunTime::ZERO,
            source: "VRRP adverts".into(),
        };
        addresses.iter().map(owner).collect()
    }

    #[test]
    fn owners_stay_where_what_is_shown_goes_to_their_address() {
        let stream =
            StreamMeasured { src: "10.0.0.1:4000".into(), dst: "10.0.0.100:7000".into(), ..Default::default() };
        let all = [Some("10.0.0.100"), Some("10.0.0.200"), Some("10.0.0.250"), Some("10.0.0.254"), None];
        let mut measured = Measured { streams: vec![stream], owners: owners(&all), ..Measured::default() };
        narrow_owners(&mut measured, &Filter::default(), &BTreeSet::new());
        assert_eq!(measured.owners.len(), 5, "without a filter all are shown");
        let filter = Filter { addresses: vec!["10.0.0.250".parse().unwrap()], ..Filter::default() };
        narrow_owners(&mut measured, &filter, &BTreeSet::from(["10.0.0.200".parse().unwrap()]));
        // Of the stream, of the SIP, asked for, unknown.
        let left: Vec<_> = measured.owners.iter().map(|of| of.address.as_deref()).collect();
        assert_eq!(left, [Some("10.0.0.100"), Some("10.0.0.200"), Some("10.0.0.250"), None]);
    }

    #[test]
    fn an_owner_alone_answers_only_who_asked_for_its_address() {
        let measured = Measured { owners: owners(&[Some("10.0.0.100"), None]), ..Measured::default() };
        let filter = |address: &str| Filter { addresses: vec![address.parse().unwrap()], ..Filter::default() };
        assert!(!shows_nothing(&measured, &filter("10.0.0.100")) && shows_nothing(&measured, &filter("10.0.0.1")));
    }
}
