//! Where a row's file is: by day, hour and node.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, Timelike as _};

use super::ArchiveError;

/// The folder of the files.
pub const FLOWS: &str = "flows";

/// What Hive calls the folder of rows without a value.
const NONE: &str = "__HIVE_DEFAULT_PARTITION__";

/// What files are called that hold the flows of many nodes; no node of Kubernetes is written in capitals.
pub const MIXED: &str = "MIXED";

/// Nanoseconds of an hour.
pub const HOUR: i64 = 3_600_000_000_000;

/// Longest part of a file's name that comes from a node.
const LONGEST: usize = 64;

/// One hour, by its number since 1970; `None`, which comes last, for rows without a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hour(pub Option<i64>);

impl Ord for Hour {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0.is_none(), self.0).cmp(&(other.0.is_none(), other.0))
    }
}

impl PartialOrd for Hour {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Hour {
    /// The hour of a moment, in nanoseconds since 1970.
    #[must_use]
    pub fn of(time: Option<i64>) -> Self {
        Self(time.map(|time| time.div_euclid(HOUR)))
    }

    /// Its first and last moment; rows without a time are at no moment.
    #[must_use]
    pub fn span(self) -> Option<(i64, i64)> {
        let start = self.0?.saturating_mul(HOUR);
        Some((start, start.saturating_add(HOUR - 1)))
    }

    /// Its folder below [`FLOWS`].
    #[must_use]
    pub fn folder(self) -> PathBuf {
        let moment = self.span().map(|(start, _)| DateTime::from_timestamp_nanos(start));
        match moment {
            Some(moment) => {
                PathBuf::from(format!("date={}", moment.format("%Y-%m-%d"))).join(format!("hour={:02}", moment.hour()))
            }
            None => PathBuf::from(format!("date={NONE}")).join(format!("hour={NONE}")),
        }
    }

