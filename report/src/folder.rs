//! The folder of a report: written beside its place, and moved there when it is whole.

use std::fs::{self, File as Source, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::manifest::{self, File, Manifest, sha256};
use crate::sign::Key;

/// Signature of the manifest, 64 bytes, and the public key that it was made with.
pub const SIGNATURE: &str = "manifest.sig";
pub const PUBLIC_KEY: &str = "manifest.pub";

/// Why a folder could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{0}: is there already; a report is written into a folder that is new or empty")]
    Taken(PathBuf),
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// A folder that is being written.
#[derive(Debug)]
pub struct Folder {
    place: PathBuf,
    staged: TempDir,
    files: Vec<File>,
}

impl Folder {
    /// Begins a folder; nothing is at its place before it is finished.
    ///
    /// # Errors
    /// When something is there already, or nothing can be written beside it.
    pub fn begin(place: &Path) -> Result<Self, FolderError> {
        let io = |error| FolderError::Io { path: place.to_owned(), error };
        match fs::read_dir(place) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(FolderError::Taken(place.to_owned()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
        }
        let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(io)?;
        let staged = tempfile::Builder::new()
            .prefix(".report-")
            .permissions(Permissions::from_mode(0o777)) // less the umask, as any folder
            .tempdir_in(parent)
            .map_err(io)?;
        Ok(Self { place: place.to_owned(), staged, files: Vec::new() })
    }

    /// Writes a file of the report; the name is relative and has no `..`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        self.put(name, bytes)?;
        self.files.push(File { path: name.to_owned(), bytes: bytes.len() as u64, sha256: sha256(bytes) });
        Ok(())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.staged.path().join(name);
        let write = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = Source::create_new(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|error| FolderError::Io { path: self.place.join(name), error })
    }

    /// Writes the manifest, signed where there is a key, and moves the folder to its place. Gives the manifest's SHA-256.
    ///
    /// # Errors
    /// When it cannot be written or moved.
    pub fn finish(mut self, mut manifest: Manifest, key: Option<&Key>) -> Result<String, FolderError> {
        self.files.sort();
        manifest.files = std::mem::take(&mut self.files);
        let bytes = manifest.bytes();
        self.put(manifest::NAME, &bytes)?;
        if let Some(key) = key {
            self.put(SIGNATURE, &key.sign(&bytes))?;
            self.put(PUBLIC_KEY, key.public_pem().as_bytes())?;
        }
        let io = |error| FolderError::Io { path: self.place.clone(), error };
        // An empty folder gives way; one that has got something since does not.
        fs::rename(self.staged.path(), &self.place).map_err(io)?;
        // It is no longer where it would be cleaned up.
        let _ = self.staged.keep();
        Ok(sha256(&bytes))
    }
}
