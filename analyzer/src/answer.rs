//! An answer: a table with units, and the evidence that it rests on.

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::evidence::Evidence;
use lookback_question::catalogue::{ResultColumn, Unit};

/// A question's answer.
pub(crate) struct Answer {
    /// What was asked: a question's title, or the SQL.
    pub title: String,
    pub columns: Vec<(String, Unit)>,
    pub rows: RecordBatch,
    /// First and last moment that was asked about; `None` when the input has no time at all.
    pub window: Option<(i64, i64)>,
    pub evidence: Evidence,
    /// What is counted and what is not.
    pub notes: String,
}

/// A value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Boolean(bool),
    Integer(i128),
    Fraction(f64),
    Text(String),
    /// Nanoseconds since 1970.
    Time(i64),
}

impl Answer {
    /// What something rests on that is no table.
    pub(crate) fn without_rows(window: Option<(i64, i64)>, evidence: Evidence, notes: &str) -> Self {
        let rows = RecordBatch::new_empty(Schema::empty().into());
        Self { title: String::new(), columns: Vec::new(), rows, window, evidence, notes: notes.to_owned() }
    }

    /// Units for the columns of a batch: the header's where it names the column, else by the column's type.
    pub(crate) fn units(rows: &RecordBatch, header: &[ResultColumn]) -> Vec<(String, Unit)> {
        let unit = |name: &str, kind: &DataType| {
            header.iter().find(|column| column.name == name).map_or_else(
                || if matches!(kind, DataType::Timestamp(..)) { Unit::Time } else { Unit::Plain },
                |column| column.unit,
            )
        };
        let fields = rows.schema();
        fields.fields().iter().map(|field| (field.name().clone(), unit(field.name(), field.data_type()))).collect()
    }

    /// A value; a column whose unit is a time gives a time whatever its type.
    pub(crate) fn cell(&self, row: usize, column: usize) -> Result<Cell> {
        let cell = cell(self.rows.column(column), row)?;
        Ok(match (cell, self.columns.get(column)) {
            (Cell::Integer(nanos), Some((_, Unit::Time))) => i64::try_from(nanos).map_or(Cell::Null, Cell::Time),
            (cell, _) => cell,
        })
    }
}

fn cell(array: &ArrayRef, row: usize) -> Result<Cell> {
    macro_rules! integer {
        ($kind:ty) => {
            Cell::Integer(array.as_primitive::<$kind>().value(row).into())
        };
    }
    if array.is_null(row) {
        return Ok(Cell::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => Cell::Boolean(array.as_boolean().value(row)),
        DataType::Int8 => integer!(Int8Type),
        DataType::Int16 => integer!(Int16Type),
        DataType::Int32 => integer!(Int32Type),
        DataType::Int64 => integer!(Int64Type),
        DataType::UInt8 => integer!(UInt8Type),
        DataType::UInt16 => integer!(UInt16Type),
        DataType::UInt32 => integer!(UInt32Type),
        DataType::UInt64 => integer!(UInt64Type),
        DataType::Float32 => Cell::Fraction(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Cell::Fraction(array.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Cell::Time(array.as_primitive::<TimestampNanosecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Cell::Time(array.as_primitive::<TimestampMicrosecondType>().value(row).saturating_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Cell::Time(array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1_000_000))
        }
        DataType::Utf8View => Cell::Text(array.as_string_view().value(row).to_owned()),
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Cell::Text(array.as_string::<i64>().value(row).to_owned()),
        _ => Cell::Text(ArrayFormatter::try_new(array, &FormatOptions::default())?.value(row).try_to_string()?),
    })
}
