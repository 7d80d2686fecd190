//! A query in two steps: what is asked of each part of the events, and what of the answers to that. So no engine has to hold all
//! events at once.
//!
//! Promises:
//! 1. Whatever the parts are, both steps together give the rows of the query.
//! 2. What of a query cannot be asked of parts is asked of all: then a part hands on the rows that are needed, or all of them.
//!
//! A SELECT from a table of events alone becomes, in this order of preference:
//! - itself, where each row is for itself; a DISTINCT is repeated over the rows of all parts;
//! - an aggregation of the part, and one of all parts over it, where it counts, sums, or seeks the least or greatest;
//! - its WHERE and its columns, and the rest over the rows of all parts.

mod aggregate;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use lookback_flow::columns::ColumnId;
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, OrderBy, Query, Select, SelectItem, SetExpr, TableFactor, Visit, VisitMut, Visitor,
    VisitorMut,
};

pub use aggregate::is_only_compared;
use aggregate::{OWN, aggregated};

use crate::bind::{mentioned, parse, relations};
use crate::needles::is_of_events;

/// Functions of a row's values.
const OF_ROWS: &[&str] = &[
    "abs",
    "coalesce",
    "concat",
    "ends_with",
    "floor",
    "greatest",
    "least",
    "left",
    "length",
    "lower",
    "nullif",
    "replace",
    "round",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "upper",
];

/// What is asked of each part of the events: the rows of all parts together are a table.
#[derive(Clone, Debug)]
pub struct Step {
    /// Name of the table.
    pub name: String,
    /// Over the tables of a part.
    pub query: Query,
    /// How several rows of the table say the same as one; `None` when they do not.
    pub folding: Option<Folding>,
}

/// Rows that agree in their first columns say the same as one that has the aggregates of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folding {
    /// Of the last columns, in their order. All columns before them are compared.
    pub aggregates: Vec<Aggregate>,
}

/// What one value says for several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    Sum,
    Least,
    Greatest,
}

/// Takes out of a query what can be asked of parts, and gives the rest. Steps that are already there are used again.
pub fn split(query: &Query, steps: &mut Vec<Step>) -> Query {
    let before = steps.len();
    let mut rest = query.clone();
    let mut splitting = Splitting { steps, is_stuck: false };
    let _ = VisitMut::visit(&mut rest, &mut splitting);
    let is_stuck = splitting.is_stuck || mentioned(&rest).iter().any(|name| is_of_events(name));
    if !is_stuck {
        return rest;
    }
    steps.truncate(before);
    for name in relations(query).into_iter().filter(|name| is_of_events(name)) {
        all_of(&name, steps);
    }
    query.clone()
}

/// Has parts hand on all rows of a table.
pub fn all_of(name: &str, steps: &mut Vec<Step>) {
    if !steps.iter().any(|known| known.name == name)
        && let Ok(query) = parse(&format!("SELECT * FROM {name}"), "split")
    {
        steps.push(Step { name: name.to_owned(), query, folding: None });
    }
}

struct Splitting<'a> {
    steps: &'a mut Vec<Step>,
    /// Something reads events in a way that is not known here.
    is_stuck: bool,
}

impl VisitorMut for Splitting<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let own = query.with.iter().flat_map(|with| &with.cte_tables);
        self.is_stuck |= own.into_iter().any(|table| is_of_events(&table.alias.name.value));
        let order = query.order_by.clone();
        self.body(&mut query.body, order.as_ref());
        if self.is_stuck { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Splitting<'_> {
    fn body(&mut self, body: &mut SetExpr, order: Option<&OrderBy>) {
        match body {
            SetExpr::Select(select) => {
                if let Some(table) = table_of(select) {
                    self.select(select, &table, order);
                }
            }
            // The order is that of the whole, by the names of its columns.
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, None);
                self.body(right, None);
            }
            // Queries within are visited for themselves; what is none reads no table.
            _ => {}
        }
    }

    fn select(&mut self, select: &mut Select, table: &str, order: Option<&OrderBy>) {
        // Names that begin as ours do would be taken for them.
        if has_odd_clauses(select) || reads_more(select, table) || select.to_string().contains(OWN) {
            self.is_stuck = true;
            return;
        }
        let split = row_by_row(select, order)
            .or_else(|| aggregated(select, table, order))
            .or_else(|| narrowed(select, table, order));
        let Some(Split { steps, mut rest }) = split else {
            self.is_stuck = true;
            return;
        };
        let is_one = steps.len() == 1;
        let mut reads = Vec::new();
        for (columns, query, folding) in steps {
            reads.push(format!("SELECT {columns} FROM {}", self.step(query, folding)));
        }
        let from =
            if is_one { reads.concat() } else { format!("SELECT * FROM ({}) AS part_all", reads.join(" UNION ALL ")) };
        match select_of(&from) {
            Some(from) => rest.from = from.from,
            None => self.is_stuck = true,
        }
        *select = rest;
    }

    /// The name of a step.
    fn step(&mut self, query: Query, folding: Option<Folding>) -> String {
        let text = query.to_string();
        let known = self.steps.iter().find(|step| !is_of_events(&step.name) && step.query.to_string() == text);
        if let Some(known) = known {
            return known.name.clone();
        }
        let name = format!("part_step_{}", self.steps.len());
        self.steps.push(Step { name: name.clone(), query, folding });
        name
    }
}

/// A SELECT in two steps.
struct Split {
    /// Of a part: what is read of the step's table, and the step. The rows of all are read together.
    steps: Vec<(String, Query, Option<Folding>)>,
    /// Of what came of all parts.
    rest: Select,
}

