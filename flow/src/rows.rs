//! Rows on their way into a RecordBatch.
//!
//! Promises:
//! 1. Only the columns asked for take memory or time; a value for another column is dropped.
//! 2. A row costs only the values that it has: a column that was not set is filled up with NULL when it is next touched.
//! 3. A row that turns out bad half way is taken back whole.
//! 4. Names and lists are kept once each, and rows hold their numbers (see `dictionary`).

mod builder;
pub(crate) mod list;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field as ArrowField, FieldRef, Schema as ArrowSchema, SchemaRef};
use arrow::error::ArrowError;

use crate::columns::{COLUMNS, ColumnId};
use crate::dictionary::unpacked;
use crate::schema::{SCHEMA, arrow_field};
use builder::Builder;

/// Which columns to decode; in the order of [`COLUMNS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    wanted: Vec<bool>,
}

impl Default for Projection {
    /// No columns.
    fn default() -> Self {
        Self { wanted: vec![false; COLUMNS.len()] }
    }
}

impl Projection {
    /// Every column that is stored, so that a line can be written again from the row.
    #[must_use]
    pub fn all() -> Self {
        Self { wanted: COLUMNS.iter().map(|column| !column.is_derived()).collect() }
    }

    /// The named columns; derived ones and unknown names are passed over.
    #[must_use]
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut projection = Self::default();
        for name in names {
            if let Some(id) = ColumnId::of(name)
                && !id.column().is_derived()
                && let Some(slot) = projection.wanted.get_mut(usize::from(id.0))
            {
                *slot = true;
            }
        }
        projection
    }

    #[must_use]
    pub fn has(&self, id: ColumnId) -> bool {
        self.wanted.get(usize::from(id.0)).copied().unwrap_or_default()
    }

    /// The columns wanted, in order.
    pub fn columns(&self) -> impl Iterator<Item = ColumnId> + '_ {
        (0u16..).zip(&self.wanted).filter(|(_, wanted)| **wanted).map(|(id, _)| ColumnId(id))
    }

    /// These columns, too.
    #[must_use]
    pub fn with(mut self, columns: impl IntoIterator<Item = ColumnId>) -> Self {
        for id in columns {
            if let Some(slot) = self.wanted.get_mut(usize::from(id.0)) {
                *slot = true;
            }
        }
        self
    }

    /// The Arrow schema of what will be decoded.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::new(ArrowSchema::new(self.columns().map(|id| arrow_field(id.column())).collect::<Vec<_>>()))
    }
}

/// A value of one of the struct lists: its members as text, number or texts, in the struct's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberValue {
    None,
    Text(String),
    Number(u64),
    Texts(Vec<String>),
}

/// Rows being built.
pub struct Rows {
    projection: Projection,
    /// Columns of a batch.
    shown: Projection,
    builders: Vec<Option<Builder>>,
    /// Rows finished so far, the abandoned ones among them.
    len: usize,
    abandoned: Vec<usize>,
    generation: u64,
    /// Of all batches, once there was one.
    schema: Option<SchemaRef>,
    /// Room to put a list together.
    list: Vec<u8>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("projection", &self.projection).field("len", &self.len).finish_non_exhaustive()
    }
}

impl Rows {
    #[must_use]
    pub fn new(projection: Projection) -> Self {
        let shown = projection.clone();
        Self::showing(projection, &shown)
    }

    /// Rows of which a batch has some columns only; the others are there as long as a row is being set.
    #[must_use]
    pub fn showing(projection: Projection, shown: &Projection) -> Self {
        let builders =
            COLUMNS.iter().zip(&projection.wanted).map(|(c, wanted)| wanted.then(|| Builder::new(c.kind))).collect();
        Self {
            projection,
            shown: shown.clone(),
            builders,
            len: 0,
            abandoned: Vec::new(),
            generation: 0,
            schema: None,
            list: Vec::new(),
        }
    }

    #[must_use]
    pub fn wants(&self, id: ColumnId) -> bool {
        self.projection.has(id)
    }

    /// The columns that can be set.
    #[must_use]
    pub fn projection(&self) -> &Projection {
        &self.projection
    }

    /// Rows kept so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len - self.abandoned.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the row just set.
    pub fn finish_row(&mut self) {
        self.len += 1;
    }

    /// Forgets the row just set.
    pub fn abandon_row(&mut self) {
        self.abandoned.push(self.len);
        self.len += 1;
    }

