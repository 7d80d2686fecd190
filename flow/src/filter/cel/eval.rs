//! Checked expressions, asked about rows.
//!
//! Each row has a budget: an expression that wants to do more has no value, so that none runs for ever or fills the memory.

use std::sync::Arc;

use regex::Regex;

use super::functions::Function;
use super::read::{Path, Place, Row};
use super::value::{Budget, Fault, Value, find};
use crate::schema::MessageId;

#[derive(Debug)]
pub(super) enum Node {
    Const(Value<'static>),
    /// A message of the row.
    Place(MessageId),
    /// A field of a message of the row.
    Field(&'static Path),
    HasField(&'static Path),
    /// The variable of the macro that stands so deep in others.
    Local(usize),
    /// A field of whatever message or map comes out.
    Select {
        of: Box<Node>,
        name: String,
    },
    Has {
        of: Box<Node>,
        name: String,
    },
    Call(Function, Vec<Node>),
    Matches(Box<Node>, Regex),
    /// Each must hold, or none must, where that is turned round: `a && b` and `a || b`.
    Both {
        wanted: bool,
        sides: Vec<Node>,
    },
    If(Box<[Node; 3]>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Each(Box<Each>),
}

/// A macro over the items of a list or the keys of a map.
#[derive(Debug)]
pub(super) struct Each {
    pub kind: Macro,
    pub range: Node,
    /// What is asked of each; `map` may ask nothing.
    pub test: Option<Node>,
    /// What `map` makes of each.
    pub result: Option<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

/// What an expression is asked about.
pub(super) struct Scope<'a> {
    pub row: Row<'a>,
    pub budget: Budget,
    /// The variables of macros, outermost first.
    pub locals: Vec<Value<'a>>,
}

impl Node {
    pub(super) fn value<'a>(&'a self, scope: &mut Scope<'a>) -> Result<Value<'a>, Fault> {
        scope.budget.take(1)?;
        let row = scope.row;
        match self {
            Self::Const(value) => Ok(value.lent()),
            Self::Place(id) => Ok(Value::Place(Place { row, id: *id })),
            Self::Field(path) => weighed(path.value(row)?, scope),
            Self::HasField(path) => Ok(Value::Bool(path.is_there(row))),
            Self::Local(at) => scope.locals.get(*at).cloned().ok_or(Fault),
            Self::Select { of, name } => match of.value(scope)? {
                Value::Place(place) => weighed(place.field(name)?, scope),
                Value::Item(item) => item.field(name),
                Value::Flags(flags) => Ok(Value::Bool(is_set(flags, name))),
                Value::Map(entries) => find(&entries, &Value::Text(name.into()), &scope.budget)?.cloned().ok_or(Fault),
                _ => Err(Fault),
            },
            Self::Has { of, name } => Ok(Value::Bool(match of.value(scope)? {
                Value::Place(place) => place.has(name),
                Value::Item(item) => item.has(name),
                Value::Flags(flags) => is_set(flags, name),
                Value::Map(entries) => find(&entries, &Value::Text(name.into()), &scope.budget)?.is_some(),
                _ => return Err(Fault),
            })),
            Self::Call(function, args) => {
                let args = args.iter().map(|arg| arg.value(scope)).collect::<Result<_, _>>()?;
                function.call(args, &scope.budget)
            }
            Self::Matches(text, pattern) => match text.value(scope)? {
                Value::Text(text) => Ok(Value::Bool(pattern.is_match(&text))),
                _ => Err(Fault),
            },
            Self::Both { wanted, sides } => {
                // One side that decides is enough, whatever came before it.
                let mut faulty = false;
                for side in sides {
                    match side.value(scope).and_then(|value| value.truth()) {
                        Ok(truth) if truth != *wanted => return Ok(Value::Bool(truth)),
                        Ok(_) => {}
                        Err(Fault) => faulty = true,
                    }
                }
                if faulty { Err(Fault) } else { Ok(Value::Bool(*wanted)) }
            }
            Self::If(parts) => {
                let [condition, yes, no] = &**parts;
                if condition.value(scope)?.truth()? { yes.value(scope) } else { no.value(scope) }
            }
            Self::List(items) => {
                let items = items.iter().map(|item| item.value(scope)).collect::<Result<Arc<[_]>, _>>()?;
                Ok(Value::List(items))
            }
            Self::Map(entries) => {
                let mut made: Vec<(Value<'a>, Value<'a>)> = Vec::new();
                for (key, value) in entries {
                    let (key, value) = (key.value(scope)?, value.value(scope)?);
                    if !matches!(key, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Text(_)) {
                        return Err(Fault);
                    }
                    match position(&made, &key, &scope.budget)?.and_then(|at| made.get_mut(at)) {
                        Some(known) => known.1 = value,
                        None => made.push((key, value)),
                    }
                }
                Ok(Value::Map(made.into()))
            }
            Self::Each(each) => each.value(scope),
        }
    }
}

/// A list of a row costs what it holds.
fn weighed<'a>(value: Value<'a>, scope: &Scope<'a>) -> Result<Value<'a>, Fault> {
    scope.budget.take(value.weight())?;
    Ok(value)
}

fn is_set(flags: &str, name: &str) -> bool {
    flags.split(", ").any(|flag| flag == name)
}

fn position(entries: &[(Value<'_>, Value<'_>)], key: &Value<'_>, budget: &Budget) -> Result<Option<usize>, Fault> {
    for (at, (known, _)) in entries.iter().enumerate() {
        if known.equals(key, budget)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

impl Each {
    fn value<'a>(&'a self, scope: &mut Scope<'a>) -> Result<Value<'a>, Fault> {
        let items: Arc<[Value<'a>]> = match self.range.value(scope)? {
            Value::List(items) => items,
            Value::Map(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
            _ => return Err(Fault),
        };
        let depth = scope.locals.len();
        let value = self.over(&items, scope);
        scope.locals.truncate(depth);
        value
    }

    fn over<'a>(&'a self, items: &[Value<'a>], scope: &mut Scope<'a>) -> Result<Value<'a>, Fault> {
        let depth = scope.locals.len();
        let mut made = Vec::new();
        let (mut faulty, mut count) = (false, 0);
        for item in items {
            scope.locals.truncate(depth);
            scope.locals.push(item.clone());
            let test = self.test.as_ref().map(|test| test.value(scope).and_then(|value| value.truth()));
            let test = test.unwrap_or(Ok(true));
            match self.kind {
                // One that decides is enough, whatever came before it.
                Macro::All | Macro::Exists => match test {
                    Ok(holds) if holds == (self.kind == Macro::Exists) => return Ok(Value::Bool(holds)),
                    Ok(_) => {}
                    Err(Fault) => faulty = true,
                },
                Macro::ExistsOne => count += usize::from(test?),
                Macro::Filter if test? => made.push(item.clone()),
                Macro::Map if test? => made.push(self.result.as_ref().ok_or(Fault)?.value(scope)?),
                Macro::Filter | Macro::Map => {}
            }
        }
        match self.kind {
            _ if faulty => Err(Fault),
            Macro::All | Macro::Exists => Ok(Value::Bool(self.kind == Macro::All)),
            Macro::ExistsOne => Ok(Value::Bool(count == 1)),
            Macro::Filter | Macro::Map => Ok(Value::List(made.into())),
        }
    }
}
