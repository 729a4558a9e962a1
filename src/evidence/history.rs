//! The history of a trial: one JSON object a line, in the order of writing, all on the run clock.
//!
//! Operations follow Jepsen's words: `invoke` when the user's wish was put on the wire, then exactly one
//! of `ok`, `fail` (it certainly did not happen) or `info` (nobody can know: the server died meanwhile).
//! What was due and could not be started by the instrument is `not_started`.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::readiness::Readiness;
use crate::scenario::Way;
use crate::units::RunTime;

/// One line of `history.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened, on the run clock. For what came from a socket: the kernel's receive time.
    pub t_ns: RunTime,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What a line of the history tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A stage of the trial began.
    Stage {
        /// Which.
        stage: TrialStage,
    },
    /// A SIP or ping operation changed state.
    Op(Op),
    /// A media stream that our own sender feeds began or ended.
    Stream(StreamMark),
    /// A chatter's stream to the server changed state.
    Session(Session),
    /// A chat message was seen somewhere.
    Message(MessageMark),
    /// A fault was injected, verified or healed.
    Fault(FaultMark),
    /// The cluster itself says who owns the floating address (several: split brain; none: nobody).
    Owner {
        /// Their names.
        nodes: Vec<String>,
    },
    /// A node's own address, so that what captures show of it has its name.
    Node {
        /// The node.
        name: String,
        /// Its own address, not the floating one.
        address: std::net::IpAddr,
    },
    /// A sample of the map between the run clock and wall-clock time (Unix, nanoseconds).
    Clock {
        /// Unix time in nanoseconds at this event's run time.
        wall_unix_ns: i64,
    },
    /// Whether the cluster and its users were ready.
    Readiness(Readiness),
    /// The phase of a fault against the timer by which the cluster notices a death.
    Phase(FaultPhase),
    /// What a degraded path did to packets, when it was healed.
    Path(PathWork),
    /// A chatter was shown that the other one of its pair is there, or is not any more.
    Presence(Presence),
    /// How well the instrument itself worked, at the end of the trial.
    Health(Health),
    /// Something that a reader of the report must know.
    Caveat {
        /// What.
        text: String,
        /// What to do about it.
        remedy: String,
    },
}

/// The stages of a trial, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialStage {
    /// The cluster answered its health check.
    ClusterHealthy,
    /// Every planned phone is registered.
    Registered,
    /// Every standing call has media both ways and every chatter is logged in.
    Steady,
    /// The measured window ends; what is unrecovered now is censored.
    WindowEnd,
    /// All faults are healed and the traffic has stopped.
    Finished,
}

/// An operation of a user: it has one planned instant, one `invoke` and one end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// Unique within the trial; every line of one operation carries it.
    pub op: u64,
    /// What the user wanted.
    pub kind: OpKind,
    /// How far it got.
    pub step: Step,
    /// Who: a phone's or chatter's name, as `phone-07`, `chat-03-a`, `probe`.
    pub actor: String,
    /// When it was due. Latency counts from here.
    pub planned_ns: RunTime,
    /// The call that it belongs to: set for `call`, `bye`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
    /// Final SIP status code, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// INVITEs only: the first answer that told the user something, a provisional one other than 100 or else the final
    /// one (RFC 6076 §4.3). Absent when none came, and in histories from before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_ns: Option<RunTime>,
    /// The node that answered, where it says so (`X-Node`, `Server`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How often the request was retransmitted before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retransmissions: Option<u32>,
    /// Why, in a few words: `timer_b`, `patience`, `connection reset`, `481 from server`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a user wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpKind {
    /// REGISTER until 200, the digest round included.
    Register,
    /// A stateless OPTIONS probe: one datagram, no retransmission.
    Options,
    /// INVITE until 200: the setup of a call that was already standing when the window began.
    StandingCall,
    /// INVITE until 200: a fresh call.
    NewCall,
    /// BYE until 200.
    Bye,
    /// XEP-0199 ping of a chatter.
    Ping,
    /// REGISTER until 200 or until it is given up, which a phone sends by itself, as its profile says.
    OwnRegister,
    /// INVITE until 200: an idle phone calls, to see whether it can.
    IdleCall,
    /// INVITE until 200: the instrument calls an idle phone, to see whether it can be called. Its actor is named
    /// after the phone: `rings-NAME`.
    CallToIdle,
}

