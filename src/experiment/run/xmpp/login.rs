//! From nothing to a session: TCP, STARTTLS, SASL, then resumption or bind (RFC 6120 §4 to §7, XEP-0198).

use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use sasl::common::{ChannelBinding, Credentials};
use tokio::io::{AsyncBufRead, AsyncWrite, BufStream};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption as TlsResumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_xmpp::client_login;
use tokio_xmpp::minidom::Element;
use tokio_xmpp::parsers::bind::BindQuery;
use tokio_xmpp::parsers::iq::Iq;
use tokio_xmpp::parsers::stream_features::StreamFeatures;
use tokio_xmpp::parsers::{ns, sm, starttls};
use tokio_xmpp::xmlstream::{
    PendingFeaturesRecv, ReadError, RecvFeaturesError, StreamHeader, Timeouts, XmlStream, initiate_stream,
};

use super::ChatConfig;
use super::tap::Tap;
use crate::experiment::agent::chat::{Login, Management, Resumption};
use crate::experiment::cluster::Passwords;
use crate::experiment::run::recorder::Recorder;
use crate::units::RunTime;

/// Our part of every address. A fixed one: a server then replaces the stale session of the same user instead
/// of delivering to it.
const RESOURCE: &str = "5n";

/// The chatter watches the time; the stream's own timeouts must never strike first.
const NO_TIMEOUTS: Timeouts =
    Timeouts { read_timeout: Duration::from_secs(86_400), response_timeout: Duration::from_secs(86_400) };

/// The stream of a logged-in chatter, with untyped elements: nothing that a server says can fail to parse.
pub(super) type Wire = XmlStream<BufStream<Tap<TlsStream<TcpStream>>>, Element>;

/// A successful login.
pub(super) struct Dialled {
    pub(super) wire: Wire,
    pub(super) login: Login,
    /// What came in before the login was through.
    pub(super) early: Vec<Element>,
}

