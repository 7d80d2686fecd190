//! Questions, and how they become SQL: what is asked, apart from what answers it.
//!
//! | module | holds |
//! |---|---|
//! | [`catalogue`] | the SQL files under `queries/` and their headers |
//! | [`bind`] | a question and its parameters as one statement over the table `events` |
//! | [`split`] | a query in two steps, one over parts of the events |
//! | [`window`] | moments and spans of time as people give them |

pub mod bind;
pub mod catalogue;
mod needles;
pub mod split;
pub mod window;

use std::path::PathBuf;

/// What is wrong with a question, its file or its parameters.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    #[error("{origin}:{line}: {message}")]
    Header { origin: String, line: usize, message: String },
    #[error("{0}: no SELECT after the header")]
    NoSelect(String),
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{origin}: {message}")]
    Sql { origin: String, message: String },
    #[error("{0}: more than one statement; ask one query at a time")]
    ManyStatements(String),
    #[error("{0}: not a query; only SELECT is answered")]
    NotAQuery(String),
    #[error("{origin}: unknown parameter ${name}{hint}")]
    UnknownParameter { origin: String, name: String, hint: String },
    #[error("no table {name}; there are {known}")]
    UnknownTable { name: String, known: String },
    #[error("{origin}: the table {name} is made from itself")]
    Circle { origin: String, name: String },
    #[error("{text:?} is no duration: give 5m, 1h30m, 300ms, 2d")]
    Duration { text: String },
    #[error(
        "{text:?} is no moment: give 2026-03-01T10:00:00Z, 2026-03-01, or a span before the end of the data such as 5m"
    )]
    Moment { text: String },
    #[error("--since and --last exclude each other")]
    SinceAndLast,
    #[error("the window ends before it begins: {from} --until {until}")]
    Backwards { from: String, until: String },
    #[error("{name}: {error}")]
    Flag { name: &'static str, error: Box<QuestionError> },
}

type Result<T, E = QuestionError> = std::result::Result<T, E>;
