//! Which files to read, and in which order.
//!
//! Promises:
//! 1. The same inputs give the same files in the same order, whatever the order of a folder's entries.
//! 2. Rotated files of one log come in the order of the times in their names, the active one last, as Cilium's exporter
//!    (lumberjack) names them: `events-2026-03-01T10-00-00.123.log` ends at that time.
//! 3. A file is read once; of `x.log` and `x.log.gz` the plain one. What is passed over is told.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::archive::{Archive, ArchiveError};
use crate::store;

/// Names that a folder's files must end in to be read, compressed or not.
const ENDINGS: &[&str] = &[".log", ".json", ".jsonl", ".ndjson", ".parquet"];

/// Endings of compressed files.
const COMPRESSED: &[&str] = &[".gz", ".zst"];

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Stdin,
    File(PathBuf),
    /// A folder with all its files, of which only those are read that a question needs.
    Archive(Archive),
}

impl Input {
    /// What to call it in a message.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Archive(archive) => archive.root.display().to_string(),
        }
    }

    /// Whether it is this file, or holds it; the path has no links in it.
    #[must_use]
    pub fn is(&self, canonical: &Path) -> bool {
        match self {
            Self::Stdin => false,
            Self::File(path) => fs::canonicalize(path).is_ok_and(|own| own == canonical),
            Self::Archive(archive) if store::is_remote(&archive.root) => false,
            Self::Archive(archive) => fs::canonicalize(&archive.root).is_ok_and(|root| canonical.starts_with(root)),
        }
    }
}

/// What the arguments stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub inputs: Vec<Input>,
    /// Files that were passed over, and why.
    pub passed_over: Vec<(PathBuf, String)>,
}

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{0}: bad pattern: {1}")]
    Pattern(String, glob::PatternError),
    #[error("{0}: no file matches")]
    NoMatch(String),
    #[error(transparent)]
    Remote(#[from] ArchiveError),
    #[error(
        "{path}: there is no archive here; `lookback import INPUT… -o {path}` makes one, and of what is in object storage only archives are read",
        path = .0.display()
    )]
    NoArchive(PathBuf),
    #[error("{path}: no flow log in this folder (files end in {endings}, also with .gz or .zst)", path = .0.display(), endings = ENDINGS.join(", "))]
    EmptyFolder(PathBuf),
}

/// Finds the files that the arguments name: files, folders (with all below them), patterns, and `-`.
///
/// # Errors
/// When an argument names nothing that can be read.
pub fn find<S: AsRef<str>>(arguments: &[S]) -> Result<Found, InputError> {
    let mut found = Found::default();
    let mut files = Vec::new();
    for argument in arguments {
        let argument = argument.as_ref();
        if argument == "-" {
            if !found.inputs.contains(&Input::Stdin) {
                found.inputs.push(Input::Stdin);
            }
            continue;
        }
        let path = Path::new(argument);
        if store::is_remote(path) {
            let path = PathBuf::from(store::tidy(argument));
            let archive = Input::Archive(Archive::look(&path)?.ok_or(InputError::NoArchive(path))?);
            if !found.inputs.contains(&archive) {
                found.inputs.push(archive);
            }
        } else if path.is_dir() {
            let before = files.len() + found.inputs.len();
            walk(path, &mut files, &mut found)?;
            if files.len() + found.inputs.len() == before {
                return Err(InputError::EmptyFolder(path.to_owned()));
            }
        } else if !path.exists() && argument.contains(['*', '?', '[']) {
            let paths = glob::glob(argument).map_err(|error| InputError::Pattern(argument.to_owned(), error))?;
            let before = files.len() + found.inputs.len();
            for path in paths {
                let path =
                    path.map_err(|error| InputError::Io { path: error.path().to_owned(), error: error.into() })?;
                if path.is_dir() {
                    walk(&path, &mut files, &mut found)?;
                } else if is_left_alone(&path) {
                    found.passed_over.push((path, "hidden, or half written".to_owned()));
                } else {
                    files.push(path);
                }
            }
            if files.len() + found.inputs.len() == before {
                return Err(InputError::NoMatch(argument.to_owned()));
            }
        } else {
            // A file named outright is read whatever it is called; that it is there is found out here, not later.
            fs::metadata(path).map_err(|error| InputError::Io { path: path.to_owned(), error })?;
            files.push(path.to_owned());
        }
    }
    pass_over_twins(&mut files, &mut found);
    files.sort_by_cached_key(|path| order(path));
    let mut seen = BTreeSet::new();
    for file in files {
        if seen.insert(fs::canonicalize(&file).unwrap_or_else(|_| file.clone())) {
            found.inputs.push(Input::File(file));
        } else {
            found.passed_over.push((file, "named twice".to_owned()));
        }
    }
    Ok(found)
}

