//! One end of a call's media, sans-IO: what to send when, and what RTCP says of what came in.

mod audio;
mod feed;
mod reception;
mod sender;

pub use audio::CLOCK_RATE;
pub use feed::{Feed, SenderReportFields, Source, sender_report};
pub use reception::Reception;
pub use sender::{Sender, SenderConfig};
