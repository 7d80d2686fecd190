//! All parts of the input, as far as they are known.

use std::path::PathBuf;

use lookback_flow::coverage::Coverage;
use lookback_flow::names::Workloads;
use lookback_flow::segment::Origin;

use super::part::Part;

/// What the inputs hold.
#[derive(Debug, Default)]
pub struct Store {
    pub parts: Vec<Part>,
    pub rows: u64,
    /// First and last moment, as far as parts tell.
    pub extent: Option<(i64, i64)>,
    /// What was counted when rows were decoded.
    pub coverage: Coverage,
    pub workloads: Workloads,
    /// Logs and files: lines, rejected ones, why one broke off.
    pub origins: Vec<Origin>,
    /// Files that could not be read.
    pub broken: Vec<(PathBuf, String)>,
    /// Nothing more comes.
    pub is_complete: bool,
}

impl Store {
    /// Adds a part; gives its number.
    pub fn add(&mut self, part: Part) -> usize {
        self.rows += part.rows as u64;
        if let Some((first, last)) = part.span {
            let (from, to) = self.extent.unwrap_or((first, last));
            self.extent = Some((from.min(first), to.max(last)));
        }
        self.parts.push(part);
        self.parts.len() - 1
    }
}
