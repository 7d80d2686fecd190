//! An archive in object storage, as whoever reads it sees it: as it was when it was first looked at.
//!
//! A file counts once the record of its import is there ([`sending`](super::sending)). Records need not be read for that: as long as an
//! import puts up files, its claim stands in `importing/`. So what is listed is listed in this order, and half an import is never seen:
//!
//! 1. the numbers of the records: what is committed later does not count;
//! 2. files; 3. claims: the files of these are not committed, unless a record says so;
//! 4. the records again: those of new ones were committed meanwhile, and do not count.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::journal::{IMPORTING, IMPORTS, Import, number_of, parse};
use super::layout::{self, FLOWS, Hour};
use super::{ArchiveError, HourFiles};
use crate::store::{Entry, Folder, store};

/// So many hours of a day are listed one by one; of more, the day is listed as a whole.
const FEW: usize = 2;

/// What was seen of an archive.
#[derive(Debug)]
pub(super) struct Afar {
    root: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The number of the last record, once it was looked for.
    last: Option<u64>,
    hours: Option<Vec<Hour>>,
    files: HashMap<Hour, Vec<PathBuf>>,
    /// Records that came later, and the files of these.
    later: BTreeMap<u64, HashSet<PathBuf>>,
}

/// An import that has not put away its claim: it runs, or was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub path: PathBuf,
    /// The first number that its record may have.
    pub number: u64,
    /// The word in the names of its files.
    pub word: String,
    /// When it was made, in nanoseconds since 1970.
    pub written: i64,
}

impl Afar {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), seen: Mutex::default() }
    }

    /// The hours that have files, in order; there may be some between them that have none.
    pub(super) fn hours(&self) -> Result<Vec<Hour>, ArchiveError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hours) = &seen.hours {
            return Ok(hours.clone());
        }
        seen.begin(&self.root)?;
        let flows = self.root.join(FLOWS);
        let dates: Vec<String> = folders(list_one(&flows)?).filter(|name| name.starts_with("date=")).collect();
        let of_dates: Vec<Folder> = dates.iter().map(|date| Folder { path: flows.join(date), deep: false }).collect();
        let mut hours = Vec::new();
        for (date, entries) in dates.iter().zip(list(&of_dates, &flows)?) {
            hours.extend(folders(entries).filter_map(|hour| Hour::parse(date, &hour)));
        }
        hours.sort_unstable();
        hours.dedup();
        // How far the data reaches is told by the first and last one: these must have something that counts.
        loop {
            let timed = || hours.iter().filter(|hour| hour.0.is_some());
            let ends: Vec<Hour> = timed().next().into_iter().chain(timed().next_back()).copied().collect();
            let files = seen.files(&self.root, &ends)?;
            let empty: Vec<Hour> = files.into_iter().filter(|of| of.files.is_empty()).map(|of| of.hour).collect();
            if empty.is_empty() {
                break;
            }
            hours.retain(|hour| !empty.contains(hour));
        }
        seen.hours = Some(hours.clone());
        Ok(hours)
    }

    /// The files of some hours.
    pub(super) fn files(&self, hours: &[Hour]) -> Result<Vec<HourFiles>, ArchiveError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.begin(&self.root)?;
        seen.files(&self.root, hours)
    }
}

impl Seen {
    fn begin(&mut self, root: &Path) -> Result<(), ArchiveError> {
        if self.last.is_none() {
            self.last = Some(records(root)?.last().copied().unwrap_or_default());
        }
        Ok(())
    }

    fn files(&mut self, root: &Path, hours: &[Hour]) -> Result<Vec<HourFiles>, ArchiveError> {
        let unknown: BTreeSet<Hour> = hours.iter().copied().filter(|hour| !self.files.contains_key(hour)).collect();
        if !unknown.is_empty() {
            let mut found = listed(root, &unknown.into_iter().collect::<Vec<_>>())?;
            self.count_only(root, &mut found)?;
            self.files.extend(found);
        }
        let of = |hour: &Hour| HourFiles { hour: *hour, files: self.files.get(hour).cloned().unwrap_or_default() };
        Ok(hours.iter().map(of).collect())
    }

    /// Leaves out what is not committed, or was not when the archive was first looked at.
    fn count_only(&mut self, root: &Path, found: &mut HashMap<Hour, Vec<PathBuf>>) -> Result<(), ArchiveError> {
        let last = self.last.unwrap_or_default();
        let claims: HashMap<String, Claim> =
            claims(root)?.into_iter().map(|claim| (claim.word.clone(), claim)).collect();
        let new: Vec<u64> = records(root)?.into_iter().filter(|number| *number > last).collect();
        if new.iter().any(|number| !self.later.contains_key(number)) {
            for (number, import) in imports(root, last)? {
                self.later.insert(number, paths(root, &import).collect());
            }
        }
        let claim_of = |path: &Path| layout::import_of(path).and_then(|word| claims.get(word));
        // Claims that were not put away, though what they claim is committed.
        let first = found.values().flatten().filter_map(|path| claim_of(path)).map(|claim| claim.number).min();
        let mut committed: HashSet<PathBuf> = HashSet::new();
        if let Some(first) = first.filter(|first| *first <= last) {
            let imports = imports(root, first.saturating_sub(1))?;
            committed.extend(imports.values().flat_map(|import| paths(root, import)));
        }
        let is_later = |path: &PathBuf| self.later.values().any(|files| files.contains(path));
        for files in found.values_mut() {
            files.retain(|path| !is_later(path) && (claim_of(path).is_none() || committed.contains(path)));
        }
        Ok(())
    }
}

