//! Where the last so many events begin: found from the newest end, reading only what tells which events are meant.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::merge::Place;
use super::rows::{times, wanted};
use super::selection::{Ids, Selection, UNTIMED};
use super::store::{Store, StoreError};
use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use lookback_flow::segment::{Form, Reading};
use lookback_flow::view::View;

/// Rows that the first step back is likely to hold, at least.
const STEP_ROWS: u64 = 4096;

/// How much longer each step is than the one before.
const STEPS: i64 = 4;

/// The last so many times that are counted, of which only those that are among the last are kept.
struct Latest {
    wanted: usize,
    times: BinaryHeap<Reverse<i64>>,
}

impl Latest {
    fn add(&mut self, time: i64) {
        if self.times.len() < self.wanted {
            self.times.push(Reverse(time));
        } else if self.times.peek().is_some_and(|Reverse(least)| *least < time) {
            self.times.pop();
            self.times.push(Reverse(time));
        }
    }
}

/// The start of the last so many events of a window, and how many counted events of that time are too many; `Err` with the
/// number that was found if there are fewer.
pub(crate) fn start(
    store: &Store,
    selection: &Selection,
    window: (i64, i64),
    number: u64,
) -> Result<Result<(Place, u64), u64>, StoreError> {
    let rows: u64 = store.segments().iter().filter(|segment| segment.reaches(window)).map(|segment| segment.rows).sum();
    let wanted = usize::try_from(number.min(rows.saturating_add(1))).unwrap_or(usize::MAX);
    let mut latest = Latest { wanted, times: BinaryHeap::new() };
    let mut until = window.1;
    let mut step = 0;
    while until >= window.0 && latest.times.len() < wanted {
        // The newest file that there is before: nothing lies in between.
        let newest =
            store.segments().iter().filter(|segment| segment.reaches((window.0, until))).max_by_key(|s| s.last());
        let Some(newest) = newest else { break };
        until = until.min(newest.last());
        let since = if until == UNTIMED {
            UNTIMED
        } else {
            let each = newest.last().saturating_sub(newest.first()).max(0)
                / i64::try_from(newest.rows.max(1)).unwrap_or(i64::MAX);
            let rows = i64::try_from(number.saturating_mul(2).max(STEP_ROWS)).unwrap_or(i64::MAX);
            step = step.max(each.saturating_add(1).saturating_mul(rows));
            until.saturating_sub(step).max(window.0)
        };
        count(store, selection, (since, until), |time| latest.add(time))?;
        step = step.saturating_mul(STEPS);
        let Some(before) = since.checked_sub(1) else { break };
        until = before;
    }
    let found = latest.times.len();
    if found < wanted || wanted == 0 {
        return Ok(Err(found as u64));
    }
    let Some(Reverse(time)) = latest.times.peek().copied() else { return Ok(Err(0)) };
    let of_that_time = latest.times.iter().filter(|Reverse(kept)| *kept == time).count() as u64;
    let mut all = 0u64;
    count(store, selection, (time, time), |_| all += 1)?;
    Ok(Ok((Place { time, passed: 0 }, all.saturating_sub(of_that_time))))
}

/// Gives the times of all events of a window that are counted.
fn count(
    store: &Store,
    selection: &Selection,
    window: (i64, i64),
    mut each: impl FnMut(i64),
) -> Result<(), StoreError> {
    let columns = selection.asked();
    for (at, _) in store.segments().iter().enumerate().filter(|(_, segment)| segment.reaches(window)) {
        let mut read = || {
            let ids = Ids::new()?;
            let reading = Reading { form: Form::Stored, ..Reading::default() };
            for batch in store.rows(at, &columns, &wanted(store, at, window, selection), reading)? {
                let batch = batch?;
                let kept = BooleanArray::from(selection.keep(&batch, &ids, window)?);
                let batch = filter_record_batch(&batch, &kept)?;
                let view = View::new(&batch).map_err(arrow::error::ArrowError::from)?;
                let counted = times(&batch).into_iter().enumerate();
                let counted = counted.filter(|(row, _)| selection.is_counted(view.text(ids.kind, *row)));
                counted.for_each(|(_, time)| each(time));
            }
            Ok(())
        };
        read().map_err(|error| store.failed(at, error))?;
    }
    Ok(())
}
