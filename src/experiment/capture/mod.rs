//! Captures: what the agents' own sockets saw (always), and what interfaces saw (as root), as pcapng.
//!
//! Every file is appended in whole blocks at least every 200 ms, so that what was written before a crash
//! of the tool reads.

mod append;
mod headers;
pub mod packet;
mod pcapng;
pub mod taps;
