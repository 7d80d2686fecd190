//! Tables that most questions rest on, made by hand: what their SQL in `queries/tables/` says, in a few passes over the lines.
//!
//! Promises:
//! 1. The rows are those of the SQL, value for value; their order, which the SQL leaves open, is that of the first lines. Tests
//!    hold both against each other.
//! 2. Where the SQL has been replaced by another, or the flows are not what Hubble writes (a line without a time, one connection
//!    with two addresses), nothing is made here, and the SQL is asked.

mod columns;
mod connections;
mod groups;
mod lookups;
mod requests;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use lookback_question::bind::{Bound, Scope};
use lookback_question::catalogue::Catalogue;
use polars::frame::DataFrame;
use polars::prelude::{LazyFrame, PolarsResult, col};
use sqlparser::ast::Query;

use super::packed::Packed;
use super::texts::{Renumbered, Texts};

/// A table that is made by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Connections,
    Requests,
    Lookups,
}

/// The SQL that is done by hand, as it is printed.
static SQL: LazyLock<BTreeMap<&str, String>> = LazyLock::new(|| {
    let Ok(catalogue) = Catalogue::load(&[]) else { return BTreeMap::new() };
    Table::ALL.into_iter().filter_map(|table| Some((table.name(), table.sql(&catalogue)?))).collect()
});

impl Table {
    pub(crate) const ALL: [Self; 3] = [Self::Connections, Self::Requests, Self::Lookups];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Requests => "requests",
            Self::Lookups => "lookups",
        }
    }

    /// The table that a query makes, when it is one of them.
    pub(crate) fn of(name: &str, query: &Query) -> Option<Self> {
        // Only now, as the catalogue has to be loaded to compare.
        let table = Self::ALL.into_iter().find(|table| table.name() == name)?;
        SQL.get(name).is_some_and(|sql| *sql == query.to_string()).then_some(table)
    }

    fn sql(self, catalogue: &Catalogue) -> Option<String> {
        let bound = Bound::new(&self.asked(), self.name(), &BTreeMap::new(), catalogue).ok()?;
        let tables = bound.tables(&Scope::default()).ok()?;
        tables.into_iter().find(|(name, _)| name == self.name()).map(|(_, query)| query.to_string())
    }

    /// A question of it.
    fn asked(self) -> String {
        format!("SELECT count(*) AS n FROM {}", self.name())
    }

    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Connections => &connections::COLUMNS,
            Self::Requests => &requests::COLUMNS,
            Self::Lookups => &lookups::COLUMNS,
        }
    }

    /// What there is before the first part.
    pub(super) fn nothing(self) -> Lines {
        match self {
            Self::Connections => Lines::Connections(connections::Lines::default()),
            Self::Requests => Lines::Requests(requests::Lines::default()),
            Self::Lookups => Lines::Lookups(lookups::Lines::default()),
        }
    }

    /// The lines of these flows that it is made of; `None` where the SQL has to be asked.
    pub(super) fn lines(self, flows: LazyFrame, texts: &mut Texts) -> PolarsResult<Option<Lines>> {
        let columns: Vec<_> = self.columns().iter().map(|name| col(*name)).collect();
        let mut flows = flows.select(columns).collect()?;
        flows.align_chunks_par();
        Ok(match self {
            Self::Connections => connections::Lines::of(&flows, texts).map(Lines::Connections),
            Self::Requests => requests::Lines::of(&flows, texts).map(Lines::Requests),
            Self::Lookups => lookups::Lines::of(&flows, texts).map(Lines::Lookups),
        })
    }

    /// The table of these flows; `None` where the SQL has to be asked.
    pub(super) fn of_flows(self, flows: LazyFrame) -> PolarsResult<Option<DataFrame>> {
        let mut texts = Texts::default();
        let Some(lines) = self.lines(flows, &mut texts)? else { return Ok(None) };
        let table = lines.table(&mut texts);
        table.frame(&texts.columns()?, None).map(Some)
    }
}

