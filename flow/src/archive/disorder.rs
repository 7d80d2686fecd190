//! How far from the order of time the lines of a log stand.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampNanosecondType;

/// What was seen of one log's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disorder {
    latest: Option<i64>,
    /// Lines older than one before them.
    pub lines: u64,
    /// By how much the most disordered one was older, in nanoseconds.
    pub furthest_back_ns: i64,
}

impl Disorder {
    /// Looks at the next lines; those without a time have no place in the order.
    pub fn see(&mut self, batch: &RecordBatch) {
        let times = batch.column_by_name("time").and_then(|times| times.as_primitive_opt::<TimestampNanosecondType>());
        for time in times.into_iter().flatten().flatten() {
            match self.latest {
                Some(latest) if time < latest => {
                    self.lines += 1;
                    self.furthest_back_ns = self.furthest_back_ns.max(latest.saturating_sub(time));
                }
                _ => self.latest = Some(time),
            }
        }
    }
}
