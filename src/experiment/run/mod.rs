//! The driver: the only place with sockets, clocks and threads (beside capture and the clusters).

pub mod clock;
pub mod media;
pub mod recorder;
pub mod socket;
