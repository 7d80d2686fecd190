//! Archive → lines, in the order of time.
//!
//! Files are in order each; they are merged as far as they overlap. Lines of the same time come in the order in which their
//! files were made, within a file in the order in which they were imported; lines without a time last.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampNanosecondType;

use super::layout::Hour;
use super::{Archive, ArchiveError, HourFiles};
use crate::json;
use crate::rows::Projection;
use crate::segment::{SegmentError, SegmentFile, SegmentReader, Wanted};

/// Rows that are decoded at a time, over all open files.
const ROWS: usize = 128 * 1024;

/// Fewest and most rows of one file decoded at a time.
const BATCH: (usize, usize) = (256, 16 * 1024);

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub lines: u64,
    /// Files that a later version wrote.
    pub newer: u64,
}

/// Writes the lines of a window, or all of them.
///
/// # Errors
/// When a file cannot be read, or the lines cannot be written.
pub fn write_lines(
    archive: &Archive,
    window: Option<(i64, i64)>,
    out: &mut dyn Write,
    mut progress: impl FnMut(u64),
) -> Result<Written, MergeError> {
    let inside = |hour: Hour| match (window, hour.span()) {
        (Some((since, until)), Some((first, last))) => first <= until && last >= since,
        _ => true,
    };
    let mut hours: VecDeque<HourFiles> = archive.files_of(inside)?.into();
    let wanted = Wanted { window, ..Wanted::default() };
    let mut merge = Merge { heap: BinaryHeap::new(), cursors: Vec::new(), written: Written::default() };
    // Files of no known time may hold any, and are merged with all others.
    let untimed = hours.pop_back_if(|files| files.hour == Hour(None));
    merge.open(untimed.iter().flat_map(|files| &files.files), &wanted)?;
    while let Some(next) = hours.pop_front() {
        merge.open(&next.files, &wanted)?;
        let until = hours.front().and_then(|files| files.hour.span()).map(|(first, _)| first);
        merge.write(until, window, out, &mut progress)?;
    }
    merge.write(None, window, out, &mut progress)?;
    Ok(merge.written)
}

/// Why lines could not be written.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("cannot write the lines: {0}")]
    Output(#[from] std::io::Error),
}

struct Merge {
    /// The next row of each open file: its time, the file's place in the order of import, the cursor.
    heap: BinaryHeap<Reverse<(i64, u64, usize)>>,
    cursors: Vec<Option<Cursor>>,
    written: Written,
}

impl Merge {
    fn open<'a>(
        &mut self,
        files: impl IntoIterator<Item = &'a PathBuf, IntoIter: Clone>,
        wanted: &Wanted,
    ) -> Result<(), ArchiveError> {
        let files = files.into_iter();
        let batch_rows = (ROWS / files.clone().count().max(1)).clamp(BATCH.0, BATCH.1);
        for path in files {
            if let Some(cursor) = Cursor::open(path, wanted, batch_rows, &mut self.written.newer)? {
                self.heap.push(Reverse((cursor.time(), cursor.sequence, self.cursors.len())));
                self.cursors.push(Some(cursor));
            }
        }
        Ok(())
    }

    /// Writes the lines before a moment; rows without a time are at no moment, and only written at the very end.
    fn write(
        &mut self,
        before: Option<i64>,
        window: Option<(i64, i64)>,
        out: &mut dyn Write,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), MergeError> {
        while let Some(Reverse((time, sequence, at))) = self.heap.peek().copied() {
            if before.is_some_and(|before| time >= before) {
                return Ok(());
            }
            self.heap.pop();
            let Some(slot) = self.cursors.get_mut(at) else { continue };
            let Some(cursor) = slot.as_mut() else { continue };
            if window.is_none_or(|(since, until)| time >= since && time <= until && time != UNTIMED) {
                out.write_all(cursor.line().as_bytes())?;
                self.written.lines += 1;
                if self.written.lines.is_multiple_of(4096) {
                    progress(self.written.lines);
                }
            }
            if cursor.advance()? {
                self.heap.push(Reverse((cursor.time(), sequence, at)));
            } else {
                *slot = None;
            }
        }
        Ok(())
    }
}

/// The time of a row that has none.
const UNTIMED: i64 = i64::MAX;

/// A file that is being read.
struct Cursor {
    path: PathBuf,
    reader: SegmentReader,
    sequence: u64,
    times: Vec<i64>,
    /// The lines of the batch, and where each ends.
    text: String,
    ends: Vec<usize>,
    row: usize,
}

impl Cursor {
    fn open(path: &Path, wanted: &Wanted, batch_rows: usize, newer: &mut u64) -> Result<Option<Self>, ArchiveError> {
        let file = SegmentFile::open(path).map_err(ArchiveError::segment(path))?;
        *newer += u64::from(file.info.is_newer());
        let sequence = file.info.sequence;
        let reader = file.read(&Projection::all(), wanted, Some(batch_rows)).map_err(ArchiveError::segment(path))?;
        let mut cursor = Self {
            path: path.to_owned(),
            reader,
            sequence,
            times: Vec::new(),
            text: String::new(),
            ends: Vec::new(),
            row: 0,
        };
        Ok(cursor.fill()?.then_some(cursor))
    }

    /// Decodes the next batch; false at the end.
    fn fill(&mut self) -> Result<bool, ArchiveError> {
        loop {
            let Some(batch) = self.reader.next() else { return Ok(false) };
            let decoded = batch.and_then(|batch| self.decode(&batch));
            decoded.map_err(ArchiveError::segment(&self.path))?;
            if !self.times.is_empty() {
                return Ok(true);
            }
        }
    }

    fn decode(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        self.text.clear();
        self.row = 0;
        self.ends = json::encode_lines(batch, &mut self.text).map_err(arrow::error::ArrowError::from)?;
        let times = batch.column_by_name("time").and_then(|times| times.as_primitive_opt::<TimestampNanosecondType>());
        let time = |row| times.filter(|times| times.is_valid(row)).map_or(UNTIMED, |times| times.value(row));
        self.times = (0..batch.num_rows()).map(time).collect();
        Ok(())
    }

    fn time(&self) -> i64 {
        self.times.get(self.row).copied().unwrap_or(UNTIMED)
    }

    fn line(&self) -> &str {
        let start = self.row.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        let end = self.ends.get(self.row).copied().unwrap_or(start);
        self.text.get(start..end).unwrap_or_default()
    }

    /// Goes to the next row; false at the end.
    fn advance(&mut self) -> Result<bool, ArchiveError> {
        self.row += 1;
        if self.row < self.times.len() { Ok(true) } else { self.fill() }
    }
}
