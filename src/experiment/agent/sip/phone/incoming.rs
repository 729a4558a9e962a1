//! Requests that come in, and calls that we answer.

use super::standing::{Remote, Standing};
use super::{Media, MediaCommand, Output, Phone};
use crate::evidence::history::Direction;
use crate::experiment::agent::sip::dialog::Dialog;
use crate::units::{RunTime, Span};
use crate::wire::sip::sdp::Description;
use crate::wire::sip::{Draft, Message};

/// The command of RFC 5168 that asks for a key frame.
const PICTURE_FAST_UPDATE: &[u8] = b"picture_fast_update";

/// A call that rings here.
#[derive(Debug)]
pub(super) struct Ringing {
    call: u64,
    server: u64,
    invite: Vec<u8>,
    tag: String,
    media: Media,
    offer: Description,
    pub(super) answer_at: RunTime,
}

impl Phone {
    pub(super) fn requested(&mut self, now: RunTime, server: u64, octets: &[u8], cancels: Option<u64>) {
        let Ok(request) = Message::parse(octets) else { return };
        match (request.method().unwrap_or_default(), request.to_tag().is_some()) {
            ("INVITE", false) => self.invited(now, server, &request, octets),
            ("INVITE", true) => self.reinvited(now, server, &request),
            ("BYE", _) => self.bye_received(now, server, &request),
            ("CANCEL", _) => self.cancel_received(now, server, &request, cancels),
            ("INFO", true) => self.informed(now, server, &request),
            // Servers ask and tell unasked (qualify, message waiting, DTMF): a phone just says yes.
            ("OPTIONS" | "NOTIFY" | "INFO" | "MESSAGE", _) => self.reply(now, server, &request, 200),
            _ => self.reply(now, server, &request, 405),
        }
    }

    /// Where there is no RTCP feedback a key frame is asked for here (RFC 5168 §5); anything else gets a yes.
    fn informed(&mut self, now: RunTime, server: u64, request: &Message<'_>) {
        let wanted = request.body.windows(PICTURE_FAST_UPDATE.len()).any(|part| part == PICTURE_FAST_UPDATE);
        let call = self.standing.iter().find(|one| one.dialog.owns(request)).map(|one| one.call);
        if let Some(call) = call.filter(|_| wanted) {
            self.outputs.push_back(Output::Media(MediaCommand::KeyFrame { call }));
        }
        self.reply(now, server, request, 200);
    }

    /// Responds without a body.
    pub(super) fn reply(&mut self, now: RunTime, server: u64, request: &Message<'_>, code: u16) {
        let tag = self.tokens.name();
        self.layer.respond(now, server, Draft::reply(request, code, &tag).raw("User-Agent", "fivenines"));
    }

    fn invited(&mut self, now: RunTime, server: u64, request: &Message<'_>, octets: &[u8]) {
        let from = request.from_user().unwrap_or_default();
        let Some((call, media)) = self.expected.get(from).cloned() else {
            return self.reply(now, server, request, 486);
        };
        let Some(offer) = Description::read(request.body).filter(|offer| media.agreed_with(offer).is_some()) else {
            return self.reply(now, server, request, 488);
        };
        self.drop_older_leg(call);
        let tag = self.tokens.name();
        if self.config.ring > Span::ZERO {
            let ringing = Draft::reply(request, 180, &tag).contact(&self.contact());
            self.layer.respond(now, server, ringing);
        }
        let answer_at = now + self.config.ring;
        let ringing = Ringing { call, server, invite: octets.to_vec(), tag, media, offer, answer_at };
        self.ringing.push(ringing);
        self.answer_due(now);
    }

    /// The caller's INVITE can reach us twice: through the node that died, and again through its successor.
    /// Nobody will acknowledge the first leg, and a user with one call to take takes the one that works.
    fn drop_older_leg(&mut self, call: u64) {
        self.ringing.retain(|ringing| ringing.call != call);
        if let Some(older) = self.take_standing(call) {
            self.stop_media(&older);
            if let Some(server) = older.unacked {
                self.layer.stop_repeating(server);
            }
        }
    }

    /// Answers what has rung long enough.
    pub(super) fn answer_due(&mut self, now: RunTime) {
        while let Some(at) = self.ringing.iter().position(|ringing| ringing.answer_at <= now) {
            let ringing = self.ringing.swap_remove(at);
            self.answer(now, ringing);
        }
    }

    fn answer(&mut self, now: RunTime, ringing: Ringing) {
        let Ringing { call, server, invite, tag, media, offer, .. } = ringing;
        let Ok(invite) = Message::parse(&invite) else { return };
        let Some(dialog) = Dialog::of_request(&invite, &tag) else { return };
        let Some(agreed) = media.agreed_with(&offer) else { return };
        let media = media.settled(agreed);
        let session = self.tokens.number() >> 1;
        let body = media.answer_to(&offer).write(session, 0);
        let ok = Draft::reply(&invite, 200, &tag).contact(&self.contact()).body("application/sdp", body);
        self.layer.respond(now, server, ok);
        // Media starts with the 200, not with its ACK: the caller hears "hello" as soon as we pick up, and an
        // ACK that a dying server lost must not look like a silent callee.
        let direction = Direction::ToCaller;
        self.stand(Standing::new(call, dialog, media, direction, Remote::of(&offer), session, Some(server)));
    }

    fn cancel_received(&mut self, now: RunTime, server: u64, request: &Message<'_>, cancels: Option<u64>) {
        let ringing = self.ringing.iter().position(|ringing| Some(ringing.server) == cancels);
        let Some(ringing) = ringing.map(|at| self.ringing.swap_remove(at)) else {
            // Too late (§9.2): the INVITE is answered, or was never here.
            let code =
                if self.standing.iter().any(|one| request.call_id() == Some(&one.dialog.call_id)) { 200 } else { 481 };
            return self.reply(now, server, request, code);
        };
        self.reply(now, server, request, 200);
        if let Ok(invite) = Message::parse(&ringing.invite) {
            self.layer.respond(now, ringing.server, Draft::reply(&invite, 487, &ringing.tag));
        }
        self.expected.retain(|_, (call, _)| *call != ringing.call);
        self.emit_remote_end(now, ringing.call, "CANCEL");
    }

    /// Refuses a call that rings here; `false` if there is none.
    pub(super) fn refuse(&mut self, now: RunTime, call: u64) -> bool {
        let Some(at) = self.ringing.iter().position(|ringing| ringing.call == call) else { return false };
        let ringing = self.ringing.swap_remove(at);
        if let Ok(invite) = Message::parse(&ringing.invite) {
            self.layer.respond(now, ringing.server, Draft::reply(&invite, 486, &ringing.tag));
        }
        true
    }
}
