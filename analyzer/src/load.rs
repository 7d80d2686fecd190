//! From inputs to batches, one after the other or in parts, and to the evidence of how they were read.
//!
//! Promises:
//! 1. Only the columns asked for are kept.
//! 2. Of Parquet files only what may be asked for is read: logs come first, so that the end of all data, from which a
//!    window is counted, is known before a file is opened.
//! 3. What was not read is counted, too.

mod part;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use indicatif::ProgressBar;
use lookback_flow::archive::layout::{HOUR, Hour, node_of};
use lookback_flow::archive::{Archive, HourFiles};
use lookback_flow::columns::ColumnId;
use lookback_flow::coverage::Coverage;
use lookback_flow::derive::{derive, needs, needs_workloads};
use lookback_flow::filter::Filters;
use lookback_flow::inputs::{Found, Input};
use lookback_flow::json::Wants;
use lookback_flow::names::Workloads;
use lookback_flow::rows::Projection;
use lookback_flow::schema::arrow_field;
use lookback_flow::segment::{Needle, Origin, SegmentFile, Wanted};
use lookback_flow::view::View;
use rayon::prelude::*;

use crate::evidence::Evidence;
use crate::read::{self, Opened, Options, Reader};
use crate::seen::Seen;
use part::Part;

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

/// Inputs whose logs have been read, and whose Parquet files are read part by part.
pub(crate) struct Source<'a> {
    request: &'a Request<'a>,
    wants: Wants,
    wanted_rows: Wanted,
    /// What is wanted of the logs, in their order.
    logs: Vec<RecordBatch>,
    files: Vec<PathBuf>,
    reading: Reading,
}

/// Rows that are handed on together, at least; the last ones of a file may be fewer.
const PART_ROWS: usize = 64 * 1024;

/// Bytes of files that are read by one thread after each other, at least.
const UNIT_BYTES: u64 = 8 << 20;

impl<'a> Source<'a> {
    /// Reads the logs, and how far all data reaches.
    pub(crate) fn open(found: &Found, request: &'a Request<'a>, options: &mut Options) -> Result<Self> {
        let wanted = request.columns;
        let asked: Vec<String> = wanted.iter().flat_map(|id| needs(id.column().name)).collect();
        let filters = request.filters.as_deref();
        let decided_by = filters.map(|filters| [filters.columns(), vec![ColumnId::known("kind")]].concat());
        let wants = Wants {
            columns: Projection::of(asked.iter().map(String::as_str)).with(decided_by.unwrap_or_default()),
            needles: request.needles.clone(),
            counts: true,
            learns: wanted.iter().any(|id| needs_workloads(id.column().name)),
            skims: false,
        };
        let mut logs = Vec::new();
        let mut keep = |batch: RecordBatch| {
            logs.extend(kept(batch, filters)?);
            Ok(())
        };
        let (mut reading, files, window) = Reading::begin(found, wants.clone(), request.window, options, &mut keep)?;
        if wants.learns {
            // The name of an end may be told by any file.
            let known: Vec<Workloads> = files.par_iter().map(|path| part::workloads(path)).collect();
            known.iter().for_each(|known| reading.workloads.merge(known));
        }
        let wanted_rows = Wanted { window, needles: request.needles.clone(), exactly: true, row_group: None };
        Ok(Self { request, wants, wanted_rows, logs: grouped(logs)?, files, reading })
    }

    /// First and last moment of all data.
    pub(crate) fn extent(&self) -> Option<(i64, i64)> {
        self.reading.evidence.extent
    }

    /// Hands on all rows in parts, on all cores: batches that hold exactly the wanted columns. What comes of the parts is in
    /// the order of the inputs. There is always a part, though it may be without rows. Rows of logs are handed on once, unless they
    /// are kept for another time.
    pub(crate) fn parts<T: Send>(
        &mut self,
        options: &Options,
        keep_logs: bool,
        each: &(dyn Fn(&[RecordBatch]) -> Result<T> + Sync),
    ) -> Result<(Vec<T>, Evidence)> {
        let (columns, workloads, redaction) =
            (self.request.columns, &self.reading.workloads, options.redaction.as_ref());
        let derived = |batch: RecordBatch| -> Result<RecordBatch> {
            let batch = derive(&batch, columns, workloads)?;
            Ok(match redaction {
                Some(redaction) => redaction.batch(&batch)?,
                None => batch,
            })
        };
        let each = |batches: Vec<RecordBatch>| -> Result<T> {
            each(&grouped(batches)?.into_iter().map(derived).collect::<Result<Vec<_>>>()?)
        };
        let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        let mut of_logs: Vec<Vec<RecordBatch>> = Vec::new();
        for batch in if keep_logs { self.logs.clone() } else { std::mem::take(&mut self.logs) } {
            match of_logs.last_mut().filter(|part| rows(part) < PART_ROWS) {
                Some(part) => part.push(batch),
                None => of_logs.push(vec![batch]),
            }
        }
        let mut found: Vec<T> = of_logs.into_par_iter().map(each).collect::<Result<_>>()?;
        let (filters, wanted_rows, wants) = (self.request.filters.as_deref(), &self.wanted_rows, &self.wants);
        let unit = |files: &[PathBuf]| -> Result<(Vec<T>, Vec<Part>)> {
            let (mut found, mut waiting, mut parts) = (Vec::new(), Vec::new(), Vec::new());
            for path in files {
                parts.push(Part::read(path, wanted_rows, wants, &mut |batch| {
                    waiting.extend(kept(batch, filters)?);
                    if rows(&waiting) >= PART_ROWS {
                        found.push(each(std::mem::take(&mut waiting))?);
                    }
                    Ok(())
                })?);
            }
            if !waiting.is_empty() {
                found.push(each(waiting)?);
            }
            Ok((found, parts))
        };
        let units = units(&self.files);
        let of_files: Vec<(Vec<T>, Vec<Part>)> = units.par_iter().map(|files| unit(files)).collect::<Result<_>>()?;
        let mut evidence = self.reading.evidence.clone();
        for (files, (of_unit, parts)) in units.iter().zip(of_files) {
            found.extend(of_unit);
            for (path, part) in files.iter().zip(parts) {
                evidence = took(evidence, path, part, options)?;
            }
        }
        if found.is_empty() {
            found.push(each(Vec::new())?);
        }
        self.reading.progress.finish_and_clear();
        evidence.covers.join_nodes();
        if let Some(redaction) = &options.redaction {
            evidence.redact(redaction);
        }
        Ok((found, evidence))
    }

    /// The columns of a part.
    pub(crate) fn schema(&self) -> SchemaRef {
        Schema::new(self.request.columns.iter().map(|id| arrow_field(id.column())).collect::<Vec<_>>()).into()
    }
}

/// Files in runs that are worth a thread's while.
fn units(files: &[PathBuf]) -> Vec<&[PathBuf]> {
    let (mut units, mut rest) = (Vec::new(), files);
    while !rest.is_empty() {
        let mut bytes = 0;
        let is_more = |path: &PathBuf| {
            let is_more = bytes < UNIT_BYTES;
            bytes += path.metadata().map_or(0, |metadata| metadata.len());
            is_more
        };
        let length = rest.iter().map(is_more).take_while(|is_more| *is_more).count();
        let (unit, others) = rest.split_at(length);
        units.push(unit);
        rest = others;
    }
    units
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
            reading.extent(path);
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
    fn extent(&mut self, path: &Path) {
        if let Ok(covers) = covers(path) {
            self.evidence.reaches(covers.first, covers.last);
        }
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
        if let Ok(covers) = covers(path) {
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
