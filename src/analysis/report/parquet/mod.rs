//! Streams and packets of a capture as Parquet files.

mod packets;
mod streams;
mod table;

pub use packets::Packets;
pub use streams::streams;