/// Adds the files below a folder that are named like flow logs, and tells how many are not.
fn walk(folder: &Path, files: &mut Vec<PathBuf>, found: &mut Found) -> Result<(), InputError> {
    let mut folders = vec![folder.to_owned()];
    let mut others = 0;
    while let Some(folder) = folders.pop() {
        if let Some(archive) = Archive::at(&folder) {
            if !found.inputs.contains(&Input::Archive(archive.clone())) {
                found.inputs.push(Input::Archive(archive));
            }
            continue;
        }
        let entries = fs::read_dir(&folder).map_err(|error| InputError::Io { path: folder.clone(), error })?;
        for entry in entries {
            let entry = entry.map_err(|error| InputError::Io { path: folder.clone(), error })?;
            let path = entry.path();
            if is_left_alone(&path) {
                continue;
            }
            // A link to a folder is not followed: it could lead around in a circle.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if is_log(&entry.file_name().to_string_lossy()) && path.is_file() {
                files.push(path);
            } else {
                others += 1;
            }
        }
    }
    if others > 0 {
        found.passed_over.push((folder.to_owned(), format!("{others} files in it are not named like flow logs")));
    }
    Ok(())
}

/// Whether a folder's file is taken for a log: by its ending, or by what a rotation left behind it (`0.log.20260301-100000`,
/// `a.log.1`).
fn is_log(name: &str) -> bool {
    ENDINGS.iter().any(|ending| plain(name).ends_with(ending)) || name.contains(".log.")
}

/// Whether a file is none of the user's: hidden, or what the exporter has not finished compressing.
fn is_left_alone(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.starts_with('.') || name.ends_with(".tmp")
}

/// The name without the ending of its compression.
fn plain(name: &str) -> &str {
    COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// Of `x.log` and `x.log.gz` keeps the plain one: a compressed file is written beside the plain one, which goes last.
fn pass_over_twins(files: &mut Vec<PathBuf>, found: &mut Found) {
    let all: BTreeSet<PathBuf> = files.iter().cloned().collect();
    files.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let twin = plain(name) != name && all.contains(&path.with_file_name(plain(name)));
        if twin {
            found.passed_over.push((path.clone(), "the same file is there uncompressed".to_owned()));
        }
        !twin
    });
}

/// Where a file stands among others: by folder, by log, by the time in its name; the active file behind all others.
fn order(path: &Path) -> (PathBuf, String, String, PathBuf) {
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = plain(name);
    let (stem, ending) = name.rfind('.').map_or((name, ""), |dot| name.split_at(dot));
    let (log, time) = rotated(stem).unwrap_or((stem, LAST));
    (folder, format!("{log}{ending}"), time.to_owned(), path.to_owned())
}

/// Sorts behind every time.
const LAST: &str = "~";

