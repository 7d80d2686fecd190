//! An aggregation in two steps: of each part, and over the parts.

use std::ops::ControlFlow;

use lookback_flow::columns::ColumnId;
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, OrderBy,
    Query, Select, SelectItem, SetExpr, VisitMut, VisitorMut,
};

use super::{OF_ROWS, identifiers, is_by_outputs, is_of_a_row};
use crate::bind::parse;

/// A SELECT that counts, sums, or seeks the least or greatest, by groups or of all.
pub(super) fn aggregated(select: &Select, table: &str, order: Option<&OrderBy>) -> Option<(Query, Select)> {
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
    let own = |kind: &str, count: usize| (0..count).map(|at| format!("{OWN}{kind}{at}")).collect::<Vec<_>>();
    let keys = [own("group_", parts.groups.len()), own("distinct_", parts.distinct.len())].concat();
    let named = |exprs: &[String], kind: &str| {
        exprs.iter().enumerate().map(|(at, expr)| format!("{expr} AS {OWN}{kind}{at}")).collect::<Vec<_>>()
    };
    let columns =
        [named(&parts.groups, "group_"), named(&parts.distinct, "distinct_"), named(&parts.values, "value_")].concat();
    let columns = if columns.is_empty() { "kind".to_owned() } else { columns.join(", ") };
    let condition = rest.selection.take().map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    let partial = [keys.clone(), named(&parts.partial, "partial_")].concat().join(", ");
    let by = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
    let step = format!("SELECT {partial} FROM (SELECT {columns} FROM {table}{condition}) AS part_lines{by}");
    let groups = own("group_", parts.groups.len()).into_iter().map(|name| Expr::Identifier(Ident::new(name))).collect();
    rest.group_by = GroupByExpr::Expressions(groups, Vec::new());
    Some((parse(&step, "split").ok()?, rest))
}

/// Begins the names of columns of a step.
const OWN: &str = "part_";

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
            *expr = own("group_", at);
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

fn own(kind: &str, at: usize) -> Expr {
    Expr::Identifier(Ident::new(format!("{OWN}{kind}{at}")))
}

fn name_of(function: &Function) -> String {
    function.name.to_string().to_lowercase()
}

impl Aggregates {
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
        if !is_plain || !matches!(name.as_str(), "count" | "sum" | "min" | "max") {
            return None;
        }
        let is_distinct = arguments.duplicate_treatment == Some(DuplicateTreatment::Distinct);
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
            ("count" | "sum", Some(value)) if is_distinct => {
                (name.as_str(), "DISTINCT ", format!("{OWN}distinct_{}", place(&mut self.distinct, value)))
            }
            (_, value) => {
                let value = value
                    .map_or_else(|| "*".to_owned(), |value| format!("{OWN}value_{}", place(&mut self.values, value)));
                let at = place(&mut self.partial, format!("{name}({value})"));
                (if name == "count" { "sum" } else { name.as_str() }, "", format!("{OWN}partial_{at}"))
            }
        };
        match *parse(&format!("SELECT {name}({distinct}{column})"), "split").ok()?.body {
            SetExpr::Select(select) => match select.projection.into_iter().next()? {
                SelectItem::UnnamedExpr(expr) => Some(expr),
                _ => None,
            },
            _ => None,
        }
    }
}
