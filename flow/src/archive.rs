//! An archive: a folder of Parquet files by day, hour and node, which any tool reads that reads Parquet.
//!
//! ```text
//! ARCHIVE/flows/date=2026-03-01/hour=10/node-a-20260301T100000Z-00000001.parquet
//! ARCHIVE/imports/00000001.json     what was imported, from where, and the hash of every file made
//! ARCHIVE/importing/                files that no import has committed yet
//! ARCHIVE/replaced/                 files that were merged or have expired, for readers that still know them
//! ```
//!
//! Promises:
//! 1. A file under `flows/` is whole, and its rows stand in the order of their time.
//! 2. An import is there whole or not at all, whenever it is killed (see [`journal`]).
//! 3. A log that was imported is not imported again; of one that has grown, only what is new.
//! 4. Files are merged ([`compact`]) and expire ([`expire`]) without a moment at which a reader misses a flow or finds one twice.
//! 5. What is in object storage is likewise whole or not there, though nothing can be renamed there (`sending`); it can be read and
//!    imported into, and not merged there.
//! 6. No text from a log becomes a path but for the letters, digits, `.`, `_` and `-` of a node's name.

mod afar;
pub mod compact;
pub mod content;
pub mod disorder;
pub mod expire;
pub mod journal;
pub mod layout;
mod limits;
pub mod merge;
mod place;
pub mod replaced;
mod runs;
mod sending;
mod staging;
mod writer;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::segment::SegmentError;
use crate::store;
use afar::Afar;
use journal::Journal;
use layout::{FLOWS, Hour};
pub use limits::Limits;
pub use writer::ArchiveWriter;

/// Why an archive could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{path}: {error}", path = path.display())]
    Segment { path: PathBuf, error: SegmentError },
    #[error("{path}: not a record of imports that this version reads: {error}", path = path.display())]
    Journal { path: PathBuf, error: serde_json::Error },
    #[error("{path}: another writer has this archive, and does not come to an end", path = .0.display())]
    Locked(PathBuf),
    #[error("{path}: another import took {log} at the same time; run this one again: what is there already is skipped", path = path.display())]
    Overtaken { path: PathBuf, log: String },
    #[error(
        "{path}: this store does not refuse to make what is there already (If-None-Match), so two imports could write over each other; \
         import into a folder, and copy that there",
        path = .0.display()
    )]
    Unconditional(PathBuf),
    #[error("{path}: it took longer than half a day to put up what was imported; run the import again", path = .0.display())]
    Slow(PathBuf),
    #[error("{path}: {what} does not work in object storage; do it in a folder, and copy that there", path = path.display())]
    OnlyHere { path: PathBuf, what: &'static str },
    #[error("{path}: the archive changes faster than it can be looked at", path = .0.display())]
    Restless(PathBuf),
    #[error("{path}: {why}; it is left as it is", path = path.display())]
    Suspect { path: PathBuf, why: String },
    #[error("{path}: there are other files in this folder, and no archive; name an empty folder, or one that is not there", path = .0.display())]
    Foreign(PathBuf),
}

impl ArchiveError {
    /// For `map_err` on a path.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }

    pub(crate) fn segment(path: &Path) -> impl FnOnce(SegmentError) -> Self {
        let path = path.to_owned();
        move |error| Self::Segment { path, error }
    }
}

/// How often an archive is looked at that changes meanwhile.
const MOST_LOOKS: usize = 100;

/// A folder that is an archive, or a place in object storage.
#[derive(Clone, Debug)]
pub struct Archive {
    pub root: PathBuf,
    /// What was seen of it, where it is in object storage.
    afar: Option<Arc<Afar>>,
}

impl PartialEq for Archive {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

impl Eq for Archive {}

/// The files of one hour, or those of no known time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourFiles {
    pub hour: Hour,
    /// In the order of their names, so by node and time.
    pub files: Vec<PathBuf>,
}