    fn builder(&mut self, id: ColumnId) -> Option<&mut Builder> {
        let row = self.len;
        let builder = self.builders.get_mut(usize::from(id.0))?.as_mut()?;
        builder.fill(row);
        // A column is set once a row; a second value would move all that follow.
        debug_assert_eq!(builder.len(), row, "{} set twice", id.column().name);
        Some(builder)
    }

    pub fn text(&mut self, id: ColumnId, value: &str) {
        match self.builder(id) {
            Some(Builder::Name(b)) => {
                let number = b.number(value.as_bytes());
                b.push(number);
            }
            Some(Builder::Text(b)) => b.append_value(value),
            _ => {}
        }
    }

    pub fn bool(&mut self, id: ColumnId, value: bool) {
        if let Some(Builder::Bool(b)) = self.builder(id) {
            b.append_value(value);
        }
    }

    /// A whole number into a numeric column; the caller has checked its range.
    #[expect(clippy::cast_possible_truncation, reason = "the codec checks the range by the field's type")]
    #[expect(clippy::cast_sign_loss, reason = "likewise")]
    pub fn number(&mut self, id: ColumnId, value: i128) {
        match self.builder(id) {
            Some(Builder::I32(b)) => b.append_value(value as i32),
            Some(Builder::U32(b)) => b.append_value(value as u32),
            Some(Builder::I64(b)) => b.append_value(value as i64),
            Some(Builder::U64(b)) => b.append_value(value as u64),
            Some(Builder::Bool(b)) => b.append_value(value != 0),
            Some(Builder::Time(b)) => b.append_value(value as i64),
            _ => {}
        }
    }

    pub fn texts<T: AsRef<str>>(&mut self, id: ColumnId, values: impl IntoIterator<Item = T>) {
        if self.wants(id) {
            let values: Vec<T> = values.into_iter().collect();
            let number = self.number_of_texts(id, &values);
            self.numbered(id, number);
        }
    }

    /// A list of structs, each a list of its members' values in the struct's order.
    pub fn structs(&mut self, id: ColumnId, items: &[Vec<MemberValue>]) {
        let number = self.number_of_structs(id, items);
        self.numbered(id, number);
    }

    /// The number that a name or a list has in its column, until [`Self::generation`] changes; `None` for a column that is not
    /// wanted, or is of another type.
    pub fn number_of_text(&mut self, id: ColumnId, value: &str) -> Option<i32> {
        match self.builders.get_mut(usize::from(id.0))?.as_mut()? {
            Builder::Name(b) => Some(b.number(value.as_bytes())),
            _ => None,
        }
    }

    /// Likewise.
    pub fn number_of_texts<T: AsRef<str>>(&mut self, id: ColumnId, values: &[T]) -> Option<i32> {
        let mut list = std::mem::take(&mut self.list);
        values.iter().for_each(|value| list::put_text(value.as_ref().as_bytes(), &mut list));
        self.number_and_clear(id, list)
    }

    /// Likewise.
    pub fn number_of_structs(&mut self, id: ColumnId, items: &[Vec<MemberValue>]) -> Option<i32> {
        let mut list = std::mem::take(&mut self.list);
        items.iter().flatten().for_each(|value| list::put_member(value, &mut list));
        self.number_and_clear(id, list)
    }

    fn number_and_clear(&mut self, id: ColumnId, mut list: Vec<u8>) -> Option<i32> {
        let number = self.number_of_list(id, &list);
        list.clear();
        self.list = list;
        number
    }

    /// Likewise, of a list as bytes (see [`list`]).
    pub(crate) fn number_of_list(&mut self, id: ColumnId, list: &[u8]) -> Option<i32> {
        match self.builders.get_mut(usize::from(id.0))?.as_mut()? {
            Builder::Texts(b) | Builder::Structs(b, _) => Some(b.number(list)),
            _ => None,
        }
    }

    /// A name or list by its number in the column.
    pub fn numbered(&mut self, id: ColumnId, number: Option<i32>) {
        let Some(number) = number else { return };
        if let Some(Builder::Name(b) | Builder::Texts(b) | Builder::Structs(b, _)) = self.builder(id) {
            b.push(number);
        }
    }

    /// The name that has this number.
    pub(crate) fn name(&self, id: ColumnId, number: i32) -> Option<&[u8]> {
        match self.builders.get(usize::from(id.0))?.as_ref()? {
            Builder::Name(b) => b.value(number),
            _ => None,
        }
    }

