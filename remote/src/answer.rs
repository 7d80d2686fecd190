//! An answer, put together from its parts.
//!
//! Promises:
//! 1. All parts have the columns that were announced. Texts and dictionaries may be laid out in another way, as servers are
//!    not sure themselves of what they will send; the answer has one layout throughout.
//! 2. What grows when it is unpacked is weighed before.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use lookback_flow::guard::guarded;

use crate::Limits;
use crate::batches::Bad;
use crate::error::told;

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Names and types. Any column may have NULLs, there is no metadata, and no dictionaries but within maps and unions.
    pub schema: SchemaRef,
    /// In the order in which the server named their parts; none is empty.
    pub batches: Vec<RecordBatch>,
}

impl Answer {
    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// An answer that is being put together.
#[derive(Debug)]
pub(crate) struct Gathering {
    limits: Limits,
    schema: Option<SchemaRef>,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Gathering {
    /// With the schema that was announced, if one was.
    pub(crate) fn new(limits: Limits, announced: Option<&Schema>) -> Self {
        Self { limits, schema: announced.map(plain), batches: Vec::new(), rows: 0, bytes: 0 }
    }

    /// Checks the schema of a part; the first one settles what was not announced.
    pub(crate) fn check(&mut self, schema: &Schema) -> Result<(), Bad> {
        match &self.schema {
            None => self.schema = Some(plain(schema)),
            Some(known) => {
                if let Some(why) = difference(known, schema) {
                    return Err(Bad::Broken(why));
                }
            }
        }
        Ok(())
    }

    /// Adds a batch of a part whose schema was checked.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<(), Bad> {
        self.rows = self.rows.saturating_add(batch.num_rows());
        if self.rows > self.limits.rows {
            return Err(Bad::TooMuch(format!("{} rows", self.limits.rows)));
        }
        let Some(schema) = &self.schema else {
            return Err(Bad::Broken("a batch came before its schema".to_owned()));
        };
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let taken = guarded(|| {
            let weight = batch.columns().iter().fold(0, |sum: usize, column| sum.saturating_add(weight(column)));
            self.bytes = self.bytes.saturating_add(weight);
            if self.bytes > self.limits.bytes {
                return Err(Bad::TooMuch(format!("{} bytes", self.limits.bytes)));
            }
            laid_out(batch, schema).map_err(|error| Bad::Broken(told(&error.to_string())))
        });
        self.batches.push(taken.map_err(|panic| Bad::Broken(told(&panic)))??);
        Ok(())
    }

    /// The answer, if it is as long as was announced; a negative number announces nothing.
    pub(crate) fn finish(self, announced: i64) -> Result<Answer, Bad> {
        if let Ok(announced) = usize::try_from(announced)
            && announced != self.rows
        {
            let why = format!(
                "the server announced {announced} rows, and sent {}: parts of the answer are missing",
                self.rows
            );
            return Err(Bad::Broken(why));
        }
        // A statement that answers nothing, such as CREATE, may have no columns at all.
        let schema = self.schema.unwrap_or_else(|| Arc::new(Schema::empty()));
        Ok(Answer { schema, batches: self.batches })
    }
}

/// A batch in the layout of the answer.
fn laid_out(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        if column.data_type() == field.data_type() { Ok(Arc::clone(column)) } else { cast(column, field.data_type()) }
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// A schema without what servers differ in: metadata, NULLs that are ruled out, dictionaries.
fn plain(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(plain_field).collect::<Fields>()))
}

fn plain_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), plain_type(field.data_type()), true))
}

