//! One target: filter, mask, aggregate, write. Batches in, a balance out; the clock is passed in.

use std::io::{self, Write as _};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{filter_record_batch, nullif};
use chrono::{DateTime, Utc};
use lookback_flow::columns::ColumnId;
use lookback_flow::filter::Filters;
use lookback_flow::json;
use lookback_flow::mask::FieldMask;
use lookback_flow::protobuf::Decoder;
use lookback_flow::rows::{Projection, whole};
use lookback_flow::view::View;
use prost::Message as _;

use super::aggregate::Aggregator;
use super::archive::ArchiveSink;
use super::balance::{Balance, Cause};
use super::config::{Place, Target};
use super::rotate::RotatedFile;

/// An archive gets what waits this often.
pub const COMMIT_NS: i64 = 60_000_000_000;

/// Where lines or rows go.
#[derive(Debug)]
enum Sink {
    Stdout,
    File(RotatedFile),
    Archive(Box<ArchiveSink>),
}

/// A target that is written to.
#[derive(Debug)]
pub struct OpenTarget {
    pub target: Target,
    filters: Filters,
    mask: FieldMask,
    aggregator: Option<(Aggregator, FieldMask)>,
    sink: Sink,
    pub balance: Balance,
    /// When an archive is to be committed next, nanoseconds since 1970.
    commit_at: i64,
    flush_at: i64,
    /// What the user should know; taken by whoever prints it.
    pub remarks: Vec<String>,
    /// An error is told once, until it has passed.
    failing: bool,
    commit_ns: i64,
    /// Whoever read standard output went away.
    pub closed: bool,
}

