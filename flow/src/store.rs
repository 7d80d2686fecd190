//! Archives in object storage: the seam to whoever reaches it.
//!
//! A place there is written as a path, `s3://bucket/prefix/flows/…`, and goes wherever paths go. This crate opens no connection: a program
//! that reaches object storage says so once ([`install`]); in any other such a path is an error that says so.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

/// What addresses of object storage begin with.
pub const SCHEMES: &[&str] = &["s3://", "gs://", "az://"];

/// Bytes that are asked for at once where all of a file is read.
const BLOCK: u64 = 4 << 20;

/// Object storage: files by their paths, without folders. Every error says what was asked for, and what to do.
pub trait Store: Debug + Send + Sync {
    /// What is right below each of some folders, or, where that is asked for, all files below it; in no order. A folder that is not
    /// there has nothing in it.
    fn list(&self, folders: &[Folder]) -> io::Result<Vec<Vec<Entry>>>;

    /// Files, whole: for small ones.
    fn read(&self, paths: &[PathBuf]) -> Vec<io::Result<Bytes>>;

    /// A file to be read in parts.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn Blob>>;

    /// These files will be opened: as many as there is room for are made ready together.
    fn open_soon(&self, paths: &[PathBuf]);

    /// Puts a file of this machine there, whole or not at all.
    fn put(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes a small file.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when there is one: of two who make the same one, one makes it.
    fn create(&self, path: &Path, content: Vec<u8>) -> io::Result<()>;

    /// Deletes a file, if it is there.
    fn delete(&self, path: &Path) -> io::Result<()>;
}

/// A file in object storage. It does not change.
pub trait Blob: Debug + Send + Sync {
    /// Bytes.
    fn size(&self) -> u64;

    /// Exactly these bytes.
    fn read(&self, range: Range<u64>) -> io::Result<Bytes>;

    /// Some bytes from a place on, at most so many; none at the end alone.
    fn read_some(&self, start: u64, most: u64) -> io::Result<Bytes>;

    /// These ranges will be read now: they may be fetched together.
    ///
    /// # Errors
    /// When they cannot be fetched; each would fail when it is read, too.
    fn soon(&self, ranges: &[Range<u64>]) -> io::Result<()>;
}

/// A folder that is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    pub path: PathBuf,
    /// With all files below it, by their paths from here.
    pub deep: bool,
}

/// What stands in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub is_folder: bool,
    /// When it was written, in nanoseconds since 1970, by the clock of the store; 0 for a folder.
    pub written: i64,
}

static STORE: OnceLock<Arc<dyn Store>> = OnceLock::new();

/// Says who reaches object storage, for the life of the program. The first one who says so stays.
pub fn install(store: Arc<dyn Store>) {
    let _ = STORE.set(store);
}

/// Whether a path is an address of object storage.
#[must_use]
pub fn is_remote(path: &Path) -> bool {
    path.to_str().is_some_and(|path| SCHEMES.iter().any(|scheme| path.starts_with(scheme)))
}

/// The address without slashes at its end.
#[must_use]
pub fn tidy(address: &str) -> &str {
    let tidy = address.trim_end_matches('/');
    if tidy.ends_with(':') { address } else { tidy }
}

/// Whoever reaches object storage.
///
/// # Errors
/// When nobody does.
pub fn store() -> io::Result<&'static Arc<dyn Store>> {
    STORE.get().ok_or_else(|| {
        io::Error::new(io::ErrorKind::Unsupported, "this program does not reach object storage; `lookback` does")
    })
}

/// These files will be opened, wherever they are.
pub fn open_soon(paths: &[PathBuf]) {
    if paths.first().is_some_and(|path| is_remote(path))
        && let Some(store) = STORE.get()
    {
        store.open_soon(paths);
    }
}

/// Bytes of a file, wherever it is.
///
/// # Errors
/// When it is not there, or cannot be looked at.
pub fn size(path: &Path) -> io::Result<u64> {
    if is_remote(path) { Ok(store()?.open(path)?.size()) } else { Ok(path.metadata()?.len()) }
}

/// All of a file, wherever it is.
///
/// # Errors
/// When it is not there.
pub fn reader(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    if is_remote(path) {
        Ok(Box::new(BlobReader::new(store()?.open(path)?, 0, BLOCK)))
    } else {
        Ok(Box::new(File::open(path)?))
    }
}

/// The bytes of a file from a place on.
#[derive(Debug)]
pub struct BlobReader {
    blob: Arc<dyn Blob>,
    next: u64,
    /// Bytes that are asked for at once.
    block: u64,
    waiting: Bytes,
}

impl BlobReader {
    #[must_use]
    pub fn new(blob: Arc<dyn Blob>, start: u64, block: u64) -> Self {
        Self { blob, next: start, block, waiting: Bytes::new() }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.waiting.is_empty() {
            self.waiting = self.blob.read_some(self.next, self.block)?;
            self.next += self.waiting.len() as u64;
        }
        let taken = self.waiting.split_to(buffer.len().min(self.waiting.len()));
        if let Some(to) = buffer.get_mut(..taken.len()) {
            to.copy_from_slice(&taken);
        }
        Ok(taken.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_object_storage_are_told_from_paths() {
        for address in ["s3://bucket/prefix", "gs://bucket", "az://container/a/b"] {
            assert!(is_remote(Path::new(address)), "{address}");
        }
        for path in ["s3", "s3:", "s3:/bucket", "./s3://bucket", "/s3://bucket", "http://host/bucket", "-"] {
            assert!(!is_remote(Path::new(path)), "{path}");
        }
        assert_eq!(tidy("s3://bucket/prefix//"), "s3://bucket/prefix");
        assert_eq!(tidy("s3://"), "s3://");
        assert_eq!(Path::new("s3://b/p").join("flows").to_str(), Some("s3://b/p/flows"));
    }

    #[test]
    fn who_reaches_no_object_storage_says_so() {
        assert!(size(Path::new("s3://bucket/a")).unwrap_err().to_string().contains("does not reach object storage"));
    }
}
