//! Answered calls: two dialogs and the relay between them.

use serde::{Deserialize, Serialize};

use super::replica::Change;
use super::{Output, RelayCommand, RelayLeg, Server};
use crate::experiment::agent::sip::dialog::Dialog;
use crate::experiment::agent::sip::transaction::Peer;
use crate::units::RunTime;
use crate::wire::sip::Message;
use crate::wire::sip::sdp::Description;

/// An answered call. The caller's leg comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    /// The same on all nodes.
    pub(super) id: u64,
    pub(super) legs: [Leg; 2],
    /// The caller's INVITE whose 200 waits for its ACK. Another node has no such transaction.
    #[serde(skip)]
    pub(super) unacked: Option<u64>,
}

/// One side of an answered call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leg {
    user: String,
    /// The way to the phone when the call was set up; `None` for a connection that another node had.
    pub(super) peer: Option<Peer>,
    dialog: Dialog,
    /// The relay's ports that the phone sends to, and where the phone wants its media: audio, then video.
    pub(super) relayed: Vec<RelayLeg>,
    /// Our session description on this leg.
    description: String,
}

impl Leg {
    pub(super) fn new(user: String, peer: Peer, dialog: Dialog, relayed: Vec<RelayLeg>, description: Vec<u8>) -> Leg {
        // We wrote it ourselves, so it is UTF-8.
        let description = String::from_utf8(description).unwrap_or_default();
        Leg { user, peer: Some(peer), dialog, relayed, description }
    }
}

impl Session {
    pub(super) fn open(&self) -> RelayCommand {
        let [first, second] = &self.legs;
        let pairs = first.relayed.iter().zip(&second.relayed).map(|(first, second)| [*first, *second]);
        RelayCommand::Open { session: self.id, pairs: pairs.collect() }
    }
}

impl Server {
    pub(super) fn stand(&mut self, session: Session) {
        self.replicate(&Change::Answered { session: Box::new(session.clone()) });
        self.sessions.insert(session.id, session);
    }

    pub(super) fn acked(&mut self, server: u64) {
        if let Some(session) = self.sessions.values_mut().find(|session| session.unacked == Some(server)) {
            session.unacked = None;
        }
    }

    /// The caller never acknowledged its 200: it is not there any more.
    pub(super) fn never_acked(&mut self, now: RunTime, server: u64) {
        let id = self.sessions.values().find(|session| session.unacked == Some(server)).map(|session| session.id);
        for leg in id.and_then(|id| self.end(id)).into_iter().flat_map(|session| session.legs) {
            self.leave(now, leg);
        }
    }

    /// The session and the leg that a request inside a dialog belongs to.
    fn owner(&self, request: &Message<'_>) -> Option<(u64, usize)> {
        self.sessions.values().find_map(|session| {
            let at = session.legs.iter().position(|leg| leg.dialog.owns(request))?;
            Some((session.id, at))
        })
    }

    pub(super) fn bye_received(&mut self, now: RunTime, server: u64, request: &Message<'_>) {
        let Some((id, at)) = self.owner(request) else { return self.respond(now, server, request, 481) };
        self.respond(now, server, request, 200);
        let Some(session) = self.end(id) else { return };
        if let Some(server) = session.unacked {
            self.layer.stop_repeating(server);
        }
        let [first, second] = session.legs;
        self.leave(now, if at == 0 { second } else { first });
    }

    fn end(&mut self, id: u64) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        self.outputs.push_back(Output::Relay(RelayCommand::Close { session: id }));
        self.replicate(&Change::Ended { session: id });
        Some(session)
    }

    /// Says BYE on a leg, over the phone's present connection if the old one is gone.
    fn leave(&mut self, now: RunTime, leg: Leg) {
        let open = |peer: &Peer| !matches!(peer, Peer::Flow(conn) if !self.flows.contains_key(conn));
        let peer = leg.peer.filter(open).or_else(|| self.binding(now, &leg.user)?.peer);
        if let Some(peer) = peer {
            self.send_bye(now, peer, leg.dialog);
        }
    }

    pub(super) fn send_bye(&mut self, now: RunTime, peer: Peer, mut dialog: Dialog) {
        let sent_by = self.sent_by();
        self.layer.request(now, peer, &sent_by, dialog.request(rsip::Method::Bye));
    }

    /// A phone moved or refreshes: it gets the same description, and the relay its new address.
    pub(super) fn reinvited(&mut self, now: RunTime, server: u64, request: &Message<'_>) {
        let Some((id, at)) = self.owner(request) else { return self.respond(now, server, request, 481) };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let leg = &mut session.legs[at];
        if !leg.dialog.advance(request) {
            return self.respond(now, server, request, 500);
        }
        leg.dialog.refresh(request);
        if let Some(description) = Description::read(request.body) {
            let video = description.video.map(|video| video.address);
            let remotes = [Some(description.audio.address), video];
            for (relayed, remote) in leg.relayed.iter_mut().zip(remotes) {
                relayed.remote = remote.unwrap_or(relayed.remote);
            }
        }
        let (body, peer) = (leg.description.clone().into_bytes(), leg.peer);
        let session = session.clone();
        let contact = self.contact(peer.unwrap_or(Peer::Udp(self.config.address)));
        let ok = self.reply(request, 200, "").contact(&contact).body("application/sdp", body);
        self.layer.respond(now, server, ok);
        self.outputs.push_back(Output::Relay(session.open()));
        self.stand(session);
    }
}
