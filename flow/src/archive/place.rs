//! Where an archive is that is written: in a folder, or in object storage.

use std::path::{Path, PathBuf};

use super::ArchiveError;
use super::journal::Import;
use super::layout::{FLOWS, Hour, file_name};
use super::sending::Sending;
use super::staging::Staging;
use crate::store;

#[derive(Debug)]
pub(super) enum Place {
    Here(Box<Staging>),
    Afar(Box<Sending>),
}

impl Place {
    /// Takes an archive for writing, and hands on what was imported before.
    pub(super) fn begin(root: &Path, take: impl FnMut(Import)) -> Result<Self, ArchiveError> {
        if store::is_remote(root) {
            let (sending, imports) = Sending::begin(root)?;
            imports.into_iter().for_each(take);
            return Ok(Self::Afar(Box::new(sending)));
        }
        Ok(Self::Here(Box::new(Staging::begin(root, take)?)))
    }

    /// The folder of files that are being written.
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Here(staging) => staging.folder(),
            Self::Afar(sending) => sending.spool(),
        }
    }

    /// Where a file is written until it is committed.
    pub(super) fn staged(&self, sequence: u64) -> PathBuf {
        self.folder().join(format!("{sequence:08}.parquet"))
    }

    /// Where a file belongs, from the archive's root.
    pub(super) fn path(&self, hour: Hour, node: &str, start: Option<i64>, sequence: u64) -> PathBuf {
        let name = file_name(node, start, sequence);
        let name = match self {
            Self::Here(_) => name,
            Self::Afar(sending) => sending.name(&name),
        };
        Path::new(FLOWS).join(hour.folder()).join(name)
    }

    /// Makes an import part of the archive; gives those that others made meanwhile, and the import as it was made.
    pub(super) fn commit(&mut self, import: Import) -> Result<(Vec<Import>, Import), ArchiveError> {
        match self {
            Self::Here(staging) => staging.commit(import),
            Self::Afar(sending) => sending.commit(import),
        }
    }
}
