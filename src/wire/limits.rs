//! How much is kept of what strangers wrote. A capture may be hostile: made so that its reader runs out of memory
//! or never ends. Every amount that such a capture could drive up has its limit here, and nowhere else. What goes
//! beyond one is left out, counted, and becomes an anomaly with the number of the first packet that it concerned.
//!
//! The limits are far above what ordinary traces need: a busy proxy's trace of an hour stays below all of them.

use crate::units::Span;

/// Interfaces of one pcapng section. `tcpdump -i any` knows tens. 32 octets each.
pub const MOST_INTERFACES: usize = 65_536;
/// Interfaces of a whole file whose drop counters are kept.
pub const MOST_DROP_COUNTERS: usize = 65_536;
/// Different flaws of one file that are kept apart; each has its count and its first place.
pub const MOST_FLAWS: usize = 64;
/// Octets that a compressed file, or what comes from a pipe, may have once it is unpacked. They lie in a temporary
/// file of the system, in memory only as far as [`MOST_UNPACKED_IN_MEMORY`].
pub const MOST_UNPACKED: u64 = 16 << 30;
/// Octets of an unpacked file that are kept in memory; a larger one goes to a temporary file.
pub const MOST_UNPACKED_IN_MEMORY: usize = 8 << 20;

/// Datagrams whose fragments are waiting for the rest, at once; the oldest makes room. 64 KiB each at most.
pub const MOST_FRAGMENTED: usize = 1024;
/// Octets of a datagram that is put together: the largest that IP can carry (RFC 791 §3.1, RFC 8200 §4.5).
pub const LARGEST_DATAGRAM: usize = 65_535;
/// Parts of one datagram: with the smallest link of IPv4 (576 octets) the largest datagram has 118.
pub const MOST_PARTS: usize = 128;
/// How long the first fragment waits for the last: Linux waits 30 s, RFC 8200 §4.5 asks for 60 s at most.
pub const FRAGMENT_PATIENCE: Span = Span::from_secs(30);

/// TCP connections that are followed at once. About 400 octets each, and what they buffer.
pub const MOST_CONNECTIONS: usize = 65_536;
/// A connection that was silent for so long makes room for a new one when there are [`MOST_CONNECTIONS`].
pub const IDLE_CONNECTION: Span = Span::from_secs(600);
/// Octets that arrived before those that come first, for one direction of one connection. When more are waiting,
/// the missing ones were not captured and are skipped.
pub const MOST_WAITING: usize = 1 << 20;
/// Pieces of the same; each has its own overhead, so that a flood of single octets must be bounded too.
pub const MOST_WAITING_PIECES: usize = 1024;
/// Octets buffered for all connections together: what waits, and messages that are not yet whole.
pub const MOST_BUFFERED: usize = 256 << 20;
/// First octets of a connection by which its protocol is told.
pub const MOST_UNDECIDED: usize = 512;
/// Segments of a connection that are looked at before it counts as something else.
pub const MOST_UNDECIDED_SEGMENTS: u32 = 64;

/// Octets of one SIP message in a stream. UDP could carry no more.
pub const LONGEST_SIP_MESSAGE: usize = 65_535;
/// Octets of one XMPP stanza. RFC 6120 §13.12 lets servers set a limit of 10,000 octets or more; common servers
/// allow 256 KiB (Prosody, from clients) to 512 KiB (between servers).
pub const LONGEST_STANZA: usize = 512 << 10;
/// Elements within elements of a stanza whose content is read.
pub const DEEPEST_STANZA: usize = 32;

/// RTP sources that are told apart. About 300 octets each, and their packets.
pub const MOST_SOURCES: usize = 100_000;
/// Calls that are told apart. About 300 octets each.
pub const MOST_CALLS: usize = 1_000_000;
/// Session descriptions of all calls together. About 300 octets each.
pub const MOST_DESCRIPTIONS: usize = 2_000_000;
/// Session descriptions of one call: a call is not changed that often.
pub const MOST_DESCRIPTIONS_OF_A_CALL: usize = 1000;
/// SIP transactions of all calls together. About 300 octets each.
pub const MOST_TRANSACTIONS: usize = 2_000_000;
/// Hosts whose SIP is noted for one call: a call takes no more hops.
pub const MOST_HOSTS_OF_A_CALL: usize = 64;
/// Packets of one voice stream that its numbering may span (28 hours of 20 ms); a longer one is not scored.
pub const MOST_SLOTS: u64 = 5_000_000;
/// Video flows that are told apart; further ones are read as sound.
pub const MOST_VIDEO_FLOWS: usize = 10_000;
/// Frames of one video stream that its timestamps may span (two days of 60 a second).
pub const MOST_FRAMES: i64 = 10_000_000;
/// RTCP sender reports that are kept, for the clocks of senders. About 24 octets each: 200 calls of four streams for four
/// hours.
pub const MOST_SENDER_REPORTS: usize = 2_000_000;
/// RTP packets that are waited for behind a server at once: a second of 2,000 two-way calls.
pub const MOST_IN_TRANSIT: usize = 200_000;
/// VRRP adverts and gratuitous ARPs. About 150 octets each; one advert a second fills it in eleven days.
pub const MOST_CLAIMS: usize = 1_000_000;
/// Unbroken reigns over a floating address. They are compared with each other, which takes the square of their
/// number: a forged capture may change the owner with every advert.
pub const MOST_REIGNS: usize = 2_000;
/// Chat sessions that are kept. About 400 octets each.
pub const MOST_CHAT_SESSIONS: usize = 100_000;
/// Chat messages that are kept. About 200 octets each.
pub const MOST_CHAT_MESSAGES: usize = 1_000_000;
/// Octets that are kept of a name in a capture: a JID, a message id, a condition (RFC 7622 §3.1: a JID has three
/// parts of 1,023 octets at most).
pub const LONGEST_NAME: usize = 3_071;
