//! Calls of a capture: what their SIP messages tell of setup, end, media addresses and holds.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::signalling::Heard;
use super::streams::Flow;
use super::transactions::TIMER;
use crate::analysis::measure::model::{CallFate, CallMeasured};
use crate::evidence::history::Direction;
use crate::units::{RunTime, Span};
use crate::wire::limits::{MOST_CALLS, MOST_DESCRIPTIONS, MOST_DESCRIPTIONS_OF_A_CALL};
use crate::wire::sip::Message;
use crate::wire::sip::sdp::{self, Description};

/// What [`Dialogs::left_out`] counts.
pub(super) const LEFT_OUT: &str = "calls or session descriptions beyond the number that is kept were left out";
/// Media may run this long before its description was seen (the answer is still under way).
const BEFORE_DESCRIPTION: Span = Span::from_secs(1);

/// Calls by Call-ID, in order of their INVITEs, and the media addresses that they announced.
#[derive(Debug, Default)]
pub(super) struct Dialogs {
    numbers: BTreeMap<String, usize>,
    calls: Vec<Call>,
    /// Who announced an address when.
    addresses: BTreeMap<SocketAddr, Vec<Announcement>>,
    descriptions: usize,
    left_out: u64,
}

#[derive(Clone, Debug)]
struct Announcement {
    at: RunTime,
    call: usize,
    by_caller: bool,
    formats: Vec<sdp::Format>,
}

/// One call.
#[derive(Debug, Default)]
pub(super) struct Call {
    call_id: String,
    caller: String,
    callee: String,
    caller_tag: String,
    invited: RunTime,
    /// Somebody answered an INVITE, be it provisionally or with a challenge.
    heard: bool,
    code: Option<u16>,
    answered: Option<RunTime>,
    bye: Option<RunTime>,
    bye_code: Option<u16>,
    /// What each side said that it does, in order of time.
    said: Vec<Said>,
}

/// What a side said that it does from an instant on.
#[derive(Clone, Copy, Debug)]
struct Said {
    at: RunTime,
    by_caller: bool,
    /// It sends.
    sends: bool,
    /// It wants to receive.
    wants: bool,
    /// The transaction, and whether the caller asked for it: a refused offer changes nothing.
    transaction: (u32, bool),
}

/// A stream's place in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leg {
    pub(super) call: usize,
    pub(super) direction: Direction,
}

impl Dialogs {
    /// Takes a message; the same message seen on several links counts once.
    pub(super) fn message(&mut self, heard: Heard, message: &Message<'_>) {
        // What a message says is known when it is whole.
        let at = heard.whole;
        let (Some(call_id), Some((sequence, method))) = (message.call_id(), message.cseq()) else { return };
        let Some(number) = self.number(heard.begun, call_id, message) else { return };
        let asked_by_caller = message.from_tag() == Some(&self.calls[number].caller_tag);
        match (method, message.status()) {
            ("INVITE", Some(code)) => self.calls[number].invite_answered(at, code, (sequence, asked_by_caller)),
            ("BYE", Some(code)) if code >= 200 => {
                self.calls[number].bye_code = self.calls[number].bye_code.or(Some(code))
            }
            ("BYE", None) => self.calls[number].bye = self.calls[number].bye.or(Some(heard.begun)),
            _ => {}
        }
        if message.has_sdp() {
            self.description(at, number, message, (sequence, asked_by_caller));
        }
    }

    /// The number of the call; an INVITE without a tag in To opens one.
    fn number(&mut self, begun: RunTime, call_id: &str, message: &Message<'_>) -> Option<usize> {
        if let Some(number) = self.numbers.get(call_id) {
            return Some(*number);
        }
        let opens = message.method() == Some("INVITE") && message.to_tag().is_none();
        if !opens {
            return None;
        }
        if self.calls.len() >= MOST_CALLS {
            self.left_out += 1;
            return None;
        }
        self.numbers.insert(call_id.to_owned(), self.calls.len());
        self.calls.push(Call {
            call_id: call_id.to_owned(),
            caller: message.from_user().unwrap_or_default().to_owned(),
            callee: message.to_user().unwrap_or_default().to_owned(),
            caller_tag: message.from_tag().unwrap_or_default().to_owned(),
            invited: begun,
            ..Call::default()
        });
        Some(self.calls.len() - 1)
    }

