//! Answered calls: re-INVITE, BYE in and BYE out.

use std::net::SocketAddr;

use super::ops::{Detail, Record};
use super::{Media, MediaCommand, Output, Phone, Purpose};
use crate::evidence::history::{Direction, OpKind, Step};
use crate::experiment::agent::sip::dialog::Dialog;
use crate::units::RunTime;
use crate::wire::sip::sdp::Description;
use crate::wire::sip::{Draft, Message};

/// An answered call.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) call: u64,
    pub(super) dialog: Dialog,
    media: Media,
    direction: Direction,
    remote: Remote,
    session: u64,
    version: u64,
    /// The transaction of an INVITE whose 200 waits for its ACK.
    pub(super) unacked: Option<u64>,
}

/// Where a call's media go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    audio: SocketAddr,
    video: Option<SocketAddr>,
}

impl Remote {
    /// Where the describing side wants them.
    pub(super) fn of(description: &Description) -> Remote {
        Remote { audio: description.audio.address, video: description.video.as_ref().map(|video| video.address) }
    }
}

impl Standing {
    pub(super) fn new(
        call: u64,
        dialog: Dialog,
        media: Media,
        direction: Direction,
        remote: Remote,
        session: u64,
        unacked: Option<u64>,
    ) -> Standing {
        Standing { call, dialog, media, direction, remote, session, version: 0, unacked }
    }
}

/// A BYE of ours under way.
#[derive(Debug)]
pub(super) struct Leaving {
    /// `None` for a call that the user had given up: it is only cleaned up.
    record: Option<Record>,
    dialog: Dialog,
    /// `None` while the connection is being made.
    client: Option<u64>,
    rounds: u8,
    retransmissions: u32,
}

impl Phone {
    /// A call is answered: media flows.
    pub(super) fn stand(&mut self, standing: Standing) {
        let start = MediaCommand::Start {
            call: standing.call,
            direction: standing.direction,
            local: standing.media.address,
            remote: standing.remote.audio,
            codec: standing.media.codec.clone(),
            payload_type: standing.media.payload_type,
            ptime_ms: standing.media.ptime_ms,
            video: standing.media.video.clone().zip(standing.remote.video),
        };
        self.outputs.push_back(Output::Media(start));
        self.standing.push(standing);
    }

    pub(super) fn take_standing(&mut self, call: u64) -> Option<Standing> {
        let at = self.standing.iter().position(|one| one.call == call)?;
        Some(self.standing.swap_remove(at))
    }

    pub(super) fn stop_media(&mut self, standing: &Standing) {
        self.outputs.push_back(Output::Media(MediaCommand::Stop { call: standing.call }));
    }

    pub(super) fn acked(&mut self, server: u64, ack: &[u8]) {
        let Some(at) = self.standing.iter().position(|one| one.unacked == Some(server)) else { return };
        self.standing[at].unacked = None;
        let call = self.standing[at].call;
        self.expected.retain(|_, (expected, _)| *expected != call);
        // An INVITE without offer is answered in the ACK (RFC 3264 §4).
        if let Ok(ack) = Message::parse(ack) {
            self.take_remote(at, &ack);
        }
    }

    /// Nobody acknowledged our 200: the call never came about on the other side, so it is ended (§13.3.1.4).
    pub(super) fn never_acked(&mut self, now: RunTime, server: u64) {
        let Some(at) = self.standing.iter().position(|one| one.unacked == Some(server)) else { return };
        let standing = self.standing.swap_remove(at);
        self.stop_media(&standing);
        self.leave_silently(now, standing.dialog);
    }

    fn take_remote(&mut self, at: usize, message: &Message<'_>) {
        let standing = &mut self.standing[at];
        let remote = Description::read(message.body).map(|description| Remote::of(&description));
        let Some(remote) = remote.filter(|remote| *remote != standing.remote) else { return };
        standing.remote = remote;
        let update = MediaCommand::Update { call: standing.call, remote: remote.audio, video: remote.video };
        self.outputs.push_back(Output::Media(update));
    }

    pub(super) fn reinvited(&mut self, now: RunTime, server: u64, request: &Message<'_>) {
        let Some(at) = self.standing.iter().position(|one| one.dialog.owns(request)) else {
            return self.reply(now, server, request, 481);
        };
        let standing = &mut self.standing[at];
        if !standing.dialog.advance(request) {
            return self.reply(now, server, request, 500);
        }
        standing.dialog.refresh(request);
        standing.version += 1;
        standing.unacked = Some(server);
        // Without an offer in it, the 200 carries ours.
        let offer = Description::read(request.body);
        let description = offer.map_or_else(|| standing.media.describe(), |offer| standing.media.answer_to(&offer));
        let body = description.write(standing.session, standing.version);
        self.take_remote(at, request);
        let ok = Draft::reply(request, 200, "").contact(&self.contact()).body("application/sdp", body);
        self.layer.respond(now, server, ok);
    }

