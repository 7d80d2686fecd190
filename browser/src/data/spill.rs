//! Decoded rows that memory has no room for: Parquet files in a temporary folder, gone when nobody reads them any more.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use lookback_flow::segment::{SegmentFile, SegmentInfo, SegmentWriter};
use tempfile::TempDir;

use super::part::Opened;

/// Rows of a file.
const ROWS: usize = 262_144;

#[derive(Debug, Default)]
pub(super) struct Spill {
    folder: Option<Arc<TempDir>>,
    files: usize,
    rows: usize,
    writer: Option<(PathBuf, SegmentWriter<BufWriter<File>>)>,
}

impl Spill {
    /// Writes rows.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        if self.writer.is_none() {
            let folder = match &self.folder {
                Some(folder) => Arc::clone(folder),
                None => Arc::new(tempfile::Builder::new().prefix("lookback-browse-").tempdir().map_err(|e| told(&e))?),
            };
            let path = folder.path().join(format!("{}.parquet", self.files));
            self.folder = Some(folder);
            self.files += 1;
            let file = BufWriter::new(File::create(&path).map_err(|error| told(&error))?);
            self.writer = Some((path, SegmentWriter::unordered(file).map_err(|error| told(&error))?));
        }
        if let Some((_, writer)) = &mut self.writer {
            writer.write(batch).map_err(|error| told(&error))?;
            self.rows += batch.num_rows();
        }
        Ok(())
    }

    /// The file, once it is large enough or the end is reached.
    pub(super) fn take(&mut self, is_end: bool) -> Result<Option<Opened>, String> {
        if self.rows < ROWS && !is_end {
            return Ok(None);
        }
        let Some((path, writer)) = self.writer.take() else { return Ok(None) };
        self.rows = 0;
        let mut file = writer.finish(&SegmentInfo::default()).map_err(|error| error.to_string())?;
        std::io::Write::flush(&mut file).map_err(|error| error.to_string())?;
        drop(file);
        let file = SegmentFile::open(&path).map_err(|error| error.to_string())?;
        Ok(Some(Opened { path, file, _folder: self.folder.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use lookback_flow::rows::{Projection, Rows};

    use super::*;

    #[test]
    fn rows_come_back_and_the_folder_goes() {
        let mut rows = Rows::new(Projection::all());
        for _ in 0..3 {
            rows.text(lookback_flow::columns::ColumnId::known("verdict"), "DROPPED");
            rows.finish_row();
        }
        let batch = rows.finish().unwrap();
        let mut spill = Spill::default();
        spill.add(&batch).unwrap();
        assert!(spill.take(false).unwrap().is_none());
        let opened = spill.take(true).unwrap().unwrap();
        let path = opened.path.clone();
        assert_eq!(opened.file.rows, 3);
        drop(spill);
        assert!(path.exists());
        drop(opened);
        assert!(!path.exists());
    }
}
