//! An aggregation in two steps: of each part, and over the parts.

use std::ops::ControlFlow;

use lookback_flow::columns::ColumnId;
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, OrderBy,
    Query, Select, SelectItem, VisitMut, VisitorMut,
};

use super::{Aggregate, Folding, OF_ROWS, Split, identifiers, is_by_outputs, is_of_a_row, select_of};
use crate::bind::parse;

/// A SELECT that counts, sums, or seeks the least or greatest, by groups or of all.
pub(super) fn aggregated(select: &Select, table: &str, order: Option<&OrderBy>) -> Option<Split> {
    let GroupByExpr::Expressions(by, modifiers) = &select.group_by else { return None };
    if !modifiers.is_empty()
        || select.having.is_some()
        || select.qualify.is_some()
        || !select.named_window.is_empty()
        || select.distinct.is_some()
        || !is_by_outputs(order, select)
    {
        return None;
    }
    let groups = by.iter().map(|group| resolved(group, select)).collect::<Option<Vec<_>>>()?;
    let mut parts = Aggregates { groups, ..Aggregates::default() };
    let mut rest = select.clone();
    for item in &mut rest.projection {
        let (expr, alias) =
            match std::mem::replace(item, SelectItem::UnnamedExpr(Expr::value(sqlparser::ast::Value::Null))) {
                SelectItem::ExprWithAlias { expr, alias } => (expr, alias),
                SelectItem::UnnamedExpr(Expr::Identifier(name)) => (Expr::Identifier(name.clone()), name),
                _ => return None,
            };
        let mut expr = expr;
        let _ = VisitMut::visit(&mut expr, &mut parts);
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
    if parts.is_stuck || !identifiers(&rest.projection).iter().all(|name| name.starts_with(OWN)) {
        return None;
    }
    let condition = rest.selection.take().map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    let shown = identifiers(&rest.projection);
    let group =
        |at: usize| Some(own("group_", at)).filter(|name| shown.contains(name)).unwrap_or_else(|| own("key_", at));
    let groups: Vec<String> = (0..parts.groups.len()).map(group).collect();
    let by = groups.iter().map(|name| Expr::Identifier(Ident::new(name))).collect();
    rest.group_by = GroupByExpr::Expressions(by, Vec::new());
    Some(Split { steps: parts.steps(&groups, table, &condition)?, rest })
}

/// Whether of a step's column it is only asked whether two values are the same: as it is counted by its different values, or is a
/// group that is not shown.
#[must_use]
pub fn is_only_compared(column: &str) -> bool {
    ["distinct_", "key_"].iter().any(|kind| column.strip_prefix(OWN).is_some_and(|name| name.starts_with(kind)))
}

fn own(kind: &str, at: usize) -> String {
    format!("{OWN}{kind}{at}")
}

fn named(exprs: &[String], names: &[String]) -> Vec<String> {
    exprs.iter().zip(names).map(|(expr, name)| format!("{expr} AS {name}")).collect()
}

/// Begins the names of columns of a step.
pub(super) const OWN: &str = "part_";

/// What a group is made of, where it may be named by an alias of the SELECT.
fn resolved(group: &Expr, select: &Select) -> Option<String> {
    if let Expr::Identifier(name) = group
        && ColumnId::of(&name.value.to_lowercase()).is_none()
    {
        let aliased = select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if alias.value == name.value => Some(expr),
            _ => None,
        });
        return aliased.filter(|expr| is_of_a_row(*expr)).map(ToString::to_string);
    }
    let is_place = matches!(group, Expr::Value(_));
    (!is_place && is_of_a_row(group)).then(|| group.to_string())
}

/// The aggregates of a SELECT, as their texts; visiting puts columns of the step in their places.
#[derive(Default)]
struct Aggregates {
    groups: Vec<String>,
    /// What is counted without what comes again: a group of its own in the step.
    distinct: Vec<String>,
    /// What is counted, summed or compared.
    values: Vec<String>,
    partial: Vec<String>,
    is_stuck: bool,
}

impl VisitorMut for Aggregates {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr
            && name.value.starts_with(OWN)
        {
            return ControlFlow::Continue(());
        }
        let text = expr.to_string();
        if let Some(at) = self.groups.iter().position(|group| *group == text) {
            *expr = Expr::Identifier(Ident::new(own("group_", at)));
        } else if let Expr::Function(function) = expr {
            match self.function(function) {
                Some(whole) => *expr = whole,
                // Of groups and aggregates, as of a row's values.
                None => self.is_stuck |= function.over.is_some() || !OF_ROWS.contains(&name_of(function).as_str()),
            }
        }
        ControlFlow::Continue(())
    }
}