fn paths<'a>(root: &'a Path, import: &'a Import) -> impl Iterator<Item = PathBuf> + 'a {
    import.files.iter().map(|file| root.join(&file.path))
}

/// Whether there is an archive: an import, or a day.
pub(super) fn is_archive(root: &Path) -> Result<bool, ArchiveError> {
    if !records(root)?.is_empty() {
        return Ok(true);
    }
    let has_day = folders(list_one(&root.join(FLOWS))?).any(|name| name.starts_with("date="));
    Ok(has_day)
}

/// What stands right below a folder.
pub(super) fn list_one(folder: &Path) -> Result<Vec<Entry>, ArchiveError> {
    let listed = list(&[Folder { path: folder.to_owned(), deep: false }], folder)?;
    Ok(listed.into_iter().next().unwrap_or_default())
}

fn list(folders: &[Folder], of: &Path) -> Result<Vec<Vec<Entry>>, ArchiveError> {
    if folders.is_empty() {
        return Ok(Vec::new());
    }
    store().and_then(|store| store.list(folders)).map_err(ArchiveError::io(of))
}

fn folders(entries: Vec<Entry>) -> impl Iterator<Item = String> {
    entries.into_iter().filter(|entry| entry.is_folder).map(|entry| entry.name)
}

/// The numbers of the records, in order.
fn records(root: &Path) -> Result<BTreeSet<u64>, ArchiveError> {
    let entries = list_one(&root.join(IMPORTS))?;
    Ok(entries.iter().filter(|entry| !entry.is_folder).filter_map(|entry| number_of(&entry.name)).collect())
}

/// The records behind a number.
pub(super) fn imports(root: &Path, behind: u64) -> Result<BTreeMap<u64, Import>, ArchiveError> {
    let numbers: Vec<u64> = records(root)?.into_iter().filter(|number| *number > behind).collect();
    let paths: Vec<PathBuf> = numbers.iter().map(|number| record(root, *number)).collect();
    let store = store().map_err(ArchiveError::io(root))?;
    let read = store.read(&paths).into_iter().zip(&paths).zip(numbers);
    read.map(|((text, path), number)| Ok((number, parse(&text.map_err(ArchiveError::io(path))?, path)?))).collect()
}

/// Where a record is.
pub(super) fn record(root: &Path, number: u64) -> PathBuf {
    root.join(IMPORTS).join(format!("{number:08}.json"))
}

/// The claims that were not put away.
pub(super) fn claims(root: &Path) -> Result<Vec<Claim>, ArchiveError> {
    let folder = root.join(IMPORTING);
    let claim = |entry: Entry| {
        let (number, word) = entry.name.strip_suffix(".json")?.split_once('-')?;
        let (number, word) = (number.parse::<u32>().ok()?.into(), word.to_owned());
        Some(Claim { path: folder.join(&entry.name), number, word, written: entry.written })
    };
    Ok(list_one(&folder)?.into_iter().filter(|entry| !entry.is_folder).filter_map(claim).collect())
}

/// Where the claim of an import is.
pub(super) fn claim(root: &Path, number: u64, word: &str) -> PathBuf {
    root.join(IMPORTING).join(format!("{number:08}-{word}.json"))
}

/// The files of some hours, each named once, whether they count or not.
fn listed(root: &Path, hours: &[Hour]) -> Result<HashMap<Hour, Vec<PathBuf>>, ArchiveError> {
    let flows = root.join(FLOWS);
    let mut by_day: BTreeMap<PathBuf, Vec<Hour>> = BTreeMap::new();
    for hour in hours {
        let folder = hour.folder();
        by_day.entry(folder.parent().unwrap_or(&folder).to_owned()).or_default().push(*hour);
    }
    let mut wanted = Vec::new();
    for (day, hours) in &by_day {
        if hours.len() > FEW {
            wanted.push(Folder { path: flows.join(day), deep: true });
        } else {
            wanted.extend(hours.iter().map(|hour| Folder { path: flows.join(hour.folder()), deep: false }));
        }
    }
    let mut found: HashMap<Hour, Vec<PathBuf>> = hours.iter().map(|hour| (*hour, Vec::new())).collect();
    for (folder, entries) in wanted.iter().zip(list(&wanted, &flows)?) {
        for entry in entries.into_iter().filter(|entry| !entry.is_folder) {
            let path = folder.path.join(&entry.name);
            let (Some(hour), Some(name)) = (layout::hour_of(&path), path.file_name()) else { continue };
            // As it would be found by its hour: nothing else is deep below a day.
            let is_there = path == flows.join(hour.folder()).join(name);
            if let Some(files) = found.get_mut(&hour).filter(|_| is_there && layout::is_file(&name.to_string_lossy())) {
                files.push(path);
            }
        }
    }
    found.values_mut().for_each(|files| files.sort_unstable());
    Ok(found)
}
