//! The driver of all chatters: one thread, one task each, on `tokio_xmpp::xmlstream` alone.
//!
//! The library's `Client` and `StanzaStream` reconnect, ping and send again by themselves and hide when a
//! stream is suspended, so they would answer for the user whom we measure. Here the library does XML and
//! SASL; every decision is [`Chatter`]'s, and every change of state is recorded at its instant.

mod login;
mod tap;
mod task;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio_xmpp::jid::BareJid;

use super::recorder::Recorder;
use crate::evidence::history::ChatRole;
use crate::experiment::agent::chat::{Chatter, Planned, Settings};
use crate::experiment::cluster::Passwords;
use crate::units::{RunTime, Span};
use login::Dialer;
use task::{Orders, live};

/// Logins start so far apart, so that they do not delay one another's key derivation.
const STAGGER: Span = Span::from_millis(5);

/// A login includes a TLS handshake and thousands of hash rounds; less patience would fail on a busy machine.
const LEAST_LOGIN_TIMEOUT: Span = Span::from_secs(2);

/// Everything that the chatters will say.
#[derive(Clone, Debug, Default)]
pub struct ChatPlan {
    /// The pairs.
    pub pairs: Vec<PairPlan>,
}

/// What one pair will say.
#[derive(Clone, Debug)]
pub struct PairPlan {
    /// Number of the pair; the chatters are `chat-NN-a` and `chat-NN-b`.
    pub pair: u32,
    /// Account of the sender.
    pub sender: String,
    /// Account of the receiver.
    pub receiver: String,
    /// The messages in the order of time, counted from [`ChatDriver::begin`].
    pub messages: Vec<Planned>,
}

/// Where the chatters connect, and how they behave.
#[derive(Clone, Debug)]
pub struct ChatConfig {
    /// The server's floating address.
    pub server: SocketAddr,
    /// Its domain; its certificate must name it.
    pub domain: String,
    /// PEM of the authority that signed the certificate.
    pub ca_pem: String,
    /// Passwords of the chatters.
    pub passwords: Passwords,
    /// Address that the chatters bind.
    pub client: IpAddr,
    /// Network namespace that their thread enters first.
    pub netns: Option<PathBuf>,
    /// How often a sender pings; zero: never.
    pub ping_interval: Span,
    /// How often a receiver pings; zero: never.
    pub receiver_ping_interval: Span,
    /// How long an answer to a ping is waited for. A login gets this long too, but at least 2 s.
    pub ping_timeout: Span,
    /// Pause before another attempt to log in.
    pub reconnect: Span,
    /// Whether to use stream management (XEP-0198) where the server has it.
    pub stream_management: bool,
}

/// All chatters of a trial, alive until it is stopped or dropped.
#[derive(Debug)]
pub struct ChatDriver {
    orders: Option<watch::Sender<Orders>>,
    never_up: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl ChatDriver {
    /// Starts the chatters; they log in at once and wait for [`ChatDriver::begin`].
    ///
    /// # Errors
    /// When the authority's PEM, the domain or an account's name is unusable, or the network namespace cannot
    /// be entered. A server that does not answer is no error but a line of the history.
    pub fn start(config: ChatConfig, plan: ChatPlan, recorder: Recorder) -> io::Result<ChatDriver> {
        let dialer = Arc::new(Dialer::new(&config, recorder.clone())?);
        let chatters = chatters(&config, plan, &recorder)?;
        let never_up = Arc::new(AtomicUsize::new(chatters.len()));
        let (orders, receive_orders) = watch::channel(Orders::default());
        let (ready, is_ready) = channel();
        let crew = Crew { dialer, recorder, never_up: never_up.clone(), orders: receive_orders };
        let thread = thread::Builder::new()
            .name("chatters".to_owned())
            .spawn(move || run(config.netns.as_deref(), crew, chatters, &ready))?;
        is_ready.recv().unwrap_or_else(|_| Err(io::Error::other("the chatters' thread died at its start")))?;
        Ok(ChatDriver { orders: Some(orders), never_up, thread: Some(thread) })
    }

    /// Whether every chatter has been logged in at least once.
    #[must_use]
    pub fn all_up(&self) -> bool {
        self.never_up.load(Ordering::Acquire) == 0
    }

    /// Lets the senders begin: a message is due its own time after `plan_offset`.
    pub fn begin(&self, plan_offset: RunTime) {
        if let Some(orders) = &self.orders {
            orders.send_modify(|orders| orders.begin = Some(plan_offset));
        }
    }

    /// Logs everybody out, records what was never sent, and waits for the thread: half a second at most,
    /// which is what a dead server is given to take the goodbye.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for ChatDriver {
    fn drop(&mut self) {
        // The tasks take the sender's end for the order to stop.
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// What every task shares.
#[derive(Clone)]
struct Crew {
    dialer: Arc<Dialer>,
    recorder: Recorder,
    never_up: Arc<AtomicUsize>,
    orders: watch::Receiver<Orders>,
}

type Account = String;

fn run(netns: Option<&Path>, crew: Crew, chatters: Vec<(Chatter, Account)>, ready: &Sender<io::Result<()>>) {
    let runtime = match super::netns::enter(netns).and_then(|()| runtime()) {
        Ok(runtime) => runtime,
        Err(error) => return ready.send(Err(error)).unwrap_or_default(),
    };
    let _starter_gone = ready.send(Ok(()));
    runtime.block_on(async {
        let tasks: Vec<_> =
            chatters.into_iter().map(|(chatter, account)| tokio::spawn(live(chatter, account, crew.clone()))).collect();
        for task in tasks {
            let _panicked = task.await;
        }
    });
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().build()
}

fn chatters(config: &ChatConfig, plan: ChatPlan, recorder: &Recorder) -> io::Result<Vec<(Chatter, Account)>> {
    let mut start = recorder.clock().now();
    let mut chatters = Vec::with_capacity(2 * plan.pairs.len());
    for PairPlan { pair, sender, receiver, messages } in plan.pairs {
        for role in [ChatRole::Receiver, ChatRole::Sender] {
            let is_sender = role == ChatRole::Sender;
            let (own, peer) = if is_sender { (&sender, &receiver) } else { (&receiver, &sender) };
            let settings = Settings {
                name: format!("chat-{pair:02}-{}", if is_sender { 'a' } else { 'b' }),
                role,
                pair,
                peer: jid(&format!("{peer}@{}", config.domain))?,
                domain: jid(&config.domain)?,
                run: recorder.clock().wall_epoch_ns().cast_unsigned(),
                start,
                ping_interval: if is_sender { config.ping_interval } else { config.receiver_ping_interval },
                ping_timeout: config.ping_timeout,
                login_timeout: config.ping_timeout.max(LEAST_LOGIN_TIMEOUT),
                reconnect: config.reconnect,
            };
            let planned = if is_sender { messages.clone() } else { Vec::new() };
            let numbers = recorder.clone();
            let chatter = Chatter::new(settings, planned, Box::new(move || numbers.next_number()));
            chatters.push((chatter, own.clone()));
            start += STAGGER;
        }
    }
    Ok(chatters)
}

fn jid(text: &str) -> io::Result<BareJid> {
    BareJid::new(text)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("`{text}` is no XMPP address: {error}")))
}
