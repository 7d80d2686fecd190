//! The same in fewer rows.

use lookback_question::split::{Aggregate, Folding};
use polars::chunked_array::cast::CastOptions;
use polars::prelude::{DataType, Int64Chunked, IntoColumn as _, NewChunkedArray as _, PlIndexSet};

use super::{Packed, Values};
use crate::engine::texts::{Number, Texts};

/// NULL among the values of a column: no other value may be this one.
const NULL: i64 = i64::MIN;

impl Packed {
    /// The table with one row for those that agree, in the order of the first ones; `None` where a column is of a kind that is not
    /// known here, or a sum is too large: then the rows stay as they are.
    pub(in super::super) fn folded(&self, folding: &Folding, texts: &Texts) -> Option<Self> {
        let (keys, others) =
            self.columns.split_at_checked(self.columns.len().checked_sub(folding.aggregates.len())?)?;
        let (firsts, places) = self.places(keys.len())?;
        let mut columns = Vec::with_capacity(self.columns.len());
        for (name, values) in keys {
            let cells = values.cells()?;
            let of = firsts.iter().map(|first| cells.get(*first).copied()).collect::<Option<_>>()?;
            columns.push((name.clone(), values.of_cells(of)?));
        }
        for ((name, values), aggregate) in others.iter().zip(&folding.aggregates) {
            let mut of = vec![NULL; firsts.len()];
            for (cell, place) in values.cells()?.into_iter().zip(&places) {
                let slot = of.get_mut(*place as usize)?;
                *slot = match (*slot, cell) {
                    (NULL, cell) => cell,
                    (known, NULL) => known,
                    (known, cell) => values.aggregate(*aggregate, known, cell, texts)?,
                };
            }
            columns.push((name.clone(), values.of_cells(of)?));
        }
        Some(Self { rows: firsts.len(), columns })
    }

    /// The rows that differ from all before in the first columns, and of each row the place of the one of these that it is like.
    fn places(&self, keys: usize) -> Option<(Vec<usize>, Vec<u32>)> {
        if keys == 0 {
            return Some(((0..self.rows.min(1)).collect(), vec![0; self.rows]));
        }
        let mut cells = vec![NULL; self.rows.checked_mul(keys)?];
        for (at, (_, values)) in self.columns.iter().take(keys).enumerate() {
            cells.iter_mut().skip(at).step_by(keys).zip(values.cells()?).for_each(|(slot, cell)| *slot = cell);
        }
        let mut known: PlIndexSet<&[i64]> = PlIndexSet::default();
        let (mut firsts, mut places) = (Vec::new(), Vec::with_capacity(self.rows));
        for (row, key) in cells.chunks_exact(keys).enumerate() {
            let (place, is_new) = known.insert_full(key);
            if is_new {
                firsts.push(row);
            }
            places.push(u32::try_from(place).ok()?);
        }
        Some((firsts, places))
    }
}

impl Values {
    /// The values of the rows: of texts their numbers.
    fn cells(&self) -> Option<Vec<i64>> {
        match self {
            Self::Texts(numbers) => {
                Some(numbers.iter().map(|number| number.map_or(NULL, |number| number.get().into())).collect())
            }
            Self::Others(column) => {
                if !column.dtype().is_integer() && !column.dtype().is_bool() {
                    return None;
                }
                let numbers = column.cast_with_options(&DataType::Int64, CastOptions::Strict).ok()?;
                let numbers = numbers.i64().ok()?;
                numbers
                    .iter()
                    .map(|number| if number == Some(NULL) { None } else { Some(number.unwrap_or(NULL)) })
                    .collect()
            }
        }
    }

    /// A column of this kind.
    fn of_cells(&self, cells: Vec<i64>) -> Option<Self> {
        match self {
            Self::Texts(_) => Some(Self::Texts(cells.into_iter().map(number).collect())),
            Self::Others(column) => {
                let cells = cells.into_iter().map(|cell| (cell != NULL).then_some(cell));
                let numbers = Int64Chunked::from_iter_options(column.name().clone(), cells).into_column();
                numbers.cast_with_options(column.dtype(), CastOptions::Strict).ok().map(Self::Others)
            }
        }
    }

    /// One value for two.
    fn aggregate(&self, aggregate: Aggregate, known: i64, other: i64, texts: &Texts) -> Option<i64> {
        let order = match self {
            Self::Texts(_) if known == other => std::cmp::Ordering::Equal,
            Self::Texts(_) => texts.get(number(known)?).cmp(texts.get(number(other)?)),
            Self::Others(_) => known.cmp(&other),
        };
        match aggregate {
            Aggregate::Sum => known.checked_add(other),
            Aggregate::Least => Some(if order.is_gt() { other } else { known }),
            Aggregate::Greatest => Some(if order.is_lt() { other } else { known }),
        }
    }
}

fn number(cell: i64) -> Option<Number> {
    Number::new(u32::try_from(cell).ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where something is wrong")]

    use polars::df;

    use super::*;

    #[test]
    fn rows_that_agree_become_one() {
        let table = df!(
            "verdict" => [Some("FORWARDED"), None, Some("FORWARDED"), None, Some("DROPPED")],
            "port" => [Some(80u32), Some(80), Some(80), Some(80), None],
            "is_known" => [true, false, true, false, true],
            "lines" => [1i32, 2, 3, 4, 5],
            "first" => [Some(7i64), None, Some(6), Some(-1), None],
            "name" => [Some("b"), Some("a"), Some("c"), None, None]
        )
        .unwrap();
        let folding = Folding { aggregates: vec![Aggregate::Sum, Aggregate::Least, Aggregate::Greatest] };
        let mut texts = Texts::default();
        let folded = Packed::of(&table, &mut texts).folded(&folding, &texts).unwrap();
        let expected = df!(
            "verdict" => [Some("FORWARDED"), None, Some("DROPPED")],
            "port" => [Some(80u32), Some(80), None],
            "is_known" => [true, false, true],
            "lines" => [4i32, 6, 5],
            "first" => [Some(6i64), Some(-1), None],
            "name" => [Some("c"), Some("a"), None]
        )
        .unwrap();
        let found = folded.frame(&texts.columns().unwrap(), None).unwrap();
        assert_eq!(found.schema(), expected.schema());
        assert!(found.equals_missing(&expected), "{found:?}");
    }

    #[test]
    fn what_cannot_be_folded_stays() {
        let sum = Folding { aggregates: vec![Aggregate::Sum] };
        let mut texts = Texts::default();
        for table in [
            df!("key" => [1i64, 1], "sum" => [i64::MAX, 1]).unwrap(),
            df!("key" => [1i64, 1], "sum" => [i32::MAX, 1]).unwrap(),
            df!("key" => [1i64, 1], "sum" => [0.1f64, 0.2]).unwrap(),
            df!("key" => [i64::MIN, 1], "sum" => [1i64, 1]).unwrap(),
        ] {
            assert!(Packed::of(&table, &mut texts).folded(&sum, &texts).is_none(), "{table:?}");
        }
        let table = df!("lines" => [2i64, 3]).unwrap();
        let folded = Packed::of(&table, &mut texts).folded(&sum, &texts).unwrap();
        assert_eq!(folded.rows(), 1);
        let none = Packed::of(&table.clear(), &mut texts).folded(&sum, &texts).unwrap();
        assert_eq!(none.rows(), 0);
    }
}