/// How far an operation got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Put on the wire.
    Invoke,
    /// It happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// Unknown: it was in flight when the answer became impossible.
    Info,
    /// The instrument could not start it when it was due; counts as failed for the user.
    NotStarted,
    /// The other side ended the dialog (BYE or CANCEL received): `call` tells which.
    RemoteEnd,
}

/// A media stream from one of our own senders: what was due is known, so silence is loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamMark {
    /// The stream's number in every payload signature.
    pub stream: u32,
    /// The call that it belongs to.
    pub call: u64,
    /// Who listens.
    pub direction: Direction,
    /// Began or ended.
    pub state: StreamState,
    /// `PCMA` or `PCMU`; for video `H264` or `VP8`.
    pub codec: String,
    /// Packet interval in nanoseconds; for video that of the frames.
    pub ptime_ns: i64,
    /// SSRC that our sender uses (the receiver may see another).
    pub ssrc: u32,
    /// Our sending socket.
    pub local: SocketAddr,
    /// Where it sends to (the relay, or the peer).
    pub remote: SocketAddr,
    /// What only video has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoMark>,
}

/// What a video stream is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoMark {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Distance of planned key frames in nanoseconds.
    pub key_interval_ns: i64,
    /// For H.264: 0 or 1 (RFC 6184 §5.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packetization_mode: Option<u8>,
    /// Whether the packets of a frame were spread over time, or sent at once.
    pub smoothed: bool,
}

/// Direction of a stream, seen from the user who placed the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What the caller says, heard by the callee.
    ToCallee,
    /// What the callee says, heard by the caller.
    ToCaller,
}

/// A sender's stream began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// The first packet is due now.
    Started,
    /// No further packet is due.
    Stopped,
}

/// A chatter's stream to the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The chatter: `chat-03-a`.
    pub chatter: String,
    /// Its role in the pair.
    pub role: ChatRole,
    /// What became of the stream.
    pub state: SessionState,
    /// Why or how, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a server shows a chatter of the other one of its pair (RFC 6121 §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Who was shown it: `chat-03-a` of `chat-03-b`. It holds until the next, or until this session ends.
    pub chatter: String,
    /// Whether the other one is there.
    pub available: bool,
}

/// Role of a chatter in its pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatRole {
    /// Writes the planned messages.
    Sender,
    /// Only reads (and answers receipts).
    Receiver,
}

/// State of a chatter's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// A connection attempt started.
    Connecting,
    /// A connection attempt failed.
    Refused,
    /// Logged in with a new session.
    Up,
    /// The client noticed that its stream is dead.
    Lost,
    /// The old session was resumed (XEP-0198).
    Resumed,
    /// Closed on purpose at the end.
    Closed,
}

/// Where a chat message was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageMark {
    /// Unique within the trial.
    pub message: u64,
    /// Number of the pair.
    pub pair: u32,
    /// Number within the pair, from 0: order is judged by it.
    pub seq: u32,
    /// When the user wanted to send it. Latency counts from here.
    pub planned_ns: RunTime,
    /// What was seen.
    pub seen: Seen,
    /// Details: the bounce's condition, `offline` for a message with a delay stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What was seen of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// Handed to the sender's stream when a session was up.
    Sent,
    /// Due while the sender had no session and not sent later.
    NotStarted,
    /// Acknowledged by the server (XEP-0198).
    Acked,
    /// Arrived at the receiver; each arrival is one line.
    Delivered,
    /// The receiver's receipt came back (XEP-0184).
    Receipt,
    /// An error stanza came back.
    Bounced,
}

/// A step of a fault's life. The third instant of a fault, its effect on the wire, is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultMark {
    /// Number of the fault in the scenario, from 0.
    pub fault: usize,
    /// `power_off`, `service_kill`, `service_hang`, `link_down`, `black_hole`.
    pub kind: String,
    /// The node that it was resolved to.
    pub node: String,
    /// The step.
    pub step: FaultStep,
    /// What was run, seen or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Steps of a fault's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultStep {
    /// The first command of the injection starts.
    CommandStart,
    /// The last command of the injection returned.
    CommandEnd,
    /// The check that it bit succeeded.
    Verified,
    /// The check that it bit failed: the trial is void for this fault.
    NotVerified,
    /// Healing starts.
    HealStart,
    /// Healing is done and the node is back.
    HealEnd,
    /// Healing failed.
    HealFailed,
}

