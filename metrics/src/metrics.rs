//! The metrics that are asked for, and what they have counted so far.

use std::io::{self, BufWriter, Write};

use arrow::array::RecordBatch;
use lookback_flow::columns::ColumnId;
use lookback_flow::view::WrongType;

use crate::batch::Batch;
use crate::contexts::Contexts;
use crate::counter::{Chosen, Counter};
use crate::family::{Family, Store};
use crate::handlers::{LOST, Options};
use crate::points::{Histogram, Point as _};
use crate::samples::Repeats;
use crate::settings::{self, ParseError};
use crate::texts::Texts;
use crate::{json, openmetrics};

/// Lines of samples, of all metrics together: what changed in a step takes one, and a histogram fourteen.
const MOST_LINES: usize = 5_000_000;

/// Lines beyond which series that rest are repeated for less long.
const MOST_WITH_REPEATS: u64 = 10_000_000;

const DAY_NS: i64 = 24 * 60 * 60 * SECOND_NS;
const SECOND_NS: i64 = 1_000_000_000;
const MILLISECOND_NS: i64 = 1_000_000;

/// Hubble's metrics over some flows.
#[derive(Debug)]
pub struct Metrics {
    step_ns: i64,
    counters: Vec<Counter>,
    texts: Texts,
    /// Lines that there is room for.
    room: usize,
    /// The first and the last step of the data.
    span: Option<(i64, i64)>,
    untimed: u64,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub metrics: usize,
    pub series: usize,
    /// Of flows and lost events, what was counted beyond the bounds; it is in the output as `lookback_left_out_total`.
    pub left_out: u64,
    /// Flows and lost events without a time.
    pub untimed: u64,
    /// How long a series that rests is repeated, in nanoseconds; `None`: until the end of the data.
    pub longest_rest_ns: Option<i64>,
}

impl Metrics {
    /// The metrics of a text such as `dns:query;sourceContext=pod|ip drop`, with a sample for each step, in nanoseconds.
    ///
    /// As in Hubble's `--hubble-metrics`, metrics stand apart by blanks or commas, options by `;`. Within `labelsContext` a
    /// comma stands between labels where a word with `_` follows it: labels have one, metrics have none.
    ///
    /// # Errors
    /// When a metric, an option or a context is not known, when metrics exclude each other, or when the step is shorter
    /// than a second or not of whole milliseconds.
    pub fn parse(text: &str, step_ns: i64) -> Result<Self, ParseError> {
        if step_ns < SECOND_NS || step_ns % MILLISECOND_NS != 0 {
            return Err(ParseError::Step(step_ns));
        }
        let lost = Chosen { handler: &LOST, options: Options::default(), contexts: Contexts::default() };
        let counters = settings::parse(text)?.into_iter().chain([lost]).map(Counter::new).collect();
        Ok(Self { step_ns, counters, texts: Texts::default(), room: MOST_LINES, span: None, untimed: 0 })
    }

    /// Names of the flow columns that [`Self::add`] reads.
    #[must_use]
    pub fn columns(&self) -> Vec<&'static str> {
        let mut columns: Vec<_> = self.counters.iter().flat_map(Counter::columns).chain(["time", "kind"]).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Others of the same settings, which have counted nothing.
    #[must_use]
    pub fn fork(&self) -> Self {
        let counters = self.counters.iter().map(Counter::fork).collect();
        Self { step_ns: self.step_ns, counters, texts: Texts::default(), room: MOST_LINES, span: None, untimed: 0 }
    }

