//! Calls of a capture: what their SIP messages tell of setup, end, media addresses and holds.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::streams::Flow;
use crate::analysis::measure::model::{CallFate, CallMeasured};
use crate::evidence::history::Direction;
use crate::units::{RunTime, Span};
use crate::wire::limits::{MOST_CALLS, MOST_DESCRIPTIONS};
use crate::wire::sip::Message;
use crate::wire::sip::sdp::{self, Audio};

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
    caller: String,
    callee: String,
    caller_tag: String,
    invited: RunTime,
    code: Option<u16>,
    answered: Option<RunTime>,
    bye: Option<RunTime>,
    bye_code: Option<u16>,
    /// What each side said that it does, from when on: instant, by the caller, direction.
    directions: Vec<(RunTime, bool, sdp::Direction)>,
}

/// A stream's place in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leg {
    pub(super) call: usize,
    pub(super) direction: Direction,
}

impl Dialogs {
    /// Takes a message; the same message seen on several links counts once.
    pub(super) fn message(&mut self, at: RunTime, message: &Message<'_>) {
        let (Some(call_id), Some((_, method))) = (message.call_id(), message.cseq()) else { return };
        let Some(number) = self.number(at, call_id, message) else { return };
        match (method, message.status()) {
            ("INVITE", Some(code)) => self.calls[number].invite_answered(at, code),
            ("BYE", Some(code)) if code >= 200 => {
                self.calls[number].bye_code = self.calls[number].bye_code.or(Some(code))
            }
            ("BYE", None) => self.calls[number].bye = self.calls[number].bye.or(Some(at)),
            _ => {}
        }
        if message.has_sdp() {
            self.description(at, number, message);
        }
    }

    /// The number of the call; an INVITE without a tag in To opens one.
    fn number(&mut self, at: RunTime, call_id: &str, message: &Message<'_>) -> Option<usize> {
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
            caller: message.from_user().unwrap_or_default().to_owned(),
            callee: message.to_user().unwrap_or_default().to_owned(),
            caller_tag: message.from_tag().unwrap_or_default().to_owned(),
            invited: at,
            ..Call::default()
        });
        Some(self.calls.len() - 1)
    }

    fn description(&mut self, at: RunTime, call: usize, message: &Message<'_>) {
        let Some(audio) = Audio::read(message.body) else { return };
        if self.descriptions >= MOST_DESCRIPTIONS {
            self.left_out += 1;
            return;
        }
        self.descriptions += 1;
        // From names who sent the request; in a response the other side speaks.
        let asked_by_caller = message.from_tag() == Some(&self.calls[call].caller_tag);
        let by_caller = asked_by_caller == message.status().is_none();
        self.calls[call].directions.push((at, by_caller, audio.direction));
        let announcement = Announcement { at, call, by_caller, formats: audio.formats };
        self.addresses.entry(audio.address).or_default().push(announcement);
    }

    /// Which call and direction a flow belongs to: by the address that it goes to, else by where it comes
    /// from. The last description before the stream's start counts.
    pub(super) fn leg(&self, flow: &Flow, start: RunTime) -> Option<Leg> {
        let leg = |announcement: &Announcement, to_announcer: bool| Leg {
            call: announcement.call,
            direction: if announcement.by_caller == to_announcer { Direction::ToCaller } else { Direction::ToCallee },
        };
        let to = self.announced(flow.destination, start).map(|announcement| leg(announcement, true));
        to.or_else(|| self.announced(flow.source, start).map(|announcement| leg(announcement, false)))
    }

    fn announced(&self, address: SocketAddr, start: RunTime) -> Option<&Announcement> {
        let announcements = self.addresses.get(&address)?;
        announcements.iter().rev().find(|announcement| announcement.at <= start + BEFORE_DESCRIPTION)
    }

    /// Name and clock rate of a payload type: the receiver's description names what it wants to get.
    pub(super) fn codec(&self, flow: &Flow, start: RunTime, payload_type: u8) -> Option<(String, u32)> {
        [flow.destination, flow.source].into_iter().find_map(|address| {
            let formats = &self.announced(address, start)?.formats;
            let format = formats.iter().find(|format| format.payload_type == payload_type)?;
            Some((format.encoding.clone(), format.clock_rate))
        })
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

impl Call {
    fn invite_answered(&mut self, at: RunTime, code: u16) {
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

    /// Until when media was due, and whether the capture ended first; `None` without an answer.
    pub(super) fn media_end(&self, capture_end: RunTime) -> Option<(RunTime, bool)> {
        self.answered?;
        Some(self.bye.map_or((capture_end, true), |bye| (bye, false)))
    }

    /// Whether at `at` one side had said that it sends nothing that way, or wants nothing.
    pub(super) fn on_hold(&self, direction: Direction, at: RunTime) -> bool {
        let said = |by_caller: bool| {
            let of = self.directions.iter().rev().filter(|(_, by, _)| *by == by_caller);
            of.map(|(at, _, direction)| (*at, *direction)).find(|(said, _)| *said <= at).map(|(_, direction)| direction)
        };
        let listener_is_caller = direction == Direction::ToCaller;
        let silent = matches!(said(!listener_is_caller), Some(sdp::Direction::RecvOnly | sdp::Direction::Inactive));
        let deaf = matches!(said(listener_is_caller), Some(sdp::Direction::SendOnly | sdp::Direction::Inactive));
        silent || deaf
    }

    pub(super) fn measured(&self, number: usize, gaps: &[(Direction, f64)], fate: Option<CallFate>) -> CallMeasured {
        CallMeasured {
            call: number as u64,
            kind: None,
            caller: self.caller.clone(),
            callee: self.callee.clone(),
            planned_ns: self.invited,
            setup_ms: self.answered.map(|at| (at - self.invited).as_millis_f64()),
            code: self.code,
            reason: None,
            fate: if self.code.is_some_and(|code| code >= 300) { Some(CallFate::NeverSetUp) } else { fate },
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
