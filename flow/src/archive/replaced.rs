//! Files that are no part of an archive any more, kept for a while for readers that had listed it before.
//!
//! A reader lists an archive's files, then opens one after the other. One that was replaced in between is found in `replaced/` under
//! its old name, and shows what the archive held when it was listed: nothing is missed, nothing comes twice.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::ArchiveError;
use super::journal::{IMPORTING, Journal, sync};
use super::layout::FLOWS;

/// The folder of these files, laid out as [`FLOWS`].
pub const REPLACED: &str = "replaced";

/// Opens a file of an archive, wherever it is now.
///
/// # Errors
/// When it is nowhere.
pub fn open(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match moved(path) {
            Some(path) => File::open(path),
            None => Err(error),
        },
        opened => opened,
    }
}

/// Where a file may be that was put away, or that was moved to its place when a commit was carried out.
fn moved(path: &Path) -> Option<PathBuf> {
    let root = path.ancestors().nth(3)?;
    if path.starts_with(root.join(IMPORTING)) {
        let staged = path.strip_prefix(root).ok()?.to_str()?;
        let imports = Journal::new(root).imports().ok()?;
        let file = imports.iter().rev().flat_map(|import| &import.files).find(|file| file.staged == staged)?;
        return Some(root.join(&file.path));
    }
    let root = path.ancestors().nth(4)?;
    let inside = path.strip_prefix(root.join(FLOWS)).ok()?;
    Some(root.join(REPLACED).join(inside))
}

/// Puts a file of [`FLOWS`] away; may be repeated.
pub(super) fn put_away(root: &Path, path: &Path) -> Result<(), ArchiveError> {
    let Ok(inside) = path.strip_prefix(FLOWS) else { return Ok(()) };
    let (from, to) = (root.join(path), root.join(REPLACED).join(inside));
    if !from.exists() {
        return Ok(());
    }
    let folder = to.parent().unwrap_or(root);
    fs::create_dir_all(folder).map_err(ArchiveError::io(folder))?;
    check_inside(root, &from)?;
    check_inside(root, &to)?;
    fs::rename(&from, &to).map_err(ArchiveError::io(&to))?;
    sync(folder)?;
    let left = from.parent().unwrap_or(root);
    sync(left)?;
    // The hour, and the day, when nothing is left of them.
    let _ = fs::remove_dir(left).and_then(|()| left.parent().map_or(Ok(()), fs::remove_dir));
    Ok(())
}

/// Refuses a path on whose way from the root there is a link: a record could lead out of the archive by it.
pub(super) fn check_inside(root: &Path, path: &Path) -> Result<(), ArchiveError> {
    let folders = path.ancestors().skip(1).take_while(|folder| *folder != root);
    for folder in folders {
        if fs::symlink_metadata(folder).map_err(ArchiveError::io(folder))?.is_symlink() {
            return Err(ArchiveError::Suspect {
                path: folder.to_owned(),
                why: "is a link within an archive".to_owned(),
            });
        }
    }
    Ok(())
}

/// Deletes what was put away before a moment, in nanoseconds since 1970; gives files and bytes.
///
/// # Errors
/// When a record cannot be read, or a file cannot be deleted.
pub fn delete(root: &Path, before: i64) -> Result<(u64, u64), ArchiveError> {
    let (mut files, mut bytes) = (0, 0);
    for import in Journal::new(root).imports()? {
        // Without a time it was put away at an unknown time, and stays.
        if crate::time::parse_rfc3339(&import.at).is_none_or(|at| at > before) {
            continue;
        }
        for path in &import.removes {
            let Ok(inside) = Path::new(path).strip_prefix(FLOWS) else { continue };
            let path = root.join(REPLACED).join(inside);
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            check_inside(root, &path)?;
            match fs::remove_file(&path) {
                // Another one was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                removed => removed.map_err(ArchiveError::io(&path))?,
            }
            files += 1;
            bytes += metadata.len();
            let folder = path.parent().unwrap_or(root);
            let _ = fs::remove_dir(folder).and_then(|()| folder.parent().map_or(Ok(()), fs::remove_dir));
        }
    }
    Ok((files, bytes))
}
