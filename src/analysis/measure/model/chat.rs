//! Chat: our own chatters and their messages, and what a foreign capture tells of XMPP (RFC 6120).

use serde::{Deserialize, Serialize};

use crate::units::RunTime;

/// One chatter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatterMeasured {
    /// `chat-03-a`.
    pub chatter: String,
    /// When its session was up: pairs of start and end (absent: still up at the end).
    pub sessions: Vec<(RunTime, Option<RunTime>)>,
    /// Sessions that were resumed (XEP-0198).
    pub resumed: u32,
    /// Attempts to log in.
    pub attempts: u32,
    /// It was cut off and did not notice before the end of the window.
    pub half_open: bool,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageFate {
    /// Once, in order, in time.
    DeliveredOnce,
    /// Once, later than the scenario's `late_after`.
    Late,
    /// More than once.
    Duplicated,
    /// Once, after a message of the same pair that was written later.
    Reordered,
    /// From the server's offline storage.
    RecoveredOffline,
    /// An error came back.
    Bounced,
    /// The server acknowledged it and nobody got it.
    AcknowledgedLost,
    /// Nobody acknowledged it and nobody got it.
    UnacknowledgedLost,
    /// Sent so near the end that nobody can know.
    Unknown,
    /// Due while the sender had no session, and never sent.
    NotStarted,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageMeasured {
    /// Number in the trial.
    pub message: u64,
    /// The pair.
    pub pair: u32,
    /// When it was due.
    pub planned_ns: RunTime,
    /// From the plan to the first delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// What became of it.
    pub fate: MessageFate,
}

/// How a chat session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatEnd {
    /// The client said goodbye (`</stream:stream>`, or FIN first) and the server answered.
    Closed,
    /// The client broke it with a TCP reset while the server was answering.
    ClientReset,
    /// The server, or its kernel, ended it: FIN, `</stream:stream>` or a stream error.
    ServerClosed,
    /// A TCP reset came from the server's address.
    ServerReset,
    /// The server's address stopped answering: what the client sent was not even acknowledged by TCP.
    Silent,
}

/// One XMPP session between a client and a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatMeasured {
    /// Address and port of the client.
    pub client: String,
    /// Address and port of the server.
    pub server: String,
    /// The JID that the server bound (RFC 6120 §7); absent when it was not seen, or is hidden by TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jid: Option<String>,
    /// The domain that the client asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// First segment of the connection.
    pub start_ns: RunTime,
    /// Whether the capture holds the connection's beginning.
    pub from_its_beginning: bool,
    /// From when on TLS hides the content; absent in a session that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_ns: Option<RunTime>,
    /// The server accepted the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticated_ns: Option<RunTime>,
    /// Conditions of refused logins, in order (`not-authorized`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// From when on the user had the service: the JID was bound or the session resumed; under TLS the first
    /// encrypted data of the server, which comes before the login is complete; the first segment where the
    /// beginning was not captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_ns: Option<RunTime>,
    /// The session went on from an earlier one (XEP-0198).
    pub resumed: bool,
    /// The end; absent while it was up at the end of the capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ns: Option<RunTime>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<ChatEnd>,
    /// The last segment from the server's address before the end, a reset not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_last_ns: Option<RunTime>,
    /// Condition of a stream error (`system-shutdown`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Messages with a body from the client; absent under TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<u64>,
    /// Messages with a body to the client; absent under TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<u64>,
}

/// One message, on its way to the server and from it, as far as the capture shows both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatMessageMeasured {
    /// The sender's `id`.
    pub id: String,
    /// Bare JID of the sender, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Bare JID of the recipient.
    pub to: String,
    /// First seen from the sender; absent when only its delivery was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_ns: Option<RunTime>,
    /// First seen on its way to the recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_ns: Option<RunTime>,
    /// From the one to the other: the server's part and the network between the two places. Absent when they were
    /// seen in different files, whose clocks nobody compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<f64>,
    /// How often it was delivered.
    pub deliveries: u32,
    /// Whether the server acknowledged it to the sender (XEP-0198).
    pub acknowledged: bool,
    /// What became of it; absent where the capture does not show: the recipient's session is not in it, cannot be
    /// read, or has holes, or the capture ends too soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fate: Option<MessageFate>,
}