    pub(super) fn parse(date: &str, hour: &str) -> Option<Self> {
        let (date, hour) = (date.strip_prefix("date=")?, hour.strip_prefix("hour=")?);
        if date == NONE {
            return (hour == NONE).then_some(Self(None));
        }
        let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
        let start = date.and_hms_opt(hour.parse().ok().filter(|_| hour.len() == 2)?, 0, 0)?;
        Some(Self::of(start.and_utc().timestamp_nanos_opt()))
    }
}

/// The hour that a file's path tells.
#[must_use]
pub fn hour_of(file: &Path) -> Option<Hour> {
    let hour = file.parent()?;
    let date = hour.parent()?.file_name()?.to_str()?;
    Hour::parse(date, hour.file_name()?.to_str()?)
}

/// What a file is called.
#[must_use]
pub fn file_name(node: &str, start: Option<i64>, sequence: u64) -> String {
    let start = match start {
        Some(start) => DateTime::from_timestamp_nanos(start).format("%Y%m%dT%H%M%SZ").to_string(),
        None => "untimed".to_owned(),
    };
    format!("{}-{start}-{sequence:08}.parquet", safe(node))
}

/// The path of a file with another number.
pub(super) fn renumbered(path: &Path, sequence: u64) -> PathBuf {
    let Some((node, start, _)) = parts(path) else { return path.to_owned() };
    path.with_file_name(format!("{node}-{start}-{sequence:08}.parquet"))
}

/// What a file is called in object storage, where several may write at once: with a word of its import in its name.
pub(super) fn of_import(name: &str, word: &str) -> String {
    format!("{}.{word}.parquet", name.strip_suffix(".parquet").unwrap_or(name))
}

/// The word of the import that put a file into object storage.
pub(super) fn import_of(file: &Path) -> Option<&str> {
    let name = parts(file)?;
    file.file_stem()?.to_str()?.rsplit_once('-')?.1.strip_prefix(name.2)?.strip_prefix('.')
}

/// The node that a file's name tells, as far as it is part of it.
#[must_use]
pub fn node_of(file: &Path) -> Option<String> {
    parts(file).filter(|(node, start, _)| *node != MIXED && *start != "untimed").map(|(node, ..)| node.to_owned())
}

/// What the names of all files begin with that belong together.
pub(super) fn name_of(file: &Path) -> Option<String> {
    parts(file).map(|(node, ..)| node.to_owned())
}

/// The number of a file.
pub(super) fn sequence_of(file: &Path) -> Option<u64> {
    parts(file).and_then(|(.., sequence)| sequence.parse().ok())
}

/// Node, beginning and number, as they stand in a name of ours.
fn parts(file: &Path) -> Option<(&str, &str, &str)> {
    let mut parts = file.file_stem()?.to_str()?.rsplitn(3, '-');
    let (sequence, start, node) = (parts.next()?, parts.next()?, parts.next()?);
    let sequence = sequence.split_once('.').map_or(sequence, |(sequence, _)| sequence);
    let is_ours = sequence.len() >= 8 && sequence.bytes().all(|b| b.is_ascii_digit());
    is_ours.then_some((node, start, sequence))
}

/// A node's name as part of a file's: nothing of it can lead elsewhere, hide the file or look like a flag.
fn safe(node: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let name: String = node.chars().take(LONGEST).map(allowed).collect();
    let name = name.trim_start_matches(['.', '_', '-']);
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}

/// The hours that have a folder.
pub(super) fn hours(flows: &Path) -> Result<Vec<Hour>, ArchiveError> {
    let mut hours = Vec::new();
    for date in names(flows)? {
        if date.starts_with("date=") {
            hours.extend(names(&flows.join(&date))?.iter().filter_map(|hour| Hour::parse(&date, hour)));
        }
    }
    Ok(hours)
}

/// The files of an hour.
pub(super) fn files(flows: &Path, hour: Hour) -> Result<Vec<PathBuf>, ArchiveError> {
    let folder = flows.join(hour.folder());
    let mut names = names(&folder)?;
    names.retain(|name| is_file(name));
    names.sort_unstable();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Whether a name is that of a file that is read.
pub(super) fn is_file(name: &str) -> bool {
    !name.starts_with(['.', '_']) && name.ends_with(".parquet")
}

/// The names in a folder; none if it is not there. Those that are not UTF-8 are not ours.
fn names(folder: &Path) -> Result<Vec<String>, ArchiveError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(ArchiveError::io(folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(ArchiveError::io(folder))?.file_name().into_string().ok());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_and_its_folder_are_the_same() {
        for time in [Some(0), Some(1_772_359_200_000_000_000), Some(i64::MAX), None] {
            let hour = Hour::of(time);
            assert_eq!(hour_of(&hour.folder().join("x.parquet")), Some(hour), "{time:?}");
        }
        assert_eq!(Hour::of(Some(1_772_359_200_000_000_000)).folder(), Path::new("date=2026-03-01/hour=10"));
        assert_eq!(hour_of(Path::new("date=2026-13-01/hour=10/x")), None);
        assert_eq!(hour_of(Path::new("date=2026-03-01/hour=24/x")), None);
        assert!(Hour(Some(5)) < Hour(None));
    }

    #[test]
    fn a_hostile_node_name_stays_in_its_folder() {
        for node in ["../../etc/passwd", "/", "..", "", ".hidden", "-rf", "a\0b\n", &"x".repeat(5000)] {
            let name = file_name(node, Some(0), 1);
            assert_eq!(Path::new(&name).components().count(), 1, "{name}");
            assert!(name.len() < 120 && name.starts_with(|c: char| c.is_ascii_alphanumeric()), "{name}");
        }
        assert_eq!(file_name("kind/worker-1", Some(0), 7), "kind_worker-1-19700101T000000Z-00000007.parquet");
        assert_eq!(node_of(Path::new(&file_name("worker-1", Some(0), 7))).as_deref(), Some("worker-1"));
        assert_eq!(node_of(Path::new("part-0.parquet")), None);
        let other = renumbered(&Path::new("a").join(file_name("worker-1", Some(0), 7)), 123_456_789);
        assert_eq!(other, Path::new("a").join(file_name("worker-1", Some(0), 123_456_789)));
    }

    #[test]
    fn a_file_in_object_storage_names_its_import() {
        let here = file_name("a.worker-1", Some(0), 7);
        let there = of_import(&here, "0123456789abcdef");
        assert_eq!(there, "a.worker-1-19700101T000000Z-00000007.0123456789abcdef.parquet");
        assert_eq!(import_of(Path::new(&there)), Some("0123456789abcdef"));
        assert_eq!(import_of(Path::new(&here)), None);
        assert_eq!(import_of(Path::new("part-0.parquet")), None);
        assert_eq!(sequence_of(Path::new(&there)), Some(7));
        assert_eq!(node_of(Path::new(&there)).as_deref(), Some("a.worker-1"));
    }
}
