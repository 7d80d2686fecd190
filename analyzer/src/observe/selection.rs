//! Which events are asked for.

use anyhow::Result;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use lookback_flow::columns::ColumnId;
use lookback_flow::filter::Filters;
use lookback_flow::rows::Projection;
use lookback_flow::view::{View, WrongType};

use lookback_flow::event::Event;

/// Filters, a time range, and kinds of events.
#[derive(Debug)]
pub(super) struct Selection {
    pub filters: Filters,
    /// From and to, both inclusive. Events without a time are in no range.
    pub window: Option<(i64, i64)>,
    pub kinds: &'static [&'static str],
}

impl Selection {
    /// The columns that it is decided by.
    pub(super) fn columns(&self) -> Projection {
        Projection::of(["time", "kind"]).with(self.filters.columns())
    }

    /// Which rows of a batch are asked for, in a window that is perhaps narrower.
    ///
    /// Reports of lost events are filtered as the hubble CLI does with files: what asks about flows leaves them out.
    pub(super) fn rows(&self, batch: &RecordBatch, window: Option<(i64, i64)>) -> Result<BooleanArray, WrongType> {
        let kept = self.filters.keep(batch)?;
        let view = View::new(batch)?;
        let inside = |time: Option<i64>| {
            window.is_none_or(|(since, until)| time.is_some_and(|time| time >= since && time <= until))
        };
        let is_kept = |row: usize| {
            let event = Event { view: &view, row };
            kept.value(row) && inside(event.time()) && self.kinds.contains(&event.kind())
        };
        Ok((0..batch.num_rows()).map(|row| Some(is_kept(row))).collect())
    }

    /// The rows of a batch that are asked for.
    pub(super) fn of(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_rows() == 0 {
            return Ok(batch.clone());
        }
        let rows = self.rows(batch, self.window)?;
        Ok(if rows.true_count() == batch.num_rows() { batch.clone() } else { filter_record_batch(batch, &rows)? })
    }

    /// The times of the rows of a batch that are asked for.
    pub(super) fn times(&self, batch: &RecordBatch) -> Result<Vec<i64>, WrongType> {
        let rows = self.rows(batch, self.window)?;
        let view = View::new(batch)?;
        let Some(id) = ColumnId::of("time") else { return Ok(Vec::new()) };
        let time = |row| i64::try_from(view.number(id, row)?).ok();
        Ok((0..batch.num_rows()).filter(|row| rows.value(*row)).filter_map(time).collect())
    }
}
