//! Call setup: the INVITE of one leg becomes an INVITE of our own on the other.

use super::session::{Leg, Session};
use super::{Output, RelayLeg, Server};
use crate::experiment::agent::sip::dialog::Dialog;
use crate::experiment::agent::sip::transaction::Peer;
use crate::units::RunTime;
use crate::wire::sip::sdp::{Audio, Description, Video};
use crate::wire::sip::{Draft, Message, Uri};

/// Hops that a request without Max-Forwards may take (RFC 3261 §8.1.1.6).
const HOPS: u32 = 70;

/// A call that is not answered yet.
#[derive(Debug)]
pub(super) struct Setup {
    caller: Party,
    callee: Party,
    /// The caller's INVITE.
    invite: Vec<u8>,
    server: u64,
    client: u64,
    /// Our tag towards the caller.
    tag: String,
    offer: Description,
    /// The caller has gone; what still comes is only cleaned up.
    cancelled: bool,
}

/// Who is on a leg, and how it is reached.
#[derive(Debug)]
struct Party {
    user: String,
    peer: Peer,
    ports: Ports,
}

/// The relay's ports of one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ports {
    audio: u16,
    video: Option<u16>,
}

impl Ports {
    fn has(self, port: u16) -> bool {
        self.audio == port || self.video == Some(port)
    }

    /// The relay's side of what the phone described: audio first.
    fn relayed(self, phone: &Description) -> Vec<RelayLeg> {
        let audio = RelayLeg { port: self.audio, remote: phone.audio.address };
        let video = self.video.zip(phone.video.as_ref()).map(|(port, video)| RelayLeg { port, remote: video.address });
        [audio].into_iter().chain(video).collect()
    }
}

impl Server {
    pub(super) fn invited(&mut self, now: RunTime, server: u64, from: Peer, request: &Message<'_>, octets: &[u8]) {
        let Some(caller) = request.from_user() else { return self.respond(now, server, request, 400) };
        if !self.authorized(now, server, request, caller) {
            return;
        }
        match self.start_setup(now, server, from, caller, request, octets) {
            Ok(setup) => self.setups.push(setup),
            Err(code) => self.respond(now, server, request, code),
        }
    }

    /// Sends the second INVITE, or gives the code that refuses the first.
    fn start_setup(
        &mut self,
        now: RunTime,
        server: u64,
        from: Peer,
        caller: &str,
        request: &Message<'_>,
        octets: &[u8],
    ) -> Result<Setup, u16> {
        let hops = request.header("Max-Forwards").and_then(|hops| hops.parse().ok()).unwrap_or(HOPS);
        let hops = hops.checked_sub(1).ok_or(483u16)?;
        let callee = request.request_uri().and_then(Uri::parse).and_then(|uri| uri.user).ok_or(404u16)?;
        let binding = self.binding(now, callee).ok_or(404u16)?;
        let (contact, peer) = (binding.contact.clone(), binding.peer.ok_or(480u16)?);
        let offer = Description::read(request.body).ok_or(488u16)?;
        let [caller_ports, callee_ports] = self.take_ports(offer.video.is_some()).ok_or(503u16)?;
        let tag = self.tokens.name();
        let trying = self.reply(request, 100, &tag);
        self.layer.respond(now, server, trying);
        let callee = Party { user: callee.to_owned(), peer, ports: callee_ports };
        let caller = Party { user: caller.to_owned(), peer: from, ports: caller_ports };
        let draft = self.second_invite(&caller, &callee, &contact, hops, &offer);
        let sent_by = self.sent_by();
        let client = self.layer.request(now, peer, &sent_by, draft);
        let invite = octets.to_vec();
        Ok(Setup { caller, callee, invite, server, client, tag, offer, cancelled: false })
    }

    fn second_invite(
        &mut self,
        caller: &Party,
        callee: &Party,
        contact: &str,
        hops: u32,
        offer: &Description,
    ) -> Draft {
        let domain = &self.config.domain;
        let (from, to) = (format!("sip:{}@{domain}", caller.user), format!("sip:{}@{domain}", callee.user));
        let (tag, call_id) = (self.tokens.name(), self.tokens.name());
        Draft::request(rsip::Method::Invite, contact)
            .max_forwards(hops)
            .from(&from, &tag)
            .to(&to, None)
            .call_id(&call_id)
            .cseq(1)
            .contact(&self.contact(callee.peer))
            .body("application/sdp", self.relayed(offer, callee.ports))
    }

    fn take_ports(&mut self, with_video: bool) -> Option<[Ports; 2]> {
        let (sessions, setups) = (&self.sessions, &self.setups);
        let taken = self.ports.take(if with_video { 4 } else { 2 }, |port| {
            let legs = sessions.values().flat_map(|session| &session.legs);
            legs.flat_map(|leg| &leg.relayed).any(|relayed| relayed.port == port)
                || setups.iter().any(|setup| setup.caller.ports.has(port) || setup.callee.ports.has(port))
        })?;
        let ports = |first: usize| Some(Ports { audio: *taken.get(first)?, video: taken.get(first + 2).copied() });
        Some([ports(0)?, ports(1)?])
    }

