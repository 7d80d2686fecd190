//! How columns stand in a file: measured in `docs/archive.md`.
//!
//! A file's columns are those of a batch, but for `uuid`: 36 characters of hexadecimal digits compress to 20.5 bytes, 16
//! bytes are 16. What is no UUID in its usual spelling stands in `uuid_text`, so that nothing is lost.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, FixedSizeBinaryBuilder, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, FieldRef, Schema as ArrowSchema, SchemaRef};
use arrow::error::ArrowError;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::columns::{COLUMNS, Column, ColumnId, Type};
use crate::dictionary::unpacked_column;
use crate::schema::{SCHEMA, arrow_field};

/// Rows of a row group.
pub(super) const GROUP_ROWS: usize = 256 * 1024;

/// Rows of a page: what the page index tells apart.
pub(super) const PAGE_ROWS: usize = 32 * 1024;

/// Level of zstd.
const ZSTD_LEVEL: i32 = 6;

/// How many values a bloom filter is laid out for; with more it lets more through. It takes that much memory while a row
/// group is written, and what it needs in the file.
fn values(column: &Column) -> u64 {
    let rows = GROUP_ROWS as u64;
    if matches!(column.name, UUID | "trace_id") { rows } else { rows / 8 }
}

/// False positives of a bloom filter.
const BLOOM_FPP: f64 = 0.02;

/// The column that is stored as 16 bytes, and the one for its other texts.
pub(super) const UUID: &str = "uuid";
pub(super) const UUID_TEXT: &str = "uuid_text";

/// The columns of a file.
pub static COLUMNS_OF_FILE: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields: Vec<FieldRef> = SCHEMA.arrow.fields().iter().flat_map(fields_of_file).collect();
    Arc::new(ArrowSchema::new(fields))
});

/// Where the values of a column stand in a file, for columns that needles are looked up by.
fn leaf(column: &Column) -> String {
    if column.kind == Type::Names { format!("{}.list.element", column.name) } else { column.name.to_owned() }
}

/// How a file is written; `by_time` when its rows are in that order.
pub(super) fn properties(by_time: bool) -> Result<WriterProperties, ParquetError> {
    let path = |text: &str| ColumnPath::new(text.split('.').map(str::to_owned).collect());
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_created_by(concat!("lookback ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_data_page_row_count_limit(PAGE_ROWS)
        // Lists as the Parquet specification has them: `list.element`, where Arrow says `item`.
        .set_coerce_types(true)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    if by_time {
        let time = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
        properties = properties.set_sorting_columns(Some(vec![time]));
    }
    for column in COLUMNS.iter().filter(|column| !column.is_derived()) {
        let leaf = path(&leaf(column));
        if column.needle {
            properties = properties
                .set_column_bloom_filter_enabled(leaf.clone(), true)
                .set_column_bloom_filter_fpp(leaf.clone(), BLOOM_FPP)
                .set_column_bloom_filter_max_ndv(leaf.clone(), values(column));
        }
        if column.needle || column.shown || column.name == "kind" {
            properties = properties.set_column_statistics_enabled(leaf.clone(), EnabledStatistics::Page);
        }
        if column.kind == Type::Time {
            properties = properties
                .set_column_dictionary_enabled(leaf.clone(), false)
                .set_column_encoding(leaf.clone(), Encoding::DELTA_BINARY_PACKED);
        }
        // Texts that never come twice: a dictionary of them would only be in the way.
        if matches!(column.name, UUID | "trace_id") {
            properties = properties.set_column_dictionary_enabled(leaf, false);
        }
    }
    Ok(properties.build())
}

/// The columns of a file that a column of a batch becomes.
pub(super) fn fields_of_file(field: &FieldRef) -> Vec<FieldRef> {
    if field.name() != UUID {
        return vec![Arc::clone(field)];
    }
    let bytes = Field::new(UUID, DataType::FixedSizeBinary(16), true);
    vec![Arc::new(bytes), Arc::new(Field::new(UUID_TEXT, DataType::Utf8, true))]
}

/// A column of a batch as it stands in a file: the arrays of [`fields_of_file`].
pub(super) fn to_file(name: &str, array: &ArrayRef) -> Result<Vec<ArrayRef>, ArrowError> {
    match array.as_string_opt::<i32>() {
        Some(texts) if name == UUID => {
            let (bytes, others) = split(texts)?;
            Ok(vec![Arc::new(bytes), Arc::new(others)])
        }
        _ => Ok(vec![unpacked_column(array)?]),
    }
}

fn split(texts: &StringArray) -> Result<(FixedSizeBinaryArray, StringArray), ArrowError> {
    let mut bytes = FixedSizeBinaryBuilder::with_capacity(texts.len(), 16);
    let mut others = StringBuilder::new();
    for text in texts {
        match text.map(|text| (text, parse_uuid(text))) {
            Some((_, Some(uuid))) => {
                bytes.append_value(uuid)?;
                others.append_null();
            }
            Some((text, None)) => {
                bytes.append_null();
                others.append_value(text);
            }
            None => {
                bytes.append_null();
                others.append_null();
            }
        }
    }
    Ok((bytes.finish(), others.finish()))
}

/// The column `uuid` of a batch, from both columns of a file.
pub(super) fn join(bytes: &FixedSizeBinaryArray, others: Option<&StringArray>) -> StringArray {
    let mut texts = StringBuilder::with_capacity(bytes.len(), bytes.len() * 36);
    let mut text = [b'-'; 36];
    for row in 0..bytes.len() {
        match <[u8; 16]>::try_from(bytes.value(row)) {
            Ok(uuid) if bytes.is_valid(row) => texts.append_value(write_uuid(uuid, &mut text)),
            _ => texts.append_option(others.filter(|others| others.is_valid(row)).map(|others| others.value(row))),
        }
    }
    texts.finish()
}

/// Where hyphens stand in a UUID.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// A UUID in lower case with hyphens, the one spelling that comes out again as it went in.
pub(super) fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let mut digits = 0u128;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'-' if HYPHENS.contains(&at) => {}
            _ if HYPHENS.contains(&at) => return None,
            b'0'..=b'9' => digits = digits << 4 | u128::from(byte - b'0'),
            b'a'..=b'f' => digits = digits << 4 | u128::from(byte - b'a' + 10),
            _ => return None,
        }
    }
    Some(digits.to_be_bytes())
}

