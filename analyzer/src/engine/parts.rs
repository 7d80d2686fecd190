//! Steps of questions, asked of parts of the events, and what comes of all parts.

use anyhow::{Result, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use lookback_flow::guard::guarded;
use lookback_question::split::{Folding, Step};
use sqlparser::ast::Query;

use super::by_hand::{self, Lines};
use super::packed::Packed;
use super::texts::{Renumbered, Texts};
use super::{Engine, FLOWS, broke};
use crate::memory::give_back;

/// What is asked of each part of the events.
#[derive(Default)]
pub(crate) struct Steps {
    /// Tables of a part, from `events` on.
    pub tables: Vec<(String, Query)>,
    pub asked: Vec<Step>,
    /// What is made by hand.
    pub by_hand: Vec<by_hand::Table>,
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
        let tables = steps.asked.iter().map(|step| Ok(Packed::of(&engine.frame(&step.query)?, &mut texts))).collect();
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
    /// Of each step.
    tables: Vec<Result<Table>>,
    /// In the order of what is made by hand; `None` when that cannot be.
    lines: Vec<Option<Lines>>,
    texts: Texts,
    /// Rows that are worth folding.
    folded_rows: usize,
    /// Parts that were taken.
    parts: usize,
}

/// Parts after which memory is given back.
const PARTS_TOGETHER: usize = 4;

impl<'a> Gathered<'a> {
    pub(crate) fn new(steps: &'a Steps, folded_rows: usize) -> Self {
        let tables = steps.asked.iter().map(|_| Ok(Table::default())).collect();
        let lines = steps.by_hand.iter().map(|table| Some(table.nothing())).collect();
        Self { steps, tables, lines, texts: Texts::default(), folded_rows, parts: 0 }
    }

    /// Takes what came of the next part.
    pub(crate) fn add(&mut self, part: Part) -> Result<()> {
        let texts = self.texts.join(part.texts);
        if !self.texts.is_small() {
            bail!(
                "there are more than four thousand million different texts; narrow the window by --since and --until"
            );
        }
        for ((whole, own), step) in self.tables.iter_mut().zip(part.tables).zip(&self.steps.asked) {
            if let Ok(table) = whole
                && let Err(why) = own.and_then(|own| table.join(own, &texts))
            {
                *whole = Err(why);
            }
            if let (Ok(table), Some(folding)) = (whole, &step.folding) {
                table.fold(folding, &self.texts, self.folded_rows);
            }
        }
        for (all, own) in self.lines.iter_mut().zip(part.lines) {
            let join = |(all, own): (Lines, Lines)| all.join(own, &texts);
            // The first part's numbers have stayed what they were.
            *all = if self.parts == 0 { own } else { all.take().zip(own).and_then(join) };
        }
        self.parts += 1;
        if self.parts.is_multiple_of(PARTS_TOGETHER) {
            give_back();
        }
        Ok(())
    }

    /// An engine with the tables of all steps, or what of it cannot be made by hand.
    pub(crate) fn engine(mut self) -> Result<Result<Engine, Vec<by_hand::Table>>> {
        let made = || self.steps.by_hand.iter().copied();
        let is_odd = |(_, lines): &(by_hand::Table, &Option<Lines>)| lines.is_none();
        let odd: Vec<_> = made().zip(&self.lines).filter(is_odd).map(|(table, _)| table).collect();
        if !odd.is_empty() {
            return Ok(Err(odd));
        }
        let mut engine = Engine::default();
        for (table, lines) in self.steps.by_hand.iter().zip(self.lines.into_iter().flatten()) {
            let made = guarded(|| lines.table(&mut self.texts)).map_err(|_| broke())?;
            engine.packed.insert(table.name().to_owned(), made);
        }
        for (step, table) in self.steps.asked.iter().zip(self.tables) {
            match table {
                Ok(mut table) => {
                    if let Some(folding) = &step.folding {
                        table.fold(folding, &self.texts, 0);
                    }
                    engine.packed.extend(table.rows.map(|rows| (step.name.clone(), rows)));
                }
                Err(why) => _ = engine.failed.insert(step.name.clone(), format!("{why:#}")),
            }
        }
        engine.texts = self.texts.columns()?;
        give_back();
        Ok(Ok(engine))
    }
}

/// What came of one step.
#[derive(Default)]
struct Table {
    /// Once there is a part.
    rows: Option<Packed>,
    /// How many there were when they were folded last.
    folded: usize,
}

/// Rows that are worth folding.
pub(crate) const FOLDED_ROWS: usize = 128 * 1024;

impl Table {
    fn join(&mut self, own: Packed, texts: &Renumbered) -> Result<()> {
        let rows = match &mut self.rows {
            Some(rows) => rows,
            rows => rows.insert(own.none()),
        };
        Ok(rows.join(own, texts)?)
    }

    /// Says the same in fewer rows, once there are so many, and twice as many as there were then.
    fn fold(&mut self, folding: &Folding, texts: &Texts, least_rows: usize) {
        let Some(rows) = &mut self.rows else { return };
        if rows.rows() < least_rows.max(2 * self.folded) {
            return;
        }
        let before = rows.rows();
        if let Some(folded) = rows.folded(folding, texts) {
            *rows = folded;
        }
        // Where hardly any agree it is not worth doing soon again.
        self.folded = if rows.rows() > before / 2 { 2 * before } else { rows.rows() };
    }
}
