//! From inputs to batches, one after the other or in parts, and to the evidence of how they were read.
//!
//! Promises:
//! 1. Only the columns asked for are kept.
//! 2. Of Parquet files only what may be asked for is read: logs come first, so that the end of all data, from which a
//!    window is counted, is known before a file is opened.
//! 3. What was not read is counted, too.

mod part;
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::Schema;
use indicatif::ProgressBar;
use lookback_flow::archive::layout::{HOUR, Hour, node_of};
use lookback_flow::archive::{Archive, HourFiles};
use lookback_flow::columns::ColumnId;
use lookback_flow::coverage::Coverage;
use lookback_flow::filter::Filters;
use lookback_flow::inputs::{Found, Input};
use lookback_flow::json::Wants;
use lookback_flow::names::Workloads;
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Needle, Origin, SegmentFile, Wanted};
use lookback_flow::store;
use lookback_flow::view::View;
use rayon::prelude::*;

use crate::evidence::Evidence;
use crate::read::{self, Opened, Options, Reader};
use crate::seen::Seen;
use part::Part;
pub(crate) use source::Source;

/// First and last moment that is asked about, once the extent of the data is known; `None` when all of it is.
pub(crate) type Window<'a> = &'a dyn Fn(Option<(i64, i64)>) -> Result<Option<(i64, i64)>>;

/// What to keep.
pub(crate) struct Request<'a> {
    pub columns: &'a [ColumnId],
    pub window: Window<'a>,
    /// What every flow that is asked about fits one of; empty when any may be.
    pub needles: Vec<Needle>,
    /// What flows have to fit; other events are kept.
    pub filters: Option<Arc<Filters>>,
}

/// What of a batch is kept, if anything is.
fn kept(batch: RecordBatch, filters: Option<&Filters>) -> Result<Option<RecordBatch>> {
    let batch = match filters {
        Some(filters) => fitting(&batch, filters)?,
        None => batch,
    };
    Ok((batch.num_rows() > 0).then_some(batch))
}

/// The flows that fit, and all other events.
fn fitting(batch: &RecordBatch, filters: &Filters) -> Result<RecordBatch> {
    let (fits, view, kind) = (filters.keep(batch)?, View::new(batch)?, ColumnId::known("kind"));
    let kept = (0..batch.num_rows()).map(|row| Some(fits.value(row) || view.text(kind, row) != Some("flow")));
    Ok(filter_record_batch(batch, &kept.collect::<BooleanArray>())?)
}

/// What became of rows that were handed on.
pub(crate) struct Streamed<S> {
    /// A few, in no order: each has got some of the rows.
    pub sinks: Vec<S>,
    pub evidence: Evidence,
}