/// The step of a login that failed, and why.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("{step}: {}", words(.error))]
    Stream { step: &'static str, error: io::Error },
    #[error("{step}: {reason}")]
    Refused { step: &'static str, reason: String },
}

/// Knows the way to a session.
pub(super) struct Dialer {
    server: SocketAddr,
    client: IpAddr,
    domain: String,
    server_name: ServerName<'static>,
    passwords: Passwords,
    stream_management: bool,
    tls: TlsConnector,
    recorder: Recorder,
}

impl Dialer {
    pub(super) fn new(config: &ChatConfig, recorder: Recorder) -> io::Result<Dialer> {
        let server_name = ServerName::try_from(config.domain.clone())
            .map_err(|error| invalid(format!("`{}` cannot stand in a certificate: {error}", config.domain)))?;
        Ok(Dialer {
            server: config.server,
            client: config.client,
            domain: config.domain.clone(),
            server_name,
            passwords: config.passwords.clone(),
            stream_management: config.stream_management,
            tls: TlsConnector::from(Arc::new(tls_config(&config.ca_pem)?)),
            recorder,
        })
    }

    /// Logs `account` in, resuming `resumption` if the server still knows it.
    pub(super) async fn dial(&self, account: &str, resumption: Option<Resumption>) -> Result<Dialled, DialError> {
        let mut steps = Steps::start(&self.recorder);
        let tcp = self.connect().await.map_err(stream_error("tcp"))?;
        steps.done("tcp");
        let tls = self.encrypt(tcp).await?;
        steps.done("tls");
        let (features, wire) = self.authenticate(tls, account).await?;
        steps.done("sasl");
        let offered = self.stream_management && features.stream_management.is_some();
        let mut dialled = Dialled { wire, login: Login::default(), early: Vec::new() };
        dialled.login.management = dialled.open_session(offered, resumption).await?;
        steps.done(if matches!(dialled.login.management, Management::Resumed(_)) { "resume" } else { "bind" });
        dialled.login.steps = steps.text;
        Ok(dialled)
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = if self.client.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(self.client, 0))?;
        let stream = socket.connect(self.server).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// RFC 6120 §5. The tap begins inside TLS.
    async fn encrypt(&self, tcp: TcpStream) -> Result<BufStream<Tap<TlsStream<TcpStream>>>, DialError> {
        let at = stream_error("starttls");
        let (local, remote) = (tcp.local_addr().map_err(at)?, tcp.peer_addr().map_err(at)?);
        let pending = self.open(BufStream::new(tcp), "starttls").await?;
        let (_, mut plain) =
            pending.recv_features::<Element>().await.map_err(|error| of_features("starttls", error))?;
        plain.send(&starttls::Request).await.map_err(at)?;
        let answer = next(&mut plain).await.map_err(at)?;
        if !answer.is("proceed", ns::TLS) {
            return Err(refused("starttls", format!("the server answers <{}/>", answer.name())));
        }
        let tcp = plain.into_inner().into_inner();
        let tls = self.tls.connect(self.server_name.clone(), tcp).await;
        let tls = tls.map_err(stream_error("tls"))?;
        Ok(BufStream::new(Tap::new(tls, self.recorder.clone(), local, remote)))
    }

    /// RFC 6120 §6: the strongest SCRAM that the server offers.
    async fn authenticate(
        &self,
        tls: BufStream<Tap<TlsStream<TcpStream>>>,
        account: &str,
    ) -> Result<(StreamFeatures, Wire), DialError> {
        let pending = self.open(tls, "sasl").await?;
        let (features, stream) = pending.recv_features().await.map_err(|error| of_features("sasl", error))?;
        let mechanisms = features.sasl_mechanisms;
        // RFC 5802 §6: "y" would tell a server that binds channels that somebody took its offer away.
        let server_binds = mechanisms.iter().any(|name| name.ends_with("-PLUS"));
        let binding = if server_binds { ChannelBinding::None } else { ChannelBinding::Unsupported };
        let credentials = Credentials::default()
            .with_username(account)
            .with_password(self.passwords.of(account))
            .with_channel_binding(binding);
        let stream =
            client_login(stream, mechanisms, credentials).await.map_err(|error| refused("sasl", error.to_string()))?;
        let pending = stream.send_header(self.header()).await;
        let pending = pending.map_err(stream_error("sasl"))?;
        pending.recv_features().await.map_err(|error| of_features("sasl", error))
    }

    async fn open<Io>(&self, io: Io, step: &'static str) -> Result<PendingFeaturesRecv<Io>, DialError>
    where
        Io: AsyncBufRead + AsyncWrite + Unpin,
    {
        let pending = initiate_stream(io, ns::JABBER_CLIENT, self.header(), NO_TIMEOUTS).await;
        pending.map_err(stream_error(step))
    }

    fn header(&self) -> StreamHeader<'_> {
        StreamHeader { to: Some(Cow::Borrowed(&self.domain)), ..StreamHeader::default() }
    }
}

impl Dialled {
    async fn open_session(
        &mut self,
        management: bool,
        resumption: Option<Resumption>,
    ) -> Result<Management, DialError> {
        let mut old = None;
        if let Some(resumption) = resumption.filter(|_| management) {
            match self.resume(resumption).await? {
                Ok(handled) => return Ok(Management::Resumed(handled)),
                Err(failure) => old = Some(failure),
            }
        }
        self.bind().await?;
        if !management {
            return Ok(Management::Off);
        }
        let resumption = self.enable().await?;
        let (failed, handled) = old.map_or((None, None), |old| (Some(old.condition), old.handled));
        Ok(resumption.map_or(Management::Off, |resumption| Management::Enabled { resumption, failed, handled }))
    }

    async fn resume(&mut self, resumption: Resumption) -> Result<Result<u32, NotResumed>, DialError> {
        let previd = sm::StreamId(resumption.name);
        let answer = self.ask("resume", sm::Resume { h: resumption.handled, previd }.into(), |answer| {
            answer.is("resumed", ns::SM) || answer.is("failed", ns::SM)
        });
        let answer = answer.await?;
        // `h` is optional in <failed/> (XEP-0198 §5), and a server that was killed has none to tell.
        let handled = answer.attr("h").and_then(|h| h.parse().ok());
        match handled {
            Some(handled) if answer.name() == "resumed" => Ok(Ok(handled)),
            _ => Ok(Err(NotResumed { condition: condition(&answer), handled })),
        }
    }

    async fn bind(&mut self) -> Result<(), DialError> {
        let query = Iq::from_set("bind", BindQuery::new(Some(RESOURCE.to_owned())));
        let answer = self.ask("bind", query.into(), |answer| answer.attr("id") == Some("bind")).await?;
        if answer.attr("type") == Some("result") {
            return Ok(());
        }
        let error = answer.get_child("error", ns::JABBER_CLIENT);
        Err(refused("bind", error.map_or_else(|| "no reason given".to_owned(), condition)))
    }

    /// `None` when the server refuses after all; else the session's name, if it can be resumed.
    async fn enable(&mut self) -> Result<Option<Option<String>>, DialError> {
        let answer = self.ask("enable", sm::Enable::new().with_resume().into(), |answer| {
            answer.is("enabled", ns::SM) || answer.is("failed", ns::SM)
        });
        let answer = answer.await?;
        let resumable = matches!(answer.attr("resume"), Some("true" | "1"));
        let name = answer.attr("id").filter(|_| resumable).map(str::to_owned);
        Ok((answer.name() == "enabled").then_some(name))
    }

    /// Sends `question` and reads until its answer; what else comes in is kept for the chatter.
    async fn ask(
        &mut self,
        step: &'static str,
        question: Element,
        is_answer: impl Fn(&Element) -> bool,
    ) -> Result<Element, DialError> {
        let at = stream_error(step);
        self.wire.send(&question).await.map_err(at)?;
        loop {
            let element = next(&mut self.wire).await.map_err(at)?;
            if element.is("error", ns::STREAM) {
                return Err(refused(step, condition(&element)));
            }
            if is_answer(&element) {
                return Ok(element);
            }
            self.early.push(element);
        }
    }
}

struct NotResumed {
    condition: String,
    handled: Option<u32>,
}

/// The instants of a login's steps as one line for the history.
struct Steps<'a> {
    recorder: &'a Recorder,
    last: RunTime,
    text: String,
}

