//! One column on its way into an array.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Int32Builder, Int64Builder, ListBuilder, StringBuilder, StructBuilder,
    TimestampNanosecondBuilder, UInt32Builder, UInt64Builder,
};
use arrow::datatypes::{DataType, Fields};
use arrow::error::ArrowError;

use super::list::{Items, Member};
use crate::columns::Type;
use crate::dictionary::{Dictionary, texts};
use crate::schema::arrow_type;

pub(super) enum Builder {
    Name(Dictionary),
    Text(StringBuilder),
    Bool(BooleanBuilder),
    I32(Int32Builder),
    U32(UInt32Builder),
    I64(Int64Builder),
    U64(UInt64Builder),
    Time(TimestampNanosecondBuilder),
    Texts(Dictionary),
    Structs(Dictionary, Type),
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
            Builder::Structs($b, _) => $code,
        }
    };
}

impl Builder {
    pub(super) fn new(kind: Type) -> Self {
        match kind {
            Type::Name | Type::Flags | Type::Case => Self::Name(Dictionary::default()),
            Type::Text | Type::Json => Self::Text(StringBuilder::new()),
            Type::Bool => Self::Bool(BooleanBuilder::new()),
            Type::I32 => Self::I32(Int32Builder::new()),
            Type::U32 => Self::U32(UInt32Builder::new()),
            Type::I64 => Self::I64(Int64Builder::new()),
            Type::U64 | Type::Presence => Self::U64(UInt64Builder::new()),
            Type::Time => Self::Time(TimestampNanosecondBuilder::new().with_timezone("UTC")),
            Type::Names => Self::Texts(Dictionary::default()),
            Type::Workloads | Type::Policies | Type::Headers | Type::Addresses => {
                Self::Structs(Dictionary::default(), kind)
            }
        }
    }

    /// Rows so far.
    pub(super) fn len(&self) -> usize {
        each!(self, b => b.len())
    }

    /// Adds rows without a value up to so many.
    pub(super) fn fill(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.len());
        match self {
            Self::Name(b) | Self::Texts(b) | Self::Structs(b, _) => b.append_nulls(missing),
            Self::Text(b) => b.append_nulls(missing),
            Self::Bool(b) => b.append_nulls(missing),
            Self::I32(b) => b.append_nulls(missing),
            Self::U32(b) => b.append_nulls(missing),
            Self::I64(b) => b.append_nulls(missing),
            Self::U64(b) => b.append_nulls(missing),
            Self::Time(b) => b.append_nulls(missing),
        }
    }

    /// The rows as an array.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Name(b) => texts(b)?,
            Self::Text(b) => Arc::new(b.finish()),
            Self::Bool(b) => Arc::new(b.finish()),
            Self::I32(b) => Arc::new(b.finish()),
            Self::U32(b) => Arc::new(b.finish()),
            Self::I64(b) => Arc::new(b.finish()),
            Self::U64(b) => Arc::new(b.finish()),
            Self::Time(b) => Arc::new(b.finish()),
            Self::Texts(b) => b.finish(|values| {
                let mut lists = ListBuilder::new(StringBuilder::new());
                for list in values {
                    let mut items = Items(list);
                    while let Some(text) = items.text() {
                        lists.values().append_value(text);
                    }
                    lists.append(true);
                }
                Arc::new(lists.finish())
            })?,
            Self::Structs(b, kind) => b.finish(|values| {
                let fields = struct_fields(*kind);
                let last = fields.len().saturating_sub(1);
                let mut lists = ListBuilder::new(StructBuilder::from_fields(fields, 0));
                for list in values {
                    let (mut items, mut members) = (Items(list), (0..=last).cycle());
                    while let Some((value, member)) = items.member().zip(members.next()) {
                        append_member(lists.values(), member, &value);
                        if member == last {
                            lists.values().append(true);
                        }
                    }
                    lists.append(true);
                }
                Arc::new(lists.finish())
            })?,
        })
    }

    /// Drops all rows.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Name(b) | Self::Texts(b) | Self::Structs(b, _) => b.clear(),
            Self::Text(b) => drop(b.finish()),
            Self::Bool(b) => drop(b.finish()),
            Self::I32(b) => drop(b.finish()),
            Self::U32(b) => drop(b.finish()),
            Self::I64(b) => drop(b.finish()),
            Self::U64(b) => drop(b.finish()),
            Self::Time(b) => drop(b.finish()),
        }
    }

    /// Whether it knows more values than should be kept.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Name(b) | Self::Texts(b) | Self::Structs(b, _) => b.is_full(),
            _ => false,
        }
    }

    /// Forgets them.
    pub(super) fn forget(&mut self) {
        match self {
            Self::Name(b) | Self::Texts(b) | Self::Structs(b, _) => b.forget(),
            _ => {}
        }
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

fn append_member(values: &mut StructBuilder, member: usize, value: &Member<'_>) {
    if let Some(b) = values.field_builder::<StringBuilder>(member) {
        match value {
            Member::Text(text) => b.append_value(text),
            _ => b.append_null(),
        }
    } else if let Some(b) = values.field_builder::<UInt64Builder>(member) {
        match value {
            Member::Number(number) => b.append_value(*number),
            _ => b.append_null(),
        }
    } else if let Some(b) = values.field_builder::<UInt32Builder>(member) {
        match value {
            Member::Number(number) => b.append_option(u32::try_from(*number).ok()),
            _ => b.append_null(),
        }
    } else if let Some(b) = values.field_builder::<ListBuilder<Box<dyn ArrayBuilder>>>(member) {
        match value {
            Member::Texts(texts) => {
                if let Some(items) = b.values().as_any_mut().downcast_mut::<StringBuilder>() {
                    texts.iter().for_each(|text| items.append_value(text));
                }
                b.append(true);
            }
            _ => b.append_null(),
        }
    }
}
