//! Rows of one hour and node on their way into files in the order of time.
//!
//! Lines come nearly in order. A partition holds back the latest ones, so that most stragglers find their place; a row
//! older than the last one written goes to another file of the same hour, a *run* of its own. So memory is bounded
//! whatever the order, and each file is in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::{Int32Type, TimestampNanosecondType};
use arrow::error::ArrowError;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::content::hex;
use super::layout::{Hour, MIXED};
use crate::columns::ColumnId;
use crate::coverage::Coverage;
use crate::dictionary::{compact, unpacked_column};
use crate::names::Workloads;
use crate::schema::SCHEMA;
use crate::segment::{SegmentError, SegmentInfo, SegmentWriter};

/// What is written to one file at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub hour: Hour,
    /// The node's name without its cluster: events other than flows have it so.
    pub node: String,
}

/// Nodes that have files of their own in a log of several. One of more, as the relay gives, would make for many small files.
const MOST_NODES: usize = 8;

/// Which rows of a batch belong to which hour and node.
pub(super) fn partition(batch: &RecordBatch) -> BTreeMap<Key, Vec<u32>> {
    let column = |name| ColumnId::of(name).and_then(|id| batch.column_by_name(id.column().name));
    let times = column("time").and_then(|times| times.as_primitive_opt::<TimestampNanosecondType>());
    let nodes = column("node_name").and_then(|nodes| nodes.as_dictionary_opt::<Int32Type>());
    let names = nodes.and_then(|nodes| nodes.values().as_string_opt::<i32>());
    let mut rows_of: HashMap<(Hour, Option<i32>), Vec<u32>> = HashMap::new();
    for (row, at) in (0u32..).zip(0..batch.num_rows()) {
        let time = times.filter(|times| times.is_valid(at)).map(|times| times.value(at));
        let node = nodes.filter(|nodes| nodes.is_valid(at)).map(|nodes| nodes.keys().value(at));
        rows_of.entry((Hour::of(time), node)).or_default().push(row);
    }
    // Names that differ in their cluster alone are one node.
    let mut by_key: BTreeMap<Key, Vec<u32>> = BTreeMap::new();
    for ((hour, node), rows) in rows_of {
        let name = node.and_then(|node| names?.value(usize::try_from(node).ok()?).into()).unwrap_or_default();
        let node = name.rsplit_once('/').map_or(name, |(_, node)| node).to_owned();
        by_key.entry(Key { hour, node }).or_default().extend(rows);
    }
    let nodes: BTreeSet<&str> = by_key.keys().map(|key| key.node.as_str()).collect();
    if nodes.len() <= MOST_NODES {
        return by_key;
    }
    let mut by_hour: BTreeMap<Key, Vec<u32>> = BTreeMap::new();
    for (key, rows) in by_key {
        by_hour.entry(Key { node: MIXED.to_owned(), ..key }).or_default().extend(rows);
    }
    by_hour
}

/// Rows waiting to be sorted.
#[derive(Debug, Default)]
pub(super) struct Partition {
    batches: Vec<RecordBatch>,
    pub rows: usize,
    /// Bytes that they take.
    pub bytes: usize,
    /// Inputs that they come from.
    inputs: BTreeSet<usize>,
    pub runs: Vec<Run>,
    /// When rows were last added.
    pub used: u64,
}

impl Partition {
    pub(super) fn add(&mut self, batch: RecordBatch, bytes: usize, input: usize) {
        self.rows += batch.num_rows();
        self.bytes += bytes;
        self.batches.push(batch);
        self.inputs.insert(input);
    }

    /// Takes rows in order: all of them, or all but the latest quarter.
    pub(super) fn take(&mut self, all: bool) -> Result<(RecordBatch, BTreeSet<usize>), ArrowError> {
        let kept = if all { 0 } else { self.rows / 4 };
        let (ready, latest) = sorted(&std::mem::take(&mut self.batches), self.rows - kept)?;
        self.bytes = self.bytes / self.rows.max(1) * kept;
        self.rows = kept;
        let inputs = if all { std::mem::take(&mut self.inputs) } else { self.inputs.clone() };
        if kept > 0 {
            self.batches.push(latest);
        }
        Ok((ready, inputs))
    }
}

