//! What is served: the files of archives, each in the order of time.
//!
//! Promises:
//! 1. Files of archives are read where they are. All else, logs and other Parquet files, is put into an archive of its own in a
//!    temporary folder first, since it may be in any order, and need not be kept in memory then.
//! 2. Files do not change while they are served: what an import adds is seen by the next server.
//! 3. Of a file only its span, and as many footers as fit in [`FOOTERS`], are kept in memory.

mod scratch;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lookback_flow::archive::ArchiveError;
use lookback_flow::coverage::Coverage;
use lookback_flow::inputs::Input;
use lookback_flow::proto::observer::Namespace;
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Origin, Reading, SegmentError, SegmentFile, SegmentReader, Wanted};
use tempfile::TempDir;

use super::selection::UNTIMED;

/// Bytes of footers that are kept in memory.
const FOOTERS: usize = 96 << 20;

/// Why inputs cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("{path}: {error}", path = path.display())]
    Segment { path: PathBuf, error: SegmentError },
    #[error("{input}: {error}")]
    Input { input: String, error: std::io::Error },
    #[error("cannot put logs in order in a temporary folder: {0}")]
    Scratch(std::io::Error),
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
}

/// A file of an archive.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// Times of its first and last row that have one.
    span: Option<(i64, i64)>,
    /// Whether some of its rows have none.
    untimed: bool,
    pub(crate) rows: u64,
    /// Its place among all files: input by input, in the order in which they were made. Rows of the same time come in this
    /// order.
    pub(crate) order: usize,
}

impl Segment {
    /// The time of the first row, where one without a time is after all others.
    pub(crate) fn first(&self) -> i64 {
        self.span.map_or(UNTIMED, |(first, _)| first)
    }

    pub(crate) fn last(&self) -> i64 {
        match self.span {
            Some((_, last)) if !self.untimed => last,
            _ => UNTIMED,
        }
    }

    /// Whether it may hold rows of a window.
    pub(crate) fn reaches(&self, (since, until): (i64, i64)) -> bool {
        self.first() <= until && self.last() >= since
    }
}

/// What is served.
#[derive(Debug)]
pub struct Store {
    /// By their first time.
    segments: Vec<Segment>,
    /// What all of it covers.
    pub(crate) coverage: Coverage,
    footers: Mutex<Footers>,
    pub(crate) namespaces: OnceLock<Vec<Namespace>>,
    /// The logs that were put in order, and what was rejected of them.
    pub read: Vec<Origin>,
    /// Holds the files of logs as long as they are served.
    scratch: Option<TempDir>,
}

/// The footers that were used last.
#[derive(Debug, Default)]
struct Footers {
    kept: VecDeque<(usize, usize, Arc<SegmentFile>)>,
    bytes: usize,
}

impl Store {
    /// Opens inputs; logs among them are read now, and put in order below a folder for temporary files.
    ///
    /// # Errors
    /// When an input cannot be read, or not be put in order.
    pub fn open(inputs: &[Input], temporary: &Path) -> Result<Self, StoreError> {
        let mut files = Vec::new();
        let mut others = Vec::new();
        for (at, input) in inputs.iter().enumerate() {
            match input {
                Input::Archive(archive) => {
                    let own = archive.all_files()?;
                    lookback_flow::store::open_soon(&own);
                    files.extend(own.into_iter().map(|path| (at, path)));
                }
                other => others.push(other),
            }
        }
        let mut store = Self {
            segments: Vec::new(),
            coverage: Coverage::default(),
            footers: Mutex::default(),
            namespaces: OnceLock::new(),
            read: Vec::new(),
            scratch: None,
        };
        let mut uncounted = Vec::new();
        let mut made = Vec::new();
        for (at, path) in files {
            let segment = |error| StoreError::Segment { path: path.clone(), error };
            let mut file = SegmentFile::open(&path).map_err(segment)?;
            match file.info.coverage.take() {
                Some(coverage) => made.push(((at, file.info.sequence), store.counted(path, &file, coverage))),
                // Another program's, or an old one: what it holds is found out by reading all of it.
                None => uncounted.push(Input::File(path)),
            }
        }
        others.extend(&uncounted);
        if !others.is_empty() {
            let scratch = TempDir::with_prefix_in("lookback-", temporary).map_err(StoreError::Scratch)?;
            let (archive, read) = scratch::ordered(&others, &scratch.path().join("archive"))?;
            for path in archive.all_files()? {
                let segment = |error| StoreError::Segment { path: path.clone(), error };
                let mut file = SegmentFile::open(&path).map_err(segment)?;
                let coverage = file.info.coverage.take().unwrap_or_default();
                made.push(((inputs.len(), file.info.sequence), store.counted(path, &file, coverage)));
            }
            store.read = read;
            store.scratch = Some(scratch);
        }
        made.sort_by_key(|(made, _)| *made);
        let in_order = made.into_iter().enumerate().map(|(order, (_, segment))| Segment { order, ..segment });
        store.segments = in_order.collect();
        store.segments.sort_by_key(|segment| (segment.first(), segment.order));
        store.coverage.join_nodes();
        Ok(store)
    }

    fn counted(&mut self, path: PathBuf, file: &SegmentFile, coverage: Coverage) -> Segment {
        let (span, untimed) = (coverage.first.zip(coverage.last), coverage.without_time > 0);
        self.coverage.merge(coverage);
        Segment { path, span, untimed, rows: file.rows, order: 0 }
    }

    /// By their first time.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The first and last time that some event has.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        self.coverage.first.zip(self.coverage.last)
    }

    /// Reads what is wanted of a file, and perhaps more.
    pub(crate) fn rows(
        &self,
        segment: usize,
        columns: &Projection,
        wanted: &Wanted,
        reading: Reading,
    ) -> Result<SegmentReader, SegmentError> {
        let Some(Segment { path, .. }) = self.segments.get(segment) else { return Err(SegmentError::NotFlows) };
        self.footer(segment, path)?.read_again(path, columns, wanted, reading)
    }

    /// An error of a file.
    pub(crate) fn failed(&self, segment: usize, error: SegmentError) -> StoreError {
        let path = self.segments.get(segment).map(|segment| segment.path.clone()).unwrap_or_default();
        StoreError::Segment { path, error }
    }

    fn footer(&self, segment: usize, path: &Path) -> Result<Arc<SegmentFile>, SegmentError> {
        let lock = || self.footers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = lock().used(segment) {
            return Ok(file);
        }
        let mut file = SegmentFile::open(path)?;
        file.info = lookback_flow::segment::SegmentInfo::default();
        let file = Arc::new(file);
        lock().keep(segment, &file);
        Ok(file)
    }
}

impl Footers {
    fn used(&mut self, segment: usize) -> Option<Arc<SegmentFile>> {
        let at = self.kept.iter().position(|(kept, ..)| *kept == segment)?;
        let used = self.kept.remove(at)?;
        let file = Arc::clone(&used.2);
        self.kept.push_front(used);
        Some(file)
    }

    fn keep(&mut self, segment: usize, file: &Arc<SegmentFile>) {
        let bytes = file.metadata().memory_size();
        self.kept.push_front((segment, bytes, Arc::clone(file)));
        self.bytes += bytes;
        while self.bytes > FOOTERS
            && let Some((_, bytes, _)) = self.kept.pop_back()
        {
            self.bytes -= bytes;
        }
    }
}
