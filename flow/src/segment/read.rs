//! File → rows.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;

use super::filter::{RowTest, asked, row_filter};
use super::layout::{UUID, UUID_TEXT, join, known};
use super::prune::{Pruner, is_numbered};
use super::reach::reach;
use super::source::Source;
use super::{SegmentError, SegmentInfo, Wanted};
use crate::dictionary::{is_of_texts, numbered_field, numbered_items, numbered_lists};
use crate::guard::guarded;
use crate::rows::Projection;

/// Rows of a batch that is read.
const BATCH_ROWS: usize = 16_384;

/// Most rows of a file; sums of files stay far from their limits.
const MOST_ROWS: u64 = 1 << 40;

/// A file whose footer was read.
#[derive(Debug)]
pub struct SegmentFile {
    file: Source,
    metadata: ArrowReaderMetadata,
    /// Rows in the file.
    pub rows: u64,
    pub info: SegmentInfo,
    /// Its columns that this version does not know.
    pub unknown: Vec<String>,
}

/// How columns stand in the batches that are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// In the types of the schema.
    #[default]
    Schema,
    /// Likewise, but lists of texts are numbered where the file has their texts so: most come again and again.
    NumberedLists,
    /// For who reads through a [`View`](crate::view::View) alone: lists of texts are numbered, texts are not where the file does
    /// not have them so, and columns without a value are left out.
    Stored,
}

/// How a file is read.
#[derive(Debug, Default)]
pub struct Reading {
    /// Most rows of a batch.
    pub batch_rows: Option<usize>,
    /// Of the rows that do not pass, only what is tested is read.
    pub test: Option<RowTest>,
    pub form: Form,
    /// Only these rows of each row group that is read, in ascending ranges that do not touch.
    pub picked: Option<Vec<Range<usize>>>,
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
        let file = Source::open(path)?;
        let again = file.try_clone()?;
        guarded(|| Self::footer(file))
            .unwrap_or_else(|panic| Err(SegmentError::Broken(panic)))
            .map_err(|error| again.told(error))
    }

    fn footer(file: Source) -> Result<Self, SegmentError> {
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
        self.read_as(projection, wanted, Reading { batch_rows, ..Reading::default() })
    }

    /// Likewise, in the way that is given.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_as(
        &self,
        projection: &Projection,
        wanted: &Wanted,
        reading: Reading,
    ) -> Result<SegmentReader, SegmentError> {
        guarded(|| self.reader(&self.file, projection, wanted, reading)).map_err(SegmentError::Broken)?
    }

    /// Likewise, of a file that is opened anew: any number of readers do not disturb each other.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub fn read_again(
        &self,
        path: &Path,
        projection: &Projection,
        wanted: &Wanted,
        reading: Reading,
    ) -> Result<SegmentReader, SegmentError> {
        let file = Source::open(path)?;
        guarded(|| self.reader(&file, projection, wanted, reading)).map_err(SegmentError::Broken)?
    }

    /// The wanted columns of the file.
    fn columns(&self, projection: &Projection, form: Form) -> Columns {
        let (mut positions, mut fields) = (Vec::new(), Vec::<Field>::new());
        for (position, field) in self.metadata.schema().fields().iter().enumerate() {
            let known = known(field.name()).filter(|(id, _)| projection.has(*id)).map(|(_, field)| field);
            let companion = field.name() == UUID_TEXT && fields.iter().any(|field| field.name() == UUID);
            if known.is_some() || companion {
                positions.push(position);
            }
            fields.extend(known.map(|field| self.formed(field, form)));
        }
        let file = Arc::clone(self.metadata.schema());
        Columns { positions, schema: Arc::new(ArrowSchema::new(fields)), file, form }
    }

    /// A field as it is read.
    fn formed(&self, field: Field, form: Form) -> Field {
        if form == Form::Schema {
            return field;
        }
        let leaves = self.metadata().file_metadata().schema_descr().columns();
        let of_field = |leaf: &ColumnDescPtr| leaf.path().parts().first() == Some(field.name());
        let leaves: Vec<usize> = (0..).zip(leaves).filter(|(_, leaf)| of_field(leaf)).map(|(at, _)| at).collect();
        let groups = self.metadata().row_groups();
        let is_numbered = groups.iter().all(|group| leaves.iter().all(|leaf| is_numbered(group.column(*leaf))));
        match field.data_type() {
            DataType::Dictionary(_, values) if form == Form::Stored && !is_numbered => {
                let values = values.as_ref().clone();
                field.with_data_type(values)
            }
            DataType::List(_) if is_numbered => numbered_field(field),
            _ => field,
        }
    }

    fn reader(
        &self,
        file: &Source,
        projection: &Projection,
        wanted: &Wanted,
        Reading { batch_rows, test, form, picked }: Reading,
    ) -> Result<SegmentReader, SegmentError> {
        let inferred = self.metadata.schema();
        let columns = self.columns(projection, form);
        let test = test.map(|test| (self.columns(&test.columns, form), test));
        // Texts of few values are read as the dictionaries that they are stored as.
        let as_wanted = |field: &Arc<Field>| {
            let of = |columns: &Columns| columns.schema.field_with_name(field.name()).ok().cloned();
            hinted(field, of(&columns).or_else(|| of(&test.as_ref()?.0)).as_ref())
        };
        let hints: Vec<Field> = inferred.fields().iter().map(as_wanted).collect();
        let options = ArrowReaderOptions::new().with_schema(Arc::new(ArrowSchema::new(hints)));
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(self.metadata.metadata()), options)?;
        Ok(SegmentReader {
            file: file.try_clone()?,
            groups: 0..metadata.metadata().num_row_groups(),
            pruner: (!wanted.is_everything()).then(|| Pruner::new(metadata.metadata(), wanted)),
            metadata,
            columns,
            wanted: wanted.clone(),
            test,
            picked,
            batch_rows: batch_rows.unwrap_or(BATCH_ROWS),
            batches: None,
            skipped: Skipped::default(),
        })
    }
}

