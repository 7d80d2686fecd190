//! Many questions of the same inputs: what they share is read once and derived once.
//!
//! Of an archive, questions about the same few flows (drops, DNS, HTTP, …) are read together, so that none of them loads the
//! rest; logs, which have to be read whole in any case, and may be standard input, are read once for all.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use lookback_flow::columns::ColumnId;
use lookback_flow::inputs::{Found, Input};
use lookback_flow::segment::Needle;
use lookback_question::bind::EVENTS;
use lookback_question::catalogue::Catalogue;
use sqlparser::ast::Query;

use crate::answer::Answer;
use crate::engine::Engine;
use crate::load::{Loaded, Request, load};
use crate::read::Options;
use crate::session::Asking;

/// Answers questions of one scope, in whatever order suits, and hands on each with its place.
///
/// # Errors
/// When the inputs cannot be read; a question that fails is handed on as its error.
pub(crate) fn answer(
    askings: &[Asking<'_>],
    found: &Found,
    options: &mut Options,
    catalogue: &Catalogue,
    take: &mut dyn FnMut(usize, Result<Answer>) -> Result<()>,
) -> Result<()> {
    let mut groups: Vec<Group> = Vec::new();
    let is_archived = found.inputs.iter().all(|input| matches!(input, Input::Archive(_)));
    for (place, asking) in askings.iter().enumerate() {
        let bound = asking.checked(catalogue)?;
        let needles = if is_archived { bound.needles(&asking.scope()) } else { Vec::new() };
        let columns = bound.columns_in(&asking.scope());
        match groups.iter_mut().find(|group| group.needles == needles) {
            Some(group) => {
                group.columns.extend(columns);
                group.places.push(place);
            }
            None => groups.push(Group { needles, columns: columns.into_iter().collect(), places: vec![place] }),
        }
    }
    for group in groups {
        group.answer(askings, found, options, catalogue, take)?;
    }
    Ok(())
}

/// Questions that are read together.
struct Group {
    needles: Vec<Needle>,
    columns: BTreeSet<ColumnId>,
    places: Vec<usize>,
}

impl Group {
    fn answer(
        &self,
        askings: &[Asking<'_>],
        found: &Found,
        options: &mut Options,
        catalogue: &Catalogue,
        take: &mut dyn FnMut(usize, Result<Answer>) -> Result<()>,
    ) -> Result<()> {
        let asked = || self.places.iter().filter_map(|place| Some((*place, askings.get(*place)?)));
        let Some((_, first)) = asked().next() else { return Ok(()) };
        let columns: Vec<ColumnId> = self.columns.iter().copied().collect();
        let request = Request {
            columns: &columns,
            window: &|extent| first.windowed(extent),
            needles: self.needles.clone(),
            filters: first.scope.filters()?,
        };
        let Loaded { schema, batches, evidence } = load(found, &request, options)?;
        let mut tables = Tables { engine: Engine::new(&schema, &batches)?, held: Vec::new() };
        drop(batches);
        let mut bound: Vec<_> =
            asked().map(|(place, asking)| (place, asking, asking.within(evidence.extent, catalogue))).collect();
        for (_, _, within) in &mut bound {
            if let Ok((bound, scope, _)) = within {
                // With the same columns in it, the table of flows is the same for all.
                bound.columns.clone_from(&columns);
                tables.hold(&bound.tables(scope)?, FIRST)?;
            }
        }
        if !bound.iter().any(|(_, _, within)| within.as_ref().is_ok_and(|(bound, ..)| bound.uses_events)) {
            // The tables are copies of it, which nothing names any more.
            tables.engine.drop(EVENTS);
        }
        for (place, asking, within) in bound {
            let answer = within.and_then(|(bound, scope, window)| {
                tables.hold(&bound.tables(&scope)?, &[])?;
                let rows = tables.engine.run(bound.query()).with_context(|| asking.origin.to_owned())?;
                Ok(asking.answered(rows, window, evidence.clone()))
            });
            take(place, answer)?;
        }
        Ok(())
    }
}

/// The tables that are made from that of all events.
const FIRST: &[&str] = &["scoped_connections", "flows", "lost_events"];

/// An engine with the tables that were made so far.
struct Tables {
    engine: Engine,
    /// Name and query of each, in the order of their making.
    held: Vec<(String, String)>,
}

impl Tables {
    /// Makes the tables, or of them only those that are named, unless they are there.
    fn hold(&mut self, tables: &[(String, Query)], only: &[&str]) -> Result<()> {
        let known = |held: &[(String, String)], name: &str| held.iter().position(|(own, _)| own == name);
        let wanted = tables.iter().filter(|(name, _)| only.is_empty() || only.contains(&name.as_str()));
        for (name, query) in wanted {
            let text = query.to_string();
            match known(&self.held, name) {
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