fn plain_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::List(item) => DataType::List(plain_field(item)),
        DataType::LargeList(item) => DataType::LargeList(plain_field(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(plain_field(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        kind => kind.clone(),
    }
}

/// The first thing in which a part differs from the answer.
fn difference(known: &Schema, other: &Schema) -> Option<String> {
    let (columns, others) = (known.fields(), other.fields());
    if columns.len() != others.len() {
        let (was, is) = (columns.len(), others.len());
        return Some(format!("a part of the answer has {is} columns, and {was} were announced"));
    }
    let mut pairs = columns.iter().zip(others).enumerate();
    pairs.find(|(_, (a, b))| a.name() != b.name() || !alike(a.data_type(), b.data_type())).map(|(at, (a, b))| {
        let (was, is) = (format!("{} {}", a.name(), a.data_type()), format!("{} {}", b.name(), b.data_type()));
        let at = at + 1;
        format!("column {at} of a part of the answer is `{}`, and was announced as `{}`", told(&is), told(&was))
    })
}

/// Whether two types hold the same values.
fn alike(a: &DataType, b: &DataType) -> bool {
    use DataType::{Binary, BinaryView, Dictionary, LargeBinary, LargeUtf8, Utf8, Utf8View};
    match (a, b) {
        (Dictionary(_, values), other) | (other, Dictionary(_, values)) => alike(values, other),
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View)
        | (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => true,
        (DataType::List(a), DataType::List(b)) | (DataType::LargeList(a), DataType::LargeList(b)) => {
            alike(a.data_type(), b.data_type())
        }
        (DataType::FixedSizeList(a, n), DataType::FixedSizeList(b, m)) => n == m && alike(a.data_type(), b.data_type()),
        (DataType::Map(a, s), DataType::Map(b, t)) => s == t && alike(a.data_type(), b.data_type()),
        (DataType::Struct(a), DataType::Struct(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| a.name() == b.name() && alike(a.data_type(), b.data_type()))
        }
        (a, b) => a == b,
    }
}

/// Bytes that an array takes in the layout of an answer. Where many values share one text, each is counted.
fn weight(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            if dictionary.values().is_empty() {
                return array.len().saturating_mul(size_of::<u64>());
            }
            let lengths = lengths(dictionary.values());
            let keys = dictionary.normalized_keys();
            keys.iter().fold(0, |sum, key| sum.saturating_add(lengths.get(*key).copied().unwrap_or_default() + OFFSET))
        }
        DataType::Utf8View | DataType::BinaryView => {
            lengths(array).iter().fold(0, |sum, length| sum.saturating_add(length + OFFSET))
        }
        DataType::List(_) => weight(array.as_list::<i32>().values()).saturating_add(array.len() * OFFSET),
        DataType::LargeList(_) => weight(array.as_list::<i64>().values()).saturating_add(array.len() * OFFSET),
        DataType::FixedSizeList(..) => weight(array.as_fixed_size_list().values()),
        DataType::Map(..) => {
            let entries = array.as_map().entries();
            entries.columns().iter().fold(array.len() * OFFSET, |sum, column| sum.saturating_add(weight(column)))
        }
        DataType::Struct(_) => {
            array.as_struct().columns().iter().fold(0, |sum, column| sum.saturating_add(weight(column)))
        }
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
    }
}

/// What a value takes beside its text.
const OFFSET: usize = 8;

/// Length of each value.
fn lengths(values: &ArrayRef) -> Vec<usize> {
    let text = |length: Option<usize>| length.unwrap_or_default();
    match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().iter().map(|value| text(value.map(str::len))).collect(),
        DataType::LargeUtf8 => values.as_string::<i64>().iter().map(|value| text(value.map(str::len))).collect(),
        DataType::Utf8View => values.as_string_view().iter().map(|value| text(value.map(str::len))).collect(),
        DataType::Binary => values.as_binary::<i32>().iter().map(|value| text(value.map(<[u8]>::len))).collect(),
        DataType::LargeBinary => values.as_binary::<i64>().iter().map(|value| text(value.map(<[u8]>::len))).collect(),
        DataType::BinaryView => values.as_binary_view().iter().map(|value| text(value.map(<[u8]>::len))).collect(),
        kind => {
            // One that may be as large as all of them.
            let each = kind.primitive_width().unwrap_or_else(|| weight(values));
            vec![each; values.len()]
        }
    }
}

#[cfg(test)]
mod tests;