impl OpenTarget {
    /// Opens a target's output.
    ///
    /// # Errors
    /// When it cannot be written, or a filter or mask makes no sense.
    pub fn open(target: Target, node: &str, now: i64, commit_ns: i64) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        target.check()?;
        let sink = match &target.place {
            Place::Stdout => Sink::Stdout,
            Place::File(path, rotation) => Sink::File(
                RotatedFile::open(path, rotation.clone())
                    .with_context(|| format!("cannot write {}", path.display()))?,
            ),
            Place::Archive(root) => Sink::Archive(Box::new(ArchiveSink::open(root, node)?)),
        };
        let mut remarks = Vec::new();
        if let Sink::File(file) = &sink {
            remarks.extend(file.remarks.clone());
        }
        if target.aggregate.is_empty() != (target.interval_ns == 0) {
            remarks.push(format!(
                "{}: fieldAggregate and aggregationInterval go together; flows are written one by one",
                target.name
            ));
        }
        let aggregator =
            if target.aggregates() { Some((Aggregator::default(), FieldMask::new(&target.aggregate)?)) } else { None };
        let interval = i64::try_from(target.interval_ns).unwrap_or(i64::MAX);
        Ok(Self {
            filters: Filters::new(&target.include, &target.exclude)?,
            mask: FieldMask::new(&target.mask)?,
            aggregator,
            sink,
            balance: Balance::default(),
            commit_at: now.saturating_add(commit_ns),
            flush_at: now.saturating_add(interval),
            remarks,
            failing: false,
            commit_ns,
            closed: false,
            target,
        })
    }

    /// Takes events in.
    ///
    /// # Errors
    /// When a batch has not the types of the schema, which would be a mistake in this program.
    pub fn take(&mut self, batch: &RecordBatch, now: i64) -> anyhow::Result<()> {
        let rows = batch.num_rows() as u64;
        self.balance.seen += rows;
        if self.target.end.is_some_and(|end| now >= end) {
            self.balance.filtered += rows;
            return Ok(());
        }
        let keep = BooleanArray::new(self.filters.keep(batch)?, None);
        let mut kept = filter_record_batch(batch, &keep)?;
        self.balance.filtered += rows - kept.num_rows() as u64;
        if let Some((aggregator, mask)) = &mut self.aggregator {
            let taken = aggregator.add(&kept, mask)?;
            let others = BooleanArray::from(taken.iter().map(|taken| !taken).collect::<Vec<_>>());
            self.balance.aggregated += taken.iter().filter(|taken| **taken).count() as u64;
            kept = filter_record_batch(&kept, &others)?;
        } else if !self.mask.is_everything() {
            kept = masked(&kept, &self.mask, &self.target.mask)?;
        }
        self.write(&kept, now)?;
        if self.aggregator.as_ref().is_some_and(|(aggregator, _)| aggregator.is_full()) {
            self.flush_aggregates(now)?;
        }
        Ok(())
    }

    /// Does what is due at this time.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn tick(&mut self, now: i64) -> anyhow::Result<()> {
        let interval = i64::try_from(self.target.interval_ns).unwrap_or(i64::MAX);
        // A clock that was set back must not put it off.
        if self.aggregator.is_some() && (now >= self.flush_at || self.flush_at > now.saturating_add(interval)) {
            self.flush_aggregates(now)?;
            self.flush_at = now.saturating_add(interval);
        }
        let full = matches!(&self.sink, Sink::Archive(archive) if archive.is_full());
        if full || now >= self.commit_at || self.commit_at > now.saturating_add(self.commit_ns) {
            self.commit();
            self.commit_at = now.saturating_add(self.commit_ns);
        }
        Ok(())
    }

    /// Writes all that waits.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn finish(&mut self, now: i64) -> anyhow::Result<()> {
        self.flush_aggregates(now)?;
        self.commit();
        if let Sink::File(file) = &self.sink
            && let Err(error) = file.sync()
        {
            self.remarks.push(format!("{}: {error}", self.target.name));
        }
        Ok(())
    }

    /// Begins files anew, as they may have been moved away.
    pub fn reopen(&mut self) {
        self.commit();
        if let Sink::File(file) = &mut self.sink
            && let Err(error) = file.reopen()
        {
            self.fail(&error.to_string());
        }
    }

    fn flush_aggregates(&mut self, now: i64) -> anyhow::Result<()> {
        let Some((aggregator, _)) = &mut self.aggregator else { return Ok(()) };
        let events = aggregator.take()?;
        if events.is_empty() {
            return Ok(());
        }
        let mut decoder = Decoder::new(Projection::all());
        for event in &events {
            decoder.message(&event.encode_to_vec())?;
        }
        let batch = decoder.finish()?;
        // Each stands for one of those that were aggregated.
        self.balance.aggregated -= self.balance.aggregated.min(batch.num_rows() as u64);
        self.write(&batch, now)
    }

    fn write(&mut self, batch: &RecordBatch, now: i64) -> anyhow::Result<()> {
        let rows = batch.num_rows() as u64;
        if rows == 0 {
            return Ok(());
        }
        let (written, error) = match &mut self.sink {
            Sink::Archive(archive) => match archive.add(&whole(batch)?) {
                Ok(()) => {
                    self.balance.waiting = archive.waiting;
                    self.failing = false;
                    return Ok(());
                }
                Err((lost, error)) => {
                    self.balance.waiting = 0;
                    self.balance.lose(Cause::Disk, lost);
                    self.fail(&error.to_string());
                    return Ok(());
                }
            },
            Sink::File(file) => {
                let mut text = String::new();
                let ends = json::encode_lines(batch, &mut text)?;
                let mut start = 0;
                let lines = ends.iter().map(|end| {
                    let line = text.get(start..*end).unwrap_or_default();
                    start = *end;
                    line.as_bytes()
                });
                let (written, outcome) = file.write(lines, DateTime::<Utc>::from_timestamp_nanos(now));
                self.remarks.append(&mut file.remarks);
                (written, outcome.err())
            }
            Sink::Stdout => {
                let mut text = String::new();
                json::encode(batch, &mut text)?;
                let mut out = io::stdout().lock();
                match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                    Ok(()) => (rows, None),
                    Err(error) => {
                        self.closed = error.kind() == io::ErrorKind::BrokenPipe;
                        (0, Some(error))
                    }
                }
            }
        };
        self.balance.written += written;
        self.balance.lose(Cause::Disk, rows - written);
        match error {
            Some(error) => self.fail(&error.to_string()),
            None => self.failing = false,
        }
        Ok(())
    }

    fn commit(&mut self) {
        let Sink::Archive(archive) = &mut self.sink else { return };
        match archive.commit(&self.balance) {
            Ok(rows) => {
                self.balance.written += rows;
                self.balance.waiting = 0;
            }
            Err((lost, error)) => {
                self.balance.waiting = 0;
                self.balance.lose(Cause::Disk, lost);
                self.fail(&error.to_string());
            }
        }
    }

    fn fail(&mut self, error: &str) {
        if !self.failing && !self.closed {
            self.remarks.push(format!("{}: {error}; what cannot be written is counted as lost", self.target.name));
        }
        self.failing = true;
    }
}

/// Flows under a mask. As the exporter has it, the envelope loses what its flow loses, time and node.
fn masked(batch: &RecordBatch, mask: &FieldMask, paths: &[String]) -> anyhow::Result<RecordBatch> {
    let kinds: Option<Vec<bool>> = {
        let view = View::new(batch)?;
        ColumnId::of("kind").map(|kind| (0..batch.num_rows()).map(|row| view.text(kind, row) == Some("flow")).collect())
    };
    let is_flow = BooleanArray::from(kinds.unwrap_or_default());
    let masked = mask.apply(batch)?;
    let has = |path: &str| paths.iter().any(|wanted| wanted == path || wanted.starts_with(&format!("{path}.")));
    let mut gone: Vec<&str> = Vec::new();
    for path in ["time", "node_name"] {
        if !has(path) {
            gone.push(path);
        }
    }
    if gone.is_empty() {
        return Ok(masked);
    }
    let schema = masked.schema();
    let columns = schema.fields().iter().zip(masked.columns()).map(|(field, array)| {
        let name = field.name().strip_prefix("envelope_").unwrap_or(field.name());
        if gone.contains(&name) { nullif(array, &is_flow) } else { Ok(Arc::clone(array)) }
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(masked.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}
