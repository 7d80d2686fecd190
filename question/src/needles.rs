//! What a statement asks of single rows, so that files which cannot hold such rows are not read.
//!
//! Only what surely holds is used: conditions joined by AND in a SELECT whose one table is a table of events, each an
//! equality of a text column, an IN list, or several of them joined by OR. If any place of the statement reads events
//! without such a condition, every row may be needed.

use std::ops::ControlFlow;

use lookback_flow::columns::{ColumnId, Type};
use lookback_flow::segment::{Clause, Needle};
use sqlparser::ast::{BinaryOperator, Expr, ObjectName, Query, Select, TableFactor, Value, Visit, Visitor};

/// Tables whose rows are events.
const OF_EVENTS: &[&str] = &["flows", "lost_events", super::bind::EVENTS];

/// What every event fits one of, that some of these queries reads; empty when any may be read.
pub(crate) fn needles<'a>(queries: impl IntoIterator<Item = &'a Query>) -> Vec<Needle> {
    let mut places = Places::default();
    for query in queries {
        let _ = query.visit(&mut places);
    }
    let known = places.named == places.needles.len() && !places.hidden;
    if known && places.needles.iter().all(|needle| !needle.is_empty()) { places.needles } else { Vec::new() }
}

/// The places of a statement that name a table of events.
#[derive(Default)]
struct Places {
    named: usize,
    /// What those places ask that are a SELECT of this table alone.
    needles: Vec<Needle>,
    /// A WITH gives one of the names to something else.
    hidden: bool,
}

impl Visitor for Places {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.hidden |= tables.into_iter().any(|table| is_of_events(&table.alias.name.value));
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        self.named += usize::from(is_of_events(&name.to_string()));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let [from] = select.from.as_slice()
            && from.joins.is_empty()
            && let TableFactor::Table { name, alias, .. } = &from.relation
            && is_of_events(&name.to_string())
        {
            let table = alias.as_ref().map_or_else(|| name.to_string(), |alias| alias.name.value.clone());
            let mut needle = Needle::new();
            if let Some(condition) = &select.selection {
                collect(condition, &table, &mut needle);
            }
            self.needles.push(needle);
        }
        ControlFlow::Continue(())
    }
}

pub(crate) fn is_of_events(name: &str) -> bool {
    OF_EVENTS.iter().any(|table| name.eq_ignore_ascii_case(table))
}

/// The clauses of a condition on this table, as far as they are understood.
fn collect(condition: &Expr, table: &str, needle: &mut Needle) {
    match condition {
        Expr::Nested(inner) => collect(inner, table, needle),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            collect(left, table, needle);
            collect(right, table, needle);
        }
        other => needle.extend(clause(other, table)),
    }
}

fn clause(condition: &Expr, table: &str) -> Option<Clause> {
    let columns = |expr| columns(expr, table);
    match condition {
        Expr::Nested(inner) => clause(inner, table),
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            let mut either = clause(left, table)?;
            either.extend(clause(right, table)?);
            Some(either)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            let (columns, text) = match (columns(left), columns(right)) {
                (Some(columns), None) => (columns, text(right)?),
                (None, Some(columns)) => (columns, text(left)?),
                _ => return None,
            };
            Some(columns.into_iter().map(|column| (column, text.as_str().into())).collect())
        }
        Expr::InList { expr, list, negated: false } => {
            let columns = columns(expr)?;
            let texts: Vec<String> = list.iter().map(text).collect::<Option<_>>()?;
            Some(columns.iter().flat_map(|column| texts.iter().map(|text| (*column, text.as_str().into()))).collect())
        }
        _ => None,
    }
}

/// The stored text columns one of which holds the value of this one.
fn columns(expr: &Expr, table: &str) -> Option<Vec<ColumnId>> {
    let name = match expr {
        Expr::Identifier(name) => name,
        // A name of another table is one of a query around this one.
        Expr::CompoundIdentifier(names) => match names.as_slice() {
            [of, name] if of.value.eq_ignore_ascii_case(table) => name,
            _ => return None,
        },
        _ => return None,
    };
    let name = name.value.to_lowercase();
    let id = ColumnId::of(&name)?;
    if !id.column().is_derived() {
        let is_text = matches!(id.column().kind, Type::Name | Type::Text | Type::Case | Type::Flags);
        return is_text.then(|| vec![id]);
    }
    // Client and server are source and destination, one way or the other.
    let (_, of) = name.split_once('_').filter(|(side, _)| matches!(*side, "client" | "server"))?;
    if !matches!(of, "namespace" | "pod" | "ip") {
        return None;
    }
    ["source", "destination"].iter().map(|side| ColumnId::of(&format!("{side}_{of}"))).collect()
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        // As `parse` leaves it: a quote within is still doubled.
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.replace("''", "'")),
            _ => None,
        },
        _ => None,
    }
}
