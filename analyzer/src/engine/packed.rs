//! Tables whose texts are numbers: what waits in memory for its question is a quarter as large.

mod fold;

use std::collections::BTreeSet;

use lookback_question::split::is_only_compared;
use polars::frame::DataFrame;
use polars::prelude::{
    Column, IntoColumn as _, NewChunkedArray as _, PlSmallStr, PolarsError, PolarsResult, UInt32Chunked,
};

use super::texts::{Columns, Known, Number, Renumbered, Texts};

/// A table.
#[derive(Debug)]
pub(crate) struct Packed {
    rows: usize,
    columns: Vec<(PlSmallStr, Values)>,
}

/// A column.
#[derive(Debug)]
pub(super) enum Values {
    Texts(Vec<Option<Number>>),
    Others(Column),
}

impl Packed {
    pub(super) fn new(rows: usize, columns: Vec<(&'static str, Values)>) -> Self {
        let named = |(name, values)| (PlSmallStr::from_static(name), values);
        Self { rows, columns: columns.into_iter().map(named).collect() }
    }

    /// A table with these texts.
    pub(super) fn of(table: &DataFrame, texts: &mut Texts) -> Self {
        let columns = table.columns().iter().map(|column| (column.name().clone(), Values::of(column, texts))).collect();
        Self { rows: table.height(), columns }
    }

    /// The same columns without rows.
    pub(super) fn none(&self) -> Self {
        let none = |values: &Values| match values {
            Values::Texts(_) => Values::Texts(Vec::new()),
            Values::Others(column) => Values::Others(column.clear()),
        };
        Self { rows: 0, columns: self.columns.iter().map(|(name, values)| (name.clone(), none(values))).collect() }
    }

    /// Takes the rows of another of the same columns.
    pub(super) fn join(&mut self, others: Self, texts: &Renumbered) -> PolarsResult<()> {
        self.rows += others.rows;
        for ((_, own), (_, others)) in self.columns.iter_mut().zip(others.columns) {
            match (own, others) {
                (Values::Texts(own), Values::Texts(others)) => {
                    own.extend(others.into_iter().map(|text| texts.of(text)));
                }
                (Values::Others(own), Values::Others(others)) => _ = own.append_owned(others)?,
                _ => return Err(PolarsError::SchemaMismatch("one part has texts, another one has none".into())),
            }
        }
        Ok(())
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The columns of these names, or all; at least one, to count the rows.
    pub(super) fn frame(&self, texts: &Columns, names: Option<&BTreeSet<String>>) -> PolarsResult<DataFrame> {
        let is_named = |name: &PlSmallStr| names.is_none_or(|names| names.contains(name.as_str()));
        let first = self.columns.first().map(|(name, _)| name.clone());
        let is_any = self.columns.iter().any(|(name, _)| is_named(name));
        let is_wanted = |name: &PlSmallStr| is_named(name) || (!is_any && Some(name) == first.as_ref());
        let column = |(name, values): &(PlSmallStr, Values)| match values {
            // Different texts have different numbers.
            Values::Texts(numbers) if is_only_compared(name) => {
                let numbers = numbers.iter().map(|number| number.map(Number::get));
                Ok(UInt32Chunked::from_iter_options(name.clone(), numbers).into_column())
            }
            Values::Texts(numbers) => texts.column(name.clone(), numbers),
            Values::Others(column) => Ok(column.clone().with_name(name.clone())),
        };
        let columns = self.columns.iter().filter(|(name, _)| is_wanted(name)).map(column);
        DataFrame::new(self.rows, columns.collect::<PolarsResult<_>>()?)
    }
}

impl Values {
    fn of(column: &Column, texts: &mut Texts) -> Self {
        let Some(chunks) = column.try_str() else { return Self::Others(column.rechunk()) };
        let mut numbers = Vec::with_capacity(column.len());
        for chunk in chunks.downcast_iter() {
            let mut known = Known::default();
            numbers.extend((0..chunk.len()).map(|row| known.get(chunk, row, &mut |text| texts.number(text))));
        }
        Self::Texts(numbers)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where something is wrong")]

    use polars::df;

    use super::*;

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        let parts = [
            df!("name" => [Some("a"), None, Some("a text that is too long for a view")], "count" => [1i64, 2, 3])
                .unwrap(),
            df!("name" => [Some("b"), Some("a text that is too long for a view"), Some("")], "count" => [4i64, 5, 6])
                .unwrap(),
        ];
        let mut whole = parts[0].clone();
        whole.vstack_mut(&parts[1]).unwrap();
        let mut texts = Texts::default();
        let mut packed = Packed::of(&parts[0], &mut texts);
        let mut others = Texts::default();
        let part = Packed::of(&parts[1], &mut others);
        packed.join(part, &texts.join(others)).unwrap();
        assert_eq!(texts.iter().count(), 4);
        let texts = texts.columns().unwrap();
        assert!(packed.frame(&texts, None).unwrap().equals_missing(&whole));
        let wanted = BTreeSet::from(["count".to_owned(), "other".to_owned()]);
        assert!(packed.frame(&texts, Some(&wanted)).unwrap().equals_missing(&whole.select(["count"]).unwrap()));
        let other = Packed::of(&df!("name" => [1i64], "count" => [1i64]).unwrap(), &mut Texts::default());
        assert!(packed.join(other, &Texts::default().join(Texts::default())).is_err());
    }
}