/// Columns of a file.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// Where they stand in it.
    positions: Vec<usize>,
    /// As they stand in a batch.
    schema: SchemaRef,
    /// All columns of the file.
    file: SchemaRef,
    form: Form,
}

/// Whether a column has no value in a row group.
fn is_null(group: &RowGroupMetaData, file: &ArrowSchema, position: usize) -> bool {
    let Some(field) = file.fields().get(position).filter(|field| field.name() != UUID) else { return false };
    let mut leaves = group.columns().iter().filter(|leaf| leaf.column_path().parts().first() == Some(field.name()));
    let is_null = |leaf: &ColumnChunkMetaData| {
        let is_list = matches!(field.data_type(), DataType::List(_));
        // Lists without items have no values either: the levels tell them from lists that are NULL.
        let nulls = match leaf.definition_level_histogram() {
            Some(levels) => levels.values().first().copied(),
            None if is_list => None,
            None => leaf.statistics().and_then(|statistics| statistics.null_count_opt()?.try_into().ok()),
        };
        nulls == Some(group.num_rows())
    };
    leaves.next().is_some_and(is_null)
}

/// How a column is to be read: as dictionary where the batch has one, else as it stands there.
fn hinted(field: &Field, wanted: Option<&Field>) -> Field {
    match (wanted.map(Field::data_type), field.data_type()) {
        (Some(kind @ DataType::Dictionary(..)), DataType::Utf8) => field.clone().with_data_type(kind.clone()),
        (Some(DataType::Dictionary(..)), DataType::List(item)) if is_of_texts(item) => {
            field.clone().with_data_type(DataType::List(Arc::new(numbered_items(item))))
        }
        _ => field.clone(),
    }
}

/// Batches of a file, in the types of the schema.
///
/// Row groups are read one after another, each when it is its turn: a dictionary holds the values of one row group, and whoever
/// has enough does not wait for the others.
#[derive(Debug)]
pub struct SegmentReader {
    file: Source,
    metadata: ArrowReaderMetadata,
    columns: Columns,
    wanted: Wanted,
    pruner: Option<Pruner>,
    test: Option<(Columns, RowTest)>,
    picked: Option<Vec<Range<usize>>>,
    batch_rows: usize,
    /// Row groups that are still to be read.
    groups: Range<usize>,
    batches: Option<ParquetRecordBatchReader>,
    /// What was passed over so far.
    pub skipped: Skipped,
}

impl SegmentReader {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, SegmentError> {
        loop {
            if let Some(batch) = self.batches.as_mut().and_then(Iterator::next) {
                return Ok(Some(conform(&self.columns, &batch?)?));
            }
            let Some(group) = self.groups.next() else { return Ok(None) };
            self.batches = self.row_group(group)?;
        }
    }

