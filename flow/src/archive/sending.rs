//! Rows → an archive in object storage, where nothing can be renamed and several may write at once.
//!
//! 1. Files are written to a temporary folder of this machine, to their end, as many as make a commit.
//! 2. A claim is made in `importing/`: the record to be, with the names of the files. Then they are put to where they belong. Their names
//!    have a word of this commit in them, so nobody else writes them; while there is a claim, nobody reads them.
//! 3. The record is made in `imports/`, under the number behind the last one, by a request that fails if there is one of this number
//!    already. With it the import is done. Who finds the number taken reads what was imported meanwhile: if it is the same log, the
//!    import fails, else the next number is tried. So of two who import the same log at once, one does.
//! 4. The claim is deleted.
//!
//! What is left of an import that was killed is a claim and files that count nowhere. Who imports a day later deletes them; who needs
//! half a day from claim to record gives up.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rayon::prelude::*;
use tempfile::TempDir;

use super::ArchiveError;
use super::afar::{claim, claims, imports, list_one, record};
use super::journal::{IMPORTING, IMPORTS, Import, ImportedFile, parse};
use super::layout::{FLOWS, import_of, of_import};
use super::staging::word;
use crate::store::{Store, store};

/// A claim this old is none any more, in nanoseconds.
const ABANDONED: i64 = 24 * 3_600_000_000_000;

/// From claim to record it may take no longer, by far less than until somebody takes it for abandoned.
const LONGEST: Duration = Duration::from_hours(12);

/// Records that others make while one is made.
const MOST_TRIES: usize = 1000;

/// A file that is there, so that it is found out whether the store refuses to make it again.
const PROBE: &str = "probe";

/// An import into an archive in object storage.
#[derive(Debug)]
pub(super) struct Sending {
    root: PathBuf,
    spool: TempDir,
    /// In the names of the files of the next commit.
    word: String,
    /// The number of the last record that is known.
    last: u64,
}

impl Sending {
    /// Looks at what is there, and clears away what was left behind; gives what was imported.
    pub(super) fn begin(root: &Path) -> Result<(Self, Vec<Import>), ArchiveError> {
        let ours = |name: &str| [FLOWS, IMPORTS, IMPORTING, super::replaced::REPLACED].contains(&name);
        let entries = list_one(root)?;
        if !entries.is_empty() && !entries.iter().any(|entry| entry.is_folder && ours(&entry.name)) {
            return Err(ArchiveError::Foreign(root.to_owned()));
        }
        let store = reached(root)?;
        probe(store, root)?;
        let imports = imports(root, 0)?;
        clear(store, root, &imports)?;
        let spool = TempDir::with_prefix("lookback-").map_err(ArchiveError::io(&std::env::temp_dir()))?;
        let last = imports.last_key_value().map_or(0, |(number, _)| *number);
        Ok((Self { root: root.to_owned(), spool, word: word(), last }, imports.into_values().collect()))
    }

    /// The folder of the files that are not put up yet.
    pub(super) fn spool(&self) -> &Path {
        self.spool.path()
    }

    /// What a file is called there.
    pub(super) fn name(&self, name: &str) -> String {
        of_import(name, &self.word)
    }

