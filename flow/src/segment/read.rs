//! File → rows.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::filter::{RowTest, row_filter};
use super::layout::{UUID, UUID_TEXT, join, known};
use super::prune::Pruner;
use super::{SegmentError, SegmentInfo, Wanted};
use crate::guard::guarded;
use crate::rows::Projection;

/// Rows of a batch that is read.
const BATCH_ROWS: usize = 16_384;

/// Most rows of a file; sums of files stay far from their limits.
const MOST_ROWS: u64 = 1 << 40;

/// A file whose footer was read.
#[derive(Debug)]
pub struct SegmentFile {
    file: File,
    metadata: ArrowReaderMetadata,
    /// Rows in the file.
    pub rows: u64,
    pub info: SegmentInfo,
    /// Its columns that this version does not know.
    pub unknown: Vec<String>,
}

/// What of a file was not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    pub row_groups: u64,
    /// Rows of these row groups, and of pages in others.
    pub rows: u64,
}

impl SegmentFile {
    /// Reads the footer.
    ///
    /// # Errors
    /// When the file cannot be opened, is not Parquet, or holds no flows.
    pub fn open(path: &Path) -> Result<Self, SegmentError> {
        let file = File::open(path)?;
        guarded(|| Self::footer(file)).map_err(SegmentError::Broken)?
    }

    fn footer(file: File) -> Result<Self, SegmentError> {
        let options =
            ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options)?;
        let schema = metadata.schema();
        if schema.column_with_name("time").is_none() || schema.column_with_name("kind").is_none() {
            return Err(SegmentError::NotFlows);
        }
        let names = schema.fields().iter().map(|field| field.name());
        let unknown = names.filter(|name| known(name).is_none() && *name != UUID_TEXT).cloned().collect();
        let facts = metadata.metadata().file_metadata();
        let rows = u64::try_from(facts.num_rows()).unwrap_or(u64::MAX);
        let groups =
            metadata.metadata().row_groups().iter().try_fold(0i64, |sum, group| sum.checked_add(group.num_rows()));
        if rows > MOST_ROWS || groups != Some(facts.num_rows()) {
            return Err(SegmentError::Broken("its number of rows cannot be true".to_owned()));
        }
        let info = SegmentInfo::read(facts);
        Ok(Self { file, metadata, rows, info, unknown })
    }

    /// The footer, for whoever wants to know what the file is made of.
    #[must_use]
    pub fn metadata(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// The first and last moment of each row group, as far as they are known.
    #[must_use]
    pub fn spans(&self) -> Vec<Option<(i64, i64)>> {
        let schema = self.metadata().file_metadata().schema_descr();
        let time = schema.columns().iter().position(|leaf| leaf.path().string() == "time");
        let span = |group: &RowGroupMetaData| match group.column(time?).statistics()? {
            Statistics::Int64(times) => Some((*times.min_opt()?, *times.max_opt()?)),
            _ => None,
        };
        self.metadata().row_groups().iter().map(span).collect()
    }

    /// Reads the wanted columns of the wanted rows, perhaps of some more rows. Batches are of at most so many rows.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(
        &self,
        projection: &Projection,
        wanted: &Wanted,
        batch_rows: Option<usize>,
    ) -> Result<SegmentReader, SegmentError> {
        guarded(|| self.reader(&self.file, projection, wanted, batch_rows, None)).map_err(SegmentError::Broken)?
    }

    /// Reads the wanted columns of those wanted rows that pass a test; of the others, only what is tested.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_tested(
        &self,
        projection: &Projection,
        wanted: &Wanted,
        test: RowTest,
    ) -> Result<SegmentReader, SegmentError> {
        guarded(|| self.reader(&self.file, projection, wanted, None, Some(test))).map_err(SegmentError::Broken)?
    }

    /// As [`Self::read`], of a file that is opened anew: any number of readers do not disturb each other.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub fn read_again(
        &self,
        path: &Path,
        projection: &Projection,
        wanted: &Wanted,
        batch_rows: Option<usize>,
    ) -> Result<SegmentReader, SegmentError> {
        let file = File::open(path)?;
        guarded(|| self.reader(&file, projection, wanted, batch_rows, None)).map_err(SegmentError::Broken)?
    }

    fn reader(
        &self,
        file: &File,
        projection: &Projection,
        wanted: &Wanted,
        batch_rows: Option<usize>,
        test: Option<RowTest>,
    ) -> Result<SegmentReader, SegmentError> {
        let inferred = self.metadata.schema();
        let columns = Columns::of(inferred, projection);
        // Texts of few values are read as the dictionaries that they are stored as.
        let hinted =
            inferred.fields().iter().map(|field| hinted(field, columns.schema.field_with_name(field.name()).ok()));
        let options = ArrowReaderOptions::new().with_schema(Arc::new(ArrowSchema::new(hinted.collect::<Vec<_>>())));
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(self.metadata.metadata()), options)?;
        let mask = |columns: &Columns| ProjectionMask::roots(metadata.parquet_schema(), columns.positions.clone());
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file.try_clone()?, metadata.clone())
            .with_projection(mask(&columns))
            .with_batch_size(batch_rows.unwrap_or(BATCH_ROWS));
        let mut skipped = Skipped::default();
        if !wanted.is_everything() {
            let pruner = Pruner::new(metadata.metadata(), wanted);
            let groups = pruner.row_groups(file, &builder);
            let count = metadata.metadata().num_row_groups();
            let rows_of = |group: &usize| metadata.metadata().row_group(*group).num_rows();
            let kept: i64 = groups.iter().map(rows_of).sum();
            skipped.row_groups = (count - groups.len()) as u64;
            skipped.rows = self.rows.saturating_sub(u64::try_from(kept).unwrap_or_default());
            let selection = pruner.rows(&groups);
            builder = builder.with_row_groups(groups);
            if let Some(selection) = selection {
                skipped.rows += selection.skipped_row_count() as u64;
                builder = builder.with_row_selection(selection);
            }
        }
        let filter = match test {
            Some(test) => {
                let tested = Columns::of(inferred, &test.columns);
                Some(test.filter(mask(&tested), tested.schema))
            }
            None if wanted.exactly => row_filter(&metadata, wanted),
            None => None,
        };
        if let Some(filter) = filter {
            builder = builder.with_row_filter(filter);
        }
        Ok(SegmentReader { batches: builder.build()?, schema: columns.schema, skipped })
    }
}

