//! From an accepted connection to a session: STARTTLS, SASL, then resumption or bind.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use sasl::common::Identity;
use sasl::common::scram::generate_nonce;
use sasl::server::Response as ServerResponse;
use tokio::io::{AsyncBufRead, AsyncWrite, BufStream};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_xmpp::jid::{FullJid, Jid};
use tokio_xmpp::minidom::Element;
use tokio_xmpp::parsers::bind::{BindFeature, BindQuery, BindResponse};
use tokio_xmpp::parsers::iq::Iq;
use tokio_xmpp::parsers::sasl::{Challenge, DefinedCondition, Failure, Nonza, Success};
use tokio_xmpp::parsers::starttls::{Proceed, StartTls};
use tokio_xmpp::parsers::stream_features::StreamFeatures;
use tokio_xmpp::parsers::{ns, sm, stanza_error};
use tokio_xmpp::xmlstream::{AcceptedStream, ReadError, StreamHeader, Timeouts, XmlStream, accept_stream};

use super::Server;
use super::hub::{Detached, Resumable};
use super::session::Session;

/// Clients may be silent for as long as they like.
const NO_TIMEOUTS: Timeouts =
    Timeouts { read_timeout: Duration::from_secs(86_400), response_timeout: Duration::from_secs(86_400) };

type Tls = BufStream<TlsStream<TcpStream>>;

/// A client's stream inside TLS.
pub(super) type Wire = XmlStream<Tls, Element>;

pub(super) async fn negotiate(tcp: TcpStream, server: &Server) -> io::Result<Session> {
    let tls = encrypt(tcp, server).await?;
    let accepted = accept_stream(tls, ns::JABBER_CLIENT, NO_TIMEOUTS).await?;
    let mechanisms = ["SCRAM-SHA-1", "SCRAM-SHA-256"].map(str::to_owned).into();
    let features = StreamFeatures { sasl_mechanisms: mechanisms, ..StreamFeatures::default() };
    let wire = offer(accepted, server, &features).await?;
    let (accepted, user) = authenticate(wire, server).await?;
    let stream_management = server.0.stream_management.then_some(sm::StreamManagement { optional: false });
    let bind = Some(BindFeature { required: false });
    let features = StreamFeatures { bind, stream_management, ..StreamFeatures::default() };
    let wire = offer(accepted, server, &features).await?;
    open_session(wire, server, user).await
}

/// RFC 6120 §5: nothing but STARTTLS is possible in clear.
async fn encrypt(tcp: TcpStream, server: &Server) -> io::Result<Tls> {
    let accepted = accept_stream(BufStream::new(tcp), ns::JABBER_CLIENT, NO_TIMEOUTS).await?;
    let features = StreamFeatures { starttls: Some(StartTls { required: true }), ..StreamFeatures::default() };
    let mut plain = offer(accepted, server, &features).await?;
    let request = hear(&mut plain).await?;
    if !request.is("starttls", ns::TLS) {
        return Err(unexpected(&request, "<starttls/>"));
    }
    plain.send(&Proceed).await?;
    // What the client sent behind its request in clear stays in the buffer and is dropped with it.
    let tcp = plain.into_inner().into_inner();
    Ok(BufStream::new(server.0.tls.accept(tcp).await?))
}

async fn offer<Io>(
    accepted: AcceptedStream<Io>,
    server: &Server,
    features: &StreamFeatures,
) -> io::Result<XmlStream<Io, Element>>
where
    Io: AsyncBufRead + AsyncWrite + Unpin,
{
    let id = generate_nonce().map_err(|error| io::Error::other(error.to_string()))?;
    let from = Some(Cow::Borrowed(server.0.domain.as_str()));
    let pending = accepted.send_header(StreamHeader { from, to: None, id: Some(Cow::Owned(id)) }).await?;
    pending.send_features(features).await
}