impl Archive {
    /// The archive in a folder that is one.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        let afar = store::is_remote(&root).then(|| Arc::new(Afar::new(&root)));
        Self { root, afar }
    }

    /// Likewise, of a place that may be in object storage, too.
    ///
    /// # Errors
    /// When object storage cannot be asked.
    pub fn look(root: &Path) -> Result<Option<Self>, ArchiveError> {
        if store::is_remote(root) {
            return Ok(afar::is_archive(root)?.then(|| Self::new(root.to_owned())));
        }
        Ok(Self::at(root))
    }

    /// The archive in a folder, if it is one: it has `flows/`, and `imports/` or a day in it.
    #[must_use]
    pub fn at(root: &Path) -> Option<Self> {
        let flows = root.join(FLOWS);
        let has_day = || {
            let entries = fs::read_dir(&flows).into_iter().flatten().flatten();
            entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("date="))
        };
        let is_archive = flows.is_dir() && (root.join(journal::IMPORTS).is_dir() || has_day());
        is_archive.then(|| Self::new(root.to_owned()))
    }

    /// The hours that there are, in order; what has no time comes last.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn hours(&self) -> Result<Vec<Hour>, ArchiveError> {
        if let Some(afar) = &self.afar {
            return afar.hours();
        }
        let mut hours = layout::hours(&self.root.join(FLOWS))?;
        // What an import has committed, and was killed before it could move, is part of the archive, too.
        let committed = Journal::new(&self.root).committed()?.unwrap_or_default();
        hours.extend(committed.files.iter().filter_map(|file| layout::hour_of(Path::new(&file.path))));
        hours.sort_unstable();
        hours.dedup();
        Ok(hours)
    }

    /// The files of some hours.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn files(&self, hours: &[Hour]) -> Result<Vec<HourFiles>, ArchiveError> {
        if let Some(afar) = &self.afar {
            return afar.files(hours);
        }
        self.looked(|journal| self.files_now(journal, hours))
    }

    /// The files of all hours that are wanted, as they were at one moment: of what is imported meanwhile, all or nothing.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn files_of(&self, wanted: impl Fn(Hour) -> bool) -> Result<Vec<HourFiles>, ArchiveError> {
        if let Some(afar) = &self.afar {
            let hours: Vec<Hour> = afar.hours()?.into_iter().filter(|hour| wanted(*hour)).collect();
            return afar.files(&hours);
        }
        self.looked(|journal| {
            let hours: Vec<Hour> = self.hours()?.into_iter().filter(|hour| wanted(*hour)).collect();
            self.files_now(journal, &hours)
        })
    }

    /// What is found in an archive that did not change meanwhile.
    fn looked<T>(&self, look: impl Fn(&Journal) -> Result<T, ArchiveError>) -> Result<T, ArchiveError> {
        let journal = Journal::new(&self.root);
        let mut before = journal.state()?;
        for _ in 0..MOST_LOOKS {
            let found = look(&journal)?;
            let after = journal.state()?;
            if before == after {
                return Ok(found);
            }
            // The archive changed while it was looked at.
            before = after;
        }
        Err(ArchiveError::Restless(self.root.clone()))
    }

    fn files_now(&self, journal: &Journal, hours: &[Hour]) -> Result<Vec<HourFiles>, ArchiveError> {
        let import = journal.committed()?.unwrap_or_default();
        let of_import: HashSet<PathBuf> = import.files.iter().map(|file| self.root.join(&file.path)).collect();
        let removed: HashSet<PathBuf> = import.removes.iter().map(|path| self.root.join(path)).collect();
        let of_hour = |hour: &Hour| {
            let mut files = layout::files(&self.root.join(FLOWS), *hour)?;
            files.retain(|path| !of_import.contains(path) && !removed.contains(path));
            let own = import.files.iter().filter(|file| layout::hour_of(Path::new(&file.path)) == Some(*hour));
            // Wherever the one who commits has got to.
            let place = own.map(|file| [&file.staged, &file.path].map(|path| self.root.join(path)));
            files.extend(place.filter_map(|places| places.into_iter().find(|path| path.exists())));
            Ok(HourFiles { hour: *hour, files })
        };
        hours.iter().map(of_hour).collect()
    }

    /// Every file, in the order of the hours.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn all_files(&self) -> Result<Vec<PathBuf>, ArchiveError> {
        Ok(self.files_of(|_| true)?.into_iter().flat_map(|hour| hour.files).collect())
    }
}