    /// A row group, if something in it can be wanted.
    fn row_group(&mut self, group: usize) -> Result<Option<ParquetRecordBatchReader>, SegmentError> {
        let metadata = &self.metadata;
        let chunks = metadata.metadata().row_group(group);
        // Reading nothing but NULL costs as much as reading values.
        let mask = |columns: &Columns| {
            let positions = columns.positions.iter().copied();
            let filled = positions.filter(|position| !is_null(chunks, &columns.file, *position));
            ProjectionMask::roots(metadata.parquet_schema(), filled)
        };
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.try_clone()?, metadata.clone())
            .with_projection(mask(&self.columns))
            .with_batch_size(self.batch_rows)
            .with_row_groups(vec![group]);
        let mut selection = None;
        if let Some(pruner) = &self.pruner {
            if !pruner.row_group(group, &self.file, &builder) {
                self.skipped.row_groups += 1;
                self.skipped.rows += u64::try_from(metadata.metadata().row_group(group).num_rows()).unwrap_or_default();
                return Ok(None);
            }
            if let Some(pages) = pruner.rows(group) {
                self.skipped.rows += pages.skipped_row_count() as u64;
                selection = Some(pages);
            }
        }
        if let Some(picked) = &self.picked {
            let rows = usize::try_from(chunks.num_rows()).unwrap_or_default();
            let within = picked.iter().map(|range| range.start.min(rows)..range.end.min(rows));
            selection = Some(RowSelection::from_consecutive_ranges(within, rows));
        }
        if self.file.is_far() {
            let tested = self.test.as_ref().map(|(columns, _)| mask(columns));
            let is_sought = self.test.is_none() && self.wanted.exactly && !self.wanted.needles.is_empty();
            let sought = is_sought.then(|| asked(metadata, &self.wanted.needles));
            let masks: Vec<ProjectionMask> =
                [Some(mask(&self.columns)), tested, sought].into_iter().flatten().collect();
            self.file.soon(&reach(metadata.metadata(), group, &masks, selection.as_ref()))?;
        }
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let filter = match &self.test {
            Some((columns, test)) => Some(test.filter(mask(columns), columns.clone())),
            None if self.wanted.exactly => row_filter(metadata, &self.wanted),
            None => None,
        };
        if let Some(filter) = filter {
            builder = builder.with_row_filter(filter);
        }
        Ok(Some(builder.build()?))
    }
}

/// A batch of a file in the types of the schema.
pub(super) fn conform(columns: &Columns, batch: &RecordBatch) -> Result<RecordBatch, SegmentError> {
    let (mut fields, mut arrays) = (Vec::new(), Vec::with_capacity(batch.num_columns()));
    for field in columns.schema.fields() {
        let array = match batch.column_by_name(field.name()) {
            Some(array) => conform_column(field, array, batch)?,
            // It has no value here.
            None if columns.form == Form::Stored => continue,
            None => new_null_array(field.data_type(), batch.num_rows()),
        };
        fields.push(Arc::clone(field));
        arrays.push(array);
    }
    let is_whole = fields.len() == columns.schema.fields().len();
    let schema = if is_whole { Arc::clone(&columns.schema) } else { Arc::new(ArrowSchema::new(fields)) };
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

fn conform_column(field: &Field, array: &ArrayRef, batch: &RecordBatch) -> Result<ArrayRef, SegmentError> {
    if let Some(bytes) =
        array.as_fixed_size_binary_opt().filter(|bytes| field.name() == UUID && bytes.value_length() == 16)
    {
        let others = batch.column_by_name(UUID_TEXT).and_then(|others| others.as_string_opt::<i32>());
        return Ok(Arc::new(join(bytes, others)));
    }
    if let (DataType::Dictionary(_, lists), Some(found)) = (field.data_type(), array.as_list_opt::<i32>()) {
        return Ok(numbered_lists(found, lists)?);
    }
    Ok(if array.data_type() == field.data_type() { Arc::clone(array) } else { cast(array, field.data_type())? })
}

impl Iterator for SegmentReader {
    type Item = Result<RecordBatch, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = guarded(|| self.next_batch()).unwrap_or_else(|panic| Err(SegmentError::Broken(panic)));
        let next = next.map_err(|error| self.file.told(error)).transpose();
        if matches!(next, Some(Err(_))) {
            // Nothing is read behind what is broken.
            (self.batches, self.groups) = (None, 0..0);
        }
        next
    }
}
