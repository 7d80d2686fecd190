//! Rows → file.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;

use super::layout::{COLUMNS_OF_FILE, PAGE_ROWS, properties, to_file};
use super::{SegmentError, SegmentInfo};

/// Bytes of the bloom filters of a row group while it is written.
const BLOOM_BYTES: usize = 2 << 20;

/// Writes batches of every stored column as a Parquet file.
#[derive(Debug)]
pub struct SegmentWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> SegmentWriter<W> {
    /// A file whose rows will come in the order of their time, those without time last.
    ///
    /// # Errors
    /// When the file cannot be begun.
    pub fn by_time(out: W) -> Result<Self, SegmentError> {
        Self::new(out, true)
    }

    /// A file whose rows come in any order.
    ///
    /// # Errors
    /// When the file cannot be begun.
    pub fn unordered(out: W) -> Result<Self, SegmentError> {
        Self::new(out, false)
    }

    fn new(out: W, by_time: bool) -> Result<Self, SegmentError> {
        // Arrow's own schema in the metadata would only make other tools see dictionaries where plain texts are.
        let options = ArrowWriterOptions::new().with_properties(properties(by_time)?).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(out, Arc::clone(&COLUMNS_OF_FILE), options)?;
        Ok(Self { writer })
    }

    /// # Errors
    /// When the batch has not every stored column, or cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        Ok(self.writer.write(&to_file(batch)?)?)
    }

    /// Bytes that the unfinished row group holds in memory, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        let rows = self.writer.in_progress_rows();
        if rows == 0 {
            return 0;
        }
        // Besides what it tells, a writer keeps two levels for each value of an unfinished page, and bloom filters.
        let levels = COLUMNS_OF_FILE.fields().len() * rows.min(PAGE_ROWS) * 2 * size_of::<i16>();
        self.writer.memory_size() + levels + BLOOM_BYTES
    }

    /// Ends the row group, and frees its memory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end_group(&mut self) -> Result<(), SegmentError> {
        Ok(self.writer.flush()?)
    }

    /// Writes what the file tells of itself, and its footer; without it the file is none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, info: &SegmentInfo) -> Result<W, SegmentError> {
        for pair in info.metadata().map_err(|error| ParquetError::External(Box::new(error)))? {
            self.writer.append_key_value_metadata(pair);
        }
        Ok(self.writer.into_inner()?)
    }
}
