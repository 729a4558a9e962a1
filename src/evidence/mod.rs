//! Where the two halves meet: the run directory, the history and the captures' names.
//!
//! `experiment` writes it once, `analysis` reads it as often as it likes. Nothing here computes.

pub mod history;
pub mod mapped;
pub mod rundir;
pub mod unpack;