    fn description(&mut self, at: RunTime, call: usize, message: &Message<'_>, transaction: (u32, bool)) {
        let Some(Description { audio, video, .. }) = Description::read(message.body) else { return };
        // In a response the other side speaks.
        let by_caller = transaction.1 == message.status().is_none();
        let sends = matches!(audio.direction, sdp::Direction::SendRecv | sdp::Direction::SendOnly);
        let wants = matches!(audio.direction, sdp::Direction::SendRecv | sdp::Direction::RecvOnly);
        // The old way to hold: an address to which nothing can be sent (RFC 3264 §8.4).
        let wants = wants && !audio.address.ip().is_unspecified();
        let of_call = self.calls[call].said.len();
        if of_call >= MOST_DESCRIPTIONS_OF_A_CALL || self.descriptions >= MOST_DESCRIPTIONS {
            self.left_out += 1;
            return;
        }
        self.descriptions += 1;
        self.calls[call].said.push(Said { at, by_caller, sends, wants, transaction });
        let announcement = Announcement { at, call, by_caller, formats: audio.formats };
        self.addresses.entry(audio.address).or_default().push(announcement);
        if let Some(video) = video {
            let announcement = Announcement { at, call, by_caller, formats: video.formats };
            self.addresses.entry(video.address).or_default().push(announcement);
        }
    }

    /// Which call and direction a flow belongs to: that in which both its ends were announced, else by the address that
    /// it goes to, else by where it comes from.
    pub(super) fn leg(&self, flow: &Flow, start: RunTime) -> Option<Leg> {
        let leg = |announcement: &Announcement, to_announcer: bool| Leg {
            call: announcement.call,
            direction: if announcement.by_caller == to_announcer { Direction::ToCaller } else { Direction::ToCallee },
        };
        let to = self.between(flow, start).or_else(|| self.announced(flow.destination, start));
        let to = to.map(|announcement| leg(announcement, true));
        to.or_else(|| self.announced(flow.source, start).map(|announcement| leg(announcement, false)))
    }

    /// The description of the flow's destination in the call that also has its source: one phone may use one address
    /// for all its calls.
    fn between(&self, flow: &Flow, start: RunTime) -> Option<&Announcement> {
        let from = self.announced(flow.source, start)?;
        let to = self.addresses.get(&flow.destination)?;
        let both = |to: &&Announcement| to.call == from.call && to.by_caller != from.by_caller;
        to.iter().rev().find(|to| both(to) && to.at <= start + BEFORE_DESCRIPTION)
    }

    /// The last description before the stream's start whose call had not ended by then, else one that is still on its
    /// way, else the last one.
    fn announced(&self, address: SocketAddr, start: RunTime) -> Option<&Announcement> {
        let announcements = self.addresses.get(&address)?;
        let before = |announcement: &&Announcement| announcement.at <= start;
        let lives = |announcement: &&Announcement| self.calls[announcement.call].bye.is_none_or(|bye| bye >= start);
        let soon = |announcement: &&Announcement| announcement.at <= start + BEFORE_DESCRIPTION;
        let living = announcements.iter().rev().filter(before).find(lives);
        living
            .or_else(|| announcements.iter().find(|announcement| !before(announcement) && soon(announcement)))
            .or_else(|| announcements.iter().rev().find(before))
    }

    /// Name and clock rate of a payload type: the receiver's description names what it wants to get.
    pub(super) fn codec(&self, flow: &Flow, start: RunTime, payload_type: u8) -> Option<(String, u32)> {
        let both = self.between(flow, start);
        let one = [flow.destination, flow.source].into_iter().filter_map(|address| self.announced(address, start));
        both.into_iter().chain(one).find_map(|announcement| {
            let formats = &announcement.formats;
            let format = formats.iter().find(|format| format.payload_type == payload_type)?;
            Some((format.encoding.clone(), clock_rate(format)))
        })
    }