impl Split {
    fn new(query: Query, folding: Option<Folding>, rest: Select) -> Self {
        Self { steps: vec![("*".to_owned(), query, folding)], rest }
    }
}

/// The table of events that a SELECT is of, and of nothing else.
fn table_of(select: &Select) -> Option<String> {
    let [from] = select.from.as_slice() else { return None };
    match &from.relation {
        TableFactor::Table { name, alias: None, args: None, .. } if from.joins.is_empty() => {
            Some(name.to_string()).filter(|name| is_of_events(name))
        }
        _ => None,
    }
}

/// Clauses that no question has.
fn has_odd_clauses(select: &Select) -> bool {
    let Select {
        distinct,
        top,
        exclude,
        into,
        lateral_views,
        prewhere,
        connect_by,
        cluster_by,
        distribute_by,
        sort_by,
        ..
    } = select;
    matches!(distinct, Some(Distinct::On(_)))
        || top.is_some()
        || exclude.is_some()
        || into.is_some()
        || !lateral_views.is_empty()
        || prewhere.is_some()
        || !connect_by.is_empty()
        || !cluster_by.is_empty()
        || !distribute_by.is_empty()
        || !sort_by.is_empty()
}

/// Whether a SELECT holds another query, or names its table before a column.
fn reads_more(select: &Select, table: &str) -> bool {
    struct More<'a>(&'a str, bool);
    impl Visitor for More<'_> {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.1 = true;
            ControlFlow::Break(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::CompoundIdentifier(parts) = expr {
                self.1 |= parts.first().is_some_and(|first| first.value.eq_ignore_ascii_case(self.0));
            }
            ControlFlow::Continue(())
        }
    }
    let mut more = More(table, false);
    let _ = select.visit(&mut more);
    more.1 || select.projection.iter().any(|item| matches!(item, SelectItem::QualifiedWildcard(..)))
}

/// Whether an expression is of one row's values alone.
fn is_of_a_row(expr: &impl Visit) -> bool {
    struct Other(bool);
    impl Visitor for Other {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Function(function) = expr {
                self.0 |= function.over.is_some()
                    || function.filter.is_some()
                    || !OF_ROWS.contains(&function.name.to_string().to_lowercase().as_str());
            }
            ControlFlow::Continue(())
        }
    }
    let mut other = Other(false);
    let _ = expr.visit(&mut other);
    !other.0
}

/// Names that a SELECT gives its columns; `None` when it gives all, or one without a name.
fn outputs(select: &Select) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    for item in &select.projection {
        names.push(match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.value.as_str(),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => name.value.as_str(),
            _ => return None,
        });
    }
    Some(names)
}

/// Whether rows are ordered by columns of the answer alone.
fn is_by_outputs(order: Option<&OrderBy>, select: &Select) -> bool {
    let Some(order) = order else { return true };
    let Some(outputs) = outputs(select) else { return false };
    identifiers(order).iter().all(|name| outputs.contains(&name.as_str()))
}

fn identifiers(of: &impl Visit) -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(name) => _ = self.0.insert(name.value.clone()),
                Expr::CompoundIdentifier(parts) => self.0.extend(parts.first().map(|part| part.value.clone())),
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(BTreeSet::new());
    let _ = of.visit(&mut names);
    names.0
}

fn is_grouped(select: &Select) -> bool {
    !matches!(&select.group_by, GroupByExpr::Expressions(by, modifiers) if by.is_empty() && modifiers.is_empty())
}

/// A SELECT of rows for themselves.
fn row_by_row(select: &Select, order: Option<&OrderBy>) -> Option<Split> {
    let is_all = matches!(select.projection.as_slice(), [SelectItem::Wildcard(_)]);
    let fits = !is_grouped(select)
        && select.having.is_none()
        && select.qualify.is_none()
        && is_of_a_row(&select.projection)
        && (order.is_none() || is_all || is_by_outputs(order, select));
    fits.then(|| {
        let mut rest = select.clone();
        rest.projection = all_columns()?;
        rest.selection = None;
        let folding = rest.distinct.is_some().then(|| Folding { aggregates: Vec::new() });
        Some(Split::new(query_of(select.clone())?, folding, rest))
    })?
}

fn all_columns() -> Option<Vec<SelectItem>> {
    Some(select_of("SELECT * FROM nothing")?.projection)
}

fn select_of(sql: &str) -> Option<Select> {
    match *parse(sql, "split").ok()?.body {
        SetExpr::Select(select) => Some(*select),
        _ => None,
    }
}

fn query_of(select: Select) -> Option<Query> {
    let mut query = parse("SELECT 1", "split").ok()?;
    *query.body = SetExpr::Select(Box::new(select));
    Some(query)
}

/// A SELECT whose WHERE and columns are a part's.
fn narrowed(select: &Select, table: &str, order: Option<&OrderBy>) -> Option<Split> {
    let mut rest = select.clone();
    let condition = rest.selection.take().map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    let takes_all = rest.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_)));
    let mut names = identifiers(&rest);
    names.extend(order.iter().flat_map(|order| identifiers(*order)));
    names.retain(|name| ColumnId::of(&name.to_lowercase()).is_some());
    // To count rows, one that every table has.
    let names: Vec<String> = if names.is_empty() { vec!["kind".to_owned()] } else { names.into_iter().collect() };
    let columns = if takes_all { "*".to_owned() } else { names.join(", ") };
    let query = parse(&format!("SELECT {columns} FROM {table}{condition}"), "split").ok()?;
    Some(Split::new(query, None, rest))
}
