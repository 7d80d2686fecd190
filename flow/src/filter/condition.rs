//! What one field of a filter asks of a row.

use std::collections::HashMap;
use std::fmt;

use arrow::buffer::BooleanBuffer;

use crate::columns::ColumnId;
use crate::segment::Clause;
use crate::view::View;

/// A question about some columns of a row.
pub(super) struct Condition {
    pub columns: Vec<ColumnId>,
    /// What surely stands in a row that answers yes, as far as that can be told by single texts.
    pub clauses: Vec<Clause>,
    test: Box<Test>,
}

type Test = dyn Fn(&View<'_>, usize) -> bool + Send + Sync;

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.columns.iter().map(|id| id.column().name)).finish()
    }
}

impl Condition {
    /// The test must look at nothing but these columns.
    pub(super) fn new(
        columns: impl Into<Vec<ColumnId>>,
        test: impl Fn(&View<'_>, usize) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { columns: columns.into(), clauses: Vec::new(), test: Box::new(test) }
    }

    /// Likewise, and tells what surely stands in a row that answers yes.
    pub(super) fn told_by(self, clauses: impl IntoIterator<Item = Clause>) -> Self {
        Self { clauses: clauses.into_iter().collect(), ..self }
    }

    /// A question about one text.
    pub(super) fn text(column: ColumnId, test: impl Fn(Option<&str>) -> bool + Send + Sync + 'static) -> Self {
        Self::new([column], move |view, row| test(view.text(column, row)))
    }

    /// Leaves those of the rows set that answer yes.
    fn narrow(&self, view: &View<'_>, set: &BooleanBuffer) -> BooleanBuffer {
        let is_numbered = self.columns.iter().all(|column| view.is_numbered(*column));
        match self.columns.as_slice() {
            [column] if is_numbered => {
                // By number, from 1; 0 is NULL.
                let mut known: Vec<Option<bool>> = Vec::new();
                BooleanBuffer::collect_bool(set.len(), |row| {
                    set.value(row) && {
                        let at = place(view, *column, row);
                        if known.len() <= at {
                            known.resize(at + 1, None);
                        }
                        known.get_mut(at).is_some_and(|known| *known.get_or_insert_with(|| (self.test)(view, row)))
                    }
                })
            }
            [first, second] if is_numbered => {
                let mut known: HashMap<(usize, usize), bool, _> = HashMap::with_hasher(crate::dictionary::hasher());
                BooleanBuffer::collect_bool(set.len(), |row| {
                    set.value(row) && {
                        let places = (place(view, *first, row), place(view, *second, row));
                        *known.entry(places).or_insert_with(|| (self.test)(view, row))
                    }
                })
            }
            _ => BooleanBuffer::collect_bool(set.len(), |row| set.value(row) && (self.test)(view, row)),
        }
    }
}

fn place(view: &View<'_>, column: ColumnId, row: usize) -> usize {
    view.key(column, row).and_then(|key| usize::try_from(key).ok()).map_or(0, |key| key + 1)
}

/// The rows that answer yes to all conditions.
pub(super) fn all(conditions: &[Condition], view: &View<'_>, rows: usize) -> BooleanBuffer {
    let mut set = BooleanBuffer::new_set(rows);
    for condition in conditions {
        if set.count_set_bits() == 0 {
            break;
        }
        set = condition.narrow(view, &set);
    }
    set
}
