//! Rows as Apache Parquet, so that DuckDB, pandas or Spark take over where one machine ends.
//!
//! Every column is optional: what is undefined is null. A row group is what the caller hands over at once, so memory
//! does not grow with the file.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nanoseconds since 1970, UTC.
    Instant,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// Yes or no.
    Truth,
    /// UTF-8.
    Text,
}

/// The values of one column in one row group.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// For [`Kind::Instant`] and [`Kind::Integer`].
    Integer(Vec<Option<i64>>),
    /// For [`Kind::Float`].
    Float(Vec<Option<f64>>),
    /// For [`Kind::Truth`].
    Truth(Vec<Option<bool>>),
    /// For [`Kind::Text`].
    Text(Vec<Option<ByteArray>>),
}

/// Writes one file.
pub struct Table<W: Write + Send> {
    writer: SerializedFileWriter<W>,
}

impl<W: Write + Send> Table<W> {
    /// Begins a file with these columns.
    ///
    /// # Errors
    /// When the sink does not take the first octets.
    pub fn new(sink: W, columns: &[(&str, Kind)]) -> Result<Table<W>, ParquetError> {
        let schema = Arc::new(parse_message_type(&schema(columns))?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        Ok(Table { writer: SerializedFileWriter::new(sink, schema, Arc::new(properties))? })
    }

    /// Writes one row group: all columns in order, of equal length.
    ///
    /// # Errors
    /// When the sink does not take it, or the columns are not those of the file.
    pub fn write(&mut self, columns: &[Column]) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for column in columns {
            let Some(mut writer) = group.next_column()? else { break };
            match column {
                Column::Integer(values) => put::<Int64Type>(&mut writer, values)?,
                Column::Float(values) => put::<DoubleType>(&mut writer, values)?,
                Column::Truth(values) => put::<BoolType>(&mut writer, values)?,
                Column::Text(values) => put::<ByteArrayType>(&mut writer, values)?,
            }
            writer.close()?;
        }
        group.close().map(|_| ())
    }

    /// Ends the file; without this it cannot be read.
    ///
    /// # Errors
    /// When the sink does not take the end.
    pub fn finish(self) -> Result<(), ParquetError> {
        self.writer.close().map(|_| ())
    }
}

fn schema(columns: &[(&str, Kind)]) -> String {
    let field = |(name, kind): &(&str, Kind)| match kind {
        Kind::Instant => format!("OPTIONAL INT64 {name} (TIMESTAMP(NANOS,true));"),
        Kind::Integer => format!("OPTIONAL INT64 {name};"),
        Kind::Float => format!("OPTIONAL DOUBLE {name};"),
        Kind::Truth => format!("OPTIONAL BOOLEAN {name};"),
        Kind::Text => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
    };
    format!("message rows {{ {} }}", columns.iter().map(field).collect::<Vec<_>>().join(" "))
}

/// Values are written densely; a level of 1 for each that is there, 0 for each that is null.
fn put<T: DataType>(writer: &mut SerializedColumnWriter<'_>, values: &[Option<T::T>]) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let dense: Vec<T::T> = values.iter().flatten().cloned().collect();
    writer.typed::<T>().write_batch(&dense, Some(&levels), None).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    #[test]
    fn what_was_written_reads_back_with_its_nulls() {
        let mut bytes = Vec::new();
        let kinds = [("at", Kind::Instant), ("loss", Kind::Float), ("late", Kind::Truth), ("src", Kind::Text)];
        let mut table = Table::new(&mut bytes, &kinds).unwrap();
        for base in [0_i64, 100] {
            let columns = [
                Column::Integer(vec![Some(base), Some(base + 1)]),
                Column::Float(vec![None, Some(0.5)]),
                Column::Truth(vec![Some(true), None]),
                Column::Text(vec![Some("a".into()), None]),
            ];
            table.write(&columns).unwrap();
        }
        table.finish().unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        assert_eq!((reader.num_row_groups(), reader.metadata().file_metadata().num_rows()), (2, 4));
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!((rows[3].get_double(1).unwrap(), rows[2].get_string(3).unwrap().as_str()), (0.5, "a"));
        assert!(rows[0].get_double(1).is_err() && rows[1].get_bool(2).is_err(), "null is not a value");
    }
}