/// Splits `events-2026-03-01T10-00-00.123` into the log's name and the time.
fn rotated(stem: &str) -> Option<(&str, &str)> {
    const LAYOUT: &[u8] = b"-0000-00-00T00-00-00.000";
    let at = stem.len().checked_sub(LAYOUT.len())?;
    let fits = stem.as_bytes().get(at..)?.iter().zip(LAYOUT).all(|(byte, layout)| match layout {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    });
    if fits { Some((stem.get(..at)?, stem.get(at + 1..)?)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(found: &Found) -> Vec<String> {
        found
            .inputs
            .iter()
            .map(|input| match input {
                Input::Stdin => "-".to_owned(),
                Input::File(path) => path.file_name().unwrap().to_str().unwrap().to_owned(),
                Input::Archive(archive) => archive.root.file_name().unwrap().to_str().unwrap().to_owned(),
            })
            .collect()
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn rotated_files_come_in_the_order_of_their_times_the_active_one_last() {
        let folder = folder(&[
            "events.log",
            "events-2026-03-01T11-00-00.000.log",
            "events-2026-03-01T10-00-00.123.log.gz",
            "events-2026-03-01T12-00-00.000.log.gz.tmp",
            "other.json",
            "notes.txt",
            ".hidden.log",
        ]);
        let found = find(&[folder.path().to_str().unwrap()]).unwrap();
        assert_eq!(
            names(&found),
            ["events-2026-03-01T10-00-00.123.log.gz", "events-2026-03-01T11-00-00.000.log", "events.log", "other.json"]
        );
    }

    #[test]
    fn of_a_plain_and_a_compressed_twin_the_plain_one_is_read() {
        let folder = folder(&["a.log", "a.log.gz", "b.log.zst"]);
        let found = find(&[folder.path().to_str().unwrap()]).unwrap();
        assert_eq!(names(&found), ["a.log", "b.log.zst"]);
        assert_eq!(found.passed_over.len(), 1, "{:?}", found.passed_over);
    }

    #[test]
    fn twins_are_found_whichever_way_they_are_named() {
        let folder = folder(&["a.log", "a.log.gz", "a.log.gz.tmp", ".a.log"]);
        let each = ["a.log.gz", "a.log"].map(|name| folder.path().join(name).display().to_string());
        assert_eq!(names(&find(&each).unwrap()), ["a.log"]);
        let pattern = folder.path().join("*").display().to_string();
        assert_eq!(names(&find(&[pattern]).unwrap()), ["a.log"]);
    }

    #[test]
    fn what_the_kubelet_and_logrotate_leave_behind_is_read() {
        let folder = folder(&["0.log", "0.log.20260301-100000", "0.log.20260301-090000.gz", "a.log.1", "a.txt"]);
        let found = find(&[folder.path().to_str().unwrap()]).unwrap();
        assert_eq!(found.inputs.len(), 4);
        assert_eq!(found.passed_over.len(), 1);
    }

    #[test]
    fn a_file_named_twice_is_read_once() {
        let folder = folder(&["sub/a.log"]);
        let file = folder.path().join("sub/a.log");
        let pattern = folder.path().join("*/*.log");
        let arguments = [folder.path(), &file, &pattern].map(|path| path.to_str().unwrap().to_owned());
        let found = find(&arguments).unwrap();
        assert_eq!(names(&found), ["a.log"]);
        assert_eq!(found.passed_over.len(), 2);
    }

    #[test]
    fn an_archive_is_one_input_and_nothing_else_in_it_is() {
        let folder = folder(&["a.log", "old/flows/date=2026-03-01/hour=10/a.parquet", "old/imports/00000001.json"]);
        let found = find(&[folder.path().to_str().unwrap()]).unwrap();
        assert_eq!(names(&found), ["old", "a.log"]);
        let inside = folder.path().join("old/flows/date=2026-03-01");
        assert_eq!(names(&find(&[inside.to_str().unwrap()]).unwrap()), ["a.parquet"]);
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let folder = folder(&["notes.txt"]);
        assert!(matches!(find(&[folder.path().to_str().unwrap()]), Err(InputError::EmptyFolder(_))));
        assert!(matches!(find(&["no/such/file.log"]), Err(InputError::Io { .. })));
        assert!(matches!(find(&["no/such/*.log"]), Err(InputError::NoMatch(_))));
        assert!(matches!(find(&["no/such/***.log"]), Err(InputError::Pattern(..))));
    }
}
