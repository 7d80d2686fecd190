//! Rows in the order of a column.

use std::collections::HashMap;

use lookback_flow::columns::{ColumnId, Type};
use lookback_flow::event::Event;
use serde::{Deserialize, Serialize};

use super::index::Index;
use super::part::RowRef;

/// What rows are sorted by; without a column by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    #[serde(skip)]
    pub column: Option<ColumnId>,
    pub is_reversed: bool,
}

/// Distinct texts that are told apart; beyond, a text is sorted by how it begins.
const MOST_TEXTS: usize = 1 << 20;

/// The values that rows are sorted by.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) column: ColumnId,
    is_text: bool,
    rows: Vec<(RowRef, u64)>,
    texts: HashMap<Box<str>, u32>,
}

impl Keys {
    pub(super) fn new(sort: Sort) -> Option<Self> {
        let column = sort.column?;
        let is_text = !matches!(
            column.column().kind,
            Type::Bool | Type::I32 | Type::U32 | Type::I64 | Type::U64 | Type::Time | Type::Presence
        );
        Some(Self { column, is_text, rows: Vec::new(), texts: HashMap::default() })
    }

    pub(super) fn add(&mut self, place: RowRef, event: &Event<'_>) {
        let key = if self.is_text {
            event.text(self.column).map_or(u64::MAX, |text| self.number(text))
        } else {
            // Signed numbers in the order of unsigned ones; what is not there comes last.
            event.number(self.column).map_or(u64::MAX, |number| {
                let number = number.clamp(i64::MIN.into(), (i64::MAX - 1).into());
                i64::try_from(number).unwrap_or_default().cast_unsigned() ^ (1 << 63)
            })
        };
        self.rows.push((place, key));
    }

    fn number(&mut self, text: &str) -> u64 {
        if let Some(number) = self.texts.get(text) {
            return u64::from(*number);
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        if self.texts.len() >= MOST_TEXTS {
            return u64::from(number);
        }
        self.texts.insert(text.into(), number);
        u64::from(number)
    }

    /// The numbers of an index's rows in the order of the values; equal ones in the order of time.
    pub(super) fn order(mut self, index: &Index) -> Vec<u32> {
        if self.is_text {
            let mut texts: Vec<(Box<str>, u32)> = std::mem::take(&mut self.texts).into_iter().collect();
            texts.sort_unstable();
            let mut ranks = vec![0u64; texts.len() + 1];
            for (rank, (_, number)) in (0u64..).zip(&texts) {
                if let Some(slot) = usize::try_from(*number).ok().and_then(|at| ranks.get_mut(at)) {
                    *slot = rank;
                }
            }
            if let Some(last) = ranks.last_mut() {
                *last = texts.len() as u64;
            }
            for (_, key) in &mut self.rows {
                *key = usize::try_from(*key).ok().and_then(|at| ranks.get(at)).copied().unwrap_or(u64::MAX);
            }
        }
        self.rows.sort_unstable();
        let key = |at: &u32| {
            let place = usize::try_from(*at).ok().and_then(|at| index.shown(at, false)).map(|entry| entry.place);
            let found = place.and_then(|place| self.rows.binary_search_by_key(&place, |(own, _)| *own).ok());
            found.and_then(|at| self.rows.get(at)).map_or(u64::MAX, |(_, key)| *key)
        };
        let rows = u32::try_from(index.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..rows).collect();
        order.sort_by_cached_key(key);
        order
    }
}
