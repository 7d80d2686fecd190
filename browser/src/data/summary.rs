//! Views that count: who talks to whom, drops, DNS, HTTP, connections, how often a value comes.
//!
//! Each is a table of groups ([`Kind`]): what a row's group is, and what is shown of it. All are counted in one way, step by step
//! over the rows of the query, and groups beyond `MOST` go together.

mod coverage;
mod groups;
mod keys;
mod latency;
mod table;

use std::sync::Arc;

use arrow::error::ArrowError;
use lookback_flow::columns::ColumnId;
use lookback_flow::derive::{derive, needs};
use lookback_flow::event::Event;
use lookback_flow::rows::Projection;
use lookback_flow::segment::RowTest;
use lookback_flow::view::View;

use super::DataError;
use super::class::{Fields, classify};
use super::part::Batches;
use super::query::Query;
use super::store::Store;
pub use coverage::coverage;
use groups::Groups;
pub use table::{Bars, Line, Summary, Table, grouped};

/// Groups that are told apart.
const MOST: usize = 50_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Map,
    Drops,
    Dns,
    Http,
    Connections,
    /// How often each value of a column comes.
    Frequency(ColumnId),
}

/// A summary being counted.
#[derive(Debug)]
pub struct Counting {
    pub generation: u64,
    pub kind: Kind,
    query: Query,
    columns: Projection,
    /// What is computed from them.
    derived: Vec<ColumnId>,
    part: usize,
    batches: Option<Batches>,
    groups: Groups,
    fields: Fields,
    key: String,
    /// Rows are enough when so many were counted; for values that are offered while one types.
    pub enough: Option<u64>,
}

impl Counting {
    #[must_use]
    pub fn new(generation: u64, kind: Kind, query: Query) -> Self {
        let derived: Vec<ColumnId> = kind.columns().into_iter().map(ColumnId::known).collect();
        let stored = derived.iter().flat_map(|id| needs(id.column().name)).collect::<Vec<_>>();
        let columns = Projection::of(stored.iter().map(String::as_str)).with(query.columns().columns());
        Self {
            generation,
            kind,
            query,
            columns,
            derived,
            part: 0,
            batches: None,
            groups: Groups::default(),
            fields: Fields::default(),
            key: String::new(),
            enough: None,
        }
    }

    /// Parts that are done, of all.
    #[must_use]
    pub fn progress(&self, store: &Store) -> (usize, usize) {
        (self.part, store.parts.len())
    }

    /// Does a little; gives whether it is over.
    ///
    /// # Errors
    /// When a part cannot be read; counting goes on behind it.
    pub fn step(&mut self, store: &Store) -> Result<bool, DataError> {
        if self.enough.is_some_and(|enough| self.groups.rows >= enough) {
            return Ok(true);
        }
        if let Some(batches) = &mut self.batches {
            match batches.next() {
                Some(Ok(batch)) => {
                    let batch = derive(&batch, &self.derived, &store.workloads);
                    let batch = batch.map_err(|error| DataError::Other(error.to_string()))?;
                    let view = View::new(&batch)?;
                    for row in 0..batch.num_rows() {
                        let event = Event { view: &view, row };
                        self.key.clear();
                        if let Some(sample) = self.kind.key(&event, &mut self.key) {
                            let class = classify(&event, &self.fields);
                            self.groups.add(&self.key, class, event.time(), sample);
                        }
                    }
                    return Ok(false);
                }
                end => {
                    self.batches = None;
                    return end.transpose().map(|_| false).map_err(DataError::from);
                }
            }
        }
        let Some(part) = store.parts.get(self.part) else { return Ok(store.is_complete) };
        self.part += 1;
        if !part.overlaps(self.query.window) {
            return Ok(false);
        }
        let query = self.query.clone();
        let kind = self.kind;
        let test = move |batch: &arrow::array::RecordBatch| query.rows(batch).map_err(ArrowError::from);
        let test = RowTest { columns: self.query.columns(), test: Arc::new(test) };
        let mut needles = self.query.filters.needles();
        if needles.is_empty() {
            needles = kind.needles();
        }
        self.batches = Some(part.tested(&self.columns, self.query.window, &needles, test)?);
        Ok(false)
    }

    /// What was counted so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.groups.summary(self.kind)
    }
}
