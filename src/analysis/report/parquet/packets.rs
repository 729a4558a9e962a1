//! `packets.parquet`: a row for each RTP packet, in the order of the capture.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;

use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;

use super::table::{Column, Kind, Table};
use crate::analysis::measure::packets::RtpPacket;

/// None of these names is a keyword of SQL, so that nobody has to quote them.
const COLUMNS: [(&str, Kind); 12] = [
    ("stream", Kind::Integer),
    ("file", Kind::Integer),
    ("packet", Kind::Integer),
    ("captured_at", Kind::Instant),
    ("src", Kind::Text),
    ("dst", Kind::Text),
    ("ssrc", Kind::Integer),
    ("payload_type", Kind::Integer),
    ("marker", Kind::Truth),
    ("sequence", Kind::Integer),
    ("rtp_timestamp", Kind::Integer),
    ("payload_octets", Kind::Integer),
];

/// Rows of one row group: some 10 MB before compression.
const GROUP: usize = 100_000;

/// Writes packets as they come; holds one row group.
pub struct Packets<W: Write + Send> {
    table: Table<W>,
    rows: Vec<RtpPacket>,
    addresses: HashMap<SocketAddr, ByteArray>,
}

impl<W: Write + Send> Packets<W> {
    /// Begins the file.
    ///
    /// # Errors
    /// When the sink does not take the first octets.
    pub fn new(sink: W) -> Result<Packets<W>, ParquetError> {
        Ok(Packets { table: Table::new(sink, &COLUMNS)?, rows: Vec::new(), addresses: HashMap::new() })
    }

    /// Adds a packet.
    ///
    /// # Errors
    /// When the sink does not take a row group that is full.
    pub fn push(&mut self, packet: RtpPacket) -> Result<(), ParquetError> {
        self.rows.push(packet);
        if self.rows.len() < GROUP { Ok(()) } else { self.flush() }
    }

    /// Ends the file; without this it cannot be read.
    ///
    /// # Errors
    /// When the sink does not take the rest.
    pub fn finish(mut self) -> Result<(), ParquetError> {
        self.flush()?;
        self.table.finish()
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows);
        let integers = |get: fn(&RtpPacket) -> i64| Column::Integer(rows.iter().map(|of| Some(get(of))).collect());
        let src = rows.iter().map(|of| Some(self.address(of.source))).collect();
        let dst = rows.iter().map(|of| Some(self.address(of.destination))).collect();
        let columns = [
            Column::Integer(rows.iter().map(|of| i64::try_from(of.stream?).ok()).collect()),
            integers(|of| of.file as i64),
            integers(|of| of.number.cast_signed()),
            integers(|of| of.at.as_nanos()),
            Column::Text(src),
            Column::Text(dst),
            integers(|of| of.ssrc.into()),
            integers(|of| of.payload_type.into()),
            Column::Truth(rows.iter().map(|of| Some(of.marker)).collect()),
            integers(|of| of.sequence.into()),
            integers(|of| of.timestamp.into()),
            integers(|of| of.payload_octets as i64),
        ];
        self.table.write(&columns)
    }

    /// The octets of a text are shared by all rows that hold it.
    fn address(&mut self, address: SocketAddr) -> ByteArray {
        self.addresses.entry(address).or_insert_with(|| address.to_string().as_str().into()).clone()
    }
}
