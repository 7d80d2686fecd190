//! Distinct values of a column, numbered in the order of their coming, and the numbers of its rows.
//!
//! A column's values are known from batch to batch, as the same ones come again; they are forgotten when they have become
//! too many. A batch has those that its rows have, and no others.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, DictionaryArray, Int32Array, ListArray, RecordBatch, RecordBatchOptions,
    StringArray,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use arrow::error::ArrowError;
use arrow_select::dictionary::garbage_collect_any_dictionary;
use indexmap::IndexSet;

/// Values beyond which they are forgotten after a batch.
const MOST_VALUES: usize = 1 << 15;

/// Bytes of values beyond which they are forgotten after a batch.
const MOST_BYTES: usize = 4 << 20;

/// Stands for no value.
const NONE: i32 = -1;

/// A hasher that no log can foresee: with one that it could, a hostile log would make all values meet.
#[must_use]
pub fn hasher() -> ahash::RandomState {
    static SEEDS: LazyLock<[u64; 4]> =
        LazyLock::new(|| std::array::from_fn(|_| std::hash::RandomState::new().hash_one(0)));
    let [a, b, c, d] = *SEEDS;
    ahash::RandomState::with_seeds(a, b, c, d)
}

/// A column of numbered values.
#[derive(Debug)]
pub(crate) struct Dictionary {
    /// A text itself, or a list's items with their lengths.
    known: IndexSet<Box<[u8]>, ahash::RandomState>,
    bytes: usize,
    keys: Vec<i32>,
    /// Number of the value that was looked up last: values come in runs.
    last: i32,
    /// For each value the last batch that had it, and its number there.
    places: Vec<(u32, i32)>,
    batch: u32,
}

impl Default for Dictionary {
    fn default() -> Self {
        let known = IndexSet::with_hasher(hasher());
        Self { known, bytes: 0, keys: Vec::new(), last: NONE, places: Vec::new(), batch: 1 }
    }
}

impl Dictionary {
    /// The number of a value.
    pub(crate) fn number(&mut self, value: &[u8]) -> i32 {
        if self.value(self.last) == Some(value) {
            return self.last;
        }
        self.last = match self.known.get_index_of(value) {
            Some(at) => number(at),
            None => {
                self.bytes += value.len();
                self.places.push((0, 0));
                number(self.known.insert_full(value.into()).0)
            }
        };
        self.last
    }

    /// The value of a number.
    pub(crate) fn value(&self, number: i32) -> Option<&[u8]> {
        self.known.get_index(usize::try_from(number).ok()?).map(|value| &**value)
    }

    /// Rows so far.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The last row's value.
    pub(crate) fn last(&self) -> Option<&[u8]> {
        self.value(*self.keys.last()?)
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, number: i32) {
        self.keys.push(number);
    }

    /// Adds rows without a value.
    pub(crate) fn append_nulls(&mut self, rows: usize) {
        self.keys.resize(self.keys.len() + rows, NONE);
    }

    /// Drops all rows.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
    }

    /// The rows, with an array that `build` makes of their values; what is known stays.
    pub(crate) fn finish(
        &mut self,
        build: impl FnOnce(&mut dyn Iterator<Item = &[u8]>) -> ArrayRef,
    ) -> Result<ArrayRef, ArrowError> {
        let mut keys = std::mem::take(&mut self.keys);
        let nulls = keys.contains(&NONE).then(|| keys.iter().map(|key| *key != NONE).collect::<NullBuffer>());
        let mut used: Vec<usize> = Vec::new();
        for key in &mut keys {
            let Ok(at) = usize::try_from(*key) else {
                *key = 0;
                continue;
            };
            if let Some(place) = self.places.get_mut(at) {
                if place.0 != self.batch {
                    *place = (self.batch, number(used.len()));
                    used.push(at);
                }
                *key = place.1;
            }
        }
        self.batch = self.batch.wrapping_add(1).max(1);
        let known = |at: usize| self.known.get_index(at).map(|value| &**value);
        let values = build(&mut used.into_iter().filter_map(known));
        let keys = Int32Array::try_new(ScalarBuffer::from(keys), nulls)?;
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values)?))
    }

    /// Whether there are more values than should be kept.
    pub(crate) fn is_full(&self) -> bool {
        self.known.len() > MOST_VALUES || self.bytes > MOST_BYTES
    }

    /// Forgets all values; there must be no rows.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The rows of numbered texts.
pub(crate) fn texts(names: &mut Dictionary) -> Result<ArrayRef, ArrowError> {
    names.finish(|values| {
        let texts = values.map(|text| std::str::from_utf8(text).unwrap_or_default());
        Arc::new(texts.map(Some).collect::<StringArray>())
    })
}

/// A batch has far fewer rows than an `i32` counts, and values are forgotten long before.
fn number(at: usize) -> i32 {
    i32::try_from(at).unwrap_or(i32::MAX)
}

