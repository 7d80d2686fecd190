//! Rows folded as they are read, where nothing is asked in SQL: memory holds what they fold into.
//!
//! Logs come before it is known how far the data reaches. Where a window is asked about, their rows wait until it is.

use std::sync::OnceLock;

use anyhow::Result;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use lookback_flow::columns::ColumnId;
use lookback_flow::inputs::Found;
use lookback_flow::json::Wants;
use lookback_flow::rows::Projection;
use lookback_flow::view::View;
use lookback_question::window::Asked;

use crate::cli::WindowArgs;
use crate::evidence::Evidence;
use crate::load::{Streamed, stream};
use crate::read::Options;

/// First and last moment.
pub(crate) type Window = Option<(i64, i64)>;

pub(crate) struct Folded<S> {
    /// A few, in no order: each has some of the rows.
    pub parts: Vec<S>,
    pub evidence: Evidence,
    /// What was asked about; `None` when all is.
    pub window: Window,
}

/// Reads these columns of the inputs, of the events in the window, into as many parts as there are threads.
pub(crate) fn fold<S: Send>(
    found: &Found,
    columns: &[String],
    window: &WindowArgs,
    options: &mut Options,
    new: &(dyn Fn() -> S + Sync),
    add: &(dyn Fn(&mut S, &RecordBatch) -> Result<()> + Sync),
) -> Result<Folded<S>> {
    let asked = window.asked();
    asked.check()?;
    let wants = Wants {
        columns: Projection::of(columns.iter().map(String::as_str).chain(["time"])),
        needles: Vec::new(),
        counts: true,
        learns: false,
        skims: false,
    };
    let known: OnceLock<Window> = OnceLock::new();
    let at_once = asked == Asked::default();
    let take = |(part, waiting): &mut (S, Vec<RecordBatch>), _, batch: RecordBatch| match known.get() {
        Some(window) => add(part, &inside(batch, *window)?),
        None if at_once => add(part, &batch),
        None => {
            waiting.push(batch);
            Ok(())
        }
    };
    let of = |extent| {
        let window = window.within(extent)?;
        Ok(*known.get_or_init(|| window))
    };
    let Streamed { sinks, evidence, .. } = stream(found, wants, &of, options, &|| (new(), Vec::new()), &take)?;
    let window = known.into_inner().flatten();
    let mut parts = Vec::with_capacity(sinks.len());
    for (mut part, waiting) in sinks {
        for batch in waiting {
            add(&mut part, &inside(batch, window)?)?;
        }
        parts.push(part);
    }
    Ok(Folded { parts, evidence, window })
}

/// The events of a window; those without a time are in none.
fn inside(batch: RecordBatch, window: Window) -> Result<RecordBatch> {
    let Some((since, until)) = window else { return Ok(batch) };
    let (view, time) = (View::new(&batch)?, ColumnId::known("time"));
    let is_inside =
        |row| view.number(time, row).is_some_and(|time| (i128::from(since)..=i128::from(until)).contains(&time));
    let kept: BooleanArray = (0..batch.num_rows()).map(|row| Some(is_inside(row))).collect();
    Ok(filter_record_batch(&batch, &kept)?)
}
