//! Octets ↔ values. Everything here is pure; nothing panics on any input.

pub mod signature;
pub mod sip;
