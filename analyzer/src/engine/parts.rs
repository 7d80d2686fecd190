//! Steps of questions, asked of parts of the events, and what comes of all parts.

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use lookback_flow::guard::guarded;
use lookback_question::split::Step;
use polars::frame::DataFrame;
use polars::prelude::IntoLazy as _;
use sqlparser::ast::Query;

use super::by_hand::{Lines, Table};
use super::{Engine, FLOWS, broke, compact};

/// What is asked of each part of the events.
#[derive(Default)]
pub(crate) struct Steps {
    /// Tables of a part, from `events` on.
    pub tables: Vec<(String, Query)>,
    pub asked: Vec<Step>,
    /// What is made by hand.
    pub by_hand: Vec<Table>,
}

/// What came of a part.
pub(crate) struct Part {
    /// In the order of the steps; why one could not be taken concerns who asked for it.
    tables: Vec<Result<DataFrame>>,
    /// In the order of what is made by hand; `None` where that has to be asked for in SQL.
    lines: Vec<Option<Lines>>,
}

impl Part {
    /// Asks the steps of a part: batches of one schema.
    pub(crate) fn of(schema: &Schema, batches: &[RecordBatch], steps: &Steps) -> Result<Self> {
        let mut engine = Engine::new(schema, batches)?;
        for (name, query) in &steps.tables {
            // Each step reads of it what it needs.
            let table = engine.context.execute(&query.to_string())?;
            engine.register(name, Some(table));
        }
        let tables = steps.asked.iter().map(|(_, query)| Ok(compact(&engine.frame(query)?)?)).collect();
        let lines_of = |table: &Table| match engine.tables.get(FLOWS) {
            Some(flows) => Ok(guarded(|| table.lines(flows.clone())).map_err(|_| broke())??),
            None => Ok(None),
        };
        let lines = steps.by_hand.iter().map(lines_of).collect::<Result<_>>()?;
        Ok(Self { tables, lines })
    }
}

/// What came of the parts so far.
pub(crate) struct Gathered<'a> {
    steps: &'a Steps,
    /// Of each step, once there is a part.
    tables: Vec<Result<Option<DataFrame>>>,
    /// In the order of what is made by hand; `None` when that cannot be.
    lines: Vec<Option<Lines>>,
}

impl<'a> Gathered<'a> {
    pub(crate) fn new(steps: &'a Steps) -> Self {
        let tables = steps.asked.iter().map(|_| Ok(None)).collect();
        Self { steps, tables, lines: steps.by_hand.iter().map(|table| Some(table.nothing())).collect() }
    }

    /// Takes what came of the next part.
    pub(crate) fn add(&mut self, part: Part) {
        for (whole, own) in self.tables.iter_mut().zip(part.tables) {
            let added = match (&mut *whole, own) {
                (Err(_), _) => continue,
                (Ok(Some(rows)), Ok(own)) => rows.vstack_mut_owned(own).map(|_| ()).map_err(Into::into),
                (Ok(rows), own) => own.map(|own| *rows = Some(own)),
            };
            if let Err(why) = added {
                *whole = Err(why);
            }
        }
        for (all, own) in self.lines.iter_mut().zip(part.lines) {
            *all = all.take().zip(own).and_then(|(all, own)| all.join(own));
        }
    }

    /// An engine with the tables of all steps, or what of it cannot be made by hand.
    pub(crate) fn engine(self) -> Result<Result<Engine, Vec<Table>>> {
        let made = || self.steps.by_hand.iter().copied();
        let odd: Vec<Table> =
            made().zip(&self.lines).filter(|(_, lines)| lines.is_none()).map(|(table, _)| table).collect();
        if !odd.is_empty() {
            return Ok(Err(odd));
        }
        let mut engine = Engine::default();
        for (table, lines) in made().zip(self.lines.into_iter().flatten()) {
            let made = guarded(|| lines.table()).map_err(|_| broke())??;
            engine.register(table.name(), Some(made.lazy()));
        }
        for ((name, _), table) in self.steps.asked.iter().zip(self.tables) {
            match table {
                Ok(table) => _ = engine.register(name, table.map(DataFrame::lazy)),
                Err(why) => _ = engine.failed.insert(name.clone(), format!("{why:#}")),
            }
        }
        Ok(Ok(engine))
    }
}
