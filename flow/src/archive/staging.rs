//! Rows → an archive in a folder, which several may write at once.
//!
//! 1. Files are written to a folder in `importing/` of the writer's own, which is locked as long as the writer lives.
//! 2. A commit takes the archive for its moment: what others committed since is read. If it is of the same log, the commit fails; where
//!    numbers of files were taken, others are given. Then the journal does the rest.
//!
//! What a writer leaves that was killed is a folder that nobody has locked: the next one clears it away.

use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

use chrono::Utc;

use super::ArchiveError;
use super::journal::{Import, ImportedFile, Journal, sync};
use super::layout::renumbered;

/// The file in a writer's folder that it holds a lock on.
const LOCK: &str = "lock";

/// Digits of a word.
const WORD: usize = 16;

/// A writer of an archive in a folder.
#[derive(Debug)]
pub(super) struct Staging {
    journal: Journal,
    root: PathBuf,
    folder: PathBuf,
    _lock: File,
    /// The number of the last record that is known.
    last: u64,
}

impl Staging {
    /// Takes its place among the writers of an archive, makes it, where there is nothing yet; hands on what was imported.
    pub(super) fn begin(root: &Path, take: impl FnMut(Import)) -> Result<Self, ArchiveError> {
        let (journal, _archive) = Journal::take(root)?;
        clear(&journal.importing())?;
        let last = journal.behind(0, take)?;
        let folder = journal.importing().join(word());
        let at_lock = folder.join(LOCK);
        fs::create_dir(&folder).map_err(ArchiveError::io(&folder))?;
        let lock = File::create_new(&at_lock).and_then(|lock| lock.lock().map(|()| lock));
        let lock = lock.map_err(ArchiveError::io(&at_lock))?;
        Ok(Self { journal, root: root.to_owned(), folder, _lock: lock, last })
    }

    /// The folder of the files that are not committed.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Looks at the archive while nobody commits.
    pub(super) fn quietly<T>(&self, look: impl FnOnce(&Journal) -> Result<T, ArchiveError>) -> Result<T, ArchiveError> {
        let _archive = self.journal.lock()?;
        self.journal.recover()?;
        look(&self.journal)
    }

    /// Makes an import part of the archive; gives those that others made meanwhile, and the import as it was made.
    pub(super) fn commit(&mut self, mut import: Import) -> Result<(Vec<Import>, Import), ArchiveError> {
        let _archive = self.journal.lock()?;
        self.journal.recover()?;
        let mut meanwhile = Vec::new();
        self.last = self.journal.behind(self.last, |import| meanwhile.push(import))?;
        if let Some(log) = meanwhile.iter().find_map(|other| import.shares(other)) {
            return Err(ArchiveError::Overtaken { path: self.root.clone(), log });
        }
        let gone = meanwhile.iter().flat_map(|other| &other.removes).find(|path| import.removes.contains(path));
        if let Some(path) = gone {
            let why = "was merged or expired meanwhile".to_owned();
            return Err(ArchiveError::Suspect { path: self.root.join(path), why });
        }
        renumber(&mut import, &meanwhile);
        sync(&self.folder)?;
        self.journal.commit(&import)?;
        self.last += 1;
        Ok((meanwhile, import))
    }

    /// Removes files that were not committed.
    pub(super) fn clear(&self) -> Result<(), ArchiveError> {
        let is_own = |import: Import| {
            let mut staged = import.files.iter().map(|file| self.root.join(&file.staged));
            staged.any(|path| path.starts_with(&self.folder))
        };
        // A commit that was cut short is carried out by whoever comes next.
        if self.journal.committed()?.is_some_and(is_own) { Ok(()) } else { remove_staged(&self.folder) }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now, the next writer removes.
        if self.clear().is_ok() {
            remove(&self.folder);
        }
    }
}

/// Gives files other numbers where others took theirs.
fn renumber(import: &mut Import, meanwhile: &[Import]) {
    let taken = meanwhile.iter().flat_map(|other| &other.files).map(|file| file.sequence).max();
    let first = import.files.iter().map(|file| file.sequence).min();
    let (Some(taken), Some(first)) = (taken, first) else { return };
    if first > taken {
        return;
    }
    let further = taken + 1 - first;
    for ImportedFile { path, sequence, .. } in &mut import.files {
        *sequence += further;
        *path = renumbered(Path::new(path), *sequence).display().to_string();
    }
}

/// Removes the folders of writers that are no more. Only for whoever has the archive: nobody is making one then.
fn clear(importing: &Path) -> Result<(), ArchiveError> {
    for entry in fs::read_dir(importing).map_err(ArchiveError::io(importing))? {
        let entry = entry.map_err(ArchiveError::io(importing))?;
        let is_word = entry.file_name().to_str().is_some_and(is_word);
        // Never a link: it would lead out of the archive.
        if !is_word || !entry.file_type().is_ok_and(|own| own.is_dir()) {
            continue;
        }
        let folder = entry.path();
        let is_left = match File::options().write(true).open(folder.join(LOCK)) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if is_left {
            remove_staged(&folder)?;
            remove(&folder);
        }
    }
    Ok(())
}

/// Removes a writer's files, and nothing else that may be there.
fn remove_staged(folder: &Path) -> Result<(), ArchiveError> {
    for entry in fs::read_dir(folder).map_err(ArchiveError::io(folder))? {
        let path = entry.map_err(ArchiveError::io(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.strip_suffix(".parquet").is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit())) {
            fs::remove_file(&path).map_err(ArchiveError::io(&path))?;
        }
    }
    Ok(())
}

/// Removes a writer's folder, unless somebody put something into it.
fn remove(folder: &Path) {
    let _ = fs::remove_file(folder.join(LOCK));
    let _ = fs::remove_dir(folder);
}

fn is_word(name: &str) -> bool {
    name.len() == WORD && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A word that nobody else has: the standard library seeds its hashers from the system's randomness.
pub(super) fn word() -> String {
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_i64(Utc::now().timestamp_nanos_opt().unwrap_or_default());
    hasher.write_u32(std::process::id());
    format!("{:016x}", hasher.finish())
}
