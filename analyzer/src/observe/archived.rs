//! Events of an archive: hour after hour, of each file only the rows that are asked for.
//!
//! For the first or the last ones, it is found out first how far they reach, by the columns alone that decide: the other columns
//! are read of those rows only that are printed.

use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use arrow::error::ArrowError;
use lookback_flow::archive::layout::Hour;
use lookback_flow::archive::{Archive, HourFiles};
use lookback_flow::mask::FieldMask;
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Form, Reading, RowTest, SegmentError, SegmentFile, Wanted};

use super::printer::{Keep, Printer};
use super::selection::Selection;
use crate::cli::Sort;
use crate::read::{is_away, reached};

/// Reads files of an archive, or single ones.
pub(super) struct Archived<'a> {
    selection: &'a Arc<Selection>,
    mask: &'a FieldMask,
    /// The columns that are printed.
    columns: &'a Projection,
    /// Files that cannot be read, and why.
    pub broken: Vec<(PathBuf, String)>,
    /// Files whose footers were read last: what is found out about them first is read right after.
    opened: Vec<(PathBuf, Arc<SegmentFile>)>,
}

/// Files that are kept open.
const OPEN: usize = 16;

/// The times that the first or last events have, as far as they are known.
struct Extremes {
    keep: Keep,
    /// The one that would be dropped next is on top; the last ones' times are turned round.
    times: BinaryHeap<i64>,
}

impl Extremes {
    fn most(&self) -> usize {
        match self.keep {
            Keep::All => usize::MAX,
            Keep::First(most) | Keep::Last(most) => most,
        }
    }

    /// How late a time is among those that are asked for: the least one comes first.
    fn rank(&self, time: i64) -> i64 {
        if matches!(self.keep, Keep::Last(_)) { time.checked_neg().unwrap_or(i64::MAX) } else { time }
    }

    fn add(&mut self, time: i64) {
        self.times.push(self.rank(time));
        if self.times.len() > self.most() {
            self.times.pop();
        }
    }

    /// The part of a window in which they all are.
    fn window(&self, window: Option<(i64, i64)>) -> Option<(i64, i64)> {
        let farthest = self.times.peek().filter(|_| self.times.len() == self.most());
        let Some(farthest) = farthest else { return window };
        let (since, until) = window.unwrap_or((i64::MIN, i64::MAX));
        Some(match self.keep {
            Keep::Last(_) => (since.max(-farthest), until),
            _ => (since, until.min(*farthest)),
        })
    }
}

impl<'a> Archived<'a> {
    pub(super) fn new(selection: &'a Arc<Selection>, mask: &'a FieldMask, columns: &'a Projection) -> Self {
        Self { selection, mask, columns, broken: Vec::new(), opened: Vec::new() }
    }

    fn open(&mut self, path: &Path) -> Result<Arc<SegmentFile>, SegmentError> {
        if let Some((_, file)) = self.opened.iter().find(|(opened, _)| opened == path) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(SegmentFile::open(path)?);
        if self.opened.len() == OPEN {
            self.opened.remove(0);
        }
        self.opened.push((path.to_owned(), Arc::clone(&file)));
        Ok(file)
    }

    /// Prints what an archive holds; `is_last` when no input comes after it.
    pub(super) fn archive(
        &mut self,
        archive: &Archive,
        part: u64,
        is_last: bool,
        printer: &mut Printer<'_>,
    ) -> Result<()> {
        let window = match (printer.order(), printer.keep()) {
            (Sort::Time, keep @ (Keep::First(most) | Keep::Last(most))) if most > 0 => self.reach(archive, keep)?,
            _ => self.selection.window,
        };
        for hour in archive.hours()?.into_iter().filter(|hour| overlaps(hour.span(), window)) {
            for HourFiles { files, .. } in archive.files(&[hour])? {
                for file in files {
                    self.file(&file, part, window, printer)?;
                }
            }
            if let Some((_, end)) = hour.span()
                && is_last
            {
                printer.settle(end.saturating_add(1))?;
            }
        }
        Ok(())
    }

    /// Prints what a file holds in a window.
    pub(super) fn file(
        &mut self,
        path: &Path,
        part: u64,
        window: Option<(i64, i64)>,
        printer: &mut Printer<'_>,
    ) -> Result<()> {
        let read = self.open(path).map_err(anyhow::Error::from).and_then(|file| {
            let wanted = Wanted { window, needles: self.selection.filters.needles(), ..Wanted::default() };
            let selection = Arc::clone(self.selection);
            let test = move |batch: &_| selection.rows(batch, window).map_err(ArrowError::from);
            let test = RowTest { columns: self.selection.columns(), test: Arc::new(test) };
            let reading = Reading { test: Some(test), form: Form::Stored, ..Reading::default() };
            for batch in file.read_as(self.columns, &wanted, reading)? {
                printer.batch(part, &self.mask.apply(&batch?)?)?;
            }
            Ok(())
        });
        match read {
            Err(error) if is_away(&error) => Err(error.context(path.display().to_string())),
            Err(error) if error.is::<SegmentError>() => {
                self.broken.push((path.to_owned(), error.to_string()));
                Ok(())
            }
            other => other,
        }
    }

    /// The window in which the first or last events are.
    fn reach(&mut self, archive: &Archive, keep: Keep) -> Result<Option<(i64, i64)>> {
        let mut extremes = Extremes { keep, times: BinaryHeap::new() };
        let (columns, needles) = (self.selection.columns(), self.selection.filters.needles());
        let mut hours: Vec<Hour> = archive.hours()?.into_iter().filter(|hour| hour.span().is_some()).collect();
        if matches!(keep, Keep::Last(_)) {
            hours.reverse();
        }
        for hour in hours {
            if !overlaps(hour.span(), extremes.window(self.selection.window)) {
                continue;
            }
            let mut groups = Vec::new();
            for path in archive.files(&[hour])?.into_iter().flat_map(|files| files.files) {
                // What cannot be read is told when it is read for its rows.
                let Some(file) = reached(&path, self.open(&path).map_err(anyhow::Error::from))? else { continue };
                groups.extend(file.spans().into_iter().enumerate().map(|(at, span)| (span, at, Arc::clone(&file))));
            }
            groups.sort_by_key(|(span, ..)| match (span, keep) {
                (Some((_, last)), Keep::Last(_)) => last.checked_neg(),
                (Some((first, _)), _) => Some(*first),
                (None, _) => None,
            });
            for (span, group, file) in groups {
                let window = extremes.window(self.selection.window);
                if overlaps(span, window) {
                    let wanted = Wanted { window, needles: needles.clone(), exactly: true, row_group: Some(group) };
                    let reading = Reading { form: Form::Stored, ..Reading::default() };
                    let Ok(batches) = file.read_as(&columns, &wanted, reading) else { continue };
                    for batch in batches {
                        let Some(batch) = reached(&archive.root, batch.map_err(anyhow::Error::from))? else { break };
                        self.selection.times(&batch)?.into_iter().for_each(|time| extremes.add(time));
                    }
                }
            }
        }
        Ok(extremes.window(self.selection.window))
    }
}

/// Whether what is within a span may be in a window.
fn overlaps(span: Option<(i64, i64)>, window: Option<(i64, i64)>) -> bool {
    match (span, window) {
        (Some((first, last)), Some((since, until))) => first <= until && last >= since,
        _ => true,
    }
}
