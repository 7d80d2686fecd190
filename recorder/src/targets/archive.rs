//! Rows → an archive, as `lookback import` makes one: hour by hour, whole files only.
//!
//! Rows wait in memory and in files that no reader sees until they are committed, every so often. What a crash or a full disk
//! takes is what was not committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use lookback_flow::archive::journal::ImportedInput;
use lookback_flow::archive::{ArchiveError, ArchiveWriter, Limits};
use lookback_flow::segment::Origin;

use super::balance::Balance;

/// Bounds for a recorder, which shares its machine with what it records: rows that are sorted are there twice meanwhile.
const LIMITS: Limits = Limits {
    block_rows: 8 * 1024,
    waiting: 16 << 20,
    unwritten: 40 << 20,
    files: 8,
    partitions: 16,
    commit_rows: u64::MAX,
    commit_inputs: usize::MAX,
    commit_partitions: usize::MAX,
};

/// Rows after which is committed at once.
const MOST_ROWS: u64 = 2_000_000;

/// An archive that is written to.
#[derive(Debug)]
pub struct ArchiveSink {
    root: PathBuf,
    node: String,
    writer: Option<ArchiveWriter>,
    /// Rows that are not committed.
    pub waiting: u64,
    /// The balance at the last commit.
    before: Balance,
}

impl ArchiveSink {
    /// Takes an archive for writing; makes it, where there is nothing yet.
    ///
    /// # Errors
    /// When it cannot be written, or another one writes to it.
    pub fn open(root: &Path, node: &str) -> Result<Self, ArchiveError> {
        let writer = Some(ArchiveWriter::with_limits(root, LIMITS)?);
        Ok(Self { root: root.to_owned(), node: node.to_owned(), writer, waiting: 0, before: Balance::default() })
    }

    /// Adds rows. Fails for all that wait: how many these are, and why.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), (u64, ArchiveError)> {
        let rows = batch.num_rows() as u64;
        let outcome = self.writer().and_then(|writer| writer.add(batch));
        self.waiting += rows;
        outcome.map_err(|error| self.give_up(error))
    }

    /// Whether it should not wait for its time.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting >= MOST_ROWS
    }

    /// Makes what waits part of the archive, with the balance since the last time: how many rows these were.
    ///
    /// # Errors
    /// When the disk fails; what waited is lost then.
    pub fn commit(&mut self, balance: &Balance) -> Result<u64, (u64, ArchiveError)> {
        if self.waiting == 0 {
            return Ok(0);
        }
        let input = ImportedInput { origins: vec![self.origin(balance)], content: None };
        let outcome = self.writer().and_then(|writer| {
            writer.end_input(input)?;
            writer.commit()
        });
        match outcome {
            Ok(()) => {
                self.before = balance.clone();
                Ok(std::mem::take(&mut self.waiting))
            }
            Err(error) => Err(self.give_up(error)),
        }
    }

    /// What was seen since the last commit, and what of it is not in the files.
    fn origin(&self, balance: &Balance) -> Origin {
        let mut rejected = BTreeMap::new();
        for (cause, count) in &balance.lost {
            let count = count - self.before.lost.get(cause).copied().unwrap_or_default().min(*count);
            if count > 0 {
                rejected.insert(format!("lost: {}", cause.name()), count);
            }
        }
        for (what, now, before) in [
            ("filtered out", balance.filtered, self.before.filtered),
            ("told by an aggregate", balance.aggregated, self.before.aggregated),
        ] {
            if now > before {
                rejected.insert(what.to_owned(), now - before);
            }
        }
        Origin {
            name: format!("lookback-recorder on {}", self.node),
            lines: self.waiting + rejected.values().sum::<u64>(),
            rejected,
            ..Origin::default()
        }
    }

    fn writer(&mut self) -> Result<&mut ArchiveWriter, ArchiveError> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => ArchiveWriter::with_limits(&self.root, LIMITS)?,
        };
        let writer = self.writer.insert(writer);
        writer.begin_input(&self.node);
        Ok(writer)
    }

    /// Begins anew: what waited is lost, and its files are cleared away.
    fn give_up(&mut self, error: ArchiveError) -> (u64, ArchiveError) {
        self.writer = None;
        (std::mem::take(&mut self.waiting), error)
    }
}