fn name_of(function: &Function) -> String {
    function.name.to_string().to_lowercase()
}

impl Aggregates {
    /// The groups with their aggregates, and for each value whose different ones are counted the groups with these: together they
    /// would be a row for each group and value, however little there is to say of it.
    fn steps(&self, groups: &[String], table: &str, condition: &str) -> Option<Vec<(String, Query, Option<Folding>)>> {
        let names = |kind: &str, count: usize| (0..count).map(|at| own(kind, at)).collect::<Vec<_>>();
        let (counted, partial) = (names("distinct_", self.distinct.len()), names("partial_", self.partial.len()));
        let values = names("value_", self.values.len());
        // What a step does not have is NULL, which no aggregate takes into account.
        let read = |has_group: bool, distinct: Option<usize>| {
            let or_null = |name: &String, has: bool| if has { name.clone() } else { format!("NULL AS {name}") };
            let counted = counted.iter().enumerate().map(|(at, name)| or_null(name, distinct == Some(at)));
            let partial = partial.iter().map(|name| or_null(name, has_group));
            let columns: Vec<String> = groups.iter().cloned().chain(counted).chain(partial).collect();
            if columns.is_empty() { "*".to_owned() } else { columns.join(", ") }
        };
        let of = |lines: &[String], columns: &[String], by: &[String]| {
            let or_kind = |columns: &[String]| if columns.is_empty() { "kind".to_owned() } else { columns.join(", ") };
            let lines = format!("SELECT {} FROM {table}{condition}", or_kind(lines));
            let by = if by.is_empty() { String::new() } else { format!(" GROUP BY {}", by.join(", ")) };
            parse(&format!("SELECT {} FROM ({lines}) AS part_lines{by}", columns.join(", ")), "split").ok()
        };
        let aggregates = self.partial.iter().map(|partial| match partial.split('(').next() {
            Some("min") => Aggregate::Least,
            Some("max") => Aggregate::Greatest,
            _ => Aggregate::Sum,
        });
        let lines = [named(&self.groups, groups), named(&self.values, &values)].concat();
        let columns = [groups.to_vec(), named(&self.partial, &partial)].concat();
        let mut steps = Vec::new();
        if !columns.is_empty() {
            let folding = Folding { aggregates: aggregates.collect() };
            steps.push((read(true, None), of(&lines, &columns, groups)?, Some(folding)));
        }
        for (at, (expr, name)) in self.distinct.iter().zip(&counted).enumerate() {
            let lines = [named(&self.groups, groups), vec![format!("{expr} AS {name}")]].concat();
            let columns = [groups.to_vec(), vec![name.clone()]].concat();
            let folding = Folding { aggregates: Vec::new() };
            steps.push((read(false, Some(at)), of(&lines, &columns, &columns)?, Some(folding)));
        }
        Some(steps)
    }

    /// What an aggregate is over the aggregates of parts.
    fn function(&mut self, function: &Function) -> Option<Expr> {
        let FunctionArguments::List(arguments) = &function.args else { return None };
        let [FunctionArg::Unnamed(argument)] = arguments.args.as_slice() else { return None };
        let is_plain = function.over.is_none()
            && function.filter.is_none()
            && function.null_treatment.is_none()
            && function.within_group.is_empty()
            && arguments.clauses.is_empty();
        let name = name_of(function);
        let is_distinct = arguments.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        if !is_plain || !matches!(name.as_str(), "count" | "sum" | "min" | "max") || (is_distinct && name == "sum") {
            return None;
        }
        let value = match argument {
            FunctionArgExpr::Wildcard if name == "count" && !is_distinct => None,
            FunctionArgExpr::Expr(value) if is_of_a_row(value) => Some(value.to_string()),
            _ => return None,
        };
        let place = |of: &mut Vec<String>, text: String| {
            of.iter().position(|known| *known == text).unwrap_or_else(|| {
                of.push(text);
                of.len() - 1
            })
        };
        let (name, distinct, column) = match (name.as_str(), value) {
            // The least of distinct values is the least of all.
            ("count", Some(value)) if is_distinct => {
                ("count", "DISTINCT ", own("distinct_", place(&mut self.distinct, value)))
            }
            (_, value) => {
                let value = value
                    .map_or_else(|| "*".to_owned(), |value| format!("{OWN}value_{}", place(&mut self.values, value)));
                let at = place(&mut self.partial, format!("{name}({value})"));
                (if name == "count" { "sum" } else { name.as_str() }, "", format!("{OWN}partial_{at}"))
            }
        };
        match select_of(&format!("SELECT {name}({distinct}{column})"))?.projection.into_iter().next()? {
            SelectItem::UnnamedExpr(expr) => Some(expr),
            _ => None,
        }
    }
}