    /// The same description with the relay's address.
    fn relayed(&mut self, description: &Description, ports: Ports) -> Vec<u8> {
        let ip = self.config.address.ip();
        let Description { audio, video, video_section } = description.clone();
        let video = video.zip(ports.video).map(|(video, port)| Video { address: (ip, port).into(), ..video });
        let audio = Audio { address: (ip, ports.audio).into(), ..audio };
        Description { audio, video, video_section }.write(self.tokens.number() >> 1, 0)
    }

    pub(super) fn responded(&mut self, now: RunTime, client: u64, octets: &[u8]) {
        let Ok(response) = Message::parse(octets) else { return };
        let Some(code) = response.status() else { return };
        match code {
            ..200 => self.ringing(now, client, code),
            200..300 => self.answered(now, client, &response),
            // A phone that asks a server for a password is not to be reached.
            401 | 407 => self.setup_failed(now, client, 480),
            _ => self.setup_failed(now, client, code),
        }
    }

    fn ringing(&mut self, now: RunTime, client: u64, code: u16) {
        let Some(setup) = self.setups.iter().find(|setup| setup.client == client) else { return };
        if setup.cancelled {
            self.layer.cancel(now, client);
        } else if code > 100
            && let Ok(invite) = Message::parse(&setup.invite)
        {
            let draft = self.reply(&invite, code, &setup.tag).contact(&self.contact(setup.caller.peer));
            self.layer.respond(now, setup.server, draft);
        }
    }

    fn answered(&mut self, now: RunTime, client: u64, response: &Message<'_>) {
        // Only an INVITE makes a dialog: the 2xx of our BYEs and CANCELs end here.
        let Some((_, "INVITE")) = response.cseq() else { return };
        let sent = self.layer.sent(client).and_then(|octets| Message::parse(octets).ok());
        let Some(dialog) = sent.and_then(|invite| Dialog::of_response(&invite, response)) else { return };
        let at = self.setups.iter().position(|setup| setup.client == client);
        let setup = at.map(|at| self.setups.swap_remove(at));
        // Another fork's 2xx comes when the setup is gone already: it goes where the first one came from.
        let Some(peer) = setup.as_ref().map(|setup| setup.callee.peer).or(dialog.next_hop().map(Peer::Udp)) else {
            return;
        };
        let sent_by = self.sent_by();
        self.layer.acknowledge(client, peer, &sent_by, &dialog.remote_tag, dialog.ack(dialog.local_sequence));
        match setup {
            Some(setup) if !setup.cancelled => self.connect(now, setup, dialog, response),
            _ => self.send_bye(now, peer, dialog),
        }
    }

    /// Both legs stand: the caller gets its 200 and media is relayed.
    fn connect(&mut self, now: RunTime, setup: Setup, dialog: Dialog, response: &Message<'_>) {
        let Setup { caller, callee, invite, server, tag, offer, .. } = setup;
        let Ok(invite) = Message::parse(&invite) else { return };
        let (Some(answer), Some(first)) = (Description::read(response.body), Dialog::of_request(&invite, &tag)) else {
            self.respond(now, server, &invite, 488);
            return self.send_bye(now, callee.peer, dialog);
        };
        let to_caller = self.relayed(&answer, caller.ports);
        let to_callee = self.relayed(&offer, callee.ports);
        let ok = self.reply(&invite, 200, &tag).contact(&self.contact(caller.peer));
        self.layer.respond(now, server, ok.body("application/sdp", to_caller.clone()));
        let legs = [
            Leg::new(caller.user, caller.peer, first, caller.ports.relayed(&offer), to_caller),
            Leg::new(callee.user, callee.peer, dialog, callee.ports.relayed(&answer), to_callee),
        ];
        let session = Session { id: self.tokens.number(), legs, unacked: Some(server) };
        self.outputs.push_back(Output::Relay(session.open()));
        self.stand(session);
    }

    /// The second leg did not come about.
    pub(super) fn setup_failed(&mut self, now: RunTime, client: u64, code: u16) {
        let Some(at) = self.setups.iter().position(|setup| setup.client == client) else { return };
        let setup = self.setups.swap_remove(at);
        if let Ok(invite) = Message::parse(&setup.invite) {
            // After a CANCEL the caller has its 487 already, and the layer drops this.
            let draft = self.reply(&invite, code, &setup.tag);
            self.layer.respond(now, setup.server, draft);
        }
    }

    pub(super) fn cancel_received(&mut self, now: RunTime, server: u64, request: &Message<'_>, cancels: Option<u64>) {
        let setup = self.setups.iter_mut().find(|setup| Some(setup.server) == cancels);
        let Some(setup) = setup else { return self.respond(now, server, request, 481) };
        setup.cancelled = true;
        let (client, invite, tag) = (setup.client, setup.invite.clone(), setup.tag.clone());
        self.respond(now, server, request, 200);
        if let (Ok(invite), Some(server)) = (Message::parse(&invite), cancels) {
            let draft = self.reply(&invite, 487, &tag);
            self.layer.respond(now, server, draft);
        }
        if !self.layer.cancel(now, client) {
            self.layer.stop_retransmitting(client);
        }
    }
}
