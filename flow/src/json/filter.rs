//! Which rows are kept: those that a question may be about.

use crate::columns::ColumnId;
use crate::segment::Needle;

/// Conditions on the texts of a row.
#[derive(Debug)]
pub(super) struct Filter {
    needles: Vec<Needle>,
}

impl Filter {
    pub(super) fn new(needles: &[Needle]) -> Self {
        Self { needles: needles.to_vec() }
    }

    /// Columns that are asked about.
    pub(super) fn columns(&self) -> impl Iterator<Item = ColumnId> + '_ {
        self.needles.iter().flatten().flatten().map(|(column, _)| *column)
    }

    /// Whether a row with these texts fits one of the needles.
    pub(super) fn keeps<'a>(&self, text: impl Fn(ColumnId) -> Option<&'a str>) -> bool {
        let fits = |needle: &Needle| {
            needle
                .iter()
                .all(|clause| clause.iter().any(|(column, wanted)| text(*column).is_some_and(|text| wanted.fits(text))))
        };
        self.needles.is_empty() || self.needles.iter().any(fits)
    }
}