/// Columns of a file.
struct Columns {
    /// Where they stand in it.
    positions: Vec<usize>,
    /// As they stand in a batch.
    schema: SchemaRef,
}

impl Columns {
    fn of(file: &ArrowSchema, projection: &Projection) -> Self {
        let (mut positions, mut fields) = (Vec::new(), Vec::<Field>::new());
        for (position, field) in file.fields().iter().enumerate() {
            let known = known(field.name()).filter(|(id, _)| projection.has(*id)).map(|(_, field)| field);
            let companion = field.name() == UUID_TEXT && fields.iter().any(|field| field.name() == UUID);
            if known.is_some() || companion {
                positions.push(position);
            }
            fields.extend(known);
        }
        Self { positions, schema: Arc::new(ArrowSchema::new(fields)) }
    }
}

/// How a column is to be read: as dictionary where the batch has one, else as it stands there.
fn hinted(field: &Field, wanted: Option<&Field>) -> Field {
    match (wanted.map(Field::data_type), field.data_type()) {
        (Some(kind @ DataType::Dictionary(..)), DataType::Utf8) => field.clone().with_data_type(kind.clone()),
        _ => field.clone(),
    }
}

/// Batches of a file, in the types of the schema.
#[derive(Debug)]
pub struct SegmentReader {
    batches: ParquetRecordBatchReader,
    /// The columns that the file has, with the types that the schema gives them.
    schema: SchemaRef,
    pub skipped: Skipped,
}

/// A batch of a file in the types of the schema.
pub(super) fn conform(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, SegmentError> {
    let array = |field: &Arc<Field>| -> Result<ArrayRef, SegmentError> {
        let array = batch.column_by_name(field.name()).ok_or(SegmentError::NotFlows)?;
        if let Some(bytes) =
            array.as_fixed_size_binary_opt().filter(|bytes| field.name() == UUID && bytes.value_length() == 16)
        {
            let others = batch.column_by_name(UUID_TEXT).and_then(|others| others.as_string_opt::<i32>());
            return Ok(Arc::new(join(bytes, others)));
        }
        Ok(if array.data_type() == field.data_type() { Arc::clone(array) } else { cast(array, field.data_type())? })
    };
    let arrays = schema.fields().iter().map(array).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
}

impl Iterator for SegmentReader {
    type Item = Result<RecordBatch, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = guarded(|| {
            Some(self.batches.next()?.map_err(SegmentError::from).and_then(|batch| conform(&self.schema, &batch)))
        });
        next.unwrap_or_else(|panic| Some(Err(SegmentError::Broken(panic))))
    }
}
