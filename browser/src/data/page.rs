//! Rows as they stand on the screen.

use lookback_flow::event::Event;
use lookback_flow::view::View;

use super::DataError;
use super::cell::{self, Col};
use super::index::{Entry, NO_TIME};
use super::part::RowRef;
use super::store::Store;

/// A row that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub place: RowRef,
    pub time: Option<i64>,
    pub class: u8,
    pub is_reply: bool,
    pub cells: Vec<String>,
    /// The word of the filter line that keeps rows like it, for each cell.
    pub words: Vec<Option<String>>,
}

/// Rows from a place on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub at: usize,
    pub rows: Vec<Row>,
}

/// Reads what is shown of some rows, in their order.
///
/// # Errors
/// When a part cannot be read.
pub fn rows(store: &Store, entries: &[Entry], columns: &[Col]) -> Result<Vec<Row>, DataError> {
    let projection = cell::needs(columns);
    let mut wanted: Vec<(usize, usize, usize)> =
        entries.iter().enumerate().map(|(at, entry)| (entry.place.part(), entry.place.row(), at)).collect();
    wanted.sort_unstable();
    let mut rows: Vec<Option<Row>> = entries.iter().map(|_| None).collect();
    for of_part in wanted.chunk_by(|a, b| a.0 == b.0) {
        let Some(part) = of_part.first().and_then(|(part, ..)| store.parts.get(*part)) else { continue };
        let numbers: Vec<usize> = of_part.iter().map(|(_, row, _)| *row).collect();
        let mut places = of_part.iter();
        for batch in part.pick(&projection, &numbers)? {
            let view = View::new(&batch)?;
            for row in 0..batch.num_rows() {
                let Some((.., at)) = places.next() else { break };
                let event = Event { view: &view, row };
                let (Some(entry), Some(slot)) = (entries.get(*at), rows.get_mut(*at)) else { continue };
                *slot = Some(Row {
                    place: entry.place,
                    time: (entry.time != NO_TIME).then_some(entry.time),
                    class: entry.class,
                    is_reply: event.number(lookback_flow::event::COLUMNS.is_reply) == Some(1),
                    cells: columns.iter().map(|col| cell::text(*col, &event)).collect(),
                    words: columns.iter().map(|col| cell::word(*col, &event)).collect(),
                });
            }
        }
    }
    Ok(rows.into_iter().flatten().collect())
}
