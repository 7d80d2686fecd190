//! Parquet files ↔ rows.
//!
//! A file holds the stored columns of [`COLUMNS`](crate::columns::COLUMNS), as many of them as its writer knew. A column that a file lacks reads as
//! NULL; one that this version does not know is passed over. The way back is lossless: a line that went in through a row
//! comes out of the file as the same row.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{Schema as ArrowSchema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::columns::ColumnId;
use crate::rows::Projection;
use crate::schema::{SCHEMA, arrow_field};

/// Key of a file's metadata that tells the version of the schema it was written with.
pub const VERSION_KEY: &str = "lookback.schema";

/// Version of the column table; grows when a column comes.
pub const VERSION: u32 = 1;

/// Rows of a batch that is read.
const BATCH_ROWS: usize = 16_384;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("not an archive of flows: it has no column `time` or `kind`")]
    NotFlows,
}

/// Writes batches of stored columns as a Parquet file.
#[derive(Debug)]
pub struct SegmentWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> SegmentWriter<W> {
    /// # Errors
    /// When the file cannot be begun.
    pub fn new(out: W, schema: SchemaRef) -> Result<Self, SegmentError> {
        let version = KeyValue::new(VERSION_KEY.to_owned(), VERSION.to_string());
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_created_by(concat!("lookback ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(vec![version]))
            .build();
        Ok(Self { writer: ArrowWriter::try_new(out, schema, Some(properties))? })
    }

    /// A writer of every stored column.
    ///
    /// # Errors
    /// When the file cannot be begun.
    pub fn of_flows(out: W) -> Result<Self, SegmentError> {
        Self::new(out, Arc::clone(&SCHEMA.arrow))
    }

    /// # Errors
    /// When the batch has another schema, or cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        Ok(self.writer.write(batch)?)
    }

    /// Writes the footer; without it the file is none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<W, SegmentError> {
        Ok(self.writer.into_inner()?)
    }
}

/// Reads the wanted columns of a Parquet file, batch by batch.
#[derive(Debug)]
pub struct SegmentReader {
    batches: ParquetRecordBatchReader,
    /// The columns that the file has, with the types that the schema gives them.
    schema: SchemaRef,
    /// Rows in the file.
    pub rows: u64,
}

impl SegmentReader {
    /// # Errors
    /// When the file cannot be opened, is not Parquet, or holds no flows.
    pub fn open(path: &Path, projection: &Projection) -> Result<Self, SegmentError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
        let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
        let file = Arc::clone(builder.schema());
        if file.column_with_name("time").is_none() || file.column_with_name("kind").is_none() {
            return Err(SegmentError::NotFlows);
        }
        let known: Vec<(usize, ColumnId)> = file
            .fields()
            .iter()
            .enumerate()
            .filter_map(|(position, field)| Some((position, ColumnId::of(field.name())?)))
            .filter(|(_, id)| projection.has(*id))
            .collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), known.iter().map(|(position, _)| *position));
        let schema = ArrowSchema::new(known.iter().map(|(_, id)| arrow_field(id.column())).collect::<Vec<_>>());
        let batches = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()?;
        Ok(Self { batches, schema: Arc::new(schema), rows })
    }

    fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch, SegmentError> {
        let arrays = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(array, field)| cast(array, field.data_type()))
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?)
    }
}

impl Iterator for SegmentReader {
    type Item = Result<RecordBatch, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.batches.next()?.map_err(SegmentError::from).and_then(|batch| self.conform(&batch)))
    }
}
