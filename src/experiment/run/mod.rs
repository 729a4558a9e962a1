//! The driver: the only place with sockets, clocks and threads (beside capture and the clusters).

pub mod clock;
pub mod recorder;
pub mod xmpp;
