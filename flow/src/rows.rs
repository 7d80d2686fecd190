//! Rows on their way into a RecordBatch.
//!
//! Promises:
//! 1. Only the columns asked for take memory or time; a value for another column is dropped.
//! 2. A row costs only the values that it has: a column that was not set is filled up with NULL when it is next touched.
//! 3. A row that turns out bad half way is taken back whole.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanArray, BooleanBuilder, Int32Builder, Int64Builder, ListBuilder, RecordBatch,
    StringBuilder, StringDictionaryBuilder, StructBuilder, TimestampNanosecondBuilder, UInt32Builder, UInt64Builder,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Fields, Int32Type, Schema as ArrowSchema, SchemaRef};
use arrow::error::ArrowError;

use crate::columns::{COLUMNS, ColumnId, Type};
use crate::schema::{arrow_field, arrow_type};

/// Which columns to decode; in the order of [`COLUMNS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    wanted: Vec<bool>,
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
        let mut wanted = vec![false; COLUMNS.len()];
        for name in names {
            if let Some(id) = ColumnId::of(name)
                && !id.column().is_derived()
                && let Some(slot) = wanted.get_mut(usize::from(id.0))
            {
                *slot = true;
            }
        }
        Self { wanted }
    }

    #[must_use]
    pub fn has(&self, id: ColumnId) -> bool {
        self.wanted.get(usize::from(id.0)).copied().unwrap_or_default()
    }

    /// The columns wanted, in order.
    pub fn columns(&self) -> impl Iterator<Item = ColumnId> + '_ {
        (0u16..).zip(&self.wanted).filter(|(_, wanted)| **wanted).map(|(id, _)| ColumnId(id))
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

enum Builder {
    Name(StringDictionaryBuilder<Int32Type>),
    Text(StringBuilder),
    Bool(BooleanBuilder),
    I32(Int32Builder),
    U32(UInt32Builder),
    I64(Int64Builder),
    U64(UInt64Builder),
    Time(TimestampNanosecondBuilder),
    Texts(ListBuilder<StringBuilder>),
    Structs(ListBuilder<StructBuilder>),
}

/// Runs the same code on whichever builder it is.
macro_rules! each {
    ($builder:expr, $b:ident => $code:expr) => {
        match $builder {
            Builder::Name($b) => $code,
            Builder::Text($b) => $code,
            Builder::Bool($b) => $code,
            Builder::I32($b) => $code,
            Builder::U32($b) => $code,
            Builder::I64($b) => $code,
            Builder::U64($b) => $code,
            Builder::Time($b) => $code,
            Builder::Texts($b) => $code,
            Builder::Structs($b) => $code,
        }
    };
}

impl Builder {
    fn new(kind: Type) -> Self {
        match kind {
            Type::Name | Type::Flags | Type::Case => Self::Name(StringDictionaryBuilder::new()),
            Type::Text | Type::Json => Self::Text(StringBuilder::new()),
            Type::Bool => Self::Bool(BooleanBuilder::new()),
            Type::I32 => Self::I32(Int32Builder::new()),
            Type::U32 => Self::U32(UInt32Builder::new()),
            Type::I64 => Self::I64(Int64Builder::new()),
            Type::U64 | Type::Presence => Self::U64(UInt64Builder::new()),
            Type::Time => Self::Time(TimestampNanosecondBuilder::new().with_timezone("UTC")),
            Type::Names => Self::Texts(ListBuilder::new(StringBuilder::new())),
            Type::Workloads | Type::Policies | Type::Headers | Type::Addresses => {
                Self::Structs(ListBuilder::new(StructBuilder::from_fields(struct_fields(kind), 0)))
            }
        }
    }