/// Where in the interval of the cluster's timer a fault was meant to strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultPhase {
    /// Number of the fault in the scenario, from 0.
    pub fault: usize,
    /// Interval of the timer, in nanoseconds.
    pub interval_ns: i64,
    /// Drawn evenly from 0 to the interval.
    pub drawn_ns: i64,
    /// The last tick that was seen; absent where none was, as without a capture: the phase then counts from nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_ns: Option<RunTime>,
}

/// What a degraded path did to a node's packets in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathWork {
    /// Whose path.
    pub node: String,
    /// Which packets.
    pub way: Way,
    /// `emulator`: this program's own.
    pub method: String,
    /// Packets that arrived.
    pub left: u64,
    /// Packets that were lost by chance.
    pub lost: u64,
    /// Packets that found the queue of a limited rate full.
    pub overflowed: u64,
    /// Packets that overtook others.
    pub reordered: u64,
    /// How much later than meant packets left, in nanoseconds: median, 99th percentile, maximum.
    pub late_p50_ns: i64,
    /// See `late_p50_ns`.
    pub late_p99_ns: i64,
    /// See `late_p50_ns`.
    pub late_max_ns: i64,
}

/// The instrument's own health over one trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// RTP packets that our senders put on the wire.
    pub rtp_sent: u64,
    /// RTP packets that were due and skipped because the sender was more than one interval late.
    pub rtp_not_sent: u64,
    /// Lateness of RTP sends against the plan, in nanoseconds: median, 99th percentile, maximum.
    pub send_late_p50_ns: i64,
    /// See `send_late_p50_ns`.
    pub send_late_p99_ns: i64,
    /// See `send_late_p50_ns`.
    pub send_late_max_ns: i64,
    /// Operations that were due and not started.
    pub not_started: u64,
    /// Lateness of operation starts against the plan: maximum, in nanoseconds.
    pub start_late_max_ns: i64,
    /// Datagrams that the kernel dropped at our own sockets.
    pub socket_drops: u64,
    /// Frames that a capture lost (kernel and writer).
    pub capture_drops: u64,
    /// CPU time of the instrument's own process as a share of one core, 0 or more.
    pub cpu_share: f64,
}

/// A line that is no event: its number, from 1, and why.
pub type BadLine = (usize, String);

/// Reads a history line by line.
///
/// # Errors
/// An unreadable line is returned as its line number (from 1) and the reason; the caller decides. A last
/// line without a newline is a torn write of a crashed run and is skipped.
pub fn read<R: BufRead>(mut reader: R) -> io::Result<(Vec<Event>, Vec<BadLine>)> {
    let mut events = Vec::new();
    let mut bad = Vec::new();
    let mut line = String::new();
    let mut number = 0;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok((events, bad));
        }
        number += 1;
        match serde_json::from_str(&line) {
            Ok(event) => events.push(event),
            Err(_) if !line.ends_with('\n') => return Ok((events, bad)),
            Err(error) => bad.push((number, error.to_string())),
        }
    }
}

/// Writes one event as one line.
///
/// # Errors
/// Whatever the writer says (a full disk, for one).
pub fn write<W: Write>(writer: &mut W, event: &Event) -> io::Result<()> {
    serde_json::to_writer(&mut *writer, event)?;
    writer.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_it_was_written() {
        let event = Event {
            t_ns: RunTime(5),
            what: What::Op(Op {
                op: 1,
                kind: OpKind::NewCall,
                step: Step::Ok,
                actor: "phone-01".into(),
                planned_ns: RunTime(3),
                call: Some(9),
                code: Some(200),
                status_ns: None,
                node: None,
                retransmissions: Some(0),
                reason: None,
            }),
        };
        let mut bytes = Vec::new();
        write(&mut bytes, &event).unwrap();
        let (events, bad) = read(&bytes[..]).unwrap();
        assert_eq!(events, [event]);
        assert!(bad.is_empty());
    }

    #[test]
    fn a_torn_last_line_is_skipped_and_a_broken_one_is_told() {
        let text = b"{\"t_ns\":1,\"event\":\"clock\",\"wall_unix_ns\":2}\nnonsense\n{\"t_ns\":3,\"ev";
        let (events, bad) = read(&text[..]).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(bad[0].0, 2);
    }
}
