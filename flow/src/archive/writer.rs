//! Rows → archive, in bounded memory; several may write at once (`staging`).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use chrono::{SecondsFormat, Utc};

use super::ArchiveError;
use super::content::Content;
use super::journal::{Import, ImportedFile, ImportedInput};
use super::layout::{Hour, MIXED};
use super::limits::Limits;
use super::place::Place;
use super::runs::{Key, Partition, Run, partition};
use crate::segment::{Origin, SegmentError};

/// Bytes that a batch of a few rows takes whatever is in them.
const BATCH_BYTES: usize = 25_000;

/// Rows that a partition is worth.
const ROWS_OF_PARTITION: u64 = 256;

/// Writes to an archive. What was not committed when it is dropped is cleared away.
#[derive(Debug)]
pub struct ArchiveWriter {
    limits: Limits,
    root: PathBuf,
    known: Known,
    partitions: BTreeMap<Key, Partition>,
    /// Partitions since the last commit, those that were closed, too.
    begun: u64,
    files: Vec<ImportedFile>,
    inputs: Vec<ImportedInput>,
    /// The input that rows come from now.
    reading: String,
    /// Rows since the last commit.
    rows: u64,
    waiting: usize,
    clock: u64,
    /// Dropped after the files in it.
    place: Place,
    /// What was committed since this writer was made: rows, bytes, files.
    pub done: Done,
}

/// What is in an archive, as far as its writer has to know.
#[derive(Debug)]
struct Known {
    /// Contents that were imported, by their first line's hash.
    contents: HashMap<String, Vec<Content>>,
    /// The number of the next file.
    next: u64,
}

impl Known {
    fn import(&mut self, import: Import) {
        self.files(&import);
        import.inputs.into_iter().filter_map(|input| input.content).for_each(|content| self.content(content));
    }

    fn files(&mut self, import: &Import) {
        let numbers = import.files.iter().map(|file| file.sequence.saturating_add(1));
        self.next = numbers.fold(self.next, u64::max);
    }

    fn content(&mut self, content: Content) {
        self.contents.entry(content.head_sha256.clone()).or_default().push(content);
    }
}

/// What an import made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    pub rows: u64,
    pub bytes: u64,
    pub files: u64,
}

impl ArchiveWriter {
    /// Takes an archive for writing; makes it, where there is nothing yet.
    ///
    /// # Errors
    /// When it cannot be written, or the folder is full of something else.
    pub fn open(root: &Path) -> Result<Self, ArchiveError> {
        Self::with_limits(root, Limits::default())
    }

