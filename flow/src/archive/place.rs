//! Where an archive is that is written: in a folder, or in object storage.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::ArchiveError;
use super::journal::{Import, Journal};
use super::layout::{FLOWS, Hour, file_name};
use super::sending::Sending;
use crate::store;

#[derive(Debug)]
pub(super) enum Place {
    /// With the lock, held as long as this lives.
    Here(Journal, #[expect(dead_code, reason = "held as long as this lives")] File),
    Afar(Box<Sending>),
}

impl Place {
    /// Takes an archive for writing, and gives what was imported before.
    pub(super) fn take(root: &Path) -> Result<(Self, Vec<Import>), ArchiveError> {
        if store::is_remote(root) {
            let (sending, imports) = Sending::begin(root)?;
            return Ok((Self::Afar(Box::new(sending)), imports));
        }
        let (journal, lock) = Journal::take(root)?;
        let imports = journal.imports()?;
        Ok((Self::Here(journal, lock), imports))
    }

    /// The folder of files that are being written.
    pub(super) fn importing(&self) -> PathBuf {
        match self {
            Self::Here(journal, _) => journal.importing(),
            Self::Afar(sending) => sending.spool().to_owned(),
        }
    }

    /// Where a file is written until it is committed.
    pub(super) fn staged(&self, sequence: u64) -> PathBuf {
        self.importing().join(format!("{sequence:08}.parquet"))
    }

    /// Where a file belongs, from the archive's root.
    pub(super) fn path(&self, hour: Hour, node: &str, start: Option<i64>, sequence: u64) -> PathBuf {
        let name = file_name(node, start, sequence);
        let name = match self {
            Self::Here(..) => name,
            Self::Afar(sending) => sending.name(&name),
        };
        Path::new(FLOWS).join(hour.folder()).join(name)
    }

    /// Makes an import part of the archive; gives those that others made meanwhile.
    pub(super) fn commit(&mut self, import: &Import) -> Result<Vec<Import>, ArchiveError> {
        match self {
            Self::Here(journal, _) => journal.commit(import).map(|()| Vec::new()),
            Self::Afar(sending) => sending.commit(import),
        }
    }

    /// Removes what is not committed.
    pub(super) fn clear(&self) -> Result<(), ArchiveError> {
        match self {
            Self::Here(journal, _) => journal.clear(),
            // The spool goes with it.
            Self::Afar(_) => Ok(()),
        }
    }
}