/// Reads the inputs and hands their rows on, batch by batch, with the place of the input: logs first, then Parquet files, on all
/// cores. The rows are those of the window at least.
pub(crate) fn stream<S: Send>(
    found: &Found,
    wants: Wants,
    window: Window<'_>,
    options: &mut Options,
    new: &(dyn Fn() -> S + Sync),
    take: &(dyn Fn(&mut S, usize, RecordBatch) -> Result<()> + Sync),
) -> Result<Streamed<S>> {
    let mut of_logs = new();
    let mut hand_on = |batch| take(&mut of_logs, 0, batch);
    let (mut reading, files, window) = Reading::begin(found, wants, window, options, &mut hand_on)?;
    let wants = reading.reader.wants();
    let wanted_rows = Wanted { window, needles: wants.needles.clone(), exactly: true, row_group: None };
    // No more sinks than threads: one that is free takes the next file.
    let free = Mutex::new(vec![of_logs]);
    let read = |(place, path): (usize, &PathBuf)| {
        let mut sink = lock(&free).pop().unwrap_or_else(new);
        let part = Part::read(path, &wanted_rows, wants, &mut |batch| take(&mut sink, place + 1, batch));
        lock(&free).push(sink);
        part
    };
    let parts: Vec<Part> = files.par_iter().enumerate().map(read).collect::<Result<_>>()?;
    for (path, part) in files.iter().zip(parts) {
        reading.evidence = took(reading.evidence, path, part, options)?;
    }
    reading.progress.finish_and_clear();
    reading.evidence.covers.join_nodes();
    let evidence = reading.evidence;
    Ok(Streamed { sinks: free.into_inner().unwrap_or_else(PoisonError::into_inner), evidence })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Reading {
    reader: Reader,
    workloads: Workloads,
    evidence: Evidence,
    seen: Seen,
    progress: ProgressBar,
}

/// How much later than what it tells of a report of lost events is looked for.
const LATE_REPORTS: i64 = HOUR;

/// With the Parquet files that are still to be read, and the window.
type Begun = (Reading, Vec<PathBuf>, Option<(i64, i64)>);

impl Reading {
    /// Reads the logs, and how far all data reaches.
    fn begin(
        found: &Found,
        wants: Wants,
        window: Window<'_>,
        options: &mut Options,
        hand_on: &mut (dyn FnMut(RecordBatch) -> Result<()> + Send),
    ) -> Result<Begun> {
        let progress = read::progress("reading", read::bytes(found), options.progress);
        let mut reading = Self {
            reader: Reader::new(wants),
            workloads: Workloads::default(),
            evidence: Evidence::default(),
            seen: Seen::default(),
            progress,
        };
        reading.evidence.passed_over =
            found.passed_over.iter().map(|(path, why)| format!("{}: {why}", path.display())).collect();
        let mut files = Vec::new();
        for input in &found.inputs {
            match input {
                Input::Archive(_) => {}
                input => files.extend(reading.log(input, options, hand_on)?),
            }
        }
        let covers = &reading.evidence.covers;
        let (first, last) = (covers.first, covers.last);
        reading.evidence.reaches(first, last);
        let archives: Vec<&Archive> = found
            .inputs
            .iter()
            .filter_map(|input| if let Input::Archive(archive) = input { Some(archive) } else { None })
            .collect();
        for path in &files {
            reading.extent(path)?;
        }
        for archive in &archives {
            let extent = extent(archive)?;
            reading.evidence.reaches(extent.map(|(first, _)| first), extent.map(|(_, last)| last));
        }
        let window = window(reading.evidence.extent)?;
        for archive in archives {
            files.extend(reading.in_window(archive, window)?);
        }
        Ok((reading, files, window))
    }

    /// Reads a log; a Parquet file is read later.
    fn log(
        &mut self,
        input: &Input,
        options: &mut Options,
        hand_on: &mut (dyn FnMut(RecordBatch) -> Result<()> + Send),
    ) -> Result<Option<PathBuf>> {
        let mut origin = Origin { name: input.name(), ..Origin::default() };
        let progress = self.progress.clone();
        match read::open(input, |source, _| progress.wrap_read(source))? {
            Opened::Parquet(path) => return Ok(Some(path)),
            Opened::Broken(why) => origin.broken = Some(why),
            Opened::Lines(chunks) => {
                let Self { reader, evidence, seen, workloads, .. } = self;
                reader.lines(chunks, &mut origin, options, |_, decoded| {
                    evidence.repeated += seen.see(decoded.hashes);
                    evidence.covers.merge(decoded.covers);
                    workloads.merge(&decoded.workloads);
                    if decoded.batch.num_rows() > 0 { hand_on(decoded.batch) } else { Ok(()) }
                })?;
                self.evidence.oddities.merge(origin.oddities.clone());
            }
        }
        options.told(&origin)?;
        self.evidence.inputs.push(origin);
        Ok(None)
    }

    /// Widens the extent by what a file covers; one that cannot be read is told of when it is to be read.
    fn extent(&mut self, path: &Path) -> Result<()> {
        if let Some(covers) = read::reached(path, covers(path))? {
            self.evidence.reaches(covers.first, covers.last);
        }
        Ok(())
    }

    /// The files of an archive that may hold something of the window; the others are skipped unopened.
    fn in_window(&mut self, archive: &Archive, window: Option<(i64, i64)>) -> Result<Vec<PathBuf>> {
        let inside = |hour: Hour| match (window, hour.span()) {
            (Some((since, until)), Some((first, last))) => first <= until.saturating_add(LATE_REPORTS) && last >= since,
            _ => true,
        };
        let (wanted, others): (Vec<HourFiles>, Vec<HourFiles>) =
            archive.files_of(|_| true)?.into_iter().partition(|files| inside(files.hour));
        let [wanted, others] =
            [wanted, others].map(|hours| hours.into_iter().flat_map(|hour| hour.files).collect::<Vec<PathBuf>>());
        store::open_soon(&wanted);
        self.evidence.files.skipped += others.len() as u64;
        // Which nodes are silent in all these hours can be told from the names of the other files.
        let nodes = |files: &[PathBuf]| files.iter().filter_map(|path| node_of(path)).collect::<BTreeSet<String>>();
        let seen = nodes(&wanted);
        self.evidence.absent.extend(nodes(&others).into_iter().filter(|node| !seen.contains(node)));
        Ok(wanted)
    }
}

/// Takes what came of a Parquet file into the evidence.
fn took(mut evidence: Evidence, path: &Path, part: Part, options: &Options) -> Result<Evidence> {
    let files = &mut evidence.files;
    match part.skipped {
        Some(skipped) => {
            files.read += 1;
            files.rows += part.rows;
            files.parts.row_groups += skipped.row_groups;
            files.parts.rows += skipped.rows;
            files.newer += u64::from(part.is_newer);
            for column in part.unknown {
                if !evidence.unknown_columns.contains(&column) {
                    evidence.unknown_columns.push(column);
                }
            }
        }
        None => files.skipped += u64::from(part.broken.is_none()),
    }
    part.origins.iter().for_each(|origin| evidence.origin(origin));
    evidence.covers.merge(part.covers);
    if let Some(why) = part.broken {
        let origin = Origin { name: path.display().to_string(), broken: Some(why), ..Origin::default() };
        options.told(&origin)?;
        evidence.inputs.push(origin);
    }
    Ok(evidence)
}

/// Rows that are worth a batch of their own.
const SOME_ROWS: usize = 8 * 1024;

/// The rows in batches that are not small: each costs time in each column, whatever is in it.
fn grouped(batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    let mut groups: Vec<Vec<RecordBatch>> = Vec::new();
    let mut rows = SOME_ROWS;
    for batch in batches {
        // Batches of files and of logs may differ in how they hold their lists.
        let fits =
            groups.last().and_then(|group| group.first()).is_some_and(|first| first.schema_ref() == batch.schema_ref());
        if rows >= SOME_ROWS || !fits {
            groups.push(Vec::new());
            rows = 0;
        }
        rows += batch.num_rows();
        if let Some(group) = groups.last_mut() {
            group.push(batch);
        }
    }
    groups
        .into_par_iter()
        .map(|group| match group.as_slice() {
            [batch] => Ok(batch.clone()),
            [first, ..] => Ok(concat_batches(first.schema_ref(), &group)?),
            [] => Ok(RecordBatch::new_empty(Schema::empty().into())),
        })
        .collect()
}

/// First and last moment of an archive: its first and last hour tell, and the files of no known time.
pub(crate) fn extent(archive: &Archive) -> Result<Option<(i64, i64)>> {
    let hours = archive.hours()?;
    let timed = || hours.iter().copied().filter(|hour| hour.0.is_some());
    let mut ends: Vec<Hour> = hours.iter().copied().filter(|hour| hour.0.is_none()).collect();
    ends.extend(timed().next().into_iter().chain(timed().next_back()));
    ends.sort_unstable();
    ends.dedup();
    let mut evidence = Evidence::default();
    for path in archive.files(&ends)?.iter().flat_map(|hour| &hour.files) {
        // One that cannot be read is told of when it is to be read.
        if let Some(covers) = read::reached(path, covers(path))? {
            evidence.reaches(covers.first, covers.last);
        }
    }
    Ok(evidence.extent)
}

/// What a file covers, as far as its time goes: by its own word, or by its rows.
fn covers(path: &Path) -> Result<Coverage> {
    let mut file = SegmentFile::open(path)?;
    if let Some(covers) = file.info.coverage.take() {
        return Ok(covers);
    }
    let mut covers = Coverage::default();
    for batch in file.read(&Projection::of(["time"]), &Wanted::default(), None)? {
        covers.count(&batch?)?;
    }
    Ok(covers)
}
