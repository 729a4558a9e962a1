//! From evidence to figures: pure, and the same whether the evidence is ours or a foreign capture.

mod address;
mod capture;
mod figures;
mod listening;
mod membership;
pub mod model;
pub mod packets;
mod parallel;
mod rfc6076;
mod silence;
mod source;
mod span;
mod track;
mod trial;
mod video;

use std::path::PathBuf;

use crate::wire::pcap::OpenError;

pub use capture::filter::{Address, Filter, Instant, Ssrc};
pub use capture::{measure_capture, measure_part};
pub use listening::categories::categories_of;
pub use trial::measure_trial;

/// `schema` of [`model::Measured`].
pub const SCHEMA: &str = "fivenines.measure.v1";

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is no capture.
    #[error("{}: {source}", path.display())]
    NotACapture {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: OpenError,
    },
    /// The filter names what the captures do not have.
    #[error("nothing in the capture matches {what}: {remedy}")]
    NothingMatches {
        /// What was asked for.
        what: String,
        /// What there is instead.
        remedy: String,
    },
}