    /// Likewise, with limits of one's own.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn with_limits(root: &Path, limits: Limits) -> Result<Self, ArchiveError> {
        let mut known = Known { contents: HashMap::new(), next: 1 };
        let place = Place::begin(root, |import| known.import(import))?;
        Ok(Self {
            limits,
            root: root.to_owned(),
            place,
            known,
            partitions: BTreeMap::new(),
            begun: 0,
            files: Vec::new(),
            inputs: Vec::new(),
            reading: String::new(),
            rows: 0,
            waiting: 0,
            clock: 0,
            done: Done::default(),
        })
    }

    /// What was imported with this first line.
    #[must_use]
    pub fn known(&self, head_sha256: &str) -> Vec<Content> {
        self.known.contents.get(head_sha256).cloned().unwrap_or_default()
    }

    /// The rows that follow come from this input.
    pub fn begin_input(&mut self, name: &str) {
        name.clone_into(&mut self.reading);
    }

    /// Adds rows of every stored column.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), ArchiveError> {
        self.add_lines(batch, 0)
    }

    /// Likewise, from so many bytes of lines; rows may share lists then ([`crate::dictionary`]), which they do not once
    /// they are written, and are as large as what was said of them.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_lines(&mut self, batch: &RecordBatch, bytes: usize) -> Result<(), ArchiveError> {
        let each = batch.get_array_memory_size().max(bytes) / batch.num_rows().max(1);
        let block = self.limits.block_rows.max(1);
        for start in (0..batch.num_rows()).step_by(block) {
            self.add_some(&batch.slice(start, block.min(batch.num_rows() - start)), each)?;
        }
        Ok(())
    }

    /// Adds no more rows than are sorted at once, of so many bytes each.
    fn add_some(&mut self, batch: &RecordBatch, each: usize) -> Result<(), ArchiveError> {
        let input = self.inputs.len();
        self.rows += batch.num_rows() as u64;
        let mut rows_of: BTreeMap<Key, Vec<u32>> = BTreeMap::new();
        for (key, rows) in partition(batch) {
            let key = self.admit(key)?;
            rows_of.entry(key).or_default().extend(rows);
        }
        let whole = rows_of.len() == 1;
        for (key, mut rows) in rows_of {
            rows.sort_unstable();
            let bytes = BATCH_BYTES + each * rows.len();
            let rows = if whole {
                batch.clone()
            } else {
                self.at_staging(take_record_batch(batch, &UInt32Array::from(rows)))?
            };
            self.clock += 1;
            let partition = self.partitions.entry(key.clone()).or_default();
            partition.used = self.clock;
            partition.add(rows, bytes, input);
            self.waiting += bytes;
            if partition.rows >= self.limits.block_rows {
                self.write(&key, false)?;
            }
        }
        while self.waiting > self.limits.waiting {
            let largest = self.partitions.iter().max_by_key(|(_, partition)| partition.bytes);
            let Some((key, rows)) = largest.map(|(key, partition)| (key.clone(), partition.rows)) else { break };
            self.write(&key, rows < self.limits.block_rows / 16)?;
        }
        Ok(())
    }

    /// Where rows of an hour and node go. The partition that was not added to for the longest time makes room for another.
    fn admit(&mut self, key: Key) -> Result<Key, ArchiveError> {
        if self.partitions.contains_key(&key) {
            return Ok(key);
        }
        if self.begun >= self.limits.partitions as u64 + self.rows / ROWS_OF_PARTITION {
            return Ok(Key { hour: Hour(None), node: MIXED.to_owned() });
        }
        self.begun += 1;
        if self.partitions.len() >= self.limits.partitions {
            let oldest = self.partitions.iter().min_by_key(|(_, partition)| partition.used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.write(&oldest, true)?;
                for run in self.partitions.remove(&oldest).unwrap_or_default().runs {
                    self.close(&oldest, run)?;
                }
            }
        }
        // It takes its place at once: another one of the same rows must not be counted for it.
        self.clock += 1;
        self.partitions.entry(key.clone()).or_default().used = self.clock;
        Ok(key)
    }

    /// The input that was begun is read to its end.
    ///
    /// # Errors
    /// When what was read so far cannot be committed.
    pub fn end_input(&mut self, input: ImportedInput) -> Result<(), ArchiveError> {
        if let Some(content) = &input.content {
            self.known.content(content.clone());
        }
        self.inputs.push(input);
        let due = self.rows >= self.limits.commit_rows
            || self.inputs.len() >= self.limits.commit_inputs
            || self.partitions.len() >= self.limits.commit_partitions;
        if due { self.commit() } else { Ok(()) }
    }

    /// Makes everything so far part of the archive.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn commit(&mut self) -> Result<(), ArchiveError> {
        for key in self.partitions.keys().cloned().collect::<Vec<_>>() {
            self.write(&key, true)?;
        }
        for (key, partition) in std::mem::take(&mut self.partitions) {
            for run in partition.runs {
                self.close(&key, run)?;
            }
        }
        // A log in which there was nothing, or which is none, leaves no trace, however often it comes.
        let empty = |origin: &Origin| origin.lines == 0 && origin.broken.is_none();
        let nothing = |input: &ImportedInput| input.content.is_none() || input.origins.iter().all(empty);
        if self.files.is_empty() && self.inputs.iter().all(nothing) {
            self.inputs.clear();
            return Ok(());
        }
        let import = Import {
            producer: concat!("lookback ", env!("CARGO_PKG_VERSION")).to_owned(),
            at: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            inputs: std::mem::take(&mut self.inputs),
            files: std::mem::take(&mut self.files),
            removes: Vec::new(),
        };
        let (meanwhile, import) = self.place.commit(import)?;
        meanwhile.into_iter().for_each(|import| self.known.import(import));
        self.known.files(&import);
        self.done.rows += import.files.iter().map(|file| file.rows).sum::<u64>();
        self.done.bytes += import.files.iter().map(|file| file.bytes).sum::<u64>();
        self.done.files += import.files.len() as u64;
        (self.rows, self.begun) = (0, 0);
        Ok(())
    }

    /// Writes the waiting rows of a partition: all of them, or all but the latest.
    fn write(&mut self, key: &Key, all: bool) -> Result<(), ArchiveError> {
        let Some(partition) = self.partitions.get_mut(key).filter(|partition| partition.rows > 0) else {
            return Ok(());
        };
        let before = partition.bytes;
        let taken = partition.take(all);
        self.waiting = self.waiting.saturating_sub(before - partition.bytes.min(before));
        let (mut rows, inputs) = self.at_staging(taken)?;
        let mut run = 0;
        while rows.num_rows() > 0 {
            if self.partitions.get(key).is_none_or(|partition| run >= partition.runs.len()) {
                // Files of this partition may be closed for it, but it is the last one.
                run = self.new_run(key, &rows)?;
            }
            self.clock += 1;
            let Some(open) = self.partitions.get_mut(key).and_then(|partition| partition.runs.get_mut(run)) else {
                unreachable!("the file was just opened");
            };
            let old = open.too_old(&rows);
            open.used = self.clock;
            open.write(&rows.slice(old, rows.num_rows() - old), &inputs)
                .map_err(ArchiveError::segment(&open.staged))?;
            rows = rows.slice(0, old);
            run += 1;
        }
        self.bound_memory()
    }

    /// Begins another file of a partition, after all its others, and gives its place among them.
    fn new_run(&mut self, key: &Key, rows: &RecordBatch) -> Result<usize, ArchiveError> {
        while self.partitions.values().map(|partition| partition.runs.len()).sum::<usize>() >= self.limits.files.max(1)
        {
            self.close_oldest(key)?;
        }
        let sequence = self.known.next;
        let staged = self.place.staged(sequence);
        let run = Run::new(staged.clone(), sequence, rows).map_err(ArchiveError::segment(&staged))?;
        self.known.next += 1;
        let partition = self.partitions.entry(key.clone()).or_default();
        partition.runs.push(run);
        Ok(partition.runs.len() - 1)
    }

    /// Closes the file that was not written to for the longest time; of the partition at hand only the first, as the
    /// others are being gone through.
    fn close_oldest(&mut self, at_hand: &Key) -> Result<(), ArchiveError> {
        let all = self.partitions.iter().flat_map(|(key, partition)| {
            partition.runs.iter().enumerate().map(move |(position, run)| (run.used, key, position))
        });
        let elsewhere =
            all.filter(|(_, key, _)| *key != at_hand).min().map(|(_, key, position)| (key.clone(), position));
        let (key, position) = elsewhere.unwrap_or_else(|| (at_hand.clone(), 0));
        let Some(partition) = self.partitions.get_mut(&key).filter(|partition| position < partition.runs.len()) else {
            return Ok(());
        };
        let run = partition.runs.remove(position);
        self.close(&key, run)
    }

    fn close(&mut self, key: &Key, run: Run) -> Result<(), ArchiveError> {
        let origins = |input: &usize| match self.inputs.get(*input) {
            Some(input) => input.origins.clone(),
            // Not read to its end: what it holds in all is told by a later file.
            None => vec![Origin { name: self.reading.clone(), ..Origin::default() }],
        };
        let origins = run.inputs.iter().flat_map(origins).collect();
        let path = self.place.path(key.hour, &key.node, run.start, run.sequence);
        let (staged, sequence, rows) = (run.staged.clone(), run.sequence, run.rows);
        let (bytes, sha256) = run.finish(origins).map_err(ArchiveError::segment(&staged))?;
        self.files.push(ImportedFile {
            path: path.display().to_string(),
            staged: staged.strip_prefix(&self.root).unwrap_or(&staged).display().to_string(),
            sequence,
            rows,
            bytes,
            sha256,
        });
        Ok(())
    }

    /// Ends row groups while those of all files take too much memory.
    fn bound_memory(&mut self) -> Result<(), ArchiveError> {
        let mut runs: Vec<&mut Run> = self.partitions.values_mut().flat_map(|partition| &mut partition.runs).collect();
        let mut total: usize = runs.iter().map(|run| run.writer.memory()).sum();
        runs.sort_by_cached_key(|run| run.writer.memory());
        while total > self.limits.unwritten {
            let Some(run) = runs.pop() else { break };
            total -= run.writer.memory().min(total);
            run.writer.end_group().map_err(ArchiveError::segment(&run.staged))?;
        }
        Ok(())
    }

    fn at_staging<T, E: Into<SegmentError>>(&self, result: Result<T, E>) -> Result<T, ArchiveError> {
        result.map_err(|error| ArchiveError::segment(self.place.folder())(error.into()))
    }
}
