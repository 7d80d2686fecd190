//! One Parquet file: what it tells of itself, and the rows that may be asked about.

use std::path::Path;

use anyhow::{Result, anyhow};
use arrow::array::RecordBatch;
use lookback_flow::columns::ColumnId;
use lookback_flow::coverage::{self, Coverage};
use lookback_flow::json::Wants;
use lookback_flow::names::{Side, Workloads};
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Form, Origin, Reading, SegmentFile, Skipped, Wanted};

use crate::read::is_away;

/// What came of a file.
#[derive(Default)]
pub(super) struct Part {
    pub origins: Vec<Origin>,
    /// What its rows cover, whether they are read or not.
    pub covers: Coverage,
    /// Written by a later version, with these columns that are not known.
    pub is_newer: bool,
    pub unknown: Vec<String>,
    /// Rows of the file.
    pub rows: u64,
    /// What of it was not read; `None` when nothing was.
    pub skipped: Option<Skipped>,
    /// Why it could not be read, or not to its end.
    pub broken: Option<String>,
}

impl Part {
    /// Reads what is wanted of a file, and hands it on.
    ///
    /// # Errors
    /// Those of whoever takes the rows, and that object storage cannot be reached; why a file cannot be read is part of what came of it.
    pub(super) fn read(
        path: &Path,
        wanted: &Wanted,
        wants: &Wants,
        hand_on: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<Self> {
        let mut part = Self::default();
        let file = SegmentFile::open(path).map_err(anyhow::Error::from);
        let mut refused = None;
        let mut hand_on = |batch| hand_on(batch).inspect_err(|error| refused = Some(format!("{error:#}")));
        if let Err(error) = file.and_then(|file| part.take(file, wanted.clone(), wants, &mut hand_on)) {
            if is_away(&error) {
                return Err(error.context(path.display().to_string()));
            }
            part.broken = Some(error.to_string());
        }
        match refused {
            Some(why) => Err(anyhow!(why)),
            None => Ok(part),
        }
    }

    fn take(
        &mut self,
        file: SegmentFile,
        mut wanted: Wanted,
        wants: &Wants,
        hand_on: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let mut file = file;
        let info = std::mem::take(&mut file.info);
        let counts = info.coverage.is_none();
        self.is_newer = info.is_newer();
        self.rows = file.rows;
        self.unknown.clone_from(&file.unknown);
        self.covers = info.coverage.unwrap_or_default();
        self.origins = info.origins;
        if counts {
            // What the file does not tell of itself is counted by its rows.
            wanted = Wanted::default();
        } else if let Some((since, until)) = wanted.window {
            let overlaps = self.covers.first.is_some_and(|first| first <= until) && self.covers.last >= Some(since);
            let reports = self.covers.lost_within((since, until)).0 > 0;
            if !overlaps && !reports {
                return Ok(());
            }
            if reports {
                // A report of what was lost in the window may itself be of a later time.
                wanted.window = None;
            }
        }
        let counted = if counts { coverage::COLUMNS } else { &[] };
        let projection = wants.columns.clone().with(counted.iter().filter_map(|name| ColumnId::of(name)));
        let reading = Reading { form: Form::NumberedLists, ..Reading::default() };
        let mut reader = file.read_as(&projection, &wanted, reading)?;
        self.skipped = Some(reader.skipped);
        for batch in &mut reader {
            let batch = batch?;
            if counts {
                self.covers.count(&batch)?;
            }
            hand_on(batch)?;
        }
        self.skipped = Some(reader.skipped);
        Ok(())
    }
}

/// What a file tells of workloads: by its own word, or by its rows. What of it cannot be read is told of when its rows are.
pub(super) fn workloads(path: &Path) -> Workloads {
    let Ok(mut file) = SegmentFile::open(path) else { return Workloads::default() };
    let info = std::mem::take(&mut file.info);
    let is_told = info.coverage.is_some() && info.knows_all_workloads();
    let mut workloads = info.workloads;
    if !is_told {
        let columns =
            ["source", "destination"].iter().flat_map(|side| Side::COLUMNS.map(|name| format!("{side}_{name}")));
        let columns: Vec<String> = columns.collect();
        let reading = Reading { form: Form::NumberedLists, ..Reading::default() };
        let rows = file.read_as(&Projection::of(columns.iter().map(String::as_str)), &Wanted::default(), reading);
        for batch in rows.into_iter().flatten().map_while(Result::ok) {
            // Its types are those of the schema.
            let _ = workloads.learn(&batch);
        }
    }
    workloads
}
