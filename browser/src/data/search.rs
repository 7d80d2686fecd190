//! The next row in which a text stands, as rows are shown.

use super::DataError;
use super::cell::Col;
use super::page;
use super::scan::Scan;
use super::store::Store;

/// Rows that are looked through at once.
const BLOCK: usize = 1024;

/// A search under way.
#[derive(Debug)]
pub struct Search {
    pub text: String,
    pub forward: bool,
    pub columns: Vec<Col>,
    /// The next block begins here, or ends here when it goes backwards.
    at: usize,
}

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    At(usize),
    Nowhere,
    NotYet,
}

impl Search {
    /// From the row behind a place, or before it.
    #[must_use]
    pub fn new(text: &str, from: usize, forward: bool, columns: Vec<Col>) -> Self {
        let at = if forward { from + 1 } else { from };
        Self { text: text.to_lowercase(), forward, columns, at }
    }

    /// Looks through some rows.
    ///
    /// # Errors
    /// When a part cannot be read.
    pub fn step(&mut self, store: &Store, scan: &Scan) -> Result<Found, DataError> {
        let reversed = scan.is_reversed();
        let (from, to) = if self.forward {
            (self.at, (self.at + BLOCK).min(scan.index.len()))
        } else {
            (self.at.saturating_sub(BLOCK), self.at)
        };
        if from >= to {
            return Ok(if self.forward && !scan.is_done { Found::NotYet } else { Found::Nowhere });
        }
        let entries: Vec<_> = (from..to).filter_map(|at| scan.index.shown(at, reversed)).collect();
        let rows = page::rows(store, &entries, &self.columns)?;
        let is_hit = |row: &page::Row| row.cells.iter().any(|cell| cell.to_lowercase().contains(&self.text));
        let hit = if self.forward { rows.iter().position(is_hit) } else { rows.iter().rposition(is_hit) };
        self.at = if self.forward { to } else { from };
        Ok(hit.map_or(Found::NotYet, |hit| Found::At(from + hit)))
    }
}
