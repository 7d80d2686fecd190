//! Small files of one hour and node become one.
//!
//! Promises:
//! 1. Rows are the same, in the order of their time; of the same time, in the order of the files that they stood in.
//! 2. Each merge is one commit: whoever reads sees the old files or the new one.
//! 3. A file that is not as its import made it, or that a later version wrote, is left alone.
//! 4. Memory holds some batches of each file that is merged, whatever the files' size.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::TimestampNanosecondType;
use chrono::{SecondsFormat, Utc};

use super::content::file_sha256;
use super::journal::{Import, ImportedFile};
use super::layout::{FLOWS, Hour, file_name, name_of};
use super::runs::Run;
use super::staging::Staging;
use super::{Archive, ArchiveError};
use crate::dictionary::unpacked;
use crate::rows::Projection;
use crate::segment::{Origin, SegmentError, SegmentFile, SegmentReader, VERSION, Wanted};

/// Rows of each file in memory.
const BATCH_ROWS: usize = 4096;

/// Files that are merged at once; more are merged again the next time.
const MOST_FILES: usize = 64;

/// Files that become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub hour: Hour,
    /// The name of their node, as it is part of theirs.
    pub node: String,
    pub files: Vec<PathBuf>,
    pub bytes: u64,
}

/// What there is to merge: files below so many bytes, into files of about as many.
///
/// # Errors
/// When a folder or file cannot be looked at.
pub fn plan(archive: &Archive, target_bytes: u64) -> Result<Vec<Group>, ArchiveError> {
    let mut groups = Vec::new();
    for of_hour in archive.files_of(|_| true)? {
        let mut by_node: BTreeMap<String, Vec<(PathBuf, u64)>> = BTreeMap::new();
        for path in of_hour.files {
            let bytes = path.metadata().map_err(ArchiveError::io(&path))?.len();
            // Files of others' making are none that an import knows.
            if let Some(node) = name_of(&path).filter(|_| bytes < target_bytes) {
                by_node.entry(node).or_default().push((path, bytes));
            }
        }
        for (node, mut files) in by_node {
            files.sort_by_key(|(path, _)| super::layout::sequence_of(path));
            let new = || Group { hour: of_hour.hour, node: node.clone(), files: Vec::new(), bytes: 0 };
            let mut group = new();
            for (path, bytes) in files {
                if group.bytes + bytes > target_bytes || group.files.len() >= MOST_FILES {
                    groups.push(std::mem::replace(&mut group, new()));
                }
                group.bytes += bytes;
                group.files.push(path);
            }
            groups.push(group);
        }
    }
    groups.retain(|group| group.files.len() > 1);
    Ok(groups)
}

/// What became of the groups.
#[derive(Debug, Default)]
pub struct Compacted {
    /// Files before and after, bytes before and after.
    pub files: (u64, u64),
    pub bytes: (u64, u64),
    pub rows: u64,
    /// Groups that were left alone, and why.
    pub left: Vec<ArchiveError>,
}

