//! A file that is read again when it has changed: looked at once a second, which works on every file system, and through what
//! Kubernetes does to its volumes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    modified: (i64, i64),
    length: u64,
    inode: u64,
}

/// A file that may change.
#[derive(Debug)]
pub struct WatchedFile {
    pub path: PathBuf,
    last: Option<State>,
}

impl WatchedFile {
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), last: None }
    }

    /// Whether it is another one than last time it was asked; the first time, too. One that is being replaced, and so is not
    /// there for a moment, has not changed.
    pub fn has_changed(&mut self) -> bool {
        let now = fs::metadata(&self.path).ok().map(|meta| State {
            modified: (meta.mtime(), meta.mtime_nsec()),
            length: meta.len(),
            inode: meta.ino(),
        });
        now.is_some() && std::mem::replace(&mut self.last, now) != now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = WatchedFile::new(&path);
        assert!(!file.has_changed());
        fs::write(&path, "a").unwrap();
        assert!(file.has_changed() && !file.has_changed());
        // Another file of the same length and time in its place.
        let other = folder.path().join("other");
        fs::write(&other, "b").unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::File::open(&other).unwrap().set_modified(modified).unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(file.has_changed() && !file.has_changed());
        // Gone, and the same again.
        fs::rename(&path, &other).unwrap();
        assert!(!file.has_changed());
    }
}