    fn fill(&mut self, rows: usize) {
        let missing = rows.saturating_sub(each!(self, b => b.len()));
        match self {
            Self::Name(b) => b.append_nulls(missing),
            Self::Text(b) => b.append_nulls(missing),
            Self::Bool(b) => b.append_nulls(missing),
            Self::I32(b) => b.append_nulls(missing),
            Self::U32(b) => b.append_nulls(missing),
            Self::I64(b) => b.append_nulls(missing),
            Self::U64(b) => b.append_nulls(missing),
            Self::Time(b) => b.append_nulls(missing),
            Self::Texts(b) => (0..missing).for_each(|_| b.append_null()),
            Self::Structs(b) => (0..missing).for_each(|_| b.append_null()),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        each!(self, b => Arc::new(b.finish()))
    }
}

fn struct_fields(kind: Type) -> Fields {
    match arrow_type(kind) {
        DataType::List(item) => match item.data_type() {
            DataType::Struct(fields) => fields.clone(),
            _ => Fields::empty(),
        },
        _ => Fields::empty(),
    }
}

/// Rows being built.
pub struct Rows {
    projection: Projection,
    builders: Vec<Option<Builder>>,
    /// Rows finished so far, the abandoned ones among them.
    len: usize,
    abandoned: Vec<usize>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("projection", &self.projection).field("len", &self.len).finish_non_exhaustive()
    }
}

impl Rows {
    #[must_use]
    pub fn new(projection: Projection) -> Self {
        let builders =
            COLUMNS.iter().zip(&projection.wanted).map(|(c, wanted)| wanted.then(|| Builder::new(c.kind))).collect();
        Self { projection, builders, len: 0, abandoned: Vec::new() }
    }

    #[must_use]
    pub fn wants(&self, id: ColumnId) -> bool {
        self.projection.has(id)
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
        debug_assert_eq!(each!(builder, b => b.len()), row, "{} set twice", id.column().name);
        Some(builder)
    }

    pub fn text(&mut self, id: ColumnId, value: &str) {
        match self.builder(id) {
            // A dictionary takes fewer than 2^31 values; a batch is far smaller than that.
            Some(Builder::Name(b)) => b.append_value(value),
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
        if let Some(Builder::Texts(b)) = self.builder(id) {
            for value in values {
                b.values().append_value(value);
            }
            b.append(true);
        }
    }

    /// A list of structs, each a list of its members' values in the struct's order.
    pub fn structs(&mut self, id: ColumnId, items: &[Vec<MemberValue>]) {
        let Some(Builder::Structs(b)) = self.builder(id) else { return };
        for item in items {
            let values = b.values();
            for (member, value) in item.iter().enumerate() {
                append_member(values, member, value);
            }
            values.append(true);
        }
        b.append(true);
    }

    /// The kept rows, and an empty builder of the same columns.
    ///
    /// # Errors
    /// When arrow refuses the arrays, which would be a mistake in this module.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let schema = self.projection.schema();
        let mut arrays = Vec::with_capacity(schema.fields().len());
        for builder in self.builders.iter_mut().flatten() {
            builder.fill(self.len);
            arrays.push(builder.finish());
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(self.len));
        let mut batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
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
        Ok(batch)
    }
}

fn append_member(values: &mut StructBuilder, member: usize, value: &MemberValue) {
    if let Some(b) = values.field_builder::<StringBuilder>(member) {
        match value {
            MemberValue::Text(text) => b.append_value(text),
            _ => b.append_null(),
        }
    } else if let Some(b) = values.field_builder::<UInt64Builder>(member) {
        match value {
            MemberValue::Number(number) => b.append_value(*number),
            _ => b.append_null(),
        }
    } else if let Some(b) = values.field_builder::<UInt32Builder>(member) {
        match value {
            MemberValue::Number(number) => b.append_option(u32::try_from(*number).ok()),
            _ => b.append_null(),
        }
    } else if let Some(b) = values.field_builder::<ListBuilder<Box<dyn ArrayBuilder>>>(member) {
        match value {
            MemberValue::Texts(texts) => {
                if let Some(items) = b.values().as_any_mut().downcast_mut::<StringBuilder>() {
                    texts.iter().for_each(|text| items.append_value(text));
                }
                b.append(true);
            }
            _ => b.append_null(),
        }
    }
}
