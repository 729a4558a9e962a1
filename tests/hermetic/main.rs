//! Tests that need nothing but this machine's loopback interface.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod cli;
mod layering;
