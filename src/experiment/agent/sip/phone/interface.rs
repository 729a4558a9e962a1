//! What a phone is told, what it is given, and what it wants done.

use std::net::SocketAddr;

use super::behaviour::Behaviour;
use crate::evidence::history::{Direction, OpKind, What};
use crate::experiment::agent::sip::transaction::Timers;
use crate::units::{RunTime, Span};
use crate::wire::video::Codec;
use crate::wire::video::h264::Mode;

/// How a phone reaches its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// One connection, kept open.
    Tcp,
}

/// A phone's settings.
#[derive(Clone, Debug)]
pub struct PhoneConfig {
    /// Its name in the history: `phone-07`.
    pub name: String,
    /// User, also for authentication.
    pub user: String,
    /// Password in clear.
    pub password: String,
    /// Domain of the addresses of record.
    pub domain: String,
    /// The server: registrar and outbound proxy.
    pub server: SocketAddr,
    /// Own address; for TCP, what is known of it before connecting.
    pub local: SocketAddr,
    /// Transport to the server.
    pub transport: Transport,
    /// How long it rings before it answers; zero answers without ringing.
    pub ring: Span,
    /// Transaction timers.
    pub timers: Timers,
    /// What it does by itself: then a commanded registration is kept up, and `server` stands for its targets where
    /// the behaviour has none. Absent: a phone that registers only when it is told to.
    pub behaviour: Option<Behaviour>,
    /// Servers with each of which it registers whenever it is told to, over one socket; empty: with the one that it
    /// uses.
    pub everywhere: Vec<SocketAddr>,
    /// Under which kind its registrations are written down.
    pub register_kind: OpKind,
    /// First number for operations that nobody commanded: registering again after a lost connection, and
    /// what the far side did. No other operation of the trial may have a number from here on.
    pub op_base: u64,
    /// Seed of tags, branches and Call-IDs.
    pub seed: u64,
}

/// The media of one side of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Own RTP address.
    pub address: SocketAddr,
    /// Encoding name: `PCMA`, `PCMU`.
    pub codec: String,
    /// RTP payload type to offer.
    pub payload_type: u8,
    /// Packet interval in milliseconds.
    pub ptime_ms: u32,
    /// Own video; absent for a call without.
    pub video: Option<VideoMedia>,
}

/// The video of one side of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoMedia {
    /// Own RTP address.
    pub address: SocketAddr,
    /// Codec.
    pub codec: Codec,
    /// For H.264: how units are put into packets.
    pub mode: Mode,
    /// For H.264: `profile-level-id` (RFC 6184 §8.1) of what we send and can receive.
    pub profile_level_id: String,
    /// RTP payload type to offer.
    pub payload_type: u8,
    /// Whether key frames are asked for and sent when asked (RFC 4585).
    pub picture_loss_indication: bool,
}

/// What happened to a phone.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram came.
    Datagram {
        /// Its source.
        from: SocketAddr,
        /// Its payload.
        bytes: &'a [u8],
    },
    /// The connection gave these octets.
    Stream {
        /// Any piece of the stream.
        bytes: &'a [u8],
    },
    /// The connection that was asked for stands.
    Connected {
        /// Its own end.
        local: SocketAddr,
    },
    /// The connection broke, or could not be made.
    Disconnected {
        /// Why, as the operating system says it: `connection reset`, `connection refused`.
        reason: &'a str,
    },
    /// The network says that nobody is there (ICMP).
    Unreachable {
        /// Where a datagram could not be delivered.
        to: SocketAddr,
    },
    /// The user wants something.
    Command(Command),
}

/// What a user can want. Patience counts from `planned`.
#[derive(Clone, Debug)]
pub enum Command {
    /// Register the phone.
    Register {
        /// Number of the operation.
        op: u64,
        /// When it was due.
        planned: RunTime,
        /// Wanted lifetime of the registration, in seconds.
        expires_s: u32,
        /// How long the user waits.
        patience: Span,
    },
    /// Call somebody.
    Call {
        /// Number of the operation.
        op: u64,
        /// Number of the call, unique within the trial.
        call: u64,
        /// `StandingCall` or `NewCall`.
        kind: OpKind,
        /// When it was due.
        planned: RunTime,
        /// User to call.
        callee: String,
        /// Own media.
        media: Media,
        /// How long the user waits for the answer.
        patience: Span,
    },
    /// The next INVITE from `from_user` belongs to `call`. A later `Expect` for the same user replaces this
    /// one; an INVITE that nobody expects gets 486.
    Expect {
        /// Number of the call.
        call: u64,
        /// User of its From.
        from_user: String,
        /// Own media.
        media: Media,
    },
    /// End a call.
    HangUp {
        /// Number of the operation.
        op: u64,
        /// Number of the call.
        call: u64,
        /// When it was due.
        planned: RunTime,
    },
    /// Ask once whether the server answers: one datagram, no retransmission, any final response counts.
    Options {
        /// Number of the operation.
        op: u64,
        /// When it was due.
        planned: RunTime,
        /// How long an answer counts.
        deadline: Span,
    },
}

/// What a phone wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a datagram.
    Datagram {
        /// Where.
        to: SocketAddr,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// Write to the connection.
    Stream {
        /// What.
        bytes: Vec<u8>,
    },
    /// Open a new connection, dropping an older one (or an attempt) without telling.
    Connect {
        /// Where.
        to: SocketAddr,
    },
    /// Write this to the history.
    Event {
        /// When it happened.
        t: RunTime,
        /// What happened.
        what: What,
    },
    /// Do something with the media of a call.
    Media(MediaCommand),
}

/// What to do with the media of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaCommand {
    /// Send, and receive at `local`.
    Start {
        /// Number of the call.
        call: u64,
        /// Direction of what we send.
        direction: Direction,
        /// Own RTP address.
        local: SocketAddr,
        /// Where to send to.
        remote: SocketAddr,
        /// Encoding name.
        codec: String,
        /// RTP payload type to send.
        payload_type: u8,
        /// Packet interval in milliseconds.
        ptime_ms: u32,
        /// Own video with the payload type to send, and where it goes; absent where the two sides did not agree.
        video: Option<(VideoMedia, SocketAddr)>,
    },
    /// Send to another address from now on.
    Update {
        /// Number of the call.
        call: u64,
        /// Where to send to.
        remote: SocketAddr,
        /// Where to send the video to, if there is any.
        video: Option<SocketAddr>,
    },
    /// The far side wants a key frame (RFC 5168).
    KeyFrame {
        /// Number of the call.
        call: u64,
    },
    /// Send no more.
    Stop {
        /// Number of the call.
        call: u64,
    },
}

impl MediaCommand {
    /// Number of the call.
    #[must_use]
    pub fn call(&self) -> u64 {
        match self {
            MediaCommand::Start { call, .. }
            | MediaCommand::Update { call, .. }
            | MediaCommand::KeyFrame { call }
            | MediaCommand::Stop { call } => *call,
        }
    }
}
