//! Parsed expressions against the message tree: every name must be known and every function take what it is given, as in cel-go.

use std::collections::BTreeSet;
use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, MapExpr, SelectExpr};

use super::eval::Node;
use super::read::{Path, columns};
use super::types::{Shape, Ty};
use super::value::Value;
use crate::columns::ColumnId;
use crate::schema::SCHEMA;

/// The only variable.
const FLOW: &str = "_flow";

/// Where names are looked for first.
const CONTAINER: &str = "flow";

/// How deep expressions may stand in each other: asking them goes as deep.
const DEPTH: usize = 100;

/// An expression that is understood.
#[derive(Debug)]
pub(super) struct Checked {
    pub node: Node,
    /// All that it may look at.
    pub columns: BTreeSet<ColumnId>,
}

pub(super) fn check(expr: &IdedExpr) -> Result<Checked, String> {
    let mut checker = Checker::default();
    let (node, ty) = checker.value(expr)?;
    match ty {
        Ty::Bool => Ok(Checked { node, columns: checker.columns }),
        Ty::Wrapper(inner) if *inner == Ty::Bool => {
            Err("its result may be null, not only a bool: compare it, as in _flow.is_reply == true".to_owned())
        }
        other => Err(format!("its result is {other}, not bool")),
    }
}

#[derive(Default)]
pub(super) struct Checker {
    columns: BTreeSet<ColumnId>,
    /// The variables of macros, outermost first.
    pub(super) locals: Vec<(String, Ty)>,
    depth: usize,
}

/// An expression and the type of its value.
pub(super) type Typed = Result<(Node, Ty), String>;

impl Checker {
    /// An expression whose value is wanted: of a message, all of it.
    pub(super) fn value(&mut self, expr: &IdedExpr) -> Typed {
        let (node, ty) = self.node(expr)?;
        if let Node::Place(id) = node {
            self.columns.extend(columns(id));
        }
        Ok((node, ty))
    }

    fn node(&mut self, expr: &IdedExpr) -> Typed {
        if self.depth == DEPTH {
            return Err(format!("it is nested deeper than {DEPTH} levels"));
        }
        self.depth += 1;
        let typed = match &expr.expr {
            Expr::Literal(value) => Ok(literal(value)),
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.list(&list.elements),
            Expr::Map(map) => self.map(map),
            Expr::Struct(built) => Err(format!("a message such as {} cannot be made here", built.type_name)),
            Expr::Comprehension(_) | Expr::Unspecified => Err("it is not understood".to_owned()),
        };
        self.depth -= 1;
        typed
    }

    fn ident(&self, name: &str) -> Typed {
        if let Some((at, (_, ty))) = self.locals.iter().enumerate().rev().find(|(_, (local, _))| local == name) {
            return Ok((Node::Local(at), ty.clone()));
        }
        let flow = SCHEMA.body("flow").filter(|_| name.strip_prefix('.').unwrap_or(name) == FLOW);
        let id = flow.ok_or_else(|| format!("there is no variable {name}; the flow is {FLOW}"))?;
        Ok((Node::Place(id), Ty::Message(Shape::Place(id))))
    }

    fn select(&mut self, select: &SelectExpr) -> Typed {
        let name = &select.field;
        if let Some(value) = self.enum_value(&select.operand.expr, name) {
            return value;
        }
        let (of, ty) = self.node(&select.operand)?;
        let ty = field_type(&ty, name)?;
        let Node::Place(id) = of else {
            return Ok((Node::Select { of: Box::new(of), name: name.clone() }, ty));
        };
        let path = Path::of(id, name).ok_or_else(|| unknown_field(&ty, name))?;
        if let Some(message) = path.message() {
            return Ok((Node::Place(message), ty));
        }
        self.columns.extend(path.columns());
        Ok((Node::Field(path), ty))
    }

    /// The number of `Verdict.DROPPED`, where the operand is the name of an enum.
    fn enum_value(&self, operand: &Expr, value: &str) -> Option<Typed> {
        let path = qualified(operand)?;
        let root = path.split('.').next().unwrap_or_default();
        if self.locals.iter().any(|(local, _)| local == root) {
            return None;
        }
        let within = format!("{CONTAINER}.{path}");
        let name = [within.as_str(), path.strip_prefix('.').unwrap_or(&path)]
            .into_iter()
            .find(|name| SCHEMA.enums.contains_key(*name))?;
        let number = SCHEMA.enums.get(name).and_then(|names| names.number(value));
        Some(match number {
            Some(number) => Ok((Node::Const(Value::Int(number.into())), Ty::Int)),
            None => Err(format!("{name} has no value {value}")),
        })
    }

