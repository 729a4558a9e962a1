//! One client's session from bind to its end.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{Sink, StreamExt};
use sasl::common::scram::generate_nonce;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_xmpp::minidom::Element;
use tokio_xmpp::parsers::iq::Iq;
use tokio_xmpp::parsers::message::Message;
use tokio_xmpp::parsers::presence::{Presence, Type};
use tokio_xmpp::parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};
use tokio_xmpp::parsers::{ns, sm, stream_error};
use tokio_xmpp::xmlstream::ReadError;

use super::Server;
use super::hub::{Delivery, Detached};
use super::negotiation::Wire;
use crate::experiment::agent::chat::{Acks, is_stanza};

/// How long a client may take to let us say goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// A session with its connection.
pub(super) struct Session {
    wire: Wire,
    server: Server,
    user: String,
    seat: Detached,
    greeting: Vec<Element>,
}

enum End {
    /// The client said goodbye.
    Closed,
    /// The connection broke.
    Lost(io::Error),
    /// The account logged in elsewhere.
    Replaced,
    /// The session goes on, on another connection.
    HandOver(oneshot::Sender<Detached>),
}

impl Session {
    pub(super) fn new(wire: Wire, server: Server, user: String, seat: Detached) -> Session {
        Session { wire, server, user, seat, greeting: Vec::new() }
    }

    /// XEP-0198 §5: the client's count is taken in, and what it has not seen is sent again.
    pub(super) fn resumed(wire: Wire, server: Server, user: String, mut seat: Detached, resume: sm::Resume) -> Session {
        let acks = seat.acks.get_or_insert_default();
        acks.acknowledge(resume.h);
        let mut greeting = vec![sm::Resumed { h: acks.handled(), previd: resume.previd }.into()];
        greeting.extend(acks.unacknowledged().cloned());
        Session { wire, server, user, seat, greeting }
    }