/// Merges what there is to merge; `told` hears of each group before it begins.
///
/// # Errors
/// When the archive cannot be written.
pub fn compact(archive: &Archive, target_bytes: u64, mut told: impl FnMut(&Group)) -> Result<Compacted, ArchiveError> {
    let mut sequence = 0;
    let numbers = |import: Import| {
        sequence = import.files.iter().map(|file| file.sequence).fold(sequence, u64::max);
    };
    let mut staging = Staging::begin(&archive.root, numbers)?;
    let (known, groups) = staging.quietly(|journal| Ok((journal.files()?, plan(archive, target_bytes)?)))?;
    let known: HashMap<PathBuf, ImportedFile> =
        known.into_iter().map(|file| (archive.root.join(&file.path), file)).collect();
    let mut compacted = Compacted::default();
    let folder = staging.folder().to_owned();
    let is_ours =
        |error: &ArchiveError| matches!(error, ArchiveError::Segment { path, .. } if path.starts_with(&folder));
    for group in groups {
        told(&group);
        sequence += 1;
        match merge(archive, &mut staging, &known, &group, sequence) {
            Ok(file) => {
                sequence = file.sequence;
                compacted.files.0 += group.files.len() as u64;
                compacted.files.1 += 1;
                compacted.bytes.0 += group.bytes;
                compacted.bytes.1 += file.bytes;
                compacted.rows += file.rows;
            }
            // What cannot be written (a full disk) is no fault of these files.
            Err(error @ (ArchiveError::Suspect { .. } | ArchiveError::Segment { .. })) if !is_ours(&error) => {
                staging.clear()?;
                compacted.left.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(compacted)
}

fn merge(
    archive: &Archive,
    staging: &mut Staging,
    known: &HashMap<PathBuf, ImportedFile>,
    group: &Group,
    sequence: u64,
) -> Result<ImportedFile, ArchiveError> {
    let mut sources = Vec::new();
    let (mut origins, mut expected): (Vec<Origin>, u64) = (Vec::new(), 0);
    for path in &group.files {
        let suspect = |why: &str| ArchiveError::Suspect { path: path.clone(), why: why.to_owned() };
        let record = known.get(path).ok_or_else(|| suspect("no import made this file"))?;
        match file_sha256(path) {
            Ok(sha256) if sha256 == record.sha256 => {}
            Ok(_) => return Err(suspect("is not as it was imported")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(suspect("is gone")),
            Err(error) => return Err(ArchiveError::io(path)(error)),
        }
        let file = SegmentFile::open(path).map_err(ArchiveError::segment(path))?;
        if file.info.version > VERSION {
            return Err(suspect("was written by a later version"));
        }
        expected += file.rows;
        add(&mut origins, &file.info.origins);
        sources.push(Source::open(path, &file)?);
    }
    let staged = staging.folder().join(format!("{sequence:08}.parquet"));
    let of_staged = || ArchiveError::segment(&staged);
    let mut run: Option<Run> = None;
    while let Some(rows) = next(&mut sources)? {
        let run = match &mut run {
            Some(run) => run,
            None => run.insert(Run::new(staged.clone(), sequence, &rows).map_err(of_staged())?),
        };
        run.write(&rows, &std::collections::BTreeSet::new()).map_err(of_staged())?;
    }
    let run = run.ok_or_else(|| ArchiveError::Suspect {
        path: group.files.first().cloned().unwrap_or_default(),
        why: "has no rows".to_owned(),
    })?;
    let (start, rows) = (run.start, run.rows);
    if rows != expected {
        let why = format!("{rows} rows were merged where {expected} are told of");
        return Err(ArchiveError::Suspect { path: staged, why });
    }
    let (bytes, sha256) = run.finish(origins).map_err(of_staged())?;
    let inside = |path: &Path| path.strip_prefix(&archive.root).unwrap_or(path).display().to_string();
    let path = Path::new(FLOWS).join(group.hour.folder()).join(file_name(&group.node, start, sequence));
    let file =
        ImportedFile { path: path.display().to_string(), staged: inside(&staged), sequence, rows, bytes, sha256 };
    let (_, import) = staging.commit(Import {
        producer: concat!("lookback ", env!("CARGO_PKG_VERSION")).to_owned(),
        at: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        files: vec![file.clone()],
        removes: group.files.iter().map(|path| inside(path)).collect(),
        ..Import::default()
    })?;
    Ok(import.files.into_iter().next().unwrap_or(file))
}

/// Adds logs that are not known yet, each by its content; a name alone says nothing new of a log that is known.
fn add(origins: &mut Vec<Origin>, more: &[Origin]) {
    for origin in more {
        let is_known = origins
            .iter()
            .any(|own| own.key() == origin.key() || (origin.sha256.is_empty() && own.name == origin.name));
        if !is_known {
            origins.retain(|own| !own.sha256.is_empty() || own.name != origin.name);
            origins.push(origin.clone());
        }
    }
}

/// A file that is read on, in its order.
struct Source {
    path: PathBuf,
    reader: SegmentReader,
    /// Rows that were read and not taken yet.
    rows: RecordBatch,
    times: Vec<i64>,
    at: usize,
    is_done: bool,
}

impl Source {
    fn open(path: &Path, file: &SegmentFile) -> Result<Self, ArchiveError> {
        let reader =
            file.read(&Projection::all(), &Wanted::default(), Some(BATCH_ROWS)).map_err(ArchiveError::segment(path))?;
        let rows = RecordBatch::new_empty(arrow::datatypes::Schema::empty().into());
        Ok(Self { path: path.to_owned(), reader, rows, times: Vec::new(), at: 0, is_done: false })
    }

    /// Reads on when all rows were taken.
    fn fill(&mut self) -> Result<(), ArchiveError> {
        while self.at >= self.times.len() && !self.is_done {
            match self.reader.next() {
                None => self.is_done = true,
                Some(batch) => {
                    let failed = |error: SegmentError| ArchiveError::segment(&self.path)(error);
                    // Each file numbers its lists in its own way.
                    self.rows = unpacked(&batch.map_err(failed)?).map_err(|error| failed(error.into()))?;
                    let times = self.rows.column_by_name("time").and_then(|times| times.as_primitive_opt());
                    let time = |row| {
                        let times: Option<&arrow::array::PrimitiveArray<TimestampNanosecondType>> = times;
                        // Rows without a time come last.
                        times.filter(|times| times.is_valid(row)).map_or(i64::MAX, |times| times.value(row))
                    };
                    self.times = (0..self.rows.num_rows()).map(time).collect();
                    self.at = 0;
                }
            }
        }
        Ok(())
    }

    fn last(&self) -> Option<i64> {
        if self.is_done { None } else { self.times.last().copied() }
    }
}

/// The next rows of all, in order: those up to the earliest end of what was read.
fn next(sources: &mut [Source]) -> Result<Option<RecordBatch>, ArchiveError> {
    for source in &mut *sources {
        source.fill()?;
    }
    let Some(until) = sources.iter().filter_map(Source::last).min() else { return Ok(None) };
    let (mut parts, mut order) = (Vec::new(), Vec::new());
    let mut is_shut = false;
    for source in sources.iter_mut().filter(|source| !source.is_done) {
        let rest = source.times.get(source.at..).unwrap_or_default();
        let count = rest.partition_point(|time| *time < until || *time == until && !is_shut);
        // More rows of this very time may follow, and they come before those of later files.
        is_shut |= source.last() == Some(until);
        if count == 0 {
            continue;
        }
        order.extend(rest.iter().take(count).copied());
        parts.push(source.rows.slice(source.at, count));
        source.at += count;
    }
    let Some(first) = parts.first() else { return Ok(None) };
    let failed = |error: arrow::error::ArrowError| {
        ArchiveError::segment(&sources.first().map(|source| source.path.clone()).unwrap_or_default())(error.into())
    };
    let all = concat_batches(first.schema_ref(), &parts).map_err(failed)?;
    if order.is_sorted() {
        return Ok(Some(all));
    }
    // A stable order: of the same time, the earlier file's rows come first.
    let mut rows: Vec<u32> = (0u32..).take(order.len()).collect();
    rows.sort_by_key(|row| order.get(*row as usize).copied());
    take_record_batch(&all, &UInt32Array::from(rows)).map(Some).map_err(failed)
}