    /// Counts the rows of a batch; a column that it lacks reads as NULL.
    ///
    /// # Errors
    /// When a column has not the type of the schema.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), WrongType> {
        let deciding = self.counters.iter().flat_map(|counter| counter.deciding().iter().copied());
        let batch = Batch::new(batch, deciding, self.step_ns)?;
        for counter in &mut self.counters {
            counter.add(&batch, &mut self.texts, &mut self.room);
        }
        let kind = ColumnId::known("kind");
        for (row, step) in batch.steps().enumerate() {
            match step {
                Some(step) => self.reach(step, step),
                None if matches!(batch.view.text(kind, row), Some("flow" | "lost_events")) => self.untimed += 1,
                None => {}
            }
        }
        Ok(())
    }

    /// Takes what another counted, which was forked from the same.
    pub fn merge(&mut self, other: &Self) {
        let numbers: Vec<_> = other.texts.iter().map(|text| self.texts.number(text)).collect();
        for (mine, theirs) in self.counters.iter_mut().zip(&other.counters) {
            for (mine, theirs) in mine.families.iter_mut().zip(&theirs.families) {
                mine.merge(theirs, &numbers, &mut self.room);
            }
        }
        self.untimed = self.untimed.saturating_add(other.untimed);
        if let Some((first, last)) = other.span {
            self.reach(first, last);
        }
    }

    /// Writes the `OpenMetrics` text format, as `promtool tsdb create-blocks-from openmetrics` reads it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_openmetrics(&self, out: &mut impl Write) -> io::Result<Written> {
        self.write(out, openmetrics::write)
    }

    /// Writes one JSON object: the same samples, a series a line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<Written> {
        self.write(out, json::write)
    }

    fn reach(&mut self, first: i64, last: i64) {
        self.span = Some(self.span.map_or((first, last), |(from, to)| (from.min(first), to.max(last))));
    }

    fn content(&self) -> Content<'_> {
        let mut families: Vec<_> = self.counters.iter().flat_map(|counter| &counter.families).collect();
        families.sort_unstable_by_key(|family| family.spec.name);
        let last = self.span.map_or(0, |(_, last)| last);
        let (longest_rest_ns, repeats) = self.repeats(&families, last);
        let mut left_out = vec![("", "no time", self.untimed)];
        left_out
            .extend(families.iter().map(|family| (family.spec.name, "too many series or samples", family.left_out)));
        left_out.retain(|(.., count)| *count > 0);
        Content { families, texts: &self.texts, step_ns: self.step_ns, repeats, longest_rest_ns, left_out }
    }

    /// The longest repeats that do not make too many lines.
    fn repeats(&self, families: &[&Family], last: i64) -> (Option<i64>, Repeats) {
        let all = Repeats::new(last, self.step_ns);
        let fits = |repeats: &Repeats| {
            let lines = families.iter().map(|family| lines(family, *repeats));
            lines.fold(0, u64::saturating_add) <= MOST_WITH_REPEATS
        };
        if fits(&all) {
            return (None, all);
        }
        let mut limits = [DAY_NS, DAY_NS / 24].into_iter().map(|rest| (Some(rest), all.at_most(rest / self.step_ns)));
        limits.find(|(_, repeats)| fits(repeats)).unwrap_or((Some(0), all.at_most(0)))
    }

    fn write<W: Write>(
        &self,
        out: W,
        write: impl FnOnce(&Content<'_>, &mut BufWriter<W>) -> io::Result<()>,
    ) -> io::Result<Written> {
        let content = self.content();
        let mut out = BufWriter::new(out);
        write(&content, &mut out)?;
        out.flush()?;
        let series: Vec<_> = content.families.iter().map(|family| family.counted()).collect();
        Ok(Written {
            metrics: series.iter().filter(|count| **count > 0).count(),
            series: series.iter().sum(),
            left_out: content.families.iter().map(|family| family.left_out).fold(0, u64::saturating_add),
            untimed: self.untimed,
            longest_rest_ns: content.longest_rest_ns,
        })
    }
}

/// What there is to write.
pub(crate) struct Content<'a> {
    /// By name.
    pub families: Vec<&'a Family>,
    pub texts: &'a Texts,
    pub step_ns: i64,
    pub repeats: Repeats,
    pub longest_rest_ns: Option<i64>,
    /// By metric and reason, where there is any.
    pub left_out: Vec<(&'a str, &'static str, u64)>,
}

impl Content<'_> {
    /// The end of a step, in milliseconds since 1970.
    pub(crate) fn end_ms(&self, step: i64) -> i64 {
        step.saturating_add(1).saturating_mul(self.step_ns / MILLISECOND_NS)
    }
}

fn lines(family: &Family, repeats: Repeats) -> u64 {
    let steps = |steps: Vec<i64>| repeats.count(steps);
    match &family.points {
        Store::Counts(all) => all.iter().map(|points| steps(points.changes())).fold(0, u64::saturating_add),
        Store::Histograms(all) => {
            let samples = all.iter().map(|points| steps(points.changes())).fold(0, u64::saturating_add);
            samples.saturating_mul(Histogram::LINES as u64)
        }
    }
}
