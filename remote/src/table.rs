//! An archive as the table `events` of another engine: the statements that declare it, made from the column table.
//!
//! Files hold the stored columns alone; the derived ones are computed while reading. Here they are SQL: a view `events` over
//! `lookback_stored`, by the rules of `docs/rules.md`, with the names of workloads learnt from all of the archive.
//!
//! Promises:
//! 1. Every column of the column table is a column of `events`, in its order, and holds what `lookback sql` says: the tests
//!    compare the two through `DuckDB`, `DataFusion` and `ClickHouse`, where they are there, and the statements of Ballista through
//!    `DataFusion`. Spark's and Trino's statements are
//!    made by the same rules, and were never run.
//! 2. Nothing but what the statement says gets into it: the location is a literal.
//!
//! What differs:
//! - A label, or a name of DNS, with a unit separator (U+001F) in it is read as two.
//! - `DataFusion` has no functions over the items of a list: `request_id` is looked for in the first 64 headers, and
//!   `denied_by` has the first 16 policies of each direction. In Ballista it has the first 16 of both, and a name of one is read
//!   as two where there is a unit separator in it.
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
    let stored = dialect.stored(&files, &columns);
    let events = format!("CREATE OR REPLACE VIEW {EVENTS} AS\n{}", derive::events(dialect));
    let set = |option: &str, value: &str| format!("SET {option} = {value}");
    Ok(match dialect {
        Dialect::Ballista => vec![
            // With it, Ballista 55 announces the columns of another stage, and answers LIMIT with that many rows of each partition.
            set("ballista.planner.adaptive.enabled", "false"),
            stored,
            // Lambdas are read in no dialect but a few.
            set("datafusion.sql_parser.dialect", "'duckdb'"),
            events,
            set("datafusion.sql_parser.dialect", "'generic'"),
        ],
        _ => vec![stored, events],
    })
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
            (Dialect::Ballista, "'s3://it''s/a\\b/flows/'"),
            (Dialect::DuckDb, "'s3://it''s/a\\b/flows/**/*.parquet'"),
            (Dialect::ClickHouse, "'s3://it''s/a\\\\b/flows/**/*.parquet'"),
            (Dialect::Spark, "'s3://it\\'s/a\\\\b/flows/'"),
            (Dialect::Trino, "'s3://it''s/a\\b/flows/'"),
        ] {
            let statements = create_table(dialect, location).unwrap();
            assert!(statements.iter().any(|statement| statement.contains(literal)), "{statements:?}");
        }
        for location in ["", "/", "a\nb"] {
            assert!(create_table(Dialect::DuckDb, location).is_err());
        }
    }

    #[test]
    fn ballista_is_asked_for_what_its_executors_know() {
        let statements = create_table(Dialect::Ballista, "/a").unwrap().concat();
        let unknown =
            ["array_element", "array_length", "array_to_string", "array_distinct", "make_array", "regexp_match("];
        assert!(unknown.iter().all(|function| !statements.contains(function)));
        assert!(!statements.contains("[1]"));
        assert!(create_table(Dialect::DataFusion, "/a").unwrap().concat().contains("[1]"));
    }

    #[test]
    fn every_column_is_there() {
        for dialect in Dialect::ALL {
            let mut statements = create_table(dialect, "/a").unwrap();
            statements.retain(|statement| !statement.starts_with("SET "));
            for column in COLUMNS {
                // Times are in files of every version: DuckDB takes them as they are.
                let stored = statements[0].contains(column.name) || column.kind == Type::Time;
                assert!(stored || column.is_derived(), "{dialect:?} {}", column.name);
                assert!(statements[1].contains(&format!(" AS {}", column.name)), "{dialect:?} {}", column.name);
            }
        }
    }
}
