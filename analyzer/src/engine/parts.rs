//! Steps of questions, asked of parts of the events, and what comes of all parts.

use anyhow::{Result, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use lookback_flow::guard::guarded;
use lookback_question::split::Step;
use sqlparser::ast::Query;

use super::by_hand::{Lines, Table};
use super::packed::Packed;
use super::texts::Texts;
use super::{Engine, FLOWS, broke};

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
    tables: Vec<Result<Packed>>,
    /// In the order of what is made by hand; `None` where that has to be asked for in SQL.
    lines: Vec<Option<Lines>>,
    texts: Texts,
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
        let mut texts = Texts::default();
        let tables = steps.asked.iter().map(|(_, query)| Ok(Packed::of(&engine.frame(query)?, &mut texts))).collect();
        let mut lines = Vec::with_capacity(steps.by_hand.len());
        for table in &steps.by_hand {
            lines.push(match engine.tables.get(FLOWS) {
                Some(flows) => guarded(|| table.lines(flows.clone(), &mut texts)).map_err(|_| broke())??,
                None => None,
            });
        }
        Ok(Self { tables, lines, texts })
    }
}

/// What came of the parts so far.
pub(crate) struct Gathered<'a> {
    steps: &'a Steps,
    /// Of each step, once there is a part.
    tables: Vec<Result<Option<Packed>>>,
    /// In the order of what is made by hand; `None` when that cannot be.
    lines: Vec<Option<Lines>>,
    texts: Texts,
}

impl<'a> Gathered<'a> {
    pub(crate) fn new(steps: &'a Steps) -> Self {
        let tables = steps.asked.iter().map(|_| Ok(None)).collect();
        let lines = steps.by_hand.iter().map(|table| Some(table.nothing())).collect();
        Self { steps, tables, lines, texts: Texts::default() }
    }

    /// Takes what came of the next part.
    pub(crate) fn add(&mut self, part: Part) -> Result<()> {
        let texts = self.texts.join(part.texts);
        if !self.texts.is_small() {
            bail!(
                "there are more than four thousand million different texts; narrow the window by --since and --until"
            );
        }
        for (whole, own) in self.tables.iter_mut().zip(part.tables) {
            let added = match (&mut *whole, own) {
                (Err(_), _) => continue,
                (Ok(Some(rows)), Ok(own)) => rows.join(own, &texts).map_err(Into::into),
                (Ok(rows), Ok(own)) => {
                    let mut first = own.none();
                    let joined = first.join(own, &texts);
                    *rows = Some(first);
                    joined.map_err(Into::into)
                }
                (Ok(_), Err(why)) => Err(why),
            };
            if let Err(why) = added {
                *whole = Err(why);
            }
        }
        for (all, own) in self.lines.iter_mut().zip(part.lines) {
            *all = all.take().zip(own).and_then(|(all, own)| all.join(own, &texts));
        }
        Ok(())
    }

    /// An engine with the tables of all steps, or what of it cannot be made by hand.
    pub(crate) fn engine(mut self) -> Result<Result<Engine, Vec<Table>>> {
        let made = || self.steps.by_hand.iter().copied();
        let is_odd = |(_, lines): &(Table, &Option<Lines>)| lines.is_none();
        let odd: Vec<Table> = made().zip(&self.lines).filter(is_odd).map(|(table, _)| table).collect();
        if !odd.is_empty() {
            return Ok(Err(odd));
        }
        let mut engine = Engine::default();
        for (table, lines) in self.steps.by_hand.iter().zip(self.lines.into_iter().flatten()) {
            let made = guarded(|| lines.table(&mut self.texts)).map_err(|_| broke())?;
            engine.packed.insert(table.name().to_owned(), made);
        }
        for ((name, _), table) in self.steps.asked.iter().zip(self.tables) {
            match table {
                Ok(table) => engine.packed.extend(table.map(|table| (name.clone(), table))),
                Err(why) => _ = engine.failed.insert(name.clone(), format!("{why:#}")),
            }
        }
        engine.texts = self.texts.columns();
        Ok(Ok(engine))
    }
}
