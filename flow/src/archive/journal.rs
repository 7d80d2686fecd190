//! The record of imports, and how an import becomes part of an archive whole.
//!
//! 1. Files are written to a folder in `importing/`, each to its end and to disk (`staging`).
//! 2. The record, which names them and where they belong, is written to `importing/` as `commit.json`. With its renaming the
//!    import is done: it does not depend on what happens next.
//! 3. The files are moved to `flows/`, those that they replace from there to `replaced/`, then the record to `imports/`.
//!
//! Whoever comes next clears away what was written before 2, and carries out 3 where it was cut short. Readers count a
//! committed file as part of the archive wherever it stands, and a replaced one no more (see [`replaced`]).

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::content::Content;
use super::layout::FLOWS;
use super::{Archive, ArchiveError, afar, replaced};
use crate::segment::Origin;
use crate::store;

/// The folder of the records.
pub const IMPORTS: &str = "imports";

/// The folder of what is not committed yet.
pub const IMPORTING: &str = "importing";

const COMMIT: &str = "commit.json";
const UNFINISHED: &str = "commit.json.tmp";
const LOCK: &str = "lock";

/// A commit that another one makes takes no longer, and no longer is waited for it.
const LONGEST: Duration = Duration::from_mins(1);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// One import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// The program that made it.
    pub producer: String,
    /// When, RFC 3339.
    pub at: String,
    pub inputs: Vec<ImportedInput>,
    pub files: Vec<ImportedFile>,
    /// Files that are no part of the archive any more: merged into those above, or expired. Paths from the archive's root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removes: Vec<String>,
}

impl Import {
    /// A log that another import has, too, in part at least.
    pub(super) fn shares(&self, other: &Self) -> Option<String> {
        let heads = |import: &Self| -> HashSet<String> {
            import.inputs.iter().filter_map(|input| Some(input.content.as_ref()?.head_sha256.clone())).collect()
        };
        let others = heads(other);
        let is_theirs = |content: &Content| others.contains(&content.head_sha256);
        let input = self.inputs.iter().find(|input| input.content.as_ref().is_some_and(is_theirs))?;
        Some(input.origins.first().map_or_else(|| "a log".to_owned(), |origin| origin.name.clone()))
    }
}

/// A log that was imported, or what was new in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedInput {
    /// What was read: the name, the hash of the file as it was, the lines that were new. A Parquet file stands for the
    /// logs that it was made from.
    pub origins: Vec<Origin>,
    /// Its whole content then, with what was known before. `None` when that could not be told.
    pub content: Option<Content>,
}

/// A file that was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedFile {
    /// Where it belongs, from the archive's root.
    pub path: String,
    /// Where it was written.
    pub staged: String,
    pub sequence: u64,
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
}

/// The record of an archive's imports.
#[derive(Clone, Debug)]
pub struct Journal {
    root: PathBuf,
}