    pub(super) fn bye_received(&mut self, now: RunTime, server: u64, request: &Message<'_>) {
        let Some(at) = self.standing.iter().position(|one| one.dialog.owns(request)) else {
            // Both sides hung up at once: our own BYE is still out, and theirs is right too.
            let crossed = self.leaving.values().any(|leaving| leaving.dialog.owns(request));
            return self.reply(now, server, request, if crossed { 200 } else { 481 });
        };
        if !self.standing[at].dialog.advance(request) {
            return self.reply(now, server, request, 500);
        }
        let standing = self.standing.swap_remove(at);
        self.reply(now, server, request, 200);
        if let Some(server) = standing.unacked {
            self.layer.stop_repeating(server);
        }
        self.expected.retain(|_, (call, _)| *call != standing.call);
        self.stop_media(&standing);
        self.emit_remote_end(now, standing.call, "BYE");
    }

    pub(super) fn hang_up(&mut self, now: RunTime, op: u64, call: u64, planned: RunTime) {
        let record = Record { op, kind: OpKind::Bye, planned, call: Some(call) };
        self.invoke(now, record);
        let Some(standing) = self.take_standing(call) else {
            self.give_up(now, call, "hung up");
            self.refuse(now, call);
            return self.emit(now, record, Step::Fail, Detail::reason("no dialog", 0));
        };
        self.stop_media(&standing);
        self.expected.retain(|_, (expected, _)| *expected != call);
        if let Some(server) = standing.unacked {
            self.layer.stop_repeating(server);
        }
        self.leave(now, op, Some(record), standing.dialog);
    }

    /// Ends a dialog that no operation asks about.
    pub(super) fn leave_silently(&mut self, now: RunTime, dialog: Dialog) {
        let key = self.numbers.next();
        self.leave(now, key, None, dialog);
    }

    fn leave(&mut self, now: RunTime, key: u64, record: Option<Record>, dialog: Dialog) {
        self.leaving.insert(key, Leaving { record, dialog, client: None, rounds: 0, retransmissions: 0 });
        if self.reach_out() {
            self.send_bye(now, key);
        }
    }

    pub(super) fn waiting_byes(&self) -> Vec<u64> {
        self.leaving.iter().filter(|(_, one)| one.client.is_none()).map(|(&key, _)| key).collect()
    }

    pub(super) fn start_waiting_byes(&mut self, now: RunTime) {
        for key in self.waiting_byes() {
            self.send_bye(now, key);
        }
    }

    fn send_bye(&mut self, now: RunTime, key: u64) {
        let Some(leaving) = self.leaving.get_mut(&key) else { return };
        let draft = leaving.dialog.request(rsip::Method::Bye);
        let (uri, next_hop) = (leaving.dialog.request_uri().to_owned(), leaving.dialog.next_hop());
        let draft = self.authorized(draft, "BYE", &uri);
        let (to, sent_by) = (self.route(next_hop), self.sent_by());
        let client = self.layer.request(now, to, &sent_by, draft);
        self.purposes.insert(client, Purpose::Bye(key));
        if let Some(leaving) = self.leaving.get_mut(&key) {
            leaving.client = Some(client);
        }
    }

    pub(super) fn bye_responded(&mut self, now: RunTime, key: u64, code: u16, response: &Message<'_>) {
        if code < 200 {
            return;
        }
        self.finish_bye_round(key);
        let Some(leaving) = self.leaving.get_mut(&key) else { return };
        if self.wallet.learn(code, response, &mut leaving.rounds) {
            return self.send_bye(now, key);
        }
        let step = match code {
            ..300 => Step::Ok,
            // A proxy did not hear from the far side either.
            408 => Step::Info,
            _ => Step::Fail,
        };
        self.end_bye(now, key, step, |retransmissions| Detail::response(code, response, retransmissions));
    }

    fn finish_bye_round(&mut self, key: u64) {
        let Some(leaving) = self.leaving.get_mut(&key) else { return };
        if let Some(client) = leaving.client {
            leaving.retransmissions += self.layer.retransmissions(client);
            self.purposes.remove(&client);
        }
    }

    fn end_bye(&mut self, now: RunTime, key: u64, step: Step, detail: impl FnOnce(u32) -> Detail) {
        let Some(leaving) = self.leaving.remove(&key) else { return };
        if let Some(record) = leaving.record {
            self.emit(now, record, step, detail(leaving.retransmissions));
        }
    }

    /// The BYE was sent and nobody can know what became of it.
    pub(super) fn bye_unknown(&mut self, now: RunTime, key: u64, reason: &str) {
        self.finish_bye_round(key);
        self.end_bye(now, key, Step::Info, |retransmissions| Detail::reason(reason, retransmissions));
    }

    /// The BYE never went out.
    pub(super) fn bye_unsent(&mut self, now: RunTime, key: u64, reason: &str) {
        self.end_bye(now, key, Step::Fail, |retransmissions| Detail::reason(reason, retransmissions));
    }
}
