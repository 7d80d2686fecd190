//! Values of a batch, row by row, by column id.

use std::ops::Range;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray, StructArray, TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Int32Type};

use crate::columns::{COLUMNS, ColumnId};
use crate::schema::arrow_type;

/// The columns of a batch, found once. A column that the batch lacks reads as NULL.
#[derive(Debug)]
pub struct View<'a> {
    columns: Vec<Option<Values<'a>>>,
}

#[derive(Debug)]
enum Values<'a> {
    Name {
        numbered: &'a DictionaryArray<Int32Type>,
        values: &'a StringArray,
    },
    Text(&'a StringArray),
    Bool(&'a BooleanArray),
    I32(&'a Int32Array),
    U32(&'a UInt32Array),
    I64(&'a Int64Array),
    U64(&'a UInt64Array),
    Time(&'a TimestampNanosecondArray),
    /// Lists of the rows, or those that rows have the numbers of.
    List {
        numbered: Option<&'a DictionaryArray<Int32Type>>,
        lists: &'a ListArray,
    },
}

/// A column of numbers or flags.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Numbers<'a> {
    Bool(&'a BooleanArray),
    I32(&'a Int32Array),
    U32(&'a UInt32Array),
    I64(&'a Int64Array),
    U64(&'a UInt64Array),
}

impl Numbers<'_> {
    /// The bits of a row's number as 64 of them.
    #[inline]
    pub(crate) fn get(self, row: usize) -> Option<u64> {
        match self {
            Self::Bool(values) => values.is_valid(row).then(|| values.value(row).into()),
            Self::I32(values) => values.is_valid(row).then(|| i64::from(values.value(row)).cast_unsigned()),
            Self::U32(values) => values.is_valid(row).then(|| values.value(row).into()),
            Self::I64(values) => values.is_valid(row).then(|| values.value(row).cast_unsigned()),
            Self::U64(values) => values.is_valid(row).then(|| values.value(row)),
        }
    }
}

/// How values stand in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Numbered,
    Numbers,
    Other,
}

/// A batch has a column of another type than the schema says.
#[derive(Debug, thiserror::Error)]
#[error("column {column} is {found}, expected {expected}")]
pub struct WrongType {
    pub column: &'static str,
    pub found: String,
    pub expected: String,
}

impl<'a> View<'a> {
    /// # Errors
    /// When a column of the batch has another type than [`COLUMNS`] gives it.
    pub fn new(batch: &'a RecordBatch) -> Result<Self, WrongType> {
        let mut columns: Vec<Option<Values<'a>>> = COLUMNS.iter().map(|_| None).collect();
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let Some(id) = ColumnId::of(field.name()) else { continue };
            let column = id.column();
            let expected = arrow_type(column.kind);
            let wrong = || WrongType {
                column: column.name,
                found: array.data_type().to_string(),
                expected: expected.to_string(),
            };
            let found = match array.data_type() {
                DataType::Dictionary(_, lists) if matches!(expected, DataType::List(_)) => lists,
                found => found,
            };
            // Texts need not be numbered.
            let is_text = matches!(&expected, DataType::Dictionary(_, texts) if found == texts.as_ref());
            if found != &expected && !is_text {
                return Err(wrong());
            }
            if let Some(slot) = columns.get_mut(usize::from(id.0)) {
                *slot = Some(values(array).ok_or_else(wrong)?);
            }
        }
        Ok(Self { columns })
    }

    fn values(&self, id: ColumnId) -> Option<&Values<'a>> {
        self.columns.get(usize::from(id.0))?.as_ref()
    }

    /// The text of a text column.
    #[must_use]
    pub fn text(&self, id: ColumnId, row: usize) -> Option<&'a str> {
        match self.values(id)? {
            Values::Name { numbered, values } => Some(values.value(key(numbered, row)?)),
            Values::Text(values) if values.is_valid(row) => Some(values.value(row)),
            _ => None,
        }
    }

    /// The number of a value within the batch, where the values of its column are numbered.
    #[must_use]
    pub fn key(&self, id: ColumnId, row: usize) -> Option<i32> {
        let keys = self.numbered(id)?.keys();
        keys.is_valid(row).then(|| keys.value(row))
    }

    /// Whether the batch has a column.
    pub(crate) fn has(&self, id: ColumnId) -> bool {
        self.values(id).is_some()
    }

    /// How values stand in a column, if the batch has it.
    pub(crate) fn form(&self, id: ColumnId) -> Option<Form> {
        Some(match self.values(id)? {
            _ if self.numbered(id).is_some() => Form::Numbered,
            _ if self.numbers(id).is_some() => Form::Numbers,
            _ => Form::Other,
        })
    }

    /// A column of numbers or flags.
    pub(crate) fn numbers(&self, id: ColumnId) -> Option<Numbers<'a>> {
        Some(match self.values(id)? {
            Values::Bool(values) => Numbers::Bool(values),
            Values::I32(values) => Numbers::I32(values),
            Values::U32(values) => Numbers::U32(values),
            Values::I64(values) => Numbers::I64(values),
            Values::U64(values) => Numbers::U64(values),
            _ => return None,
        })
    }

    /// A column of times.
    pub(crate) fn times(&self, id: ColumnId) -> Option<&'a TimestampNanosecondArray> {
        if let Values::Time(values) = self.values(id)? { Some(values) } else { None }
    }

    /// A column whose values are numbered: texts, or lists.
    pub(crate) fn numbered(&self, id: ColumnId) -> Option<&'a DictionaryArray<Int32Type>> {
        match self.values(id)? {
            Values::Name { numbered, .. } => Some(numbered),
            Values::List { numbered, .. } => *numbered,
            _ => None,
        }
    }

    /// Whether all values of a column are numbered; one that the batch lacks has none.
    pub(crate) fn is_numbered(&self, id: ColumnId) -> bool {
        !self.has(id) || self.numbered(id).is_some()
    }

    /// The value of a numeric, boolean or time column, as a whole number.
    #[must_use]
    pub fn number(&self, id: ColumnId, row: usize) -> Option<i128> {
        match self.values(id)? {
            Values::Bool(values) if values.is_valid(row) => Some(values.value(row).into()),
            Values::I32(values) if values.is_valid(row) => Some(values.value(row).into()),
            Values::U32(values) if values.is_valid(row) => Some(values.value(row).into()),
            Values::I64(values) if values.is_valid(row) => Some(values.value(row).into()),
            Values::U64(values) if values.is_valid(row) => Some(values.value(row).into()),
            Values::Time(values) if values.is_valid(row) => Some(values.value(row).into()),
            _ => None,
        }
    }

    /// The items of a list of texts.
    #[must_use]
    pub fn texts(&self, id: ColumnId, row: usize) -> Option<StringArray> {
        self.list(id, row)?.as_string_opt::<i32>().cloned()
    }

    /// The items of a list of structs.
    #[must_use]
    pub fn structs(&self, id: ColumnId, row: usize) -> Option<StructArray> {
        self.list(id, row)?.as_struct_opt().cloned()
    }

    /// The items of a list within the items of all lists.
    pub(crate) fn items(&self, id: ColumnId, row: usize) -> Option<(&'a ArrayRef, Range<usize>)> {
        let (lists, at) = self.place(id, row)?;
        list_items(lists, at)
    }

    fn list(&self, id: ColumnId, row: usize) -> Option<ArrayRef> {
        let (lists, at) = self.place(id, row)?;
        lists.is_valid(at).then(|| lists.value(at))
    }

    /// Where a row's list stands.
    fn place(&self, id: ColumnId, row: usize) -> Option<(&'a ListArray, usize)> {
        match self.values(id)? {
            Values::List { numbered: None, lists } => Some((lists, row)),
            Values::List { numbered: Some(numbered), lists } => Some((lists, key(numbered, row)?)),
            _ => None,
        }
    }
}

/// The number of a row's value.
fn key(numbered: &DictionaryArray<Int32Type>, row: usize) -> Option<usize> {
    let keys = numbered.keys();
    if keys.is_valid(row) { usize::try_from(keys.value(row)).ok() } else { None }
}

/// The items of one list within the items of all.
pub(crate) fn list_items(lists: &ListArray, at: usize) -> Option<(&ArrayRef, Range<usize>)> {
    if at >= lists.len() || lists.is_null(at) {
        return None;
    }
    let offset = |at: usize| lists.value_offsets().get(at).and_then(|offset| usize::try_from(*offset).ok());
    Some((lists.values(), offset(at)?..offset(at + 1)?))
}

fn values(array: &ArrayRef) -> Option<Values<'_>> {
    let any = array.as_any();
    if let Some(names) = any.downcast_ref::<DictionaryArray<Int32Type>>() {
        return match names.values().as_list_opt() {
            Some(lists) => Some(Values::List { numbered: Some(names), lists }),
            None => Some(Values::Name { numbered: names, values: names.values().as_string_opt()? }),
        };
    }
    any.downcast_ref()
        .map(Values::Text)
        .or_else(|| any.downcast_ref().map(Values::Bool))
        .or_else(|| any.downcast_ref().map(Values::I32))
        .or_else(|| any.downcast_ref().map(Values::U32))
        .or_else(|| any.downcast_ref().map(Values::I64))
        .or_else(|| any.downcast_ref().map(Values::U64))
        .or_else(|| any.downcast_ref().map(Values::Time))
        .or_else(|| any.downcast_ref().map(|lists| Values::List { numbered: None, lists }))
}

/// The texts of a list that stand for something; a NULL item reads as empty.
pub(crate) fn items(texts: &StringArray) -> impl Iterator<Item = &str> {
    texts.iter().map(Option::unwrap_or_default)
}

impl From<WrongType> for arrow::error::ArrowError {
    fn from(error: WrongType) -> Self {
        Self::SchemaError(error.to_string())
    }
}
