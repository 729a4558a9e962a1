//! Where the two halves meet: the run directory, the history and the captures' names.
//!
//! `experiment` writes it once, `analysis` reads it as often as it likes. Nothing here computes, but the
//! one rule that both must agree on: which trial is void ([`fitness`]).

pub mod fitness;
pub mod history;
pub mod mapped;
pub mod readiness;
pub mod rundir;
pub mod unpack;