    /// Makes an import part of the archive; gives those that others made meanwhile, and the import as it was made.
    pub(super) fn commit(&mut self, mut import: Import) -> Result<(Vec<Import>, Import), ArchiveError> {
        let store = reached(&self.root)?;
        let begun = Instant::now();
        let claimed = claim(&self.root, self.last + 1, &self.word);
        import.files.iter_mut().for_each(|file| file.staged.clear());
        let text = serde_json::to_vec_pretty(&import)
            .map_err(|error| ArchiveError::Journal { path: claimed.clone(), error })?;
        match store.create(&claimed, text.clone()) {
            // A request whose answer was lost is made again: nobody else has this word.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(ArchiveError::io(&claimed)(error));
            }
            _ => {}
        }
        let spool = self.spool().to_owned();
        let staged = |file: &ImportedFile| spool.join(format!("{:08}.parquet", file.sequence));
        let put = import.files.par_iter().try_for_each(|file| {
            let to = self.root.join(&file.path);
            store.put(&staged(file), &to).map_err(ArchiveError::io(&to))
        });
        let done = put.map_err(Failed::Surely).and_then(|()| self.record(store, &import, &text, begun));
        let meanwhile = done.map_err(|failed| {
            let error = match failed {
                // The record may be there: then these files count, and are needed.
                Failed::Perhaps(error) => return error,
                Failed::Surely(error) => error,
            };
            // What cannot be deleted now counts nowhere, and goes a day later. First the files: without the claim they would count.
            let deleted = import.files.iter().try_for_each(|file| store.delete(&self.root.join(&file.path)));
            let _ = deleted.and_then(|()| store.delete(&claimed));
            error
        })?;
        // It is committed, whatever comes of these.
        let _ = store.delete(&claimed);
        for file in &import.files {
            let staged = staged(file);
            std::fs::remove_file(&staged).map_err(ArchiveError::io(&staged))?;
        }
        self.word = word();
        Ok((meanwhile, import))
    }

    /// Makes the record, behind those that others made meanwhile.
    fn record(
        &mut self,
        store: &dyn Store,
        import: &Import,
        text: &[u8],
        begun: Instant,
    ) -> Result<Vec<Import>, Failed> {
        let mut meanwhile = Vec::new();
        for _ in 0..MOST_TRIES {
            if begun.elapsed() > LONGEST {
                return Err(Failed::Surely(ArchiveError::Slow(self.root.clone())));
            }
            let path = record(&self.root, self.last + 1);
            let made = store.create(&path, text.to_vec());
            let unsure = made.as_ref().err().is_some_and(|error| error.kind() != io::ErrorKind::AlreadyExists);
            if let Err(error) = made {
                let found = match read(store, &path) {
                    // The one who was about to make it did not.
                    Err(gone) if gone.kind() == io::ErrorKind::NotFound && !unsure => continue,
                    Ok(found) => found,
                    Err(_) => return Err(Failed::Perhaps(ArchiveError::io(&path)(error))),
                };
                // A request whose answer was lost is made again, and finds what it did.
                if found != text {
                    let other = parse(&found, &path).map_err(Failed::Surely)?;
                    if let Some(log) = import.shares(&other) {
                        return Err(Failed::Surely(ArchiveError::Overtaken { path: self.root.clone(), log }));
                    }
                    self.last += 1;
                    meanwhile.push(other);
                    continue;
                }
            }
            self.last += 1;
            return Ok(meanwhile);
        }
        Err(Failed::Surely(ArchiveError::Restless(self.root.clone())))
    }
}

/// Why a record was not made.
enum Failed {
    /// It is not there.
    Surely(ArchiveError),
    /// Whether it is there could not be found out.
    Perhaps(ArchiveError),
}

fn reached(root: &Path) -> Result<&'static dyn Store, ArchiveError> {
    store().map(AsRef::as_ref).map_err(ArchiveError::io(root))
}

fn read(store: &dyn Store, path: &PathBuf) -> io::Result<Bytes> {
    let read = store.read(std::slice::from_ref(path)).pop();
    read.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
}

/// Finds out whether the store refuses to make what is there already. One that does not lets imports write over each other.
fn probe(store: &dyn Store, root: &Path) -> Result<(), ArchiveError> {
    let path = root.join(IMPORTING).join(PROBE);
    for _ in 0..2 {
        match store.create(&path, b"Lookback makes this file twice: the second time must fail.\n".to_vec()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(ArchiveError::io(&path)(error)),
        }
    }
    Err(ArchiveError::Unconditional(root.to_owned()))
}

/// Deletes what imports left behind that were killed a day ago.
fn clear(store: &dyn Store, root: &Path, imports: &BTreeMap<u64, Import>) -> Result<(), ArchiveError> {
    let mut old = claims(root)?;
    if old.is_empty() {
        return Ok(());
    }
    // Times are those of the store's clock: ours may be wrong.
    let clock = root.join(IMPORTING).join(format!("clock-{}", word()));
    store.create(&clock, b"\n".to_vec()).map_err(ArchiveError::io(&clock))?;
    let folder = root.join(IMPORTING);
    let now = list_one(&folder)?.into_iter().find(|entry| folder.join(&entry.name) == clock);
    let now = now.map_or(0, |entry| entry.written);
    // What cannot be deleted is in nobody's way.
    let _ = store.delete(&clock);
    old.retain(|claim| now.saturating_sub(claim.written) > ABANDONED);
    let committed: HashSet<&str> =
        imports.values().flat_map(|import| &import.files).map(|file| file.path.as_str()).collect();
    for claim in old {
        let text = match read(store, &claim.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text.map_err(ArchiveError::io(&claim.path))?,
        };
        let files = parse(&text, &claim.path)?.files;
        // None but those with its word in their names: a claim decides what is deleted.
        let own = |file: &&ImportedFile| import_of(Path::new(&file.path)) == Some(claim.word.as_str());
        for file in files.iter().filter(own).filter(|file| !committed.contains(file.path.as_str())) {
            let path = root.join(&file.path);
            store.delete(&path).map_err(ArchiveError::io(&path))?;
        }
        store.delete(&claim.path).map_err(ArchiveError::io(&claim.path))?;
    }
    Ok(())
}
