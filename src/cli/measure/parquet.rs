//! Streams and packets as Parquet files.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use crate::analysis::measure::MeasureError;
use crate::analysis::measure::model::Measured;
use crate::analysis::measure::packets::rtp_packets;
use crate::analysis::report::parquet::{Packets, streams};
use crate::cli::Failure;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Measure(#[from] MeasureError),
    #[error(transparent)]
    Parquet(#[from] ::parquet::errors::ParquetError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Writes `streams.parquet` and `packets.parquet` into `folder`.
pub(super) fn write(captures: &[PathBuf], folder: &Path, measured: &Measured) -> Result<(), Failure> {
    written(captures, folder, measured)
        .map_err(|error| Failure::new(4, format!("cannot write Parquet files into {}: {error}", folder.display())))
}

fn written(captures: &[PathBuf], folder: &Path, measured: &Measured) -> Result<(), WriteError> {
    std::fs::create_dir_all(folder)?;
    let create = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
    streams(create("streams.parquet")?, measured)?;
    let mut packets = Packets::new(create("packets.parquet")?)?;
    rtp_packets(captures, measured, |packet| packets.push(packet).map_err(WriteError::from))?;
    Ok(packets.finish()?)
}
