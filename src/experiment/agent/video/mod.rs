//! One end of a call's video, sans-IO: which packet when, what a receiver can show, and when it asks for a key
//! frame.

mod clip;
mod encode;
mod pattern;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

pub use clip::Clip;
pub use encode::{EncodeError, Wanted};
pub use receiver::VideoReceiver;
pub use sender::{Pacing, VideoConfig, VideoSender};
