//! Questions of the same inputs: what they share is read once and derived once.
//!
//! What can be asked of parts of the events is asked while they are read, so that memory holds what came of it; only what a
//! question asks of all events at once waits for all of them.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use lookback_flow::columns::ColumnId;
use lookback_flow::inputs::Found;
use lookback_flow::segment::Needle;
use lookback_question::bind::{Bound, EVENTS, Scope};
use lookback_question::catalogue::Catalogue;
use lookback_question::split::{all_of, split};
use sqlparser::ast::Query;

use crate::answer::Answer;
use crate::engine::{self, Engine, Steps};
use crate::load::{Request, Source};
use crate::read::Options;
use crate::session::Asking;

/// Answers questions of one scope, and hands on each with its place. `go_on` is asked before anything long.
///
/// # Errors
/// When the inputs cannot be read; a question that fails is handed on as its error.
pub(crate) fn answer(
    askings: &[Asking<'_>],
    found: &Found,
    options: &mut Options,
    catalogue: &Catalogue,
    go_on: &(dyn Fn() -> Result<()> + Sync),
    take: &mut dyn FnMut(usize, Result<Answer>) -> Result<()>,
) -> Result<()> {
    let Some(first) = askings.first() else { return Ok(()) };
    let mut columns: BTreeSet<ColumnId> = BTreeSet::new();
    let mut needles: Vec<Vec<Needle>> = Vec::new();
    for asking in askings {
        let (bound, scope) = (asking.checked(catalogue)?, asking.scope());
        columns.extend(bound.columns_in(&scope));
        needles.push(bound.needles(&scope));
    }
    let columns: Vec<ColumnId> = columns.into_iter().collect();
    // One that may be about any event is.
    let is_about_any = needles.iter().any(Vec::is_empty);
    let request = Request {
        columns: &columns,
        window: &|extent| {
            go_on()?;
            first.windowed(extent)
        },
        needles: if is_about_any { Vec::new() } else { needles.concat() },
        filters: first.scope.filters()?,
    };
    let source = Source::open(found, &request, options)?;
    let (schema, extent) = (source.schema(), source.extent());
    let mut by_hand = true;
    let (mut tables, plans, evidence) = loop {
        let mut steps = Steps::default();
        let planned = |asking: &Asking<'_>| {
            let (mut bound, scope, window) = asking.within(extent, catalogue)?;
            // With the same columns in it, the table of flows is the same for all.
            bound.columns.clone_from(&columns);
            Ok((Plan::new(&bound, &scope, by_hand, &mut steps)?, window))
        };
        let plans: Vec<Result<(Plan, _)>> = askings.iter().map(planned).collect();
        let (parts, evidence) = source.parts(options, &|batches| {
            go_on()?;
            engine::part(&schema, batches, &steps)
        })?;
        match Engine::of_parts(&steps, parts)? {
            Some(engine) => break (Tables { engine, held: Vec::new() }, plans, evidence),
            None => by_hand = false,
        }
    };
    for (place, (plan, asking)) in plans.into_iter().zip(askings).enumerate() {
        go_on()?;
        let answer = plan.and_then(|(plan, window)| {
            tables.hold(&plan.tables)?;
            let rows = tables.engine.run(&plan.query).with_context(|| asking.origin.to_owned())?;
            Ok(asking.answered(rows, window, evidence.clone()))
        });
        take(place, answer)?;
    }
    Ok(())
}

/// The answer to one question.
pub(crate) fn one(
    asking: &Asking<'_>,
    found: &Found,
    options: &mut Options,
    catalogue: &Catalogue,
    go_on: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Answer> {
    let mut answered = None;
    answer(std::slice::from_ref(asking), found, options, catalogue, go_on, &mut |_, answer| {
        answered = Some(answer);
        Ok(())
    })?;
    answered.unwrap_or_else(|| bail!("no answer"))
}

/// What is left of a question when parts have been asked.
struct Plan {
    /// Tables, each after those that it uses.
    tables: Vec<(String, Query)>,
    query: Query,
}

impl Plan {
    /// Adds to the steps what can be asked of parts.
    fn new(bound: &Bound, scope: &Scope, by_hand: bool, steps: &mut Steps) -> Result<Self> {
        let all = bound.tables(scope)?;
        if all.iter().any(|(name, _)| name == SCOPED) {
            // Which connections are in the scope is known when all events are.
            all_of(EVENTS, &mut steps.steps);
            return Ok(Self { tables: all, query: bound.query().clone() });
        }
        let mut tables = Vec::new();
        for (name, query) in all {
            if BASE.contains(&name.as_str()) {
                if !steps.tables.iter().any(|(known, _)| *known == name) {
                    steps.tables.push((name, query));
                }
            } else if by_hand && engine::is_by_hand(&name, &query) {
                steps.connections = true;
            } else {
                tables.push((name, split(&query, &mut steps.steps)));
            }
        }
        Ok(Self { tables, query: split(bound.query(), &mut steps.steps) })
    }
}

/// The tables that are made from that of all events row by row.
const BASE: [&str; 2] = ["flows", "lost_events"];

/// The table of the connections that a scope takes in.
const SCOPED: &str = "scoped_connections";

/// An engine with the tables that were made so far.
struct Tables {
    engine: Engine,
    /// Name and query of each, in the order of their making.
    held: Vec<(String, String)>,
}

impl Tables {
    /// Makes the tables, unless they are there.
    fn hold(&mut self, tables: &[(String, Query)]) -> Result<()> {
        for (name, query) in tables {
            let text = query.to_string();
            match self.held.iter().position(|(own, _)| own == name) {
                Some(at) if self.held.get(at).is_some_and(|(_, own)| *own == text) => continue,
                // Another table of this name, and all that may be made from it.
                Some(at) => self.held.split_off(at).iter().for_each(|(name, _)| self.engine.drop(name)),
                None => {}
            }
            self.engine.hold(name, query)?;
            self.held.push((name.clone(), text));
        }
        Ok(())
    }
}
