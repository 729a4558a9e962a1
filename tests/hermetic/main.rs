//! Tests that need nothing but this machine's loopback interface.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod cli;
mod external;
mod gate;
mod golden;
mod layering;
mod memory;
mod seeds;
