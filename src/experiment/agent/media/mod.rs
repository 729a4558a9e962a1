//! One end of a call's media, sans-IO: what to send when, and what RTCP says of what came in.

mod audio;
mod reception;
mod sender;

pub use reception::Reception;
pub use sender::{Sender, SenderConfig};