impl Steps<'_> {
    fn start(recorder: &Recorder) -> Steps<'_> {
        Steps { recorder, last: recorder.clock().now(), text: String::new() }
    }

    fn done(&mut self, step: &str) {
        let now = self.recorder.clock().now();
        let comma = if self.text.is_empty() { "" } else { ", " };
        self.text += &format!("{comma}{step} {}", now - self.last);
        self.last = now;
    }
}

/// The next element; every way in which a stream can end is an error.
pub(super) async fn next<Io>(stream: &mut XmlStream<Io, Element>) -> io::Result<Element>
where
    Io: AsyncBufRead + AsyncWrite + Unpin,
{
    loop {
        return match stream.next().await {
            Some(Ok(element)) => Ok(element),
            Some(Err(ReadError::SoftTimeout)) => continue,
            Some(Err(ReadError::HardError(error))) => Err(error),
            Some(Err(ReadError::ParseError(error))) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            Some(Err(ReadError::StreamFooterReceived)) | None => Err(io::Error::other("stream closed by the server")),
        };
    }
}

/// An I/O error in the few words that a reader of the history wants.
pub(super) fn words(error: &io::Error) -> String {
    match error.kind() {
        kind @ (io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable) => kind.to_string(),
        io::ErrorKind::UnexpectedEof => "connection closed".to_owned(),
        // The XML parser's words for a stream that ends without its footer.
        io::ErrorKind::InvalidData if error.to_string().contains("eof") => "connection closed".to_owned(),
        _ => error.to_string(),
    }
}

fn tls_config(ca_pem: &str) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        let certificate = certificate.map_err(|error| invalid(format!("the authority's PEM is broken: {error}")))?;
        roots.add(certificate).map_err(|error| invalid(format!("the authority's certificate is unusable: {error}")))?;
    }
    if roots.is_empty() {
        return Err(invalid("the authority's PEM holds no certificate".to_owned()));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // One chatter's ticket must not shorten another's login: all share this configuration.
    config.resumption = TlsResumption::disabled();
    Ok(config)
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

fn stream_error(step: &'static str) -> impl Fn(io::Error) -> DialError + Copy {
    move |error| DialError::Stream { step, error }
}

fn refused(step: &'static str, reason: String) -> DialError {
    DialError::Refused { step, reason }
}

fn of_features(step: &'static str, error: RecvFeaturesError) -> DialError {
    match error {
        RecvFeaturesError::Io(error) => DialError::Stream { step, error },
        RecvFeaturesError::StreamError(error) => refused(step, error.to_string()),
    }
}

fn condition(element: &Element) -> String {
    let named = element.children().find(|child| child.name() != "text");
    named.map_or_else(|| "no reason given".to_owned(), |child| child.name().to_owned())
}
