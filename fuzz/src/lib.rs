//! The product's readers of foreign octets, without the rest of it.

#![allow(dead_code, missing_docs, reason = "parts of the product, compiled alone")]

#[path = "../../src/fuzzing.rs"]
pub mod fuzzing;
#[path = "../../src/units/mod.rs"]
pub mod units;
#[path = "../../src/wire/mod.rs"]
pub mod wire;