/// RFC 6120 §6. A client that fails is told and must come again.
async fn authenticate(mut wire: Wire, server: &Server) -> io::Result<(AcceptedStream<Tls>, String)> {
    let first = hear(&mut wire).await?;
    let Ok(Nonza::Auth(auth)) = Nonza::try_from(first.clone()) else {
        return Err(unexpected(&first, "<auth/>"));
    };
    let Some(mut mechanism) = server.0.accounts.mechanism(&auth.mechanism) else {
        return Err(refuse(&mut wire, DefinedCondition::InvalidMechanism).await);
    };
    let mut data = auth.data;
    loop {
        match mechanism.respond(&data) {
            Ok(ServerResponse::Success(Identity::Username(user), data)) => {
                return Ok((wire.accept_reset(&Success { data }).await?, user));
            }
            Ok(ServerResponse::Proceed(data)) => wire.send(&Challenge { data }).await?,
            Ok(ServerResponse::Success(Identity::None, _)) | Err(_) => {
                return Err(refuse(&mut wire, DefinedCondition::NotAuthorized).await);
            }
        }
        let answer = hear(&mut wire).await?;
        let Ok(Nonza::Response(response)) = Nonza::try_from(answer.clone()) else {
            return Err(unexpected(&answer, "<response/>"));
        };
        data = response.data;
    }
}

async fn refuse(wire: &mut Wire, condition: DefinedCondition) -> io::Error {
    let told = format!("login refused: {condition:?}");
    let failure = Failure { defined_condition: condition, texts: Default::default() };
    let _gone = wire.send(&failure).await;
    let _gone = wire.shutdown().await;
    io::Error::new(io::ErrorKind::PermissionDenied, told)
}

/// A resumption (XEP-0198 §5) or, also after a failed one, a bind (RFC 6120 §7).
async fn open_session(mut wire: Wire, server: &Server, user: String) -> io::Result<Session> {
    loop {
        let element = hear(&mut wire).await?;
        if let Ok(resume) = sm::Resume::try_from(element.clone()) {
            match take_over(server, &user, &resume).await {
                Some(old) => return Ok(Session::resumed(wire, server.clone(), user, old, resume)),
                None => wire.send(&not_found()).await?,
            }
        } else if let Ok(Iq::Set { id, payload, .. }) = Iq::try_from(element.clone()) {
            let Ok(query) = BindQuery::try_from(payload) else {
                return Err(unexpected(&element, "a bind request"));
            };
            return bind(wire, server, user, &id, query).await;
        } else {
            return Err(unexpected(&element, "a bind request"));
        }
    }
}

async fn take_over(server: &Server, user: &str, resume: &sm::Resume) -> Option<Detached> {
    // The lock must not be held across the wait below.
    let resumable = server.hub().resume(user, &resume.previd.0)?;
    match resumable {
        Resumable::Now(detached) => Some(*detached),
        Resumable::Soon(handed_over) => handed_over.await.ok(),
    }
}

async fn bind(mut wire: Wire, server: &Server, user: String, id: &str, query: BindQuery) -> io::Result<Session> {
    let generated = || generate_nonce().unwrap_or_default();
    let address = format!("{user}@{}/{}", server.0.domain, query.resource.unwrap_or_else(generated));
    let jid: FullJid = address.parse().map_err(|error| io::Error::other(format!("`{address}`: {error}")))?;
    let answer = Iq::from_result(id, Some(BindResponse { jid: jid.clone() }));
    wire.send(&Element::from(answer)).await?;
    let seat = server.hub().seat(&user, Jid::from(jid));
    Ok(Session::new(wire, server.clone(), user, seat))
}

fn not_found() -> Element {
    let error = Some(stanza_error::DefinedCondition::ItemNotFound);
    sm::Failed { h: None, error }.into()
}

/// The next element; every way in which a stream can end is an error.
async fn hear<Io>(wire: &mut XmlStream<Io, Element>) -> io::Result<Element>
where
    Io: AsyncBufRead + AsyncWrite + Unpin,
{
    loop {
        match wire.next().await {
            Some(Ok(element)) => return Ok(element),
            Some(Err(ReadError::SoftTimeout)) => {}
            Some(Err(ReadError::HardError(error))) => return Err(error),
            Some(Err(ReadError::ParseError(error))) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            Some(Err(ReadError::StreamFooterReceived)) | None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn unexpected(element: &Element, wanted: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("<{}/> where {wanted} was due", element.name()))
}