impl Journal {
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Takes an archive, until the file is dropped; makes it, where there is nothing yet.
    pub(super) fn take(root: &Path) -> Result<(Self, File), ArchiveError> {
        if root.exists() && !root.is_dir() {
            return Err(ArchiveError::Foreign(root.to_owned()));
        }
        let journal = Self::new(root);
        if Archive::at(root).is_none() {
            fs::create_dir_all(root).map_err(ArchiveError::io(root))?;
            // An import that was killed at its very beginning leaves this one folder behind.
            let mut entries = fs::read_dir(root).map_err(ArchiveError::io(root))?;
            if !entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == IMPORTING)) {
                return Err(ArchiveError::Foreign(root.to_owned()));
            }
        }
        let lock = journal.lock()?;
        for folder in [FLOWS, IMPORTS] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).map_err(ArchiveError::io(&folder))?;
        }
        journal.recover()?;
        Ok((journal, lock))
    }

    /// Every import so far, in order.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn imports(&self) -> Result<Vec<Import>, ArchiveError> {
        if store::is_remote(&self.root) {
            return Ok(afar::imports(&self.root, 0)?.into_values().collect());
        }
        let mut imports = Vec::new();
        self.behind(0, |import| imports.push(import))?;
        imports.extend(self.committed()?);
        Ok(imports)
    }

    /// Hands on the records behind a number, one by one, as there may be many; gives the number of the last one.
    pub(super) fn behind(&self, number: u64, mut take: impl FnMut(Import)) -> Result<u64, ArchiveError> {
        let mut last = number;
        for (number, path) in self.records()?.into_iter().filter(|(own, _)| *own > number) {
            read(&path)?.into_iter().for_each(&mut take);
            last = number;
        }
        Ok(last)
    }

    /// The import that is committed and not moved yet, if there is one.
    pub(super) fn committed(&self) -> Result<Option<Import>, ArchiveError> {
        read(&self.commit_path())
    }

    /// Takes the archive for a commit, until the file is dropped; waits for others who have it.
    pub(super) fn lock(&self) -> Result<File, ArchiveError> {
        if store::is_remote(&self.root) {
            return Err(ArchiveError::OnlyHere { path: self.root.clone(), what: "merging and letting go of files" });
        }
        let path = self.importing().join(LOCK);
        fs::create_dir_all(self.importing()).map_err(ArchiveError::io(&path))?;
        // It is never emptied: a link in its place would lead to somebody's file.
        let file =
            File::options().write(true).create(true).truncate(false).open(&path).map_err(ArchiveError::io(&path))?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                #[expect(clippy::disallowed_methods, reason = "a lock can be waited for without an end, or looked at")]
                Err(fs::TryLockError::WouldBlock) if begun.elapsed() < LONGEST => thread::sleep(PAUSE),
                Err(fs::TryLockError::WouldBlock) => return Err(ArchiveError::Locked(self.root.clone())),
                Err(fs::TryLockError::Error(error)) => return Err(ArchiveError::io(&path)(error)),
            }
        }
    }

    /// Carries out a commit that was cut short, and clears away one that was not yet made. Only for whoever has the archive.
    pub(super) fn recover(&self) -> Result<(), ArchiveError> {
        if let Some(import) = self.committed()? {
            self.carry_out(&import)?;
        }
        let unfinished = self.importing().join(UNFINISHED);
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ArchiveError::io(&unfinished)(error)),
            _ => Ok(()),
        }
    }

    /// Makes an import part of the archive.
    pub(super) fn commit(&self, import: &Import) -> Result<(), ArchiveError> {
        let (path, unfinished) = (self.commit_path(), self.importing().join(UNFINISHED));
        let text =
            serde_json::to_vec_pretty(import).map_err(|error| ArchiveError::Journal { path: path.clone(), error })?;
        let write = || {
            let mut file = File::create(&unfinished)?;
            file.write_all(&text)?;
            file.sync_all()
        };
        write().map_err(ArchiveError::io(&unfinished))?;
        fs::rename(&unfinished, &path).map_err(ArchiveError::io(&path))?;
        sync(&self.importing())?;
        self.carry_out(import)
    }

    /// Moves what is committed to where it belongs; may be repeated.
    fn carry_out(&self, import: &Import) -> Result<(), ArchiveError> {
        for file in &import.files {
            let (staged, path) = (self.root.join(&file.staged), self.root.join(&file.path));
            if !staged.exists() {
                continue;
            }
            let folder = path.parent().unwrap_or(&self.root);
            fs::create_dir_all(folder).map_err(ArchiveError::io(folder))?;
            replaced::check_inside(&self.root, &path)?;
            replaced::check_inside(&self.root, &staged)?;
            fs::rename(&staged, &path).map_err(ArchiveError::io(&path))?;
            sync(folder)?;
        }
        for path in &import.removes {
            replaced::put_away(&self.root, Path::new(path))?;
        }
        let imports = self.root.join(IMPORTS);
        fs::create_dir_all(&imports).map_err(ArchiveError::io(&imports))?;
        let number = self.records()?.last().map_or(1, |(number, _)| number + 1);
        let record = imports.join(format!("{number:08}.json"));
        fs::rename(self.commit_path(), &record).map_err(ArchiveError::io(&record))?;
        sync(&imports)?;
        sync(&self.importing())
    }

    /// The number of the last record, and whether a commit is being carried out: what changes when the archive does.
    pub(super) fn state(&self) -> Result<(u64, bool), ArchiveError> {
        let is_committing = self.commit_path().exists();
        Ok((self.records()?.last().map_or(0, |(number, _)| *number), is_committing))
    }

    /// Files that the archive has, by the records: made, and not replaced or expired since.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn files(&self) -> Result<Vec<ImportedFile>, ArchiveError> {
        let imports = self.imports()?;
        let removed: HashSet<String> = imports.iter().flat_map(|import| import.removes.iter().cloned()).collect();
        let files = imports.into_iter().flat_map(|import| import.files);
        Ok(files.filter(|file| !removed.contains(&file.path)).collect())
    }

    /// The records by number.
    fn records(&self) -> Result<Vec<(u64, PathBuf)>, ArchiveError> {
        let folder = self.root.join(IMPORTS);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ArchiveError::io(&folder)(error)),
        };
        let mut records = Vec::new();
        for entry in entries {
            let path = entry.map_err(ArchiveError::io(&folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            records.extend(number_of(name).map(|number| (number, path)));
        }
        records.sort_unstable();
        Ok(records)
    }

    pub(super) fn importing(&self) -> PathBuf {
        self.root.join(IMPORTING)
    }

    fn commit_path(&self) -> PathBuf {
        self.importing().join(COMMIT)
    }
}

/// The number of a record.
pub(super) fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(".json").and_then(|number| number.parse::<u32>().ok()).map(u64::from)
}

fn read(path: &Path) -> Result<Option<Import>, ArchiveError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ArchiveError::io(path)(error)),
    };
    parse(&text, path).map(Some)
}

/// A record, as it stands in a file.
pub(super) fn parse(text: &[u8], path: &Path) -> Result<Import, ArchiveError> {
    let import: Import =
        serde_json::from_slice(text).map_err(|error| ArchiveError::Journal { path: path.to_owned(), error })?;
    // A record decides where files are moved to: none leads out of the archive.
    let inside = |path: &str| Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let removes_files = import.removes.iter().all(|path| inside(path) && Path::new(path).starts_with(FLOWS));
    if removes_files && import.files.iter().all(|file| inside(&file.path) && inside(&file.staged)) {
        return Ok(import);
    }
    let error = <serde_json::Error as serde::de::Error>::custom("a path in it leads out of the archive");
    Err(ArchiveError::Journal { path: path.to_owned(), error })
}

/// Makes the names in a folder last.
pub(super) fn sync(folder: &Path) -> Result<(), ArchiveError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ArchiveError::io(folder))
}
