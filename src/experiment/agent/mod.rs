//! What users' devices do, as sans-IO state machines: time and octets go in, octets and events come out.

pub mod chat;
pub mod link;
pub mod media;
pub mod sip;
pub mod video;
