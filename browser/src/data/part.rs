//! A part of the input: rows that are read together, a row group of a file or a batch in memory.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Form, Needle, Reading, RowTest, SegmentError, SegmentFile, SegmentReader, Wanted};

/// Why a part cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}", path = path.display())]
pub struct PartError {
    pub path: PathBuf,
    pub error: SegmentError,
}

/// Where a row stands: the number of its part, and its number within that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowRef(pub u64);

impl RowRef {
    #[must_use]
    pub fn new(part: usize, row: usize) -> Self {
        Self((part as u64) << 32 | row as u64)
    }

    #[must_use]
    pub fn part(self) -> usize {
        usize::try_from(self.0 >> 32).unwrap_or(usize::MAX)
    }

    #[must_use]
    pub fn row(self) -> usize {
        usize::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(usize::MAX)
    }
}

/// A file that is open.
#[derive(Debug)]
pub struct Opened {
    pub path: PathBuf,
    pub file: SegmentFile,
    /// A temporary folder that it stands in, kept as long as the file is.
    pub(super) _folder: Option<Arc<tempfile::TempDir>>,
}

#[derive(Clone, Debug)]
pub enum Rows {
    Group { file: Arc<Opened>, group: usize },
    Memory(RecordBatch),
}

/// Some rows, and what is known of them without reading them.
#[derive(Clone, Debug)]
pub struct Part {
    pub rows: usize,
    /// First and last moment, as far as they are known.
    pub span: Option<(i64, i64)>,
    /// The rows stand in the order of their time.
    pub by_time: bool,
    pub store: Rows,
}

/// Batches of a part.
#[derive(Debug)]
pub enum Batches {
    File { reader: Box<SegmentReader>, file: Arc<Opened> },
    Memory(Option<RecordBatch>),
}

impl Part {
    /// The row groups of a file.
    #[must_use]
    pub fn of_file(file: &Arc<Opened>) -> Vec<Self> {
        let groups = file.file.metadata().row_groups();
        let parts = groups.iter().zip(file.file.spans()).enumerate().map(|(group, (facts, span))| Self {
            rows: usize::try_from(facts.num_rows()).unwrap_or_default(),
            span,
            by_time: facts.sorting_columns().is_some_and(|columns| !columns.is_empty()),
            store: Rows::Group { file: Arc::clone(file), group },
        });
        parts.collect()
    }

    /// Whether it may hold rows of a window.
    #[must_use]
    pub fn overlaps(&self, window: Option<(i64, i64)>) -> bool {
        match (self.span, window) {
            (Some((first, last)), Some((since, until))) => first <= until && last >= since,
            _ => true,
        }
    }

    /// All rows in their order, of some columns.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn all(&self, columns: &Projection, batch_rows: usize) -> Result<Batches, PartError> {
        self.read(columns, Wanted::default(), Reading { batch_rows: Some(batch_rows), ..Reading::default() })
    }

    /// The rows that pass a test, of some columns; rows that fit no needle or are outside the window may be left out before.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tested(
        &self,
        columns: &Projection,
        window: Option<(i64, i64)>,
        needles: &[Needle],
        test: RowTest,
    ) -> Result<Batches, PartError> {
        if let Rows::Memory(batch) = &self.store {
            let broken = |error: arrow::error::ArrowError| PartError {
                path: PathBuf::from("memory"),
                error: SegmentError::Arrow(error),
            };
            let kept: BooleanArray = (test.test)(batch).map_err(broken)?;
            return Ok(Batches::Memory(Some(filter_record_batch(batch, &kept).map_err(broken)?)));
        }
        let wanted = Wanted { window, needles: needles.to_vec(), ..Wanted::default() };
        self.read(columns, wanted, Reading { test: Some(test), ..Reading::default() })
    }

    /// Some rows, by ascending number.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn pick(&self, columns: &Projection, rows: &[usize]) -> Result<Vec<RecordBatch>, PartError> {
        let ranges = ranges(rows);
        match &self.store {
            Rows::Memory(batch) => {
                let within = ranges.into_iter().filter(|range| range.end <= batch.num_rows());
                Ok(within.map(|range| batch.slice(range.start, range.len())).collect())
            }
            Rows::Group { file, group } => {
                let wanted = Wanted { row_group: Some(*group), ..Wanted::default() };
                let reading = Reading { form: Form::Stored, picked: Some(ranges), ..Reading::default() };
                let failed = |error| PartError { path: file.path.clone(), error };
                let batches = file.file.read_again(&file.path, columns, &wanted, reading).map_err(failed)?;
                batches.collect::<Result<_, _>>().map_err(failed)
            }
        }
    }

    fn read(&self, columns: &Projection, wanted: Wanted, reading: Reading) -> Result<Batches, PartError> {
        match &self.store {
            Rows::Memory(batch) => Ok(Batches::Memory(Some(batch.clone()))),
            Rows::Group { file, group } => {
                let wanted = Wanted { row_group: Some(*group), ..wanted };
                let reading = Reading { form: Form::Stored, ..reading };
                // Opened anew: several readers of a file do not move each other's place in it.
                let reader = file.file.read_again(&file.path, columns, &wanted, reading);
                let reader = reader.map_err(|error| PartError { path: file.path.clone(), error })?;
                Ok(Batches::File { reader: Box::new(reader), file: Arc::clone(file) })
            }
        }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, PartError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Memory(batch) => batch.take().map(Ok),
            Self::File { reader, file } => {
                let batch = reader.next()?;
                Some(batch.map_err(|error| PartError { path: file.path.clone(), error }))
            }
        }
    }
}

/// Numbers in ascending order as ranges that do not touch.
fn ranges(rows: &[usize]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for row in rows {
        match ranges.last_mut() {
            Some(last) if last.end == *row => last.end += 1,
            Some(last) if last.end > *row => {}
            _ => ranges.push(*row..*row + 1),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_stand_together_are_read_together() {
        assert_eq!(ranges(&[1, 2, 2, 3, 7, 9, 10]), [1..4, 7..8, 9..11]);
    }
}
