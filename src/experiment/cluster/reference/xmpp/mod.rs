//! The reference cluster's XMPP server: one a node, no store shared with the others.
//!
//! It does what chatters need and no more, but that by the book: STARTTLS and SCRAM only (RFC 6120), one
//! session an account, messages routed or stored (RFC 6121 §8.5), delay stamps (XEP-0203), pings (XEP-0199),
//! stream management with resumption on the same node (XEP-0198). What a dead node had stored or had not yet
//! had acknowledged is gone with it, as with equal servers that share nothing.

mod certificate;
mod hub;
mod negotiation;
mod scram;
mod session;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_xmpp::jid::BareJid;

pub use certificate::{Certificates, issue};
use hub::Hub;
use scram::Accounts;

/// A client that has not logged in by then is dropped.
const NEGOTIATION: Duration = Duration::from_secs(30);

/// What a server is told once.
#[derive(Clone)]
pub struct ServerConfig {
    /// The domain that it serves.
    pub domain: String,
    /// Its accounts.
    pub users: Vec<String>,
    /// A user's password is the user's name behind this prefix.
    pub password_prefix: String,
    /// PEM of its certificate, the authority's behind it.
    pub certificate_pem: String,
    /// PEM of the certificate's key.
    pub key_pem: String,
    /// Whether it offers stream management.
    pub stream_management: bool,
    /// Unix time in nanoseconds, for delay stamps.
    pub wall_now: fn() -> i64,
}

/// One node's server. Clones are the same server.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    domain: BareJid,
    stream_management: bool,
    tls: TlsAcceptor,
    accounts: Accounts,
    hub: Mutex<Hub>,
}

impl Server {
    /// A server with nobody logged in and empty stores.
    ///
    /// # Errors
    /// When the domain, a user's name or the certificate is unusable.
    pub fn new(config: ServerConfig) -> io::Result<Server> {
        let domain = BareJid::new(&config.domain)
            .map_err(|error| invalid(format!("`{}` is no XMPP domain: {error}", config.domain)))?;
        let tls = certificate::acceptor(&config.certificate_pem, &config.key_pem)?;
        Ok(Server(Arc::new(Inner {
            tls,
            stream_management: config.stream_management,
            hub: Mutex::new(Hub::new(domain.clone(), config.users.clone(), config.wall_now)),
            accounts: Accounts::new(config.users, config.password_prefix),
            domain,
        })))
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.0.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves one connection until it ends.
///
/// # Errors
/// What ended it, when it was not the client's goodbye: for the node's log, nothing is left to be done.
pub async fn serve(stream: TcpStream, server: Server) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let session = timeout(NEGOTIATION, negotiation::negotiate(stream, &server)).await;
    session.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the client did not log in"))??.run().await
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