/// The batch with each row's lists in the row: few readers know of lists that are numbered.
///
/// # Errors
/// When arrow refuses them, which would be a mistake in this crate.
pub fn unpacked(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut arrays = Vec::with_capacity(batch.num_columns());
    for (array, field) in batch.columns().iter().zip(batch.schema_ref().fields()) {
        let array = unpacked_column(array)?;
        fields.push(Field::new(field.name(), array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}

/// Likewise, a column of it.
pub(crate) fn unpacked_column(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.as_any().downcast_ref::<DictionaryArray<Int32Type>>() {
        Some(numbered) if matches!(numbered.values().data_type(), DataType::List(_)) => {
            arrow::compute::take(numbered.values(), numbered.keys(), None)
        }
        _ => Ok(Arc::clone(array)),
    }
}

/// Whether the items of lists are texts, or small messages of texts: such lists come again and again.
pub(crate) fn is_of_texts(item: &Field) -> bool {
    match item.data_type() {
        DataType::Struct(members) => members.iter().all(|member| *member.data_type() == DataType::Utf8),
        item => *item == DataType::Utf8,
    }
}

/// The field of a column of lists of texts, whose lists are numbered; any other as it is.
pub(crate) fn numbered_field(field: Field) -> Field {
    if matches!(field.data_type(), DataType::List(item) if is_of_texts(item)) {
        let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(field.data_type().clone()));
        return field.with_data_type(kind);
    }
    field
}

/// The type of the items of numbered lists in which texts are numbered, too.
pub(crate) fn numbered_items(item: &Field) -> Field {
    let names = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    match item.data_type() {
        DataType::Struct(members) => {
            let members = members.iter().map(|member| member.as_ref().clone().with_data_type(names()));
            item.clone().with_data_type(DataType::Struct(members.collect()))
        }
        _ => item.clone().with_data_type(names()),
    }
}

/// Stands for a list's item that is a message, but NULL.
const NO_ITEM: i32 = -2;

/// The numbers of items, as many for each as its texts are; `None` if they are not numbered.
fn item_numbers(items: &ArrayRef) -> Option<(usize, Cow<'_, [i32]>)> {
    let numbers = |texts: &ArrayRef| Some(texts.as_dictionary_opt::<Int32Type>()?.keys().clone());
    if let Some(items) = items.as_dictionary_opt::<Int32Type>() {
        let numbers = match items.keys().nulls() {
            None => Cow::Borrowed(&**items.keys().values()),
            Some(_) => items.keys().iter().map(|item| item.unwrap_or(NONE)).collect(),
        };
        return Some((1, numbers));
    }
    let items = items.as_struct_opt()?;
    let members = items.columns().iter().map(numbers).collect::<Option<Vec<_>>>()?;
    let number = |item| {
        let number = move |member: &Int32Array| if member.is_valid(item) { member.value(item) } else { NONE };
        members.iter().map(move |member| if items.is_valid(item) { number(member) } else { NO_ITEM })
    };
    Some((members.len(), (0..items.len()).flat_map(number).collect()))
}

/// Numbers lists; those of texts that are numbered themselves are told apart by these numbers.
pub(crate) fn numbered_lists(lists: &ListArray, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    let Some((width, numbers)) = item_numbers(lists.values()) else {
        let all: Int32Array = (0..lists.len()).map(|row| lists.is_valid(row).then(|| number(row))).collect();
        let values = arrow::compute::cast(lists, kind)?;
        return Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(all, values)?));
    };
    let mut known: HashMap<&[i32], i32, ahash::RandomState> = HashMap::with_hasher(hasher());
    let mut rows: Vec<i32> = Vec::new();
    let mut before: Option<(&[i32], i32)> = None;
    let list = |(row, offsets): (usize, &[i32])| {
        let &[start, end] = offsets else { return None };
        let items = numbers.get(width * usize::try_from(start).ok()?..width * usize::try_from(end).ok()?)?;
        lists.is_valid(row).then_some(items)
    };
    let number_of = |offsets: (usize, &[i32])| {
        let items = list(offsets)?;
        if let Some((same, key)) = before
            && same == items
        {
            return Some(key);
        }
        let key = *known.entry(items).or_insert_with(|| {
            rows.push(number(offsets.0));
            number(rows.len() - 1)
        });
        before = Some((items, key));
        Some(key)
    };
    let keys: Int32Array = lists.value_offsets().windows(2).enumerate().map(number_of).collect();
    let distinct = arrow::compute::take(lists, &Int32Array::from(rows), None)?;
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, arrow::compute::cast(&distinct, kind)?)?))
}

/// A column without the values that no row has.
pub(crate) fn compact(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.as_any_dictionary_opt() {
        Some(numbered) => garbage_collect_any_dictionary(numbered),
        None => Ok(Arc::clone(array)),
    }
}