    /// `has(a.b)`.
    pub(super) fn has(&mut self, arg: &IdedExpr) -> Typed {
        let Expr::Select(select) = &arg.expr else { return Err("has() asks about a field: has(_flow.l4)".to_owned()) };
        let name = &select.field;
        let (of, ty) = self.node(&select.operand)?;
        if let Node::Place(id) = of {
            let path = Path::of(id, name).ok_or_else(|| unknown_field(&ty, name))?;
            self.columns.extend(path.presence_columns());
            return Ok((Node::HasField(path), Ty::Bool));
        }
        field_type(&ty, name)?;
        Ok((Node::Has { of: Box::new(of), name: name.clone() }, Ty::Bool))
    }

    fn map(&mut self, map: &MapExpr) -> Typed {
        let mut entries = Vec::with_capacity(map.entries.len());
        let (mut keys, mut values) = (None, None);
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { return Err("a map has no fields".to_owned()) };
            let (key, key_ty) = self.value(&entry.key)?;
            let (value, value_ty) = self.value(&entry.value)?;
            (keys, values) = (Some(either(keys, key_ty)), Some(either(values, value_ty)));
            entries.push((key, value));
        }
        let ty = |ty: Option<Ty>| Box::new(ty.unwrap_or(Ty::Dyn));
        Ok((Node::Map(entries), Ty::Map(ty(keys), ty(values))))
    }

    fn list(&mut self, elements: &[IdedExpr]) -> Typed {
        let (mut items, mut ty) = (Vec::with_capacity(elements.len()), None);
        for element in elements {
            let (item, item_ty) = self.value(element)?;
            items.push(item);
            ty = Some(either(ty, item_ty));
        }
        let ty = Ty::list(ty.unwrap_or(Ty::Dyn));
        // A list of what is known is made once, not for each row.
        let known: Option<Arc<[_]>> =
            items.iter().map(|item| if let Node::Const(value) = item { Some(value.clone()) } else { None }).collect();
        Ok((known.map_or_else(|| Node::List(items), |known| Node::Const(Value::List(known))), ty))
    }
}

/// What an item of a list may be, of which some are known already.
fn either(known: Option<Ty>, item: Ty) -> Ty {
    match known {
        Some(known) => known.join(&item).unwrap_or(Ty::Dyn),
        None => item,
    }
}

fn unknown_field(ty: &Ty, name: &str) -> String {
    format!("{ty} has no field {name}")
}

fn field_type(ty: &Ty, name: &str) -> Result<Ty, String> {
    match ty {
        Ty::Dyn => Ok(Ty::Dyn),
        Ty::Map(_, value) => Ok((**value).clone()),
        Ty::Message(shape) => shape.field(name).unwrap_or_else(|| Err(unknown_field(ty, name))),
        other => Err(unknown_field(other, name)),
    }
}

/// `a.b.c` as one name.
fn qualified(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) => {
            let mut name = qualified(&select.operand.expr)?;
            name.push('.');
            name.push_str(&select.field);
            Some(name)
        }
        _ => None,
    }
}

fn literal(value: &LiteralValue) -> (Node, Ty) {
    let (value, ty) = match value {
        LiteralValue::Boolean(value) => (Value::Bool(*value.inner()), Ty::Bool),
        LiteralValue::Bytes(value) => (Value::Bytes(value.inner().to_vec().into()), Ty::Bytes),
        LiteralValue::Double(value) => (Value::Double(*value.inner()), Ty::Double),
        LiteralValue::Int(value) => (Value::Int(*value.inner()), Ty::Int),
        LiteralValue::Null => (Value::Null, Ty::Null),
        LiteralValue::String(value) => (Value::Text(value.inner().to_owned().into()), Ty::Text),
        LiteralValue::UInt(value) => (Value::Uint(*value.inner()), Ty::Uint),
    };
    (Node::Const(value), ty)
}
