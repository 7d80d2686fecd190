//! `lookback archive stats`: what an archive holds, and what it takes.

use std::collections::BTreeMap;
use std::io;

use anyhow::{Context as _, Result, bail};
use chrono::DateTime;
use comfy_table::{CellAlignment, Table, presets};
use lookback_flow::archive::Archive;
use lookback_flow::segment::{SegmentError, SegmentFile};
use lookback_flow::store;
use lookback_flow::time::rfc3339;
use parquet::file::metadata::RowGroupMetaData;
use serde::Serialize;

use crate::cli::{self, Words};
use crate::render::{grouped, terminal, write_pretty};
use crate::session::Outcome;

/// Rows and bytes of some part of an archive.
#[derive(Clone, Debug, Default, Serialize)]
struct Share {
    files: u64,
    rows: u64,
    bytes: u64,
    #[serde(serialize_with = "moment")]
    first: Option<i64>,
    #[serde(serialize_with = "moment")]
    last: Option<i64>,
}

#[derive(Debug, Default, Serialize)]
struct Stats {
    archive: String,
    total: Share,
    nodes: BTreeMap<String, Share>,
    days: BTreeMap<String, Share>,
    /// Compressed bytes of each column's values.
    columns: BTreeMap<String, u64>,
    /// Bytes of what is none: footers, indexes, filters.
    overhead: u64,
    /// Files that could not be read, and why.
    broken: BTreeMap<String, String>,
}

#[expect(clippy::ref_option, reason = "serde passes the field as it is")]
fn moment<S: serde::Serializer>(time: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(rfc3339).serialize(serializer)
}

pub(crate) fn run(args: &cli::Stats) -> Result<Outcome> {
    let Some(archive) = Archive::look(&args.archive)? else {
        bail!("{}: no archive; `lookback import INPUT… -o ARCHIVE` makes one", args.archive.display());
    };
    let stats = gather(&archive)?;
    let mut out = io::stdout().lock();
    match args.output {
        Words::Json => write_pretty(&stats, &mut out)?,
        Words::Text => write(&stats, &mut out)?,
    }
    Ok(Outcome::Answered)
}

fn gather(archive: &Archive) -> Result<Stats> {
    let mut stats = Stats { archive: archive.root.display().to_string(), ..Stats::default() };
    for hour in archive.files_of(|_| true)? {
        let day = match hour.hour.span() {
            Some((start, _)) => DateTime::from_timestamp_nanos(start).format("%Y-%m-%d").to_string(),
            None => "without time".to_owned(),
        };
        store::open_soon(&hour.files);
        for path in hour.files {
            let bytes = store::size(&path).with_context(|| path.display().to_string())?;
            let file = match SegmentFile::open(&path) {
                Ok(file) => file,
                Err(error @ SegmentError::Away(_)) => return Err(error).with_context(|| path.display().to_string()),
                Err(error) => {
                    stats.broken.insert(path.display().to_string(), error.to_string());
                    continue;
                }
            };
            let covers = file.info.coverage.clone().unwrap_or_default();
            let share = Share { files: 1, rows: file.rows, bytes, first: covers.first, last: covers.last };
            stats.total.add(&share);
            stats.days.entry(day.clone()).or_default().add(&share);
            for (name, node) in &covers.nodes {
                // A file of several nodes is shared by their events.
                let bytes = u128::from(bytes) * u128::from(node.events) / u128::from(file.rows.max(1));
                let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                let share = Share { files: 1, rows: node.events, bytes, first: node.first, last: node.last };
                stats.nodes.entry(name.clone()).or_default().add(&share);
            }
            let mut values = 0;
            for chunk in file.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns) {
                let bytes = u64::try_from(chunk.compressed_size()).unwrap_or_default();
                let column = chunk.column_path().parts().first().cloned().unwrap_or_default();
                *stats.columns.entry(column).or_default() += bytes;
                values += bytes;
            }
            stats.overhead += bytes.saturating_sub(values);
        }
    }
    Ok(stats)
}

impl Share {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.into_iter().chain(other.last).max();
    }

    fn cells(&self) -> [String; 6] {
        let time = |time: Option<i64>| time.map(rfc3339).unwrap_or_default();
        let [files, rows, bytes] = [self.files, self.rows, self.bytes].map(|number| grouped(number.into()));
        [files, rows, bytes, per_row(self.bytes, self.rows), time(self.first), time(self.last)]
    }
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn per_row(bytes: u64, rows: u64) -> String {
    if rows == 0 { String::new() } else { format!("{:.2}", bytes as f64 / rows as f64) }
}

/// Columns that are listed one by one.
const MOST_COLUMNS: usize = 20;

fn write(stats: &Stats, out: &mut dyn io::Write) -> Result<()> {
    const HEADS: [&str; 6] = ["FILES", "ROWS", "BYTES", "BYTES/ROW", "FIRST", "LAST"];
    let section = |head: &str, shares: &BTreeMap<String, Share>| {
        let rows = shares.iter().map(|(name, share)| {
            let name = if name.is_empty() { "an unnamed node" } else { name };
            std::iter::once(terminal(name).into_owned()).chain(share.cells()).collect()
        });
        table(std::iter::once(head).chain(HEADS).collect(), rows.collect())
    };
    let total = BTreeMap::from([("all".to_owned(), stats.total.clone())]);
    writeln!(out, "{}\n", section("", &total))?;
    writeln!(out, "{}\n", section("NODE", &stats.nodes))?;
    writeln!(out, "{}\n", section("DAY", &stats.days))?;
    let mut columns: Vec<(&str, u64)> = stats.columns.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    columns.sort_unstable_by_key(|(name, bytes)| (std::cmp::Reverse(*bytes), *name));
    let others = columns.split_off(columns.len().min(MOST_COLUMNS));
    let rest = format!("{} others", others.len());
    columns.push((&rest, others.iter().map(|(_, bytes)| bytes).sum()));
    columns.push(("footers, indexes, filters", stats.overhead));
    let rows = columns.into_iter().map(|(name, bytes)| {
        vec![terminal(name).into_owned(), grouped(bytes.into()), per_row(bytes, stats.total.rows)]
    });
    writeln!(out, "{}", table(vec!["COLUMN", "BYTES", "BYTES/ROW"], rows.collect()))?;
    for (path, why) in &stats.broken {
        writeln!(out, "\nwarning {}", terminal(&format!("{path}: {why}")))?;
    }
    Ok(())
}

fn table(heads: Vec<&str>, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(heads);
    for row in rows {
        table.add_row(row);
    }
    for (position, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if (1..=4).contains(&position) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}