/// The lines that a table is made of.
#[derive(Debug)]
pub(crate) enum Lines {
    Connections(connections::Lines),
    Requests(requests::Lines),
    Lookups(lookups::Lines),
}

impl Lines {
    /// These and those behind them, whose texts have become others; `None` where the SQL has to be asked.
    pub(super) fn join(self, others: Self, texts: &Renumbered) -> Option<Self> {
        match (self, others) {
            (Self::Connections(own), Self::Connections(others)) => own.join(others, texts).map(Self::Connections),
            (Self::Requests(own), Self::Requests(others)) => own.join(others, texts).map(Self::Requests),
            (Self::Lookups(own), Self::Lookups(others)) => own.join(others, texts).map(Self::Lookups),
            _ => None,
        }
    }

    pub(super) fn table(self, texts: &mut Texts) -> Packed {
        match self {
            Self::Connections(lines) => connections::table(lines, texts),
            Self::Requests(lines) => requests::table(lines, texts),
            Self::Lookups(lines) => lookups::table(lines, texts),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where something is wrong")]

    use polars::prelude::{
        Column, IntoColumn as _, IntoLazy as _, NewChunkedArray as _, SortMultipleOptions, StringChunked,
    };
    use proptest::prelude::*;

    use super::super::{Engine, FLOWS};
    use super::*;

    /// The query that is done by hand.
    pub(super) fn query(table: Table) -> Query {
        let name = table.name();
        let catalogue = Catalogue::load(&[]).unwrap();
        let bound = Bound::new(&table.asked(), name, &BTreeMap::new(), &catalogue).unwrap();
        bound.tables(&Scope::default()).unwrap().into_iter().find(|(own, _)| own == name).unwrap().1
    }

    pub(super) fn texts<'a>(name: &str, texts: impl Iterator<Item = Option<&'a str>>) -> Column {
        StringChunked::from_iter_options(name.into(), texts).into_column()
    }

    fn sorted(table: &DataFrame) -> DataFrame {
        let columns: Vec<_> = table.get_column_names_owned();
        table.sort(columns, SortMultipleOptions::default()).unwrap()
    }

    /// That SQL and hands make the same of flows, in chunks and in parts.
    pub(super) fn assert_agree(table: Table, parts: [DataFrame; 2]) -> Result<(), TestCaseError> {
        let mut flows = parts[0].clone();
        flows.vstack_mut(&parts[1]).unwrap();
        let mut engine = Engine::default();
        engine.register(FLOWS, Some(flows.clone().lazy()));
        let mut sql = query(table);
        // Another query, so that it is asked as SQL.
        let with = sql.with.as_mut().unwrap();
        let mut unused = with.cte_tables.first().unwrap().clone();
        unused.alias.name.value = "unused".to_owned();
        with.cte_tables.push(unused);
        let expected = sorted(&engine.evaluate(&sql).unwrap());
        let found = table.of_flows(flows.lazy()).unwrap().unwrap();
        let (mut all, mut lines) = (Texts::default(), table.nothing());
        for part in parts {
            let mut texts = Texts::default();
            let own = table.lines(part.lazy(), &mut texts).unwrap().unwrap();
            lines = lines.join(own, &all.join(texts)).unwrap();
        }
        let in_parts = lines.table(&mut all).frame(&all.columns().unwrap(), None).unwrap();
        for found in [sorted(&found), sorted(&in_parts)] {
            prop_assert_eq!(found.schema(), expected.schema());
            prop_assert_eq!(found.height(), expected.height());
            let row = |table: &DataFrame, row| table.slice(row, 1);
            let all = 0..i64::try_from(found.height()).unwrap();
            let other = all.into_iter().find(|at| !row(&found, *at).equals_missing(&row(&expected, *at)));
            prop_assert!(other.is_none(), "{:?}", other.map(|at| (row(&found, at), row(&expected, at))));
        }
        Ok(())
    }
}
