//! Lines → files, rotated and named as Hubble's exporter does it.
//!
//! Promises:
//! 1. A line is in one file, whole. What a full disk cut off is taken back, so that the next line begins at a line's beginning.
//! 2. Nothing is overwritten: a name that is taken is not used.
//! 3. A last line that a crash tore is kept in a file of its own (`.torn`), and the log goes on behind the last whole one.
//! 4. Two recorders never write to one file.
//!
//! The active file has the name that was asked for, rotated ones `<name>-<time>.<ext>`, `.gz` if compressed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Time in a rotated file's name.
const LAYOUT: &str = "%Y-%m-%dT%H-%M-%S%.3f";

/// How files are rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub max_bytes: u64,
    /// Rotated files that are kept; 0 keeps all.
    pub max_backups: usize,
    pub compress: bool,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_bytes: 10 << 20, max_backups: 5, compress: false }
    }
}

/// A log that is written to.
#[derive(Debug)]
pub struct RotatedFile {
    path: PathBuf,
    rotation: Rotation,
    file: Option<File>,
    size: u64,
    /// What was found on opening, and what did not work out on the side: to be told to the user.
    pub remarks: Vec<String>,
}

impl RotatedFile {
    /// Opens a log, to go on with what is there.
    ///
    /// # Errors
    /// When it cannot be written, or another recorder writes to it.
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let mut log = Self { path: path.to_owned(), rotation, file: None, size: 0, remarks: Vec::new() };
        log.reopen()?;
        Ok(log)
    }

    /// Opens the active file anew: it may have been moved away.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn reopen(&mut self) -> io::Result<()> {
        self.file = None;
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = "another recorder writes to this file; stop it, or name another file";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        self.size = file.metadata()?.len();
        self.put_torn_aside(&mut file)?;
        self.file = Some(file);
        Ok(())
    }

    /// Takes a last line without its end out of the log.
    fn put_torn_aside(&mut self, file: &mut File) -> io::Result<()> {
        const BLOCK: u64 = 64 << 10;
        let mut whole = self.size;
        let mut tail = Vec::new();
        while whole > 0 {
            let start = whole.saturating_sub(BLOCK);
            file.seek(SeekFrom::Start(start))?;
            let mut block = vec![0; usize::try_from(whole - start).unwrap_or_default()];
            file.read_exact(&mut block)?;
            if let Some(at) = block.iter().rposition(|b| *b == b'\n') {
                let rest = block.split_off(at + 1);
                whole = start + u64::try_from(at + 1).unwrap_or_default();
                tail.splice(0..0, rest);
                break;
            }
            tail.splice(0..0, block);
            whole = start;
        }
        if tail.is_empty() {
            return Ok(());
        }
        let name = format!("{}.torn", self.path.display());
        let (path, mut torn) = (0..10_000)
            .find_map(|n| {
                let path = PathBuf::from(if n == 0 { name.clone() } else { format!("{name}.{n}") });
                let torn = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).ok()?;
                Some((path, torn))
            })
            .ok_or_else(|| io::Error::other("no name is free for a torn line"))?;
        torn.write_all(&tail)?;
        torn.sync_all()?;
        file.set_len(whole)?;
        self.size = whole;
        self.remarks.push(format!(
            "{}: the last line was torn ({} bytes), and is kept in {}",
            self.path.display(),
            tail.len(),
            path.display()
        ));
        Ok(())
    }

    /// Appends lines, each with its end; rotates before one that would be too much. Answers how many were written: fewer
    /// than there are when the disk fails, with the error.
    pub fn write<'a>(&mut self, lines: impl Iterator<Item = &'a [u8]>, now: DateTime<Utc>) -> (u64, io::Result<()>) {
        let mut written = 0;
        let mut waiting: Vec<u8> = Vec::new();
        for line in lines {
            let before = self.size + waiting.len() as u64;
            if before > 0 && before + line.len() as u64 > self.rotation.max_bytes {
                let (count, outcome) = self.append(&waiting);
                written += count;
                waiting.clear();
                if let Err(error) = outcome.and_then(|()| self.rotate(now)) {
                    return (written, Err(error));
                }
            }
            waiting.extend_from_slice(line);
        }
        let (count, outcome) = self.append(&waiting);
        (written + count, outcome)
    }

    /// Writes all lines, or as many whole ones as there is room for: how many.
    fn append(&mut self, lines: &[u8]) -> (u64, io::Result<()>) {
        if lines.is_empty() {
            return (0, Ok(()));
        }
        if self.file.is_none()
            && let Err(error) = self.reopen()
        {
            return (0, Err(error));
        }
        let Some(file) = &mut self.file else { return (0, Err(io::Error::other("the file is not open"))) };
        let Err(error) = file.write_all(lines) else {
            self.size += lines.len() as u64;
            return (count(lines), Ok(()));
        };
        // Half a line must not stand before a good one.
        let there =
            file.metadata().map_or(0, |meta| usize::try_from(meta.len().saturating_sub(self.size)).unwrap_or(0));
        let there = lines.get(..there.min(lines.len())).unwrap_or_default();
        let whole = there.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let end = self.size + whole as u64;
        if file.set_len(end).is_err() {
            // What a crash leaves is put aside when the file is opened the next time.
            self.file = None;
            return (0, Err(error));
        }
        self.size = end;
        (count(there.get(..whole).unwrap_or_default()), Err(error))
    }

    /// Begins the next file.
    fn rotate(&mut self, now: DateTime<Utc>) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            file.sync_all()?;
        }
        let mut at = now;
        loop {
            let backup = self.backup(at);
            // One that is compressed has the name, too.
            let taken = backup.exists() || with_gz(&backup).exists();
            let moved = if taken {
                Err(rustix::io::Errno::EXIST)
            } else {
                renameat_with(CWD, &self.path, CWD, &backup, RenameFlags::NOREPLACE)
            };
            match moved {
                // Done; or somebody moved it away.
                Ok(()) | Err(rustix::io::Errno::NOENT) => break,
                Err(rustix::io::Errno::EXIST) => at += Duration::milliseconds(1),
                Err(error) => return Err(error.into()),
            }
        }
        self.reopen()?;
        self.tidy();
        Ok(())
    }

    /// The name of a file that is rotated at this time.
    fn backup(&self, at: DateTime<Utc>) -> PathBuf {
        let (start, end) = self.parts();
        self.folder().join(format!("{start}{}{end}", at.format(LAYOUT)))
    }

    /// What stands before and behind the time in a rotated file's name.
    fn parts(&self) -> (String, String) {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match name.rsplit_once('.') {
            Some((start, end)) => (format!("{start}-"), format!(".{end}")),
            None => (format!("{name}-"), String::new()),
        }
    }

    fn folder(&self) -> PathBuf {
        self.path.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// Rotated files by their time, the latest first; a file and its compressed form are two.
    fn backups(&self) -> io::Result<Vec<(NaiveDateTime, PathBuf)>> {
        let (start, end) = self.parts();
        let folder = self.folder();
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let plain = name.strip_suffix(".gz").unwrap_or(name);
            let time = plain.strip_prefix(&start).and_then(|rest| rest.strip_suffix(&end));
            if let Some(Ok(time)) = time.map(|time| NaiveDateTime::parse_from_str(time, LAYOUT)) {
                found.push((time, path));
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found)
    }

    /// Removes and compresses what is to be. What does not work out is tried again after the next rotation.
    fn tidy(&mut self) {
        let backups = match self.backups() {
            Ok(backups) => backups,
            Err(error) => return self.remarks.push(format!("{}: {error}", self.folder().display())),
        };
        let mut times: Vec<_> = backups.iter().map(|(time, _)| *time).collect();
        times.dedup();
        let oldest = self.rotation.max_backups.checked_sub(1).and_then(|last| times.get(last)).copied();
        for (time, path) in backups {
            let outcome = if oldest.is_some_and(|oldest| time < oldest) {
                fs::remove_file(&path)
            } else if self.rotation.compress && path.extension().is_none_or(|extension| extension != "gz") {
                compress(&path)
            } else {
                Ok(())
            };
            if let Err(error) = outcome {
                self.remarks.push(format!("{}: {error}", path.display()));
            }
        }
    }

    /// Makes what was written last.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_all)
    }
}

/// Lines that have their end.
fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

fn with_gz(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    PathBuf::from(name)
}

/// Puts a compressed file in the place of a plain one; readers see one or both, and never half of one.
fn compress(path: &Path) -> io::Result<()> {
    let done = with_gz(path);
    let mut unfinished = done.as_os_str().to_owned();
    unfinished.push(".tmp");
    let unfinished = PathBuf::from(unfinished);
    let write = || {
        let mut source = File::open(path)?;
        let out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        let mut gzip = GzEncoder::new(out, Compression::default());
        io::copy(&mut source, &mut gzip)?;
        gzip.finish()?.sync_all()?;
        fs::rename(&unfinished, &done)?;
        fs::remove_file(path)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&unfinished);
    })
}

#[cfg(test)]
mod tests;
