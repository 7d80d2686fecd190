//! What the screen and the thread that reads say to each other.

use std::path::PathBuf;

use lookback_flow::columns::ColumnId;

use crate::data::cell::Col;
use crate::data::detail::Detail;
use crate::data::export::What;
use crate::data::index::Target;
use crate::data::page::Page;
use crate::data::part::RowRef;
use crate::data::query::Query;
use crate::data::sort::Sort;
use crate::data::story::Story;
use crate::data::summary::{Kind, Summary};
use crate::data::timeline::Timeline;

/// What the screen asks for. A later one of a kind takes the place of an earlier one.
#[derive(Clone, Debug)]
pub enum Request {
    Query {
        generation: u64,
        query: Query,
        sort: Option<Sort>,
    },
    Page {
        generation: u64,
        at: usize,
        rows: usize,
        columns: Vec<Col>,
    },
    Detail(RowRef),
    Story {
        generation: u64,
        place: RowRef,
    },
    Summary {
        generation: u64,
        kind: Kind,
        query: Query,
    },
    Coverage,
    /// Values of a flag, for completion.
    Values {
        flag: String,
        column: ColumnId,
    },
    Jump {
        from: usize,
        target: Target,
        forward: bool,
    },
    /// The row of a time and uuid.
    Goto {
        time: i64,
        uuid: Option<String>,
    },
    Search {
        text: String,
        from: usize,
        forward: bool,
        columns: Vec<Col>,
    },
    /// All rows in which a text stands.
    Hits {
        generation: u64,
        text: String,
        columns: Vec<Col>,
    },
    Export {
        path: PathBuf,
        what: What,
        columns: Vec<Col>,
        head: String,
    },
    /// Stops what takes long: counting, searching, exporting, telling.
    Cancel,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Reply {
    Progress(Box<Progress>),
    Page {
        generation: u64,
        page: Page,
    },
    Detail(Box<Detail>),
    Story {
        generation: u64,
        story: Box<Story>,
        is_done: bool,
    },
    Summary {
        generation: u64,
        summary: Box<Summary>,
        done: (usize, usize),
        is_done: bool,
    },
    Coverage(Box<Summary>),
    Values {
        flag: String,
        values: Vec<String>,
    },
    /// Where a jump or search leads to.
    At(Option<usize>),
    /// Rows with a text, as far as they were looked through.
    Hits {
        generation: u64,
        rows: Vec<usize>,
    },
    Exported {
        path: PathBuf,
        rows: usize,
        total: usize,
        is_done: bool,
    },
    Failed(String),
}

/// How far a query is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub generation: u64,
    pub shown: usize,
    /// Rows that were looked at, of those known.
    pub read: u64,
    pub rows: u64,
    pub extent: Option<(i64, i64)>,
    pub timeline: Timeline,
    pub is_loaded: bool,
    pub is_done: bool,
    /// Files or inputs that could not be read.
    pub broken: usize,
    pub rejected: u64,
    /// Bytes of the index.
    pub memory: usize,
}
