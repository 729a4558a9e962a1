//! fivenines: what callers and chatters live through when a server of a SIP/XMPP cluster dies.
//!
//! Two halves meet at the run directory: [`experiment`] acts (sockets, clocks, processes) and leaves
//! evidence; [`analysis`] judges the evidence and does nothing else. ARCHITECTURE.md has the picture.

pub mod analysis;
pub mod cli;
pub mod evidence;
pub mod experiment;
#[doc(hidden)]
pub mod fuzzing;
pub mod scenario;
pub mod units;
pub mod wire;
