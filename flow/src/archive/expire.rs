//! Old files leave an archive: by age, or the oldest until the rest is small enough.
//!
//! Whole hours go, of all nodes, so that what is left of a time is all of it. Rows without a time do not expire.

use std::path::PathBuf;

use chrono::{SecondsFormat, Utc};

use super::journal::{Import, Journal};
use super::layout::Hour;
use super::{Archive, ArchiveError};

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Hours that ended before this moment go, in nanoseconds since 1970.
    pub since: Option<i64>,
    /// The oldest hours go until no more bytes are left.
    pub most_bytes: Option<u64>,
}

/// What goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    pub hours: Vec<Hour>,
    pub files: Vec<PathBuf>,
    pub bytes: u64,
    /// Bytes that stay.
    pub left: u64,
}

/// What would go.
///
/// # Errors
/// When a folder or file cannot be looked at.
pub fn plan(archive: &Archive, retention: Retention) -> Result<Expired, ArchiveError> {
    let mut hours = Vec::new();
    for of_hour in archive.files_of(|_| true)? {
        let size = |path: &PathBuf| path.metadata().map(|own| own.len()).map_err(ArchiveError::io(path));
        let bytes = of_hour.files.iter().map(size).sum::<Result<u64, _>>()?;
        hours.push((of_hour, bytes));
    }
    let mut expired = Expired { left: hours.iter().map(|(_, bytes)| bytes).sum(), ..Expired::default() };
    for (of_hour, bytes) in hours {
        let Some((_, last)) = of_hour.hour.span() else { continue };
        let is_old = retention.since.is_some_and(|since| last < since);
        let is_over = retention.most_bytes.is_some_and(|most| expired.left > most);
        if is_old || is_over {
            expired.hours.push(of_hour.hour);
            expired.files.extend(of_hour.files);
            expired.bytes += bytes;
            expired.left -= bytes;
        }
    }
    Ok(expired)
}

/// Makes it go: one commit, whole or not at all.
///
/// # Errors
/// When the archive cannot be written.
pub fn expire(archive: &Archive, retention: Retention) -> Result<Expired, ArchiveError> {
    let journal = Journal::new(&archive.root);
    let _lock = journal.lock()?;
    journal.recover()?;
    let expired = plan(archive, retention)?;
    if expired.files.is_empty() {
        return Ok(expired);
    }
    let path = |path: &PathBuf| path.strip_prefix(&archive.root).unwrap_or(path).display().to_string();
    journal.commit(&Import {
        producer: concat!("lookback ", env!("CARGO_PKG_VERSION")).to_owned(),
        at: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        removes: expired.files.iter().map(path).collect(),
        ..Import::default()
    })?;
    Ok(expired)
}
