//! Rows folded as they are read, where nothing is asked in SQL: memory holds what they fold into.
//!
//! Logs come before it is known how far the data reaches. Where a window is asked about, their rows wait until it is.

use std::sync::OnceLock;

use anyhow::Result;
use arrow::array::RecordBatch;
use lookback_flow::inputs::Found;
use lookback_flow::json::Wants;
use lookback_flow::rows::Projection;
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

/// Reads these columns of the inputs into as many parts as there are threads. What is added may lie outside the window.
pub(crate) fn fold<S: Send>(
    found: &Found,
    columns: &[String],
    window: &WindowArgs,
    options: &mut Options,
    new: &(dyn Fn() -> S + Sync),
    add: &(dyn Fn(&mut S, &RecordBatch, Window) -> Result<()> + Sync),
) -> Result<Folded<S>> {
    let asked = window.asked();
    asked.check()?;
    let wants = Wants {
        columns: Projection::of(columns.iter().map(String::as_str)),
        needles: Vec::new(),
        counts: true,
        learns: false,
        skims: false,
    };
    let known: OnceLock<Window> = OnceLock::new();
    let at_once = asked == Asked::default();
    let take = |(part, waiting): &mut (S, Vec<RecordBatch>), _, batch: RecordBatch| match known.get() {
        Some(window) => add(part, &batch, *window),
        None if at_once => add(part, &batch, None),
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
        for batch in &waiting {
            add(&mut part, batch, window)?;
        }
        parts.push(part);
    }
    Ok(Folded { parts, evidence, window })
}
