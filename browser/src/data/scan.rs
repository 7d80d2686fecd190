//! All rows that a query shows, found part by part.
//!
//! Parts whose times overlap are read side by side, so that the first rows are known long before all are read.

use std::collections::VecDeque;

use lookback_flow::columns::ColumnId;
use lookback_flow::event::Event;
use lookback_flow::rows::Projection;
use lookback_flow::view::View;

use super::DataError;
use super::class::{Class, Fields, NEEDS, classify};
use super::index::{Entry, Index, NO_TIME};
use super::part::{Batches, RowRef};
use super::query::Query;
use super::sort::{Keys, Sort};
use super::store::Store;
use super::timeline::Timeline;

/// Rows that are read at once: small enough that a key press does not wait for them.
const BATCH_ROWS: usize = 8192;

/// A part that is being read.
#[derive(Debug)]
struct Open {
    part: usize,
    batches: Batches,
    /// Number of its next row.
    row: usize,
    /// No row that comes is earlier.
    floor: i64,
    by_time: bool,
}

/// A query being answered.
#[derive(Debug)]
pub struct Scan {
    pub generation: u64,
    pub query: Query,
    pub sort: Option<Sort>,
    pub index: Index,
    pub timeline: Timeline,
    /// Rows that were looked at.
    pub read: u64,
    pub is_done: bool,
    keys: Option<Keys>,
    fields: Fields,
    columns: Projection,
    /// Parts that are known to the scan.
    seen: usize,
    /// Parts that are still to be opened, by the time that they begin.
    waiting: VecDeque<(i64, usize)>,
    open: Vec<Open>,
    pending: Vec<Entry>,
}

impl Scan {
    #[must_use]
    pub fn new(generation: u64, query: Query, sort: Option<Sort>) -> Self {
        let keys = sort.and_then(Keys::new);
        let columns = query.columns().with(NEEDS.into_iter().map(ColumnId::known));
        let columns = columns.with(keys.iter().map(|keys| keys.column));
        Self {
            generation,
            query,
            sort,
            index: Index::default(),
            timeline: Timeline::default(),
            read: 0,
            is_done: false,
            keys,
            fields: Fields::default(),
            columns,
            seen: 0,
            waiting: VecDeque::new(),
            open: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Whether rows are shown in the other direction.
    #[must_use]
    pub fn is_reversed(&self) -> bool {
        self.sort.is_some_and(|sort| sort.is_reversed)
    }

    /// Takes note of parts that have come.
    fn notice(&mut self, store: &Store) {
        if self.seen == store.parts.len() {
            return;
        }
        let fresh = store.parts.iter().enumerate().skip(self.seen);
        for (number, part) in fresh {
            if part.overlaps(self.query.window) {
                self.waiting.push_back((part.span.map_or(i64::MIN, |(first, _)| first), number));
            } else {
                self.read += part.rows as u64;
            }
        }
        self.seen = store.parts.len();
        self.waiting.make_contiguous().sort_unstable();
        if self.query.filters.is_empty() && self.query.window.is_none() {
            self.index.reserve(usize::try_from(store.rows).unwrap_or_default());
        }
    }

    /// Does a little; gives whether there was something to do.
    ///
    /// # Errors
    /// When a part cannot be read; the scan goes on behind it.
    pub fn step(&mut self, store: &Store) -> Result<bool, DataError> {
        self.notice(store);
        let floor = self.open.iter().map(|open| open.floor).min();
        if let Some((begin, part)) = self.waiting.front().copied()
            && floor.is_none_or(|floor| begin <= floor)
        {
            self.waiting.pop_front();
            let Some(of) = store.parts.get(part) else { return Ok(true) };
            let batches = of.all(&self.columns, BATCH_ROWS)?;
            self.open.push(Open { part, batches, row: 0, floor: begin, by_time: of.by_time });
            return Ok(true);
        }
        let least = self.open.iter().enumerate().min_by_key(|(_, open)| open.floor).map(|(at, _)| at);
        let Some(open) = least.and_then(|at| self.open.get_mut(at)) else { return Ok(self.finish(store)) };
        let batch = match open.batches.next() {
            Some(Ok(batch)) => batch,
            end => {
                if let Some(at) = least {
                    self.open.swap_remove(at);
                }
                self.settle();
                return end.transpose().map(|_| true).map_err(DataError::from);
            }
        };
        let (part, first_row, by_time) = (open.part, open.row, open.by_time);
        open.row += batch.num_rows();
        let kept = self.query.rows(&batch)?;
        let view = View::new(&batch)?;
        let mut latest = None;
        for row in 0..batch.num_rows() {
            let event = Event { view: &view, row };
            if !kept.value(row) {
                continue;
            }
            let time = event.time();
            let class = classify(&event, &self.fields);
            let place = RowRef::new(part, first_row + row);
            self.timeline.add(time, Class::of_byte(class));
            self.pending.push(Entry { time: time.unwrap_or(NO_TIME), place, class });
            if let Some(keys) = &mut self.keys {
                keys.add(place, &event);
            }
        }
        if by_time && batch.num_rows() > 0 {
            latest = Some(Event { view: &view, row: batch.num_rows() - 1 }.time().unwrap_or(NO_TIME));
        }
        self.read += batch.num_rows() as u64;
        if let Some(open) = least.and_then(|at| self.open.get_mut(at)) {
            open.floor = open.floor.max(latest.unwrap_or(i64::MIN));
        }
        if by_time {
            self.settle();
        }
        Ok(true)
    }

    /// Takes rows into the index before which no other can come.
    fn settle(&mut self) {
        let open = self.open.iter().map(|open| open.floor);
        let floor = open.chain(self.waiting.front().map(|(begin, _)| *begin)).min();
        let Some(floor) = floor else {
            let rows = std::mem::take(&mut self.pending);
            return self.index.add(rows);
        };
        let (ready, later): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(&mut self.pending).into_iter().partition(|entry| entry.time < floor);
        self.pending = later;
        self.index.add(ready);
    }

    /// All parts that there are have been read.
    fn finish(&mut self, store: &Store) -> bool {
        if self.is_done || !self.waiting.is_empty() {
            return false;
        }
        self.settle();
        if !store.is_complete {
            return false;
        }
        self.index.merge();
        if let Some(keys) = self.keys.take() {
            let order = keys.order(&self.index);
            self.index.order(Some(order));
        }
        self.is_done = true;
        true
    }
}
