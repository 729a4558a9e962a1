//! Tests that need nothing but this machine's loopback interface.

mod cli;
mod layering;
