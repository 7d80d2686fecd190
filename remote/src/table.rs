//! An archive as the table `events` of another engine: the statements that declare it, made from the column table.
//!
//! Files hold the stored columns alone; the derived ones are computed while reading. Here they are SQL: a view `events` over
//! `lookback_stored`, by the rules of `docs/rules.md`, with the names of workloads learnt from all of the archive.
//!
//! Promises:
//! 1. Every column of the column table is a column of `events`, in its order, and holds what `lookback sql` says: the tests
//!    compare the two through `DuckDB`, `DataFusion` and `ClickHouse`, where they are there. Spark's and Trino's statements are
//!    made by the same rules, and were never run.
//! 2. Nothing but what the statement says gets into it: the location is a literal.
//!
//! What differs:
//! - A label, or a name of DNS, with a unit separator (U+001F) in it is read as two.
//! - `DataFusion` has no functions over the items of a list: `request_id` is looked for in the first 64 headers, and
//!   `denied_by` has the first 16 policies of each direction.
//! - `ClickHouse` has no lists that are NULL: an absent one is empty.
//! - Spark needs `spark.sql.legacy.parquet.nanosAsLong`, and times are whole numbers to it; Spark and Trino have no unsigned
//!   numbers, and take larger ones. Trino finds the files after `CALL system.sync_partition_metadata`.
//! - Which pod belongs to which workload is looked up anew by each query that uses `events`, in all of the archive; an engine
//!   may leave that out when neither `client` nor `server` is asked for, and many do not.
//! - Conditions on `time_ns` prune no files by themselves; the archive is partitioned by `date` and `hour`, columns of
//!   `lookback_stored`.

mod derive;
mod dialect;

use lookback_flow::columns::{COLUMNS, Column, Type};
use lookback_flow::schema::arrow_field;

pub use self::dialect::Dialect;
use crate::Error;
use crate::error::told;

/// The table of the files, and the view over it.
pub const STORED: &str = "lookback_stored";
pub const EVENTS: &str = "events";

/// The statements, to be run one after the other, that make an archive the table `events`. The location is the archive's
/// folder, or the address of its bucket, as the engine sees it.
///
/// # Errors
/// When the location is none.
pub fn create_table(dialect: Dialect, location: &str) -> Result<Vec<String>, Error> {
    let location = location.trim_end_matches('/');
    if location.is_empty() || location.chars().any(char::is_control) {
        let why = format!("{:?} is no place where an archive is", told(location));
        return Err(Error::Option { option: "location", why });
    }
    let files = format!("{location}/flows/");
    let columns: Vec<(&str, String)> = files_columns().map(|(name, column)| (name, dialect.kind(column))).collect();
    Ok(vec![
        dialect.stored(&files, &columns),
        format!("CREATE OR REPLACE VIEW {EVENTS} AS\n{}", derive::events(dialect)),
    ])
}

/// The columns of a file, and what they hold; none: bytes.
fn files_columns() -> impl Iterator<Item = (&'static str, Option<&'static Column>)> {
    COLUMNS.iter().filter(|column| !column.is_derived()).flat_map(|column| match column.name {
        // Sixteen bytes, and what is no UUID as a text (see `segment/layout.rs` of flow).
        "uuid" => vec![("uuid", None), ("uuid_text", Some(column))],
        name => vec![(name, Some(column))],
    })
}

impl Dialect {
    /// The type of a column.
    fn kind(self, column: Option<&Column>) -> String {
        match column {
            None => self.bytes().to_owned(),
            Some(column) if column.kind == Type::Time => self.time().to_owned(),
            Some(column) => self.of_arrow(arrow_field(column).data_type()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_literal() {
        let location = "s3://it's/a\\b";
        for (dialect, literal) in [
            (Dialect::DataFusion, "'s3://it''s/a\\b/flows/'"),
            (Dialect::DuckDb, "'s3://it''s/a\\b/flows/**/*.parquet'"),
            (Dialect::ClickHouse, "'s3://it''s/a\\\\b/flows/**/*.parquet'"),
            (Dialect::Spark, "'s3://it\\'s/a\\\\b/flows/'"),
            (Dialect::Trino, "'s3://it''s/a\\b/flows/'"),
        ] {
            let statements = create_table(dialect, location).unwrap();
            assert!(statements[0].contains(literal), "{}", statements[0]);
        }
        for location in ["", "/", "a\nb"] {
            assert!(create_table(Dialect::DuckDb, location).is_err());
        }
    }

    #[test]
    fn every_column_is_there() {
        for dialect in Dialect::ALL {
            let statements = create_table(dialect, "/a").unwrap();
            for column in COLUMNS {
                // Times are in files of every version: DuckDB takes them as they are.
                let stored = statements[0].contains(column.name) || column.kind == Type::Time;
                assert!(stored || column.is_derived(), "{dialect:?} {}", column.name);
                assert!(statements[1].contains(&format!(" AS {}", column.name)), "{dialect:?} {}", column.name);
            }
        }
    }
}
