//! Rows on their way into a file: lines of an exporter, CSV, Parquet, or a report.
//!
//! A file that is there already is left alone.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use lookback_flow::escape::{markdown, spreadsheet};
use lookback_flow::json::{Decoder, Wants};
use lookback_flow::lines::Chunk;
use lookback_flow::rows::Projection;
use lookback_flow::segment::{SegmentInfo, SegmentWriter};

use super::DataError;
use super::cell::Col;
use super::detail;
use super::index::Entry;
use super::page;
use super::scan::Scan;
use super::store::Store;

/// Rows that are written at once.
const BLOCK: usize = 2048;

/// What a file is to be, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Lines,
    Csv,
    Parquet,
    Report,
}

impl Format {
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        Some(match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "ndjson" | "jsonl" | "json" | "log" => Self::Lines,
            "csv" => Self::Csv,
            "parquet" => Self::Parquet,
            "md" => Self::Report,
            _ => return None,
        })
    }
}

/// Which rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Everything that the filter shows.
    Shown,
    /// These, in the order of time, with their notes.
    Marked(Vec<(Entry, String)>),
}

enum Out {
    Lines(BufWriter<File>),
    Csv(Box<csv::Writer<BufWriter<File>>>),
    Parquet(Box<SegmentWriter<BufWriter<File>>>, Box<Decoder>),
    Report(BufWriter<File>),
}

impl std::fmt::Debug for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Out")
    }
}

/// A file being written.
#[derive(Debug)]
pub struct Export {
    pub path: PathBuf,
    what: What,
    columns: Vec<Col>,
    out: Option<Out>,
    pub written: usize,
}

impl Export {
    /// Begins a file. `head` is what a report says first.
    ///
    /// # Errors
    /// When its name does not tell what it is to be, or it is there already or cannot be written.
    pub fn new(path: &Path, what: What, columns: Vec<Col>, head: &str) -> Result<Self, DataError> {
        let Some(format) = Format::of(path) else {
            let name = path.display();
            return Err(DataError::Other(format!(
                "{name}: name it .ndjson, .csv, .parquet or .md, so that it is clear what it is to be"
            )));
        };
        let failed = |error| DataError::Io { path: path.to_owned(), error };
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
        let mut file = BufWriter::new(file);
        let out = match format {
            Format::Lines => Out::Lines(file),
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(file);
                csv.write_record(columns.iter().map(|col| col.name())).map_err(|error| failed(error.into()))?;
                Out::Csv(Box::new(csv))
            }
            Format::Parquet => {
                let wants = Wants { columns: Projection::all(), ..Wants::default() };
                let writer = SegmentWriter::unordered(file).map_err(|error| DataError::Other(error.to_string()))?;
                Out::Parquet(Box::new(writer), Box::new(Decoder::wanting(wants)))
            }
            Format::Report => {
                file.write_all(head.as_bytes()).map_err(failed)?;
                Out::Report(file)
            }
        };
        Ok(Self { path: path.to_owned(), what, columns, out: Some(out), written: 0 })
    }

    /// How many rows it will have.
    #[must_use]
    pub fn total(&self, scan: &Scan) -> usize {
        match &self.what {
            What::Shown => scan.index.len(),
            What::Marked(rows) => rows.len(),
        }
    }

    /// Writes some rows; gives whether the file is whole.
    ///
    /// # Errors
    /// When something cannot be read or written; the file then has what came before.
    pub fn step(&mut self, store: &Store, scan: &Scan) -> Result<bool, DataError> {
        let block = self.written..(self.written + BLOCK).min(self.total(scan));
        if block.is_empty() {
            if matches!(self.what, What::Shown) && !scan.is_done {
                return Ok(false);
            }
            return self.finish().map(|()| true);
        }
        let rows: Vec<(Entry, String)> = match &self.what {
            What::Shown => block
                .clone()
                .filter_map(|at| Some((scan.index.shown(at, scan.is_reversed())?, String::new())))
                .collect(),
            What::Marked(rows) => rows.get(block.clone()).unwrap_or_default().to_vec(),
        };
        self.write(store, &rows)?;
        self.written = block.end;
        Ok(false)
    }

    fn write(&mut self, store: &Store, rows: &[(Entry, String)]) -> Result<(), DataError> {
        let path = self.path.clone();
        let failed = |error| DataError::Io { path: path.clone(), error };
        let entries: Vec<Entry> = rows.iter().map(|(entry, _)| *entry).collect();
        match &mut self.out {
            Some(Out::Lines(out)) => {
                for line in lines(store, &entries)? {
                    writeln!(out, "{line}").map_err(failed)?;
                }
            }
            Some(Out::Csv(out)) => {
                for row in page::rows(store, &entries, &self.columns)? {
                    let cells = row.cells.iter().map(|cell| spreadsheet(cell).into_owned());
                    out.write_record(cells).map_err(|error| failed(error.into()))?;
                }
            }
            Some(Out::Parquet(out, decoder)) => {
                let text = lines(store, &entries)?.join("\n");
                let mut bad = None;
                decoder.chunk(&Chunk { bytes: text.into_bytes() }, |_, why| bad = Some(why.to_string()));
                if let Some(why) = bad {
                    return Err(DataError::Other(format!("a line that was just written cannot be read: {why}")));
                }
                out.write(&decoder.finish()?).map_err(|error| DataError::Other(error.to_string()))?;
            }
            Some(Out::Report(out)) => {
                for (row, (_, note)) in page::rows(store, &entries, &self.columns)?.iter().zip(rows) {
                    let time = row.time.map(lookback_flow::time::rfc3339).unwrap_or_default();
                    let cells: Vec<String> = row.cells.iter().map(|cell| markdown(cell)).collect();
                    writeln!(out, "- {time} {}", cells.join(" · ")).map_err(failed)?;
                    if !note.is_empty() {
                        writeln!(out, "  - {}", markdown(note)).map_err(failed)?;
                    }
                }
            }
            None => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), DataError> {
        let path = self.path.clone();
        let failed = |error| DataError::Io { path: path.clone(), error };
        let told = |error: &dyn std::fmt::Display| DataError::Other(format!("{}: {error}", path.display()));
        match self.out.take() {
            Some(Out::Lines(mut out) | Out::Report(mut out)) => out.flush().map_err(failed),
            Some(Out::Csv(mut out)) => out.flush().map_err(failed),
            Some(Out::Parquet(out, _)) => {
                out.finish(&SegmentInfo::default()).map_err(|error| told(&error))?.flush().map_err(failed)
            }
            None => Ok(()),
        }
    }
}

/// The lines of rows, in their order.
fn lines(store: &Store, entries: &[Entry]) -> Result<Vec<String>, DataError> {
    let mut wanted: Vec<(usize, usize, usize)> =
        entries.iter().enumerate().map(|(at, entry)| (entry.place.part(), entry.place.row(), at)).collect();
    wanted.sort_unstable();
    let mut all: Vec<(usize, String)> = Vec::with_capacity(entries.len());
    for of_part in wanted.chunk_by(|a, b| a.0 == b.0) {
        let rows: Vec<usize> = of_part.iter().map(|(_, row, _)| *row).collect();
        let part = of_part.first().map_or(0, |(part, ..)| *part);
        all.extend(of_part.iter().map(|(.., at)| *at).zip(detail::lines(store, part, &rows)?));
    }
    all.sort_unstable_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, line)| line).collect())
}
