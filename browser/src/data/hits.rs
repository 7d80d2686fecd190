//! Where a text stands among the rows shown, for the scroll bar.

use super::DataError;
use super::cell::Col;
use super::page;
use super::scan::Scan;
use super::store::Store;

/// Rows that are looked through at once.
const BLOCK: usize = 512;
/// Rows that are looked through at all, from the first on: more would be read only for a mark.
pub const MOST_ROWS: usize = 200_000;

/// A text being looked for in all rows.
#[derive(Debug)]
pub struct Hits {
    pub generation: u64,
    text: String,
    columns: Vec<Col>,
    at: usize,
    rows: Vec<usize>,
}

impl Hits {
    #[must_use]
    pub fn new(generation: u64, text: &str, columns: Vec<Col>) -> Self {
        Self { generation, text: text.to_lowercase(), columns, at: 0, rows: Vec::new() }
    }

    /// Looks through some rows, once all are in their places; gives whether there was anything to do.
    ///
    /// # Errors
    /// When a part cannot be read.
    pub fn step(&mut self, store: &Store, scan: &Scan) -> Result<bool, DataError> {
        let end = scan.index.len().min(MOST_ROWS);
        if !scan.is_done || self.at >= end {
            return Ok(false);
        }
        let to = (self.at + BLOCK).min(end);
        let entries: Vec<_> = (self.at..to).filter_map(|at| scan.index.shown(at, scan.is_reversed())).collect();
        let rows = page::rows(store, &entries, &self.columns)?;
        let is_hit = |row: &page::Row| row.cells.iter().any(|cell| cell.to_lowercase().contains(&self.text));
        self.rows.extend(rows.iter().enumerate().filter(|(_, row)| is_hit(row)).map(|(row, _)| self.at + row));
        self.at = to;
        Ok(true)
    }

    /// Whether there is nothing left to look through.
    #[must_use]
    pub fn is_over(&self, scan: &Scan) -> bool {
        scan.is_done && self.at >= scan.index.len().min(MOST_ROWS)
    }

    /// Places of the rows that were found, in their order.
    #[must_use]
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }
}
