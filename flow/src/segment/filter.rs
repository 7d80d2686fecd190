//! Rows that fit what is wanted: the others are not read in the columns that are asked for.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::{and_kleene, or_kleene, starts_with};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ArrowReaderMetadata, RowFilter};

use super::read::{Columns, conform};
use super::{Needle, Pattern, SegmentError, Wanted};
use crate::columns::ColumnId;
use crate::rows::Projection;

/// Which rows are read, told by some of the columns that are.
#[derive(Clone)]
pub struct RowTest {
    pub columns: Projection,
    pub test: Arc<Test>,
}

type Test = dyn Fn(&RecordBatch) -> Result<BooleanArray, ArrowError> + Send + Sync;

impl fmt::Debug for RowTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowTest").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl RowTest {
    /// As a filter of a file, given the columns that are tested.
    pub(super) fn filter(&self, mask: ProjectionMask, columns: Columns) -> RowFilter {
        let test = Arc::clone(&self.test);
        let test = move |batch: RecordBatch| {
            let batch = conform(&columns, &batch).map_err(|error| match error {
                SegmentError::Arrow(error) => error,
                other => ArrowError::SchemaError(other.to_string()),
            })?;
            test(&batch)
        };
        RowFilter::new(vec![Box::new(ArrowPredicateFn::new(mask, test))])
    }
}

/// A filter for the rows of a file; `None` where it would let all pass.
pub(super) fn row_filter(metadata: &ArrowReaderMetadata, wanted: &Wanted) -> Option<RowFilter> {
    let schema = metadata.schema();
    let needles: Vec<Needle> = wanted.needles.iter().map(|needle| answerable(needle, schema)).collect();
    if needles.is_empty() || needles.iter().any(Needle::is_empty) {
        return None;
    }
    let mask = asked(metadata, &needles);
    let fits = move |batch: RecordBatch| {
        let any = needles.iter().map(|needle| fit(needle, &batch));
        any.reduce(|a, b| or_kleene(&a?, &b?)).unwrap_or_else(|| Ok(vec![true; batch.num_rows()].into()))
    };
    Some(RowFilter::new(vec![Box::new(ArrowPredicateFn::new(mask, fits))]))
}

/// The columns that needles are looked for in.
pub(super) fn asked(metadata: &ArrowReaderMetadata, needles: &[Needle]) -> ProjectionMask {
    let asked = |name: &str| needles.iter().flatten().flatten().any(|(id, _)| id.column().name == name);
    let fields = metadata.schema().fields().iter().enumerate();
    let positions = fields.filter(|(_, field)| asked(field.name())).map(|(position, _)| position);
    ProjectionMask::roots(metadata.parquet_schema(), positions)
}

/// The clauses that the texts of a file can answer.
fn answerable(needle: &Needle, schema: &SchemaRef) -> Needle {
    let is_text = |id: ColumnId| {
        schema.column_with_name(id.column().name).is_some_and(|(_, field)| match field.data_type() {
            DataType::Utf8 => true,
            DataType::Dictionary(_, values) => **values == DataType::Utf8,
            _ => false,
        })
    };
    needle.iter().filter(|clause| clause.iter().all(|(id, _)| is_text(*id))).cloned().collect()
}

fn fit(needle: &Needle, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
    let is = |(id, pattern): &(ColumnId, Pattern)| -> Result<BooleanArray, ArrowError> {
        let column: &ArrayRef = batch
            .column_by_name(id.column().name)
            .ok_or_else(|| ArrowError::SchemaError(format!("no column {}", id.column().name)))?;
        debug_assert_eq!(column.len(), batch.num_rows());
        match pattern {
            Pattern::Is(text) => eq(column, &StringArray::new_scalar(text.as_str())),
            Pattern::Begins(text) => starts_with(column, &StringArray::new_scalar(text.as_str())),
        }
    };
    let clauses = needle.iter().map(|clause| {
        let any = clause.iter().map(is).reduce(|a, b| or_kleene(&a?, &b?));
        any.unwrap_or_else(|| Ok(vec![false; batch.num_rows()].into()))
    });
    let all = clauses.reduce(|a, b| and_kleene(&a?, &b?));
    all.unwrap_or_else(|| Ok(vec![true; batch.num_rows()].into()))
}