/// The rows of some batches in the order of their time; those of the same time stay in the order that they have. The first
/// batch has the earliest `ready`, the second the others, and nothing else in memory.
fn sorted(batches: &[RecordBatch], ready: usize) -> Result<(RecordBatch, RecordBatch), ArrowError> {
    let Some(schema) = batches.first().map(RecordBatch::schema) else {
        let none = RecordBatch::new_empty(Arc::clone(&SCHEMA.arrow));
        return Ok((none.clone(), none));
    };
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let count = u32::try_from(rows).map_err(|_| ArrowError::ComputeError("too many rows".into()))?;
    let all_times = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(times(batch)));
    let mut order: Vec<(i64, u32)> = all_times.zip(0..count).collect();
    let in_order = order.is_sorted();
    if !in_order {
        order.sort_unstable();
    }
    let order: UInt32Array = order.into_iter().map(|(_, row)| row).collect();
    let (first, rest) = (order.slice(0, ready), order.slice(ready, rows - ready));
    // Lists may be numbered in some batches, as logs give them, and stand in the rows of others, as files do.
    let alike = batches.iter().all(|batch| batch.schema_ref() == &schema);
    let column = |at: usize| -> Result<(ArrayRef, ArrayRef), ArrowError> {
        let own: Vec<ArrayRef> = batches.iter().map(|batch| Arc::clone(batch.column(at))).collect();
        let own = if alike { own } else { own.iter().map(unpacked_column).collect::<Result<_, _>>()? };
        let whole = concat(&own.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
        let first = if in_order { whole.slice(0, ready) } else { take(&whole, &first, None)? };
        Ok((first, compact(&take(&whole, &rest, None)?)?))
    };
    let columns: Vec<(ArrayRef, ArrayRef)> =
        (0..schema.fields().len()).into_par_iter().with_max_len(1).map(column).collect::<Result<_, _>>()?;
    let (first, rest): (Vec<ArrayRef>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let schema = if alike { schema } else { Arc::clone(&SCHEMA.arrow) };
    Ok((RecordBatch::try_new(Arc::clone(&schema), first)?, RecordBatch::try_new(schema, rest)?))
}

/// Times of a batch of all columns, whose first is the time.
fn times(batch: &RecordBatch) -> impl Fn(usize) -> i64 + '_ {
    let times = batch.column(0).as_primitive_opt::<TimestampNanosecondType>();
    // Rows without a time come last.
    move |row| times.filter(|times| times.is_valid(row)).map_or(i64::MAX, |times| times.value(row))
}

/// A file that is being written, in the order of time.
#[derive(Debug)]
pub(super) struct Run {
    pub writer: SegmentWriter<Sink>,
    pub staged: PathBuf,
    pub sequence: u64,
    pub start: Option<i64>,
    last: i64,
    pub rows: u64,
    coverage: Coverage,
    workloads: Workloads,
    pub inputs: BTreeSet<usize>,
    /// When it was last written to.
    pub used: u64,
}

impl Run {
    pub(super) fn new(staged: PathBuf, sequence: u64, first: &RecordBatch) -> Result<Self, SegmentError> {
        let start = Some(times(first)(0)).filter(|start| *start != i64::MAX);
        Ok(Self {
            writer: SegmentWriter::by_time(Sink::new(File::create_new(&staged)?))?,
            staged,
            sequence,
            start,
            last: i64::MIN,
            rows: 0,
            coverage: Coverage::default(),
            workloads: Workloads::default(),
            inputs: BTreeSet::new(),
            used: 0,
        })
    }

    /// How many of these rows, which are in order, come before the last one of this file.
    pub(super) fn too_old(&self, batch: &RecordBatch) -> usize {
        let time = times(batch);
        let (mut low, mut high) = (0, batch.num_rows());
        while low < high {
            let middle = usize::midpoint(low, high);
            if time(middle) < self.last { low = middle + 1 } else { high = middle }
        }
        low
    }

    pub(super) fn write(&mut self, batch: &RecordBatch, inputs: &BTreeSet<usize>) -> Result<(), SegmentError> {
        let Some(last) = batch.num_rows().checked_sub(1) else { return Ok(()) };
        let Self { writer, coverage, workloads, .. } = self;
        let tell = || coverage.count(batch).and_then(|()| workloads.learn(batch)).map_err(ArrowError::from);
        let (told, written) = rayon::join(tell, || writer.write(batch));
        told?;
        written?;
        self.last = times(batch)(last);
        self.rows += batch.num_rows() as u64;
        self.inputs.extend(inputs);
        Ok(())
    }

    /// Ends the file and puts it on disk; gives its bytes and hash.
    pub(super) fn finish(self, origins: Vec<crate::segment::Origin>) -> Result<(u64, String), SegmentError> {
        let info = SegmentInfo {
            sequence: self.sequence,
            origins,
            coverage: Some(self.coverage),
            workloads: self.workloads,
            ..SegmentInfo::default()
        };
        let sink = self.writer.finish(&info)?;
        sink.file.sync_all()?;
        Ok((sink.bytes, hex(&sink.hash.finalize())))
    }
}

/// A file that is hashed while it is written.
#[derive(Debug)]
pub(super) struct Sink {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Sink {
    fn new(file: File) -> Self {
        Self { file, hash: Sha256::new(), bytes: 0 }
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