/// Where the two digits of each byte stand in a UUID.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// Writes it over another one.
fn write_uuid(bytes: [u8; 16], text: &mut [u8; 36]) -> &str {
    let digit = |half: u8| half + if half < 10 { b'0' } else { b'a' - 10 };
    for (byte, place) in bytes.into_iter().zip(PLACES) {
        if let Some(room) = text.get_mut(place..place + 2) {
            room.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
    }
    std::str::from_utf8(text).unwrap_or_default()
}

/// The field of a batch that a field of a file becomes, if its column is known.
pub(super) fn known(name: &str) -> Option<(ColumnId, Field)> {
    let id = ColumnId::of(name).filter(|id| !id.column().is_derived())?;
    Some((id, arrow_field(id.column())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_usual_spelling_of_a_uuid_becomes_bytes() {
        let uuid = "905c768a-d49f-446c-b579-d288df624bb6";
        assert_eq!(write_uuid(parse_uuid(uuid).unwrap(), &mut [b'-'; 36]), uuid);
        for other in ["u-1", "", &uuid.to_uppercase(), &uuid.replace('-', ""), "905c768a-d49f-446c-b579-d288df624bbg"] {
            assert_eq!(parse_uuid(other), None, "{other}");
        }
        assert_eq!(parse_uuid("905c768a-d49f-446c-b5794d288df624bb6"), None);
    }

    #[test]
    fn every_leaf_with_a_property_is_in_the_file() {
        let properties = properties(true).unwrap();
        let converter = parquet::arrow::ArrowSchemaConverter::new().with_coerce_types(true);
        let parquet = converter.convert(&COLUMNS_OF_FILE).unwrap();
        let leaves: Vec<String> = parquet.columns().iter().map(|leaf| leaf.path().string()).collect();
        for column in COLUMNS.iter().filter(|column| column.needle) {
            assert!(leaves.contains(&leaf(column)), "{}", leaf(column));
            let path = parquet.columns().iter().find(|l| l.path().string() == leaf(column)).unwrap().path().clone();
            assert!(properties.bloom_filter_properties(&path).is_some());
        }
        assert_eq!(leaves.first().map(String::as_str), Some("time"), "the sorting column is named by its position");
    }
}
