//! Inputs, handed on in parts.

use std::cell::Cell;
use std::path::PathBuf;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use lookback_flow::columns::ColumnId;
use lookback_flow::derive::{derive, needs, needs_workloads};
use lookback_flow::inputs::Found;
use lookback_flow::json::Wants;
use lookback_flow::names::Workloads;
use lookback_flow::rows::Projection;
use lookback_flow::schema::arrow_field;
use lookback_flow::segment::Wanted;
use rayon::prelude::*;

use super::part::{self, Part};
use super::{Reading, Request, grouped, kept, took};
use crate::evidence::Evidence;
use crate::read::Options;
use crate::workers::{Take, in_order};

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

    /// Has all rows looked at in parts, on all cores: batches that hold exactly the wanted columns. What comes of the parts is
    /// taken in the order of the inputs. There is always a part, though it may be without rows. Rows of logs are handed on once,
    /// unless they are kept for another time.
    pub(crate) fn parts<T: Send>(
        &mut self,
        options: &Options,
        keep_logs: bool,
        each: &(dyn Fn(&[RecordBatch]) -> Result<T> + Sync),
        take: Take<'_, T>,
    ) -> Result<Evidence> {
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
        let is_any = Cell::new(false);
        let mut take = |came| {
            is_any.set(true);
            take(came)
        };
        in_order(of_logs, &|batches, hand_on| hand_on(each(batches)?), &mut take)?;
        let (filters, wanted_rows, wants) = (self.request.filters.as_deref(), &self.wanted_rows, &self.wants);
        let unit = |files: &[PathBuf], hand_on: Take<'_, Came<T>>| -> Result<()> {
            let mut waiting = Vec::new();
            for path in files {
                let part = Part::read(path, wanted_rows, wants, &mut |batch| {
                    waiting.extend(kept(batch, filters)?);
                    if rows(&waiting) < PART_ROWS {
                        return Ok(());
                    }
                    hand_on(Came::OfRows(each(std::mem::take(&mut waiting))?))
                })?;
                hand_on(Came::File(path.clone(), Box::new(part)))?;
            }
            if waiting.is_empty() { Ok(()) } else { hand_on(Came::OfRows(each(waiting)?)) }
        };
        let mut evidence = self.reading.evidence.clone();
        in_order(units(&self.files), &unit, &mut |came| {
            match came {
                Came::OfRows(came) => take(came)?,
                Came::File(path, part) => evidence = took(std::mem::take(&mut evidence), &path, *part, options)?,
            }
            Ok(())
        })?;
        if !is_any.get() {
            take(each(Vec::new())?)?;
        }
        self.reading.progress.finish_and_clear();
        evidence.covers.join_nodes();
        if let Some(redaction) = &options.redaction {
            evidence.redact(redaction);
        }
        Ok(evidence)
    }

    /// The columns of a part.
    pub(crate) fn schema(&self) -> SchemaRef {
        Schema::new(self.request.columns.iter().map(|id| arrow_field(id.column())).collect::<Vec<_>>()).into()
    }
}

/// What comes of files.
enum Came<T> {
    OfRows(T),
    File(PathBuf, Box<Part>),
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
