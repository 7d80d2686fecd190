//! Rows → file. The columns of a batch are encoded on all cores.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves,
};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use super::layout::{COLUMNS_OF_FILE, GROUP_ROWS, PAGE_ROWS, fields_of_file, properties, to_file};
use super::{SegmentError, SegmentInfo};
use crate::schema::SCHEMA;

/// Bytes of the bloom filters of a row group while it is written.
const BLOOM_BYTES: usize = 2 << 20;

/// Writes batches of every stored column as a Parquet file.
#[derive(Debug)]
pub struct SegmentWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    factory: ArrowRowGroupWriterFactory,
    /// The row group that is being written, column by column of a batch; empty when there is none.
    group: Vec<ColumnWriter>,
    /// Rows of it.
    rows: usize,
}

/// Writes a column of a batch: as one or more of the file's, each of one or more leaves.
#[derive(Debug)]
struct ColumnWriter {
    /// Its name in a batch.
    name: String,
    fields: Vec<FieldRef>,
    leaves: Vec<ArrowColumnWriter>,
}

impl ColumnWriter {
    fn write(&mut self, array: &ArrayRef) -> Result<(), SegmentError> {
        let mut leaves = self.leaves.iter_mut();
        for (field, array) in self.fields.iter().zip(to_file(&self.name, array)?) {
            if array.data_type() != field.data_type() {
                let what = format!("column {} is {}, expected {}", field.name(), array.data_type(), field.data_type());
                return Err(ArrowError::SchemaError(what).into());
            }
            for (leaf, writer) in compute_leaves(field, &array)?.iter().zip(&mut leaves) {
                writer.write(leaf)?;
            }
        }
        Ok(())
    }
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
        let (file, factory) = writer.into_serialized_writer()?;
        Ok(Self { file, factory, group: Vec::new(), rows: 0 })
    }

    /// # Errors
    /// When the batch has not every stored column, or cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        let names = |schema: &SchemaRef| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let own = batch.schema_ref().fields().iter().map(|field| field.name());
        if !own.eq(SCHEMA.arrow.fields().iter().map(|field| field.name())) {
            let (found, expected) = (names(batch.schema_ref()), names(&SCHEMA.arrow));
            return Err(ArrowError::SchemaError(format!("the columns are {found:?}, expected {expected:?}")).into());
        }
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = (batch.num_rows() - start).min(GROUP_ROWS - self.rows);
            let part = batch.slice(start, rows);
            if self.group.is_empty() {
                self.group = self.begin_group()?;
            }
            // One at a time: a list of labels costs a hundred times what a column of NULLs does.
            let columns = self.group.par_iter_mut().zip(part.columns()).with_max_len(1);
            columns.try_for_each(|(column, array)| column.write(array))?;
            self.rows += rows;
            start += rows;
            if self.rows == GROUP_ROWS {
                self.end_group()?;
            }
        }
        Ok(())
    }

    fn begin_group(&self) -> Result<Vec<ColumnWriter>, SegmentError> {
        let schema = self.file.schema_descr();
        let mut leaves = self.factory.create_column_writers(self.file.flushed_row_groups().len())?.into_iter();
        let mut roots = (0..schema.num_columns()).map(|leaf| schema.get_column_root_idx(leaf)).peekable();
        let mut at = 0;
        let columns = SCHEMA.arrow.fields().iter().map(|field| {
            let fields = fields_of_file(field);
            at += fields.len();
            let count = std::iter::from_fn(|| roots.next_if(|root| *root < at)).count();
            ColumnWriter { name: field.name().clone(), fields, leaves: leaves.by_ref().take(count).collect() }
        });
        Ok(columns.collect())
    }

    /// Bytes that the unfinished row group holds in memory, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        if self.rows == 0 {
            return 0;
        }
        // Besides what it tells, a writer keeps two levels for each value of an unfinished page, and bloom filters.
        let levels = COLUMNS_OF_FILE.fields().len() * self.rows.min(PAGE_ROWS) * 2 * size_of::<i16>();
        let leaves = self.group.iter().flat_map(|column| &column.leaves);
        leaves.map(ArrowColumnWriter::memory_size).sum::<usize>() + levels + BLOOM_BYTES
    }

    /// Ends the row group, and frees its memory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end_group(&mut self) -> Result<(), SegmentError> {
        let group = std::mem::take(&mut self.group);
        if std::mem::take(&mut self.rows) == 0 {
            return Ok(());
        }
        let leaves: Vec<ArrowColumnWriter> = group.into_iter().flat_map(|column| column.leaves).collect();
        let chunks: Vec<ArrowColumnChunk> =
            leaves.into_par_iter().with_max_len(1).map(ArrowColumnWriter::close).collect::<Result<_, _>>()?;
        let mut group = self.file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }

    /// Writes what the file tells of itself, and its footer; without it the file is none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, info: &SegmentInfo) -> Result<W, SegmentError> {
        self.end_group()?;
        for pair in info.metadata().map_err(|error| ParquetError::External(Box::new(error)))? {
            self.file.append_key_value_metadata(pair);
        }
        Ok(self.file.into_inner()?)
    }
}
