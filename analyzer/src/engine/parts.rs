//! Steps of questions, asked of parts of the events, and what comes of all parts.

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use lookback_flow::guard::guarded;
use lookback_question::split::Step;
use polars::frame::DataFrame;
use polars::prelude::IntoLazy as _;
use sqlparser::ast::Query;

use super::connections::{self, Lines};
use super::{Engine, FLOWS, broke, compact};

/// What is asked of each part of the events.
#[derive(Default)]
pub(crate) struct Steps {
    /// Tables of a part, from `events` on.
    pub tables: Vec<(String, Query)>,
    pub asked: Vec<Step>,
    /// Whether connections are made, by hand.
    pub connections: bool,
}

/// What came of a part.
pub(crate) struct Part {
    /// In the order of the steps; why one could not be taken concerns who asked for it.
    tables: Vec<Result<DataFrame>>,
    /// `None` where they have to be asked for in SQL.
    lines: Option<Lines>,
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
        let lines = match engine.tables.get(FLOWS) {
            Some(flows) if steps.connections => {
                guarded(|| connections::lines(flows.clone())).map_err(|_| broke())??
            }
            _ => None,
        };
        Ok(Self { tables, lines })
    }
}

/// What came of the parts so far.
pub(crate) struct Gathered<'a> {
    steps: &'a Steps,
    /// Of each step, once there is a part.
    tables: Vec<Result<Option<DataFrame>>>,
    /// `None` when connections cannot be made by hand.
    lines: Option<Lines>,
}

impl<'a> Gathered<'a> {
    pub(crate) fn new(steps: &'a Steps) -> Self {
        let tables = steps.asked.iter().map(|_| Ok(None)).collect();
        Self { steps, tables, lines: Some(Lines::default()) }
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
        if self.steps.connections {
            self.lines = self.lines.take().zip(part.lines).and_then(|(all, own)| all.join(own));
        }
    }

    /// An engine with the tables of all steps; `None` where connections cannot be made by hand.
    pub(crate) fn engine(self) -> Result<Option<Engine>> {
        let mut engine = Engine::default();
        if self.steps.connections {
            let Some(lines) = self.lines else { return Ok(None) };
            engine.register(connections::NAME, Some(connections::table(lines)?.lazy()));
        }
        for ((name, _), table) in self.steps.asked.iter().zip(self.tables) {
            match table {
                Ok(table) => _ = engine.register(name, table.map(DataFrame::lazy)),
                Err(why) => _ = engine.failed.insert(name.clone(), format!("{why:#}")),
            }
        }
        Ok(Some(engine))
    }
}