    /// Whether a sender of H.264 gave its parameter sets in its session description (RFC 6184 §8.1,
    /// `sprop-parameter-sets`). It may send the type that its peer named: any H.264 of its own counts for that.
    pub(super) fn has_parameter_sets(&self, flow: &Flow, start: RunTime, payload_type: u8) -> bool {
        let own = self.announced(flow.source, start).map(|announcement| &announcement.formats[..]).unwrap_or_default();
        let named = own.iter().any(|format| format.payload_type == payload_type);
        let meant = |format: &&sdp::Format| {
            format.encoding.eq_ignore_ascii_case("H264") && (!named || format.payload_type == payload_type)
        };
        own.iter()
            .filter(meant)
            .any(|format| format.parameter("sprop-parameter-sets").is_some_and(|sets| !sets.is_empty()))
    }

    /// Calls and descriptions that came after too many.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn call(&self, number: usize) -> Option<&Call> {
        self.calls.get(number)
    }

    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }
}

/// The RTP clock rate of a format. That of two codecs is fixed whatever they sample at and whatever senders write:
/// G.722 counts at 8 kHz (RFC 3551 §4.5.2), Opus at 48 kHz (RFC 7587 §4.1).
fn clock_rate(format: &sdp::Format) -> u32 {
    match format.encoding.to_ascii_lowercase().as_str() {
        "g722" => 8000,
        "opus" => 48_000,
        _ => format.clock_rate,
    }
}

impl Call {
    fn invite_answered(&mut self, at: RunTime, code: u16, transaction: (u32, bool)) {
        if code >= 300 && self.answered.is_some() {
            self.said.retain(|said| said.transaction != transaction);
        }
        self.heard = true;
        let final_before = self.code.is_some_and(|code| code >= 200);
        // A challenge is no answer to the user; the INVITE comes again with credentials.
        if code < 200 || final_before || code == 401 || code == 407 {
            return;
        }
        self.code = Some(code);
        if code < 300 {
            self.answered = Some(at);
        }
    }

    pub(super) fn call_id(&self) -> &str {
        &self.call_id
    }

    /// From when until when media was due, and whether the capture ended first; `None` without an answer.
    pub(super) fn media_time(&self, capture_end: RunTime) -> Option<(RunTime, RunTime, bool)> {
        let end = self.bye.filter(|bye| *bye <= capture_end);
        Some((self.answered?, end.unwrap_or(capture_end), end.is_none()))
    }

    /// When one side said something new about what it sends or wants.
    pub(super) fn changes(&self) -> impl Iterator<Item = RunTime> {
        self.said.iter().map(|said| said.at)
    }

    /// Whether at `at` one side had said that it sends nothing that way, or wants nothing.
    pub(super) fn on_hold(&self, direction: Direction, at: RunTime) -> bool {
        let listener_is_caller = direction == Direction::ToCaller;
        let last = |by_caller: bool| self.said.iter().rev().find(|said| said.by_caller == by_caller && said.at <= at);
        let silent = last(!listener_is_caller).is_some_and(|said| !said.sends);
        silent || last(listener_is_caller).is_some_and(|said| !said.wants)
    }

    /// Refused, or not answered at all until Timer B at `end` (RFC 3261 §17.1.1.2).
    fn never_set_up(&self, end: RunTime) -> bool {
        let timed_out = !self.heard && self.invited + TIMER <= end;
        self.code.map_or(timed_out, |code| code >= 300)
    }

    /// The figures; `end` is the end of the capture.
    pub(super) fn measured(
        &self,
        number: usize,
        gaps: &[(Direction, f64)],
        fate: Option<CallFate>,
        end: RunTime,
    ) -> CallMeasured {
        CallMeasured {
            call: number as u64,
            call_id: Some(self.call_id.clone()),
            kind: None,
            caller: self.caller.clone(),
            callee: self.callee.clone(),
            planned_ns: self.invited,
            setup_ms: self.answered.map(|at| (at - self.invited).as_millis_f64()),
            code: self.code,
            reason: None,
            fate: if self.never_set_up(end) { Some(CallFate::NeverSetUp) } else { fate },
            gap_ms: gaps.to_vec(),
            bye_code: self.bye_code,
            answered_ns: self.answered,
            ended_ns: self.bye,
        }
    }

    /// The BYE was sent and nobody confirmed it.
    pub(super) fn ended_in_disorder(&self) -> bool {
        self.bye.is_some() && self.bye_code.is_none_or(|code| code >= 300)
    }
}