    /// Serves the client until the session or its connection ends.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let end = match self.greet() {
            Ok(()) => self.serve().await,
            Err(error) => End::Lost(error),
        };
        let Session { mut wire, server, user, seat, .. } = self;
        match end {
            End::HandOver(successor) => {
                if let Err(seat) = successor.send(seat) {
                    server.hub().detach(&user, seat);
                }
            }
            End::Lost(error) => {
                if seat.acks.as_ref().is_some_and(|acks| acks.resumption.is_some()) {
                    server.hub().detach(&user, seat);
                } else {
                    server.hub().leave(&user, seat);
                }
                return Err(error);
            }
            End::Closed | End::Replaced => {
                server.hub().leave(&user, seat);
                if matches!(end, End::Replaced) {
                    let _gone = put(&mut wire, &conflict());
                }
                let _gone = timeout(GOODBYE, wire.shutdown()).await;
            }
        }
        Ok(())
    }

    fn greet(&mut self) -> io::Result<()> {
        std::mem::take(&mut self.greeting).iter().try_for_each(|element| put(&mut self.wire, element))
    }

    async fn serve(&mut self) -> End {
        loop {
            let done = tokio::select! {
                delivery = self.seat.mailbox.recv() => match delivery {
                    Some(Delivery::Stanza(stanza)) => self.send(stanza),
                    Some(Delivery::HandOver(successor)) => return End::HandOver(successor),
                    Some(Delivery::Replaced) | None => return End::Replaced,
                },
                heard = poll_fn(|cx| poll_wire(&mut self.wire, cx)) => match heard {
                    Ok(Some(element)) => self.heard(element),
                    Ok(None) => return End::Closed,
                    Err(error) => return End::Lost(error),
                },
            };
            if let Err(error) = done {
                return End::Lost(error);
            }
        }
    }

    fn send(&mut self, stanza: Element) -> io::Result<()> {
        put(&mut self.wire, &stanza)?;
        if let Some(acks) = &mut self.seat.acks {
            acks.sent(stanza, None);
            put(&mut self.wire, &sm::R.into())?;
        }
        Ok(())
    }

    fn heard(&mut self, element: Element) -> io::Result<()> {
        if is_stanza(&element) {
            if let Some(acks) = &mut self.seat.acks {
                acks.received();
            }
            return self.heard_stanza(element);
        }
        match sm::Nonza::try_from(element) {
            Ok(sm::Nonza::Enable(enable)) if self.server.0.stream_management => self.enable(&enable),
            Ok(sm::Nonza::Ack(sm::A { h })) => {
                if let Some(acks) = &mut self.seat.acks {
                    acks.acknowledge(h);
                }
                Ok(())
            }
            Ok(sm::Nonza::Req(_)) => match &self.seat.acks {
                Some(acks) => put(&mut self.wire, &sm::A::new(acks.handled()).into()),
                None => Ok(()),
            },
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn enable(&mut self, enable: &sm::Enable) -> io::Result<()> {
        let name = generate_nonce().ok().filter(|_| enable.resume);
        if let Some(name) = &name {
            self.server.hub().set_resumption(&self.user, self.seat.number, name);
        }
        let id = name.clone().map(sm::StreamId);
        let enabled = sm::Enabled { resume: id.is_some(), id, location: None, max: None };
        self.seat.acks = Some(Acks::new(name));
        put(&mut self.wire, &enabled.into())
    }

    fn heard_stanza(&mut self, element: Element) -> io::Result<()> {
        if let Ok(message) = Message::try_from(element.clone()) {
            let from = Some(self.seat.address.clone());
            let bounced = self.server.hub().route(Message { from, ..message });
            bounced.map_or(Ok(()), |bounced| self.send(bounced.into()))
        } else if let Ok(presence) = Presence::try_from(element.clone()) {
            self.heard_presence(&presence);
            Ok(())
        } else if let Ok(iq) = Iq::try_from(element) {
            self.answer(iq).map_or(Ok(()), |answer| self.send(answer.into()))
        } else {
            // RFC 6120 §4.9.3.1 would end the stream; a stanza that we cannot read is simply not ours.
            Ok(())
        }
    }

    fn heard_presence(&mut self, presence: &Presence) {
        let mut hub = self.server.hub();
        match presence.type_ {
            Type::None | Type::Unavailable if presence.to.is_none() => {
                hub.set_available(&self.user, self.seat.number, presence.type_ == Type::None);
            }
            _ => hub.subscription(&self.user, presence),
        }
    }

    fn answer(&self, iq: Iq) -> Option<Iq> {
        let (from, to, id, payload) = match iq {
            Iq::Get { from, to, id, payload } | Iq::Set { from, to, id, payload } => (from, to, id, payload),
            Iq::Result { .. } | Iq::Error { .. } => return None,
        };
        let to_server = to.as_ref().is_none_or(|to| to.as_str() == self.server.0.domain.as_str());
        let from = from.or_else(|| Some(self.seat.address.clone()));
        if to_server && payload.is("ping", ns::PING) {
            return Some(Iq::Result { from: to, to: from, id, payload: None });
        }
        let error = StanzaError::new(ErrorType::Cancel, DefinedCondition::ServiceUnavailable, "en", "not offered");
        Some(Iq::Error { from: to, to: from, id, error, payload: None })
    }
}

/// Hands `element` to the stream, which [`poll_wire`] flushes: it never waits for the client.
fn put(wire: &mut Wire, element: &Element) -> io::Result<()> {
    Pin::new(wire).start_send(element)
}

/// Flushes what was put, and reads: `None` is the client's goodbye.
fn poll_wire(wire: &mut Wire, cx: &mut Context<'_>) -> Poll<io::Result<Option<Element>>> {
    if let Poll::Ready(Err(error)) = <Wire as Sink<&Element>>::poll_flush(Pin::new(wire), cx) {
        return Poll::Ready(Err(error));
    }
    loop {
        return Poll::Ready(match ready!(wire.poll_next_unpin(cx)) {
            Some(Ok(element)) => Ok(Some(element)),
            Some(Err(ReadError::SoftTimeout)) => continue,
            Some(Err(ReadError::HardError(error))) => Err(error),
            Some(Err(ReadError::ParseError(error))) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            Some(Err(ReadError::StreamFooterReceived)) | None => Ok(None),
        });
    }
}

fn conflict() -> Element {
    stream_error::StreamError::new(stream_error::DefinedCondition::Conflict, "en", "logged in elsewhere").into()
}
