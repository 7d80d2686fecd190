//! The data behind the screen: what the inputs hold, in which order it is shown, and what is counted of it.
//!
//! Promises:
//! 1. Nothing here waits: work is done in steps of some thousand rows (`Data::step`), and what was asked last goes first.
//! 2. Rows are read when they are shown. What stays in memory of a row is its time, its place and what it is: 17 bytes.
//! 3. What is no longer asked for is dropped: each answer has the number of the query that it belongs to.

pub mod cell;
pub mod class;
pub mod detail;
pub mod export;
pub mod hits;
pub mod index;
pub mod load;
pub mod page;
pub mod part;
pub mod query;
pub mod scan;
pub mod search;
pub mod sort;
pub mod spill;
pub mod store;
pub mod story;
pub mod summary;
pub mod timeline;
pub mod worker;

use crate::data::part::PartError;

/// Why something cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error(transparent)]
    Part(#[from] PartError),
    #[error(transparent)]
    Type(#[from] lookback_flow::view::WrongType),
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    #[error(transparent)]
    Filter(#[from] lookback_flow::filter::FilterError),
    #[error("{path}: {error}", path = path.display())]
    Io { path: std::path::PathBuf, error: std::io::Error },
    #[error("{0}")]
    Other(String),
}