    /// How often numbers have been given anew: those of an earlier time stand for nothing.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The text of the row that is being set.
    pub(crate) fn set_text(&self, id: ColumnId) -> Option<&str> {
        let builder = self.builders.get(usize::from(id.0))?.as_ref()?;
        let bytes = match builder {
            Builder::Name(b) if builder.len() > self.len => b.last()?,
            Builder::Text(b) if builder.len() > self.len => {
                let [.., start, end] = b.offsets_slice() else { return None };
                b.values_slice().get(usize::try_from(*start).ok()?..usize::try_from(*end).ok()?)?
            }
            _ => return None,
        };
        std::str::from_utf8(bytes).ok()
    }

    /// The number of the row that is being set.
    pub(crate) fn set_number(&self, id: ColumnId) -> Option<i128> {
        let builder = self.builders.get(usize::from(id.0))?.as_ref()?;
        if builder.len() <= self.len {
            return None;
        }
        Some(match builder {
            Builder::I32(b) => (*b.values_slice().last()?).into(),
            Builder::U32(b) => (*b.values_slice().last()?).into(),
            Builder::I64(b) => (*b.values_slice().last()?).into(),
            Builder::U64(b) => (*b.values_slice().last()?).into(),
            Builder::Time(b) => (*b.values_slice().last()?).into(),
            _ => return None,
        })
    }

    /// The kept rows, and an empty builder of the same columns.
    ///
    /// # Errors
    /// When arrow refuses the arrays, which would be a mistake in this module.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        unpacked(&self.finish_packed()?)
    }

    /// The kept rows with each list once, rows having the number of theirs.
    ///
    /// # Errors
    /// Likewise.
    pub fn finish_packed(&mut self) -> Result<RecordBatch, ArrowError> {
        if self.len == 0
            && let Some(schema) = &self.schema
        {
            // Hundreds of arrays take longer to make than a chunk to read of which nothing is wanted.
            let empty = RecordBatch::new_empty(Arc::clone(schema));
            self.forget_if_full();
            return Ok(empty);
        }
        let mut arrays = Vec::with_capacity(self.builders.len());
        let mut ids = Vec::with_capacity(self.builders.len());
        for (id, builder) in (0u16..).map(ColumnId).zip(&mut self.builders) {
            let Some(builder) = builder else { continue };
            if self.shown.has(id) {
                builder.fill(self.len);
            }
            if !self.shown.has(id) {
                builder.clear();
                continue;
            }
            ids.push(id);
            arrays.push(builder.finish()?);
        }
        let schema = self.schema.get_or_insert_with(|| {
            let field = |(id, array): (&ColumnId, &ArrayRef)| {
                ArrowField::new(id.column().name, array.data_type().clone(), true)
            };
            Arc::new(ArrowSchema::new(ids.iter().zip(&arrays).map(field).collect::<Vec<_>>()))
        });
        let options = RecordBatchOptions::new().with_row_count(Some(self.len));
        let mut batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?;
        if !self.abandoned.is_empty() {
            let mut keep = vec![true; self.len];
            for row in &self.abandoned {
                if let Some(slot) = keep.get_mut(*row) {
                    *slot = false;
                }
            }
            batch = filter_record_batch(&batch, &BooleanArray::from(keep))?;
        }
        self.len = 0;
        self.abandoned.clear();
        self.forget_if_full();
        Ok(batch)
    }

    fn forget_if_full(&mut self) {
        if self.builders.iter().flatten().any(Builder::is_full) {
            self.builders.iter_mut().flatten().for_each(Builder::forget);
            self.generation += 1;
        }
    }
}

/// A batch with every stored column, those that it lacks as NULL; lists that are numbered stay so.
///
/// # Errors
/// When a column has not the type of the schema.
pub fn whole(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = &SCHEMA.arrow;
    let column = |field: &FieldRef| match batch.column_by_name(field.name()) {
        Some(array) => Arc::clone(array),
        None => new_null_array(field.data_type(), batch.num_rows()),
    };
    let columns: Vec<ArrayRef> = schema.fields().iter().map(column).collect();
    let packed = |(field, array): (&FieldRef, &ArrayRef)| match array.data_type() {
        DataType::Dictionary(_, list) if list.as_ref() == field.data_type() => {
            ArrowField::new(field.name(), array.data_type().clone(), true)
        }
        _ => field.as_ref().clone(),
    };
    let fields: Vec<ArrowField> = schema.fields().iter().zip(&columns).map(packed).collect();
    RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), columns)
}
